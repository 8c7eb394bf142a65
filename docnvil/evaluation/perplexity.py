"""Perplexity of documents under a model, with its estimator named and its parts shown.

Every figure is a sum over documents of values that do not depend on the other documents, on their order or on the
size of batches: the samples drawn for a document are keyed by the seed and the document's own words.

Axes: S samples, B documents of a batch, N documents, K units. Unit: nats.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docnvil.batches import content_keys, iterate_batches
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Codes
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.bounds import elbo, importance_weighted_bound, total
from docnvil.randomness import KeyedGenerator
from docnvil.text.sparse import Rows, blocks, row_sums

Bound = Literal["elbo", "importance", "exact"]
SAMPLES_IN_FLIGHT = 10
LOGITS_IN_FLIGHT = 2_000_000  # of the S B V logits, how many are alive at once: 8 MB in single precision


@dataclass(frozen=True)
class DocumentBounds:
    """What the model says of each document, in nats; every field `[N]` float64.

    Arguments:
        log_likelihood: the chosen lower bound on log p(x).
        reconstruction: E_q[log p(x | h1)], how well units drawn for the document predict its words.
        kl: E_q[log q(h | x) - log p(h)], what describing the units costs; reconstruction - kl is the ELBO.
        lengths: L, the tokens of each document; for binary vectors V.
    """

    log_likelihood: NDArray[np.float64]
    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]
    lengths: NDArray[np.float64]


@dataclass(frozen=True)
class Perplexity:
    """Perplexities of a corpus, and what they are made of.

    per document = exp(-(1/N) sum_n log p(x_n) / L_n), the figure of the papers; per word = exp(-sum log p / sum L),
    what toolkits usually mean. Empty documents have no perplexity: they are counted apart and left out of N.

    Arguments:
        perplexity_per_document: as above, N being the documents with words.
        perplexity_per_word: as above.
        log_likelihood: the bound on log p(x), summed over documents, in nats; by documents, minus the negative
            log-likelihood a document, the figure for binary vectors.
        reconstruction: E_q[log p(x | h)], summed, in nats.
        kl: KL(q(h | x) || p(h)) as sampled, summed, in nats.
        documents: N, documents with at least one word.
        empty_documents: documents without words.
        tokens: sum of L.
        bound: the estimator, "elbo" or "importance"; "exact" for a model whose likelihood can be had.
        samples: S.
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


def perplexity(
    model: BeliefNetwork,
    counts: Rows,
    *,
    bound: Bound = "elbo",
    n_samples: int = 10,
    seed: int = 0,
) -> Perplexity:
    """Estimate the perplexity of documents.

    Arguments:
        model: the belief network.
        counts: `[N, V]` CSR.
        bound: "elbo", the variational bound of the papers, or "importance", the tighter importance-weighted one.
        n_samples: S.
        seed: with the documents' words, all that the samples depend on.

    Raises:
        VocabularyError: counts of another width than the model's vocabulary.
        CorpusError: no document has a word.
    """
    return summarise(
        document_bounds(model, counts, bound=bound, n_samples=n_samples, seed=seed), bound=bound, n_samples=n_samples
    )


def summarise(bounds: DocumentBounds, *, bound: Bound, n_samples: int) -> Perplexity:
    """Add documents' bounds up to perplexities.

    Example:
        Two documents whose every word has the probability 1/8, and an empty one:

        >>> lengths = np.array([2.0, 5.0, 0.0])
        >>> flat = DocumentBounds(-lengths * math.log(8), -lengths * math.log(8), 0 * lengths, lengths)
        >>> result = summarise(flat, bound="elbo", n_samples=1)
        >>> round(result.perplexity_per_document, 9), round(result.perplexity_per_word, 9), result.empty_documents
        (8.0, 8.0, 1)
    """
    filled = bounds.lengths > 0
    if not filled.any():
        raise CorpusError(
            "None of the documents has a word of the model's vocabulary, so there is nothing to predict."
            " Check that they are in the language and form of the training documents."
        )
    per_document = -np.mean(bounds.log_likelihood[filled] / bounds.lengths[filled])
    per_word = -math.fsum(bounds.log_likelihood) / math.fsum(bounds.lengths)
    return Perplexity(
        perplexity_per_document=to_perplexity(per_document),
        perplexity_per_word=to_perplexity(per_word),
        log_likelihood=math.fsum(bounds.log_likelihood),
        reconstruction=math.fsum(bounds.reconstruction),
        kl=math.fsum(bounds.kl),
        documents=int(filled.sum()),
        empty_documents=int((~filled).sum()),
        tokens=_whole(math.fsum(bounds.lengths)),
        bound=bound,
        samples=n_samples,
    )


