"""Gradients from several samples of q a document, compared with one another: RLOO, VIMCO, reweighted wake-sleep.

Axes: S samples, B documents of a batch, B' dreamed documents. Unit: nats.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from docnvil.nvil.bounds import importance_weighted_bound, total
from docnvil.nvil.nvil import Losses, nvil_surrogate
from docnvil.nvil.signals import learning_signal, leave_one_out


def rloo(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient is REINFORCE's with the mean of the other samples as baseline, and nothing else.

    -sum_b mean_s [grad log p(x, h_s) + (l_s - mean_(r != s) l_r) grad log q(h_s | x)], unbiased for the ELBO. It is
    NVIL with that baseline, the whole signal, and neither centering nor normalization.

    Source: Kool, van Hoof & Welling (2019), *Buy 4 REINFORCE samples, get a baseline for free!*

    Arguments:
        log_p: p's terms, log_q: q's terms, each `[S, B]`, with S of at least 2.

    Example:
        Two samples with signals 3 and 1 are each other's baselines:

        >>> log_q = torch.zeros(2, 1, requires_grad=True)
        >>> rloo([torch.tensor([[3.0], [1.0]])], [log_q]).total.backward()
        >>> log_q.grad.tolist()  # minus (3 - 1) / 2 and minus (1 - 3) / 2
        [[-1.0], [1.0]]
    """
    signal = _signal(log_p, log_q)
    compared = signal - leave_one_out(signal)
    return Losses(nvil_surrogate(log_p, log_q, [compared] * len(log_q)), signal, (compared,))


def vimco(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient is VIMCO's: unbiased for the importance-weighted bound of S samples.

    With w_s = p(x, h_s) / q(h_s | x), L = log mean_s w_s, and L_-s the same with w_s replaced by the geometric mean of
    the others: -sum_b sum_s [(L - L_-s) grad log q(h_s | x) + (w_s / sum_r w_r) grad log w_s].

    Source: Mnih & Rezende (2016), *Variational inference for Monte Carlo objectives*, its per-sample learning
    signals with the geometric mean.

    Arguments:
        log_p: p's terms, log_q: q's terms, each `[S, B]`, with S of at least 2.

    Example:
        Samples that are equally good have nothing to tell q apart by:

        >>> log_q = torch.zeros(2, 1, requires_grad=True)
        >>> vimco([torch.tensor([[3.0], [3.0]])], [log_q]).total.backward()
        >>> log_q.grad.tolist()  # grad log w alone, half a weight each
        [[0.5], [0.5]]
    """
    signal = _signal(log_p, log_q)  # log w
    n_samples = len(signal)
    bound = importance_weighted_bound(signal, torch.zeros_like(signal))  # [B]
    own = torch.eye(n_samples, dtype=torch.bool, device=signal.device)[:, :, None]
    replaced = torch.where(own, leave_one_out(signal)[:, None], signal)  # [S, S, B], the row's own sample replaced
    advantage = bound - (torch.logsumexp(replaced, 1) - math.log(n_samples))  # [S, B]
    log_p_total, log_q_total = total(log_p), total(log_q)
    objective = advantage * log_q_total + _weights(signal) * (log_p_total - log_q_total)
    return Losses(-objective.sum(), signal, (advantage,))


def reweighted_wake_sleep(log_p: Sequence[Tensor], log_q: Sequence[Tensor], dreamed_log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient is reweighted wake-sleep's: p learns awake, q learns awake and asleep.

    With W_s = w_s / sum_r w_r and w_s = p(x, h_s) / q(h_s | x), awake: -sum_b sum_s W_s grad [log p(x, h_s) +
    log q(h_s | x)]; asleep: -sum_b grad log q(h_b | x_b), with (x_b, h_b) drawn from p. Both updates of q are added.
    p's gradient is that of the importance-weighted bound of S samples; q's follows no bound: its two parts lower
    KL(p(h | x) || q(h | x)), over the documents (up to the bias of self-normalized weights) and over dreams.

    Source: Bornschein & Bengio (2015), *Reweighted wake-sleep*: its updates of p, and of q in the wake and in the sleep
    phase.

    Arguments:
        log_p, log_q: the terms of the waking documents, each `[S, B]`; with S of 1 this is wake-sleep whose q learns
            from its own samples too.
        dreamed_log_q: q's terms of the dreamed documents and units, each `[1, B']`.
    """
    signal = _signal(log_p, log_q)  # log w
    awake = (_weights(signal) * (total(log_p) + total(log_q))).sum()
    asleep = total(dreamed_log_q).mean(0).sum()
    return Losses(-awake - asleep, signal, (signal,))


def _signal(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Tensor:
    return learning_signal([term.detach() for term in log_p], [term.detach() for term in log_q])


def _weights(log_weights: Tensor) -> Tensor:
    """Self-normalized importance weights, w_s / sum_r w_r, `[S, B]`."""
    return torch.softmax(log_weights, 0)
