"""Models without units, which every model should improve on: visible layers with the frequencies of the training data.

Axes: N documents, V words or bits. Unit: nats.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from scipy.special import betaln, gammaln

STIRLING_FROM = 100.0  # from here on, the first two terms of the series have double precision


class NullModel(Protocol):
    """A distribution over documents that does not depend on any unit."""

    def log_prob(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return log p(x) of each document, `[N, V] -> [N]`."""


@dataclass(frozen=True)
class IndependentNullModel:
    """Independent words or bits, log p(x) = x . weight + constant.

    `weight`, `[V]`, has the nats for each token of a word, or for each bit that is set.

    Example:
        >>> IndependentNullModel(np.log([0.25, 0.75]), 0.0).log_prob(csr_array(np.array([[2, 0], [0, 0]]))).round(3)
        array([-2.773,  0.   ])
    """

    weight: NDArray[np.float64]
    constant: float

    def log_prob(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return log p(x) of each document, `[N, V] -> [N]`."""
        return counts @ self.weight + self.constant

    def predict(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return the probability of each word to come next in each document, `[N, V]`, dense."""
        return np.tile(np.exp(self.weight), (counts.shape[0], 1))


@dataclass(frozen=True)
class DirichletMultinomialNullModel:
    """Words from a Dirichlet-multinomial with concentrations a_w = A p(w), the same for every document.

    log p(x) = lgamma(A) - lgamma(A + L) + sum_w [lgamma(a_w + x_w) - lgamma(a_w)], L being the length of x.

    Arguments:
        probability: `[V]`, p(w); all above 0.
        concentration: A; the smaller it is, the more likely a word recurs in a document that contains it.

    Example:
        Two equal words: the second has the probability (1 + 1) / (2 + 1) instead of 1 / 2.

        >>> model = DirichletMultinomialNullModel(np.array([0.5, 0.5]), 2.0)
        >>> np.exp(model.log_prob(csr_array(np.array([[2, 0]])))).round(3)  # 1/2 * 2/3
        array([0.333])
    """

    probability: NDArray[np.float64]
    concentration: float

    def log_prob(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return log p(x) of each document's word sequence, `[N, V] -> [N]`; 0 for an empty document."""
        counts = csr_array(counts)
        values = counts.data.astype(np.float64)
        terms = log_rising(self.concentration * self.probability[counts.indices], values)
        documents = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        word_terms = np.bincount(documents, terms, minlength=counts.shape[0])
        lengths = np.bincount(documents, values, minlength=counts.shape[0])
        return word_terms - log_rising(self.concentration, lengths)

    def predict(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return the probability of each next word, (a_w + x_w) / (A + L), `[N, V]`, dense."""
        lengths = np.asarray(counts.sum(axis=1, dtype=np.float64)).reshape(-1, 1)
        return (self.concentration * self.probability + counts.toarray()) / (self.concentration + lengths)


def log_rising(start: NDArray[np.float64] | float, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log of start (start + 1) ... (start + steps - 1), which is lgamma(start + steps) - lgamma(start).

    The difference of the two would lose most digits where `start` is large. There it is taken between the terms of
    Stirling's series; elsewhere it comes from the beta function.

    Example:
        >>> log_rising(np.array([2.0, 1e9]), np.array([3.0, 0.0])).round(3)  # log(2 * 3 * 4), log(1)
        array([3.178, 0.   ])
    """
    start, steps = np.broadcast_arrays(np.asarray(start, dtype=np.float64), steps)
    result = np.zeros(start.shape)
    small = (start < STIRLING_FROM) & (steps > 0)
    result[small] = gammaln(steps[small]) - betaln(start[small], steps[small])
    large = start >= STIRLING_FROM
    low, step = start[large], steps[large]
    high = low + step
    series = (1 / high - 1 / low) / 12 - (1 / high**3 - 1 / low**3) / 360
    result[large] = step * (np.log(high) - 1) + (low - 0.5) * np.log1p(step / low) + series
    return result