@torch.no_grad()
def document_bounds(
    model: BeliefNetwork,
    counts: Rows,
    *,
    bound: Bound = "elbo",
    n_samples: int = 10,
    seed: int = 0,
) -> DocumentBounds:
    """Bound log p(x) of each document; the arguments are those of `perplexity`.

    An empty document's log p(x) is 0, the probability of saying nothing being one, and it is not estimated.
    """
    check_width(model, counts)
    if n_samples < 1:
        raise ConfigurationError(
            f"A bound needs at least one sample, and {n_samples} were asked for. Ask for 1 or more."
        )
    estimate = {"elbo": elbo, "importance": importance_weighted_bound}.get(bound)
    if estimate is None:
        raise ConfigurationError(f"There is no bound named {bound!r}. Choose 'elbo' or 'importance'.")
    log_likelihood, reconstruction, kl = np.zeros((3, counts.shape[0]))
    batch_size = documents_at_once(n_samples, counts.shape[1])
    start = 0
    for batch in iterate_batches(counts, batch_size, keys=content_keys(counts), like=model.generative.prior.bias):
        stop = start + len(batch.counts)
        codes = model.recognition.sample(batch.counts, n_samples, KeyedGenerator(seed, batch.keys))
        of_words, log_prior, log_q = log_probabilities(model, batch.counts, codes)
        log_likelihood[start:stop] = estimate(of_words + log_prior, log_q).cpu()
        reconstruction[start:stop] = of_words.mean(0).cpu()
        kl[start:stop] = (log_q - log_prior).mean(0).cpu()
        start = stop
    lengths = document_lengths(model, counts)
    filled = lengths > 0
    return DocumentBounds(log_likelihood * filled, reconstruction * filled, kl * filled, lengths)


def document_lengths(model: BeliefNetwork, counts: Rows) -> NDArray[np.float64]:
    """Return L, how many draws each document is of, `[N]`: its words, or all V bits of a binary vector."""
    if model.config.is_binary:
        return np.full(counts.shape[0], float(counts.shape[1]))
    return row_sums(counts, np.float64)


def documents_at_once(n_samples: int, n_words: int) -> int:
    """Return B, so that no more than `LOGITS_IN_FLIGHT` of the S B V logits are alive, S being taken in lots."""
    return max(1, LOGITS_IN_FLIGHT // (min(n_samples, SAMPLES_IN_FLIGHT) * n_words))


def log_probabilities(model: BeliefNetwork, counts: SparseCounts, codes: Codes) -> tuple[Tensor, Tensor, Tensor]:
    """Return log p(x | h1), log p(h) and log q(h | x), each `[S, B]` in double precision, some samples at a time.

    The logits of all samples and words are never alive together: memory does not grow with S but for the codes.
    """
    parts = []
    for some in zip(*(layer.split(SAMPLES_IN_FLIGHT) for layer in codes), strict=True):
        of_words, *of_units = (term.double() for term in model.generative.log_prob_terms(counts, some))
        log_q = total(model.recognition.log_prob_terms(counts, some)).double()
        parts.append((of_words, total(of_units), log_q))
    of_words, log_prior, log_q = (torch.cat(part) for part in zip(*parts, strict=True))
    return of_words, log_prior, log_q


def unigram_perplexity(word_frequency: NDArray[np.float64], test: Rows, *, pseudo_count: float = 0.01) -> Perplexity:
    """Perplexity of a model that knows word frequencies and nothing else: what any topic model must beat.

    p(w) is proportional to how often w occurs in training, plus a small pseudo-count. The figure is exact.

    Arguments:
        word_frequency: `[V]`, of the training documents. test: `[N, V]` CSR.
        pseudo_count: what a word unseen in training counts as.

    Example:
        >>> from scipy.sparse import csr_array
        >>> unigram_perplexity(np.array([5.0, 5.0]), csr_array(np.array([[1, 3]]))).perplexity_per_word
        2.0
    """
    frequencies = word_frequency + pseudo_count
    log_probability = np.log(frequencies / frequencies.sum())
    log_likelihood = np.concatenate([np.zeros(0), *(block @ log_probability for block in blocks(test))])
    lengths = row_sums(test, np.float64)
    exact = DocumentBounds(log_likelihood, log_likelihood, np.zeros_like(lengths), lengths)
    return summarise(exact, bound="exact", n_samples=0)


def independent_bits(ones: NDArray[np.float64], n_vectors: int, test: Rows) -> Perplexity:
    """Judge binary vectors by a model that knows how often each bit is set and nothing else; the figure is exact.

    Arguments:
        ones: `[V]`, how often each bit is set in training, half a vector being added on each side.
        n_vectors: N of training. test: `[N', V]` CSR of zeros and ones.

    Example:
        >>> from scipy.sparse import csr_array
        >>> exact = independent_bits(np.array([5.0, 5.0]), 10, csr_array(np.array([[0, 1]])))
        >>> round(exact.log_likelihood / math.log(2), 9)
        -2.0
    """
    logits = np.log((ones + 0.5) / (n_vectors - ones + 0.5))
    of_ones = np.concatenate([np.zeros(0), *(block @ logits for block in blocks(test))])
    log_likelihood = of_ones - np.logaddexp(0, logits).sum()
    lengths = np.full(test.shape[0], float(test.shape[1]))
    exact = DocumentBounds(log_likelihood, log_likelihood, np.zeros_like(lengths), lengths)
    return summarise(exact, bound="exact", n_samples=0)


def check_width(model: BeliefNetwork, counts: Rows) -> None:
    """Refuse counts over another number of words than the model knows."""
    if counts.shape[1] != model.config.n_words:
        raise VocabularyError(
            f"The counts have {counts.shape[1]} columns and the model knows {model.config.n_words} words."
            " Count the documents with the model's own vocabulary."
        )


def to_perplexity(nats: float) -> float:
    """Return exp of mean nats a word; beyond what a float holds it is infinite, and nothing is raised."""
    return math.exp(nats) if nats < 709 else math.inf


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value
