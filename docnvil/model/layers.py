"""Layers: modules whose call returns a distribution, so that training reads `layer(parent).log_prob(child)`.

Axes: S samples, B documents of a batch, V words, K units.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli
from docnvil.model.sparse import SparseCounts

InputTransform = Literal["counts", "log1p", "centered"]
Dependence = Literal["factorial", "autoregressive"]


class Units(nn.Module):
    """How the units of one layer hang together: not at all, or each on those before it.

    Arguments:
        n_units: K.
        dependence: "factorial" for independent units, "autoregressive" for a chain with weights of its own.
    """

    def __init__(self, n_units: int, dependence: Dependence = "factorial") -> None:
        super().__init__()
        chained = dependence == "autoregressive"
        self.lateral = nn.Parameter(torch.zeros(n_units, n_units)) if chained else None

    def forward(self, logits: Tensor) -> Bernoulli | AutoregressiveBernoulli:
        """Map logits `[..., K]` to a distribution over the layer's settings."""
        return Bernoulli(logits) if self.lateral is None else AutoregressiveBernoulli(logits, self.lateral)


class BernoulliPrior(nn.Module):
    """The top layer of a belief network: p(h) with biases, and with lateral weights if autoregressive (fDARN)."""

    def __init__(self, n_units: int, dependence: Dependence = "factorial") -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_units))
        self.units = Units(n_units, dependence)

    def forward(self) -> Bernoulli | AutoregressiveBernoulli:
        """Return the prior, with logits `[K]`."""
        return self.units(self.bias)


class SigmoidLayer(nn.Module):
    """Binary units that see a layer of units through an affine map, p(h | g) with logits W g + b."""

    def __init__(self, n_inputs: int, n_units: int, dependence: Dependence = "factorial") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_units, n_inputs))
        self.bias = nn.Parameter(torch.zeros(n_units))
        self.units = Units(n_units, dependence)

    def forward(self, parents: Tensor) -> Bernoulli | AutoregressiveBernoulli:
        """Map `[..., n_inputs]` to units with logits `[..., K]`."""
        return self.units(nn.functional.linear(parents, self.weight, self.bias))


class SparseLinear(nn.Module):
    """An affine map of a document's word counts, f(x) W + b, with f the identity, log(1 + x), or x less its mean.

    The weight is kept `[V, K]`, a row a word, because sparse documents gather rows. Centering keeps them sparse:
    (x - m) W = x W - m W.

    Arguments:
        vocabulary_size: V. n_outputs: K.
        transform: "counts", "log1p", or "centered", which subtracts the buffer `mean`, `[V]`, the training mean.
    """

    def __init__(self, vocabulary_size: int, n_outputs: int, transform: InputTransform = "counts") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocabulary_size, n_outputs))
        self.bias = nn.Parameter(torch.zeros(n_outputs))
        self.transform = transform
        if transform == "centered":
            self.register_buffer("mean", torch.zeros(vocabulary_size))

    def forward(self, counts: SparseCounts) -> Tensor:
        """Map B documents to `[B, K]`."""
        inputs = counts.log1p() if self.transform == "log1p" else counts
        bias = self.bias - self.mean @ self.weight if self.transform == "centered" else self.bias
        return inputs.matmul(self.weight) + bias


class WordSigmoidLayer(nn.Module):
    """Binary units that see a document through a sparse affine map, q(h | x) with logits f(x) W + b.

    Arguments:
        vocabulary_size: V. n_units: K. transform: f, see `SparseLinear`. dependence: how the units hang together.
        hidden: sizes of deterministic tanh layers in between, from the document upward.
    """

    def __init__(
        self,
        vocabulary_size: int,
        n_units: int,
        transform: InputTransform = "counts",
        dependence: Dependence = "factorial",
        hidden: Sequence[int] = (),
    ) -> None:
        super().__init__()
        sizes = (*hidden, n_units)
        self.linear = SparseLinear(vocabulary_size, sizes[0], transform)
        self.deeper = nn.ModuleList(nn.Linear(below, above) for below, above in pairwise(sizes))
        self.units = Units(n_units, dependence)

    def forward(self, counts: SparseCounts) -> Bernoulli | AutoregressiveBernoulli:
        """Map B documents to units with logits `[B, K]`."""
        value = self.linear(counts)
        for layer in self.deeper:
            value = layer(value.tanh())
        return self.units(value)
