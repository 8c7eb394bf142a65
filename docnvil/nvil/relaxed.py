"""Gradients that look at binary units as if they were continuous: MuProp, and the straight-through Gumbel estimator.

Both differentiate the signal with respect to the units. MuProp uses that slope to take away variance and adds what it
took away in expectation, so it stays unbiased; straight-through Gumbel takes the slope for the gradient, and is biased.

Axes: S samples, B documents of a batch, K units. Unit: nats.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from docnvil.nvil.nvil import Losses, nvil_surrogate
from docnvil.nvil.signals import learning_signal, leave_one_out


class Expansion(NamedTuple):
    """A linear stand-in for the signal around a layer's mean, l(h) ~ value + slope (h - mean): a frozen record.

    Arguments:
        mean: `[.., B, K]`, q's mean of the layer given what lies below it, differentiable in q.
        value: `[.., B]`, the signal with the layer at its mean, and those above it at theirs in turn.
        slope: `[.., B, K]`, its derivative by the layer. The leading axis is S, or 1 where samples share it.
    """

    mean: Tensor
    value: Tensor
    slope: Tensor


def muprop(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], expansions: Sequence[Expansion]
) -> Losses:
    """Return losses whose gradient is MuProp's: the signal less its linear stand-in, whose own gradient is known.

    For each layer: -sum_b mean_s [(l - value - slope (h - mean)) grad log q + slope grad mean], unbiased for the ELBO.
    What is left of the signal is compared with that of the document's other samples, if there are any, as in `rloo`.

    Source: Gu, Levine, Sutskever & Mnih (2016), *MuProp: unbiased backpropagation for stochastic neural networks*;
    here layer by layer, each given the sampled layer below.

    Arguments:
        log_p: p's terms, log_q: q's terms, each `[S, B]`. samples: the samples of each layer, `[S, B, K]`.
        expansions: one a layer.
    """
    signal = learning_signal([term.detach() for term in log_p], [term.detach() for term in log_q])
    left, known = [], torch.zeros_like(signal[0])
    for code, (mean, value, slope) in zip(samples, expansions, strict=True):
        residual = signal - value - (slope * (code - mean.detach())).sum(-1)  # [S, B]
        left.append(residual - leave_one_out(residual) if len(residual) > 1 else residual)
        known = known + (slope * mean).sum(-1).mean(0)  # [B]
    loss = nvil_surrogate(log_p, log_q, left) - known.sum()
    return Losses(loss, signal, tuple(left))


def straight_through_samples(logits: Tensor, uniforms: Tensor, temperature: float = 1.0) -> Tensor:
    """Draw binary units that are zeros and ones, and whose derivative is that of sigmoid((logit + noise) / T).

    The noise is logistic, the difference of two Gumbel variables, so a unit is 1 with probability sigmoid(logit).

    Source: Jang, Gu & Poole (2017), *Categorical reparameterization with Gumbel-softmax*, section 2.2, for two classes.

    Arguments:
        logits: `[.., K]`; uniforms: of the same shape. temperature: T.

    Example:
        >>> logits = torch.zeros(2, requires_grad=True)
        >>> codes = straight_through_samples(logits, torch.tensor([0.5, 0.9]))
        >>> codes.sum().backward()
        >>> codes.tolist(), logits.grad.tolist()[0]
        ([0.0, 1.0], 0.25)
    """
    soft = torch.sigmoid((logits + uniforms.logit()) / temperature)
    return (soft > 0.5).to(soft.dtype) + (soft - soft.detach())


def straight_through_gumbel(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient goes through `straight_through_samples`: low in variance, and biased.

    -sum_b mean_s grad [log p(x, h_s) - log q(h_s | x)], with the derivative by h_s passed on to q.

    Source: Jang, Gu & Poole (2017), section 2.2.

    Arguments:
        log_p: p's terms, log_q: q's terms, each `[S, B]`, of codes that carry a derivative.
    """
    signal = learning_signal(log_p, log_q)
    fixed = signal.detach()
    return Losses(-signal.mean(0).sum(), fixed, (fixed,))
