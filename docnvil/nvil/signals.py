"""Learning signals: what tells the recognition network how good a sample was, and what tames their variance.

The gradient of the bound with respect to q is E_q[l(x, h) grad log q(h | x)]. Its signal l may be replaced by anything
that differs from it by an amount q's sample cannot influence; everything here is such a replacement.

Axes: S samples, B documents of a batch. Unit: nats.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from docnvil.nvil.bounds import total

Gather = Callable[[Tensor], Tensor]  # from one part's tensor to all parts', `[...] -> [R, ...]`


def no_gather(tensor: Tensor) -> Tensor:
    """Gather from one part alone, `[...] -> [1, ...]`."""
    return tensor[None]


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


def with_sparsity(log_p: Sequence[Tensor], samples: Sequence[Tensor], nats: float) -> tuple[Tensor, ...]:
    """Charge each unit that is on, log p(hi | .) - nats sum_k h_ik, in the term of its own layer.

    Whatever estimates the gradient of the bound from these terms then estimates that of the bound less the expected
    number of units on; a layer's local signal holds what its own units cost and those above them.

    Arguments:
        log_p: terms log p(x | h1), log p(h1 | h2), ..., log p(hn), each `[S, B]`.
        samples: h1, ..., hn, each `[S, B, K]`. nats: a unit, zero or more.

    Example:
        >>> words, prior = torch.tensor([[-9.0]]), torch.tensor([[-2.0]])
        >>> with_sparsity((words, prior), [torch.tensor([[[1.0, 0.0, 1.0]]])], 0.5)
        (tensor([[-9.]]), tensor([[-3.]]))
    """
    if not nats:
        return tuple(log_p)
    words, *units = log_p
    return (words, *(term - nats * code.sum(-1) for term, code in zip(units, samples, strict=True)))


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


def signal_moments(signals: Sequence[Tensor]) -> Tensor:
    """Return count, mean and variance of each signal over samples and documents, `[L, 3]`; zeros where there are none.

    Example:
        >>> signal_moments([torch.tensor([[4.0, 6.0]]), torch.zeros(2, 0)])
        tensor([[2., 5., 1.],
                [0., 0., 0.]])
    """
    return torch.stack([_moments(signal) for signal in signals])


def _moments(signal: Tensor) -> Tensor:
    if not signal.numel():
        return signal.new_zeros(3)
    variance, mean = torch.var_mean(signal, correction=0)
    return torch.stack([torch.full_like(mean, signal.numel()), mean, variance])


def pooled_moments(parts: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of all numbers together from those of R parts, `[R, ..., 3] -> [...]` each.

    With shares f_r = n_r / n: m = sum_r f_r m_r and v = sum_r f_r (v_r + (m_r - m)^2).

    Source: Chan, Golub & LeVeque (1983), *Algorithms for computing the sample variance*, on combining parts.

    Example:
        >>> both = torch.stack([signal_moments([torch.tensor([[1.0]])]), signal_moments([torch.tensor([[3.0, 8.0]])])])
        >>> pooled_moments(both), torch.tensor([1.0, 3.0, 8.0]).var(correction=0)
        ((tensor([4.]), tensor([8.6667])), tensor(8.6667))
    """
    counts, means, variances = parts.unbind(-1)
    shares = counts / counts.sum(0)
    mean = (shares * means).sum(0)
    return mean, (shares * (variances + (means - mean).square())).sum(0)


class RunningMoments(NamedTuple):
    """Exponentially decaying mean c and variance v of learning signals, `[L]`: a frozen record."""

    mean: Tensor
    variance: Tensor


def update_moments(
    moments: RunningMoments, signals: Sequence[Tensor], decay: float, gather: Gather = no_gather
) -> RunningMoments:
    """Return c <- a c + (1 - a) mean(l) and v <- a v + (1 - a) var(l), over all samples and documents of the batch.

    Source: Mnih & Gregor (2014), supplement, Algorithm 1; a = 0.8 there.

    Arguments:
        moments: c and v of L signals. signals: each `[S, B]`. decay: a.
        gather: brings the moments of all parts of a batch together, when several processes have a share of it.

    Example:
        >>> start = RunningMoments(torch.zeros(1), torch.zeros(1))
        >>> update_moments(start, [torch.tensor([[4.0, 6.0]])], decay=0.8)
        RunningMoments(mean=tensor([1.0000]), variance=tensor([0.2000]))
    """
    mean, variance = pooled_moments(gather(signal_moments(signals)))
    return RunningMoments(torch.lerp(mean, moments.mean, decay), torch.lerp(variance, moments.variance, decay))


def centered(signal: Tensor, moments: RunningMoments) -> Tensor:
    """Return l - c."""
    return signal - moments.mean


def normalized(signal: Tensor, moments: RunningMoments) -> Tensor:
    """Return l / max(1, sqrt v): a signal weaker than one nat is left as it is.

    Source: Mnih & Gregor (2014), section 2.3.2 ("variance normalization").
    """
    return signal / moments.variance.sqrt().clamp(min=1.0)
