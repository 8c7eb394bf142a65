"""The distributions belief networks are made of: small, with `sample`, `log_prob` and `mean`, and nothing else.

torch.distributions is not used because its `sample` takes no generator, and because its Multinomial carries the
multinomial coefficient: a document here is a *sequence* of word draws, so that perplexity means what it says.

Axes: S samples, B documents of a batch, V words, K units. All log-probabilities are in nats.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from docnvil.model.sparse import SparseCounts
from docnvil.randomness import Generator, uniform

BLOCK = 8  # units of a chain that are drawn one by one before their product with the rest; 4 to 16 cost the same
# Of the `[S, B, V]` logits, how many are alive at once: 128 MB in single precision. As many as that are kept for the
# backward pass; more are computed twice, a block of rows at a time.
LOGITS_ALIVE = 1 << 25
TINY = 2.0**-60


class Bernoulli:
    """Independent binary units, p(h_k = 1) = sigmoid(logit_k).

    Arguments:
        logits: `[..., K]`.

    Example:
        >>> Bernoulli(torch.zeros(3)).log_prob(torch.tensor([0.0, 1.0, 1.0])).exp()
        tensor(0.1250)
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """The probability of a one, `[..., K]`."""
        return torch.sigmoid(self.logits)

    def given(self, value: Tensor) -> "Bernoulli":
        """Return every unit's distribution given the units before it, which tell it nothing."""
        return self

    def sample(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Draw zeros and ones of the given shape, to which the logits are broadcast."""
        probability = self.mean.detach()
        return (uniform(shape, generator, like=probability) < probability).to(probability.dtype)

    @torch.no_grad()
    def sample_with_mean(self, shape: Sequence[int], generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw as `sample` does, `[S, B, K]`, and take the mean of p(h_k = 1) over the first axis, `[B, K]`."""
        mean = self.mean
        return self.sample(shape, generator), mean.mean(0) if mean.dim() == len(shape) else mean

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(h) = sum_k h_k logit_k - log(1 + exp(logit_k)), `[..., K] -> [...]`."""
        return ((value * self.logits) - functional.softplus(self.logits)).sum(-1)


class AutoregressiveBernoulli:
    """Binary units in a chain, p(h) = prod_k p(h_k | h_<k), each a logistic regression on the units before it.

    p(h_k = 1 | h_<k) = sigmoid(logit_k + sum_(j<k) W_kj h_j).

    Source: Gregor et al. (2014), *Deep autoregressive networks*; the prior of fDARN and the autoregressive recognition
    layers of Mnih & Gregor (2014), section 5.2.

    Arguments:
        logits: `[..., K]`, what each unit hears from outside its layer.
        weight: `[K, K]`, of which only the part below the diagonal is used.

    Example:
        The second unit copies the first, almost surely:

        >>> chain = AutoregressiveBernoulli(torch.tensor([0.0, -20.0]), torch.tensor([[0.0, 0.0], [40.0, 0.0]]))
        >>> chain.log_prob(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).exp().round(decimals=3)
        tensor([0.5000, 0.0000, 0.0000, 0.5000])
    """

    def __init__(self, logits: Tensor, weight: Tensor) -> None:
        self.logits, self.weight = logits, weight.tril(-1)

    def given(self, value: Tensor) -> Bernoulli:
        """Return every unit's distribution given the units before it in `value`, `[..., K]`."""
        return Bernoulli(self.logits + functional.linear(value, self.weight))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(h), `[..., K] -> [...]`."""
        return self.given(value).log_prob(value)

    @torch.no_grad()
    def sample(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Draw zeros and ones of the given shape, to which the logits are broadcast; one unit after the other.

        Units are drawn in blocks: within a block each draw is passed on unit by unit, and a whole block is passed on to
        the units after it in one product. A unit is a contiguous row of all samples, and is drawn by comparing logits
        with logits, so that a step costs two small operations.
        """
        threshold = uniform(shape, generator, like=self.logits.detach()).logit()  # u < sigmoid(l) iff logit(u) < l
        threshold = _by_unit(threshold, shape).reshape(shape[-1], -1)  # [K, S B]
        drawn = self._draw(shape, lambda unit, heard, out: torch.lt(threshold[unit], heard, out=out))
        return drawn.T.reshape(tuple(shape))

    @torch.no_grad()
    def sample_with_mean(self, shape: Sequence[int], generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw as `sample` does, and take the mean over the first axis of what each unit was drawn by.

        Returns:
            The draws, `[S, B, K]`, and the mean of p(h_k = 1 | h_<k) over them, `[B, K]`: an unbiased estimate of
            p(h_k = 1), which varies less than the mean of the draws.
        """
        numbers = uniform(shape, generator, like=self.logits.detach())
        numbers = _by_unit(numbers, shape).reshape(shape[-1], -1)  # [K, S B]
        probability = torch.empty_like(numbers)

        def draw(unit: int, heard: Tensor, out: Tensor) -> None:
            torch.lt(numbers[unit], torch.sigmoid(heard, out=probability[unit]), out=out)

        drawn = self._draw(shape, draw)
        mean = probability.view(shape[-1], *shape[:-1]).mean(1).movedim(0, -1)
        return drawn.view(shape[-1], *shape[:-1]).movedim(0, -1), mean

    def _draw(self, shape: Sequence[int], draw: Callable[[int, Tensor, Tensor], object]) -> Tensor:
        """Go along the chain, `draw` filling a unit's row from its logits, and return the draws `[K, S B]`."""
        n_units = shape[-1]
        heard = _by_unit(self.logits.detach(), shape).clone(memory_format=torch.contiguous_format)
        heard = heard.view(n_units, -1)  # [K, S B]
        weight = self.weight.detach()
        drawn = torch.empty_like(heard)
        for start in range(0, n_units, BLOCK):
            stop = min(start + BLOCK, n_units)
            for unit in range(start, stop):
                draw(unit, heard[unit], drawn[unit])
                if unit + 1 < stop:
                    heard[unit + 1 : stop].addr_(weight[unit + 1 : stop, unit], drawn[unit])
            if stop < n_units:
                heard[stop:].addmm_(weight[stop:, start:stop], drawn[start:stop])
        return drawn


def _by_unit(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Lay out `[..., K]` with a contiguous row a unit, and view it broadcast to `shape`, `[K, ...]`."""
    rows = values.movedim(-1, 0).contiguous()  # before it is broadcast: little is moved
    rows = rows.view(len(rows), *(1 for _ in range(len(shape) - values.dim())), *rows.shape[1:])
    return rows.expand(shape[-1], *shape[:-1])


class Words:
    """Word draws from softmax(W h + b), the visible layer of a topic model, kept in factored form.

    log p(x | h) = sum_w x_w (W h + b)_w - L logsumexp(W h + b), with L the length of x. The first sum needs only x W,
    which is sparse; the `[S, B, V]` logits appear in the normaliser alone.

    Source: the "softmax units" of Mnih & Gregor (2014), section 5.3, after Salakhutdinov & Hinton (2009).

    Arguments:
        codes: `[S, B, K]` (or any leading axes that broadcast against the documents), the units h.
        weight: `[V, K]`; bias: `[V]`.

    Example:
        A uniform model gives every word the probability 1 / V:

        >>> x = SparseCounts(torch.tensor([0, 2]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2]), n_words=4)
        >>> Words(torch.zeros(1, 1, 5), torch.zeros(4, 5), torch.zeros(4)).log_prob(x).exp() * 4**3
        tensor([[1.]])
    """

    def __init__(self, codes: Tensor, weight: Tensor, bias: Tensor) -> None:
        self.codes, self.weight, self.bias = codes, weight, bias

    @property
    def logits(self) -> Tensor:
        """W h + b, `[..., V]`."""
        return self.codes @ self.weight.T + self.bias

    @property
    def mean(self) -> Tensor:
        """The probability of each word, `[..., V]`."""
        return torch.softmax(self.logits, -1)

    @torch.no_grad()
    def sample(self, lengths: Tensor, generator: Generator) -> SparseCounts:
        """Draw a document of each of the given lengths, `[B]` int64, for codes `[1, B, K]`."""
        words = _independent_words(self.mean, lengths, generator)
        return _counted(words, lengths, self.weight)

    def predict(self, counts: SparseCounts) -> Tensor:
        """Return the probability of each next word, whatever the document's words before it, `[S, B, V]`."""
        return self.mean

    def log_prob(self, counts: SparseCounts) -> Tensor:
        """Return log p(x | h) of each document's word sequence, `[S, B]`; zero for an empty document."""
        projected = counts.matmul(self.weight)  # [B, K]
        common = counts.matmul(self.bias[:, None]).T  # [1, B]
        chosen = (self.codes * projected).sum(-1) + common  # [S, B]
        return chosen - counts.lengths * log_normaliser(self.codes, self.weight, self.bias)


class DirichletMultinomialWords:
    """Words drawn from a Polya urn: once a word has been used, it is likelier to come again.

    With concentrations a = A softmax(W h + b), of sum A = exp(s), the words of a document of length L have

    log p(x | h) = lgamma(A) - lgamma(A + L) + sum_w [lgamma(a_w + x_w) - lgamma(a_w)],

    a proper distribution over word sequences. The softmax layer is its limit for large A.

    Source: Madsen, Kauchak & Elkan (2005), *Modeling word burstiness using the Dirichlet distribution*, section 4,
    without the multinomial coefficient.

    Arguments:
        codes: `[S, B, K]`, the units h.
        weight: `[V, K]`; bias: `[V]`; log_concentration: a scalar, s.

    Example:
        Two words, a = (1, 1): the first is a toss-up, and the second likes to repeat it.

        >>> twice = SparseCounts(torch.tensor([0]), torch.tensor([2.0]), torch.tensor([0, 1]), n_words=2)
        >>> zeros = torch.zeros(1, 1, 3), torch.zeros(2, 3), torch.zeros(2)
        >>> DirichletMultinomialWords(*zeros, torch.tensor(2.0).log()).log_prob(twice).exp()  # 1/2 times 2/3
        tensor([[0.3333]])
    """

    def __init__(self, codes: Tensor, weight: Tensor, bias: Tensor, log_concentration: Tensor) -> None:
        self.codes, self.weight, self.bias, self.log_concentration = codes, weight, bias, log_concentration

    @property
    def mean(self) -> Tensor:
        """The probability of each word as the first, `[..., V]`."""
        return torch.softmax(self.codes @ self.weight.T + self.bias, -1)

    def log_prob(self, counts: SparseCounts) -> Tensor:
        """Return log p(x | h) of each document's word sequence, `[S, B]`; zero for an empty document."""
        log_first = log_word_probabilities(self.codes, self.weight, self.bias, counts)  # [S, nnz]
        of_words = log_rising(log_first + self.log_concentration, counts.values)
        total = self.log_concentration.exp()
        of_lengths = torch.lgamma(total) - torch.lgamma(total + counts.lengths)  # [B]
        return counts.sum_over_words(of_words) + of_lengths

    @torch.no_grad()
    def sample(self, lengths: Tensor, generator: Generator) -> SparseCounts:
        """Draw a document of each of the given lengths, `[B]` int64, for codes `[1, B, K]`, as the urn fills.

        After n words the next is a fresh one with probability A / (A + n), else it repeats one of those n, any of them
        as likely as another.

        Source: Blackwell & MacQueen (1973), *Ferguson distributions via Polya urn schemes*.
        """
        words = _independent_words(self.mean, lengths, generator)  # [B, L], those that would be fresh
        before = torch.arange(words.shape[1], device=words.device)  # n
        total = self.log_concentration.detach().double().exp()
        ball = uniform((1, *words.shape), generator, like=total)[0] * (total + before)
        source = torch.where(ball < total, before, (ball - total).long().minimum(before - 1))  # [B, L]
        # A repeated word may repeat a repeated one; each round doubles how far back it has been followed.
        for _ in range(words.shape[1].bit_length()):
            source = source.gather(1, source)
        return _counted(words.gather(1, source), lengths, self.weight)

    def predict(self, counts: SparseCounts) -> Tensor:
        """Return the probability of each next word after those of the document, (a_w + x_w) / (A + L), `[S, B, V]`."""
        total = self.log_concentration.exp()
        probability = total * self.mean / (total + counts.lengths)[:, None]
        seen = counts.values / (total + counts.lengths)[counts.documents]  # [nnz]
        samples = torch.arange(len(probability), device=seen.device)[:, None]
        return probability.index_put((samples, counts.documents, counts.indices), seen, accumulate=True)


class Bits:
    """Binary vectors whose bits are independent given the units, or a chain given them: logits a = W h + b + L x.

    log p(x | h) = sum_(v: x_v = 1) a_v - sum_v log(1 + exp(a_v)), kept in factored form like `Words`: the first sum
    needs x W alone, and the `[S, B, V]` logits appear in the second only.

    Source: Mnih & Gregor (2014), section 5.1; with L, the visible layer of a deep autoregressive network (DARN), Gregor
    et al. (2014), section 3.

    Arguments:
        codes: `[S, B, K]`, the units h.
        weight: `[V, K]`; bias: `[V]`.
        lateral: `[V, V]`, L, of which only the part below the diagonal is used; None for independent bits.

    Example:
        Three tosses of a fair coin, of which one is a head:

        >>> x = SparseCounts(torch.tensor([1]), torch.ones(1), torch.tensor([0, 1]), n_words=3)
        >>> Bits(torch.zeros(1, 1, 5), torch.zeros(3, 5), torch.zeros(3)).log_prob(x).exp()
        tensor([[0.1250]])
    """

    def __init__(self, codes: Tensor, weight: Tensor, bias: Tensor, lateral: Tensor | None = None) -> None:
        self.codes, self.weight, self.bias = codes, weight, bias
        self.lateral = None if lateral is None else lateral.tril(-1)

    @property
    def logits(self) -> Tensor:
        """W h + b, `[..., V]`: what each bit hears from the units."""
        return self.codes @ self.weight.T + self.bias

    @property
    def units(self) -> Bernoulli | AutoregressiveBernoulli:
        """The bits as units with logits `[..., V]`: dense, so for drawing and not for training."""
        return Bernoulli(self.logits) if self.lateral is None else AutoregressiveBernoulli(self.logits, self.lateral)

    @property
    def mean(self) -> Tensor:
        """The probability of a one given the units, and, in a chain, no bits before it, `[..., V]`."""
        return torch.sigmoid(self.logits)

    @torch.no_grad()
    def sample(self, lengths: Tensor, generator: Generator) -> SparseCounts:
        """Draw a vector for each of the codes, `[1, B, K]`; `lengths`, `[B]`, has nothing to say of binary vectors."""
        return SparseCounts.from_dense(self.units.sample(self.logits.shape, generator)[0])

    def log_prob(self, counts: SparseCounts) -> Tensor:
        """Return log p(x | h) of each vector, `[S, B]`; `counts` are ones where bits are set."""
        bias = self.bias
        if self.lateral is not None:
            bias = bias + counts.matmul(self.lateral.T)  # [B, V], what each bit hears from those before it
        heard = bias[counts.indices] if bias.dim() == 1 else bias[counts.documents, counts.indices]
        common = counts.sum_over_words((counts.values * heard)[None])  # [1, B]
        chosen = (self.codes * counts.matmul(self.weight)).sum(-1) + common  # [S, B]
        return chosen - bits_normaliser(self.codes, self.weight, bias)


def _independent_words(mean: Tensor, lengths: Tensor, generator: Generator) -> Tensor:
    """Draw the words of documents one by one from probabilities `[1, B, V]`, as far as the longest goes, `[B, L]`."""
    cumulative = mean.double().cumsum(-1)[0]  # [B, V]
    n_documents, n_words = cumulative.shape
    longest = int(lengths.max()) if n_documents else 0
    drawn = uniform((1, n_documents, longest), generator, like=cumulative)[0]  # [B, L]
    return torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True).clamp_(max=n_words - 1)


def _counted(words: Tensor, lengths: Tensor, weight: Tensor) -> SparseCounts:
    """Count the words `[B, L]` of documents as far as their lengths go; `weight` `[V, K]` says of what type."""
    n_documents, longest = words.shape
    n_words = len(weight)
    kept = torch.arange(longest, device=words.device) < lengths[:, None]
    places = (words + n_words * torch.arange(n_documents, device=words.device)[:, None])[kept]
    places, counts = places.unique(return_counts=True)
    rows = torch.div(places, n_words, rounding_mode="floor")
    offsets = torch.searchsorted(rows, torch.arange(n_documents + 1, device=rows.device))
    return SparseCounts(places % n_words, counts.to(weight.dtype), offsets, n_words)


def log_normaliser(codes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return logsumexp_w (W h + b)_w, `[..., K] -> [...]`, with one pass of exponentials for value and gradient.

    Arguments:
        codes: `[..., K]`; weight: `[V, K]`; bias: `[V]`.

    Example:
        >>> log_normaliser(torch.zeros(2, 3), torch.ones(4, 3), torch.zeros(4)).exp()
        tensor([4., 4.])
    """
    return _LogNormaliser.apply(codes, weight, bias)


class _LogNormaliser(torch.autograd.Function):
    """logsumexp whose gradient reuses the forward pass's exponentials, see `_Exponentials`."""

    @staticmethod
    def forward(ctx, codes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(codes, weight, bias)
        ctx.exponentials = _Exponentials(codes, weight, bias, keep=any(ctx.needs_input_grad))
        return ctx.exponentials.log_sums.view(codes.shape[:-1])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.exponentials.products(*ctx.saved_tensors, gradient.reshape(-1, 1), ctx.needs_input_grad)


def log_word_probabilities(codes: Tensor, weight: Tensor, bias: Tensor, counts: SparseCounts) -> Tensor:
    """Return log softmax(W h + b)_w of the words that each document has, `[S, B, K] -> [S, nnz]`.

    Arguments:
        codes: `[S, B, K]`; weight: `[V, K]`; bias: `[V]`.
        counts: B documents; how often they have a word does not matter.

    Example:
        >>> x = SparseCounts(torch.tensor([2, 0]), torch.ones(2), torch.tensor([0, 1, 2]), n_words=4)
        >>> log_word_probabilities(torch.zeros(1, 2, 3), torch.ones(4, 3), torch.zeros(4), x).exp()
        tensor([[0.2500, 0.2500]])
    """
    return _LogWordProbabilities.apply(codes, weight, bias, counts)


class _LogWordProbabilities(torch.autograd.Function):
    """The log-softmax at some places, at little more than the cost of its normaliser, see `_Exponentials`."""

    @staticmethod
    def forward(ctx, codes: Tensor, weight: Tensor, bias: Tensor, counts: SparseCounts) -> Tensor:
        ctx.save_for_backward(codes, weight, bias)
        ctx.counts = counts
        rows = torch.arange(len(codes), device=codes.device)[:, None] * len(counts) + counts.documents  # [S, nnz]
        words = counts.indices.expand(len(codes), -1)
        places = _Places(rows.reshape(-1), words.reshape(-1))
        ctx.exponentials = _Exponentials(codes, weight, bias, places, keep=any(ctx.needs_input_grad))
        chosen = ctx.exponentials.chosen - ctx.exponentials.log_sums[places.rows, 0]
        return chosen.view(len(codes), -1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        sums, sizes = (ctx.counts.sum_over_words(each).view(-1, 1) for each in (gradient, gradient.abs()))  # [S B, 1]
        of_normaliser = -torch.where(sums == 0, TINY * sizes, sums)  # it divides, and so small it adds nothing
        gradients = (of_normaliser, ctx.needs_input_grad, gradient.reshape(-1))
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
    matrix is more than one block of rows, each block's exponentials are dropped, and computed again on the way back.

    Arguments:
        codes: `[..., K]`; weight: `[V, K]`; bias: `[V]`. places: the logits wanted themselves.
        keep: whether a backward pass is to come.
    """

    def __init__(
        self, codes: Tensor, weight: Tensor, bias: Tensor, places: _Places | None = None, *, keep: bool
    ) -> None:
        self._places = places
        blocks = _row_blocks(codes, len(weight))
        self._highest, self._total = codes.new_empty(2, sum(map(len, blocks)), 1)  # [S B, 1]
        self.chosen = None if places is None else codes.new_empty(len(places.rows))
        for own, rows in _numbered(blocks):
            exponentials = _logits(rows, weight, bias)
            if places is not None:
                some, there = places.of(own, len(self._total))
                self.chosen[some] = exponentials[there]
            torch.amax(exponentials, 1, keepdim=True, out=self._highest[own])
            exponentials.sub_(self._highest[own]).exp_()
            torch.sum(exponentials, 1, keepdim=True, out=self._total[own])
        self._kept = exponentials if keep and len(blocks) == 1 else None

    @property
    def log_sums(self) -> Tensor:
        """The logsumexp of each row, `[S B, 1]`."""
        return self._highest + self._total.log()

    def products(
        self,
        codes: Tensor,
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
        scale = gradient / self._total  # [S B, 1]
        of_codes, of_weight, of_bias = (
            torch.empty_like(value) if wanted else None
            for value, wanted in zip((codes.reshape(-1, codes.shape[-1]), weight, bias), needed, strict=False)
        )
        for own, rows in _numbered(_row_blocks(codes, len(weight))):
            exponentials = self._kept
            if exponentials is None:
                exponentials = _logits(rows, weight, bias).sub_(self._highest[own]).exp_()
            if of_chosen is not None:
                some, there = self._places.of(own, len(self._total))
                before = exponentials[there]
                added = of_chosen[some] / scale[own][there[0], 0]
                exponentials[there] = before + added.masked_fill_(of_chosen[some] == 0, 0.0)
            so_far = float(own.start > 0)
            if of_codes is not None:
                torch.mul(scale[own], exponentials @ weight, out=of_codes[own])
            if of_weight is not None:
                of_weight.addmm_(exponentials.T, scale[own] * rows, beta=so_far)
            if of_bias is not None:
                of_bias.addmv_(exponentials.T, scale[own, 0], beta=so_far)
            if of_chosen is not None:
                exponentials[there] = before  # they may be asked for again
        return None if of_codes is None else of_codes.view(codes.shape), of_weight, of_bias


def _numbered(blocks: Iterable[Tensor]) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows, each with the place of its rows."""
    start = 0
    for rows in blocks:
        yield slice(start, start := start + len(rows)), rows


def _row_blocks(codes: Tensor, n_words: int) -> tuple[Tensor, ...]:
    """Cut codes `[..., K]` into blocks of rows whose logits may be alive together; their size depends on V alone."""
    return codes.reshape(-1, codes.shape[-1]).split(max(1, LOGITS_ALIVE // n_words))


def _logits(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return W h + b of `[R, K]`, `[R, V]`; in the bias's type even where the product is done in a shorter one."""
    return torch.addmm(bias, rows, weight.T).to(bias.dtype)


def log_rising(log_a: Tensor, counts: Tensor) -> Tensor:
    """Return log Gamma(a + x) - log Gamma(a), the log of a (a + 1) ... (a + x - 1), for whole x from 1.

    Arguments:
        log_a: log a, `[S, nnz]`. counts: x, `[nnz]`.

    Example:
        >>> log_rising(torch.tensor([[2.0, 2.0]]).log(), torch.tensor([1.0, 3.0])).exp()
        tensor([[ 2., 24.]])
    """
    return _LogRising.apply(log_a, counts)


class _LogRising(torch.autograd.Function):
    """Most words come once, and log a needs no gamma function: value and slope are worked out for the others alone."""

    @staticmethod
    def forward(ctx, log_a: Tensor, counts: Tensor) -> Tensor:
        several = (counts > 1).nonzero()[:, 0]
        a, x = log_a[:, several].exp(), counts[several]
        value = log_a.index_copy(1, several, torch.lgamma(a + x) - torch.lgamma(a))
        if ctx.needs_input_grad[0]:
            slope = torch.ones_like(log_a)
            slope.index_copy_(1, several, a * (torch.digamma(a + x) - torch.digamma(a)))
            ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradient * slope, None


def bits_normaliser(codes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return sum_v log(1 + exp(a_v)) for logits a = W h + b, `[S, B, K] -> [S, B]`, its gradient at little more cost.

    Arguments:
        codes: `[S, B, K]`; weight: `[V, K]`; bias: `[V]`, or `[B, V]` if each vector has its own.

    Example:
        >>> bits_normaliser(torch.zeros(1, 1, 3), torch.ones(4, 3), torch.zeros(4)).exp()
        tensor([[16.]])
    """
    return _BitsNormaliser.apply(codes, weight, bias)


class _BitsNormaliser(torch.autograd.Function):
    """sum_v softplus(a_v), whose gradient by a_v is sigmoid(a_v): one matrix is kept for all three gradients.

    Where that matrix is more than one block of vectors, it is computed again in the backward pass, block by block.
    """

    @staticmethod
    def forward(ctx, codes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        blocks = _vector_blocks(codes, len(weight), bias)
        parts = []
        for some, own_bias in blocks:
            logits = _bit_logits(some, weight, own_bias)
            parts.append(functional.softplus(logits).sum(-1))
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(codes, weight, bias, logits.sigmoid_() if len(blocks) == 1 else None)
        return torch.cat(parts, 1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        codes, weight, bias, kept = ctx.saved_tensors
        n_words, n_units = weight.shape
        of_codes, of_weight, of_bias = (
            torch.empty_like(value) if needed else None
            for value, needed in zip((codes, weight, bias), ctx.needs_input_grad, strict=True)
        )
        start = 0
        for some, own_bias in _vector_blocks(codes, n_words, bias):
            own = slice(start, start + some.shape[1])
            probability = kept if kept is not None else _bit_logits(some, weight, own_bias).sigmoid_()  # [S, b, V]
            rows, of_rows = probability.view(-1, n_words), gradient[:, own].reshape(-1, 1)
            so_far = float(start > 0)
            if of_codes is not None:
                of_codes[:, own] = gradient[:, own, None] * (probability @ weight)
            if of_weight is not None:
                of_weight.addmm_(rows.T, of_rows * some.reshape(-1, n_units), beta=so_far)
            if of_bias is not None and bias.dim() == 1:
                of_bias.addmv_(rows.T, of_rows[:, 0], beta=so_far)
            elif of_bias is not None:
                of_bias[own] = torch.einsum("sb,sbv->bv", gradient[:, own], probability)
            start = own.stop
        return of_codes, of_weight, of_bias


def _vector_blocks(codes: Tensor, n_bits: int, bias: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Cut codes `[S, B, K]` into vectors whose S logits a bit may be alive together, with their part of the bias."""
    size = max(1, LOGITS_ALIVE // (len(codes) * n_bits))
    parts = codes.split(size, 1)
    return list(zip(parts, [bias] * len(parts) if bias.dim() == 1 else bias.split(size), strict=True))


def _bit_logits(codes: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    if bias.dim() == 1:
        return _logits(codes.reshape(-1, codes.shape[-1]), weight, bias).view(*codes.shape[:-1], len(weight))
    return (codes @ weight.T).to(bias.dtype).add_(bias)
