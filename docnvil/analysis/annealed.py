"""Annealed importance sampling: units drawn from q(h | x) are led to p(h | x) in small steps.

Importance weights fail where q misses what the posterior has. Here every sample walks: between q and the posterior
stand T - 1 distributions, log f_t = (1 - t/T) log q(h | x) + (t/T) log p(x, h), each sweep of Gibbs sampling moves the
units a little further, and the weight collects what each step gained. The mean weight is an unbiased estimate of p(x)
for any T, so that its logarithm is a lower bound on log p(x) in expectation; T = 1 is importance weighting.

Axes: S samples, B documents of a batch, V words, K units of a layer. Unit: nats.
"""

import torch
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.model.visible import SoftmaxLayer
from docnvil.nvil.bounds import sum_terms
from docnvil.runtime.randomness import Generator, uniform


@torch.no_grad()
def annealed_log_weights(
    model: BeliefNetwork, counts: SparseCounts, samples: Samples, temperatures: int, generator: Generator
) -> Tensor:
    """Return log w of each sample, `[S, B]` in double precision; the mean of w over samples estimates p(x).

    log w = (1/T) sum_t [log p(x, h_t) - log q(h_t | x)], with h_0 from q and h_t from a Gibbs sweep that leaves f_t as
    it is.

    Source: Neal (2001), *Annealed importance sampling*, section 2.

    Arguments:
        model: the belief network. counts: B documents.
        samples: h_0 drawn from q(h | x), `[S, B, K]` each.
        temperatures: T. generator: draws the sweeps.
    """
    log_weights = torch.zeros(samples[0].shape[:2], dtype=torch.float64, device=model.device)
    for step in range(temperatures):
        if step:
            samples = gibbs_sweep(model, counts, samples, step / temperatures, generator)
        log_p = sum_terms(model.generative.log_prob_terms(counts, samples)).double()
        log_q = sum_terms(model.recognition.log_prob_terms(counts, samples)).double()
        log_weights += (log_p - log_q) / temperatures
    return log_weights


@torch.no_grad()
def gibbs_sweep(
    model: BeliefNetwork, counts: SparseCounts, samples: Samples, share: float, generator: Generator
) -> Samples:
    """Draw every unit anew given all others, layer after layer from the document upward, and return the new codes.

    A unit turns over with probability sigmoid(log f(turned) - log f(as it is)), where
    log f = (1 - share) log q(h | x) + share log p(x, h); the sweep leaves f as it is.

    Arguments:
        model, counts: as above. samples: `[S, B, K]` each, left alone. share: between 0 and 1. generator: draws.
    """
    samples = tuple(layer.clone() for layer in samples)
    for number, layer in enumerate(samples):
        drawn = uniform(layer.shape, generator, like=layer)  # [S, B, K]
        around = _LocalConditional(model, counts, samples, number, share)
        below = _words_below(model, counts, samples) if number == 0 else _UnitsBelow(model, samples, number)
        log_f = around.log_f(layer)  # [S, B]
        for unit in range(layer.shape[-1]):
            turned = layer.clone()
            turned[..., unit] = 1 - layer[..., unit]
            log_f_turned = around.log_f(turned)
            change = log_f_turned - log_f + share * below.change(turned, unit)
            taken = drawn[..., unit] < torch.sigmoid(change)  # [S, B]
            below.accept(turned, unit, taken)
            log_f = torch.where(taken, log_f_turned, log_f)
            layer[..., unit] = torch.where(taken, turned[..., unit], layer[..., unit])
    return samples


class _LocalConditional:
    """What log f says of one layer but for p of the layer below it, the other layers standing still.

    These are (1 - share) [log q(h_i | h_(i-1)) + log q(h_(i+1) | h_i)] + share log p(h_i | h_(i+1)).
    """

    def __init__(self, model: BeliefNetwork, counts: SparseCounts, samples: Samples, number: int, share: float) -> None:
        self.own_q = model.recognition.distributions(counts, samples)[number]
        self.own_p = model.generative.distributions(samples)[number]
        self.layer_above = model.recognition.layers[number] if number + 1 < len(samples) else None
        self.above = samples[number + 1] if number + 1 < len(samples) else None
        self.share = share

    def log_f(self, layer: Tensor) -> Tensor:
        """Map settings of the layer, `[S, B, K]`, to `[S, B]`."""
        log_q = self.own_q.log_prob(layer)
        if self.layer_above is not None:
            log_q = log_q + self.layer_above(layer).log_prob(self.above)
        return (1 - self.share) * log_q + self.share * self.own_p.log_prob(layer)


