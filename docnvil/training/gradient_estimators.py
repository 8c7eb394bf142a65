"""The estimators of the gradient by name: how each samples q, and what it needs beside the sampled terms.

The mathematics is in `docnvil.nvil`, which knows no networks; here each estimator is handed what it asks for.

Axes: S samples, B documents of a batch, K units, L layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from docnvil.errors import ConfigurationError
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
from docnvil.runtime.randomness import Generator, uniform

GradientName = Literal["nvil", "rloo", "vimco", "disarm", "arms", "muprop", "st-gumbel", "rws", "wake-sleep"]

Sampler = Callable[[RecognitionNetwork, SparseCounts, int, Generator], Samples]
Need = Callable[[BeliefNetwork, SparseCounts, Samples, Generator], Any]


@torch.no_grad()
def sample_independent(
    recognition: RecognitionNetwork, counts: SparseCounts, n_samples: int, generator: Generator
) -> Samples:
    """Draw h1..hn given x, S times a document, each time afresh; each `[S, B, K]`."""
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
    """Draw a set of S samples for each layer, in which that layer's units avoid one another; each `[L S, B, K]`.

    The samples of a group share the layers below the set's own; the layers above are drawn afresh for each.

    Source: Dong, Mnih & Tucker (2020), *DisARM*, on several layers.

    Arguments:
        group: samples that avoid one another; None for all S of a set.
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
    """Draw h1..hn given x, S times a document, with a derivative by q's logits; each `[S, B, K]`."""
    samples: list[Tensor] = []
    for _ in range(1 + len(recognition.layers)):
        logits = _next_units(recognition, counts, samples).logits
        logits = logits.expand(n_samples, *logits.shape[-2:])
        samples.append(straight_through_samples(logits, uniform(logits.shape, generator, like=logits)))
    return tuple(samples)


def parents(network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator) -> Sequence[object]:
    """Return what each layer of q conditions on, for baselines that see it."""
    return network.recognition.parents(counts, samples)


def model_sample_log_q(
    network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
) -> tuple[Tensor, ...]:
    """Return q's terms, each `[1, B]`, of as many documents drawn from p, as long as these."""
    return dream(network, counts.lengths, generator)


def dream(model: BeliefNetwork, lengths: Tensor, generator: Generator) -> tuple[Tensor, ...]:
    """Draw documents of given lengths, `[B]`, and their units from p; return q's terms for them, each `[1, B]`."""
    with torch.no_grad():
        samples = model.generative.sample(len(lengths), generator)
        words = model.generative.visible_distribution(samples).sample(lengths.long(), generator)
    return model.recognition.log_prob_terms(words, samples)


def sampled_units(network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator) -> Samples:
    """Return the sampled units themselves, each `[S, B, K]`."""
    return samples


def unit_logits(
    network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
) -> tuple[Tensor, ...]:
    """Return q's logits of each layer, `[B, K]` for the first and `[S, B, K]` for the others."""
    return tuple(layer.logits for layer in network.recognition.distributions(counts, samples))


def expansions(
    network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
) -> tuple[Expansion, ...]:
    """Return the signal's linear stand-in around each layer's mean, given the sampled layers below it.

    The first layer's is the same for all samples and costs one evaluation a document; each other costs one a sample.
    """
    found = []
    for layer, distribution in enumerate(network.recognition.distributions(counts, samples)):
        mean = distribution.mean if layer else distribution.mean[None]  # [1, B, K] or [S, B, K]
        around = mean.detach().requires_grad_()
        relaxed = [*samples[:layer], around]
        while len(relaxed) < len(samples):
            relaxed.append(_next_units(network.recognition, counts, relaxed).mean)
        value = sum_terms(network.generative.log_prob_terms(counts, relaxed))
        value = value - sum_terms(network.recognition.log_prob_terms(counts, relaxed))  # [1 or S, B]
        (slope,) = torch.autograd.grad(value.sum(), around)
        found.append(Expansion(mean, value.detach(), slope))
    return tuple(found)


