"""Layers: modules whose call returns a distribution, so that training reads `layer(parent).log_prob(child)`.

Axes: S samples, B documents of a batch, V words, K units.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from docnvil.model.distributions import Bernoulli, Words
from docnvil.model.sparse import SparseCounts

InputTransform = Literal["counts", "log1p"]


class BernoulliPrior(nn.Module):
    """The top layer of a belief network, p(h) = prod_k Bernoulli(h_k; sigmoid(bias_k))."""

    def __init__(self, n_units: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_units))

    def forward(self) -> Bernoulli:
        """Return the prior, with logits `[K]`."""
        return Bernoulli(self.bias)


class SigmoidLayer(nn.Module):
    """Binary units that see a layer of units, p(h | g) = prod_k Bernoulli(h_k; sigmoid((W g + b)_k))."""

    def __init__(self, n_inputs: int, n_units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_units, n_inputs))
        self.bias = nn.Parameter(torch.zeros(n_units))

    def forward(self, parents: Tensor) -> Bernoulli:
        """Map `[..., n_inputs]` to units with logits `[..., K]`."""
        return Bernoulli(nn.functional.linear(parents, self.weight, self.bias))


class SparseLinear(nn.Module):
    """An affine map of a document's word counts, f(x) W + b, with f the identity or log(1 + x).

    The weight is kept `[V, K]`, a row a word, because sparse documents gather rows.
    """

    def __init__(self, n_words: int, n_outputs: int, transform: InputTransform = "counts") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_words, n_outputs))
        self.bias = nn.Parameter(torch.zeros(n_outputs))
        self.transform = transform

    def forward(self, counts: SparseCounts) -> Tensor:
        """Map B documents to `[B, K]`."""
        inputs = counts.log1p() if self.transform == "log1p" else counts
        return inputs.matmul(self.weight) + self.bias


class WordSigmoidLayer(nn.Module):
    """Binary units that see a document, q(h | x) = prod_k Bernoulli(h_k; sigmoid((f(x) W + b)_k))."""

    def __init__(self, n_words: int, n_units: int, transform: InputTransform = "counts") -> None:
        super().__init__()
        self.linear = SparseLinear(n_words, n_units, transform)

    def forward(self, counts: SparseCounts) -> Bernoulli:
        """Map B documents to units with logits `[B, K]`."""
        return Bernoulli(self.linear(counts))


class SoftmaxWords(nn.Module):
    """The visible layer of a topic model: words drawn from softmax(W h + b), one weight matrix for all positions."""

    def __init__(self, n_units: int, n_words: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_words, n_units))
        self.bias = nn.Parameter(torch.zeros(n_words))

    def forward(self, codes: Tensor) -> Words:
        """Map units `[..., K]` to a distribution over words."""
        return Words(codes, self.weight, self.bias)
