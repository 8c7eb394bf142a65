"""Gradients that compare several samples of q per document: RLOO, VIMCO, reweighted wake-sleep.

Axes: S samples, at least 2 for RLOO and VIMCO; B documents of a batch, B' documents sampled from the model. The
terms of p and q are as in `docnvil.nvil.signals`. Unit: nats.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from docnvil.nvil.bounds import importance_weighted_bound, sum_terms
from docnvil.nvil.nvil import Losses, nvil_surrogate
from docnvil.nvil.signals import detach_terms, learning_signal, leave_one_out


def rloo(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient is RLOO's: REINFORCE with the mean signal of the other samples as the baseline.

    -sum_b mean_s [grad log p(x, h_s) + (l_s - mean_(r != s) l_r) grad log q(h_s | x)], unbiased for the ELBO. This is
    NVIL with that baseline, the whole signal, and no centering or normalization.

    Source: Kool, van Hoof & Welling (2019), *Buy 4 REINFORCE samples, get a baseline for free!*

    Example:
        Each of two samples, with signals 3 and 1, is the baseline of the other:

        >>> log_q = torch.zeros(2, 1, requires_grad=True)
        >>> rloo([torch.tensor([[3.0], [1.0]])], [log_q]).total.backward()
        >>> log_q.grad.tolist()  # -(3 - 1) / 2 and -(1 - 3) / 2
        [[-1.0], [1.0]]
    """
    signal = learning_signal(*detach_terms(log_p, log_q))
    advantage = signal - leave_one_out(signal)
    return Losses(nvil_surrogate(log_p, log_q, [advantage] * len(log_q)), signal, (advantage,))


def vimco(log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Losses:
    """Return losses whose gradient is VIMCO's: unbiased for the importance-weighted bound of S samples.

    With w_s = p(x, h_s) / q(h_s | x), L = log mean_s w_s, and L_-s the same with w_s replaced by the geometric mean of
    the others: -sum_b sum_s [(L - L_-s) grad log q(h_s | x) + (w_s / sum_r w_r) grad log w_s].

    Source: Mnih & Rezende (2016), *Variational inference for Monte Carlo objectives*, the per-sample learning
    signals with the geometric mean.

    Example:
        Two samples of equal weight have no advantage over each other, and only grad log w is left:

        >>> log_q = torch.zeros(2, 1, requires_grad=True)
        >>> vimco([torch.tensor([[3.0], [3.0]])], [log_q]).total.backward()
        >>> log_q.grad.tolist()
        [[0.5], [0.5]]
    """
    signal = learning_signal(*detach_terms(log_p, log_q))  # log w
    n_samples = len(signal)
    bound = importance_weighted_bound(signal, torch.zeros_like(signal))  # L, [B]
    diagonal = torch.eye(n_samples, dtype=torch.bool, device=signal.device)[:, :, None]
    replaced = torch.where(diagonal, leave_one_out(signal)[:, None], signal)  # [S, S, B]: row s without sample s
    advantage = bound - (torch.logsumexp(replaced, 1) - math.log(n_samples))  # L - L_-s, [S, B]
    log_p_total, log_q_total = sum_terms(log_p), sum_terms(log_q)
    weights = torch.softmax(signal, 0)  # w_s / sum_r w_r
    objective = advantage * log_q_total + weights * (log_p_total - log_q_total)
    return Losses(-objective.sum(), signal, (advantage,))


def reweighted_wake_sleep(
    log_p: Sequence[Tensor], log_q: Sequence[Tensor], model_sample_log_q: Sequence[Tensor]
) -> Losses:
    """Return losses whose gradient is reweighted wake-sleep's: p learns in the wake phase, q in both phases.

    With W_s = w_s / sum_r w_r and w_s = p(x, h_s) / q(h_s | x), the sum of
    wake: -sum_b sum_s W_s grad [log p(x, h_s) + log q(h_s | x)], and
    sleep: -sum_b grad log q(h_b | x_b), with (x_b, h_b) sampled from p.

    p's gradient is that of the importance-weighted bound of S samples. q's gradient follows no bound: its two parts
    reduce KL(p(h | x) || q(h | x)) over the documents (with the bias of self-normalized weights) and over samples
    from the model.

    Source: Bornschein & Bengio (2015), *Reweighted wake-sleep*: the updates of p, and of q in both phases.

    With S of 1 this is wake-sleep whose q also learns from its own samples. `model_sample_log_q` has q's terms of
    documents and units sampled from the model, each `[1, B']`.
    """
    signal = learning_signal(*detach_terms(log_p, log_q))  # log w
    wake = (torch.softmax(signal, 0) * (sum_terms(log_p) + sum_terms(log_q))).sum()  # the softmax is W_s
    sleep = sum_terms(model_sample_log_q).mean(0).sum()
    return Losses(-wake - sleep, signal, (signal,))
