"""Learning signals: what tells the recognition network how good a sample was, and what tames their variance.

The gradient of the bound with respect to q is E_q[l(x, h) grad log q(h | x)]. Its signal l may be replaced by anything
that differs from it by an amount q's sample cannot influence; everything here is such a replacement.

Axes: S samples, B documents of a batch. Unit: nats.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from docnvil.nvil.bounds import total


def learning_signal(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    """Return l(x, h) = log p(x, h) - log q(h | x), `[S, B]`.

    Source: Mnih & Gregor (2014), equation 5.

    Arguments:
        log_p: terms log p(x | h1), log p(h1 | h2), ..., log p(hn), each `[S, B]`.
        log_q: terms log q(h1 | x), log q(h2 | h1), ..., each `[S, B]`.
    """
    return total(log_p) - total(log_q)


def local_learning_signals(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return for each layer i of q only the terms it can influence.

    l_i = log p(h_(i-1), ..., h_n) - log q(h_i, ..., h_n | h_(i-1)), with h_0 = x; l_1 is the whole signal.

    Source: Mnih & Gregor (2014), section 2.3.3 ("local learning signals").

    Arguments:
        log_p: terms log p(x | h1), log p(h1 | h2), ..., log p(hn), each `[S, B]`: one more than layers.
        log_q: terms log q(h1 | x), log q(h2 | h1), ..., each `[S, B]`.

    Example:
        >>> one, two, four = torch.tensor([[1.0]]), torch.tensor([[2.0]]), torch.tensor([[4.0]])
        >>> local_learning_signals([one, two, four], [-one, -one])
        (tensor([[9.]]), tensor([[7.]]))
    """
    *upper, top = log_p
    differences = [
        p - q for p, q in zip(upper, log_q, strict=True)
    ]  # of layer i: log p(h_(i-1) | h_i) - log q(h_i | .)
    from_the_top = accumulate(reversed(differences), initial=top)
    next(from_the_top)  # the prior alone belongs to no layer of q
    return tuple(from_the_top)[::-1]


def leave_one_out(signal: Tensor) -> Tensor:
    """Return for each sample the mean signal of the document's other samples, `[S, B] -> [S, B]`.

    An input-dependent baseline that is measured instead of learned: the other samples are independent of this one
    given x, so that subtracting it changes the variance of the gradient and not its mean.

    Source: Mnih & Rezende (2016), section 2.2, for the local baseline; Kool, van Hoof & Welling (2019) for this form.

    Example:
        >>> leave_one_out(torch.tensor([[1.0], [2.0], [6.0]]))
        tensor([[4.0000],
                [3.5000],
                [1.5000]])
    """
    return (signal.sum(0) - signal) / (len(signal) - 1)


class RunningMoments(NamedTuple):
    """Exponentially decaying mean c and variance v of a learning signal: a frozen record."""

    mean: Tensor
    variance: Tensor


def update_moments(moments: RunningMoments, signal: Tensor, decay: float) -> RunningMoments:
    """Return c <- a c + (1 - a) mean(l) and v <- a v + (1 - a) var(l), over all samples and documents of the batch.

    Source: Mnih & Gregor (2014), supplement, Algorithm 1; a = 0.8 there.

    Example:
        >>> start = RunningMoments(torch.tensor(0.0), torch.tensor(0.0))
        >>> update_moments(start, torch.tensor([[4.0, 6.0]]), decay=0.8)
        RunningMoments(mean=tensor(1.0000), variance=tensor(0.2000))
    """
    return RunningMoments(
        torch.lerp(signal.mean(), moments.mean, decay), torch.lerp(signal.var(correction=0), moments.variance, decay)
    )


def centred(signal: Tensor, moments: RunningMoments) -> Tensor:
    """Return l - c."""
    return signal - moments.mean


def normalised(signal: Tensor, moments: RunningMoments) -> Tensor:
    """Return l / max(1, sqrt v): a signal weaker than one nat is left as it is.

    Source: Mnih & Gregor (2014), section 2.3.2 ("variance normalization").
    """
    return signal / moments.variance.sqrt().clamp(min=1.0)
