"""Log-probabilities with gradients on devices other than the CPU, in few kernels.

The functions compute what those of `docnvil.model.distributions` compute on the CPU; their parts are in
`docnvil.runtime.device_operations`.

Axes: S samples, B documents of a batch, V words, K units, R = S B rows; nnz stored counts. Unit: nats.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from docnvil.model.sparse import SparseCounts
from docnvil.runtime.device_operations import operations
from docnvil.runtime.precision import product_dtype

MAX_LOGITS = 1 << 28  # computed at once: 1 GB in single precision


def bernoulli_log_prob(value: Tensor, logits: Tensor, conditional: Tensor | None = None) -> Tensor:
    """Return sum_k h_k a_k - log(1 + exp(a_k)), `[S, B, K] -> [S, B]`, for logits a in one or two terms.

    The units h are samples, by which the result is not differentiated.
    """
    return _BernoulliLogProb.apply(value, logits, conditional)


class _BernoulliLogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor, logits: Tensor, conditional: Tensor | None) -> Tensor:
        ctx.save_for_backward(value, logits, conditional)
        return operations().bernoulli_log_prob(value, logits, conditional)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor, Tensor | None]:
        value, logits, conditional = ctx.saved_tensors
        by_logits = operations().bernoulli_gradient(gradient, value, logits, conditional)  # [S, B, K]
        is_same_size = by_logits.numel() == logits.numel()
        summed = by_logits.view(logits.shape) if is_same_size else by_logits.sum_to_size(logits.shape)
        if conditional is None:
            return None, summed.to(logits.dtype), None
        return None, summed.to(logits.dtype), by_logits.sum_to_size(conditional.shape).to(conditional.dtype)


def words_log_prob(
    samples: Tensor, weight: Tensor, bias: Tensor, counts: SparseCounts, log_total: Tensor | None = None
) -> Tensor:
    """Return log p(x | h) of word sequences for units h `[S, B, K]`, `[S, B]`.

    The words are from a Dirichlet-multinomial with concentrations exp(log_total) softmax(W h + b), or without
    `log_total` from the softmax itself.
    """
    return _WordsLogProb.apply(samples, weight, bias, log_total, counts)


class _WordsLogProb(torch.autograd.Function):
    """The logits are kept for the backward pass if they fit, and become the gradient by them in place."""

    @staticmethod
    def forward(
        ctx, samples: Tensor, weight: Tensor, bias: Tensor, log_total: Tensor | None, counts: SparseCounts
    ) -> Tensor:
        ctx.save_for_backward(samples, weight, bias, log_total)
        ctx.counts, ctx.dtype, ctx.kept = counts, product_dtype(samples), None
        rows = samples.reshape(-1, samples.shape[-1])
        ctx.slopes = samples.new_empty(rows.shape[0] // max(1, len(counts)), len(counts.indices))
        results, normalizers = [], []
        for first, chunk in _chunks(rows, len(weight)):
            logits = _logits(chunk, weight, bias, ctx.dtype)
            normalizers.append(operations().log_normalizer(logits))
            results.append(
                operations().words_log_prob(
                    logits, normalizers[-1], log_total, counts.indices, counts.values, counts.offsets, first, ctx.slopes
                )
            )
            if any(ctx.needs_input_grad) and len(chunk) == len(rows):
                ctx.kept = logits
        ctx.normalizers, ctx.results = _joined(normalizers, 0), _joined(results, 1)  # [R], [3, R]
        return ctx.results[0].view(samples.shape[:-1])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (samples, weight, bias, log_total), counts = ctx.saved_tensors, ctx.counts
        rows, gradient = samples.reshape(-1, samples.shape[-1]), gradient.reshape(-1)
        by_samples, by_weight, by_bias = [], None, None
        for first, chunk in _chunks(rows, len(weight)):
            logits = _logits(chunk, weight, bias, ctx.dtype) if ctx.kept is None else ctx.kept
            ctx.kept = None  # a second backward pass computes them again
            own = slice(first, first + len(chunk))
            operations().words_gradient(
                logits, ctx.normalizers[own], ctx.results[1, own], gradient[own], ctx.slopes, counts.indices,
                counts.offsets, first,
            )  # fmt: skip
            product = logits.to(ctx.dtype)
            if ctx.needs_input_grad[0]:
                by_samples.append((product @ weight.to(ctx.dtype)).to(samples.dtype))
            by_weight = _added(by_weight, (product.T @ chunk.to(ctx.dtype)).to(weight.dtype))
            by_bias = _added(by_bias, logits.sum(0))
        by_total = None if log_total is None else (gradient * ctx.results[2]).sum()
        summed_samples = _joined(by_samples, 0).view(samples.shape) if by_samples else None
        return summed_samples, by_weight, by_bias, by_total, None


def _chunks(rows: Tensor, vocabulary_size: int) -> Iterator[tuple[int, Tensor]]:
    """Yield chunks of rows with at most `MAX_LOGITS` logits, and the number of the first row of each."""
    size = max(1, MAX_LOGITS // vocabulary_size)
    for start in range(0, max(1, len(rows)), size):
        yield start, rows[start : start + size]


def _logits(rows: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Return W h + b, `[R, K] -> [R, V]`, in the dtype of the bias, from products of the given dtype."""
    with torch.autocast(rows.device.type, enabled=False):
        if dtype == bias.dtype:
            return torch.addmm(bias, rows, weight.T)
        return rows.to(dtype) @ weight.to(dtype).T + bias


def _joined(chunks: list[Tensor], axis: int) -> Tensor:
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks, axis)


def _added(total: Tensor | None, term: Tensor) -> Tensor:
    return term if total is None else total.add_(term)
