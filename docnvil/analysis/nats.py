"""Perplexities from log-likelihoods in nats."""

import math

import numpy as np
from numpy.typing import NDArray


def to_perplexity(nats_per_word: float) -> float:
    """Return exp(nats per word); infinity if a float cannot hold it."""
    return math.exp(nats_per_word) if nats_per_word < 709 else math.inf


def mean_perplexities(log_likelihood: NDArray[np.float64], lengths: NDArray[np.float64]) -> tuple[float, float]:
    """Return the perplexities per document and per word, from log p(x_n) in nats and L_n, the number of words.

    Per document: exp(-(1/N) sum_n log p(x_n) / L_n), N being the documents with words, as in the NVIL papers.
    Per word: exp(-sum_n log p(x_n) / sum_n L_n), as in most toolkits.

    Example:
        >>> [round(value, 9) for value in mean_perplexities(-np.log([2.0, 8.0]), np.array([1.0, 1.0]))]
        [4.0, 4.0]
    """
    filled = lengths > 0
    per_document = -float(np.mean(log_likelihood[filled] / lengths[filled]))
    per_word = -math.fsum(log_likelihood) / math.fsum(lengths)
    return to_perplexity(per_document), to_perplexity(per_word)
