"""A callback that interrupts a training, for tests of resuming."""

from docnvil.training.callbacks import Callback
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
