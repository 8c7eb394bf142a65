"""How much a perplexity would differ had other documents been drawn: bootstrap intervals over documents.

The interval speaks of the choice of test documents alone. What another seed of training, or more samples of an
estimator, would change is not in it.

Axes: N documents, R resamples. Unit: nats.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError
from docnvil.runtime.randomness import stream

RESAMPLES = 2000
DRAWS_IN_FLIGHT = 2_000_000  # of the R N drawn documents, how many are alive at once: 16 MB


@dataclass(frozen=True)
class Intervals:
    """Intervals of a corpus's perplexities, each (low, high).

    Arguments:
        perplexity_per_document, perplexity_per_word: as in `docnvil.Perplexity`.
        share: of the resamples that lie between low and high. resamples: R.
    """

    perplexity_per_document: tuple[float, float]
    perplexity_per_word: tuple[float, float]
    share: float
    resamples: int


def bootstrap_intervals(
    log_likelihood: NDArray[np.float64],
    lengths: NDArray[np.float64],
    share: float = 0.95,
    *,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Intervals:
    """Draw as many documents as there are, with replacement, again and again, and see how the perplexities spread.

    The interval lies between the (1 - share)/2 and (1 + share)/2 quantiles of the resampled perplexities. Documents
    without words are left out, as they are of perplexities.

    Source: Efron & Tibshirani (1993), *An introduction to the bootstrap*, chapter 13 (the percentile interval).

    Arguments:
        log_likelihood: `[N]`, log p(x) or its estimate, in nats. lengths: `[N]`, words of each document.
        share: between 0 and 1. n_resamples: R. seed: all that the draws depend on.

    Raises:
        ConfigurationError: a share out of its range, or no document with words.

    Example:
        Documents that are all alike leave nothing open:

        >>> lengths = np.array([10.0, 10.0, 10.0])
        >>> low, high = bootstrap_intervals(-lengths * np.log(8), lengths).perplexity_per_word
        >>> round(low, 9), round(high, 9)
        (8.0, 8.0)
    """
    if not 0 < share < 1:
        raise ConfigurationError(f"The share of an interval is {share}. Give one between 0 and 1, for instance 0.95.")
    filled = lengths > 0
    log_likelihood, lengths = log_likelihood[filled], lengths[filled]
    if not len(lengths):
        raise ConfigurationError("An interval needs documents with words, and there are none. Give it documents.")
    rates = log_likelihood / lengths
    per_document, per_word = [], []
    for drawn in _resamples(len(lengths), n_resamples, seed):  # [r, N]
        per_document.append(-rates[drawn].mean(1))
        per_word.append(-log_likelihood[drawn].sum(1) / lengths[drawn].sum(1))
    bounds = (1 - share) / 2, (1 + share) / 2
    # Of two perplexities the larger has the more nats, so that quantiles may be taken of nats.
    intervals = (np.exp(np.quantile(np.concatenate(nats), bounds)) for nats in (per_document, per_word))
    (low, high), (low_word, high_word) = (map(float, interval) for interval in intervals)
    return Intervals((low, high), (low_word, high_word), share, n_resamples)


def _resamples(n_documents: int, n_resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows of drawn document numbers, some resamples at a time."""
    generator = stream(seed, "bootstrap")
    lot = max(1, DRAWS_IN_FLIGHT // n_documents)
    for start in range(0, n_resamples, lot):
        yield generator.integers(n_documents, size=(min(lot, n_resamples - start), n_documents))
