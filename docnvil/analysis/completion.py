"""Document completion: observe one part of each document and predict the words of the other, held-out part.

The score is the probability of each held-out word given the observed part. It contains no bound, so it compares all
models that have a predictive distribution.

Axes: S samples, B documents of a batch, N documents, V words, K units. Unit: nats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from docnvil.analysis.chunking import SAMPLES_PER_CHUNK, documents_per_batch, importance_samples, model_batches
from docnvil.analysis.gibbs import gibbs_sweep
from docnvil.analysis.nats import mean_perplexities
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.precision import onednn_products
from docnvil.runtime.randomness import KeyedGenerator, uniform
from docnvil.schema import check_whole
from docnvil.text.sparse import CSR

MAX_PROBABILITIES = 4_000_000  # of a batch's predictions: 32 MB in double precision
CHAINS = 20  # Markov chains per document
SWEEPS = 2  # Gibbs sweeps of each chain; more hardly improve the predictions
MIN_PROBABILITY = 1e-300  # so that a word predicted with probability 0 costs 690 nats and not infinitely many

# From observed counts `[B, V]` to the probability of each word to come next, dense `[B, V]`.
Predictor = Callable[[csr_array], NDArray[np.floating]]


@dataclass(frozen=True)
class Completion:
    """How well a model predicts the held-out words of a corpus.

    Arguments:
        perplexity_per_word: exp(-log_likelihood / tokens), the usual figure.
        perplexity_per_document: exp of the mean over documents of nats per held-out word.
        log_likelihood: sum over held-out words of log p(w | observed part), in nats.
        documents: the documents with held-out words.
        skipped: the documents without held-out words.
        tokens: the held-out words of all documents.
    """

    perplexity_per_word: float
    perplexity_per_document: float
    log_likelihood: float
    documents: int
    skipped: int
    tokens: int


@dataclass(frozen=True)
class CompletionScores:
    """Log p(held-out words | observed part) of each document, in nats, and the number of held-out words, `[N]` each."""

    log_likelihood: NDArray[np.float64]
    lengths: NDArray[np.float64]

    def summarize(self) -> Completion:
        """Return the perplexities of all documents."""
        per_document, per_word = mean_perplexities(self.log_likelihood, self.lengths)
        n_filled = int((self.lengths > 0).sum())
        return Completion(
            perplexity_per_word=per_word,
            perplexity_per_document=per_document,
            log_likelihood=math.fsum(self.log_likelihood),
            documents=n_filled,
            skipped=len(self.lengths) - n_filled,
            tokens=int(math.fsum(self.lengths)),
        )


def evaluate_completion(
    model: BeliefNetwork, observed: CSR, held_out: CSR, *, n_samples: int = 100, sweeps: int = SWEEPS, seed: int = 0
) -> CompletionScores:
    """Score the held-out words `[N, V]` of each document under a belief network; see `predict_words`.

    Raises:
        ConfigurationError: no samples, a negative number of sweeps, or a model of binary vectors.
        VocabularyError, CorpusError: as `evaluate_predictor`.
    """
    n_samples, sweeps = check_whole("n_samples", n_samples, 1), check_whole("sweeps", sweeps)
    seed = check_whole("seed", seed)
    predict = partial(predict_words, model, n_samples=n_samples, sweeps=sweeps, seed=seed)
    batch_size = documents_per_batch(n_samples, model.config.vocabulary_size, model.device)
    return evaluate_predictor(predict, observed, held_out, batch_size=batch_size)


def evaluate_predictor(
    predict: Predictor, observed: CSR, held_out: CSR, *, batch_size: int | None = None
) -> CompletionScores:
    """Score the held-out words of each document under any model that predicts words; both parts are `[N, V]`.

    Predictions are dense, so they are made for `batch_size` documents at a time; None for as many as need 32 MB.

    Raises:
        VocabularyError: the parts have different numbers of columns.
        CorpusError: the parts have different numbers of documents, or no word is held out.

    Example:
        The perplexity of a uniform predictor is the size of the vocabulary:

        >>> parts = csr_array(np.array([[1, 0, 2], [0, 1, 0]])), csr_array(np.array([[0, 1, 0], [0, 0, 3]]))
        >>> scores = evaluate_predictor(lambda counts: np.full(counts.shape, 1 / 3), *parts)
        >>> round(scores.summarize().perplexity_per_word, 9)
        3.0
    """
    if observed.shape != held_out.shape:
        error = CorpusError if observed.shape[0] != held_out.shape[0] else VocabularyError
        raise error(
            f"The observed counts have shape {observed.shape} and the held-out counts {held_out.shape}."
            " Give two parts of the same documents, row by row."
        )
    lengths = np.asarray(held_out.sum(axis=1, dtype=np.float64)).ravel()
    filled = np.flatnonzero(lengths)
    if not len(filled):
        raise CorpusError("No document has a held-out word, so there is nothing to predict. Hold out a larger share.")
    log_likelihood = np.zeros(len(lengths))
    batch_size = batch_size or dense_batch_size(observed.shape[1])
    for start in range(0, len(filled), batch_size):
        rows = filled[start : start + batch_size]
        targets = csr_array(held_out[rows])
        probabilities = predict(csr_array(observed[rows]))  # [B, V]
        documents = np.repeat(np.arange(len(rows)), np.diff(targets.indptr))
        nats = targets.data * np.log(np.maximum(probabilities[documents, targets.indices], MIN_PROBABILITY))
        log_likelihood[rows] = np.bincount(documents, nats, minlength=len(rows))
    return CompletionScores(log_likelihood, lengths)


def dense_batch_size(vocabulary_size: int) -> int:
    """Return how many documents fit in a dense `[B, V]` array of 32 MB: at least one, and at most 256."""
    return max(1, min(256, MAX_PROBABILITIES // max(1, vocabulary_size)))


@torch.no_grad()
def predict_words(
    model: BeliefNetwork, observed: CSR, *, n_samples: int = 100, sweeps: int = SWEEPS, seed: int = 0
) -> NDArray[np.float64]:
    """Return p(w | x), the probability of each word to come next in each document, `[B, V]`, dense.

    p(w | x) = E[p(w | x, h)] under the posterior p(h | x). Samples drawn from q(h | x) get self-normalized importance
    weights proportional to p(x, h) / q(h | x). In a long document one sample has nearly all of the weight, so that few
    samples count. Therefore `CHAINS` of them, chosen by their weights, are moved by Gibbs sweeps, which leave the
    posterior invariant, and p(w | x, h) is averaged over the chains and the sweeps. Given h, the softmax layer does not
    depend on x; the Dirichlet-multinomial layer does. The prior predicts the words of a document without observed ones.
    The result is dense, so pass one batch of documents at a time. The seed and the observed words determine the
    samples.

    Arguments:
        model: the belief network.
        observed: `[B, V]`, the observed words.
        n_samples: S, samples of q per document.
        sweeps: Gibbs sweeps of each chain; 0 for the weighted mean over the samples of q.
        seed: seed of the samples.

    Raises:
        VocabularyError: the counts and the model's vocabulary have different sizes.
        ConfigurationError: a model of binary vectors.
    """
    visible = model.generative.visible
    if not visible.supports_completion:
        raise ConfigurationError(
            f"Completion predicts words, but the model's output layer is {visible.name}. Evaluate its perplexity."
        )
    ((_, batch),) = model_batches(model, csr_array(observed), observed.shape[0])
    generator = KeyedGenerator(seed, batch.keys)
    with onednn_products(model.device):
        samples, weights = importance_samples(model, batch.counts, n_samples, generator)
        if not sweeps:
            return _mean_prediction(model, batch.counts, samples[0], weights).cpu().numpy()
        chains = resample(samples, weights, generator)  # [C, B, K] each
        mean = torch.zeros(observed.shape, dtype=torch.float64, device=model.device)
        equal = weights.new_full(chains[0].shape[:2], 1 / (CHAINS * sweeps))
        for _ in range(sweeps):
            chains = gibbs_sweep(model, batch.counts, chains, 1.0, generator)
            mean += _mean_prediction(model, batch.counts, chains[0], equal)
    return mean.cpu().numpy()


def resample(samples: Samples, weights: Tensor, generator: KeyedGenerator) -> Samples:
    """Return `CHAINS` samples per document, each `[C, B, K]`, chosen by their weights `[S, B]`, which sum to 1 over S.

    A sample of weight v is chosen floor(C v) or ceil(C v) times, C v times in expectation (systematic resampling).

    Source: Kitagawa (1996), *Monte Carlo filter and smoother for non-Gaussian nonlinear state space models*, appendix.
    """
    shift = uniform((1, weights.shape[1], 1), generator, like=weights)[0]  # [B, 1]
    positions = (torch.arange(CHAINS, dtype=weights.dtype, device=weights.device) + shift) / CHAINS  # [B, C]
    chosen = torch.searchsorted(weights.T.cumsum(1).contiguous(), positions, right=True)
    chosen = chosen.clamp_(max=len(weights) - 1).T  # [C, B]
    return tuple(layer.gather(0, chosen[:, :, None].expand(-1, -1, layer.shape[-1])) for layer in samples)


def _mean_prediction(model: BeliefNetwork, counts: SparseCounts, samples: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of p(w | x, h_s) with weights `[S, B]` over samples `[S, B, K]` of the first layer, `[B, V]`."""
    mean = weights.new_zeros(len(counts), counts.vocabulary_size)
    for start in range(0, len(samples), SAMPLES_PER_CHUNK):
        chunk = slice(start, start + SAMPLES_PER_CHUNK)
        distribution = model.generative.visible_distribution((samples[chunk],))
        mean += (weights[chunk, :, None] * distribution.predict(counts)).sum(0)  # a sum over [s, B, V]
    return mean


def split_words(counts: CSR, share: float, generator: np.random.Generator) -> tuple[csr_array, csr_array]:
    """Split each document's words at random, and return the observed and the held-out counts, `[N, V]` each.

    Each single word is held out with probability `share`, independently of the others.

    Raises:
        ConfigurationError: the share is not between 0 and 1.

    Example:
        >>> observed, held_out = split_words(csr_array(np.array([[40, 60]])), 0.2, np.random.default_rng(0))
        >>> (observed + held_out).toarray().tolist()
        [[40, 60]]
    """
    if not 0 < share < 1:
        raise ConfigurationError(f"share is {share}. Give a value between 0 and 1, for instance 0.2.")
    held_out = csr_array(counts, copy=True)
    held_out.data = generator.binomial(held_out.data.astype(np.int64), share)
    observed = csr_array(counts - held_out)
    held_out.eliminate_zeros()
    observed.eliminate_zeros()
    return observed, held_out
