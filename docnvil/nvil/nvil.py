"""NVIL: losses whose gradients are the published estimators of the bound's gradient.

Nothing here knows the models: the gradient sees the layers' log-probabilities, and what each layer of q conditions on,
and hands back a loss to differentiate.

Axes: S samples, B documents of a batch. Unit: nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from docnvil.errors import ConfigurationError
from docnvil.nvil.bounds import total
from docnvil.nvil.signals import (
    Gather,
    RunningMoments,
    centered,
    learning_signal,
    leave_one_out,
    local_learning_signals,
    no_gather,
    normalized,
    update_moments,
)

BaselineKind = Literal["learned", "leave-one-out", "none"]


@dataclass(frozen=True)
class Losses:
    """What one minibatch gives.

    Arguments:
        total: a scalar; its value means nothing, its gradient is minus the estimated gradient of the bound, summed
            over documents and averaged over samples (plus the gradient that fits learned baselines).
        signal: `[S, B]`, log p(x, h) - log q(h | x), whose mean is the bound.
        residuals: each layer's signal after its baseline, before it is centered and normalized, each `[S, B]`.
    """

    total: Tensor
    signal: Tensor
    residuals: tuple[Tensor, ...]


def nvil_surrogate(log_p: Sequence[Tensor], log_q: Sequence[Tensor], signals: Sequence[Tensor]) -> Tensor:
    """Return a scalar whose gradient is -sum_b mean_s [grad log p + sum_i l_i grad log q_i].

    Only its gradient has a meaning: signals are held fixed.

    Source: Mnih & Gregor (2014), equations 3 and 4.

    Arguments:
        log_p: p's terms, each `[S, B]`; log_q: q's terms, each `[S, B]`; signals: one a layer of q, each `[S, B]`.
    """
    weighted = [signal.detach() * term for signal, term in zip(signals, log_q, strict=True)]
    return -total((*log_p, *weighted)).mean(0).sum()


class NVIL(nn.Module):
    """Neural variational inference and learning: the gradient of the bound with its three variance reductions.

    Source: Mnih & Gregor (2014), section 2.3 and supplement, Algorithm 1.

    Arguments:
        n_layers: layers of q.
        baseline: "learned" for the input-dependent baseline networks, which must then be given; "leave-one-out" for
            the mean signal of the document's other samples (needs S of at least 2); or "none".
        networks: one baseline network a layer, called with what that layer conditions on.
        center: subtract the running mean c; after leave-one-out, whose residuals sum to zero, that is nothing.
        normalize: divide by max(1, running standard deviation).
        local: give each layer of q its local learning signal instead of the whole one.
        decay: a, the weight of the past in the running moments.
        moments_first: update the moments before using them, as published. The signal then contains a little of
            itself; with False the previous moments are used and the estimator is exactly unbiased.
        gather: brings together the moments of a batch of which this is one part; see `update_moments`.
    """

    def __init__(
        self,
        n_layers: int,
        *,
        baseline: BaselineKind = "learned",
        networks: Sequence[nn.Module] = (),
        center: bool = True,
        normalize: bool = True,
        local: bool = True,
        decay: float = 0.8,
        moments_first: bool = True,
        gather: Gather = no_gather,
    ) -> None:
        super().__init__()
        if len(networks) != (n_layers if baseline == "learned" else 0):
            raise ConfigurationError("A learned baseline needs one network a layer, and the other kinds need none.")
        self.baseline: BaselineKind = baseline
        self.networks = nn.ModuleList(networks)
        self.center, self.normalize, self.local = center, normalize, local
        self.decay, self.moments_first, self.all_gather = decay, moments_first, gather
        self.register_buffer("means", torch.zeros(n_layers))
        self.register_buffer("variances", torch.zeros(n_layers))

    def forward(self, log_p: Sequence[Tensor], log_q: Sequence[Tensor], parents: Sequence[object]) -> Losses:
        """Turn one minibatch's terms into losses, and renew the moments.

        Arguments:
            log_p: terms log p(x | h1), log p(h1 | h2), ..., log p(hn), each `[S, B]`.
            log_q: terms log q(h1 | x), log q(h2 | h1), ..., each `[S, B]`.
            parents: what each layer of q conditions on; learned baselines see it.
        """
        fixed_p, fixed_q = [term.detach() for term in log_p], [term.detach() for term in log_q]
        whole = learning_signal(fixed_p, fixed_q)
        raw = local_learning_signals(fixed_p, fixed_q) if self.local else (whole,) * len(log_q)

        predictions = [network(parent) for network, parent in zip(self.networks, parents, strict=False)]
        residuals = tuple(self._less_baseline(signal, layer, predictions) for layer, signal in enumerate(raw))
        signals = self._settled(residuals)

        loss = nvil_surrogate(log_p, log_q, signals)
        for signal, prediction in zip(signals, predictions, strict=False):
            loss = loss - (signal * prediction).mean(0).sum()  # "l_i grad C(x_i)" of Algorithm 1
        return Losses(loss, whole, residuals)

    def _less_baseline(self, signal: Tensor, layer: int, predictions: Sequence[Tensor]) -> Tensor:
        if self.baseline == "learned":
            return signal - predictions[layer].detach()
        if self.baseline == "leave-one-out":
            if len(signal) < 2:
                raise ConfigurationError(
                    "The leave-one-out baseline compares a document's samples, so it needs at least 2 of them."
                    " Ask for more samples, or for the learned baseline."
                )
            return signal - leave_one_out(signal)
        return signal

    def _settled(self, signals: Sequence[Tensor]) -> list[Tensor]:
        """Center and normalize by the running moments, renewed before or after as `moments_first` says."""
        before = RunningMoments(self.means.clone(), self.variances.clone())
        after = update_moments(before, signals, self.decay, self.all_gather)
        self.means.copy_(after.mean)
        self.variances.copy_(after.variance)
        settled = []
        for signal, *moments in zip(signals, *(after if self.moments_first else before), strict=True):
            of_layer = RunningMoments(*moments)
            if self.center:
                signal = centered(signal, of_layer)
            settled.append(normalized(signal, of_layer) if self.normalize else signal)
        return settled
