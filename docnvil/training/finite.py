"""Detection of NaN and infinite numbers during training; the message names the update, the tensor and the documents.

Axes: S samples, B documents of a batch.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from docnvil.batches import Batch
from docnvil.errors import TrainingError
from docnvil.nvil.nvil import Losses
from docnvil.runtime.device_operations import on_device
from docnvil.text.sparse import CountRows, SelectedRows
from docnvil.training.state import Training

UPDATES_PER_CHECK = 1000  # on a GPU, where each check waits for the device
MAX_ROWS = 10  # documents named in a message
SMALLER_RATE = "Try a smaller --learning-rate."


class FiniteWatch:
    """Checks the loss of each update of an epoch before its gradient is computed.

    A number that is not finite in a parameter reaches the loss of the next update. The gradients and the optimizer's
    moments of the update before are then still there, and show where it came from. That costs one comparison per
    update. On a GPU, few updates are checked, so that a parameter may have become invalid in any update before.

    Arguments:
        training: the state.
        counts: the training documents, whose rows are named.
    """

    def __init__(self, training: Training, counts: CountRows) -> None:
        self._training, self._counts = training, counts
        self._on_device = on_device(training.model.generative.prior.bias)
        self._update = 0
        self._previous: Tensor | None = None  # keys of the documents of the update before

    def check(self, batch: Batch, losses: Losses) -> None:
        """Raise `TrainingError` if the loss is not finite; call this before the gradients are cleared."""
        self._update += 1
        if not self._on_device:
            is_finite = math.isfinite(losses.total.item())
        else:  # the value of the loss does not contain the bound there
            is_finite = self._update % UPDATES_PER_CHECK or bool(torch.isfinite(losses.total + losses.signal.sum()))
        if not is_finite:
            self._stop(batch, losses)
        self._previous = batch.keys

    @property
    def reads_next(self) -> bool:
        """Whether the host reads the loss of the next update on a GPU."""
        return (self._update + 1) % UPDATES_PER_CHECK == 0

    def skip(self) -> None:
        """Count an update that is not checked."""
        self._update += 1

    def check_state(self) -> None:
        """Raise `TrainingError` if a tensor of the state is not finite, whichever update that is from."""
        name = first_not_finite(self._training.state())
        if name is not None:
            raise self._error(name, f"update {self._update}", None)

    def _stop(self, batch: Batch, losses: Losses) -> None:
        now, before = f"update {self._update}", f"update {self._update - 1}"
        rows = _rows_not_finite(batch)
        if len(rows):
            remedy = "Correct these counts."
            raise self._error("counts", now, batch.keys[rows], remedy)
        training = self._training
        if self._on_device:
            self.check_state()
        name = first_not_finite(dict(training.model.named_parameters()))
        if name is not None:
            cause = first_not_finite(_gradients(training)) or first_not_finite(_moments(training)) or name
            raise self._error(cause, before if self._update > 1 else "its start", self._previous)
        name = first_not_finite(training.gradient.state_dict())
        if name is not None:
            raise self._error(f"gradient.{name}", before, self._previous)
        rows = (~torch.isfinite(losses.signal)).any(0).nonzero()[:, 0]
        raise self._error("bound", now, batch.keys[rows] if len(rows) else batch.keys)

    def _error(self, name: str, update: str, keys: Tensor | None, remedy: str = SMALLER_RATE) -> TrainingError:
        documents = "" if keys is None else f" ({self._documents(keys)})"
        return TrainingError(
            f"Training stopped in epoch {self._training.epoch + 1}, {update}{documents}: {name} became NaN or infinite."
            f" {remedy}"
        )

    def _documents(self, keys: Tensor) -> str:
        """Return the rows of documents in the corpus."""
        rows = keys.cpu().numpy()
        if isinstance(self._counts, SelectedRows):
            rows = self._counts.rows[rows]
        listed = ", ".join(map(str, np.sort(rows)[:MAX_ROWS].tolist()))
        more = f" and {len(rows) - MAX_ROWS:,} more" if len(rows) > MAX_ROWS else ""
        return f"documents in rows {listed}{more}, from 0"


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with a NaN or infinite number, or None.

    Example:
        >>> first_not_finite({"weight": torch.ones(2), "bias": torch.tensor([0.0, torch.inf])})
        'bias'
    """
    if not tensors:
        return None
    device = next(iter(tensors.values())).device
    finite = torch.stack([torch.isfinite(value).all().to(device) for value in tensors.values()]).cpu()  # one wait
    return next((name for name, is_finite in zip(tensors, finite, strict=True) if not is_finite), None)


def _rows_not_finite(batch: Batch) -> Tensor:
    """Return which documents of a batch have counts that are not finite."""
    invalid = ~torch.isfinite(batch.counts.values)
    return batch.counts.documents[invalid].unique() if invalid.any() else invalid.nonzero()[:, 0]


def _named(training: Training) -> Iterator[tuple[str, Tensor]]:
    yield from training.model.named_parameters()
    yield from ((f"gradient.{name}", parameter) for name, parameter in training.gradient.named_parameters())


def _gradients(training: Training) -> dict[str, Tensor]:
    return {f"the gradient of {name}": each.grad for name, each in _named(training) if each.grad is not None}


def _moments(training: Training) -> dict[str, Tensor]:
    states = training.optimizer.state
    return {
        f"the optimizer's {kind} of {name}": value
        for name, each in _named(training)
        for kind, value in states.get(each, {}).items()
    }
