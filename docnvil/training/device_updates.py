"""Updates on a device other than the CPU, which repeats those of equal shape as CUDA graphs.

Batches have the same number of documents, but not of stored counts. They are padded to a few numbers of them, and each
of these has a graph, see `docnvil.runtime.graphs`. The batch, the learning rate, the scale of the penalties and the
seeds of random numbers are copied into tensors that the graph reads. The first update of a shape is computed without a
graph, since it allocates what the optimizer and libraries keep; the second one is recorded.

Axes: S samples, B documents of a batch, L layers of q; nnz stored counts.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from docnvil.batches import Batch, BatchBuffer
from docnvil.errors import first_line, warn
from docnvil.model.rising_factorials import LARGE_COUNT
from docnvil.runtime.device_operations import operations
from docnvil.runtime.devices import to_device
from docnvil.runtime.graphs import GraphRecorder, supports_graphs
from docnvil.runtime.precision import tf32_products
from docnvil.runtime.profiling import NoProfile
from docnvil.runtime.randomness import KeyedGenerator, call_seeds, stream_seed
from docnvil.text.sparse import CountRows, entries_per_row
from docnvil.training.finite import FiniteWatch
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, model_sample_log_q
from docnvil.training.state import Training
from docnvil.training.update import update

MAX_GRAPHS = 64  # graphs of one training; batches of further shapes are updated without one
MAX_LOGITS = 1 << 28  # of a batch: with more, kernels are long, and graphs would keep much memory
MIN_STEP = 64  # stored counts by which the shapes of batches differ, at least
MIN_LONGEST = 256  # tokens; as many random words are drawn at a time

Shape = tuple[int, int, int, int | None]  # documents here and in all processes, stored counts, tokens of the longest
Sums = tuple[Tensor, int]  # the result of `update_sums`, `[4]`, and the number of residuals in it


class DeviceUpdates:
    """Makes the updates of a training, which is changed in place.

    Arguments:
        training: the state, on a device.
        counts: the training documents, whose lengths decide the shapes of graphs.
        profile: measures the time of each phase. Graphs have no phases, so with a profile there are none.
    """

    def __init__(self, training: Training, counts: CountRows, profile: NoProfile) -> None:
        self._training, self._profile = training, profile
        device, config = training.model.device, training.config
        self._rates = self._scales = torch.empty(0, device=device)  # of each update of the epoch
        # A gradient estimator draws samples of q for each layer, at most once per layer, and documents from p.
        n_calls = len(training.model.config.units) ** 2 + 8
        self._seeds = torch.zeros(2, n_calls, dtype=torch.int64, device=device)
        self._samples_documents = bool(config.sleep) or (
            model_sample_log_q in GRADIENT_ESTIMATORS[config.gradient].further_inputs
        )
        self._step = _step(counts, config.batch_size)
        self._repeated: dict[Shape, _RepeatedUpdate] = {}
        self._recorder: GraphRecorder | None = None
        n_logits = config.n_samples * config.batch_size * counts.shape[1]
        is_plain = training.processes.size > 1 or type(profile) is not NoProfile or n_logits > MAX_LOGITS
        if supports_graphs(device) and not is_plain:
            self._recorder = GraphRecorder(device)

    @property
    def n_graphs(self) -> int:
        """The number of graphs that have been recorded."""
        return sum(each.is_recorded for each in self._repeated.values())

    def start_epoch(self, n_batches: int) -> None:
        """Copy the numbers of the next epoch's updates to the device, all at once."""
        training, schedule = self._training, self._training.schedule
        shares = [number / n_batches for number in range(n_batches)]
        device, seed = training.model.device, training.config.seed
        rates = np.array([schedule.learning_rate(share) for share in shares], dtype=np.float32)  # Adam needs float32
        self._rates = to_device(rates, device)
        self._scales = to_device(np.array([schedule.penalty_scale(share) for share in shares]), device)
        names = ("samples", "sleep")
        seeds = [call_seeds(stream_seed(seed, name, training.epoch), self._seeds.shape[1]) for name in names]
        self._seeds.copy_(to_device(np.stack(seeds), device))

    def run(self, number: int, batch: Batch, n_documents: int, watch: FiniteWatch) -> Sums:
        """Make the update of a batch of the epoch, and return its sums for the record.

        Arguments:
            number: the batch's number in the epoch, from 0.
            batch: B documents.
            n_documents: the documents of this batch of all processes.
            watch: checks some of the updates, which are made without a graph.
        """
        numbers = self._rates[number], self._scales[number]
        repeated = None if watch.reads_next else self._find(batch, n_documents)
        if repeated is not None:
            repeated.fill(batch, *numbers)
            try:
                sums = repeated.run(self.compute)
                watch.skip()
                return sums
            except _RecordingError as error:
                self._recorder = None
                self._repeated.clear()
                reason = first_line(error)
                warn(f"An update could not be recorded as a CUDA graph ({reason}). Training goes on without graphs.")
        return self.compute(batch, *numbers, n_documents, watch)

    def compute(
        self, batch: Batch, rate: Tensor, scale: Tensor, n_documents: int, watch: FiniteWatch | None = None
    ) -> Sums:
        """Make an update kernel by kernel."""
        training, seeds = self._training, self._seeds
        with tf32_products(training.config.precision):
            losses, samples = update(
                training, batch, KeyedGenerator(seeds[0], batch.keys), rate, scale, self._profile, n_documents, watch,
                seeds[1],
            )  # fmt: skip
        sparsity, residual = training.penalties.sparsity, losses.residuals[0]
        factor = scale if sparsity else None
        return operations().update_sums(losses.signal, residual, samples, sparsity, factor), residual.numel()

    def _find(self, batch: Batch, n_documents: int) -> "_RepeatedUpdate | None":
        """Return the update of batches of this shape, or None if it cannot be recorded."""
        counts = batch.counts
        # The likelihood of large counts chooses documents, so the host waits for their number.
        if self._recorder is None or counts.largest is None or counts.largest > LARGE_COUNT:
            return None
        n_stored = self._step * max(1, math.ceil(len(counts.indices) / self._step))
        longest = None
        if self._samples_documents:
            longest = max(MIN_LONGEST, 1 << (counts.longest - 1).bit_length()) if counts.longest else MIN_LONGEST
        shape = (len(counts), n_documents, n_stored, longest)
        if shape not in self._repeated and len(self._repeated) < MAX_GRAPHS:
            self._repeated[shape] = _RepeatedUpdate(batch, shape, self._recorder)
        return self._repeated.get(shape)


