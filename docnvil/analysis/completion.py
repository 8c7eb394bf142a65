"""Document completion: observe one part of each document, predict the words of the other.

The comparison that is fair to every model with a predictive distribution, because no bound enters it: what is scored is
the probability that a model gives to each unseen word once it has read the rest.

Axes: S samples, B documents of a batch, N documents, V words, K units. Unit: nats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from docnvil.analysis.perplexity import (
    SAMPLES_IN_FLIGHT,
    check_width,
    documents_at_once,
    log_probabilities,
    to_perplexity,
)
from docnvil.batches import content_keys, iterate_batches
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.runtime.randomness import KeyedGenerator

TINY = 1e-300  # a word given no probability at all costs 690 nats instead of everything

# From observed counts `[B, V]` to the probability of every next word, dense `[B, V]`.
Predictor = Callable[[csr_array], NDArray[np.floating]]


@dataclass(frozen=True)
class Completion:
    """How well the hidden part of documents is predicted.

    Arguments:
        perplexity_per_word: exp of minus all nats over all predicted words, the figure of the literature.
        perplexity_per_document: exp of minus the mean over documents of nats a predicted word.
        log_likelihood: sum over predicted words of log p(w | observed part), in nats.
        documents: documents with words to predict. skipped: documents without.
        tokens: predicted words.
    """

    perplexity_per_word: float
    perplexity_per_document: float
    log_likelihood: float
    documents: int
    skipped: int
    tokens: int


@dataclass(frozen=True)
class CompletedDocuments:
    """How well the hidden part of each document is predicted; every field `[N]` float64.

    Arguments:
        log_likelihood: sum over the predicted words of log p(w | observed part), in nats; 0 where none is predicted.
        lengths: predicted words.
    """

    log_likelihood: NDArray[np.float64]
    lengths: NDArray[np.float64]

    def summary(self) -> Completion:
        """Add the documents up."""
        filled = self.lengths > 0
        return Completion(
            perplexity_per_word=to_perplexity(-math.fsum(self.log_likelihood) / math.fsum(self.lengths)),
            perplexity_per_document=to_perplexity(-float(np.mean(self.log_likelihood[filled] / self.lengths[filled]))),
            log_likelihood=math.fsum(self.log_likelihood),
            documents=int(filled.sum()),
            skipped=int((~filled).sum()),
            tokens=int(math.fsum(self.lengths)),
        )


def document_completion(
    model: BeliefNetwork,
    observed: csr_array | csr_matrix,
    predicted: csr_array | csr_matrix,
    *,
    n_samples: int = 100,
    seed: int = 0,
) -> Completion:
    """Score a belief network by the words it predicts; the arguments are those of `completed_documents`."""
    return completed_documents(model, observed, predicted, n_samples=n_samples, seed=seed).summary()


def completed_documents(
    model: BeliefNetwork,
    observed: csr_array | csr_matrix,
    predicted: csr_array | csr_matrix,
    *,
    n_samples: int = 100,
    seed: int = 0,
) -> CompletedDocuments:
    """Score a belief network document by document; see `complete` and `predict_words`.

    Arguments:
        model: the belief network.
        observed, predicted: `[N, V]` CSR, the two parts of the same documents.
        n_samples: S. seed: for them.

    Raises:
        VocabularyError: counts of another width than the model's vocabulary.
        CorpusError: parts of different documents, or no words to predict.
    """
    check_width(model, observed)
    if n_samples < 1:
        raise ConfigurationError(f"A prediction needs at least one sample, and {n_samples} were asked for.")
    return complete_each(
        lambda counts: predict_words(model, counts, n_samples=n_samples, seed=seed),
        observed,
        predicted,
        batch_size=documents_at_once(n_samples, observed.shape[1]),
    )


def complete(
    predict: Predictor,
    observed: csr_array | csr_matrix,
    predicted: csr_array | csr_matrix,
    *,
    batch_size: int = 256,
) -> Completion:
    """Score any predictor of words: exp(-sum log p(w | observed part) / number of predicted words).

    Arguments:
        predict: maps observed counts `[B, V]` to word probabilities, dense `[B, V]`.
        observed, predicted: `[N, V]` CSR, the two parts of the same documents. batch_size: B.

    Example:
        A predictor that knows nothing scores the size of the vocabulary:

        >>> parts = csr_array(np.array([[1, 0, 2], [0, 1, 0]])), csr_array(np.array([[0, 1, 0], [0, 0, 3]]))
        >>> round(complete(lambda counts: np.full(counts.shape, 1 / 3), *parts).perplexity_per_word, 9)
        3.0
    """
    return complete_each(predict, observed, predicted, batch_size=batch_size).summary()


def complete_each(
    predict: Predictor,
    observed: csr_array | csr_matrix,
    predicted: csr_array | csr_matrix,
    *,
    batch_size: int = 256,
) -> CompletedDocuments:
    """Score any predictor of words document by document; the arguments are those of `complete`."""
    if observed.shape != predicted.shape:
        kind = CorpusError if observed.shape[0] != predicted.shape[0] else VocabularyError
        raise kind(
            f"The observed part is {observed.shape[0]} documents by {observed.shape[1]} words and the part to predict"
            f" {predicted.shape[0]} by {predicted.shape[1]}. Give two parts of the same documents, row by row."
        )
    lengths = np.asarray(predicted.sum(axis=1, dtype=np.float64)).ravel()
    filled = np.flatnonzero(lengths)
    if not len(filled):
        raise CorpusError("No document has words left to predict. Hold out a larger part.")
    log_likelihood = np.zeros(len(lengths))
    for start in range(0, len(filled), batch_size):
        rows = filled[start : start + batch_size]
        wanted = csr_array(predicted[rows])
        probabilities = predict(csr_array(observed[rows]))  # [B, V]
        documents = np.repeat(np.arange(len(rows)), np.diff(wanted.indptr))
        nats = wanted.data * np.log(np.maximum(probabilities[documents, wanted.indices], TINY))
        log_likelihood[rows] = np.bincount(documents, nats, minlength=len(rows))
    return CompletedDocuments(log_likelihood, lengths)


@torch.no_grad()
def predict_words(
    model: BeliefNetwork, observed: csr_array | csr_matrix, *, n_samples: int = 100, seed: int = 0
) -> NDArray[np.float64]:
    """Return p(w | x) for every next word of each document, `[B, V]`, dense: call it on a batch.

    p(w | x) = sum_s v_s p(w | x, h_s), where the softmax layer forgets x given h_s and a Polya urn does not. h_s is
    drawn from q(h | x), and importance weights v_s proportional to p(x, h_s) / q(h_s | x) correct for what q gets
    wrong. A document without words is predicted by the prior.

    Arguments:
        model: the belief network; observed: `[B, V]` CSR. n_samples: S. seed: with the words, all draws depend on.
    """
    if model.config.is_binary:
        raise ConfigurationError(
            "Completion predicts words, and this is a model of binary vectors. Ask for perplexity."
        )
    (batch,) = iterate_batches(
        csr_array(observed), observed.shape[0], keys=content_keys(observed), device=model.device, dtype=model.dtype
    )
    codes = model.recognition.sample(batch.counts, n_samples, KeyedGenerator(seed, batch.keys))
    of_words, log_prior, log_q = log_probabilities(model, batch.counts, codes)
    weights = torch.softmax(of_words + log_prior - log_q, dim=0)  # [S, B]
    mean = torch.zeros(observed.shape, dtype=torch.float64, device=model.device)
    for part, weight in zip(codes[0].split(SAMPLES_IN_FLIGHT), weights.split(SAMPLES_IN_FLIGHT), strict=True):
        mean += (weight[..., None] * model.generative.visible_distribution((part,)).predict(batch.counts)).sum(0)
    return mean.cpu().numpy()


def split_words(
    counts: csr_array | csr_matrix, share: float, generator: np.random.Generator
) -> tuple[csr_array, csr_array]:
    """Split every document's words at random into a part to observe and a part to predict.

    Each single word is held out with probability `share`, independently of the others.

    Arguments:
        counts: `[N, V]` CSR of whole numbers. share: between 0 and 1. generator: draws.

    Example:
        >>> observed, predicted = split_words(csr_array(np.array([[40, 60]])), 0.2, np.random.default_rng(0))
        >>> (observed + predicted).toarray().tolist()
        [[40, 60]]
    """
    if not 0 < share < 1:
        raise ConfigurationError(f"The share of words to predict is {share}. Give one between 0 and 1.")
    held_out = csr_array(counts, copy=True)
    held_out.data = generator.binomial(held_out.data.astype(np.int64), share)
    observed = csr_array(counts - held_out)
    held_out.eliminate_zeros()
    observed.eliminate_zeros()
    return observed, held_out
