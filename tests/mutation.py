"""Mutation tester: change one detail of the code at a time, and check that a test fails.

    python tests/mutation.py docnvil/nvil docnvil/model --mutants 60 --jobs 2

First the default tests run once on a copy of the tree, and `record_calls.py` records the functions that each test
calls. Then a seeded sample of mutants is drawn (`mutants.py`). Each is applied to a copy of the tree, and the tests
that call the changed function run, fastest first, until one fails. Mutants outside functions that survive the tests of
their file meet the whole default suite; with `--full`, all survivors do.

Writes WORK/results.json after each mutant: file, line, operator, diff, and outcome ("caught" with the test, "survived"
or "timeout"). The same command resumes: mutants with an outcome are not run again, except survivors after a change of
the tests. The recording takes about twice as long as the default tests, a caught mutant some seconds.
"""

import contextlib
import hashlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from mutants import ROOT, Mutant, sample_mutants

SITECUSTOMIZE = """
import os

if "PYTEST_CURRENT_TEST" in os.environ:
    import record_calls

    record_calls.record_child()
"""


def hash_files(*folders: str) -> str:
    """Return a hash of the Python files of these folders."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        digest.update(path.as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def copy_tree(target: Path) -> Path:
    """Copy the files that git tracks or does not ignore, and return the copy's path."""
    shutil.rmtree(target, ignore_errors=True)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def run_pytest(tree: Path, arguments: Sequence[str], timeout: float | None, **environment: str) -> tuple[int, str]:
    """Run the default tests in a copy; return the exit status and the output, or -1 after a timeout."""
    data = os.environ.get("DOCNVIL_DATA", str(ROOT / ".." / "shared" / "data"))
    variables = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",  # mutants can have the size and the second of the file before
        "OMP_NUM_THREADS": "1",
        "DOCNVIL_DATA": str(Path(data).resolve()),
        **environment,
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "-rfE", *arguments]
    with subprocess.Popen(
        command,
        cwd=tree,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return -1, ""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # processes that a failed test left behind
    return process.returncode, output


@dataclass(frozen=True)
class Recording:
    """What the tests call.

    Arguments:
        seconds: seconds of each test that passes, by its node id.
        callers: tests by function, FILE:LINE.
    """

    seconds: dict[str, float]
    callers: dict[str, list[str]]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that run the changed code, fastest first."""
        tests = set(self.callers.get(mutant.function, ()))
        if not mutant.function or "" in tests:  # it runs when the module is imported
            tests.update(*(each for name, each in self.callers.items() if name.startswith(f"{mutant.file}:")))
        tests &= set(self.seconds)
        return sorted(tests or self.seconds, key=lambda test: (self.seconds[test], test))


def record(work: Path) -> Recording:
    """Run the default tests once and record what they call, or read the recording of the same files."""
    path, version = work / "recording.json", hash_files("docnvil", "tests")
    if not path.exists() or json.loads(path.read_text(encoding="utf-8"))["version"] != version:
        click.echo("Recording which functions each test calls ...", err=True)
        calls = work / "calls"
        shutil.rmtree(calls, ignore_errors=True)
        calls.mkdir(parents=True)
        (calls / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
        tree = copy_tree(work / "tree-0")
        python_path = os.pathsep.join(map(str, (tree, tree / "tests", calls)))
        status, output = run_pytest(
            tree, ["-p", "record_calls"], None, PYTHONPATH=python_path, DOCNVIL_CALLS=str(calls)
        )
        click.echo(output[-2000:], err=True)
        if status not in (0, 1):
            raise click.ClickException(f"The tests cannot run: pytest exited with status {status}.")
        tests = json.loads((calls / "tests.json").read_text(encoding="utf-8"))
        callers: dict[str, set[str]] = {}
        for file in calls.glob("*.txt"):
            for line in file.read_text(encoding="utf-8").splitlines():
                test, _, function = line.rpartition("\t")
                callers.setdefault(function, set()).add(test)
        seconds = {name: test["seconds"] for name, test in tests.items() if test["passed"] and not test["failed"]}
        recording = {"seconds": seconds, "callers": {name: sorted(each) for name, each in sorted(callers.items())}}
        path.write_text(json.dumps({"version": version, **recording}), encoding="utf-8")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Recording(content["seconds"], content["callers"])


def try_mutant(mutant: Mutant, recording: Recording, tree: Path, full: bool) -> dict[str, Any]:
    """Apply a mutant to a copy of the tree, run tests until one fails, and restore the file."""
    file, start, tests = tree / mutant.file, time.perf_counter(), recording.tests_of(mutant)
    source = file.read_bytes()
    result = {"outcome": "survived", "caught_by": None, "tests": len(tests)}
    try:
        file.write_bytes(mutant.apply(source))
        arguments = tree / "tests.txt"
        arguments.write_text("\n".join(tests), encoding="utf-8")
        selections = [(["-x", f"@{arguments}"], sum(recording.seconds[test] for test in tests))]
        if (full or not mutant.function) and len(tests) < len(recording.seconds):
            selections.append((["-x"], sum(recording.seconds.values())))
        for selection, seconds in selections:
            status, output = run_pytest(tree, selection, 60 + 5 * seconds)
            if status in (4, 5):  # the tests to run are named after what was changed, or cannot be imported
                files = sorted({test.partition("::")[0] for test in tests})
                status, output = run_pytest(tree, ["-x", *files], 60 + 5 * sum(recording.seconds.values()))
            if status:
                failed = [
                    line.split(" ", 1)[1] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))
                ]
                result["outcome"] = "timeout" if status == -1 else "caught"
                result["caught_by"] = failed[0].partition(" - ")[0] if failed else f"pytest status {status}"
                break
    finally:
        file.write_bytes(source)
    return {**result, "seconds": round(time.perf_counter() - start, 1)}


def python_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the Python files among the paths and in their folders."""
    for path in paths:
        yield from sorted(path.resolve().rglob("*.py")) if path.is_dir() else [path.resolve()]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--mutants", default=60, show_default=True, help="Number of mutants to draw.")
@click.option("--seed", default=0, show_default=True, help="Seed of the draw.")
@click.option("--jobs", default=2, show_default=True, help="Mutants tested at the same time.")
@click.option("--full", is_flag=True, help="Run the whole default suite on survivors.")
@click.option("--work", type=click.Path(path_type=Path), default=ROOT / "build" / "mutation", help="Folder for copies.")
def main(paths: tuple[Path, ...], mutants: int, seed: int, jobs: int, full: bool, work: Path) -> None:
    """Test a sample of mutants of the Python files in PATHS; write WORK/results.json."""
    work = work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    recording = record(work)
    path, tests_version = work / "results.json", hash_files("tests")
    saved = json.loads(path.read_text(encoding="utf-8"))["mutants"] if path.exists() else []
    sample = [
        (mutant, (ROOT / mutant.file).read_bytes()) for mutant in sample_mutants([*python_files(paths)], mutants, seed)
    ]
    rows = [{**asdict(mutant), "diff": mutant.diff(source), "full": full} for mutant, source in sample]
    identity = ("file", "diff", "operator")
    done = {
        tuple(row[name] for name in identity): row
        for row in saved
        if row["outcome"] in ("caught", "timeout") or (row["full"] >= full and row["tests_version"] == tests_version)
    }
    results = [done.get(tuple(row[name] for name in identity)) for row in rows]
    trees: queue.Queue[Path] = queue.Queue()
    for number in range(jobs):
        trees.put(copy_tree(work / f"tree-{number}"))

    def run(number: int) -> None:
        tree = trees.get()
        try:
            results[number] = {
                **rows[number],
                **try_mutant(sample[number][0], recording, tree, full),
                "tests_version": tests_version,
            }
        finally:
            trees.put(tree)
        row = results[number]
        click.echo(
            f"{row['outcome']}: {row['file']}:{row['line']} {row['operator']} ({row['seconds']} s)\n{row['diff']}"
        )
        finished = [row for row in results if row]
        outcomes = Counter(row["outcome"] for row in finished)
        content = {"paths": [*map(str, paths)], "seed": seed, "outcomes": outcomes, "mutants": finished}
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, [number for number, row in enumerate(results) if row is None]))
    outcomes = Counter(row["outcome"] for row in results)
    caught = outcomes["caught"] + outcomes["timeout"]
    click.echo(f"{caught} of {len(results)} mutants caught ({caught / max(1, len(results)):.0%}): {dict(outcomes)}")


if __name__ == "__main__":
    main()
