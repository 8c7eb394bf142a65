"""Record of an epoch, as it is saved in history.csv."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """The figures of one epoch.

    Arguments:
        epoch: counted from 1.
        updates: parameter updates so far.
        train_bound: mean ELBO of the training samples, nats per document, while the parameters changed.
        validation_bound: mean ELBO of the validation documents, nats per document.
        validation_perplexity: perplexity of the validation documents, averaged per document.
        units_on: mean number of units that q switches on per training document.
        signal_deviation: standard deviation of the first layer's learning signal after its baseline, in nats.
        learning_rate: learning rate at the end of the epoch.
        best: whether the parameters are the best so far.
    """

    epoch: int
    updates: int
    train_bound: float
    validation_bound: float
    validation_perplexity: float
    units_on: float
    signal_deviation: float
    learning_rate: float
    best: bool


def best_of(history: Sequence[EpochRecord]) -> EpochRecord:
    """Return the record of the epoch with the best validation bound."""
    return max((record for record in history if record.best), key=lambda record: record.epoch)
