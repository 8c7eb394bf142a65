"""The distributions belief networks are made of: small, with `sample`, `log_prob` and `mean`, and nothing else.

torch.distributions is not used because its `sample` takes no generator, and because its Multinomial carries the
multinomial coefficient: a document here is a *sequence* of word draws, so that perplexity means what it says.

Axes: S samples, B documents of a batch, V words, K units. All log-probabilities are in nats.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from docnvil.model.normalizers import bits_normalizer, log_normalizer, log_rising, log_word_probabilities
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.randomness import Generator, uniform

BLOCK = 8  # units of a chain that are drawn one by one before their product with the rest; 4 to 16 cost the same


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

    def conditional(self, value: Tensor) -> "Bernoulli":
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
        logits = self.logits.to(value.dtype)  # autocast may have made them short, and would sum them so
        return (value * logits - functional.softplus(logits)).sum(-1)


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

    def conditional(self, value: Tensor) -> Bernoulli:
        """Return every unit's distribution given the units before it in `value`, `[..., K]`."""
        return Bernoulli(self.logits + functional.linear(value, self.weight))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(h), `[..., K] -> [...]`."""
        return self.conditional(value).log_prob(value)

    @torch.no_grad()
    def sample(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Draw zeros and ones of the given shape, to which the logits are broadcast; one unit after the other.

        Units are drawn in blocks: within a block each draw is passed on unit by unit, and a whole block is passed on to
        the units after it in one product. A unit is a contiguous row of all samples, and is drawn by comparing logits
        with logits, so that a step costs two small operations.
        """
        threshold = uniform(shape, generator, like=self.logits.detach()).logit()  # u < sigmoid(l) iff logit(u) < l
        threshold = _by_unit(threshold, shape).reshape(shape[-1], -1)  # [K, S B]
        drawn = self._draw(shape, lambda unit, input_logits, out: torch.lt(threshold[unit], input_logits, out=out))
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

        def draw(unit: int, input_logits: Tensor, out: Tensor) -> None:
            torch.lt(numbers[unit], torch.sigmoid(input_logits, out=probability[unit]), out=out)

        drawn = self._draw(shape, draw)
        mean = probability.view(shape[-1], *shape[:-1]).mean(1).movedim(0, -1)
        return drawn.view(shape[-1], *shape[:-1]).movedim(0, -1), mean

    def _draw(self, shape: Sequence[int], draw: Callable[[int, Tensor, Tensor], object]) -> Tensor:
        """Go along the chain, `draw` filling a unit's row from its logits, and return the draws `[K, S B]`."""
        n_units = shape[-1]
        input_logits = _by_unit(self.logits.detach(), shape).clone(memory_format=torch.contiguous_format)
        input_logits = input_logits.view(n_units, -1)  # [K, S B]
        weight = self.weight.detach()
        drawn = torch.empty_like(input_logits)
        for start in range(0, n_units, BLOCK):
            stop = min(start + BLOCK, n_units)
            for unit in range(start, stop):
                draw(unit, input_logits[unit], drawn[unit])
                if unit + 1 < stop:
                    input_logits[unit + 1 : stop].addr_(weight[unit + 1 : stop, unit], drawn[unit])
            if stop < n_units:
                input_logits[stop:].addmm_(weight[stop:, start:stop], drawn[start:stop])
        return drawn


