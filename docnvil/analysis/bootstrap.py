"""Bootstrap intervals of a perplexity over documents: how much it would vary with other test documents.

The intervals cover the choice of test documents only. They do not cover another training seed, or more samples of the
bound's estimate.

Axes: N documents, R resamples. Unit: nats.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError
from docnvil.runtime.randomness import stream
from docnvil.schema import check_whole

RESAMPLES = 2000
MAX_DRAWS = 2_000_000  # of the R N drawn documents, how many exist at once: 16 MB


@dataclass(frozen=True)
class Intervals:
    """Bootstrap intervals (low, high) of the perplexities in `Perplexity`, and the share of R resamples between."""

    perplexity_per_document: tuple[float, float]
    perplexity_per_word: tuple[float, float]
    share: float
    resamples: int


def resampled_rows(n_documents: int, n_resamples: int, generator: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of all R resamples of N documents, `[r, N]`, as many at a time as memory should hold.

    Example:
        >>> [rows.shape for rows in resampled_rows(3, 50, np.random.default_rng(0))]
        [(50, 3)]
    """
    chunk_size = max(1, MAX_DRAWS // n_documents)
    for start in range(0, n_resamples, chunk_size):
        yield generator.integers(n_documents, size=(min(chunk_size, n_resamples - start), n_documents))


def bootstrap_intervals(
    log_likelihood: NDArray[np.float64],
    lengths: NDArray[np.float64],
    share: float = 0.95,
    *,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Intervals:
    """Return intervals of the perplexities of N documents, resampled R times with replacement.

    The interval runs from the (1 - share)/2 quantile of the resampled perplexities to the (1 + share)/2 quantile.
    Documents without words are left out.

    Source: Efron & Tibshirani (1993), *An introduction to the bootstrap*, chapter 13 (the percentile interval).

    Arguments:
        log_likelihood: `[N]`, log p(x) of each document or its estimate, in nats.
        lengths: `[N]`, the words of each document.
        share: the share of the resampled perplexities inside the interval, between 0 and 1.
        n_resamples: R.
        seed: determines the resamples.

    Raises:
        ConfigurationError: the share is not between 0 and 1, no document has words, or the arrays differ in length.

    Example:
        Identical documents give an interval of width 0:

        >>> lengths = np.array([10.0, 10.0, 10.0])
        >>> low, high = bootstrap_intervals(-lengths * np.log(8), lengths).perplexity_per_word
        >>> round(low, 9), round(high, 9)
        (8.0, 8.0)
    """
    if not 0 < share < 1:
        raise ConfigurationError(f"share is {share}. Give a value between 0 and 1, for instance 0.95.")
    n_resamples, seed = check_whole("n_resamples", n_resamples, 1), check_whole("seed", seed)
    log_likelihood, lengths = (np.asarray(each, dtype=np.float64) for each in (log_likelihood, lengths))
    if log_likelihood.shape != lengths.shape or lengths.ndim != 1:
        raise ConfigurationError(
            f"log_likelihood has shape {log_likelihood.shape}, and lengths {lengths.shape}. Give one number per"
            " document in each."
        )
    filled = lengths > 0
    log_likelihood, lengths = log_likelihood[filled], lengths[filled]
    if not len(lengths):
        raise ConfigurationError("No document has words, so intervals are undefined. Give documents with words.")
    nats_per_word = -log_likelihood / lengths  # of each document
    per_document, per_word = [], []
    for rows in resampled_rows(len(lengths), n_resamples, stream(seed, "bootstrap")):
        per_document.append(nats_per_word[rows].mean(1))
        per_word.append(-log_likelihood[rows].sum(1) / lengths[rows].sum(1))
    quantiles = (1 - share) / 2, (1 + share) / 2
    # exp is increasing, so the quantiles of perplexities are those of nats.
    intervals = (np.exp(np.quantile(np.concatenate(nats), quantiles)) for nats in (per_document, per_word))
    return Intervals(*(tuple(interval.tolist()) for interval in intervals), share, n_resamples)
