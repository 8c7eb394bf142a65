"""Progress of training on stderr: a bar on a terminal or in a notebook, otherwise occasional lines."""

import sys
import time
from typing import Self

from tqdm.auto import tqdm

from docnvil.training.callbacks import Callback
from docnvil.training.records import EpochRecord
from docnvil.training.state import Training

SECONDS_BETWEEN_LINES = 10.0


class Progress(Callback):
    """Shows epochs, documents and the validation figure, in a bar or else in lines of the main process."""

    follows_preparation = True

    def __init__(self, *, as_bar: bool) -> None:
        self._as_bar = as_bar
        self._bar = tqdm(unit=" docs", unit_scale=True, disable=not as_bar, dynamic_ncols=True)
        self._last_line = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def on_start(self, training: Training) -> None:
        """Set the number of documents to go through."""
        self._bar.total = training.config.epochs * training.n_documents
        self._bar.n = self._bar.initial = training.epoch * training.n_documents

    def on_batch(self, training: Training, n_documents: int) -> None:
        """Advance the bar."""
        self._bar.update(n_documents)

    def on_epoch(self, training: Training, record: EpochRecord) -> None:
        """Show the figures of the epoch."""
        epoch, figures = f"epoch {record.epoch}/{training.config.epochs}", _figures(training, record)
        self._bar.set_description(epoch, refresh=False)
        self._bar.set_postfix_str(figures)
        if not self._as_bar and time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            print(f"{epoch}: {figures}", file=sys.stderr)
            self._last_line = time.monotonic()


def _figures(training: Training, record: EpochRecord) -> str:
    """Return the bound with the best so far, by which the epoch of the model is chosen, and the perplexity."""
    has_perplexity = training.model.generative.visible.reports_perplexity
    digits = 1 if has_perplexity else 2
    bound = f"bound {record.validation_bound:.{digits}f} nats (best {training.best.validation_bound:.{digits}f})"
    return f"{bound}, perplexity {record.validation_perplexity:.0f}" if has_perplexity else bound