def _by_unit(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Lay out `[..., K]` with a contiguous row a unit, and view it broadcast to `shape`, `[K, ...]`."""
    rows = values.movedim(-1, 0).contiguous()  # before it is broadcast: little is moved
    rows = rows.view(len(rows), *(1 for _ in range(len(shape) - values.dim())), *rows.shape[1:])
    return rows.expand(shape[-1], *shape[:-1])


class SoftmaxWords:
    """Word draws from softmax(W h + b), the visible layer of a topic model, kept in factored form.

    log p(x | h) = sum_w x_w (W h + b)_w - L logsumexp(W h + b), with L the length of x. The first sum needs only x W,
    which is sparse; the `[S, B, V]` logits appear in the normalizer alone.

    Source: the "softmax units" of Mnih & Gregor (2014), section 5.3, after Salakhutdinov & Hinton (2009).

    Arguments:
        samples: `[S, B, K]` (or any leading axes that broadcast against the documents), the units h.
        weight: `[V, K]`; bias: `[V]`.

    Example:
        A uniform model gives every word the probability 1 / V:

        >>> x = SparseCounts(torch.tensor([0, 2]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2]), vocabulary_size=4)
        >>> SoftmaxWords(torch.zeros(1, 1, 5), torch.zeros(4, 5), torch.zeros(4)).log_prob(x).exp() * 4**3
        tensor([[1.]])
    """

    def __init__(self, samples: Tensor, weight: Tensor, bias: Tensor) -> None:
        self.samples, self.weight, self.bias = samples, weight, bias

    @property
    def logits(self) -> Tensor:
        """W h + b, `[..., V]`."""
        return self.samples @ self.weight.T + self.bias

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
        chosen = (self.samples * projected).sum(-1) + common  # [S, B]
        return chosen - counts.lengths * log_normalizer(self.samples, self.weight, self.bias)


class DirichletMultinomialWords:
    """Words drawn from a Polya urn: once a word has been used, it is likelier to come again.

    With concentrations a = A softmax(W h + b), of sum A = exp(s), the words of a document of length L have

    log p(x | h) = lgamma(A) - lgamma(A + L) + sum_w [lgamma(a_w + x_w) - lgamma(a_w)],

    a proper distribution over word sequences. The softmax layer is its limit for large A.

    Source: Madsen, Kauchak & Elkan (2005), *Modeling word burstiness using the Dirichlet distribution*, section 4,
    without the multinomial coefficient.

    Arguments:
        samples: `[S, B, K]`, the units h.
        weight: `[V, K]`; bias: `[V]`; log_concentration: a scalar, s.

    Example:
        Two words, a = (1, 1): the first is a toss-up, and the second likes to repeat it.

        >>> twice = SparseCounts(torch.tensor([0]), torch.tensor([2.0]), torch.tensor([0, 1]), vocabulary_size=2)
        >>> zeros = torch.zeros(1, 1, 3), torch.zeros(2, 3), torch.zeros(2)
        >>> DirichletMultinomialWords(*zeros, torch.tensor(2.0).log()).log_prob(twice).exp()  # 1/2 times 2/3
        tensor([[0.3333]])
    """

    def __init__(self, samples: Tensor, weight: Tensor, bias: Tensor, log_concentration: Tensor) -> None:
        self.samples, self.weight, self.bias, self.log_concentration = samples, weight, bias, log_concentration

    @property
    def mean(self) -> Tensor:
        """The probability of each word as the first, `[..., V]`."""
        return torch.softmax(self.samples @ self.weight.T + self.bias, -1)

    def log_prob(self, counts: SparseCounts) -> Tensor:
        """Return log p(x | h) of each document's word sequence, `[S, B]`; zero for an empty document."""
        log_first = log_word_probabilities(self.samples, self.weight, self.bias, counts)  # [S, nnz]
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

    log p(x | h) = sum_(v: x_v = 1) a_v - sum_v log(1 + exp(a_v)), kept in factored form as in `SoftmaxWords`: the first
    sum needs x W alone, and the `[S, B, V]` logits appear in the second only.

    Source: Mnih & Gregor (2014), section 5.1; with L, the visible layer of a deep autoregressive network (DARN), Gregor
    et al. (2014), section 3.

    Arguments:
        samples: `[S, B, K]`, the units h.
        weight: `[V, K]`; bias: `[V]`.
        lateral: `[V, V]`, L, of which only the part below the diagonal is used; None for independent bits.

    Example:
        Three tosses of a fair coin, of which one is a head:

        >>> x = SparseCounts(torch.tensor([1]), torch.ones(1), torch.tensor([0, 1]), vocabulary_size=3)
        >>> Bits(torch.zeros(1, 1, 5), torch.zeros(3, 5), torch.zeros(3)).log_prob(x).exp()
        tensor([[0.1250]])
    """

    def __init__(self, samples: Tensor, weight: Tensor, bias: Tensor, lateral: Tensor | None = None) -> None:
        self.samples, self.weight, self.bias = samples, weight, bias
        self.lateral = None if lateral is None else lateral.tril(-1)

    @property
    def logits(self) -> Tensor:
        """W h + b, `[..., V]`: what each bit hears from the units."""
        return self.samples @ self.weight.T + self.bias

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
        input_logits = bias[counts.indices] if bias.dim() == 1 else bias[counts.documents, counts.indices]
        common = counts.sum_over_words((counts.values * input_logits)[None])  # [1, B]
        chosen = (self.samples * counts.matmul(self.weight)).sum(-1) + common  # [S, B]
        return chosen - bits_normalizer(self.samples, self.weight, bias)


def _independent_words(mean: Tensor, lengths: Tensor, generator: Generator) -> Tensor:
    """Draw the words of documents one by one from probabilities `[1, B, V]`, as far as the longest goes, `[B, L]`."""
    cumulative = mean.double().cumsum(-1)[0]  # [B, V]
    n_documents, vocabulary_size = cumulative.shape
    longest = int(lengths.max()) if n_documents else 0
    drawn = uniform((1, n_documents, longest), generator, like=cumulative)[0]  # [B, L]
    return torch.searchsorted(cumulative, drawn * cumulative[:, -1:], right=True).clamp_(max=vocabulary_size - 1)


def _counted(words: Tensor, lengths: Tensor, weight: Tensor) -> SparseCounts:
    """Count the words `[B, L]` of documents as far as their lengths go; `weight` `[V, K]` says of what type."""
    n_documents, longest = words.shape
    vocabulary_size = len(weight)
    kept = torch.arange(longest, device=words.device) < lengths[:, None]
    places = (words + vocabulary_size * torch.arange(n_documents, device=words.device)[:, None])[kept]
    places, counts = places.unique(return_counts=True)
    rows = torch.div(places, vocabulary_size, rounding_mode="floor")
    offsets = torch.searchsorted(rows, torch.arange(n_documents + 1, device=rows.device))
    return SparseCounts(places % vocabulary_size, counts.to(weight.dtype), offsets, vocabulary_size)
