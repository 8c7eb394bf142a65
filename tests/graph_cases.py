"""Updates that a device repeats as CUDA graphs, compared with updates that it makes kernel by kernel.

    python tests/graph_cases.py [NAME ...]

runs all cases, or those named, on the simulated accelerator, and prints one JSON object per case. There, results
have to be equal to the last bit. tests/test_graphs.py starts this script.
"""

import gc
import json
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from device_cases import TRAININGS, block_counts, parameters, train
from device_counts import choose_accelerator
from hypothesis import HealthCheck, Phase, given, settings, strategies
from scipy.sparse import csr_array
from simulated_accelerator import DEVICE, NAME
from simulated_graphs import recording, replayed

import docnvil
from docnvil.batches import Batch, BatchBuffer, iterate_batches
from docnvil.errors import DocnvilWarning, TrainingError
from docnvil.runtime.graphs import GraphRecorder
from docnvil.training import device_updates, finite, fit
from docnvil.training.callbacks import Callback
from docnvil.training.device_updates import DeviceUpdates
from docnvil.training.finite import FiniteWatch
from docnvil.training.state import Training
from docnvil.training.update import NO_PROFILE

UPDATES = 5
RANDOM_EXAMPLES = 25
UNGRAPHED = ("large counts", "early stopping")  # not recorded; and equal to another one here
CONFIGURATIONS = {name: values for name, values in TRAININGS.items() if name not in UNGRAPHED}
PADDED = (
    "default",
    "log input",
    "centered input",
    "DARN",
    "gradient rws",
    "gradient muprop",
    "learned baseline",
    "best",
)
VOCABULARY = [f"stem{number}" for number in range(15)]
CONFIGURATIONS["seed words"] = {"seed_words": {"first": ["stem0", "stem1"], "second": ["stem7"]}}


def random_corpus(seed: int, n_batch: int) -> csr_array:
    """Return documents of very different lengths, some of them empty, `[UPDATES n_batch, 15]`."""
    generator = np.random.default_rng(seed)
    means = generator.choice([0.0, 0.1, 1.0, 4.0, 30.0], (UPDATES * n_batch, 1), p=[0.2, 0.2, 0.3, 0.2, 0.1])
    return csr_array(generator.poisson(means, (len(means), 15)))


def start(counts: csr_array, n_batch: int, values: dict[str, Any]) -> Training:
    """Return the beginning of a training on the device."""
    values = {"units": (5,), "start": "random", "precision": "float64", "epochs": 3, **values}
    for name in ("tolerance", "counts"):
        values.pop(name, None)
    if "seed_words" in values:
        values["start"] = "clusters"
    chosen = docnvil.Settings(values.pop("recipe", "default"), device=NAME, batch_size=n_batch, validation=0, **values)
    data = fit.split_data(fit.checked_counts(counts, vocabulary=VOCABULARY), chosen, counts[:1])
    training = fit.start_training(data, chosen)
    with torch.no_grad():  # a start at which all parts of the model matter
        generator = torch.Generator().manual_seed(3)
        for parameter in training.model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator).to(DEVICE) * 0.3)
    if training.config.neighbor_codes:
        training.codes = (torch.arange(counts.shape[0] * 5) % 3 == 0).view(-1, 5).to(DEVICE)
    return training


def batches_of(counts: csr_array, training: Training) -> list[Batch]:
    options = {"device": DEVICE, "dtype": training.model.dtype, "keys": np.arange(counts.shape[0])}
    lengths = np.asarray(counts.sum(axis=1), np.float64).ravel()
    return list(iterate_batches(counts, training.config.batch_size, lengths=lengths, **options))


def run(counts: csr_array, training: Training, *, graphs: bool) -> tuple[DeviceUpdates, list[torch.Tensor]]:
    """Make the updates of an epoch, and return what made them and the sums of each."""
    updates, watch = DeviceUpdates(training, counts, NO_PROFILE), FiniteWatch(training, counts)
    updates._recorder = updates._recorder if graphs else None
    batches = batches_of(counts, training)
    training.history = [SimpleNamespace(best=True, epoch=1)]  # the second epoch, in which the penalties have grown
    updates.start_epoch(len(batches))
    return updates, [updates.run(n, batch, len(batch.counts), watch)[0] for n, batch in enumerate(batches)]


