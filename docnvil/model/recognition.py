"""The recognition network q(h | x): starting at the document, each layer given the layer below.

Axes: S samples, B documents of a batch, V words, K units.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from docnvil.model.generative import Samples, UnitDistribution
from docnvil.model.layers import SigmoidLayer, WordSigmoidLayer
from docnvil.model.settings import Dependence, InputTransform
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.randomness import Generator


class RecognitionNetwork(nn.Module):
    """q(h1..hn | x) = q(h1 | x) q(h2 | h1) ..., the "inference network" of Mnih & Gregor (2014), section 2.

    `posterior` is the dependence among the units of each layer; `transform` and `hidden` are as in `WordSigmoidLayer`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        units: Sequence[int],
        transform: InputTransform = "counts",
        posterior: Dependence = "factorial",
        hidden: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.first = WordSigmoidLayer(vocabulary_size, units[0], transform, posterior, hidden)
        self.layers = nn.ModuleList(SigmoidLayer(below, above, posterior) for below, above in pairwise(units))

    def sample(self, counts: SparseCounts, n_samples: int, generator: Generator) -> Samples:
        """Return S samples of h1..hn per document, each `[S, B, K]`."""
        units = self.first(counts)
        samples = [units.sample((n_samples, *units.logits.shape), generator)]
        for layer in self.layers:
            units = layer(samples[-1])
            samples.append(units.sample(units.logits.shape, generator))
        return tuple(samples)

    def unit_means(self, counts: SparseCounts, n_samples: int, generator: Generator) -> tuple[Tensor, ...]:
        """Return q(h_k = 1 | x) of the units of each layer, each `[B, K]`.

        It is exact for a factorial first layer. For other units it is the mean over S samples of the probability given
        the units on which they depend.
        """
        units = self.first(counts)
        samples, mean = units.sample_with_mean((n_samples, *units.logits.shape), generator)
        means = [mean]
        for layer in self.layers:
            units = layer(samples)
            samples, mean = units.sample_with_mean(units.logits.shape, generator)
            means.append(mean)
        return tuple(means)

    def distributions(self, counts: SparseCounts, samples: Samples) -> tuple[UnitDistribution, ...]:
        """Return q(h1 | x), q(h2 | h1), ..., each given the layer below in `samples`."""
        return (self.first(counts), *(layer(below) for layer, below in zip(self.layers, samples, strict=False)))

    def log_prob_terms(self, counts: SparseCounts, samples: Samples) -> tuple[Tensor, ...]:
        """Return log q(h1 | x), log q(h2 | h1), ..., each `[S, B]`, in nats; log q(h | x) is their sum."""
        layers = zip(self.distributions(counts, samples), samples, strict=True)
        return tuple(layer.log_prob(value) for layer, value in layers)

    def parents(self, counts: SparseCounts, samples: Samples) -> tuple[SparseCounts | Tensor, ...]:
        """Return the input of each layer of q, x, h1, ..., h(n-1), which is also that of its baseline."""
        return (counts, *samples[:-1])
