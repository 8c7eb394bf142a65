"""Posterior probabilities of the units given a document, from importance-weighted samples of the recognition network.

q(h | x) approximates the posterior p(h | x). Weighting its samples by p(x, h) / q(h | x) removes most of the error.

Axes: S samples, B documents of a batch, N documents, K units of the first layer.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from docnvil.analysis.chunking import documents_per_batch, importance_samples, model_batches
from docnvil.analysis.unit_probabilities import prior_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.runtime.precision import onednn_products
from docnvil.runtime.randomness import KeyedGenerator, stream_seed
from docnvil.schema import check_whole
from docnvil.text.sparse import CountRows, entries_per_row

PRIOR_SAMPLES = 200_000  # a probability of 0.01 is then known within 2 percent
JOINT_SAMPLES = 5_000  # of the prior, for the dependence between units
MAX_BYTES = 2**30  # of the samples that are kept
MIN_LOG_WEIGHT = -80.0  # of a sample that is practically impossible
DEPENDENT_PRIORS = ("autoregressive", "mixture")


@dataclass(frozen=True)
class PosteriorSamples:
    """Samples of all units together: weighted ones of each document's posterior, and those of the prior.

    Arguments:
        codes: `[N, S, ceil(K/8)]`, the units of each sample as packed bits (`numpy.packbits`).
        log_weights: `[N, S]`, of the samples.
        prior: `[M, K]` of zeros and ones, samples of p(h); None if the units are independent of each other.
    """

    codes: NDArray[np.uint8]
    log_weights: NDArray[np.float32]
    prior: NDArray[np.float32] | None


@dataclass(frozen=True)
class UnitPosteriors:
    """Posterior probabilities of the units of the first layer.

    Arguments:
        probabilities: `[N, K]`, p(h_k = 1 | x) of each document; the prior's where a document has no words.
        prior: `[K]`, p(h_k = 1) of the model.
        effective_samples: `[N]`, (sum w)^2 / sum w^2 of the weights w of a document's S samples, from 1 to S.
        empty: `[N]`, whether a document has no words.
        samples: of the units together; without them, units are taken to be independent given the document.
    """

    probabilities: NDArray[np.float32]
    prior: NDArray[np.float64]
    effective_samples: NDArray[np.float32]
    empty: NDArray[np.bool_]
    samples: PosteriorSamples | None = None

    def select(self, rows: NDArray[np.bool_] | slice) -> "UnitPosteriors":
        """Return those of some documents."""
        samples = self.samples
        if samples is not None:
            samples = PosteriorSamples(samples.codes[rows], samples.log_weights[rows], samples.prior)
        return UnitPosteriors(
            self.probabilities[rows], self.prior, self.effective_samples[rows], self.empty[rows], samples
        )


@torch.no_grad()
def unit_posteriors(model: BeliefNetwork, counts: CountRows, *, n_samples: int = 50, seed: int = 0) -> UnitPosteriors:
    """Estimate p(h_k = 1 | x) = sum_s w_s h_sk / sum_s w_s with h_s ~ q(h | x) and w_s = p(x, h_s) / q(h_s | x).

    The samples of a document are keyed by its words, so its probabilities do not depend on other documents.

    Arguments:
        model: the belief network.
        counts: `[N, V]` CSR.
        n_samples: S, samples per document.
        seed: determines the samples, together with the documents' words.

    Raises:
        VocabularyError: the counts and the model's vocabulary have different sizes.
        ConfigurationError: no samples.
    """
    n_samples, seed = check_whole("n_samples", n_samples, 1), check_whole("seed", seed)
    n_documents, n_units = counts.shape[0], model.config.units[0]
    probabilities = np.empty((n_documents, n_units), dtype=np.float32)
    effective = np.empty(n_documents, dtype=np.float32)
    n_bytes = (n_units + 7) // 8
    n_kept = min(n_samples, max(8, MAX_BYTES // max(1, n_documents * (n_bytes + 4))))
    codes = np.zeros((n_documents, n_kept, n_bytes), dtype=np.uint8)
    log_weights = np.zeros((n_documents, n_kept), dtype=np.float32)
    batch_size = documents_per_batch(n_samples, model.config.vocabulary_size, model.device)
    with onednn_products(model.device):
        for rows, batch in model_batches(model, counts, batch_size):
            generator = KeyedGenerator(seed, batch.keys)
            samples, weights = importance_samples(model, batch.counts, n_samples, generator)
            means = torch.einsum("sb,sbk->bk", weights, samples[0].double())
            probabilities[rows] = means.clamp(0, 1).cpu().numpy()
            effective[rows] = (1 / (weights**2).sum(0)).cpu().numpy()
            kept = samples[0][:n_kept].transpose(0, 1).bool().cpu().numpy()
            codes[rows] = np.packbits(kept, axis=-1)
            log_weights[rows] = weights[:n_kept].T.log().clamp(min=MIN_LOG_WEIGHT).cpu().numpy()
    prior = prior_probabilities(model, n_samples=PRIOR_SAMPLES)[:n_units].astype(np.float64)
    empty = entries_per_row(counts) == 0
    if model.generative.visible.empty_is_data:
        empty[:] = False
    probabilities[empty] = prior
    return UnitPosteriors(
        probabilities, prior, effective, empty, PosteriorSamples(codes, log_weights, _prior_samples(model, seed))
    )


def _prior_samples(model: BeliefNetwork, seed: int) -> NDArray[np.float32] | None:
    """Return samples of the first layer's prior, `[M, K]`; None if its units are independent."""
    if len(model.config.units) == 1 and model.config.prior not in DEPENDENT_PRIORS:
        return None
    keys = torch.arange(JOINT_SAMPLES, device=model.device)
    samples = model.generative.sample(JOINT_SAMPLES, KeyedGenerator(stream_seed(seed, "prior of effects"), keys))
    return samples[0][0].cpu().numpy().astype(np.float32)
