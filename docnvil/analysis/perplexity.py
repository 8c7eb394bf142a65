"""Perplexity of documents under a model, with its estimator named and its parts shown.

Every figure is a sum over documents of values that do not depend on the other documents, on their order or on the
size of batches: the samples drawn for a document are keyed by the seed and the document's own words.

Axes: S samples, B documents of a batch, N documents, K units. Unit: nats.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docnvil.analysis.annealed import annealed_log_weights
from docnvil.analysis.exact import check_enumerable, exact_terms
from docnvil.batches import Batch, content_keys, iterate_batches
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.model.visible import BernoulliLayer, WordLayer
from docnvil.nvil.bounds import importance_weighted_bound, total
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.text.sparse import CountRows, blocks, row_sums

Bound = Literal["elbo", "importance", "annealed", "exact"]
TEMPERATURES = 10
SAMPLES_IN_FLIGHT = 10  # samples of a document that are drawn together where there are documents enough
LOGITS_IN_FLIGHT = 2_000_000  # of the S B V logits, how many are alive at once: 8 MB in single precision
DOCUMENTS_ENUMERATED = 256  # at once; the normalizers of all settings are worked out once for them


@dataclass(frozen=True)
class DocumentBounds:
    """What the model says of each document, in nats; every field `[N]` float64.

    Arguments:
        log_likelihood: the chosen lower bound on log p(x), or log p(x) itself.
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
        bound: the estimator, "elbo", "importance" or "annealed"; "exact" for the likelihood itself.
        samples: S; 0 if exact.
        temperatures: T of the annealing; 0 for other estimators.
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


def perplexity(
    model: BeliefNetwork,
    counts: CountRows,
    *,
    bound: Bound = "elbo",
    n_samples: int = 10,
    temperatures: int = TEMPERATURES,
    seed: int = 0,
) -> Perplexity:
    """Estimate the perplexity of documents.

    Arguments:
        model: the belief network.
        counts: `[N, V]` CSR.
        bound: "elbo", the variational bound of the papers; "importance", the tighter importance-weighted one;
            "annealed", tighter still at the price of time; or "exact", for models of at most 20 units.
        n_samples: S; memory does not grow with it. temperatures: T, steps of the annealing.
        seed: with the documents' words, all that the samples depend on.

    Raises:
        VocabularyError: counts of another width than the model's vocabulary.
        CorpusError: no document has a word.
        ConfigurationError: no such bound, no samples or temperatures, or too many units for "exact".
    """
    bounds = document_bounds(model, counts, bound=bound, n_samples=n_samples, temperatures=temperatures, seed=seed)
    return summarize(bounds, bound=bound, n_samples=n_samples, temperatures=temperatures)


def summarize(bounds: DocumentBounds, *, bound: Bound, n_samples: int, temperatures: int = TEMPERATURES) -> Perplexity:
    """Add documents' bounds up to perplexities; what the estimator does not use is not put down.

    Example:
        Two documents whose every word has the probability 1/8, and an empty one:

        >>> lengths = np.array([2.0, 5.0, 0.0])
        >>> flat = DocumentBounds(-lengths * math.log(8), -lengths * math.log(8), 0 * lengths, lengths)
        >>> result = summarize(flat, bound="elbo", n_samples=1)
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
        samples=0 if bound == "exact" else n_samples,
        temperatures=temperatures if bound == "annealed" else 0,
    )


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
    """Bound log p(x) of each document; the arguments are those of `perplexity`.

    An empty document's log p(x) is 0, the probability of saying nothing being one, and it is not estimated.
    """
    check_width(model, counts)
    _check_estimator(model, bound, n_samples, temperatures)
    log_likelihood, reconstruction, kl = np.zeros((3, counts.shape[0]))
    exact = bound == "exact"
    batch_size = DOCUMENTS_ENUMERATED if exact else documents_at_once(n_samples, counts.shape[1])
    start = 0
    for batch in iterate_batches(counts, batch_size, keys=content_keys(counts), device=model.device, dtype=model.dtype):
        stop = start + len(batch.counts)
        terms = (
            exact_terms(model, batch.counts)
            if exact
            else _sampled_terms(model, batch, bound, n_samples, temperatures, seed)
        )
        for values, of_batch in zip((log_likelihood, reconstruction, kl), terms, strict=True):
            values[start:stop] = of_batch.cpu()
        start = stop
    lengths = document_lengths(model, counts)
    filled = lengths > 0
    return DocumentBounds(log_likelihood * filled, reconstruction * filled, kl * filled, lengths)


def document_lengths(model: BeliefNetwork, counts: CountRows) -> NDArray[np.float64]:
    """Return L, how many draws each document is of, `[N]`: its words, or all V bits of a binary vector."""
    return model.generative.visible.document_lengths(row_sums(counts, np.float64), counts.shape[1])


def _check_estimator(model: BeliefNetwork, bound: Bound, n_samples: int, temperatures: int) -> None:
    if bound not in get_args(Bound):
        raise ConfigurationError(
            f"There is no bound named {bound!r}. Choose one of {', '.join(map(repr, get_args(Bound)))}."
        )
    if n_samples < 1:
        raise ConfigurationError(
            f"A bound needs at least one sample, and {n_samples} were asked for. Ask for 1 or more."
        )
    if temperatures < 1:
        raise ConfigurationError(
            f"Annealing needs at least one temperature, and {temperatures} were asked for. Ask for 1 or more."
        )
    if bound == "exact":
        check_enumerable(sum(model.config.units))


def _sampled_terms(
    model: BeliefNetwork, batch: Batch, bound: Bound, n_samples: int, temperatures: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Estimate log p(x), E_q[log p(x | h1)] and KL(q(h | x) || p(h)), `[B]` each, lot after lot of samples.

    Of each lot only sums over its samples are kept, so that memory does not grow with S.
    """
    reconstruction, kl = torch.zeros(2, len(batch.counts), dtype=torch.float64, device=model.device)
    log_sum = torch.full_like(kl, -torch.inf)  # of the weights of all samples so far
    for first, size in _lots(n_samples, len(batch.counts), batch.counts.vocabulary_size):
        generator = KeyedGenerator(seed, batch.keys, first_sample=first)
        samples = model.recognition.sample(batch.counts, size, generator)
        of_words, log_prior, log_q = log_probabilities(model, batch.counts, samples)
        reconstruction += of_words.sum(0) / n_samples
        kl += (log_q - log_prior).sum(0) / n_samples
        if bound == "annealed":
            log_weights = annealed_log_weights(model, batch.counts, samples, temperatures, generator)
            log_sum = torch.logaddexp(log_sum, torch.logsumexp(log_weights, 0))
        elif bound == "importance":
            mean = importance_weighted_bound(of_words + log_prior, log_q)
            log_sum = torch.logaddexp(log_sum, mean + math.log(size))
    log_likelihood = reconstruction - kl if bound == "elbo" else log_sum - math.log(n_samples)
    return log_likelihood, reconstruction, kl


