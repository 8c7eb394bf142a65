"""The sums over all words or bits that a likelihood needs, with gradients arranged by hand to cost little more.

A softmax needs the logsumexp of its logits, binary vectors the sum of their softplus. Both go through `[S, B, V]`
logits, of which a bounded number is alive at a time.

Axes: S samples, B documents of a batch, V words or bits, K units; `nnz` pairs of a document and a word that it has.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from docnvil.model.sparse import SparseCounts

# Of the `[S, B, V]` logits, how many are alive at once: 128 MB in single precision. As many as that are kept for the
# backward pass; more are computed twice, a block of rows at a time.
LOGITS_ALIVE = 1 << 25
# How many are in a block: 16 MB. From 32 MB on, the C library would take them from the system anew at every step.
LOGITS_TOGETHER = 1 << 22
LN_2 = math.log(2)
TINY = 2.0**-60  # in place of a zero that would divide: what is then added is lost in rounding


def log_normalizer(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return logsumexp_w (W h + b)_w, `[..., K] -> [...]`, with one pass of exponentials for value and gradient.

    Arguments:
        samples: `[..., K]`; weight: `[V, K]`; bias: `[V]`.

    Example:
        >>> log_normalizer(torch.zeros(2, 3), torch.ones(4, 3), torch.zeros(4)).exp()
        tensor([4., 4.])
    """
    return _LogNormalizer.apply(samples, weight, bias)