def _step(counts: CountRows, batch_size: int) -> int:
    """Return the number of stored counts by which shapes differ: about the standard deviation of those of a batch.

    So a training needs few graphs, and padding adds little.
    """
    entries = np.asarray(entries_per_row(counts), np.float64)
    deviation = float(entries.std()) * math.sqrt(min(batch_size, len(entries))) if len(entries) else 0.0
    return max(MIN_STEP, 1 << round(math.log2(max(1.0, deviation))))


class _RecordingError(Exception):
    """An update could not be recorded."""


class _RepeatedUpdate:
    """The update of batches of one shape."""

    def __init__(self, batch: Batch, shape: Shape, recorder: GraphRecorder) -> None:
        _, self._n_documents, n_stored, longest = shape
        self._recorder = recorder
        self._buffer = BatchBuffer(batch, n_stored, longest)
        device = batch.keys.device
        self._rate = torch.zeros((), dtype=torch.float32, device=device)
        self._scale = torch.zeros((), dtype=torch.float64, device=device)
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)
        self._n_residuals = 0
        self._is_warm = False
        self._start: Callable[[], None] | None = None

    @property
    def is_recorded(self) -> bool:
        """Whether there is a graph, which the next update starts."""
        return self._start is not None

    def fill(self, batch: Batch, rate: Tensor, scale: Tensor) -> None:
        """Copy what differs from one update to the next."""
        self._buffer.fill(batch)
        self._rate.copy_(rate)
        self._scale.copy_(scale)

    def run(self, compute: Callable[..., Sums]) -> Sums:
        """Make the update of the batch that was filled in; `compute` is `DeviceUpdates.compute`."""
        if not self._is_warm:
            self._is_warm = True
            with self._recorder.on_stream():
                self.make(compute)
        else:
            if self._start is None:
                try:
                    self._start = self._recorder.record(lambda: self.make(compute))
                except Exception as error:  # of any kind: what a library cannot do while work is recorded
                    raise _RecordingError(f"{type(error).__name__}: {error}") from error
            self._start()
        return self._sums.clone(), self._n_residuals

    def make(self, compute: Callable[..., Sums]) -> None:
        """Make the update kernel by kernel."""
        sums, self._n_residuals = compute(self._buffer.batch(), self._rate, self._scale, self._n_documents)
        self._sums.copy_(sums)