def _lots(n_samples: int, n_documents: int, vocabulary_size: int) -> Iterator[tuple[int, int]]:
    """Cut S samples into lots of as many as `LOGITS_IN_FLIGHT` allows: the first of each lot, and its size."""
    most = max(1, LOGITS_IN_FLIGHT // max(1, n_documents * vocabulary_size))
    for first in range(0, n_samples, most):
        yield first, min(most, n_samples - first)


def documents_at_once(n_samples: int, vocabulary_size: int) -> int:
    """Return B, so that no more than `LOGITS_IN_FLIGHT` of the S B V logits are alive, S being taken in lots."""
    return max(1, LOGITS_IN_FLIGHT // (min(n_samples, SAMPLES_IN_FLIGHT) * vocabulary_size))


def log_probabilities(model: BeliefNetwork, counts: SparseCounts, samples: Samples) -> tuple[Tensor, Tensor, Tensor]:
    """Return log p(x | h1), log p(h) and log q(h | x), each `[S, B]` in double precision, some samples at a time.

    The logits of all samples and words are never alive together: memory does not grow with S but for the codes.
    """
    parts = []
    for first, size in _lots(len(samples[0]), len(counts), counts.vocabulary_size):
        some = tuple(layer[first : first + size] for layer in samples)
        of_words, *of_units = (term.double() for term in model.generative.log_prob_terms(counts, some))
        log_q = total(model.recognition.log_prob_terms(counts, some)).double()
        parts.append((of_words, total(of_units), log_q))
    of_words, log_prior, log_q = (torch.cat(part) for part in zip(*parts, strict=True))
    return of_words, log_prior, log_q


def unigram_perplexity(
    word_frequency: NDArray[np.float64], test: CountRows, *, pseudo_count: float = 0.01
) -> Perplexity:
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
    null_model = WordLayer.null_model(word_frequency, pseudo_count=pseudo_count)
    log_likelihood = np.concatenate([np.zeros(0), *map(null_model.log_prob, blocks(test))])
    lengths = WordLayer.document_lengths(row_sums(test, np.float64), test.shape[1])
    exact = DocumentBounds(log_likelihood, log_likelihood, np.zeros_like(lengths), lengths)
    return summarize(exact, bound="exact", n_samples=0)


def independent_bits(ones: NDArray[np.float64], n_vectors: int, test: CountRows) -> Perplexity:
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
    null_model = BernoulliLayer.null_model(ones, n_vectors)
    log_likelihood = np.concatenate([np.zeros(0), *map(null_model.log_prob, blocks(test))])
    lengths = BernoulliLayer.document_lengths(np.zeros(test.shape[0]), test.shape[1])
    exact = DocumentBounds(log_likelihood, log_likelihood, np.zeros_like(lengths), lengths)
    return summarize(exact, bound="exact", n_samples=0)


def check_width(model: BeliefNetwork, counts: CountRows) -> None:
    """Refuse counts over another number of words than the model knows."""
    if counts.shape[1] != model.config.vocabulary_size:
        raise VocabularyError(
            f"The counts have {counts.shape[1]} columns and the model knows {model.config.vocabulary_size} words."
            " Count the documents with the model's own vocabulary."
        )


def to_perplexity(nats: float) -> float:
    """Return exp of mean nats a word; beyond what a float holds it is infinite, and nothing is raised."""
    return math.exp(nats) if nats < 709 else math.inf


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else value
