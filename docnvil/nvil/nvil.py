"""NVIL: losses whose gradient is the published estimate of the bound's gradient.

Nothing in this package depends on the models: an estimator gets the layers' log-probabilities and the inputs of the
layers of q, and returns a loss to differentiate.

Axes: S samples, B documents of a batch. Unit: nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from docnvil.errors import ConfigurationError
from docnvil.nvil.bounds import sum_terms
from docnvil.nvil.signals import (
    Gather,
    RunningMoments,
    center,
    detach_terms,
    learning_signal,
    leave_one_out,
    local_learning_signals,
    no_gather,
    normalize,
    update_moments,
)
from docnvil.runtime.device_operations import on_device, operations

BaselineKind = Literal["learned", "leave-one-out", "none"]


@dataclass(frozen=True)
class Losses:
    """The result of an estimator for one batch.

    Arguments:
        total: a scalar to differentiate; its value has no meaning. Its gradient is minus the estimated gradient of the
            objective, summed over documents and averaged over samples, plus the gradient of learned baselines.
        signal: `[S, B]`, l(x, h) = log p(x, h) - log q(h | x), whose mean is the bound.
        residuals: the signal of each layer after its baseline, before centering and normalization, each `[S, B]`.
    """

    total: Tensor
    signal: Tensor
    residuals: tuple[Tensor, ...]


def nvil_surrogate(log_p: Sequence[Tensor], log_q: Sequence[Tensor], signals: Sequence[Tensor]) -> Tensor:
    """Return a scalar whose gradient is -sum_b mean_s [grad log p + sum_i l_i grad log q_i].

    Only its gradient has a meaning: no gradient flows through the signals.

    Source: Mnih & Gregor (2014), equations 3 and 4.
    """
    weighted = [signal.detach() * term for signal, term in zip(signals, log_q, strict=True)]
    return -sum_terms((*log_p, *weighted)).mean(0).sum()


class _DeviceSurrogate(torch.autograd.Function):
    """A scalar, always 0, with the gradient of `nvil_surrogate`, which is computed without the scalar's value."""

    @staticmethod
    def forward(ctx, signals: Tensor, n_terms: int, *terms: Tensor) -> Tensor:
        ctx.save_for_backward(signals)
        ctx.n_terms = n_terms
        return signals.new_zeros(())

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (signals,) = ctx.saved_tensors  # [L, S, B]
        share = gradient / -signals.shape[1]
        return None, None, *[share.expand(signals.shape[1:])] * ctx.n_terms, *(share * signals)


class NVIL(nn.Module):
    """Neural variational inference and learning: the bound's gradient with three reductions of its variance.

    Source: Mnih & Gregor (2014), section 2.3 and supplement, Algorithm 1.

    Arguments:
        n_layers: the number of layers of q.
        baseline: "learned" for input-dependent baseline networks; "leave-one-out" for the mean signal of the other
            samples of the document (needs S of at least 2); or "none".
        networks: the baseline networks if the baseline is learned, C_i(x_i), one per layer; each is called with the
            input of its layer of q.
        center: whether to subtract the running mean c. Leave-one-out residuals already sum to zero over samples.
        normalize: whether to divide by max(1, sqrt v), the running standard deviation.
        local: whether each layer of q gets its local learning signal instead of the whole one.
        decay: a, the weight of the past in the running moments.
        moments_first: whether to update the moments before using them, as published. The moments then depend on the
            samples of the batch; with False the estimate is exactly unbiased.
        gather: all-gather over the processes that share a batch, see `update_moments`.
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
            raise ConfigurationError("A learned baseline needs one network per layer; the other baselines need none.")
        self.baseline: BaselineKind = baseline
        self.networks = nn.ModuleList(networks)
        self.center, self.normalize, self.local = center, normalize, local
        self.decay, self.moments_first, self.gather = decay, moments_first, gather
        self.register_buffer("means", torch.zeros(n_layers))
        self.register_buffer("variances", torch.zeros(n_layers))

    def forward(self, log_p: Sequence[Tensor], log_q: Sequence[Tensor], parents: Sequence[object]) -> Losses:
        """Return losses whose gradient is NVIL's, and update the moments.

        -sum_b mean_s [grad log p + sum_i l_i (grad log q_i + grad C_i)], with l_i after its variance reductions. The
        terms are as in `docnvil.nvil.signals`; learned baselines need the parents x_i, the input of each layer of q.
        """
        if self._in_few_kernels(log_q[0]):
            return self._forward_on_device(log_p, log_q)
        fixed_p, fixed_q = detach_terms(log_p, log_q)
        whole = learning_signal(fixed_p, fixed_q)
        raw = local_learning_signals(fixed_p, fixed_q) if self.local else (whole,) * len(log_q)

        predictions = [network(parent) for network, parent in zip(self.networks, parents, strict=False)]
        residuals = tuple(self._subtract_baseline(signal, layer, predictions) for layer, signal in enumerate(raw))
        signals = self._reduce_variance(residuals)

        loss = nvil_surrogate(log_p, log_q, signals)
        for signal, prediction in zip(signals, predictions, strict=False):
            loss = loss - (signal * prediction).mean(0).sum()  # "l_i grad C(x_i)" of Algorithm 1
        return Losses(loss, whole, residuals)

    def _in_few_kernels(self, term: Tensor) -> bool:
        """Return whether one operation of the device computes the signals: of one process, without networks."""
        few_samples = self.baseline == "leave-one-out" and len(term) < 2  # an error
        return on_device(term) and self.baseline != "learned" and self.gather is no_gather and not few_samples

    def _forward_on_device(self, log_p: Sequence[Tensor], log_q: Sequence[Tensor]) -> Losses:
        fixed_p, fixed_q = detach_terms(log_p, log_q)
        whole, residuals, signals = operations().nvil(
            fixed_p, fixed_q, self.means, self.variances, self.decay, self.baseline == "leave-one-out", self.center,
            self.normalize, self.local, self.moments_first,
        )  # fmt: skip
        return Losses(_DeviceSurrogate.apply(signals, len(log_p), *log_p, *log_q), whole, tuple(residuals))

    def _subtract_baseline(self, signal: Tensor, layer: int, predictions: Sequence[Tensor]) -> Tensor:
        if self.baseline == "learned":
            return signal - predictions[layer].detach()
        if self.baseline == "leave-one-out":
            if len(signal) < 2:
                raise ConfigurationError(
                    "The leave-one-out baseline compares the samples of a document, and there is 1 sample."
                    " Use at least 2 samples, or the learned baseline."
                )
            return signal - leave_one_out(signal)
        return signal

    def _reduce_variance(self, signals: Sequence[Tensor]) -> list[Tensor]:
        """Center and normalize the signals by the running moments, and update these."""
        before = RunningMoments(self.means.clone(), self.variances.clone())
        after = update_moments(before, signals, self.decay, self.gather)
        self.means.copy_(after.mean)
        self.variances.copy_(after.variance)
        reduced = []
        for signal, *moments in zip(signals, *(after if self.moments_first else before), strict=True):
            of_layer = RunningMoments(*moments)
            if self.center:
                signal = center(signal, of_layer)
            reduced.append(normalize(signal, of_layer) if self.normalize else signal)
        return reduced
