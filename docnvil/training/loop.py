"""The training loop: Algorithm 1 of the supplement of Mnih & Gregor (2014). Does no file I/O.

Axes: S samples, B documents of a batch, N documents, V vocabulary, K units. Unit: nats.
"""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docnvil.analysis.perplexity import DocumentBounds, Perplexity, document_bounds
from docnvil.batches import Batch, copy_to_device, iterate_batches, random_order
from docnvil.errors import TrainingError
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.nvil import Losses
from docnvil.nvil.signals import pool_moments, signal_moments
from docnvil.runtime.devices import to_device
from docnvil.runtime.profiling import NoProfile
from docnvil.runtime.randomness import KeyedGenerator, stream, stream_seed
from docnvil.text.sparse import CountRows, SelectedRows, row_sums
from docnvil.training.device_updates import DeviceUpdates
from docnvil.training.finite import SMALLER_RATE, FiniteWatch
from docnvil.training.records import EpochRecord
from docnvil.training.state import Training
from docnvil.training.update import NO_PROFILE, update


def train(
    training: Training,
    counts: CountRows,
    validation: CountRows,
    *,
    on_batch: Callable[[int], None] = lambda n_documents: None,
    profile: NoProfile = NO_PROFILE,
) -> Iterator[EpochRecord]:
    """Train until finished and yield a record after each epoch; between epochs, the caller may save, draw or stop.

    The parameters of the best epoch are kept in `training.best_parameters`; `Training.finish` loads them.

    Arguments:
        training: the state, changed in place.
        counts: `[N, V]`, the training documents.
        validation: `[N', V]`, the documents to choose the best epoch by.
        on_batch: called with the number of documents after each update, for progress.
        profile: measures the time of each phase.

    Raises:
        TrainingError: a number became NaN or infinite; callbacks have received all epochs before.
    """
    config, model, processes = training.config, training.model, training.processes
    processes.broadcast(training.state().values())  # k-means on different machines may differ in the last digit
    n_batches = math.ceil(counts.shape[0] / config.batch_size)
    device_counts = copy_to_device(counts, model.device, model.dtype)
    lengths = on_device = None
    if model.device.type != "cpu":
        lengths, on_device = row_sums(counts, np.float64), DeviceUpdates(training, counts, profile)
    while not training.finished:
        started, epoch = time.perf_counter(), training.epoch
        totals, watch = _EpochTotals(model.device), FiniteWatch(training, counts)
        schedule = training.schedule
        if epoch == schedule.plateau:
            model.load_state_dict(training.best_parameters)
        if on_device is not None:
            on_device.start_epoch(n_batches)
        for number, batch in enumerate(
            profile.each("drawing batches", _batches(training, counts, device_counts, lengths))
        ):
            n_documents = min(config.batch_size, counts.shape[0] - number * config.batch_size)
            rate = schedule.learning_rate(number / n_batches)
            if on_device is not None:
                totals.add_sums(*on_device.run(number, batch, n_documents, watch))
            else:
                penalty_scale = schedule.penalty_scale(number / n_batches)
                generator = KeyedGenerator(stream_seed(config.seed, "samples", epoch), batch.keys)
                losses, samples = update(training, batch, generator, rate, penalty_scale, profile, n_documents, watch)
                totals.add(losses, samples, penalty=training.penalties.sparsity * penalty_scale)
            on_batch(n_documents)
        watch.check_state()
        with profile.phase("validation"):
            result = _validate(training, validation)
        record = _record(training, totals.means(training), result, rate, updates=(epoch + 1) * n_batches)
        if record.best:
            training.best_parameters = {name: value.clone() for name, value in model.state_dict().items()}
        training.history.append(record)
        training.epoch_seconds.append(time.perf_counter() - started)
        yield record


def _batches(
    training: Training, counts: CountRows, device_counts: SparseCounts | None, lengths: NDArray[np.float64] | None
) -> Iterator[Batch]:
    """Yield this process's share of every batch of the next epoch."""
    rows = np.arange(counts.shape[0])
    return iterate_batches(
        counts,
        training.config.batch_size,
        keys=rows,
        order=random_order(len(rows), stream(training.config.seed, "shuffle", training.epoch)),
        device=training.model.device,
        dtype=training.model.dtype,
        shard=training.processes.shard,
        device_counts=device_counts,
        lengths=lengths,
    )


