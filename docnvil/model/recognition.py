"""The recognition network q(h | x): from the document upward, each layer seeing the one below.

Axes: S samples, B documents of a batch, V words, K units.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from docnvil.model.generative import Samples, UnitDistribution
from docnvil.model.layers import Dependence, InputTransform, SigmoidLayer, WordSigmoidLayer
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.randomness import Generator


class RecognitionNetwork(nn.Module):
    """q(h1..hn | x) = q(h1 | x) q(h2 | h1) ..., the "inference network" of Mnih & Gregor (2014), section 2.

    Arguments:
        vocabulary_size: V.
        units: the number of units of each layer, from the document upward.
        transform: what the first layer sees of the counts: themselves, log(1 + x), or x less its training mean.
        posterior: how the units within each layer hang together given the layer below.
        hidden: sizes of deterministic tanh layers between the document and h1.
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
        """Draw h1..hn given x, S times a document; each `[S, B, K]`."""
        units = self.first(counts)
        samples = [units.sample((n_samples, *units.logits.shape), generator)]
        for layer in self.layers:
            units = layer(samples[-1])
            samples.append(units.sample(units.logits.shape, generator))
        return tuple(samples)

    def unit_means(self, counts: SparseCounts, n_samples: int, generator: Generator) -> tuple[Tensor, ...]:
        """Return q(h_k = 1 | x) of every unit, layer by layer, each `[B, K]`: exact, or a mean over S samples.

        What depends on no other unit is exact; everything else is the mean of its probability given what it sees.
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
        """Return what each layer of q conditions on, x, h1, ..., h(n-1): what its baseline may see."""
        return (counts, *samples[:-1])
