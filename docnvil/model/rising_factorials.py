"""Logarithms of rising factorials, accurate for counts up to 2^53 and concentrations from 1e-8 to 1e8.

A difference of two values of log Gamma loses all digits where its arguments are large, and so does the difference of
the terms of words and of the length of a document in which a word occurs a million times. Large concentrations use
Stirling's series, and documents with large counts are calculated in float64 without the terms that cancel.

Axes: S samples, B documents, `nnz` stored counts.
"""

import math

import torch
from torch import Tensor

from docnvil.model.sparse import SparseCounts
from docnvil.runtime.device_operations import on_device, operations

STIRLING_FROM = 256.0  # from here on, the series below have double precision
LARGE_COUNT = 1024.0  # documents with a larger count are calculated in float64
_SERIES_COUNT = 64.0  # of these documents, words with larger counts use the series
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def log_rising(log_a: Tensor, counts: Tensor) -> Tensor:
    """Return log Gamma(a + x) - log Gamma(a): for whole x, the log of the rising factorial a (a + 1) ... (a + x - 1).

    log a is `[S, nnz]` and the counts x are `[nnz]`.

    Example:
        >>> log_rising(torch.tensor([[2.0, 2.0]]).log(), torch.tensor([1.0, 3.0])).exp()
        tensor([[ 2., 24.]])
    """
    return (_DeviceLogRising if on_device(log_a) else _LogRising).apply(log_a, counts)


class _LogRising(torch.autograd.Function):
    """log a + log Gamma(a + x) - log Gamma(a + 1), which is accurate for a near zero.

    Most words occur once, where this is log a: gamma functions are evaluated for the other words only.
    """

    @staticmethod
    def forward(ctx, log_a: Tensor, counts: Tensor) -> Tensor:
        repeated = (counts != 1).nonzero()[:, 0]
        a, x = log_a[:, repeated].exp(), counts[repeated]
        has_large = bool(a.numel()) and bool(a.max() > STIRLING_FROM)
        difference = torch.lgamma(a + x) - torch.lgamma(a + 1)
        if has_large:
            difference = torch.where(a > STIRLING_FROM, _gamma_difference(a + 1, x - 1), difference)
        value = log_a.index_add(1, repeated, difference)
        if ctx.needs_input_grad[0]:
            slope = torch.ones_like(log_a)
            difference = torch.digamma(a + x) - torch.digamma(a + 1)
            if has_large:
                difference = torch.where(a > STIRLING_FROM, _digamma_difference(a + 1, x - 1), difference)
            slope.index_add_(1, repeated, a * difference)
            ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradient * slope, None


class _DeviceLogRising(_LogRising):
    """The same in one kernel, which computes in float64 and does not read the counts on the host."""

    @staticmethod
    def forward(ctx, log_a: Tensor, counts: Tensor) -> Tensor:
        value, slope = operations().log_rising(log_a, counts)
        ctx.save_for_backward(slope)
        return value


def _gamma_difference(start: Tensor, step: Tensor) -> Tensor:
    """Return log Gamma(y + n) - log Gamma(y) for large y, between the terms of Stirling's series."""
    end = start + step
    # (1 / end - 1 / start) / 12, and the next term, without the difference
    series = -step / (12 * start * end) * (1 - (1 / start**2 + 1 / (start * end) + 1 / end**2) / 30)
    return step * (end.log() - 1) + (start - 0.5) * torch.log1p(step / start) + series


def _digamma_difference(start: Tensor, step: Tensor) -> Tensor:
    """Return digamma(y + n) - digamma(y) for large y."""
    end = start + step
    series = step / (2 * start * end) * (1 + (1 / start + 1 / end) / 6)
    return torch.log1p(step / start) + series


