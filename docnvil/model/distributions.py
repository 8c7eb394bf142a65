"""The distributions of a belief network, each with `sample`, `log_prob` and `mean`.

torch.distributions is not used: its `sample` takes no generator, and its Multinomial includes the multinomial
coefficient. Here a document is a *sequence* of words, and its probability that of the sequence, as in perplexity.

Axes: S samples, B documents of a batch, L words of a document, V words of the vocabulary or bits, K units. Unit: nats.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from docnvil.model.device_likelihoods import bernoulli_log_prob, words_log_prob
from docnvil.model.normalizers import bits_normalizer, log_normalizer, log_word_probabilities
from docnvil.model.rising_factorials import dirichlet_multinomial_log_prob, has_large_counts
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.device_operations import on_device, operations
from docnvil.runtime.randomness import Generator, uniform

UNITS_PER_CHUNK = 8  # units sampled one by one before one product with all later units; 4 to 16 are equally fast


class Bernoulli:
    """Independent binary units, p(h_k = 1) = sigmoid(logit_k), with logits `[..., K]`.

    Example:
        >>> Bernoulli(torch.zeros(3)).log_prob(torch.tensor([0.0, 1.0, 1.0])).exp()
        tensor(0.1250)
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """p(h_k = 1), `[..., K]`."""
        return torch.sigmoid(self.logits)

    def conditional(self, value: Tensor) -> "Bernoulli":
        """Return the distribution of each unit given the units before it, which is this distribution."""
        return self

    def sample(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Return zeros and ones of the given shape, to which the logits are broadcast."""
        probability = self.mean.detach()
        return (uniform(shape, generator, like=probability) < probability).to(probability.dtype)

    @torch.no_grad()
    def sample_with_mean(self, shape: Sequence[int], generator: Generator) -> tuple[Tensor, Tensor]:
        """Return samples `[S, B, K]` as `sample` does, and p(h_k = 1) averaged over S, `[B, K]`."""
        mean = self.mean
        return self.sample(shape, generator), mean.mean(0) if mean.dim() == len(shape) else mean

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(h) = sum_k h_k logit_k - log(1 + exp(logit_k)), `[..., K] -> [...]`."""
        if on_device(value) and not value.requires_grad:
            return bernoulli_log_prob(value, self.logits)
        logits = self.logits.to(value.dtype)  # under autocast they are in bf16, which is too short for the sum
        return (value * logits - functional.softplus(logits)).sum(-1)


class AutoregressiveBernoulli:
    """Binary units of which each is a logistic regression on the units before it, p(h) = prod_k p(h_k | h_<k).

    p(h_k = 1 | h_<k) = sigmoid(logit_k + sum_(j<k) W_kj h_j), with logits `[..., K]`. Only the part of W, `[K, K]`,
    below the diagonal is used.

    Source: Gregor et al. (2014), *Deep autoregressive networks*; the prior of fDARN and the autoregressive recognition
    layers of Mnih & Gregor (2014), section 5.2.

    Example:
        The second unit is almost surely equal to the first:

        >>> units = AutoregressiveBernoulli(torch.tensor([0.0, -20.0]), torch.tensor([[0.0, 0.0], [40.0, 0.0]]))
        >>> units.log_prob(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).exp().round(decimals=3)
        tensor([0.5000, 0.0000, 0.0000, 0.5000])
    """

    def __init__(self, logits: Tensor, weight: Tensor) -> None:
        self.logits, self._square, self._is_differentiated = logits, weight, torch.is_grad_enabled()

    @cached_property
    def weight(self) -> Tensor:
        """The part of W below the diagonal, `[K, K]`."""
        with torch.set_grad_enabled(self._is_differentiated):  # `sample` may need it first, without gradients
            return self._square.tril(-1)

    def conditional(self, value: Tensor) -> Bernoulli:
        """Return the distribution of each unit given the units before it in `value`, `[..., K]`."""
        return Bernoulli(self.logits + functional.linear(value, self.weight))

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(h), `[..., K] -> [...]`."""
        if on_device(value) and not value.requires_grad:
            return bernoulli_log_prob(value, self.logits, functional.linear(value, self.weight))
        return self.conditional(value).log_prob(value)

    @torch.no_grad()
    def sample(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Return zeros and ones of the given shape, to which the logits are broadcast.

        Units are sampled one after the other. u < sigmoid(l) is tested as logit(u) < l, so that each unit costs only
        a comparison and an update of the logits of later units.
        """
        uniforms = uniform(shape, generator, like=self.logits.detach())
        if on_device(uniforms):
            return operations().autoregressive_sample(self.logits.detach(), self._square.detach(), uniforms)
        threshold = uniforms.logit()
        threshold = _units_first(threshold, shape).reshape(shape[-1], -1)  # [K, S B]
        samples = self._sample(shape, lambda unit, logits, out: torch.lt(threshold[unit], logits, out=out))
        return samples.T.reshape(tuple(shape))

    @torch.no_grad()
    def sample_with_mean(self, shape: Sequence[int], generator: Generator) -> tuple[Tensor, Tensor]:
        """Return samples `[S, B, K]` and the mean over S of the probabilities from which they were drawn, `[B, K]`.

        The mean of p(h_k = 1 | h_<k) is an unbiased estimate of p(h_k = 1), with less variance than the mean of the
        samples.
        """
        uniforms = uniform(shape, generator, like=self.logits.detach())
        if on_device(uniforms):
            inputs = self.logits.detach(), self._square.detach(), uniforms
            samples, probability = operations().autoregressive_sample_with_mean(*inputs)
            return samples, probability.mean(0)
        uniforms = _units_first(uniforms, shape).reshape(shape[-1], -1)  # [K, S B]
        probability = torch.empty_like(uniforms)

        def draw(unit: int, logits: Tensor, out: Tensor) -> None:
            torch.lt(uniforms[unit], torch.sigmoid(logits, out=probability[unit]), out=out)

        samples = self._sample(shape, draw)
        mean = probability.view(shape[-1], *shape[:-1]).mean(1).movedim(0, -1)
        return samples.view(shape[-1], *shape[:-1]).movedim(0, -1), mean

    def _sample(self, shape: Sequence[int], draw: Callable[[int, Tensor, Tensor], object]) -> Tensor:
        """Return samples `[K, S B]`; `draw(unit, logits, out)` draws all samples of a unit from their logits.

        Within a chunk of units each sample updates the logits of the next units; the logits of units after the chunk
        are updated by one matrix product.
        """
        n_units = shape[-1]
        logits = _units_first(self.logits.detach(), shape).clone(memory_format=torch.contiguous_format)
        logits = logits.view(n_units, -1)  # [K, S B]
        weight = self.weight.detach()
        samples = torch.empty_like(logits)
        for start in range(0, n_units, UNITS_PER_CHUNK):
            stop = min(start + UNITS_PER_CHUNK, n_units)
            for unit in range(start, stop):
                draw(unit, logits[unit], samples[unit])
                if unit + 1 < stop:
                    logits[unit + 1 : stop].addr_(weight[unit + 1 : stop, unit], samples[unit])
            if stop < n_units:
                logits[stop:].addmm_(weight[stop:, start:stop], samples[start:stop])
        return samples


def _units_first(values: Tensor, shape: Sequence[int]) -> Tensor:
    """Return `[..., K]` with a contiguous row per unit, broadcast to `shape` with its last axis first, `[K, ...]`."""
    rows = values.movedim(-1, 0).contiguous()  # copied before it is broadcast, while it is small
    rows = rows.view(len(rows), *(1 for _ in range(len(shape) - values.dim())), *rows.shape[1:])
    return rows.expand(shape[-1], *shape[:-1])


class _LinearLogits:
    """A distribution with logits W h + b, kept as factors: h `[S, B, K]`, W `[V, K]` and b `[V]`.

    The samples h can have any leading axes that broadcast against the documents.
    """

    def __init__(self, samples: Tensor, weight: Tensor, bias: Tensor) -> None:
        self.samples, self.weight, self.bias = samples, weight, bias

    @property
    def logits(self) -> Tensor:
        """W h + b, `[..., V]`."""
        return self.samples @ self.weight.T + self.bias


class SoftmaxWords(_LinearLogits):
    """Independent words from softmax(W h + b), the visible layer of a topic model.

    log p(x | h) = sum_w x_w (W h + b)_w - L logsumexp(W h + b), with L the length of x. The first sum needs only the
    sparse product x W; the `[S, B, V]` logits are needed for the normalizer only.

    Source: the "softmax units" of Mnih & Gregor (2014), section 5.3, after Salakhutdinov & Hinton (2009).

    Example:
        A uniform model gives every word the probability 1 / V:

        >>> x = SparseCounts(torch.tensor([0, 2]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2]), vocabulary_size=4)
        >>> SoftmaxWords(torch.zeros(1, 1, 5), torch.zeros(4, 5), torch.zeros(4)).log_prob(x).exp() * 4**3
        tensor([[1.]])
    """

    @property
    def mean(self) -> Tensor:
        """The probability of each word at the first position, `[..., V]`."""
        return torch.softmax(self.logits, -1)

    @torch.no_grad()
    def sample(self, lengths: Tensor, generator: Generator) -> SparseCounts:
        """Return one document of each of the given lengths, `[B]` int64, for samples `[1, B, K]`."""
        return _count_words(_sample_words(self.mean, lengths, generator), lengths, self.weight)

    @torch.no_grad()
    def sample_tokens(self, lengths: Tensor, longest: int, generator: Generator) -> SparseCounts:
        """Return what `sample` returns with a count per token, so that a device can make it without the host.

        `longest` is at least the largest of the lengths, `[B]`, and at least 1.
        """
        logits = torch.addmm(self.bias, self.samples[0], self.weight.T)
        cumulative = operations().cumulative_exponentials(logits)  # [B, V]
        uniforms = uniform((1, len(cumulative), longest), generator, like=cumulative)[0]
        urn = self._urn_uniforms(uniforms, generator)
        words, counts = operations().sample_words(
            cumulative, lengths, uniforms, *urn, self.weight.dtype == torch.float64
        )
        offsets = torch.arange(0, (len(lengths) + 1) * longest, longest, device=words.device)
        return SparseCounts(words, counts, offsets, len(self.weight), longest=longest, has_repeats=True)

    def _urn_uniforms(self, uniforms: Tensor, generator: Generator) -> tuple[Tensor | None, Tensor | None]:
        """Return the numbers that decide which words are copies, and the log of the concentration; here none is."""
        return None, None

    def predict(self, counts: SparseCounts) -> Tensor:
        """Return the probability of each next word, `[S, B, V]`, which does not depend on the counts."""
        return self.mean

    def log_prob(self, counts: SparseCounts) -> Tensor:
        """Return log p(x | h) of each document's word sequence, `[S, B]`; zero for an empty document."""
        if _in_few_kernels(self.samples, counts):
            return words_log_prob(self.samples, self.weight, self.bias, counts)
        if counts.are_large and self.weight.dtype == torch.float32:  # the two sums below would cancel
            exact = SoftmaxWords(self.samples.double(), self.weight.double(), self.bias.double())
            return exact.log_prob(counts.double()).to(self.samples.dtype)
        projected = counts.matmul(self.weight)  # [B, K]
        common = counts.matmul(self.bias[:, None]).T  # [1, B]
        selected = (self.samples * projected).sum(-1) + common  # [S, B]
        return selected - counts.lengths * log_normalizer(self.samples, self.weight, self.bias)


class DirichletMultinomialWords(SoftmaxWords):
    """Words from a Dirichlet-multinomial, which models burstiness: a word that has occurred is more likely to recur.

    With concentrations a = A softmax(W h + b), whose sum is A = exp(s), s being `log_concentration`, the words of a
    document of length L have

    log p(x | h) = lgamma(A) - lgamma(A + L) + sum_w [lgamma(a_w + x_w) - lgamma(a_w)],

    a distribution over word sequences. Its mean is that of `SoftmaxWords`, which it approaches for large A.

    Source: Madsen, Kauchak & Elkan (2005), *Modeling word burstiness using the Dirichlet distribution*, section 4,
    without the multinomial coefficient.

    Example:
        Two words with a = (1, 1): the probability of the second, equal to the first, is 2/3 instead of 1/2.

        >>> twice = SparseCounts(torch.tensor([0]), torch.tensor([2.0]), torch.tensor([0, 1]), vocabulary_size=2)
        >>> zeros = torch.zeros(1, 1, 3), torch.zeros(2, 3), torch.zeros(2)
        >>> DirichletMultinomialWords(*zeros, torch.tensor(2.0).log()).log_prob(twice).exp()  # 1/2 * 2/3
        tensor([[0.3333]])
    """

    def __init__(self, samples: Tensor, weight: Tensor, bias: Tensor, log_concentration: Tensor) -> None:
        super().__init__(samples, weight, bias)
        self.log_concentration = log_concentration

    def log_prob(self, counts: SparseCounts) -> Tensor:
        """Return log p(x | h) of each document's word sequence, `[S, B]`; zero for an empty document."""
        if _in_few_kernels(self.samples, counts) and not has_large_counts(counts):
            return words_log_prob(self.samples, self.weight, self.bias, counts, self.log_concentration)
        log_mean = log_word_probabilities(self.samples, self.weight, self.bias, counts)  # [S, nnz]
        log_a = log_mean + self.log_concentration
        return dirichlet_multinomial_log_prob(log_a, self.log_concentration, counts)

    @torch.no_grad()
    def sample(self, lengths: Tensor, generator: Generator) -> SparseCounts:
        """Return one document of each of the given lengths, `[B]` int64, for samples `[1, B, K]`.

        After n words, the next one is drawn from the mean with probability A / (A + n); otherwise it is a copy of one
        of the n words, each with equal probability (a Polya urn scheme).

        Source: Blackwell & MacQueen (1973), *Ferguson distributions via Polya urn schemes*.
        """
        words = _sample_words(self.mean, lengths, generator)  # [B, L], used where a word is not a copy
        n_before = torch.arange(words.shape[1], device=words.device)  # n
        total = self.log_concentration.detach().double().exp()
        position = uniform((1, *words.shape), generator, like=total)[0] * (total + n_before)
        source = torch.where(position < total, n_before, (position - total).long().minimum(n_before - 1))  # [B, L]
        source.clamp_(min=0)  # NaN becomes a negative number
        # The source may itself be a copy. Each round doubles the number of copies followed back to their source.
        for _ in range(words.shape[1].bit_length()):
            source = source.gather(1, source)
        return _count_words(words.gather(1, source), lengths, self.weight)

    def _urn_uniforms(self, uniforms: Tensor, generator: Generator) -> tuple[Tensor | None, Tensor | None]:
        return uniform((1, *uniforms.shape), generator, like=uniforms)[0], self.log_concentration.detach()

    def predict(self, counts: SparseCounts) -> Tensor:
        """Return the probability of each next word after those of the document, (a_w + x_w) / (A + L), `[S, B, V]`."""
        total = self.log_concentration.exp()
        probability = total * self.mean / (total + counts.lengths)[:, None]
        added = counts.values / (total + counts.lengths)[counts.documents]  # [nnz]
        samples = torch.arange(len(probability), device=added.device)[:, None]
        return probability.index_put((samples, counts.documents, counts.indices), added, accumulate=True)


class Bits(_LinearLogits):
    """Binary vectors with logits a = W h + b + L x: independent bits given the units, or autoregressive ones.

    log p(x | h) = sum_(v: x_v = 1) a_v - sum_v log(1 + exp(a_v)). As in `SoftmaxWords`, the first sum needs only x W;
    the second needs the `[S, B, V]` logits. Of L, the `lateral` weights, only the part below the diagonal is used.

    Source: Mnih & Gregor (2014), section 5.1; with L, the visible layer of a deep autoregressive network (DARN), Gregor
    et al. (2014), section 3.

    Example:
        The probability of one particular result of three fair coins:

        >>> x = SparseCounts(torch.tensor([1]), torch.ones(1), torch.tensor([0, 1]), vocabulary_size=3)
        >>> Bits(torch.zeros(1, 1, 5), torch.zeros(3, 5), torch.zeros(3)).log_prob(x).exp()
        tensor([[0.1250]])
    """

    def __init__(self, samples: Tensor, weight: Tensor, bias: Tensor, lateral: Tensor | None = None) -> None:
        super().__init__(samples, weight, bias)
        self.lateral = None if lateral is None else lateral.tril(-1)

    @property
    def units(self) -> Bernoulli | AutoregressiveBernoulli:
        """The same distribution with dense logits, `[..., V]`: for sampling and not for training."""
        return Bernoulli(self.logits) if self.lateral is None else AutoregressiveBernoulli(self.logits, self.lateral)

    @property
    def mean(self) -> Tensor:
        """The probability of a one given the units, and if autoregressive with no earlier bit set, `[..., V]`."""
        return torch.sigmoid(self.logits)

    @torch.no_grad()
    def sample(self, lengths: Tensor, generator: Generator) -> SparseCounts:
        """Return one vector for each of the samples, `[1, B, K]`; `lengths` is not used."""
        return SparseCounts.from_dense(self.units.sample(self.logits.shape, generator)[0])

    @torch.no_grad()
    def sample_tokens(self, lengths: Tensor, longest: int, generator: Generator) -> SparseCounts:
        """Return what `sample` returns with zeros too, so that a device can make it without the host."""
        return SparseCounts.with_zeros(self.units.sample(self.logits.shape, generator)[0])

    def log_prob(self, counts: SparseCounts) -> Tensor:
        """Return log p(x | h) of each vector, `[S, B]`; `counts` are ones where bits are set."""
        bias = self.bias
        if self.lateral is not None:
            bias = bias + counts.matmul(self.lateral.T)  # [B, V], with the contributions of earlier bits
        stored_bias = bias[counts.indices] if bias.dim() == 1 else bias[counts.documents, counts.indices]
        common = counts.sum_over_words((counts.values * stored_bias)[None])  # [1, B]
        selected = (self.samples * counts.matmul(self.weight)).sum(-1) + common  # [S, B]
        return selected - bits_normalizer(self.samples, self.weight, bias)


def _in_few_kernels(samples: Tensor, counts: SparseCounts) -> bool:
    """Return whether `words_log_prob` computes the likelihood: on devices, for samples `[S, B, K]` of each document."""
    return on_device(samples) and samples.dim() == 3 and samples.shape[1] == len(counts) and samples.numel() > 0


def _sample_words(probabilities: Tensor, lengths: Tensor, generator: Generator) -> Tensor:
    """Return independent words from probabilities `[1, B, V]`, as many as in the longest document, `[B, L]`."""
    cumulative = probabilities.double().cumsum(-1)[0]  # [B, V]
    n_documents, vocabulary_size = cumulative.shape
    longest = int(lengths.max()) if n_documents else 0
    uniforms = uniform((1, n_documents, longest), generator, like=cumulative)[0]  # [B, L]
    return torch.searchsorted(cumulative, uniforms * cumulative[:, -1:], right=True).clamp_(max=vocabulary_size - 1)


def _count_words(words: Tensor, lengths: Tensor, weight: Tensor) -> SparseCounts:
    """Return the counts of the first `lengths` words of each row of `[B, L]`, with the dtype of `weight`, `[V, K]`."""
    in_document = torch.arange(words.shape[1], device=words.device) < lengths[:, None]
    counts = weight.new_zeros(len(words), len(weight))
    return SparseCounts.from_dense(counts.scatter_add_(1, words, in_document.to(weight.dtype)))
