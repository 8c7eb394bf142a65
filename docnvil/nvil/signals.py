"""Learning signals for the recognition network, and ways to reduce the variance of the gradient.

The gradient of the bound with respect to q is E_q[l(x, h) grad log q(h | x)]. Subtracting from the signal l anything
that does not depend on the sampled units leaves this expectation unchanged and can reduce the variance.

The terms `log_p` are log p(x | h1), log p(h1 | h2), ..., log p(hn), and `log_q` are log q(h1 | x), log q(h2 | h1), ...,
each `[S, B]`.

Axes: S samples, B documents of a batch, K units, L layers of q, R processes. Unit: nats.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from docnvil.nvil.bounds import sum_terms

Gather = Callable[[Tensor], Tensor]  # all-gather over the processes that share a batch, `[...] -> [R, ...]`


def no_gather(tensor: Tensor) -> Tensor:
    """Return the tensor of the only process, `[...] -> [1, ...]`."""
    return tensor[None]


def learning_signal(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    """Return l(x, h) = log p(x, h) - log q(h | x), `[S, B]`.

    Source: Mnih & Gregor (2014), equation 5.
    """
    return sum_terms(log_p) - sum_terms(log_q)


def detach_terms(*terms: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
    """Return each sequence of terms without its gradient."""
    return tuple([term.detach() for term in each] for each in terms)


def local_learning_signals(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return for each layer i of q the sum of the terms that its samples can influence, each `[S, B]`.

    l_i = log p(h_(i-1), ..., h_n) - log q(h_i, ..., h_n | h_(i-1)), with h_0 = x, so that l_1 is the whole signal.

    Source: Mnih & Gregor (2014), section 2.3.3 ("local learning signals").

    Example:
        >>> one, two, four = torch.tensor([[1.0]]), torch.tensor([[2.0]]), torch.tensor([[4.0]])
        >>> local_learning_signals([one, two, four], [-one, -one])
        (tensor([[9.]]), tensor([[7.]]))
    """
    *lower, prior = log_p
    differences = [p - q for p, q in zip(lower, log_q, strict=True)]  # log p(h_(i-1) | h_i) - log q(h_i | h_(i-1))
    _, *signals = accumulate(reversed(differences), initial=prior)  # from the deepest layer to the first
    return tuple(reversed(signals))


def add_sparsity_penalty(
    log_p: Sequence[Tensor], samples: Sequence[Tensor], penalty: float | Tensor
) -> tuple[Tensor, ...]:
    """Return p's terms with log p(h_i | .) - penalty sum_k h_ik in place of each layer's log p(h_i | .).

    An estimator of the bound's gradient then estimates the gradient of the bound less the penalty, in nats per active
    unit, times their expected number. A layer's local signal has the penalties of its own units and of those above.

    Example:
        >>> words, prior = torch.tensor([[-9.0]]), torch.tensor([[-2.0]])
        >>> add_sparsity_penalty((words, prior), [torch.tensor([[[1.0, 0.0, 1.0]]])], 0.5)
        (tensor([[-9.]]), tensor([[-3.]]))
    """
    if not isinstance(penalty, Tensor) and not penalty:
        return tuple(log_p)
    visible, *hidden = log_p
    return (visible, *(term - penalty * layer.sum(-1) for term, layer in zip(hidden, samples, strict=True)))


def leave_one_out(signal: Tensor) -> Tensor:
    """Return for each sample the mean signal of the other samples of its document, `[S, B] -> [S, B]`.

    As a baseline it depends on the input without being learned. The samples of a document are independent given x, so
    subtracting it changes the variance of the gradient and not its mean.

    Source: Mnih & Rezende (2016), section 2.2, for the local baseline; Kool, van Hoof & Welling (2019) for this form.

    Example:
        >>> leave_one_out(torch.tensor([[1.0], [2.0], [6.0]]))
        tensor([[4.0000],
                [3.5000],
                [1.5000]])
    """
    return (signal.sum(0) - signal) / (len(signal) - 1)


def signal_moments(signals: Sequence[Tensor]) -> Tensor:
    """Return count, mean and variance over samples and documents of each signal, `[L, 3]`; zeros for an empty one.

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


def pool_moments(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and variance of all values from the moments of R subsets, `[R, ..., 3] -> [...]` each.

    With weights f_r = n_r / n: m = sum_r f_r m_r and v = sum_r f_r (v_r + (m_r - m)^2).

    Source: Chan, Golub & LeVeque (1983), *Algorithms for computing the sample variance*, on combining subsets.

    Example:
        >>> both = torch.stack([signal_moments([torch.tensor([[1.0]])]), signal_moments([torch.tensor([[3.0, 8.0]])])])
        >>> pool_moments(both), torch.tensor([1.0, 3.0, 8.0]).var(correction=0)
        ((tensor([4.]), tensor([8.6667])), tensor(8.6667))
    """
    counts, means, variances = moments.unbind(-1)
    weights = counts / counts.sum(0)
    mean = (weights * means).sum(0)
    return mean, (weights * (variances + (means - mean).square())).sum(0)


class RunningMoments(NamedTuple):
    """Exponential moving averages of the mean and variance of learning signals, c and v in the paper, each `[L]`."""

    mean: Tensor
    variance: Tensor


def update_moments(
    moments: RunningMoments, signals: Sequence[Tensor], decay: float, gather: Gather = no_gather
) -> RunningMoments:
    """Return a c + (1 - a) mean(l) and a v + (1 - a) var(l), over all samples and documents of the batch.

    a is the decay, the weight of the past; c and v are the moments before the batch. By default there is one process.

    Source: Mnih & Gregor (2014), supplement, Algorithm 1; a = 0.8 there.

    Example:
        >>> start = RunningMoments(torch.zeros(1), torch.zeros(1))
        >>> update_moments(start, [torch.tensor([[4.0, 6.0]])], decay=0.8)
        RunningMoments(mean=tensor([1.0000]), variance=tensor([0.2000]))
    """
    mean, variance = pool_moments(gather(signal_moments(signals)))
    return RunningMoments(torch.lerp(mean, moments.mean, decay), torch.lerp(variance, moments.variance, decay))


def center(signal: Tensor, moments: RunningMoments) -> Tensor:
    """Return l - c."""
    return signal - moments.mean


def normalize(signal: Tensor, moments: RunningMoments) -> Tensor:
    """Return l / max(1, sqrt v): signals with a standard deviation below one nat are not scaled up.

    Source: Mnih & Gregor (2014), section 2.3.2 ("variance normalization").
    """
    return signal / moments.variance.sqrt().clamp(min=1.0)
