"""Several processes give the same training as one, also after one of them dies; tested with gloo in real processes."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import start
from scipy.sparse import csr_array

from docnvil.errors import ConfigurationError, WorkerError
from docnvil.model.settings import ModelConfig
from docnvil.runtime import distributed
from docnvil.runtime.distributed import SINGLE_PROCESS, ProcessGroup, exit_now, process_group
from docnvil.runtime.locks import lock_output
from docnvil.storage.checkpoints import checkpoint_path
from docnvil.storage.tables import read_history
from docnvil.training.loop import train
from docnvil.training.settings import TrainingConfig
from docnvil.training.state import Training

LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
TIMEOUT = 300  # seconds

# The last batch has one document, so the shards of some processes are empty.
CONFIG = TrainingConfig(epochs=3, batch_size=9, seed=3)
CASES: dict[str, tuple[TrainingConfig, dict[str, object]]] = {
    "default": (CONFIG, {}),
    "learned baselines, two layers": (
        replace(CONFIG, baseline="learned", n_samples=1, optimizer="sgd", learning_rate=0.003, start="random"),
        {"units": (4, 2), "recognition_input": "centered"},
    ),
    "best": (
        CONFIG,
        {"prior": "autoregressive", "posterior": "autoregressive", "observation": "dirichlet-multinomial"},
    ),
    "mixture": (CONFIG, {"prior": "mixture", "themes": 3, "posterior": "autoregressive"}),
    "bits": (replace(CONFIG, start="random", l1=0.0), {"observation": "autoregressive-bernoulli"}),
    "wake-sleep": (replace(CONFIG, gradient="wake-sleep"), {"units": (4, 2)}),
    "rws": (replace(CONFIG, gradient="rws"), {"observation": "dirichlet-multinomial"}),
    "vimco": (replace(CONFIG, gradient="vimco"), {}),
    "disarm": (replace(CONFIG, gradient="disarm", n_samples=4), {"units": (4, 2)}),
    "muprop": (replace(CONFIG, gradient="muprop"), {"units": (4, 2)}),
    "st-gumbel": (replace(CONFIG, gradient="st-gumbel"), {}),
    "codes": (replace(CONFIG, neighbor_codes=10.0), {"prior": "uniform"}),
}


def example_counts() -> csr_array:
    """Return 46 documents with a vocabulary of 12 words; a few documents are empty."""
    counts = np.random.default_rng(0).poisson(0.6, (46, 12))
    counts[::11] = 0
    return csr_array(counts)


def train_case(case: str, processes: ProcessGroup) -> dict[str, torch.Tensor]:
    """Train in double precision and return the whole training state."""
    config, model = CASES[case]
    counts = example_counts()
    if "bernoulli" in str(model.get("observation")):
        counts.data[:] = 1
    training = Training.start(
        ModelConfig(12, **{"units": (4,), **model}), config, counts, torch.device("cpu"), processes=processes
    )
    training.model.double()
    training.gradient.double()
    if config.neighbor_codes:  # those of the main process count: on GPUs, each process computes others
        training.codes = (torch.arange(46 * 4) % (processes.rank + 2) == 0).view(46, 4)
    for _ in train(training, counts, counts[:7]):
        pass
    figures = [[float(value) for value in vars(record).values()] for record in training.history]
    return {**training.state(), "history": torch.tensor(figures, dtype=torch.float64)}


def train_together(rank: int, size: int, port: int, path: Path) -> None:
    """Run as one of several processes; the last one saves its training states."""
    variables = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()} | LOOPBACK)
    torch.set_num_threads(1)
    with process_group() as processes:
        states = {case: train_case(case, processes) for case in CASES}
    if rank == size - 1:
        torch.save(states, path)
    exit_now()


LAUNCHED = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29400"}


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set variables of a launcher, and remove all others that docnvil reads."""
    for name in (*distributed.LAUNCH_VARIABLES, "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_single_process_does_not_communicate(monkeypatch):
    set_environment(monkeypatch, RANK="1")
    values = torch.arange(3.0)
    with process_group() as alone:
        alone.all_reduce([values])
        alone.broadcast([values])
        alone.require_agreement("anything")
        assert alone.is_main
    assert not distributed.is_launched()
    assert values.tolist() == [0, 1, 2]
    exit_now()  # returns


class FakeBackend:
    """The second of two processes, of which the first has 10 times its values."""

    def all_gather(self, tensors: list[torch.Tensor], tensor: torch.Tensor) -> None:
        tensors[0].copy_(10 * tensor)
        tensors[1].copy_(tensor)

    def all_reduce(self, tensor: torch.Tensor) -> None:
        tensor.mul_(11)

    def broadcast(self, tensor: torch.Tensor, src: int) -> None:
        assert src == 0
        tensor.mul_(10)


def test_collectives_keep_order_and_shape(monkeypatch):
    monkeypatch.setattr(distributed, "dist", FakeBackend())
    second = ProcessGroup(rank=1, size=2)
    matrix, vector = torch.arange(6.0).view(2, 3), torch.tensor([7.0])
    assert second.all_gather(matrix).tolist() == [(10 * matrix).tolist(), matrix.tolist()]
    second.all_reduce([matrix, vector])
    second.broadcast([vector])
    assert matrix.tolist() == [[0, 11, 22], [33, 44, 55]]
    assert vector.tolist() == [770]
    assert not second.is_main


def test_processes_must_agree(monkeypatch):
    digests = []
    monkeypatch.setattr(ProcessGroup, "all_gather", lambda self, tensor: torch.stack([tensor, *digests]))
    ProcessGroup(1, 2).require_agreement("a seed", 3)
    digests.append(torch.zeros(32, dtype=torch.int64))
    with pytest.raises(ConfigurationError, match="have different documents, settings, seeds"):
        ProcessGroup(1, 2).require_agreement("a seed", 3)


def test_an_error_of_the_backend_says_how_to_continue(monkeypatch):
    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("Connection closed by peer")

    for name in ("all_gather", "all_reduce", "broadcast"):
        monkeypatch.setattr(torch.distributed, name, fail)
        with pytest.raises(WorkerError, match="resume_from"):
            getattr(ProcessGroup(1, 2), name)(torch.zeros(2) if name == "all_gather" else [torch.zeros(2)])


def test_processes_that_cannot_connect_say_where(monkeypatch):
    def fail(*arguments: object) -> None:
        raise RuntimeError("It timed out.\nAnd more.")

    set_environment(monkeypatch, **LAUNCHED)
    monkeypatch.setattr(torch.distributed, "rendezvous", fail)
    with pytest.raises(WorkerError, match=r"could not connect at 127\.0\.0\.1:29400 \(It timed out\)"), process_group():
        pass


class FakeStore:
    """A store that counts failures, until its server has ended."""

    def __init__(self) -> None:
        self.failures, self.is_open = 0, True

    def add(self, key: str, amount: int) -> int:
        if not self.is_open:
            raise RuntimeError("Connection reset by peer")
        self.failures += amount
        return self.failures


def test_only_the_first_of_several_failures_is_raised(monkeypatch):
    store, calls = FakeStore(), []
    set_environment(monkeypatch, **LAUNCHED, TORCHELASTIC_RESTART_COUNT="4")
    monkeypatch.setattr(torch.distributed, "rendezvous", lambda url: iter([(store, 1, 2)]))
    monkeypatch.setattr(torch.distributed, "PrefixStore", lambda prefix, store: (calls.append(prefix), store)[1])
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda backend, store, rank, world_size: None)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: calls.append("destroyed"))

    def fail() -> None:
        with process_group() as group:
            assert group == ProcessGroup(1, 2)
            raise KeyError("disk full")

    with pytest.raises(KeyError, match="disk full"):
        fail()
    with pytest.raises(SystemExit) as exited:
        fail()
    assert exited.value.code == 1
    store.is_open = False
    with pytest.raises(KeyError, match="disk full"):
        fail()
    assert calls == ["docnvil/4", "destroyed"] * 3


