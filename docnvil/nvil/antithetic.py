"""Gradients from negatively correlated samples: antithetic pairs (DisARM) and groups of any size (ARMS).

For a binary unit, let the samples b_1..b_n of a group be exchangeable with correlation rho. The conditional mean of
b_j given b_i is then linear in b_i, so that with the signals f_1..f_n of the samples

    (1 / n) sum_i (f_i - mean_(j != i) f_j) b_i / (1 - rho)

is an unbiased estimate of d E[f] / d logit. Independent samples (rho = 0) give RLOO; a more negative rho makes the
samples of a group more different and the variance smaller.

Axes: S samples, in groups of n; B documents of a batch, K units, L layers of q. Unit: nats.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from docnvil.nvil.bounds import sum_terms
from docnvil.nvil.nvil import Losses
from docnvil.nvil.signals import detach_terms, learning_signal


def antithetic_samples(uniforms: Tensor, logits: Tensor, group: int) -> Tensor:
    """Return samples of binary units that are negatively correlated within groups of n, from independent uniforms.

    A flat Dirichlet variable d over the n samples gives u = (1 - d)^(n-1). Each u is uniform, and at most one of a
    group is small. A unit is 1 where u < p; for p > 1/2 its zeros are drawn instead. For n = 2 the pair is u, 1 - u.

    Source: Dimitriev & Zhou (2021), *ARMS*, on the Dirichlet copula; for n = 2 Dong, Mnih & Tucker (2020), *DisARM*.

    Arguments:
        uniforms: `[S, B, K]`, independent and uniform in [0, 1).
        logits: of the units, broadcast to the shape of `uniforms`.
        group: n, a divisor of S; samples 0..n-1 are the first group.

    Example:
        >>> antithetic_samples(torch.tensor([0.3, 0.8]).view(2, 1, 1), torch.zeros(1, 1), 2).flatten()
        tensor([0., 1.])
    """
    exponentials = -torch.log1p(-uniforms).unflatten(0, (-1, group))  # [S / n, n, B, K]
    shares = exponentials / exponentials.sum(1, keepdim=True).clamp(min=torch.finfo(uniforms.dtype).tiny)  # d
    coupled = (1 - shares).pow(group - 1).flatten(0, 1)  # u
    rarer_value = coupled < torch.sigmoid(-logits.abs())
    return (rarer_value ^ (logits > 0)).to(uniforms.dtype)


def correlation(logits: Tensor, group: int) -> Tensor:
    """Return rho, the correlation of two samples of a unit from `antithetic_samples`, in the shape of the logits.

    rho = (max(0, 2 m^(1 / (n-1)) - 1)^(n-1) - m^2) / (m (1 - m)) <= 0, with m = min(p, 1 - p) and groups of n.

    Source: Dimitriev & Zhou (2021); for n = 2, where 1 / (1 - rho) = max(p, 1 - p), Dong, Mnih & Tucker (2020).

    Example:
        Two samples of a fair coin always differ; among three, two must agree:

        >>> correlation(torch.zeros(1), 2).item(), round(correlation(torch.zeros(1), 3).item(), 3)
        (-1.0, -0.314)
    """
    m = torch.sigmoid(-logits.abs()).clamp(min=torch.finfo(logits.dtype).tiny)
    both = (2 * m.pow(1 / (group - 1)) - 1).clamp(min=0).pow(group - 1)  # p(b_i = b_j = the rarer value)
    return (both / m - m) / (1 - m)


def disarm(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], logits: Sequence[Tensor]
) -> Losses:
    """Return losses whose gradient is DisARM's (also known as U2G): antithetic pairs, unbiased for the ELBO.

    -sum_b mean over pairs (b, b') of (1/2) (f - f') (b - b') max(p, 1 - p) grad logit for each unit of q; p's gradient
    is -sum_b mean_s grad log p(x, h_s) over all samples.

    With L layers there are L sets of S samples. In set i, the units of layer i are antithetic pairs that share the
    samples of the layers below; the layers above are sampled independently.

    Source: Dong, Mnih & Tucker (2020), *DisARM: an antithetic gradient estimator for binary latent variables*, for
    one layer and for several; Yin, Ho, Yan, Qian & Zhou (2020), *Probabilistic best subset selection by gradient-based
    optimization* (U2G).

    Arguments:
        log_p: p's terms, each `[L S, B]`, one set after the other; S is even.
        log_q: q's terms, each `[L S, B]`.
        samples: the samples of each layer, `[L S, B, K]`.
        logits: q's logits for these samples, `[B, K]` or `[L S, B, K]` for each layer.
    """
    return _antithetic(log_p, log_q, samples, logits, group=2)


def arms(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], logits: Sequence[Tensor]
) -> Losses:
    """Return losses whose gradient is ARMS's: all S samples of a set form one group; unbiased for the ELBO.

    -sum_b mean_i (f_i - mean_(j != i) f_j) b_i / (1 - rho) grad logit for each unit of q; p's gradient, several layers
    and the arguments are as in `disarm`, but S is any number from 2.

    Source: Dimitriev & Zhou (2021), *ARMS: antithetic-REINFORCE-multi-sample gradient for binary variables*.
    """
    return _antithetic(log_p, log_q, samples, logits, group=len(log_p[0]) // len(log_q))


def _antithetic(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], logits: Sequence[Tensor], group: int
) -> Losses:
    signal = learning_signal(*detach_terms(log_p, log_q))  # f, [L S, B]
    groups = signal.unflatten(0, (-1, group))
    mean_of_others = (groups.sum(1, keepdim=True) - groups) / (group - 1)
    advantage = (groups - mean_of_others).flatten(0, 1)
    objective = sum_terms(log_p).mean(0).sum()
    n_samples = len(signal) // len(log_q)
    residuals = []
    for layer, (layer_samples, layer_logits) in enumerate(zip(samples, logits, strict=True)):
        own_set = slice(layer * n_samples, (layer + 1) * n_samples)  # in which this layer's samples form groups
        own_logits = layer_logits.expand_as(layer_samples)[own_set]
        slope = layer_samples[own_set] / (1 - correlation(own_logits.detach(), group))
        objective = objective + (advantage[own_set] * (slope * own_logits).sum(-1)).mean(0).sum()
        residuals.append(advantage[own_set])
    return Losses(-objective, signal, tuple(residuals))
