"""Sums over all words or bits that a log-likelihood needs, with hand-written backward passes.

A softmax needs the log-sum-exp of its logits, and binary vectors need the sum of their softplus. Both need the
`[S, B, V]` logits, most of the work of training. The logits are therefore computed chunk by chunk, and their
exponentials are kept for the backward pass if there are few enough, or computed again. Source: Wijmans et al. (2024),
*Cut your losses in large-vocabulary language models*, for GPUs; Chen et al. (2016), *Training deep nets with sublinear
memory cost*, on recomputation. Plain versions of all functions are in tests/test_normalizers.py, which compares values
and gradients.

Axes: S samples, B documents of a batch, V words or bits, K units, R = S B rows; nnz (document, word) pairs of counts.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from docnvil.model.sparse import SparseCounts
from docnvil.runtime.precision import product_dtype

MAX_LOGITS = 1 << 25  # the most logits kept for the backward pass: 128 MB in single precision
# 16 MB. glibc returns allocations of more than 32 MB to the system when they are freed (mallopt(3), M_MMAP_THRESHOLD),
# and getting such pages anew at every step takes time.
LOGITS_PER_CHUNK = 1 << 22
LN_2 = math.log(2)
TINY = 2.0**-60  # replaces a zero divisor; what it adds to a result is lost in rounding


def log_normalizer(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return logsumexp_w (W h + b)_w for samples h, `[..., K] -> [...]`.

    Example:
        >>> log_normalizer(torch.zeros(2, 3), torch.ones(4, 3), torch.zeros(4)).exp()
        tensor([4., 4.])
    """
    log_sums, _ = _ChunkedSoftmax.apply(samples, weight, bias, None)
    return log_sums.view(samples.shape[:-1])


def log_word_probabilities(samples: Tensor, weight: Tensor, bias: Tensor, counts: SparseCounts) -> Tensor:
    """Return log softmax(W h + b)_w for the words that occur in each document, `[S, B, K] -> [S, nnz]`.

    Each word of a document is stored once in the counts, whose values are not used.

    Example:
        >>> x = SparseCounts(torch.tensor([2, 0]), torch.ones(2), torch.tensor([0, 1, 2]), vocabulary_size=4)
        >>> log_word_probabilities(torch.zeros(1, 2, 3), torch.ones(4, 3), torch.zeros(4), x).exp()
        tensor([[0.2500, 0.2500]])
    """
    rows = torch.arange(len(samples), device=samples.device)[:, None] * len(counts) + counts.documents  # [S, nnz]
    selection = _Selection(rows.reshape(-1), counts.indices.expand(len(samples), -1).reshape(-1))
    log_sums, selected = _ChunkedSoftmax.apply(samples, weight, bias, selection)
    return (selected - log_sums.index_select(0, selection.rows)).view(len(samples), -1)


class _Selection(NamedTuple):
    """Positions of some logits in the `[R, V]` matrix, ordered by row: `[n]` int64 each."""

    rows: Tensor
    words: Tensor

    def in_chunk(self, chunk: slice, n_rows: int) -> tuple[slice, tuple[Tensor, Tensor]]:
        """Return which positions are in a chunk of the R rows, and these positions relative to the chunk."""
        if chunk == slice(0, n_rows):
            return slice(None), (self.rows, self.words)
        first, last = torch.searchsorted(self.rows, torch.tensor([chunk.start, chunk.stop], device=self.rows.device))
        own = slice(int(first), int(last))
        return own, (self.rows[own] - chunk.start, self.words[own])


