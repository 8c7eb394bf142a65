"""The generative model p(x, h): a prior over the deepest units, sigmoid layers, and a visible layer of words or bits.

Layers are counted from the document: h1 is next to the words, hn is the deepest.
Axes: S samples, B documents of a batch, V words, K units.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli
from docnvil.model.layers import BernoulliPrior, SigmoidLayer
from docnvil.model.mixture import BernoulliMixture, MixturePrior
from docnvil.model.settings import Observation, PriorKind
from docnvil.model.sparse import SparseCounts
from docnvil.model.visible import VISIBLE_LAYERS, VisibleDistribution
from docnvil.runtime.randomness import Generator

Samples = tuple[Tensor, ...]  # h1, ..., hn, each `[S, B, K]`
UnitDistribution = Bernoulli | AutoregressiveBernoulli | BernoulliMixture


class GenerativeModel(nn.Module):
    """p(x, h1..hn) = p(x | h1) p(h1 | h2) ... p(hn), a sigmoid belief network.

    `observation` is a key of `VISIBLE_LAYERS`, and an "autoregressive" prior makes the model an fDARN. A "mixture"
    prior has `themes` components.

    Source: Mnih & Gregor (2014), sections 2 and 5.3.
    """

    def __init__(
        self,
        vocabulary_size: int,
        units: Sequence[int],
        prior: PriorKind = "factorial",
        observation: Observation = "softmax",
        themes: int = 50,
    ) -> None:
        super().__init__()
        self.visible = VISIBLE_LAYERS[observation](units[0], vocabulary_size)
        self.layers = nn.ModuleList(SigmoidLayer(above, below) for below, above in pairwise(units))
        self.prior = MixturePrior(units[-1], themes) if prior == "mixture" else BernoulliPrior(units[-1], prior)

    def visible_distribution(self, samples: Samples) -> VisibleDistribution:
        """Return p(x | h1)."""
        return self.visible(samples[0])

    def distributions(self, samples: Samples) -> tuple[UnitDistribution, ...]:
        """Return p(h1 | h2), ..., p(hn), each given the layer above in `samples`."""
        return (*(layer(above) for layer, above in zip(self.layers, samples[1:], strict=True)), self.prior())

    def log_prob_terms(self, counts: SparseCounts, samples: Samples) -> tuple[Tensor, ...]:
        """Return log p(x | h1), log p(h1 | h2), ..., log p(hn), each `[S, B]`, in nats; log p(x, h) is their sum."""
        layers = zip(self.distributions(samples), samples, strict=True)
        log_visible = self.visible_distribution(samples).log_prob(counts)
        return (log_visible, *(layer.log_prob(value) for layer, value in layers))

    def sample(self, n_documents: int, generator: Generator) -> Samples:
        """Return samples of h1..hn, each `[1, n_documents, K]`, drawn from the deepest layer to the first."""
        prior = self.prior()
        samples = [prior.sample((1, n_documents, prior.logits.shape[-1]), generator)]
        for layer in reversed(self.layers):
            units = layer(samples[0])
            samples.insert(0, units.sample(units.logits.shape, generator))
        return tuple(samples)

    @torch.no_grad()
    def sample_means(self, n_vectors: int, generator: Generator) -> Tensor:
        """Return the probability of each bit given sampled units and, in a DARN, sampled earlier bits, `[N, V]`."""
        bits = self.visible_distribution(self.sample(n_vectors, generator)).units
        return bits.conditional(bits.sample(bits.logits.shape, generator)).mean[0]