class _UnitsBelow:
    """The change of log p(h_(i-1) | h_i) when a unit of layer i turns over."""

    def __init__(self, model: BeliefNetwork, samples: Samples, number: int) -> None:
        self.layer, self.below = model.generative.layers[number - 1], samples[number - 1]
        self.value = self.log_prob(samples[number])

    def log_prob(self, layer: Tensor) -> Tensor:
        """Map settings of the layer, `[S, B, K]`, to `[S, B]`."""
        return self.layer(layer).log_prob(self.below)

    def change(self, turned: Tensor, unit: int) -> Tensor:
        """Return what turning the unit over would change, `[S, B]`."""
        self.proposed = self.log_prob(turned)
        return self.proposed - self.value

    def accept(self, turned: Tensor, unit: int, taken: Tensor) -> None:
        """Keep the change where it is taken, `[S, B]`."""
        self.value = torch.where(taken, self.proposed, self.value)


class _WordsBelow(_UnitsBelow):
    """The change of log p(x | h1) when a unit of the first layer turns over, for any visible layer."""

    def __init__(self, model: BeliefNetwork, counts: SparseCounts, samples: Samples) -> None:
        self.model, self.counts = model, counts
        self.value = self.log_prob(samples[0])

    def log_prob(self, layer: Tensor) -> Tensor:
        """Map settings of the first layer, `[S, B, K]`, to `[S, B]`."""
        return self.model.generative.visible_distribution((layer,)).log_prob(self.counts)


class _SoftmaxBelow:
    """The same for a softmax layer, without its logits being made anew for each unit.

    Turning unit k over multiplies the exponentials of the logits by exp(W_k) or exp(-W_k), so that a product of the
    exponentials with these two gives the new normalizer, and only where the turn is taken are they changed.
    """

    def __init__(self, visible: SoftmaxLayer, counts: SparseCounts, samples: Samples) -> None:
        logits = visible(samples[0]).logits.flatten(0, 1)  # [S B, V]
        self.exponentials = logits.sub_(logits.amax(1, keepdim=True)).exp_()
        self.normalizer = self.exponentials.sum(1)  # [S B]
        self.goes_off, self.goes_on = (-visible.weight.T).exp(), visible.weight.T.exp()  # [K, V]
        self.projected = counts.matmul(visible.weight)  # [B, K]
        self.lengths = counts.lengths

    def change(self, turned: Tensor, unit: int) -> Tensor:
        """Return what turning the unit over would change, `[S, B]`."""
        on = turned[..., unit]  # [S, B]
        # Two products with vectors cost a fraction of one with a matrix of two columns.
        if_off, if_on = (self.exponentials.mv(factor[unit]) for factor in (self.goes_off, self.goes_on))
        self.proposed = torch.where(on.flatten() > 0, if_on, if_off)
        chosen = (2 * on - 1) * self.projected[:, unit]
        return chosen - self.lengths * (self.proposed / self.normalizer).log().view_as(on)

    def accept(self, turned: Tensor, unit: int, taken: Tensor) -> None:
        """Keep the change where it is taken, `[S, B]`."""
        on, taken = turned[..., unit].flatten() > 0, taken.flatten()
        self.normalizer = torch.where(taken, self.proposed, self.normalizer)
        self.exponentials[taken & on] *= self.goes_on[unit]
        self.exponentials[taken & ~on] *= self.goes_off[unit]


def _words_below(model: BeliefNetwork, counts: SparseCounts, samples: Samples) -> _WordsBelow | _SoftmaxBelow:
    if model.config.observation == "softmax":
        return _SoftmaxBelow(model.generative.visible, counts, samples)
    return _WordsBelow(model, counts, samples)
