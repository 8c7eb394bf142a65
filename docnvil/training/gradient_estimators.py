"""Gradient estimators by name: how each samples q, and the further inputs of its losses.

The losses are in `docnvil.nvil`, which does not import models; here they get what they need of the networks.

Axes: S samples, B documents of a batch, K units, L layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples, UnitDistribution
from docnvil.model.recognition import RecognitionNetwork
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.antithetic import antithetic_samples, arms, disarm
from docnvil.nvil.bounds import sum_terms
from docnvil.nvil.multisample import reweighted_wake_sleep, rloo, vimco
from docnvil.nvil.nvil import Losses
from docnvil.nvil.relaxed import Expansion, muprop, straight_through_gumbel, straight_through_samples
from docnvil.nvil.wake_sleep import wake_sleep
from docnvil.runtime.device_operations import on_device
from docnvil.runtime.randomness import Generator, uniform
from docnvil.training.gradients import GradientName

Sampler = Callable[[RecognitionNetwork, SparseCounts, int, Generator], Samples]
FurtherInput = Callable[[BeliefNetwork, SparseCounts, Samples, Generator], Any]


@torch.no_grad()
def sample_independent(
    recognition: RecognitionNetwork, counts: SparseCounts, n_samples: int, generator: Generator
) -> Samples:
    """Draw h1..hn given x, S independent samples per document; each `[S, B, K]`."""
    return recognition.sample(counts, n_samples, generator)


@torch.no_grad()
def sample_antithetic(
    recognition: RecognitionNetwork,
    counts: SparseCounts,
    n_samples: int,
    generator: Generator,
    *,
    group: int | None = None,
) -> Samples:
    """Draw one set of S samples per layer, negatively correlated in the units of that layer; each `[L S, B, K]`.

    The samples of a group share the layers below the set's layer; the layers above are drawn for each sample.

    Source: Dong, Mnih & Tucker (2020), *DisARM*, on several layers.

    `group` is the number of samples that are negatively correlated; None for all S of a set.
    """
    group = group or n_samples
    n_layers = 1 + len(recognition.layers)
    sets = []
    for chosen in range(n_layers):
        samples: list[Tensor] = []
        for layer in range(n_layers):
            logits = _next_units(recognition, counts, samples).logits
            n_drawn = n_samples // group if layer < chosen else n_samples
            if layer == chosen:
                samples = [code.repeat_interleave(group, 0) for code in samples]
                logits = logits.repeat_interleave(group, 0) if logits.dim() == 3 else logits
            uniforms = uniform((n_drawn, *logits.shape[-2:]), generator, like=logits)
            drawn = antithetic_samples(uniforms, logits, group) if layer == chosen else uniforms < logits.sigmoid()
            samples.append(drawn.to(logits.dtype))
        sets.append(samples)
    return tuple(torch.cat(layer) for layer in zip(*sets, strict=True))


def straight_through(
    recognition: RecognitionNetwork, counts: SparseCounts, n_samples: int, generator: Generator
) -> Samples:
    """Draw h1..hn given x, S samples per document with straight-through gradients; each `[S, B, K]`."""
    samples: list[Tensor] = []
    for _ in range(1 + len(recognition.layers)):
        logits = _next_units(recognition, counts, samples).logits
        logits = logits.expand(n_samples, *logits.shape[-2:])
        samples.append(straight_through_samples(logits, uniform(logits.shape, generator, like=logits)))
    return tuple(samples)


def parents(network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator) -> Sequence[object]:
    """Return what each layer of q conditions on, the input of its baseline."""
    return network.recognition.parents(counts, samples)


def model_sample_log_q(
    network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
) -> tuple[Tensor, ...]:
    """Return q's terms of B documents drawn from p with the lengths of these, each `[1, B]`."""
    return sampled_log_q(network, counts.lengths, generator, counts.longest)


