"""Concentration of a Dirichlet-multinomial without units, by maximum likelihood from word counts.

Axes: N documents, V words, P distinct pairs of a probability and a count, L distinct lengths of documents.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma

from docnvil.model.null_models import log_rising
from docnvil.text.sparse import CountRows, chunk_slices, entries_per_row

MAX_DOCUMENTS = 100_000  # of more documents, evenly spaced ones are read; the error of A is then below one percent
MIN_CONCENTRATION = 1e-3  # for documents that repeat a single word, whose likelihood has no maximum above 0
MAX_RELATIVE_CONCENTRATION = 1e6  # relative to the length of documents; from here on, words do not recur measurably
GRID_STEP = math.log(4)


@dataclass(frozen=True)
class CountHistogram:
    """What the likelihood of a concentration A depends on: how often each count and each length occurs.

    Arguments:
        probability: `[P]`, p(w) of a word.
        count: `[P]`, how often the word occurs in a document.
        weight: `[P]`, the number of words and documents with this probability and count.
        length: `[L]`, a number of tokens.
        documents: `[L]`, the number of documents of this length.
    """

    probability: NDArray[np.float64]
    count: NDArray[np.float64]
    weight: NDArray[np.float64]
    length: NDArray[np.float64]
    documents: NDArray[np.float64]

    def log_likelihood(self, concentration: float) -> float:
        """Return the sum over documents of log p(x), in nats."""
        words = self.weight @ log_rising(concentration * self.probability, self.count)
        return float(words - self.documents @ log_rising(concentration, self.length))

    def gradient(self, concentration: float) -> float:
        """Return the derivative of the log-likelihood with respect to A."""
        start = concentration * self.probability
        words = (self.weight * self.probability) @ (digamma(start + self.count) - digamma(start))
        lengths = digamma(concentration + self.length) - digamma(concentration)
        return float(words - self.documents @ lengths)


def fit_concentration(counts: CountRows, probability: NDArray[np.float64]) -> float:
    """Return the concentration A of greatest likelihood for a Dirichlet-multinomial with a_w = A p(w).

    It is infinite where no finite value is better: the words then do not recur more often than independent ones.

    Arguments:
        counts: `[N, V]`, the training documents; of more than 100,000, evenly spaced ones are read.
        probability: `[V]`, p(w), the frequencies of the words; all above 0.

    Example:
        Words that come in pairs, and words that do not:

        >>> bursty, even = np.kron(np.eye(4, dtype=int), [[2, 0], [0, 2]]), np.ones((4, 8), dtype=int)
        >>> from scipy.sparse import csr_array
        >>> [round(fit_concentration(csr_array(each), np.full(8, 1 / 8)), 3) for each in (bursty, even)]
        [0.001, inf]
    """
    histogram = count_histogram(counts, probability)
    if not (histogram.length > 1).any():  # a single word has the same probability for every A
        return math.inf
    root_mean_square = math.sqrt(np.average(histogram.length**2, weights=histogram.documents))
    low = math.log(MIN_CONCENTRATION)
    high = math.log(MAX_RELATIVE_CONCENTRATION * max(1.0, root_mean_square))
    grid = np.linspace(low, high, 2 + int((high - low) / GRID_STEP))
    gradients = [histogram.gradient(math.exp(point)) for point in grid]
    if max(gradients) <= 0:
        return MIN_CONCENTRATION
    maxima = [
        math.exp(brentq(lambda point: histogram.gradient(math.exp(point)), *grid[[left, left + 1]], xtol=1e-10))
        for left in range(len(grid) - 1)
        if gradients[left] > 0 >= gradients[left + 1]
    ]
    if gradients[-1] > 0:
        maxima.append(math.exp(high))
    best = max(maxima, key=histogram.log_likelihood)
    return math.inf if best == math.exp(high) else best


def count_histogram(counts: CountRows, probability: NDArray[np.float64]) -> CountHistogram:
    """Return the histogram of counts `[N, V]` and lengths, from one pass over chunks of rows.

    Words of the same probability share their entries, so that its size does not grow with the vocabulary.
    """
    entries = entries_per_row(counts)
    n_read = min(len(entries), MAX_DOCUMENTS)
    rows = np.arange(n_read) * len(entries) // max(1, n_read)
    distinct, group = np.unique(probability, return_inverse=True)
    pairs, lengths = np.zeros((2, 0)), np.zeros((1, 0))
    pair_weight, length_weight = np.zeros(0), np.zeros(0)
    for chosen in chunk_slices(entries[rows]):
        chunk = counts[rows[chosen]]
        values = chunk.data.astype(np.float64)
        stored = values > 0
        added = np.array([group[chunk.indices][stored], values[stored]])
        pairs, pair_weight = _add_columns(pairs, pair_weight, added)
        totals = np.asarray(chunk.sum(axis=1, dtype=np.float64)).reshape(1, -1)
        lengths, length_weight = _add_columns(lengths, length_weight, totals[:, totals[0] > 0])
    return CountHistogram(distinct[pairs[0].astype(np.int64)], pairs[1], pair_weight, lengths[0], length_weight)


def _add_columns(
    known: NDArray[np.float64], weight: NDArray[np.float64], added: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct columns of `known` and `added`, `[R, ...]`, and their weights; an added one weighs 1."""
    columns = np.concatenate([known, added], axis=1)
    weights = np.concatenate([weight, np.ones(added.shape[1])])
    if not len(weights):
        return columns, weights
    order = np.lexsort(columns[::-1])
    columns, weights = columns[:, order], weights[order]
    first = np.flatnonzero(np.append(True, (columns[:, 1:] != columns[:, :-1]).any(axis=0)))
    return columns[:, first], np.add.reduceat(weights, first)
