"""Building a corpus on a Dask cluster of real processes: the same bytes, whoever dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_build import rows_of_chance, same_bytes, write_rows

from docnvil.commands import main

pytest.importorskip("distributed", reason="Dask is not installed")


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """A scheduler with two workers, in processes of their own; its address and the workers' process numbers."""
    command = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        workers = [str(nanny.pid) for nanny in cluster.workers.values()]
        print(cluster.scheduler_address.removeprefix("tcp://"), *workers, flush=True)
        sys.stdin.read()
"""
    script = tmp_path_factory.mktemp("dask") / "cluster.py"
    script.write_text(command)
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_seeing_docnvil()
    ) as process:
        address, *workers = process.stdout.readline().split()
        yield f"dask://{address}", [int(number) for number in workers]
        process.stdin.close()


def _seeing_docnvil() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture
def sources(tmp_path) -> list[Path]:
    rows = rows_of_chance(200)
    return [write_rows(tmp_path / f"{part}.jsonl", rows[50 * part : 50 * part + 50]) for part in range(4)]


def build(*arguments: object) -> list[str]:
    return ["corpus", "build", *map(str, arguments), "--vocabulary-size", "150"]


def test_workers_that_are_killed_leave_no_trace(scheduler, sources, tmp_path):
    assert CliRunner().invoke(main, build(*sources, "--out", tmp_path / "here")).exit_code == 0
    address, workers = scheduler
    rows = sources[1].rename(tmp_path / "rows")
    os.mkfifo(sources[1])  # one worker waits here for somebody to write, who never comes
    command = [sys.executable, "-m", "docnvil", *build(*sources, "--executor", address, "--out", tmp_path / "there")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=_seeing_docnvil()) as going:
        counted = tmp_path / "there.building" / "counted"
        while len(list(counted.glob("[!.]*"))) < 3:
            assert going.poll() is None, going.stderr.read()
            time.sleep(0.05)
        rows.rename(sources[1])
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        told = going.stderr.read()
    assert going.returncode == 0, told
    assert "Traceback" not in told
    assert same_bytes(tmp_path / "here", tmp_path / "there")


def test_what_a_worker_refuses_is_told(scheduler, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": "a mouse"}\n{"text": \n')
    result = CliRunner().invoke(
        main, build(tmp_path / "bad.jsonl", "--executor", scheduler[0], "--out", tmp_path / "there")
    )
    assert result.exit_code == 1
    assert "bad.jsonl" in result.stderr
    assert not (tmp_path / "there").exists()


def test_an_address_that_does_not_answer_is_named(sources, tmp_path, monkeypatch):
    monkeypatch.setattr("docnvil.corpus.dask_executor.SECONDS_TO_ANSWER", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = CliRunner().invoke(
        main, build(*sources, "--executor", f"dask://127.0.0.1:{port}", "--out", tmp_path / "there")
    )
    assert result.exit_code == 1
    assert f"No Dask scheduler answers at dask://127.0.0.1:{port}" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--executor", "tcp://10.0.0.1:8786"], 1, "is no executor"),
        (["--executor", "dask://here"], 1, "is no executor"),
        (["--executor", "dask://here:8786", "--workers", 2], 2, "Give --workers"),
    ],
)
def test_executors_that_make_no_sense(sources, tmp_path, options, code, sentence):
    result = CliRunner().invoke(main, build(*sources, *options, "--out", tmp_path / "there"))
    assert result.exit_code == code
    assert sentence in result.stderr