def numbers(tensor: torch.Tensor) -> list[float]:
    return tensor.cpu().tolist()


def state_of(training: Training) -> dict[str, torch.Tensor]:
    """Return copies of parameters, moments of the signal and of the optimizer, and gradients."""
    gradients = {
        f"gradient of {name}": parameter.grad
        for module in (training.model, training.gradient)
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    return {name: value.detach().cpu().clone() for name, value in {**training.state(), **gradients}.items()}


def assert_same(expected: dict[str, torch.Tensor], actual: dict[str, torch.Tensor]) -> None:
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        assert torch.isfinite(value).all(), name
        assert torch.equal(value, actual[name]), (name, (value - actual[name]).abs().max())


def repeated(name: str, seed: int | None = None, n_batch: int = 4) -> None:
    """An epoch by graphs and one without give the same state; a graph of another batch has the same operations."""
    values = CONFIGURATIONS[name]
    counts = corpus_for(values, zlib.crc32(name.encode()) if seed is None else seed, n_batch)
    plain, graphed = (start(counts, n_batch, values) for _ in range(2))
    _, expected = run(counts, plain, graphs=False)
    before = len(replayed)
    updates, sums = run(counts, graphed, graphs=True)
    assert len(replayed) > before or seed is not None
    assert list(map(numbers, sums)) == list(map(numbers, expected))
    states = [{name: value for name, value in state_of(each).items() if "gradient of" not in name}
              for each in (plain, graphed)]  # fmt: skip
    assert_same(*states)
    check_recordings(updates, graphed, counts)


def corpus_for(values: dict[str, Any], seed: int, n_batch: int) -> csr_array:
    counts = random_corpus(seed, n_batch)
    return csr_array((counts > 0).astype(np.int64)) if values.get("recipe") == "binary" else counts


def repeated_at_random() -> None:
    """The same for random corpora and configurations."""

    @settings(max_examples=RANDOM_EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(strategies.sampled_from(list(CONFIGURATIONS)), strategies.integers(0, 2**32), strategies.integers(1, 9))
    def check(name: str, seed: int, n_batch: int) -> None:
        repeated(name, seed, n_batch)

    before = len(replayed)
    check()
    assert len(replayed) > before + RANDOM_EXAMPLES


def check_recordings(updates: DeviceUpdates, training: Training, counts: csr_array) -> None:
    """Record each update again, in another epoch and for another batch, and compare the operations."""
    training.history = [SimpleNamespace(best=True, epoch=each) for each in (1, 2)]
    batches = batches_of(counts, training)
    updates.start_epoch(len(batches))
    for each in updates._repeated.values():
        if each._start is None:
            continue
        first = each._start.__self__
        for number, batch in enumerate(batches):
            if updates._find(batch, len(batch.counts)) is each:
                each.fill(batch, updates._rates[number], updates._scales[number])
        second = updates._recorder.record(partial(each.make, updates.compute)).__self__
        assert len(first.signature) > 20
        assert first.signature == second.signature
        unknown = first.inputs.keys() - {_address(tensor) for tensor in known_tensors(updates, each, training)}
        assert not unknown, [first.inputs[address].shape for address in unknown]


def known_tensors(updates: DeviceUpdates, repeated: Any, training: Training) -> Iterator[torch.Tensor]:
    """Yield the tensors that an update may read or change, which exist as long as the training."""
    penalties, buffer = training.penalties, vars(repeated._buffer)
    owners = [buffer, vars(repeated), vars(updates), vars(penalties), vars(penalties.seeds) if penalties.seeds else {}]
    owners += [training.model.state_dict(), training.gradient.state_dict(), *training.optimizer.state.values()]
    owners.append({"codes": training.codes})
    yield from (value for owner in owners for value in owner.values() if isinstance(value, torch.Tensor))


def _address(tensor: torch.Tensor) -> int:
    return tensor.data.raw.untyped_storage().data_ptr()


def padded(name: str) -> None:
    """An update of a padded batch gives the same sums, gradients, parameters and moments."""
    values, states, sums = CONFIGURATIONS[name], [], []
    counts = corpus_for(values, zlib.crc32(name.encode()), 4)
    for is_padded in (False, True):
        training = start(counts, 4, values)
        updates = DeviceUpdates(training, counts, NO_PROFILE)
        training.history = [SimpleNamespace(best=True, epoch=1)]
        updates.start_epoch(UPDATES)
        for number, batch in enumerate(batches_of(counts, training)):
            if is_padded:
                batch = pad(batch, number)
            inputs = updates._rates[number], updates._scales[number]
            sums.append(numbers(updates.compute(batch, *inputs, len(batch.counts))[0]))
        states.append(state_of(training))
    assert sums[:UPDATES] == sums[UPDATES:]
    assert_same(*states)


def pad(batch: Batch, number: int) -> Batch:
    """Return a batch with zeros after its counts, in a buffer in which larger counts were before."""
    n_stored = len(batch.counts.indices) + (0, 1, 37)[number % 3]
    buffer = BatchBuffer(batch, n_stored, (batch.counts.longest or 0) + 1 + 50 * number)
    buffer._indices.fill_(3)
    buffer._values.fill_(2)
    buffer.fill(batch)
    return buffer.batch()


def released(name: str) -> None:
    """An update leaves no graph of its gradient, which would bind the next recording to the stream of this update."""
    values = CONFIGURATIONS[name]
    counts = corpus_for(values, zlib.crc32(name.encode()), 4)
    training = start(counts, 4, values)
    updates = DeviceUpdates(training, counts, NO_PROFILE)
    updates.start_epoch(UPDATES)
    batch = batches_of(counts, training)[0]
    gc.collect()
    gc.disable()
    try:
        sums, _ = updates.compute(batch, updates._rates[0], updates._scales[0], len(batch.counts))
        assert not _differentiable()
        assert sums.isfinite().all().item()
        kept = training.model.generative.prior.bias * 2
        assert [id(kept)] == list(map(id, _differentiable()))
    finally:
        gc.enable()


def _tensors() -> list[torch.Tensor]:
    """Return the tensors that are alive."""
    return [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]


def _differentiable() -> list[torch.Tensor]:
    """Return the tensors that are alive and know how they were computed."""
    return [each for each in _tensors() if each.grad_fn is not None]


def freed() -> None:
    """A training leaves no tensors on the device but those of its model, before Python collects cycles."""
    train(NAME)  # what torch keeps from its first training
    gc.collect()
    gc.disable()
    try:
        before = _tensors()
        network = train(NAME, epochs=3).network
        own = [*before, *network.parameters(), *network.buffers()]
        others = {id(each): each.shape for each in _tensors() if each.device == DEVICE}
        assert not others.keys() - set(map(id, own)), others
    finally:
        gc.enable()


def simulated() -> None:
    """The simulated graphs follow the rules of CUDA graphs."""
    recorder, x, scale = GraphRecorder(DEVICE), torch.ones(3, device=DEVICE), torch.ones((), device=DEVICE)
    out, factor, scratch = torch.zeros(3, device=DEVICE), 2.0, []

    def task() -> None:
        scratch.append(x * scale * factor)
        x.add_(1)
        out.copy_(scratch[-1])

    start = recorder.record(task)
    assert (numbers(x), numbers(out)) == ([1.0] * 3, [0.0] * 3)  # nothing was computed
    assert scratch[0].isnan().all().item()
    factor = 5.0
    scale.fill_(3.0)
    start()
    assert (numbers(x), numbers(out)) == ([2.0] * 3, [6.0] * 3)  # the number in the tensor, not the one in Python
    start()
    assert numbers(out) == [12.0] * 3
    pinned = torch.ones(3).pin_memory()
    for mistake in (
        lambda: x.sum().item(), lambda: x[x > 3], lambda: x.nonzero(), lambda: x.cpu(),
        lambda: pinned.to(DEVICE, non_blocking=True), lambda: torch.tensor([1.0], device=DEVICE),
        torch.accel.synchronize,
    ):  # fmt: skip
        with pytest.raises(RuntimeError):
            recorder.record(mistake)
        assert not recording


def trained(**values: Any) -> tuple[dict[str, np.ndarray], int]:
    """Return parameters and records of a training with several shapes, and how many updates were repeated."""
    counts = csr_array(block_counts(200) * np.random.default_rng(0).integers(0, 2, (200, 15)))
    before = len(replayed)
    model = train(NAME, counts, epochs=3, batch_size=9, **values)
    records = [[each.train_bound, each.validation_bound, each.signal_deviation] for each in model.history]
    return {**parameters(model), "records": np.array(records)}, len(replayed) - before


def whole_training() -> None:
    """A training with graphs gives the bytes of one without: also if some updates are checked, or graphs are few."""
    with mock.patch.multiple(device_updates, MAX_GRAPHS=0):
        expected, n_repeated = trained()
    assert n_repeated == 0
    n_repeated_each = []
    for module, values in (
        (device_updates, {}), (device_updates, {"MAX_GRAPHS": 1}), (finite, {"UPDATES_PER_CHECK": 3}),
        (device_updates, {"MIN_STEP": 1}),
    ):  # fmt: skip
        with mock.patch.dict(vars(module), values):
            actual, n_repeated = trained()
        n_repeated_each.append(n_repeated)
        assert all(np.array_equal(expected[name], actual[name]) for name in expected)
    assert n_repeated_each[0] > 40  # of 66
    assert all(0 < number < n_repeated_each[0] for number in n_repeated_each[1:]), n_repeated_each


def not_recorded() -> None:
    """Trainings that cannot be recorded, or need not be, are made without graphs."""
    before = len(replayed)
    train(NAME, csr_array(block_counts().toarray() * 5000))
    with mock.patch.multiple(device_updates, MAX_LOGITS=100):
        train(NAME)
    assert len(replayed) == before
    expected, _ = trained()
    make = device_updates.update

    def unrepeatable(training: Training, *arguments: Any) -> Any:
        training.model.generative.prior.bias.sum().item()
        return make(training, *arguments)

    with (
        mock.patch.multiple(device_updates, update=unrepeatable),
        pytest.warns(DocnvilWarning, match="goes on without graphs") as w,
    ):
        actual, n_repeated = trained()
    assert n_repeated == 0
    assert sum("graph" in str(each.message) for each in w) == 1
    assert all(np.array_equal(expected[name], actual[name]) for name in expected)


def divergence() -> None:
    """A number that is not finite is found at the next check, and named without documents, as any may be the cause."""

    class Injection(Callback):
        n_updates = 0

        def on_batch(self, training: Training, n_documents: int) -> None:
            self.n_updates += 1
            if self.n_updates == 30:
                with torch.no_grad():
                    training.model.generative.visible.weight[0, 0] = torch.nan

    with (
        mock.patch.multiple(finite, UPDATES_PER_CHECK=10),
        pytest.raises(TrainingError, match=r"epoch 2, update 10: model.generative.visible.weight became"),
    ):
        docnvil.fit(block_counts(200), docnvil.Settings(units=(4,), batch_size=9, epochs=3, device=NAME),
                    callbacks=[Injection()])  # fmt: skip


CASES: dict[str, Callable[[], None]] = {
    "simulated graphs": simulated,
    "whole training": whole_training,
    "not recorded": not_recorded,
    "divergence": divergence,
    "freed memory": freed,
    "repeated at random": repeated_at_random,
    **{f"repeated: {name}": partial(repeated, name) for name in CONFIGURATIONS},
    **{f"padded: {name}": partial(padded, name) for name in PADDED},
    **{f"released: {name}": partial(released, name) for name in PADDED},
}


def main() -> None:
    torch.set_num_threads(1)
    choose_accelerator()
    for name in sys.argv[1:] or CASES:
        started, error = time.process_time(), None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DocnvilWarning)
            try:
                CASES[name]()
            except Exception:
                error = traceback.format_exc()
        seconds = round(time.process_time() - started, 2)
        print(json.dumps({"case": name, "error": error, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