def test_each_process_of_a_machine_gets_a_gpu(monkeypatch):
    devices = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", devices.append)
    set_environment(monkeypatch, LOCAL_RANK="3")
    assert distributed.local_device("cuda") == "cuda"  # not launched
    set_environment(monkeypatch, **LAUNCHED)
    assert distributed.local_device("auto") == "cuda:0"
    set_environment(monkeypatch, **LAUNCHED, LOCAL_RANK="3")
    names = ("auto", "cuda", "cpu", "cuda:0")
    assert [distributed.local_device(name) for name in names] == ["cuda:1", "cuda:1", "cpu", "cuda:0"]
    assert devices == [0, 1, 1]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert distributed.local_device("auto") == "auto"


def test_restarts_are_recognized(monkeypatch):
    for count, expected in ((None, False), ("0", False), ("1", True)):
        set_environment(monkeypatch, **({"TORCHELASTIC_RESTART_COUNT": count} if count else {}))
        assert distributed.is_restart() == expected


def test_launched_processes_exit_without_shutting_down(monkeypatch, tmp_path):
    def exit_process(status: int) -> None:
        raise SystemExit(status)

    set_environment(monkeypatch, **LAUNCHED)
    monkeypatch.setattr(os, "_exit", exit_process)
    with lock_output(tmp_path / "model"):
        with pytest.raises(SystemExit) as exited:
            exit_now()
        assert not any(tmp_path.iterdir())
    assert exited.value.code == 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_result_does_not_depend_on_the_number_of_processes(size, tmp_path):
    start, port, path = multiprocessing.get_context("spawn"), free_port(), tmp_path / "states.pt"
    workers = [start.Process(target=train_together, args=(rank, size, port, path)) for rank in range(size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(TIMEOUT)
        worker.kill()
    assert [worker.exitcode for worker in workers] == [0] * size
    states = torch.load(path)
    for case in CASES:
        for name, expected in train_case(case, SINGLE_PROCESS).items():
            torch.testing.assert_close(states[case][name], expected, rtol=1e-10, atol=1e-10, msg=f"{case}: {name}")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(0)
    words = [["onion", "butter", "garlic", "sauce", "oven"], ["mast", "sail", "harbor", "wind", "keel"]]
    path = tmp_path_factory.mktemp("corpus") / "posts.jsonl"
    rows = [json.dumps({"id": n, "text": " ".join(generator.choice(words[n % 2], 20))}) for n in range(61)]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def fit(corpus: Path, out: Path, *options: str, processes: int | None = None) -> subprocess.Popen:
    """Start `docnvil fit`, with torchrun if `processes` is given."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--max-restarts=3", f"--nproc-per-node={processes}"]
    arguments = ["-m", "docnvil", "fit", str(corpus), "--out", str(out), "--units", "3", *options]
    return subprocess.Popen(
        [sys.executable, *(launcher if processes else []), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **LOOPBACK},
        start_new_session=True,
    )


def wait(process: subprocess.Popen) -> tuple[str, str]:
    """Wait for a process, and return its stdout and stderr."""
    try:
        output = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return output


def assert_same_training(out: Path, expected: Path) -> None:
    """Compare histories approximately: in single precision, sums over shards round differently."""
    assert {path.name for path in out.iterdir()} == {path.name for path in expected.iterdir()}
    histories = [read_history((path / "history.csv").read_text()) for path in (out, expected)]
    assert len(histories[0]) == len(histories[1])
    for actual, wanted in zip(*histories, strict=True):
        assert (actual.epoch, actual.updates) == (wanted.epoch, wanted.updates)
        assert actual.train_bound == pytest.approx(wanted.train_bound, rel=1e-3)
        assert actual.validation_bound == pytest.approx(wanted.validation_bound, rel=1e-3)


def test_torchrun_gives_the_same_training_as_one_process(corpus, tmp_path):
    wait(fit(corpus, tmp_path / "alone", "--epochs", "4"))
    together = fit(corpus, tmp_path / "together", "--epochs", "4", processes=2)
    stdout, stderr = wait(together)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "together"]  # no lock
    assert together.returncode == 0, stderr
    assert_same_training(tmp_path / "together", tmp_path / "alone")
    assert stdout.count("Trained 3 units") == 1
    assert stderr.count("61 documents") == 1
    assert not checkpoint_path(tmp_path / "together").exists()


def ranks_of(launcher: subprocess.Popen) -> dict[int, int]:
    """Return the process ids of the ranks that torchrun started."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    ranks = {}
    for child in children:
        environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        ranks |= {int(each[5:]): int(child) for each in environment if each.startswith(b"RANK=")}
    return ranks


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


LONG = ("--epochs", "80", "--batch-size", "10")


@pytest.fixture(scope="module")
def uninterrupted(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted") / "model"
    wait(fit(corpus, out, *LONG))
    return out


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to find the processes")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_dies_is_restarted_and_the_result_is_the_same(victim, corpus, uninterrupted, tmp_path):
    launcher = fit(corpus, tmp_path / "model", *LONG, processes=2)
    wait_for(checkpoint_path(tmp_path / "model"), launcher)
    os.kill(ranks_of(launcher)[victim], signal.SIGKILL)
    _, stderr = wait(launcher)
    assert launcher.returncode == 0, stderr
    assert stderr.count("61 documents") == 2  # started twice
    assert_same_training(tmp_path / "model", uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, None), (None, 2), (2, 1)])
def test_training_resumes_with_another_number_of_processes(before, after, corpus, uninterrupted, tmp_path):
    launcher = fit(corpus, tmp_path / "model", *LONG, processes=before)
    wait_for(checkpoint_path(tmp_path / "model"), launcher)
    stopped = [launcher.pid, *(ranks_of(launcher).values() if before else ())]
    for process in stopped:
        os.kill(process, signal.SIGKILL)
    launcher.communicate()
    again = fit(corpus, tmp_path / "model", *LONG, "--resume", processes=after)
    _, stderr = wait(again)
    assert again.returncode == 0, stderr
    assert_same_training(tmp_path / "model", uninterrupted)


def start_process(rank: int, port: int, *arguments: object) -> subprocess.Popen:
    """Start one of two processes without torchrun."""
    variables = {"RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return start("fit", *arguments, variables=LOOPBACK | variables)


def stderr_of_both(*arguments_of_each: tuple[object, ...]) -> str:
    port = free_port()
    both = [start_process(rank, port, *arguments) for rank, arguments in enumerate(arguments_of_each)]
    outputs = [wait(process) for process in both]
    assert all(process.returncode for process in both)
    assert not any(stdout for stdout, _ in outputs)
    return "".join(stderr for _, stderr in outputs)


@pytest.mark.slow
def test_an_error_in_one_process_is_printed_once(corpus, tmp_path):
    out = ("--out", tmp_path / "model", "--epochs", "2")
    stderr = stderr_of_both((corpus, *out), (tmp_path / "nowhere.jsonl", *out))
    assert stderr.count("Error:") == 1
    assert "nowhere.jsonl" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_an_error_in_all_processes_is_printed_once(corpus, tmp_path):
    stderr = stderr_of_both(
        *[(corpus, "--out", tmp_path / "model", "--learning-rate", "1e30", "--optimizer", "sgd")] * 2
    )
    assert stderr.count("Error:") == 1
    assert "Try a smaller --learning-rate." in stderr
    assert stderr_of_both(*[(corpus, "--epochs", "none")] * 2).count("Error:") == 1


@pytest.mark.slow
def test_processes_with_different_settings_do_not_train(corpus, tmp_path):
    out = ("--out", tmp_path / "model", "--epochs", "2")
    stderr = stderr_of_both((corpus, *out), (corpus, *out, "--seed", "1"))
    assert stderr.count("Error:") == 1
    assert "have different documents, settings, seeds" in stderr
