"""Lower bounds on log p(x), computed from log-probabilities of samples of q.

Axes: S samples, B documents of a batch. Unit: nats.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def sum_terms(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum of one tensor per layer, each `[S, B]`: log p(x, h) from p's terms, log q(h | x) from q's."""
    return torch.stack(tuple(terms)).sum(0)


def elbo(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the variational bound, the mean over samples of log p(x, h) - log q(h | x), `[S, B] -> [B]`.

    Source: L(x) in Mnih & Gregor (2014), equation 2.

    Example:
        >>> elbo(torch.tensor([[-3.0], [-5.0]]), torch.tensor([[-1.0], [-1.0]]))
        tensor([-3.])
    """
    return (log_p - log_q).mean(0)


def importance_weighted_bound(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the log of the mean of p(x, h) / q(h | x) over samples, `[S, B] -> [B]`.

    It is at least the `elbo` of the same samples, and its expectation approaches log p(x) as S grows.

    Source: Burda, Grosse & Salakhutdinov (2016), *Importance weighted autoencoders*, equation 8.

    Example:
        >>> importance_weighted_bound(torch.tensor([0.5, 0.3]).log()[:, None], torch.zeros(2, 1)).exp()
        tensor([0.4000])
    """
    log_weights = log_p - log_q
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))
