"""A mixture of products of Bernoulli distributions, as a prior over units whose components are themes of documents.

Axes: S samples, B documents of a batch, C components, K units. Unit: nats.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from docnvil.model.distributions import Bernoulli
from docnvil.runtime.randomness import Generator, uniform

NOISE = 0.5  # standard deviation of the components' initial logits: equal components would stay equal


class BernoulliMixture:
    """Binary units that are independent given a component, p(h) = sum_c pi_c prod_k p(h_k | c).

    p(h_k = 1 | c) = sigmoid(l_ck) with logits l, `[C, K]`, and pi is the softmax of `component_logits`, `[C]`.

    Source: McLachlan & Peel (2000), *Finite mixture models*, section 5.10 (latent class models).

    Example:
        Two units that are almost surely equal, on in one of four cases:

        >>> logits = torch.tensor([[20.0, 20.0], [-20.0, -20.0]])
        >>> units = BernoulliMixture(logits, torch.tensor([0.25, 0.75]).log())
        >>> units.log_prob(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])).exp().round(decimals=3)
        tensor([0.7500, 0.0000, 0.2500])
    """

    def __init__(self, logits: Tensor, component_logits: Tensor) -> None:
        self.logits, self.component_logits = logits, component_logits

    @property
    def mean(self) -> Tensor:
        """p(h_k = 1), `[K]`."""
        return torch.softmax(self.component_logits, -1) @ torch.sigmoid(self.logits)

    def component_log_prob(self, value: Tensor) -> Tensor:
        """Return log pi_c + log p(h | c) of each component, `[..., K] -> [..., C]`."""
        constant = torch.log_softmax(self.component_logits, -1) - functional.softplus(self.logits).sum(-1)
        with torch.autocast(value.device.type, enabled=False):  # bf16 is too short for these sums
            return functional.linear(value, self.logits, constant)

    def responsibilities(self, value: Tensor) -> Tensor:
        """Return p(c | h), `[..., K] -> [..., C]`."""
        return torch.softmax(self.component_log_prob(value), -1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(h), `[..., K] -> [...]`."""
        return torch.logsumexp(self.component_log_prob(value), -1)

    def conditional(self, value: Tensor) -> Bernoulli:
        """Return the distribution of each unit given the units before it in `value`, `[..., K]`.

        p(h_k = 1 | h_<k) = sum_c p(c | h_<k) p(h_k = 1 | c).
        """
        log_weights = torch.log_softmax(self.component_logits, -1)  # log p(c, h_<k), up to a constant
        on, off = functional.logsigmoid(self.logits), functional.logsigmoid(-self.logits)
        logits = []
        for unit in range(self.logits.shape[-1]):
            log_on, log_off = (torch.logsumexp(log_weights + each[:, unit], -1) for each in (on, off))
            logits.append((log_on - log_off).expand(value.shape[:-1]))
            value_of_unit = value[..., unit, None]
            log_weights = log_weights + value_of_unit * on[:, unit] + (1 - value_of_unit) * off[:, unit]
        return Bernoulli(torch.stack(logits, -1))

    @torch.no_grad()
    def sample(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """Return zeros and ones of the given shape `[S, B, K]`: a component for each document, then its units."""
        cumulative = torch.softmax(self.component_logits, -1).cumsum(-1)
        position = uniform((*shape[:-1], 1), generator, like=cumulative)[..., 0] * cumulative[-1]
        component = torch.searchsorted(cumulative, position, right=True).clamp_(max=len(cumulative) - 1)
        return Bernoulli(self.logits[component]).sample(shape, generator)


class MixturePrior(nn.Module):
    """The deepest layer of a belief network as a mixture: `bias` is `[C, K]`, `component_logits` is `[C]`."""

    def __init__(self, n_units: int, n_components: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_components, n_units))
        self.component_logits = nn.Parameter(torch.zeros(n_components))

    def forward(self) -> BernoulliMixture:
        """Return the prior, with logits `[C, K]`."""
        return BernoulliMixture(self.bias, self.component_logits)

    @torch.no_grad()
    def initialize(self, start_logit: float, generator: torch.Generator) -> None:
        """Set all components to `start_logit`, and distinguish them by random numbers."""
        self.bias.normal_(start_logit, NOISE, generator=generator)

    @torch.no_grad()
    def initialize_from(self, means: Tensor, shares: Tensor) -> None:
        """Set the components to the means of the units in clusters of documents, `[C, K]`, and their shares, `[C]`."""
        self.bias.copy_(torch.logit(means.clamp(1e-4, 1 - 1e-4)))
        self.component_logits.copy_(shares.clamp_min(1e-6).log())
