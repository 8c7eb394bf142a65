"""Gradients that treat binary units as continuous: MuProp, and the straight-through Gumbel estimator.

Both differentiate the signal with respect to the units. MuProp uses a first-order Taylor expansion as a control variate
and stays unbiased; straight-through Gumbel uses the derivative itself as the gradient, and is biased.

Axes: S samples, B documents of a batch, K units. Unit: nats.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from docnvil.nvil.nvil import Losses, nvil_surrogate
from docnvil.nvil.signals import detach_terms, learning_signal, leave_one_out


class Expansion(NamedTuple):
    """The first-order Taylor expansion of the signal around a layer's mean, l(h) ~ value + slope . (h - mean).

    The leading axis is S, or 1 where all samples share the expansion.

    Arguments:
        mean: `[.., B, K]`, q's mean of the layer given the layer below, differentiable in q.
        value: `[.., B]`, the signal with the layer, and each layer above it, at its mean.
        slope: `[.., B, K]`, the derivative of `value` with respect to the layer.
    """

    mean: Tensor
    value: Tensor
    slope: Tensor


def muprop(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], expansions: Sequence[Expansion]
) -> Losses:
    """Return losses whose gradient is MuProp's: the signal less its Taylor expansion, whose own gradient is added.

    For each layer: -sum_b mean_s [(l - value - slope . (h - mean)) grad log q + slope . grad mean], unbiased for the
    ELBO. With several samples per document, the residual has a leave-one-out baseline as in `rloo`.

    Source: Gu, Levine, Sutskever & Mnih (2016), *MuProp: unbiased backpropagation for stochastic neural networks*;
    here layer by layer, each given the sampled layer below.
    """
    signal = learning_signal(*detach_terms(log_p, log_q))
    residuals, analytic = [], torch.zeros_like(signal[0])
    for layer_samples, (mean, value, slope) in zip(samples, expansions, strict=True):
        residual = signal - value - (slope * (layer_samples - mean.detach())).sum(-1)  # [S, B]
        residuals.append(residual - leave_one_out(residual) if len(residual) > 1 else residual)
        analytic = analytic + (slope * mean).sum(-1).mean(0)  # [B]
    loss = nvil_surrogate(log_p, log_q, residuals) - analytic.sum()
    return Losses(loss, signal, tuple(residuals))


def straight_through_samples(logits: Tensor, uniforms: Tensor, temperature: float = 1.0) -> Tensor:
    """Return binary samples, zeros and ones, with the derivative of sigmoid((logit + noise) / T).

    The noise is logistic, the difference of two Gumbel variables, so that a unit is 1 with probability sigmoid(logit).
    It is made from uniform numbers in [0, 1), in the shape of the samples.

    Source: Jang, Gu & Poole (2017), *Categorical reparameterization with Gumbel-softmax*, section 2.2, for two classes.

    Example:
        >>> logits = torch.zeros(2, requires_grad=True)
        >>> samples = straight_through_samples(logits, torch.tensor([0.5, 0.9]))
        >>> samples.sum().backward()
        >>> samples.tolist(), logits.grad.tolist()[0]
        ([0.0, 1.0], 0.25)
    """
    soft = torch.sigmoid((logits + uniforms.logit()) / temperature)
    return (soft > 0.5).to(soft.dtype) + (soft - soft.detach())


def straight_through_gumbel(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient passes through `straight_through_samples`: of low variance, and biased.

    -sum_b mean_s grad [log p(x, h_s) - log q(h_s | x)], including the derivative with respect to q through h_s.

    Source: Jang, Gu & Poole (2017), section 2.2.
    """
    signal = learning_signal(log_p, log_q)
    fixed = signal.detach()
    return Losses(-signal.mean(0).sum(), fixed, (fixed,))
