"""Building a corpus on a local Dask cluster gives the same bytes, also if its workers die."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import run, start
from test_build import BUILD, WAITING, random_rows, same_bytes
from text_data import write_jsonl

pytest.importorskip("distributed", reason="Dask is not installed")


@contextmanager
def cluster(folder: Path, n_workers: int) -> Iterator[tuple[str, list[int]]]:
    """Run a scheduler in a process of its own; yield its address, and the process ids of its workers."""
    command = f"""
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers={n_workers}, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        workers = [str(nanny.pid) for nanny in cluster.workers.values()]
        print(cluster.scheduler_address.removeprefix("tcp://"), *workers, flush=True)
        sys.stdin.read()
"""
    script = folder / "cluster.py"
    script.write_text(command)
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | WAITING
    ) as process:
        address, *workers = process.stdout.readline().split()
        yield f"dask://{address}", [int(number) for number in workers]
        process.stdin.close()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a scheduler, and the process ids of its two workers."""
    with cluster(tmp_path_factory.mktemp("dask"), n_workers=2) as started:
        yield started


@pytest.fixture
def sources(tmp_path) -> list[Path]:
    rows = random_rows(200)
    return [write_jsonl(tmp_path / f"{part}.jsonl", rows[50 * part : 50 * part + 50]) for part in range(4)]


def test_killed_workers_do_not_change_the_corpus(scheduler, sources, tmp_path):
    run(*BUILD, *sources, "--out", tmp_path / "here")
    address, workers = scheduler
    wait = Path(f"{sources[1]}.wait")
    wait.touch()  # one worker waits before it opens this file
    arguments = (*BUILD, *sources, "--executor", address, "--out", tmp_path / "there")
    with start(*arguments, variables=WAITING) as process:
        scratch = tmp_path / "there.building"
        while len(list(scratch.glob("counted-*/[!.]*"))) < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        wait.unlink()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        output = process.stderr.read()
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert same_bytes(tmp_path / "here", tmp_path / "there")


def test_an_error_in_a_worker_is_reported(scheduler, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "a mouse"}\n{"text": \n')
    arguments = (tmp_path / "bad.jsonl", "--executor", scheduler[0], "--out", tmp_path / "there")
    run(*BUILD, *arguments, status=1, stderr="bad.jsonl")
    assert not (tmp_path / "there").exists()


def test_a_scheduler_without_workers_is_named(sources, tmp_path, monkeypatch):
    monkeypatch.setattr("docnvil.corpus.dask_executor.WORKER_SECONDS", 0.2)
    with cluster(tmp_path, n_workers=0) as (address, _):
        arguments = (*sources, "--executor", address, "--out", tmp_path / "there")
        run(*BUILD, *arguments, status=1, stderr="has no workers. Start some with dask worker.")


def test_an_address_without_a_scheduler_is_named(sources, tmp_path, monkeypatch):
    monkeypatch.setattr("docnvil.corpus.dask_executor.CONNECT_SECONDS", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (*sources, "--executor", f"dask://127.0.0.1:{port}", "--out", tmp_path / "there")
    run(*BUILD, *arguments, status=1, stderr=f"No Dask scheduler answers at dask://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--executor", "tcp://10.0.0.1:8786"], 1, "is not the address of a Dask scheduler"),
        (["--executor", "dask://here"], 1, "is not the address of a Dask scheduler"),
        (["--executor", "dask://here:8786", "--workers", 2], 2, "Give only one"),
    ],
)
def test_invalid_executors_are_refused(sources, tmp_path, options, code, sentence):
    run(*BUILD, *sources, *options, "--out", tmp_path / "there", status=code, stderr=sentence)
