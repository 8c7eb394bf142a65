"""Perplexity of documents: bounds on log p(x) per document, and their summary.

The samples drawn for a document are keyed by the seed and the document's words, so its bound does not depend on other
documents, on their order or on the batch size.

Axes: S samples, B documents of a batch, N documents, V words, K units. Unit: nats.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docnvil.analysis.annealed import annealed_log_weights
from docnvil.analysis.chunking import documents_per_batch, log_probabilities, model_batches, sample_chunks
from docnvil.analysis.exact import exact_terms
from docnvil.analysis.nats import mean_perplexities
from docnvil.batches import Batch
from docnvil.errors import ConfigurationError, CorpusError, naming_step
from docnvil.model.belief_network import BeliefNetwork
from docnvil.nvil.bounds import importance_weighted_bound
from docnvil.runtime.precision import onednn_products
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.schema import check_whole
from docnvil.text.sparse import CountRows, row_sums

Bound = Literal["elbo", "importance", "annealed", "exact"]
TEMPERATURES = 10  # of the annealed bound, by default
DOCUMENTS_PER_EXACT_BATCH = 256  # all of them share the normalizers of the enumerated units


@dataclass(frozen=True)
class Perplexity:
    """Perplexities of a corpus, and the sums they are made of. Documents without words count in `empty_documents` only.

    Arguments:
        perplexity_per_document: exp(-(1/N) sum_n log p(x_n) / L_n), as in the NVIL papers.
        perplexity_per_word: exp(-sum_n log p(x_n) / sum_n L_n), as in most toolkits.
        log_likelihood: the bound on log p(x), summed over documents, in nats.
        reconstruction: E_q[log p(x | h1)], summed over documents, in nats.
        kl: KL(q(h | x) || p(h)), estimated from the same samples and summed over documents, in nats.
        documents: N, the documents with at least one word.
        empty_documents: the documents without words.
        tokens: sum_n L_n, the words of all documents; of binary vectors, their bits.
        bound: "elbo", "importance", "annealed", or "exact" for the log-likelihood itself.
        samples: S, samples per document; 0 if exact.
        temperatures: T, the steps of the annealed bound; 0 for others.
    """

    perplexity_per_document: float
    perplexity_per_word: float
    log_likelihood: float
    reconstruction: float
    kl: float
    documents: int
    empty_documents: int
    tokens: float
    bound: Bound
    samples: int
    temperatures: int = 0


@dataclass(frozen=True)
class DocumentBounds:
    """The terms of `Perplexity` for each document, `[N]` float64, in nats, and how they were estimated.

    The ELBO is reconstruction - kl. `lengths` has L, the words of each document; V for binary vectors.
    """

    log_likelihood: NDArray[np.float64]
    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]
    lengths: NDArray[np.float64]
    bound: Bound
    samples: int = 0
    temperatures: int = 0

    def summarize(self) -> Perplexity:
        """Return the perplexities of all documents.

        Raises:
            CorpusError: no document has a word.

        Example:
            Two documents whose words all have probability 1/8, and an empty one:

            >>> lengths = np.array([2.0, 5.0, 0.0])
            >>> nats = -lengths * math.log(8)
            >>> result = DocumentBounds(nats, nats, np.zeros(3), lengths, bound="exact").summarize()
            >>> round(result.perplexity_per_document, 9), round(result.perplexity_per_word, 9), result.empty_documents
            (8.0, 8.0, 1)
        """
        n_filled = int((self.lengths > 0).sum())
        if not n_filled:
            raise CorpusError(
                "No document has a word of the model's vocabulary, so there is nothing to predict."
                " Check that the documents have the language and format of the training documents."
            )
        per_document, per_word = mean_perplexities(self.log_likelihood, self.lengths)
        tokens = math.fsum(self.lengths)
        return Perplexity(
            perplexity_per_document=per_document,
            perplexity_per_word=per_word,
            log_likelihood=math.fsum(self.log_likelihood),
            reconstruction=math.fsum(self.reconstruction),
            kl=math.fsum(self.kl),
            documents=n_filled,
            empty_documents=len(self.lengths) - n_filled,
            tokens=int(tokens) if tokens.is_integer() else tokens,
            bound=self.bound,
            samples=self.samples,
            temperatures=self.temperatures,
        )


@naming_step("evaluating documents", "Give fewer documents at a time.")
@torch.no_grad()
def document_bounds(
    model: BeliefNetwork,
    counts: CountRows,
    *,
    bound: Bound = "elbo",
    n_samples: int = 10,
    temperatures: int = TEMPERATURES,
    seed: int = 0,
) -> DocumentBounds:
    """Estimate a lower bound on log p(x) of each document; it is 0 for an empty document, whose p(x) is 1.

    Arguments:
        model: the belief network.
        counts: `[N, V]` CSR.
        bound: "elbo", the variational bound of the NVIL papers; "importance", the tighter importance-weighted bound;
            "annealed", still tighter but slower; or "exact", log p(x) itself, for models of at most 20 units.
        n_samples: S, samples per document; memory does not grow with it.
        temperatures: T, the steps of the annealed bound.
        seed: determines the samples, together with the documents' words.

    Raises:
        VocabularyError: the counts and the model's vocabulary have different sizes.
        ConfigurationError: an unknown bound, no samples or temperatures, or too many units for "exact".
    """
    if bound not in get_args(Bound):
        raise ConfigurationError(f"bound is {bound!r}. Choose one of {', '.join(map(repr, get_args(Bound)))}.")
    n_samples, temperatures = check_whole("n_samples", n_samples, 1), check_whole("temperatures", temperatures, 1)
    seed = check_whole("seed", seed)
    exact = bound == "exact"
    if exact:
        batch_size = DOCUMENTS_PER_EXACT_BATCH
    else:
        batch_size = documents_per_batch(n_samples, model.config.vocabulary_size, model.device)
    values = np.zeros((3, counts.shape[0]))  # log-likelihood, reconstruction, KL
    with onednn_products(model.device):
        for rows, batch in model_batches(model, counts, batch_size):
            if exact:
                terms = exact_terms(model, batch.counts)
            else:
                terms = _sampled_terms(model, batch, bound, n_samples, temperatures, seed)
            values[:, rows] = torch.stack(terms).cpu().numpy()
    lengths = model.generative.visible.document_lengths(row_sums(counts, np.float64), counts.shape[1])
    return DocumentBounds(
        *(values * (lengths > 0)),
        lengths=lengths,
        bound=bound,
        samples=0 if exact else n_samples,
        temperatures=temperatures if bound == "annealed" else 0,
    )


def _sampled_terms(
    model: BeliefNetwork, batch: Batch, bound: Bound, n_samples: int, temperatures: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Estimate log p(x), E_q[log p(x | h1)] and KL(q(h | x) || p(h)), `[B]` each.

    Works on chunks of samples and keeps only their sums, so that memory does not grow with S.
    """
    reconstruction, kl = torch.zeros(2, len(batch.counts), dtype=torch.float64, device=model.device)
    log_sum = torch.full_like(kl, -torch.inf)  # of the weights of all samples so far
    for chunk in sample_chunks(n_samples, len(batch.counts), batch.counts.vocabulary_size, model.device):
        generator = KeyedGenerator(seed, batch.keys, first_sample=chunk.start)
        size = chunk.stop - chunk.start
        samples = model.recognition.sample(batch.counts, size, generator)
        log_visible, log_prior, log_q = log_probabilities(model, batch.counts, samples)
        reconstruction += log_visible.sum(0) / n_samples
        kl += (log_q - log_prior).sum(0) / n_samples
        if bound == "annealed":
            log_weights = annealed_log_weights(model, batch.counts, samples, temperatures, generator)
            log_sum = torch.logaddexp(log_sum, torch.logsumexp(log_weights, 0))
        elif bound == "importance":
            mean = importance_weighted_bound(log_visible + log_prior, log_q)
            log_sum = torch.logaddexp(log_sum, mean + math.log(size))
    log_likelihood = reconstruction - kl if bound == "elbo" else log_sum - math.log(n_samples)
    return log_likelihood, reconstruction, kl