def sampled_log_q(
    model: BeliefNetwork, lengths: Tensor, generator: Generator, longest: int | None = None
) -> tuple[Tensor, ...]:
    """Draw documents of these lengths, `[B]`, with their units from p, and return q's terms, each `[1, B]`.

    If a bound of the lengths is known, `longest`, a device draws the documents without the host.
    """
    with torch.no_grad():
        samples = model.generative.sample(len(lengths), generator)
        visible = model.generative.visible_distribution(samples)
        if longest is not None and on_device(lengths):
            words = visible.sample_tokens(lengths, max(1, longest), generator)
        else:
            words = visible.sample(lengths.long(), generator)
    return model.recognition.log_prob_terms(words, samples)


def sampled_units(network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator) -> Samples:
    """Return the samples, each `[S, B, K]`."""
    return samples


def unit_logits(
    network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
) -> tuple[Tensor, ...]:
    """Return q's logits of each layer, `[B, K]` for the first and `[S, B, K]` for the others."""
    return tuple(layer.logits for layer in network.recognition.distributions(counts, samples))


def expansions(
    network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
) -> tuple[Expansion, ...]:
    """Return the first-order Taylor expansion of the learning signal around each layer's mean, a control variate.

    It is conditional on the sampled layers below. That of the first layer is shared by all samples and takes one
    evaluation per document; every other takes one per sample.
    """
    taylor = []
    for layer, distribution in enumerate(network.recognition.distributions(counts, samples)):
        mean = distribution.mean if layer else distribution.mean[None]  # [1, B, K] or [S, B, K]
        around = mean.detach().requires_grad_()
        relaxed = [*samples[:layer], around]
        while len(relaxed) < len(samples):
            relaxed.append(_next_units(network.recognition, counts, relaxed).mean)
        value = sum_terms(network.generative.log_prob_terms(counts, relaxed))
        value = value - sum_terms(network.recognition.log_prob_terms(counts, relaxed))  # [1 or S, B]
        (slope,) = torch.autograd.grad(value.sum(), around)
        taylor.append(Expansion(mean, value.detach(), slope))
    return tuple(taylor)


@dataclass(frozen=True)
class GradientEstimator:
    """The functions of a gradient estimator; what it needs of the settings is in `docnvil.training.gradients`.

    Arguments:
        losses: called with p's terms, q's terms and the further inputs; None for NVIL, which keeps running moments.
        further_inputs: each returns one more argument of `losses`, from network, counts, samples and generator.
        sample: draws the samples of q.
    """

    losses: Callable[..., Losses] | None
    further_inputs: tuple[FurtherInput, ...] = ()
    sample: Sampler = sample_independent

    def inputs(
        self, network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
    ) -> tuple[Any, ...]:
        """Return the arguments of `losses` after p's and q's terms."""
        return tuple(each(network, counts, samples, generator) for each in self.further_inputs)


GRADIENT_ESTIMATORS: dict[GradientName, GradientEstimator] = {
    "nvil": GradientEstimator(None, (parents,)),
    "rloo": GradientEstimator(rloo),
    "vimco": GradientEstimator(vimco),
    "disarm": GradientEstimator(disarm, (sampled_units, unit_logits), sample=partial(sample_antithetic, group=2)),
    "arms": GradientEstimator(arms, (sampled_units, unit_logits), sample=sample_antithetic),
    "muprop": GradientEstimator(muprop, (sampled_units, expansions)),
    "st-gumbel": GradientEstimator(straight_through_gumbel, sample=straight_through),
    "rws": GradientEstimator(reweighted_wake_sleep, (model_sample_log_q,)),
    "wake-sleep": GradientEstimator(wake_sleep, (model_sample_log_q,)),
}


class Stateless(nn.Module):
    """A gradient estimator without parameters or running moments, as a module."""

    def __init__(self, losses: Callable[..., Losses]) -> None:
        super().__init__()
        self.losses = losses

    def forward(self, *terms_and_needs: Any) -> Losses:
        """Return the losses of one batch."""
        return self.losses(*terms_and_needs)


def _next_units(recognition: RecognitionNetwork, counts: SparseCounts, samples: Sequence[Tensor]) -> UnitDistribution:
    """Return q's distribution of the first layer that is not in `samples`."""
    return recognition.layers[len(samples) - 1](samples[-1]) if samples else recognition.first(counts)
