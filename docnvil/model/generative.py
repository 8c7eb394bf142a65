"""The generative model p(x, h): a prior over the deepest units, sigmoid layers down, words or bits at the bottom.

Layers are counted from the document upward: h1 touches the words, hn is the deepest.
Axes: S samples, B documents of a batch, V words, K units.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli, Bits, DirichletMultinomialWords, Words
from docnvil.model.layers import (
    BernoulliPrior,
    BitsLayer,
    Dependence,
    DirichletMultinomialLayer,
    Observation,
    SigmoidLayer,
    SoftmaxWords,
)
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.randomness import Generator

Samples = tuple[Tensor, ...]
Layer = Bernoulli | AutoregressiveBernoulli
Observed = Words | DirichletMultinomialWords | Bits


class GenerativeModel(nn.Module):
    """p(x, h1..hn) = p(x | h1) p(h1 | h2) ... p(hn), a sigmoid belief network over words.

    Source: Mnih & Gregor (2014), sections 2 and 5.3.

    Arguments:
        vocabulary_size: V.
        units: the number of units of each layer, from the document upward.
        prior: how the deepest units hang together; "autoregressive" makes the model an fDARN.
        observation: the visible layer: "softmax" over words, or "dirichlet-multinomial" for bursty ones; "bernoulli"
            for binary vectors, or "autoregressive-bernoulli" for those of a DARN, whose bits also see earlier bits.
    """

    def __init__(
        self,
        vocabulary_size: int,
        units: Sequence[int],
        prior: Dependence = "factorial",
        observation: Observation = "softmax",
    ) -> None:
        super().__init__()
        self.visible = _visible_layer(observation, units[0], vocabulary_size)
        self.layers = nn.ModuleList(SigmoidLayer(above, below) for below, above in pairwise(units))
        self.prior = BernoulliPrior(units[-1], prior)

    def words(self, samples: Samples) -> Observed:
        """Return p(x | h1)."""
        return self.visible(samples[0])

    def distributions(self, samples: Samples) -> tuple[Layer, ...]:
        """Return p(h1 | h2), ..., p(hn), each given the layer above in `samples`."""
        return (*(layer(above) for layer, above in zip(self.layers, samples[1:], strict=True)), self.prior())

    def log_prob_terms(self, counts: SparseCounts, samples: Samples) -> tuple[Tensor, ...]:
        """Return log p(x | h1), log p(h1 | h2), ..., log p(hn), each `[S, B]`, in nats; log p(x, h) is their sum."""
        layers = zip(self.distributions(samples), samples, strict=True)
        return (self.words(samples).log_prob(counts), *(layer.log_prob(value) for layer, value in layers))

    def sample(self, n_documents: int, generator: Generator) -> Samples:
        """Draw h1..hn from the model, deepest first; each `[1, n_documents, K]`."""
        prior = self.prior()
        samples = [prior.sample((1, n_documents, len(prior.logits)), generator)]
        for layer in reversed(self.layers):
            units = layer(samples[0])
            samples.insert(0, units.sample(units.logits.shape, generator))
        return tuple(samples)

    @torch.no_grad()
    def sample_means(self, n_vectors: int, generator: Generator) -> Tensor:
        """Draw units, and return how probable each bit is given what was drawn before it, `[n_vectors, V]`.

        For the bits of a DARN, those before it are drawn as well.
        """
        bits = self.words(self.sample(n_vectors, generator)).units
        return bits.conditional(bits.sample(bits.logits.shape, generator)).mean[0]


def _visible_layer(observation: Observation, n_units: int, vocabulary_size: int) -> SoftmaxWords | BitsLayer:
    if observation == "bernoulli":
        return BitsLayer(n_units, vocabulary_size)
    if observation == "autoregressive-bernoulli":
        return BitsLayer(n_units, vocabulary_size, "autoregressive")
    return {"softmax": SoftmaxWords, "dirichlet-multinomial": DirichletMultinomialLayer}[observation](
        n_units, vocabulary_size
    )


def start_bias(word_frequencies: Tensor) -> Tensor:
    """Return the visible bias that makes a model without units predict the corpus's own word frequencies.

    b_w = log(f_w + 1/2), centered; the half keeps words unseen in training possible.

    Arguments:
        word_frequencies: `[V]`, how often each word occurs in training.

    Example:
        >>> start_bias(torch.tensor([9.5, 9.5, 9.5]))
        tensor([0., 0., 0.])
    """
    bias = torch.log(word_frequencies + 0.5)
    return bias - bias.mean()


def start_logits(ones: Tensor, n_vectors: int) -> Tensor:
    """Return the visible bias that makes a model without units predict each bit's own frequency.

    b_v = log((n_v + 1/2) / (N - n_v + 1/2)), so that bits never seen to change keep a chance.

    Arguments:
        ones: `[V]`, how often each bit is set in training. n_vectors: N.

    Example:
        >>> start_logits(torch.tensor([5.0, 10.0]), 10).sigmoid()
        tensor([0.5000, 0.9545])
    """
    return torch.log((ones + 0.5) / (n_vectors - ones + 0.5))
