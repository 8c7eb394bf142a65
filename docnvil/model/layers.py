"""Layers of units: modules whose call returns a distribution, so that training reads `layer(parents).log_prob(units)`.

Axes: S samples, B documents of a batch, V words, K units.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli
from docnvil.model.settings import Dependence, InputTransform
from docnvil.model.sparse import SparseCounts


class Units(nn.Module):
    """Binary units with given logits, and the dependence among the units of one layer.

    It is "factorial" for independent units, "autoregressive" for units that also depend on the units before them, with
    lateral weights.
    """

    def __init__(self, n_units: int, dependence: Dependence = "factorial") -> None:
        super().__init__()
        autoregressive = dependence == "autoregressive"
        self.lateral = nn.Parameter(torch.zeros(n_units, n_units)) if autoregressive else None

    def forward(self, logits: Tensor) -> Bernoulli | AutoregressiveBernoulli:
        """Return the distribution of units with logits `[..., K]`."""
        return Bernoulli(logits) if self.lateral is None else AutoregressiveBernoulli(logits, self.lateral)


class BernoulliPrior(nn.Module):
    """The deepest layer of a belief network, p(h): biases, and lateral weights if it is autoregressive (fDARN).

    A "uniform" prior gives each of the 2^K settings the same probability: its biases stay at zero.
    """

    def __init__(self, n_units: int, kind: Literal["factorial", "autoregressive", "uniform"] = "factorial") -> None:
        super().__init__()
        self.is_fixed = kind == "uniform"
        self.bias = nn.Parameter(torch.zeros(n_units), requires_grad=not self.is_fixed)
        self.units = Units(n_units, "factorial" if kind == "uniform" else kind)

    def forward(self) -> Bernoulli | AutoregressiveBernoulli:
        """Return the prior, with logits `[K]`."""
        return self.units(self.bias)


class SigmoidLayer(nn.Module):
    """Binary units given another layer of units, p(h | g) with logits W g + b."""

    def __init__(self, n_inputs: int, n_units: int, dependence: Dependence = "factorial") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_units, n_inputs))
        self.bias = nn.Parameter(torch.zeros(n_units))
        self.units = Units(n_units, dependence)

    def forward(self, parents: Tensor) -> Bernoulli | AutoregressiveBernoulli:
        """Return units with logits `[..., K]` for parents `[..., n_inputs]`."""
        return self.units(nn.functional.linear(parents, self.weight, self.bias))


class SparseLinear(nn.Module):
    """A linear layer on the word counts of documents, f(x) W + b.

    The weight is `[V, K]`, one row per word, so that a document gathers the rows of its words. Centered inputs stay
    sparse: (x - m) W = x W - m W.

    The transform f is "counts" for x itself, "log1p" for log(1 + x), or "centered" for x - m, with the mean m of the
    training counts in the buffer `mean`, `[V]`.
    """

    def __init__(self, vocabulary_size: int, n_outputs: int, transform: InputTransform = "counts") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocabulary_size, n_outputs))
        self.bias = nn.Parameter(torch.zeros(n_outputs))
        self.transform = transform
        if transform == "centered":
            self.register_buffer("mean", torch.zeros(vocabulary_size))

    def forward(self, counts: SparseCounts) -> Tensor:
        """Return the outputs for B documents, `[B, K]`."""
        inputs = counts.log1p() if self.transform == "log1p" else counts
        bias = self.bias - self.mean @ self.weight if self.transform == "centered" else self.bias
        return inputs.matmul(self.weight) + bias


class WordSigmoidLayer(nn.Module):
    """Binary units given a document, q(h | x) with logits f(x) W + b, or with tanh layers in between.

    The transform f is as in `SparseLinear` and the dependence as in `Units`. `hidden` has the sizes of the tanh layers,
    which are deterministic, starting at the document.
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
        """Return units with logits `[B, K]` for B documents."""
        value = self.linear(counts)
        for layer in self.deeper:
            value = layer(value.tanh())
        return self.units(value)
