"""The importance-weighted bound on log p(x), from log-probabilities of samples of q.

Axes: S samples, B documents of a batch. Unit: nats.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def sum_terms(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum of one tensor per layer, each `[S, B]`: log p(x, h) from p's terms, log q(h | x) from q's."""
    return terms[0] if len(terms) == 1 else torch.stack(tuple(terms)).sum(0)


def importance_weighted_bound(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the log of the mean of p(x, h) / q(h | x) over samples, `[S, B] -> [B]`.

    It is at least the ELBO of the same samples, mean_s [log p(x, h_s) - log q(h_s | x)], and its expectation approaches
    log p(x) as S grows.

    Source: Burda, Grosse & Salakhutdinov (2016), *Importance weighted autoencoders*, equation 8.

    Example:
        >>> importance_weighted_bound(torch.tensor([0.5, 0.3]).log()[:, None], torch.zeros(2, 1)).exp()
        tensor([0.4000])
    """
    log_weights = log_p - log_q
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))