class _LogNormalizer(torch.autograd.Function):
    """logsumexp whose gradient reuses the forward pass's exponentials, see `_Exponentials`."""

    @staticmethod
    def forward(ctx, samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(samples, weight, bias)
        ctx.exponentials = _Exponentials(samples, weight, bias, keep=any(ctx.needs_input_grad))
        return ctx.exponentials.log_sums.view(samples.shape[:-1])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.exponentials.products(*ctx.saved_tensors, gradient.reshape(-1, 1), ctx.needs_input_grad)


def log_word_probabilities(samples: Tensor, weight: Tensor, bias: Tensor, counts: SparseCounts) -> Tensor:
    """Return log softmax(W h + b)_w of the words that each document has, `[S, B, K] -> [S, nnz]`.

    Arguments:
        samples: `[S, B, K]`; weight: `[V, K]`; bias: `[V]`.
        counts: B documents, each word of a document stored once; how often it has the word does not matter.

    Example:
        >>> x = SparseCounts(torch.tensor([2, 0]), torch.ones(2), torch.tensor([0, 1, 2]), vocabulary_size=4)
        >>> log_word_probabilities(torch.zeros(1, 2, 3), torch.ones(4, 3), torch.zeros(4), x).exp()
        tensor([[0.2500, 0.2500]])
    """
    return _LogWordProbabilities.apply(samples, weight, bias, counts)


class _LogWordProbabilities(torch.autograd.Function):
    """The log-softmax at some places, at little more than the cost of its normalizer, see `_Exponentials`."""

    @staticmethod
    def forward(ctx, samples: Tensor, weight: Tensor, bias: Tensor, counts: SparseCounts) -> Tensor:
        ctx.save_for_backward(samples, weight, bias)
        ctx.counts = counts
        rows = torch.arange(len(samples), device=samples.device)[:, None] * len(counts) + counts.documents  # [S, nnz]
        words = counts.indices.expand(len(samples), -1)
        places = _Places(rows.reshape(-1), words.reshape(-1))
        ctx.exponentials = _Exponentials(samples, weight, bias, places, keep=any(ctx.needs_input_grad))
        chosen = ctx.exponentials.chosen - ctx.exponentials.log_sums[places.rows, 0]
        return chosen.view(len(samples), -1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sums, sizes = (ctx.counts.sum_over_words(each).view(-1, 1) for each in (gradient, gradient.abs()))  # [S B, 1]
        of_normalizer = -torch.where(sums == 0, TINY * sizes, sums)  # it divides, and so small it adds nothing
        gradients = (of_normalizer, ctx.needs_input_grad, gradient.reshape(-1))
        return *ctx.exponentials.products(*ctx.saved_tensors, *gradients), None


@dataclass(frozen=True)
class _Places:
    """Some of the logits `[S B, V]`, in the order of their rows: `[n]` int64 each."""

    rows: Tensor
    words: Tensor

    def of(self, own: slice, n_rows: int) -> tuple[slice, tuple[Tensor, Tensor]]:
        """Return which of them lie in some of the S B rows, and their rows, counted from there, and words."""
        if own == slice(0, n_rows):
            return slice(None), (self.rows, self.words)
        first, last = torch.searchsorted(self.rows, torch.tensor([own.start, own.stop], device=self.rows.device))
        some = slice(int(first), int(last))
        return some, (self.rows[some] - own.start, self.words[some])


class _Exponentials:
    """E = exp(logits - max) of logits W h + b, `[S B, V]`, and what a backward pass makes of them.

    With Z the row sums of E and g the gradient of the rows' log Z, d W = E^T (g / Z * h), d b = E^T (g / Z) and
    d h = (g / Z) * (E W): scaling falls on the small matrices, so that only the products run over the large one again.
    A gradient c of single logits joins in as c Z / g, added to E at its place before these products. Where the large
    matrix is too large to be kept, the exponentials of each block of rows are computed again on the way back.

    Logits are calculated to the base of 2, E = 2^(logits / ln 2 - max), for which processors are several times as
    quick. Under autocast the products, and E on the way back, are of its type; sums are of the parameters' type.

    Arguments:
        samples: `[..., K]`; weight: `[V, K]`; bias: `[V]`. places: the logits wanted themselves.
        keep: whether a backward pass is to come.
    """

    def __init__(
        self, samples: Tensor, weight: Tensor, bias: Tensor, places: _Places | None = None, *, keep: bool
    ) -> None:
        self._places = places
        self._type = _type_of_products(samples)
        blocks = _row_blocks(samples, len(weight))
        self._highest, self._total = samples.new_empty(2, sum(map(len, blocks)), 1)  # [S B, 1]
        chosen = None if places is None else samples.new_empty(len(places.rows))
        keep = keep and len(self._total) * len(weight) <= LOGITS_ALIVE
        self._kept = []
        self._weight = weight.to(self._type)
        for own, rows in _numbered(blocks):
            exponentials = _logits(rows, self._weight, bias, 1 / LN_2)
            if places is not None:
                some, there = places.of(own, len(self._total))
                chosen[some] = exponentials[there]
            torch.amax(exponentials, 1, keepdim=True, out=self._highest[own])
            exponentials.sub_(self._highest[own]).exp2_()
            torch.sum(exponentials, 1, keepdim=True, out=self._total[own])
            if keep:
                self._kept.append(exponentials.to(self._type))
        self.chosen = None if chosen is None else chosen * LN_2

    @property
    def log_sums(self) -> Tensor:
        """The logsumexp of each row, `[S B, 1]`."""
        return (self._highest + self._total.log2()) * LN_2

    def products(
        self,
        samples: Tensor,
        weight: Tensor,
        bias: Tensor,
        gradient: Tensor,
        needed: Sequence[bool],
        of_chosen: Tensor | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Return the gradients of codes, weight and bias, those that are needed.

        Arguments:
            codes, weight, bias: as before.
            gradient: of the rows' logsumexps, `[S B, 1]`.
            of_chosen: of the logits at the places, `[n]`; zero wherever the row's gradient is.
        """
        scale = gradient / self._total  # [S B, 1]; it may underflow, and nothing is divided by it
        of_codes, of_weight, of_bias = (
            torch.empty_like(value) if wanted else None
            for value, wanted in zip((samples.reshape(-1, samples.shape[-1]), weight, bias), needed, strict=False)
        )
        for number, (own, rows) in enumerate(_numbered(_row_blocks(samples, len(weight)))):
            if self._kept:
                exponentials = self._kept[number]
            else:
                logits = _logits(rows, self._weight, bias, 1 / LN_2)
                exponentials = logits.sub_(self._highest[own]).exp2_().to(self._type)
            if of_chosen is not None:
                some, there = self._places.of(own, len(self._total))
                before = exponentials[there]
                of_rows, totals = gradient[own][there[0], 0], self._total[own][there[0], 0]
                added = (of_chosen[some] / of_rows * totals).masked_fill_(of_rows == 0, 0.0)
                exponentials[there] = (before + added).to(self._type)
            if of_codes is not None:
                torch.mul(scale[own], exponentials @ self._weight, out=of_codes[own])
            if of_weight is not None:
                _add_product(of_weight, exponentials.T, scale[own] * rows, first=own.start == 0)
            if of_bias is not None:
                _add_product(of_bias[:, None], exponentials.T, scale[own], first=own.start == 0)
            if of_chosen is not None:
                exponentials[there] = before  # they may be asked for again
        return None if of_codes is None else of_codes.view(samples.shape), of_weight, of_bias


def _type_of_products(like: Tensor) -> torch.dtype:
    """Return the type in which large float32 matrices are to be multiplied: autocast's where it is on."""
    kind = like.device.type
    shortened = torch.is_autocast_enabled(kind) and like.dtype == torch.float32
    return torch.get_autocast_dtype(kind) if shortened else like.dtype


def _add_product(total: Tensor, left: Tensor, right: Tensor, *, first: bool) -> None:
    """Add a product, of the type of `left`, to a total, which is empty before the first."""
    if left.dtype == total.dtype:
        total.addmm_(left, right, beta=0.0 if first else 1.0)
    elif first:
        total.copy_(left @ right.to(left.dtype))
    else:
        total.add_(left @ right.to(left.dtype))


def _numbered(blocks: Iterable[Tensor]) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows, each with the place of its rows."""
    start = 0
    for rows in blocks:
        yield slice(start, start := start + len(rows)), rows


def _row_blocks(samples: Tensor, vocabulary_size: int) -> tuple[Tensor, ...]:
    """Cut codes `[..., K]` into blocks of rows whose logits may be alive together; their size depends on V alone."""
    return samples.reshape(-1, samples.shape[-1]).split(max(1, min(LOGITS_TOGETHER, LOGITS_ALIVE) // vocabulary_size))


def _logits(rows: Tensor, weight: Tensor, bias: Tensor, scale: float = 1.0) -> Tensor:
    """Return (W h + b) times a scale, of `[R, K]`, `[R, V]`; in the bias's type even if the weight's is shorter."""
    if weight.dtype == bias.dtype:
        return torch.addmm(bias * scale, rows, weight.T, alpha=scale)
    return torch.add(bias * scale, rows.to(weight.dtype) @ weight.T, alpha=scale)


def log_rising(log_a: Tensor, counts: Tensor) -> Tensor:
    """Return log Gamma(a + x) - log Gamma(a), for whole x the log of a (a + 1) ... (a + x - 1).

    Arguments:
        log_a: log a, `[S, nnz]`. counts: x, `[nnz]`.

    Example:
        >>> log_rising(torch.tensor([[2.0, 2.0]]).log(), torch.tensor([1.0, 3.0])).exp()
        tensor([[ 2., 24.]])
    """
    return _LogRising.apply(log_a, counts)


class _LogRising(torch.autograd.Function):
    """log a + log Gamma(a + x) - log Gamma(a + 1), which holds however small a is.

    Most words come once, and log a needs no gamma function: the rest is worked out for the others alone.
    """

    @staticmethod
    def forward(ctx, log_a: Tensor, counts: Tensor) -> Tensor:
        others = (counts != 1).nonzero()[:, 0]
        a, x = log_a[:, others].exp(), counts[others]
        value = log_a.index_add(1, others, torch.lgamma(a + x) - torch.lgamma(a + 1))
        if ctx.needs_input_grad[0]:
            slope = torch.ones_like(log_a)
            slope.index_add_(1, others, a * (torch.digamma(a + x) - torch.digamma(a + 1)))
            ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradient * slope, None


def bits_normalizer(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return sum_v log(1 + exp(a_v)) for logits a = W h + b, `[S, B, K] -> [S, B]`, its gradient at little more cost.

    Arguments:
        samples: `[S, B, K]`; weight: `[V, K]`; bias: `[V]`, or `[B, V]` if each vector has its own.

    Example:
        >>> bits_normalizer(torch.zeros(1, 1, 3), torch.ones(4, 3), torch.zeros(4)).exp()
        tensor([[16.]])
    """
    return _BitsNormalizer.apply(samples, weight, bias)


class _BitsNormalizer(torch.autograd.Function):
    """sum_v softplus(a_v), whose gradient by a_v is sigmoid(a_v): one matrix is kept for all three gradients.

    Where that matrix is more than one block of vectors, it is computed again in the backward pass, block by block.
    """

    @staticmethod
    def forward(ctx, samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.type = _type_of_products(samples)
        short, blocks = weight.to(ctx.type), _vector_blocks(samples, len(weight), bias)
        parts = []
        for some, own_bias in blocks:
            logits = _bit_logits(some, short, own_bias)
            parts.append(functional.softplus(logits).sum(-1))
        if any(ctx.needs_input_grad):
            kept = logits.sigmoid_().to(ctx.type) if len(blocks) == 1 else None
            ctx.save_for_backward(samples, weight, bias, kept)
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        samples, weight, bias, kept = ctx.saved_tensors
        short, (vocabulary_size, n_units) = weight.to(ctx.type), weight.shape
        of_codes, of_weight, of_bias = (
            torch.empty_like(value) if needed else None
            for value, needed in zip((samples, weight, bias), ctx.needs_input_grad, strict=True)
        )
        start = 0
        for some, own_bias in _vector_blocks(samples, vocabulary_size, bias):
            own, first = slice(start, start + some.shape[1]), start == 0
            probability = kept  # [S, b, V]
            if probability is None:
                probability = _bit_logits(some, short, own_bias).sigmoid_().to(ctx.type)
            rows, of_rows = probability.view(-1, vocabulary_size), gradient[:, own].reshape(-1, 1)
            if of_codes is not None:
                of_codes[:, own] = gradient[:, own, None] * (probability @ short)
            if of_weight is not None:
                _add_product(of_weight, rows.T, of_rows * some.reshape(-1, n_units), first=first)
            if of_bias is not None and bias.dim() == 1:
                _add_product(of_bias[:, None], rows.T, of_rows, first=first)
            elif of_bias is not None:
                of_bias[own] = torch.einsum("sb,sbv->bv", gradient[:, own], probability.to(gradient.dtype))
            start = own.stop
        return of_codes, of_weight, of_bias


def _vector_blocks(samples: Tensor, n_bits: int, bias: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Cut codes `[S, B, K]` into vectors whose S logits a bit may be alive together, with their part of the bias."""
    size = max(1, LOGITS_ALIVE // (len(samples) * n_bits))
    parts = samples.split(size, 1)
    return list(zip(parts, [bias] * len(parts) if bias.dim() == 1 else bias.split(size), strict=True))


def _bit_logits(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return W h + b, `[S, b, V]`, in the bias's type, `[V]` or `[b, V]`, even if the weight's is shorter."""
    if bias.dim() == 1:
        return _logits(samples.reshape(-1, samples.shape[-1]), weight, bias).view(*samples.shape[:-1], len(weight))
    return (samples.to(weight.dtype) @ weight.T).to(bias.dtype).add_(bias)