def dirichlet_multinomial_log_prob(log_a: Tensor, log_total: Tensor, counts: SparseCounts) -> Tensor:
    """Return log Gamma(A) - log Gamma(A + L) + sum_w [log Gamma(a_w + x_w) - log Gamma(a_w)], `[S, B]`.

    Arguments:
        log_a: `[S, nnz]`, the log concentration of each stored count.
        log_total: log A, a scalar.
        counts: the counts x, with lengths L.

    Example:
        >>> x = SparseCounts(torch.tensor([0]), torch.tensor([2.0**33]), torch.tensor([0, 1]), vocabulary_size=2)
        >>> dirichlet_multinomial_log_prob(torch.zeros(1, 1), torch.tensor(2.0).log(), x)  # -log(2^33 + 1)
        tensor([[-22.8739]])
    """
    lengths = counts.sum_over_words(counts.values.double()[None])  # [1, B]
    length_terms = log_rising(log_total.double().expand(1, len(counts)), lengths[0]) * (lengths > 0)
    value = counts.sum_over_words(log_rising(log_a, counts.values)) - length_terms.to(log_a.dtype)
    if not has_large_counts(counts):
        return value
    large = torch.zeros(len(counts), dtype=torch.bool, device=log_a.device)
    large[counts.documents[counts.values > LARGE_COUNT]] = True
    exact = _log_prob_of_large(log_a, log_total, counts, lengths[0], large)
    return torch.where(large, exact.to(value.dtype), value)


def has_large_counts(counts: SparseCounts) -> bool:
    """Return whether a count is above `LARGE_COUNT`; this waits for the device unless a bound of them is known."""
    if counts.largest is not None and counts.largest <= LARGE_COUNT:
        return False
    return bool((counts.values > LARGE_COUNT).any())


def _log_rising_exact(log_a: Tensor, x: Tensor) -> Tensor:
    """Return log Gamma(a + x) - log Gamma(a) in float64; log a and x > 0 are broadcast."""
    log_a, x = torch.broadcast_tensors(log_a, x)
    is_large = log_a > math.log(STIRLING_FROM)
    # The argument of the formula that is not chosen is replaced, so that its gradient is finite.
    small, large = torch.where(is_large, 0.0, log_a).exp(), torch.where(is_large, log_a, 10.0).exp()
    difference = log_a + torch.lgamma(small + x) - torch.lgamma(small + 1)
    return torch.where(is_large, _gamma_difference(large, x), difference)


def _log_prob_of_large(
    log_a: Tensor, log_total: Tensor, counts: SparseCounts, lengths: Tensor, large: Tensor
) -> Tensor:
    """Return the log-probability `[S, B]` in float64 of documents `large`, `[B]`; other documents have no meaning.

    The terms L log L - L, which cancel between the words and the length, are left out of both.
    """
    stored = large[counts.documents].nonzero()[:, 0]
    documents = counts.documents[stored]
    x, own_lengths = counts.values[stored].double(), lengths[documents]
    log_a = log_a[:, stored].double()
    is_series = x > _SERIES_COUNT
    few, many = (~is_series).nonzero()[:, 0], is_series.nonzero()[:, 0]
    terms = log_a.new_zeros(log_a.shape)
    few_terms = _log_rising_exact(log_a[:, few], x[few]) - x[few] * (own_lengths[few].log() - 1)
    terms = terms.index_add(1, few, few_terms)
    terms = terms.index_add(1, many, _scaled_log_rising(log_a[:, many], x[many], own_lengths[many]))
    words = log_a.new_zeros(len(log_a), len(counts)).index_add(1, documents, terms)
    safe_lengths = torch.where(large, lengths, 2 * LARGE_COUNT)
    return words - _scaled_log_rising(log_total.double(), safe_lengths, safe_lengths)


def _scaled_log_rising(log_a: Tensor, x: Tensor, length: Tensor) -> Tensor:
    """Return log Gamma(a + x) - log Gamma(a) - x (log L - 1) by Stirling's series, for large x <= L."""
    log_a, x, length = torch.broadcast_tensors(log_a, x, length)
    a, log_length = log_a.exp(), length.log()
    end = a + x
    log_ratio = torch.where(
        2 * x > length,
        torch.log1p((a - (length - x)).clamp(min=-0.5 * length) / length),
        (end / length).log(),
    )
    is_large = log_a > math.log(STIRLING_FROM)
    small, large = torch.where(is_large, 1.0, a), torch.where(is_large, a, STIRLING_FROM)
    start = torch.where(
        is_large,
        (large - 0.5) * (log_length - large.log()) - _stirling_rest(large),
        (small - 0.5) * log_length - small - torch.lgamma(small) + _HALF_LOG_TWO_PI,
    )
    return (end - 0.5) * log_ratio + start + _stirling_rest(end)


def _stirling_rest(z: Tensor) -> Tensor:
    """Return the terms of Stirling's series of log Gamma(z) that vanish for large z."""
    return (1 / 12 - (1 / 360 - 1 / (1260 * z**2)) / z**2) / z
