"""Gradients from samples that avoid one another: DisARM's antithetic pairs, and ARMS's groups of any size.

Both hold for a binary unit whose samples b_1..b_n in a group are exchangeable with correlation rho: given b_i, the mean
of b_j is linear in b_i, so that with f_i the signal of sample i

    (1 / n) sum_i (f_i - mean_(j != i) f_j) b_i / (1 - rho)

is an unbiased estimate of d E[f] / d logit. Independent samples, rho = 0, give RLOO; the more negative rho, the more
the samples of a group differ, and the smaller the variance.

Axes: S samples, in groups of n; B documents of a batch, K units, L layers. Unit: nats.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from docnvil.nvil.bounds import total
from docnvil.nvil.nvil import Losses
from docnvil.nvil.signals import learning_signal


def antithetic_samples(uniforms: Tensor, logits: Tensor, group: int) -> Tensor:
    """Turn independent uniform numbers into samples of binary units that avoid one another within groups of n.

    Shares d of a stick broken into n at random (a flat Dirichlet) give u = (1 - d)^(n-1), which is uniform, and small
    for one of a group at most. A unit is 1 where u < p; one with p > 1/2 is drawn by its zeros. For n = 2 the pair is
    u, 1 - u.

    Source: Dimitriev & Zhou (2021), *ARMS*, on the Dirichlet copula; for n = 2 Dong, Mnih & Tucker (2020), *DisARM*.

    Arguments:
        uniforms: `[S, B, K]`, independent; logits: of the units, broadcast to them. group: n, which divides S.

    Returns:
        `[S, B, K]`, zeros and ones; samples 0..n-1 are the first group.

    Example:
        >>> antithetic_samples(torch.tensor([0.3, 0.8]).view(2, 1, 1), torch.zeros(1, 1), 2).flatten()
        tensor([0., 1.])
    """
    shares = -torch.log1p(-uniforms).unflatten(0, (-1, group))  # [S / n, n, B, K], exponential
    shares = shares / shares.sum(1, keepdim=True).clamp(min=torch.finfo(shares.dtype).tiny)
    coupled = (1 - shares).pow(group - 1).flatten(0, 1)
    often = logits > 0
    rare = coupled < torch.sigmoid(-logits.abs())
    return (rare ^ often).to(uniforms.dtype)


def correlation(logits: Tensor, group: int) -> Tensor:
    """Return the correlation, never above zero, of two samples of a unit from `antithetic_samples`, like the logits.

    rho = (max(0, 2 m^(1 / (n-1)) - 1)^(n-1) - m^2) / (m (1 - m)), with m = min(p, 1 - p).

    Source: Dimitriev & Zhou (2021); for n = 2, where 1 / (1 - rho) = max(p, 1 - p), Dong, Mnih & Tucker (2020).

    Example:
        Of two coins, one shows a head and one a tail; of three, rather not all the same:

        >>> correlation(torch.zeros(1), 2).item(), round(correlation(torch.zeros(1), 3).item(), 3)
        (-1.0, -0.314)
    """
    rare = torch.sigmoid(-logits.abs()).clamp(min=torch.finfo(logits.dtype).tiny)
    both = (2 * rare.pow(1 / (group - 1)) - 1).clamp(min=0).pow(group - 1)
    return (both / rare - rare) / (1 - rare)


def disarm(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], logits: Sequence[Tensor]
) -> Losses:
    """Return losses whose gradient is DisARM's, also known as U2G: antithetic pairs, unbiased for the ELBO.

    For each unit of a pair (b, b'): (1/2) (f - f') (b - b') max(p, 1 - p) d logit, averaged over pairs; p learns from
    all samples.

    Source: Dong, Mnih & Tucker (2020), *DisARM: an antithetic gradient estimator for binary latent variables*, for
    one layer and for several; Yin, Ho, Yan, Qian & Zhou (2020), *Probabilistic best subset selection by gradient-based
    optimization* (U2G).

    Arguments:
        log_p: p's terms, log_q: q's terms, each `[L S, B]`. With several layers there are L sets of S samples, one
            after the other: in set i the units of layer i come in pairs that share what lies below them, and the
            layers above are drawn independently. S is even.
        samples: the samples of each layer, `[L S, B, K]`; logits: q's, for them, `[B, K]` or `[L S, B, K]`.
    """
    return _antithetic(log_p, log_q, samples, logits, group=2)


def arms(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], logits: Sequence[Tensor]
) -> Losses:
    """Return losses whose gradient is ARMS's: all S samples of a set avoid one another; unbiased for the ELBO.

    Source: Dimitriev & Zhou (2021), *ARMS: antithetic-REINFORCE-multi-sample gradient for binary variables*;
    several layers as in `disarm`.

    Arguments:
        log_p, log_q, codes, logits: as for `disarm`, with groups of S in place of pairs; S of at least 2.
    """
    return _antithetic(log_p, log_q, samples, logits, group=len(log_p[0]) // len(log_q))


def _antithetic(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], samples: Sequence[Tensor], logits: Sequence[Tensor], group: int
) -> Losses:
    signal = learning_signal([term.detach() for term in log_p], [term.detach() for term in log_q])  # [L S, B]
    groups = signal.unflatten(0, (-1, group))
    others = (groups.sum(1, keepdim=True) - groups) / (group - 1)
    compared = (groups - others).flatten(0, 1)
    objective = total(log_p).mean(0).sum()
    n_samples = len(signal) // len(log_q)
    residuals = []
    for layer, (code, logit) in enumerate(zip(samples, logits, strict=True)):
        own = slice(layer * n_samples, (layer + 1) * n_samples)  # the set in which this layer's samples are grouped
        logit = logit.expand_as(code)[own]
        slope = code[own] / (1 - correlation(logit.detach(), group))
        objective = objective + (compared[own] * (slope * logit).sum(-1)).mean(0).sum()
        residuals.append(compared[own])
    return Losses(-objective, signal, tuple(residuals))
