"""Callbacks: functions that `fit` calls during training."""

from docnvil.training.records import EpochRecord
from docnvil.training.state import Training


class Callback:
    """Receives the events of training; override the methods that are needed.

    Example:
        >>> class Printer(Callback):
        ...     def on_epoch(self, training, record):
        ...         print(f"epoch {record.epoch}: {record.validation_bound:.1f} nats per document")
    """

    follows_preparation = False  # whether it also receives the events of a model that is trained for the start

    def on_start(self, training: Training) -> None:
        """Do something before the first epoch; a checkpoint to resume is loaded already."""

    def on_batch(self, training: Training, n_documents: int) -> None:
        """Do something after an update.

        Arguments:
            training: the training.
            n_documents: the number of documents in the batch.
        """

    def on_epoch(self, training: Training, record: EpochRecord) -> None:
        """Do something after an epoch; an exception stops the training.

        Arguments:
            training: the training.
            record: the figures of the epoch.
        """
