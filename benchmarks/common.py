"""What the benchmarks share: commands run as a user runs them, timed; results as JSON with their machine."""

import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from docnvil.runtime.folders import replace_file
from docnvil.runtime.machine import machine

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Of the default recipe, what makes its model that of the papers: words that do not burst, units that cost nothing.
SOFTMAX = ("--observation", "softmax", "--sparsity", "0")


@dataclass(frozen=True)
class Done:
    """A finished command, what it printed, its wall seconds, and the peak memory of the largest process so far."""

    command: str
    stdout: str
    seconds: float
    peak_mebibytes: float

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object that it printed."""
        return json.loads(self.stdout)


def docnvil(*arguments: object, shown: bool = False, cwd: Path | None = None) -> Done:
    """Run a docnvil command in a process of its own; `shown` prints command and output as a terminal would."""
    words = [str(argument) for argument in arguments]
    told = f"docnvil {shlex.join(words)}"
    return run([sys.executable, "-m", "docnvil", *words], told=told, shown=shown, cwd=cwd)


def run(command: Sequence[str], *, told: str, shown: bool = False, cwd: Path | None = None) -> Done:
    """Run a command, which must succeed; its progress goes where ours goes.

    Arguments:
        command: what is run. told: how a person would have typed it. shown: print that, and its output.
        cwd: the folder to run it in.
    """
    if shown:
        click.secho(f"\n$ {told}", bold=True)
    sys.stdout.flush()
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=cwd)
    seconds = time.perf_counter() - started
    if shown:
        click.echo(done.stdout, nl=False)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return Done(f"$ {told}", done.stdout, seconds, peak)


def shared_data(name: str) -> Path:
    """Return the path of a real corpus, or stop with a sentence where it is absent."""
    folder = Path(os.environ.get("DOCNVIL_DATA", ROOT / ".." / "shared" / "data"))
    path = folder / name
    if not path.exists():
        raise click.ClickException(f"{name} is not in {folder}. Set DOCNVIL_DATA to the folder that holds it.")
    return path.resolve()


def keep(name: str, command: str, figures: Mapping[str, Any]) -> None:
    """Write benchmarks/results/NAME.json: the command that makes it, the machine, the figures."""
    text = json.dumps({"command": command, "machine": machine(), **figures}, indent=2, ensure_ascii=False) + "\n"
    replace_file(RESULTS / f"{name}.json", text.encode())
    click.echo(f"Wrote {RESULTS.relative_to(ROOT) / name}.json", err=True)


def kept(name: str, settings: Mapping[str, Any], empty: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a benchmark that was stopped has measured so far, to be added to and kept again.

    Arguments:
        name: of the result. settings: what it must have been measured with, as they stand in its file.
        empty: the parts of the file that hold figures, as they are before anything is measured.
    """
    path = RESULTS / f"{name}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    same = all(found.get(key) == value for key, value in settings.items())
    return {**settings, **({key: found[key] for key in empty} if same else deepcopy(dict(empty)))}


def made(found: Mapping[str, Any]) -> str:
    """Say by which command and on what machine a result was made."""
    on = found["machine"]
    return f"Made by `{found['command']}` on {on['cores']} cores of {on['processor']}, torch {on['torch']}."


def measured(name: str, command: str) -> Callable[[Callable[[dict[str, Any]], Iterable[str]]], Callable[[], str]]:
    """Turn a function from results/NAME.json to lines into a table with a word on how it was made, or on its lack."""

    def decorate(lines: Callable[[dict[str, Any]], Iterable[str]]) -> Callable[[], str]:
        def table() -> str:
            path = RESULTS / f"{name}.json"
            if not path.exists():
                return f"Not measured yet: `{command}` does."
            found = json.loads(path.read_text(encoding="utf-8"))
            return "\n".join([*lines(found), "", made(found)])

        return table

    return decorate