class _ChunkedSoftmax(torch.autograd.Function):
    """The log-sum-exp log Z of each row of logits W h + b, `[R]`, and selected logits, `[n]`.

    With E = exp(logits - max), its row sums Z and the gradient g of log Z, the gradient of the logits is (g / Z) E, of
    shape `[R, V]`. It is never computed: grad W = E^T (g / Z * h), grad b = E^T (g / Z) and grad h = (g / Z) * (E W),
    so that only small matrices are scaled, and the E of the forward pass is used again. The gradient c of a selected
    logit is added as c Z / g to its place in E before these products, and removed after them.

    Logits are computed to base 2, E = 2^(logits / ln 2 - max), because exp2 takes a quarter of the time of exp; the
    kernels of FlashAttention (Dao et al., 2022) do the same. Under autocast, products and the E of the backward pass
    have autocast's dtype, and sums have the parameters' dtype.
    """

    @staticmethod
    def forward(
        ctx, samples: Tensor, weight: Tensor, bias: Tensor, selection: _Selection | None
    ) -> tuple[Tensor, Tensor | None]:
        ctx.save_for_backward(samples, weight, bias)
        ctx.selection, ctx.dtype, ctx.kept = selection, product_dtype(samples), []
        n_rows = samples.shape[:-1].numel()
        keep = any(ctx.needs_input_grad) and n_rows * len(weight) <= MAX_LOGITS
        ctx.max, ctx.sums = samples.new_empty(2, n_rows, 1)
        selected = None if selection is None else samples.new_empty(len(selection.rows))
        ctx.weight = weight.to(ctx.dtype)
        for chunk, rows in _row_chunks(samples, len(weight)):
            exponentials = _logits(rows, ctx.weight, bias, 1 / LN_2)
            if selection is not None:
                own, positions = selection.in_chunk(chunk, n_rows)
                selected[own] = exponentials[positions]
            torch.amax(exponentials, 1, keepdim=True, out=ctx.max[chunk])
            exponentials.sub_(ctx.max[chunk]).exp2_()
            torch.sum(exponentials, 1, keepdim=True, out=ctx.sums[chunk])
            if keep:
                ctx.kept.append(exponentials.to(ctx.dtype))
        return ((ctx.max + ctx.sums.log2()) * LN_2)[:, 0], None if selected is None else selected * LN_2

    @staticmethod
    def backward(ctx, gradient: Tensor, grad_selected: Tensor | None) -> tuple[Tensor | None, ...]:
        (samples, weight, bias), selection = ctx.saved_tensors, ctx.selection
        if selection is not None:  # g is a divisor
            sizes = torch.zeros_like(gradient).index_add(0, selection.rows, grad_selected.abs())
            gradient = torch.where(gradient == 0, -TINY * sizes, gradient)
        gradient = gradient[:, None]
        scale = gradient / ctx.sums  # g / Z, [R, 1]; it can underflow, so nothing is divided by it
        grad_samples, grad_weight, grad_bias = _empty_gradients(ctx, samples.reshape(-1, weight.shape[1]), weight, bias)
        for number, (chunk, rows) in enumerate(_row_chunks(samples, len(weight))):
            if ctx.kept:
                exponentials = ctx.kept[number]
            else:
                exponentials = _logits(rows, ctx.weight, bias, 1 / LN_2).sub_(ctx.max[chunk]).exp2_().to(ctx.dtype)
            if selection is not None:
                own, positions = selection.in_chunk(chunk, len(ctx.sums))
                before = exponentials[positions]
                of_rows, sums = gradient[chunk][positions[0], 0], ctx.sums[chunk][positions[0], 0]
                added = (grad_selected[own] / of_rows * sums).masked_fill_(of_rows == 0, 0.0)
                exponentials[positions] = (before + added).to(ctx.dtype)
            if grad_samples is not None:
                torch.mul(scale[chunk], exponentials @ ctx.weight, out=grad_samples[chunk])
            if grad_weight is not None:
                _add_product(grad_weight, exponentials.T, scale[chunk] * rows, first=chunk.start == 0)
            if grad_bias is not None:
                _add_product(grad_bias[:, None], exponentials.T, scale[chunk], first=chunk.start == 0)
            if selection is not None:
                exponentials[positions] = before  # a second backward pass may need them
        return None if grad_samples is None else grad_samples.view(samples.shape), grad_weight, grad_bias, None


def _empty_gradients(ctx, *values: Tensor) -> list[Tensor | None]:
    """Return an uninitialized tensor for the gradient of each value, or None where it is not needed."""
    needed = zip(values, ctx.needs_input_grad, strict=False)
    return [torch.empty_like(value) if wanted else None for value, wanted in needed]


def _add_product(total: Tensor, left: Tensor, right: Tensor, *, first: bool) -> None:
    """Add a product, in the dtype of `left`, to a total that is uninitialized before the first."""
    if left.dtype == total.dtype:
        total.addmm_(left, right, beta=0.0 if first else 1.0)
    elif first:
        total.copy_(left @ right.to(left.dtype))
    else:
        total.add_(left @ right.to(left.dtype))