class _EpochTotals:
    """Sums over the updates of an epoch, kept on the device to avoid synchronizations."""

    def __init__(self, device: torch.device) -> None:
        self._bound, self._units_on = torch.zeros(2, dtype=torch.float64, device=device)
        self._moments: list[Tensor] = []
        self._sums: list[Tensor] = []  # of updates on a device, whose number of residuals is in `_sizes`
        self._sizes: list[int] = []

    def add(self, losses: Losses, samples: Samples, *, penalty: float) -> None:
        """Add an update; the penalty, in nats per active unit, is removed from the bound."""
        units_on = sum(layer.mean(0).sum() for layer in samples)
        self._bound += losses.signal.mean(0).sum() + penalty * units_on
        self._units_on += units_on
        self._moments.append(signal_moments(losses.residuals[:1]))

    def add_sums(self, sums: Tensor, n_residuals: int) -> None:
        """Add the sums of an update on a device, see `docnvil.runtime.device_formulas.update_sums`."""
        self._sums.append(sums)
        self._sizes.append(n_residuals)

    def means(self, training: Training) -> list[float]:
        """Return the bound and the active units per document, and the deviation of the learning signal."""
        if self._sums:
            self._pool_sums()
        training.processes.all_reduce((self._bound, self._units_on))
        _, variances = pool_moments(training.processes.all_gather(torch.cat(self._moments)))  # [n_batches]
        n_documents = training.n_documents
        means = (self._bound / n_documents, self._units_on / n_documents, variances.sqrt().mean())
        return torch.stack(means).cpu().tolist()

    def _pool_sums(self) -> None:
        """Add the updates on a device to the totals."""
        sums = torch.stack(self._sums)  # [n_batches, 4]
        sizes = to_device(np.array(self._sizes, dtype=np.float64), sums.device)
        mean = sums[:, 2] / sizes.clamp(min=1)
        variance = (sums[:, 3] / sizes.clamp(min=1) - mean.square()).clamp(min=0)
        self._bound, self._units_on = sums[:, 0].sum(), sums[:, 1].sum()
        self._moments = [torch.stack([sizes, mean, variance], 1)]


def _validate(training: Training, validation: CountRows) -> Perplexity:
    """Return the bound of the validation documents; each process computes its share of them."""
    config, processes = training.config, training.processes
    rows = np.arange(validation.shape[0])[processes.shard]
    share = document_bounds(
        training.model, SelectedRows(validation, rows), n_samples=config.validation_samples, seed=config.seed
    )
    values = [share.log_likelihood, share.reconstruction, share.kl, share.lengths]
    bounds = torch.zeros(len(values), validation.shape[0], dtype=torch.float64)
    bounds[:, processes.shard] = torch.from_numpy(np.stack(values))
    processes.all_reduce([bounds])
    return DocumentBounds(*bounds.numpy(), bound="elbo", samples=config.validation_samples).summarize()


def _record(training: Training, means: list[float], result: Perplexity, rate: float, *, updates: int) -> EpochRecord:
    train_bound, units_on, deviation = means
    validation_bound = result.log_likelihood / result.documents
    if not all(map(math.isfinite, (train_bound, validation_bound, result.perplexity_per_document))):
        name = "validation" if math.isfinite(train_bound) else "training"
        raise TrainingError(f"The {name} bound became NaN or infinite in epoch {training.epoch + 1}. {SMALLER_RATE}")
    return EpochRecord(
        epoch=training.epoch + 1,
        updates=updates,
        train_bound=train_bound,
        validation_bound=validation_bound,
        validation_perplexity=result.perplexity_per_document,
        units_on=units_on,
        signal_deviation=deviation,
        learning_rate=rate,
        # The bound does not measure how well q predicts codes of similar documents: the last epoch is the best.
        best=training.codes is not None or not training.history or validation_bound > training.best.validation_bound,
    )
