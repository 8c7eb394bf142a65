"""Annealed importance sampling: samples move from q(h | x) toward p(h | x) in small steps.

T - 1 distributions lie between q and the posterior: log f_t = (1 - t/T) log q(h | x) + (t/T) log p(x, h). At each step
a Gibbs sweep moves the units and the weight collects log p - log q. The mean weight is an unbiased estimate of p(x) for
every T, so that its logarithm is a lower bound on log p(x) in expectation; T = 1 is importance weighting.

Axes: S samples, B documents of a batch, V words, K units of a layer. Unit: nats.
"""

from collections.abc import Callable

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
    """Return log w of each sample, `[S, B]`, in double precision; the mean of w over samples estimates p(x).

    log w = (1/T) sum_t [log p(x, h_t) - log q(h_t | x)], where h_0, the given samples, are drawn from q(h | x) and h_t
    from h_(t-1) by a Gibbs sweep that leaves f_t invariant; T is the number of temperatures.

    Source: Neal (2001), *Annealed importance sampling*, section 2.
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
    model: BeliefNetwork, counts: SparseCounts, samples: Samples, beta: float, generator: Generator
) -> Samples:
    """Draw each unit given all others, layer by layer from the document upward, and return the new samples.

    A unit is flipped with probability sigmoid(log f(flipped) - log f(current)), where
    log f = (1 - beta) log q(h | x) + beta log p(x, h); the sweep leaves f invariant. beta = t/T is the inverse
    temperature, between 0 (q) and 1 (the posterior).
    """
    samples = tuple(layer.clone() for layer in samples)
    for index, layer in enumerate(samples):
        uniforms = uniform(layer.shape, generator, like=layer)  # [S, B, K]
        local_log_f = _local_log_f(model, counts, samples, index, beta)
        below = _layer_below(model, counts, samples, index)
        log_f = local_log_f(layer)  # [S, B]
        for unit in range(layer.shape[-1]):
            flipped = layer.clone()
            flipped[..., unit] = 1 - layer[..., unit]
            log_f_flipped = local_log_f(flipped)
            difference = log_f_flipped - log_f + beta * below.difference(flipped, unit)
            accepted = uniforms[..., unit] < torch.sigmoid(difference)  # [S, B]
            below.update(flipped, unit, accepted)
            log_f = torch.where(accepted, log_f_flipped, log_f)
            layer[..., unit] = torch.where(accepted, flipped[..., unit], layer[..., unit])
    return samples


def _local_log_f(
    model: BeliefNetwork, counts: SparseCounts, samples: Samples, index: int, beta: float
) -> Callable[[Tensor], Tensor]:
    """Return a function from a layer, `[S, B, K]`, to the terms of log f with that layer, `[S, B]`, less p below it.

    These are (1 - beta) [log q(h_i | h_(i-1)) + log q(h_(i+1) | h_i)] + beta log p(h_i | h_(i+1)).
    """
    q = model.recognition.distributions(counts, samples)[index]
    p = model.generative.distributions(samples)[index]

    def log_f(layer: Tensor) -> Tensor:
        log_q = q.log_prob(layer)
        if index + 1 < len(samples):
            log_q = log_q + model.recognition.layers[index](layer).log_prob(samples[index + 1])
        return (1 - beta) * log_q + beta * p.log_prob(layer)

    return log_f


class _Below:
    """log p of the layer below, the document below the first layer, and its difference when a unit is flipped.

    `log_prob` maps settings of the layer, `[S, B, K]`, to the log-probability of the layer below, `[S, B]`.
    """

    def __init__(self, log_prob: Callable[[Tensor], Tensor], layer: Tensor) -> None:
        self.log_prob, self.current = log_prob, log_prob(layer)

    def difference(self, flipped: Tensor, unit: int) -> Tensor:
        """Return the change of the log-probability if the unit is flipped, `[S, B]`."""
        self.proposed = self.log_prob(flipped)
        return self.proposed - self.current

    def update(self, flipped: Tensor, unit: int, accepted: Tensor) -> None:
        """Make the last difference permanent where it is accepted, `[S, B]`."""
        self.current = torch.where(accepted, self.proposed, self.current)


class _SoftmaxBelow:
    """The same for a softmax layer above the document, without computing its logits again for each unit.

    Flipping unit k multiplies the exponentials of the logits by exp(W_k) or exp(-W_k). So the product of the
    exponentials with these two vectors gives the new normalizer, and the exponentials change only where the flip is
    accepted.
    """

    def __init__(self, visible: SoftmaxLayer, counts: SparseCounts, layer: Tensor) -> None:
        logits = visible(layer).logits.flatten(0, 1)  # [S B, V]
        self.exponentials = logits.sub_(logits.amax(1, keepdim=True)).exp_()
        self.normalizer = self.exponentials.sum(1)  # [S B]
        self.off_factors, self.on_factors = (-visible.weight.T).exp(), visible.weight.T.exp()  # [K, V]
        self.projected = counts.matmul(visible.weight)  # [B, K]
        self.lengths = counts.lengths

    def difference(self, flipped: Tensor, unit: int) -> Tensor:
        on = flipped[..., unit]  # [S, B]
        # Two matrix-vector products are several times as fast as one product with a matrix of two columns.
        if_off, if_on = (self.exponentials.mv(factors[unit]) for factors in (self.off_factors, self.on_factors))
        self.proposed = torch.where(on.flatten() > 0, if_on, if_off)
        linear = (2 * on - 1) * self.projected[:, unit]
        return linear - self.lengths * (self.proposed / self.normalizer).log().view_as(on)

    def update(self, flipped: Tensor, unit: int, accepted: Tensor) -> None:
        on, accepted = flipped[..., unit].flatten() > 0, accepted.flatten()
        self.normalizer = torch.where(accepted, self.proposed, self.normalizer)
        self.exponentials[accepted & on] *= self.on_factors[unit]
        self.exponentials[accepted & ~on] *= self.off_factors[unit]


def _layer_below(model: BeliefNetwork, counts: SparseCounts, samples: Samples, index: int) -> _Below | _SoftmaxBelow:
    visible = model.generative.visible
    if index:
        below = model.generative.layers[index - 1]
        return _Below(lambda layer: below(layer).log_prob(samples[index - 1]), samples[index])
    if isinstance(visible, SoftmaxLayer):
        return _SoftmaxBelow(visible, counts, samples[0])
    return _Below(lambda layer: visible(layer).log_prob(counts), samples[0])