def _row_chunks(samples: Tensor, vocabulary_size: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield chunks of the rows of samples `[..., K]` with their positions; the size depends on V alone."""
    rows = samples.reshape(-1, samples.shape[-1])
    start = 0
    for chunk in rows.split(max(1, min(LOGITS_PER_CHUNK, MAX_LOGITS) // vocabulary_size)):
        yield slice(start, start := start + len(chunk)), chunk


def _logits(rows: Tensor, weight: Tensor, bias: Tensor, scale: float = 1.0) -> Tensor:
    """Return scale (W h + b) for rows h, `[R, K] -> [R, V]`, in the dtype of the bias."""
    if weight.dtype == bias.dtype:
        return torch.addmm(bias * scale, rows, weight.T, alpha=scale)
    return torch.add(bias * scale, rows.to(weight.dtype) @ weight.T, alpha=scale)


def bits_normalizer(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return sum_v log(1 + exp(a_v)) for logits a = W h + b, `[S, B, K] -> [S, B]`.

    The bias b is `[V]`, or `[B, V]` if each vector has its own.

    Example:
        >>> bits_normalizer(torch.zeros(1, 1, 3), torch.ones(4, 3), torch.zeros(4)).exp()
        tensor([[16.]])
    """
    return _BitsNormalizer.apply(samples, weight, bias)


class _BitsNormalizer(torch.autograd.Function):
    """sum_v softplus(a_v), whose gradient by a_v is sigmoid(a_v): all three gradients are products with that matrix.

    The matrix is kept if it is a single chunk of vectors; otherwise it is computed again in the backward pass.
    """

    @staticmethod
    def forward(ctx, samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.dtype = product_dtype(samples)
        value, kept, product_weight = samples.new_empty(samples.shape[:-1]), None, weight.to(ctx.dtype)
        for vectors in _vector_chunks(samples, len(weight)):
            logits = _bit_logits(samples, product_weight, bias, vectors)
            torch.sum(functional.softplus(logits), -1, out=value[:, vectors])
            if any(ctx.needs_input_grad) and vectors == slice(0, samples.shape[1]):
                kept = logits.sigmoid_().to(ctx.dtype)
        ctx.save_for_backward(samples, weight, bias, kept)
        return value

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        samples, weight, bias, kept = ctx.saved_tensors
        product_weight, (n_bits, n_units) = weight.to(ctx.dtype), weight.shape
        grad_samples, grad_weight, grad_bias = _empty_gradients(ctx, samples, weight, bias)
        for vectors in _vector_chunks(samples, n_bits):
            own, first = gradient[:, vectors], vectors.start == 0
            probability = kept  # [S, b, V]
            if probability is None:
                probability = _bit_logits(samples, product_weight, bias, vectors).sigmoid_().to(ctx.dtype)
            rows = probability.view(-1, n_bits).T
            if grad_samples is not None:
                grad_samples[:, vectors] = own[..., None] * (probability @ product_weight)
            if grad_weight is not None:
                scaled = own.reshape(-1, 1) * samples[:, vectors].reshape(-1, n_units)
                _add_product(grad_weight, rows, scaled, first=first)
            if grad_bias is not None and bias.dim() == 1:
                _add_product(grad_bias[:, None], rows, own.reshape(-1, 1), first=first)
            elif grad_bias is not None:
                grad_bias[vectors] = torch.einsum("sb,sbv->bv", own, probability.to(gradient.dtype))
        return grad_samples, grad_weight, grad_bias


def _vector_chunks(samples: Tensor, n_bits: int) -> Iterator[slice]:
    """Yield chunks of the B vectors of samples `[S, B, K]` with at most `MAX_LOGITS` logits, and at least one chunk."""
    n_vectors, size = samples.shape[1], max(1, MAX_LOGITS // (len(samples) * n_bits))
    for start in range(0, max(1, n_vectors), size):
        yield slice(start, min(start + size, n_vectors))


def _bit_logits(samples: Tensor, weight: Tensor, bias: Tensor, vectors: slice) -> Tensor:
    """Return W h + b of some vectors, `[S, b, V]`, in the dtype of the bias, which is `[V]` or `[B, V]`."""
    chunk = samples[:, vectors]
    if bias.dim() == 1:
        return _logits(chunk.reshape(-1, chunk.shape[-1]), weight, bias).view(*chunk.shape[:-1], len(weight))
    return (chunk.to(weight.dtype) @ weight.T).to(bias.dtype).add_(bias[vectors])
