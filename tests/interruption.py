"""A callback that interrupts a training, for tests of resuming."""

from pathlib import Path
from typing import Any

import pytest
import torch

import docnvil
from docnvil.storage.checkpoints import CheckpointWriter, read_checkpoint
from docnvil.training.callbacks import Callback
from docnvil.training.fitted_model import FittedModel
from docnvil.training.records import EpochRecord
from docnvil.training.state import Training


class Interrupted(Exception):  # noqa: N818 (what a test raises is no error of the library)
    """Raised in place of a process that dies."""


class InterruptAfter(Callback):
    """Raises `Interrupted` after an epoch.

    Arguments:
        epoch: the last epoch that is done.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_epoch(self, training: Training, record: EpochRecord) -> None:
        if record.epoch == self._epoch:
            raise Interrupted


def check_resumed_training(fitted: FittedModel, counts: Any, checkpoint: Path) -> None:
    """Train `fitted` again, interrupted after two epochs and resumed: the history and all parameters must be equal."""
    with pytest.raises(Interrupted):
        docnvil.fit(counts, fitted.settings, callbacks=(CheckpointWriter(checkpoint), InterruptAfter(2)))
    resumed = docnvil.fit(counts, fitted.settings, resume_from=read_checkpoint(checkpoint))
    assert resumed.history == fitted.history
    for name, value in fitted.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name