@dataclass(frozen=True)
class GradientEstimator:
    """An estimator of the gradient, and what it asks for.

    Arguments:
        losses: called with p's terms, q's terms, and each of its needs; None for NVIL, which keeps moments of its own.
        needs: each gives, from network, counts, sampled codes and generator, one more argument of `losses`.
        sample: draws the codes that the terms are of.
        min_samples: samples a document, at least; multiple: of which their number must be a multiple.
        supports_autoregressive_q: whether it can do with q's units depending on one another within a layer.
        uses_learning_signal: whether q follows the terms it is given, and not dreams alone.
    """

    losses: Callable[..., Losses] | None
    needs: tuple[Need, ...] = ()
    sample: Sampler = sample_independent
    min_samples: int = 1
    sample_multiple: int = 1
    supports_autoregressive_q: bool = True
    uses_learning_signal: bool = True

    def needed(
        self, network: BeliefNetwork, counts: SparseCounts, samples: Samples, generator: Generator
    ) -> tuple[Any, ...]:
        """Return what it needs beside the terms of these codes."""
        return tuple(need(network, counts, samples, generator) for need in self.needs)


GRADIENT_ESTIMATORS: dict[GradientName, GradientEstimator] = {
    "nvil": GradientEstimator(None, needs=(parents,)),
    "rloo": GradientEstimator(rloo, min_samples=2),
    "vimco": GradientEstimator(vimco, min_samples=2),
    "disarm": GradientEstimator(
        disarm,
        needs=(sampled_units, unit_logits),
        sample=partial(sample_antithetic, group=2),
        min_samples=2,
        sample_multiple=2,
        supports_autoregressive_q=False,
    ),
    "arms": GradientEstimator(
        arms,
        needs=(sampled_units, unit_logits),
        sample=sample_antithetic,
        min_samples=2,
        supports_autoregressive_q=False,
    ),
    "muprop": GradientEstimator(muprop, needs=(sampled_units, expansions), supports_autoregressive_q=False),
    "st-gumbel": GradientEstimator(straight_through_gumbel, sample=straight_through, supports_autoregressive_q=False),
    "rws": GradientEstimator(reweighted_wake_sleep, needs=(model_sample_log_q,), uses_learning_signal=False),
    "wake-sleep": GradientEstimator(wake_sleep, needs=(model_sample_log_q,), uses_learning_signal=False),
}


class Stateless(nn.Module):
    """An estimator's losses as a module that has nothing to learn and nothing to keep."""

    def __init__(self, losses: Callable[..., Losses]) -> None:
        super().__init__()
        self.losses = losses

    def forward(self, *terms_and_needs: Any) -> Losses:
        """Return the losses of one minibatch."""
        return self.losses(*terms_and_needs)


def check_n_samples(gradient: GradientName, n_samples: int) -> None:
    """Refuse a number of samples that an estimator can make nothing of.

    Raises:
        ConfigurationError: too few, or not a multiple of what it groups.
    """
    estimator = GRADIENT_ESTIMATORS[gradient]
    if n_samples < estimator.min_samples:
        raise ConfigurationError(
            f"The gradient {gradient} compares a document's samples, so it needs at least {estimator.min_samples},"
            f" and n_samples is {n_samples}. Ask for more samples, or for another gradient."
        )
    if n_samples % estimator.sample_multiple:
        nearest = n_samples + estimator.sample_multiple - n_samples % estimator.sample_multiple
        raise ConfigurationError(
            f"The gradient {gradient} draws samples in groups of {estimator.sample_multiple}; n_samples is {n_samples}."
            f" Ask for {nearest} samples."
        )


def check_posterior(gradient: GradientName, posterior: str) -> None:
    """Refuse a recognition network that an estimator cannot train.

    Raises:
        ConfigurationError: the estimator needs independent units, and these are autoregressive.
    """
    if posterior == "autoregressive" and not GRADIENT_ESTIMATORS[gradient].supports_autoregressive_q:
        able = ", ".join(name for name, estimator in GRADIENT_ESTIMATORS.items() if estimator.supports_autoregressive_q)
        raise ConfigurationError(
            f"The gradient {gradient} needs units that q draws independently of one another, and the posterior is"
            f" autoregressive. Ask for a factorial posterior, or for one of the gradients {able}."
        )


def _next_units(recognition: RecognitionNetwork, counts: SparseCounts, samples: Sequence[Tensor]) -> UnitDistribution:
    """Return q's distribution of the first layer that is not yet in `samples`."""
    return recognition.layers[len(samples) - 1](samples[-1]) if samples else recognition.first(counts)
