"""Schedules of the learning rate and of the penalties, and when training ends. Importing them does not import torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from docnvil.training.records import EpochRecord
from docnvil.training.settings import TrainingConfig

# The share of the training over which the penalties on weights and units grow to full strength. At full strength from
# the start they would keep the units of a small corpus inactive: these start with low activation and learn slowly.
WARMUP_SHARE = 0.1
FADE_SHARE = 0.2  # of the first learning rate; below it, the penalties fade


@dataclass(frozen=True)
class Schedule:
    """The learning rate and the penalties of one epoch, after the epochs that are finished.

    Arguments:
        config: the settings.
        epoch: the number of finished epochs.
        plateau: the number of finished epochs when `patience` of them in a row had brought no better validation bound;
            None before that. The epochs in which penalties grow do not count, because these can lower the bound.
    """

    config: TrainingConfig
    epoch: int
    plateau: int | None

    @classmethod
    def after(cls, config: TrainingConfig, history: Sequence[EpochRecord]) -> "Schedule":
        """Return the schedule of the epoch that follows on the records of `history`."""
        plateau = None
        if config.patience is not None:
            is_penalized = config.l1 or config.sparsity or config.exclusivity
            latest = WARMUP_SHARE * config.epochs if is_penalized else 0
            for record in history:
                latest = max(latest, record.epoch) if record.best else latest
                if record.epoch - latest >= config.patience:
                    plateau = record.epoch
                    break
        return cls(config, len(history), plateau)

    @property
    def last_epoch(self) -> int:
        """The number of epochs after which training ends.

        After a plateau, a learning rate that decays takes `patience` more epochs to decay to zero.
        """
        if self.plateau is None:
            return self.config.epochs
        cooldown = 0 if self.config.schedule == "constant" else self.config.patience or 0
        return min(self.config.epochs, self.plateau + cooldown)

    def learning_rate(self, share: float) -> float:
        """Return the learning rate of the generative model after a share of the epoch."""
        if self.plateau is None:
            return learning_rate_at(self.config, (self.epoch + share) / self.config.epochs)
        start = learning_rate_at(self.config, self.plateau / self.config.epochs)
        progress = (self.epoch - self.plateau + share) / (self.last_epoch - self.plateau)
        return start * _decay(progress)

    def penalty_scale(self, share: float) -> float:
        """Return the factor of the penalties on weights and units after a share of the epoch, from 0 to 1.

        They grow over the first tenth of the epochs. They fade when a decaying learning rate falls below a fifth of its
        start: what they have selected stays, and the last updates remove their bias.
        """
        growth = (self.epoch + share) / (WARMUP_SHARE * self.config.epochs)
        return min(1.0, growth, self.learning_rate(share) / (FADE_SHARE * self.config.learning_rate))


def learning_rate_at(config: TrainingConfig, progress: float) -> float:
    """Return the learning rate after a share `progress` of all updates.

    Example:
        >>> [round(learning_rate_at(TrainingConfig(learning_rate=0.1), progress), 3) for progress in (0, 0.5, 1)]
        [0.1, 0.05, 0.0]
        >>> learning_rate_at(TrainingConfig(learning_rate=0.1, schedule="constant", warmup=0.5), 0.25)
        0.05
    """
    growth = min(1.0, progress / config.warmup) if config.warmup else 1.0
    return config.learning_rate * growth * (1.0 if config.schedule == "constant" else _decay(progress))


def _decay(progress: float) -> float:
    """Return the factor of a rate that decays from 1 to 0 by half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * progress))
