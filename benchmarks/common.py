"""Shared by the benchmarks: run and time commands, find the data, write and resume JSON results.

Every result is one file, benchmarks/results/NAME.json: the command that writes it, the machine and the versions it ran
on, its settings with the seed, and the measurements. `tables.py` turns the files into the tables of README and docs/.
"""

import json
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click

from docnvil.runtime.folders import replace_file
from docnvil.runtime.machine import machine
from docnvil.training.recipes import RECIPES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Options that turn the default recipe's model into the papers': a softmax output layer and no penalty on units.
SOFTMAX = ("--recipe", "best", "--observation", "softmax")
MEMORY_SAMPLING_SECONDS = 0.02


@dataclass(frozen=True)
class CompletedCommand:
    """A command that succeeded.

    Arguments:
        command: the command as a user would type it, after "$ ".
        stdout: what it printed.
        seconds: wall time, including the start of Python.
        peak_mebibytes: peak memory of the largest child process so far, in MiB.
    """

    command: str
    stdout: str
    seconds: float
    peak_mebibytes: float

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object that the command printed."""
        return json.loads(self.stdout)


def docnvil(*arguments: object, echo: bool = False, cwd: Path | None = None) -> CompletedCommand:
    """Run `docnvil ARGUMENTS` in its own process; with `echo`, print the command and its output."""
    words = [str(argument) for argument in arguments]
    label = f"docnvil {shlex.join(words)}"
    return run_command([sys.executable, "-m", "docnvil", *words], label=label, echo=echo, cwd=cwd)


def run_command(command: Sequence[str], *, label: str, echo: bool = False, cwd: Path | None = None) -> CompletedCommand:
    """Run a command that must succeed. Its error output, such as progress bars, goes to the terminal.

    Arguments:
        command: program and arguments.
        label: the command as a user would type it.
        echo: print the label and the command's output.
        cwd: folder to run it in.
    """
    if echo:
        click.secho(f"\n$ {label}", bold=True)
    sys.stdout.flush()
    start = time.perf_counter()
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=cwd)
    seconds = time.perf_counter() - start
    if echo:
        click.echo(process.stdout, nl=False)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return CompletedCommand(f"$ {label}", process.stdout, seconds, peak)


def run_script(script: str, *options: object) -> dict[str, Any]:
    """Run a benchmark script again in its own process and return the JSON object on the last line it prints."""
    command = [sys.executable, script, *map(str, options)]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout.splitlines()[-1])


def run_with_memory(command: Sequence[object], *, prints_json: bool = True) -> dict[str, Any]:
    """Run a command and return the JSON object it printed, if any, its wall seconds and its peak memory.

    Private memory is memory that is not file cache (RssAnon), sampled every 20 ms and summed over the process and its
    children. Total memory is the process's peak resident memory, including memory-mapped files. Both are 0 outside
    Linux.
    """
    words = [str(word) for word in command]
    start = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        private = total = 0
        while process.poll() is None:
            samples = [memory_of(number) for number in process_family(process.pid)]
            private = max(private, sum(anonymous for anonymous, _ in samples))
            total = max(total, samples[0][1])
            time.sleep(MEMORY_SAMPLING_SECONDS)
        output = process.stdout.read()
    if process.returncode:
        raise click.ClickException(f"{shlex.join(words)} failed with exit status {process.returncode}; see above.")
    return {
        **(json.loads(output) if output and prints_json else {}),
        "wall_seconds": round(time.perf_counter() - start, 2),
        "peak_private_mebibytes": round(private / 1024),
        "peak_total_mebibytes": round(total / 1024),
    }


def memory_of(process: int) -> tuple[int, int]:
    """Return a process's private memory and the peak of its resident memory, in KiB; zeros if unknown."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0, 0
    matches = (re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE) for name in ("RssAnon", "VmHWM"))
    private, peak = (int(match[1]) if match else 0 for match in matches)
    return private, peak


def process_family(process: int) -> list[int]:
    """Return the ids of a process and, on Linux, of its children."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    except OSError:
        children = ""
    return [process, *map(int, children.split())]


def median_seconds(*tasks: Callable[[], object], rounds: int = 40) -> list[float]:
    """Return the median seconds of each task over rounds in which all tasks run once, after one warm-up round.

    Interleaving the tasks spreads the machine's other load evenly over them.
    """
    seconds: list[list[float]] = [[] for _ in tasks]
    for number in range(rounds + 1):
        for task, times in zip(tasks, seconds, strict=True):
            start = time.perf_counter()
            task()
            if number:
                times.append(time.perf_counter() - start)
    return [median(times) for times in seconds]


def shared_data(name: str) -> Path:
    """Return the path of a corpus in the data folder; raise a `ClickException` if it is missing."""
    folder = Path(os.environ.get("DOCNVIL_DATA", ROOT / ".." / "shared" / "data"))
    path = folder / name
    if not path.exists():
        raise click.ClickException(f"{name} is not in {folder}. Set DOCNVIL_DATA to the folder that contains it.")
    return path.resolve()


def recipe_settings(name: str) -> dict[str, Any]:
    """Return the model and training settings of a recipe; results store them, so that a changed recipe is rerun."""
    return {**RECIPES[name].model, **RECIPES[name].training, "updates": RECIPES[name].updates}


def save_results(name: str, command: str, results: Mapping[str, Any]) -> None:
    """Write benchmarks/results/NAME.json: the command that writes it, the machine, and the results."""
    text = json.dumps({"command": command, "machine": machine(), **results}, indent=2, ensure_ascii=False) + "\n"
    replace_file(RESULTS / f"{name}.json", text.encode())
    click.echo(f"Wrote {RESULTS.relative_to(ROOT) / name}.json", err=True)


def resume_results(name: str, settings: Mapping[str, Any], empty: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an interrupted benchmark has measured with the same settings, or empty results.

    Arguments:
        name: the result's name.
        settings: entries of the file that must be equal for its measurements to be kept.
        empty: entries of the file that hold measurements, as they are before anything is measured.
    """
    path = RESULTS / f"{name}.json"
    saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    same = all(saved.get(key) == value for key, value in settings.items())
    return {**settings, **deepcopy(dict(empty)), **({key: saved[key] for key in empty if key in saved} if same else {})}


def provenance(results: Mapping[str, Any]) -> str:
    """Return a sentence that names the command and the machine of a result."""
    host = results["machine"]
    return f"Made by `{results['command']}` on {host['cores']} cores of {host['processor']}, torch {host['torch']}."


def results_table(name: str, command: str) -> Callable[[Callable[[dict[str, Any]], Iterable[str]]], Callable[[], str]]:
    """Turn a function from the content of results/NAME.json to lines into a table that ends with its provenance.

    Arguments:
        name: the result's name.
        command: the command that measures it, named where the file is missing.
    """

    def decorate(lines: Callable[[dict[str, Any]], Iterable[str]]) -> Callable[[], str]:
        def table() -> str:
            path = RESULTS / f"{name}.json"
            if not path.exists():
                return f"Not measured yet: `{command}` does."
            results = json.loads(path.read_text(encoding="utf-8"))
            return "\n".join([*lines(results), "", provenance(results)])

        return table

    return decorate
