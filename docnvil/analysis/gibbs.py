"""Gibbs sampling of the units of documents, from q(h | x) toward p(h | x).

Axes: S samples, B documents of a batch, V words, K units of a layer; `nnz` stored counts of the batch. Unit: nats.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.normalizers import log_word_probabilities
from docnvil.model.rising_factorials import dirichlet_multinomial_log_prob
from docnvil.model.sparse import SparseCounts
from docnvil.model.visible import DirichletMultinomialLayer, SoftmaxLayer
from docnvil.runtime.randomness import Generator, uniform


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


class _WordsBelow:
    """The same for a layer of words above the document, without computing its logits again for each unit.

    Flipping unit k multiplies the exponentials of the logits by exp(W_k) or exp(-W_k). So the product of the
    exponentials with these two vectors gives the new normalizer, and the exponentials change only where the flip is
    accepted.
    """

    def __init__(self, visible: SoftmaxLayer | DirichletMultinomialLayer, counts: SparseCounts, layer: Tensor) -> None:
        logits = visible(layer).logits.flatten(0, 1)  # [S B, V]
        self.exponentials = logits.sub_(logits.amax(1, keepdim=True)).exp_()
        self.normalizer = self.exponentials.sum(1)  # [S B]
        self.off_factors, self.on_factors = (-visible.weight.T).exp(), visible.weight.T.exp()  # [K, V]
        self.counts = counts

    def propose(self, flipped: Tensor, unit: int) -> Tensor:
        """Return the change of the logarithm of the normalizer if the unit is flipped, `[S, B]`."""
        on = flipped[..., unit]  # [S, B]
        # Two matrix-vector products are several times as fast as one product with a matrix of two columns.
        if_off, if_on = (self.exponentials.mv(factors[unit]) for factors in (self.off_factors, self.on_factors))
        self.proposed = torch.where(on.flatten() > 0, if_on, if_off)
        return (self.proposed / self.normalizer).log().view_as(on)

    def update(self, flipped: Tensor, unit: int, accepted: Tensor) -> None:
        """Make the last difference permanent where it is accepted, `[S, B]`."""
        on, accepted = flipped[..., unit].flatten() > 0, accepted.flatten()
        self.normalizer = torch.where(accepted, self.proposed, self.normalizer)
        self.exponentials[accepted & on] *= self.on_factors[unit]
        self.exponentials[accepted & ~on] *= self.off_factors[unit]


class _SoftmaxBelow(_WordsBelow):
    def __init__(self, visible: SoftmaxLayer, counts: SparseCounts, layer: Tensor) -> None:
        super().__init__(visible, counts, layer)
        self.projected = counts.matmul(visible.weight)  # [B, K]

    def difference(self, flipped: Tensor, unit: int) -> Tensor:
        linear = (2 * flipped[..., unit] - 1) * self.projected[:, unit]
        return linear - self.counts.lengths * self.propose(flipped, unit)


class _DirichletMultinomialBelow(_WordsBelow):
    def __init__(self, visible: DirichletMultinomialLayer, counts: SparseCounts, layer: Tensor) -> None:
        super().__init__(visible, counts, layer)
        self.log_total = visible.log_concentration
        self.stored_weight = visible.weight[counts.indices].T.contiguous()  # [K, nnz]
        log_mean = log_word_probabilities(layer, visible.weight, visible.bias, counts)
        self.log_a = log_mean + self.log_total  # [S, nnz]
        self.current = dirichlet_multinomial_log_prob(self.log_a, self.log_total, counts)  # [S, B]

    def difference(self, flipped: Tensor, unit: int) -> Tensor:
        documents = self.counts.documents
        sign = 2 * flipped[..., unit] - 1  # [S, B]
        change = sign[:, documents] * self.stored_weight[unit] - self.propose(flipped, unit)[:, documents]
        self.proposed_log_a = self.log_a + change
        self.proposed_value = dirichlet_multinomial_log_prob(self.proposed_log_a, self.log_total, self.counts)
        return self.proposed_value - self.current

    def update(self, flipped: Tensor, unit: int, accepted: Tensor) -> None:
        super().update(flipped, unit, accepted)
        self.log_a = torch.where(accepted[:, self.counts.documents], self.proposed_log_a, self.log_a)
        self.current = torch.where(accepted, self.proposed_value, self.current)


def _layer_below(model: BeliefNetwork, counts: SparseCounts, samples: Samples, index: int) -> _Below | _WordsBelow:
    visible = model.generative.visible
    if index:
        below = model.generative.layers[index - 1]
        return _Below(lambda layer: below(layer).log_prob(samples[index - 1]), samples[index])
    if isinstance(visible, SoftmaxLayer):
        return _SoftmaxBelow(visible, counts, samples[0])
    if isinstance(visible, DirichletMultinomialLayer):
        return _DirichletMultinomialBelow(visible, counts, samples[0])
    return _Below(lambda layer: visible(layer).log_prob(counts), samples[0])
