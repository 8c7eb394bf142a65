"""The training loop: Algorithm 1 of the supplement of Mnih & Gregor (2014). Does no file I/O.

Axes: S samples, B documents of a batch, N documents, V vocabulary, K units. Unit: nats.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docnvil.analysis.perplexity import DocumentBounds, Perplexity, document_bounds
from docnvil.batches import Batch, copy_to_device, iterate_batches, random_order
from docnvil.errors import TrainingError
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.bounds import sum_terms
from docnvil.nvil.nvil import Losses
from docnvil.nvil.signals import add_sparsity_penalty, pool_moments, signal_moments
from docnvil.runtime.device_operations import on_device, operations
from docnvil.runtime.devices import to_device
from docnvil.runtime.precision import likelihood_products, tf32_products
from docnvil.runtime.profiling import NoProfile
from docnvil.runtime.randomness import KeyedGenerator, stream, stream_seed
from docnvil.text.sparse import CountRows, SelectedRows, row_sums
from docnvil.training.finite import SMALLER_RATE, FiniteWatch
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, sampled_log_q
from docnvil.training.records import EpochRecord
from docnvil.training.state import Training

NO_PROFILE = NoProfile()
SLEEP_SHARE = 0.25  # documents sampled for the sleep phase, relative to the batch: they cost time, and few are enough


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
    lengths = None if model.device.type == "cpu" else row_sums(counts, np.float64)
    while not training.finished:
        started, epoch = time.perf_counter(), training.epoch
        totals, watch = _EpochTotals(model.device), FiniteWatch(training, counts)
        schedule = training.schedule
        if epoch == schedule.plateau:
            model.load_state_dict(training.best_parameters)
        for number, batch in enumerate(
            profile.each("drawing batches", _batches(training, counts, device_counts, lengths))
        ):
            n_documents = min(config.batch_size, counts.shape[0] - number * config.batch_size)
            rate = schedule.learning_rate(number / n_batches)
            penalty_scale = schedule.penalty_scale(number / n_batches)
            generator = KeyedGenerator(stream_seed(config.seed, "samples", epoch), batch.keys)
            with tf32_products(config.precision):
                losses, samples = update(training, batch, generator, rate, penalty_scale, profile, n_documents, watch)
            totals.add(losses, samples, penalty=training.penalties.sparsity * penalty_scale)
            on_batch(n_documents)
        watch.check_epoch()
        with profile.phase("validation"):
            result = _validate(training, validation)
        record = _record(training, totals.means(training), result, rate, updates=(epoch + 1) * n_batches)
        if record.best:
            training.best_parameters = {name: value.clone() for name, value in model.state_dict().items()}
        training.history.append(record)
        training.epoch_seconds.append(time.perf_counter() - started)
        yield record


def update(
    training: Training,
    batch: Batch,
    generator: KeyedGenerator,
    learning_rate: float,
    penalty_scale: float,
    profile: NoProfile = NO_PROFILE,
    n_documents: int | None = None,
    watch: FiniteWatch | None = None,
) -> tuple[Losses, Samples]:
    """Make one parameter update, and return its losses and the samples of q.

    Arguments:
        training: the state, changed in place.
        batch: B documents.
        generator: for the samples of q.
        learning_rate: learning rate of the generative model.
        penalty_scale: factor of the penalties on weights and units, from 0 to 1.
        profile: measures the time of each phase.
        n_documents: the documents of this batch of all processes; None for those of this one.
        watch: stops the training when the loss is NaN or infinite.
    """
    model, config, optimizer = training.model, training.config, training.optimizer
    estimator = GRADIENT_ESTIMATORS[config.gradient]
    with profile.phase("sampling q"):
        samples = estimator.sample(model.recognition, batch.counts, config.n_samples, generator)
    with profile.phase("log p"), likelihood_products(config.precision, model.device):
        log_p = model.generative.log_prob_terms(batch.counts, samples)  # x|h1, h1|h2, ..., hn: [S, B]
        log_p = add_sparsity_penalty(log_p, samples, training.penalties.sparsity * penalty_scale)
    with profile.phase("log q"):
        log_q = model.recognition.log_prob_terms(batch.counts, samples)  # h1|x, h2|h1, ...: [S, B]
    with profile.phase("gradient surrogate"):
        losses = training.gradient(log_p, log_q, *estimator.inputs(model, batch.counts, samples, generator))
    if config.sleep:
        with profile.phase("sampled documents"):
            losses = replace(
                losses, total=losses.total - config.sleep * _sleep(training, batch, n_documents or len(batch.counts))
            )
    if training.codes is not None:
        with profile.phase("neighbor codes"):
            codes = training.codes[batch.keys][None].to(samples[0])  # [1, B, K]
            log_q_codes = sum_terms(model.recognition.log_prob_terms(batch.counts, (codes,))).sum()
            losses = replace(losses, total=losses.total - config.neighbor_codes * log_q_codes)
    if watch is not None:
        watch.check(batch, losses)
    with profile.phase("backward"):
        optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
    with profile.phase("optimizer"):
        training.penalties.add_gradient(model.generative.visible.weight, len(batch.counts), penalty_scale)
        parameters = (each for group in optimizer.param_groups for each in group["params"])
        training.processes.all_reduce(each.grad for each in parameters if each.grad is not None)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * group["lr_scale"]
        optimizer.step()
    detached = replace(losses, total=losses.total.detach())  # frees what backward kept
    return detached, tuple(layer.detach() for layer in samples)


def _sleep(training: Training, batch: Batch, n_documents: int) -> Tensor:
    """Return the sum over a batch of log q(h | x) of documents sampled from p, estimated with fewer documents.

    They have the lengths of the first of the batch's `n_documents`, whose order is random; each process samples those
    that have the lengths of its own documents.
    """
    n_sampled = math.ceil(SLEEP_SHARE * n_documents)
    n_own = len(range(n_sampled)[training.processes.shard])
    if not n_own:
        return batch.counts.values.new_zeros(())
    generator = KeyedGenerator(stream_seed(training.config.seed, "sleep", training.epoch), batch.keys[:n_own])
    log_q = sampled_log_q(training.model, batch.counts.lengths[:n_own], generator, batch.counts.longest)
    return sum_terms(log_q).sum() * (n_documents / n_sampled)


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
        if on_device(losses.signal):
            self._sums.append(operations().update_sums(losses.signal, losses.residuals[0], samples, penalty))
            self._sizes.append(losses.residuals[0].numel())
            return
        units_on = sum(layer.mean(0).sum() for layer in samples)
        self._bound += losses.signal.mean(0).sum() + penalty * units_on
        self._units_on += units_on
        self._moments.append(signal_moments(losses.residuals[:1]))

    def means(self, training: Training) -> list[float]:
        """Return the bound and the active units per document, and the deviation of the learning signal."""
        if self._sums:
            self._add_sums()
        training.processes.all_reduce((self._bound, self._units_on))
        _, variances = pool_moments(training.processes.all_gather(torch.cat(self._moments)))  # [n_batches]
        n_documents = training.n_documents
        means = (self._bound / n_documents, self._units_on / n_documents, variances.sqrt().mean())
        return torch.stack(means).cpu().tolist()

    def _add_sums(self) -> None:
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
        raise TrainingError(
            f"The validation bound became NaN or infinite in epoch {training.epoch + 1}. {SMALLER_RATE}"
        )
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
