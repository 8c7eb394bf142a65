"""How much faster two processes train than one, each of one thread, talking by gloo on one machine.

    python benchmarks/speed/processes.py    writes benchmarks/results/processes.json

Commands are run in turn, and the training seconds that they report are compared, starting up left out. What the
machine itself allows is measured beside: as many trainings at once that know nothing of one another, each of the whole
work. Two cores that share their arithmetic, as virtual ones often do, do less than twice the work of one.
"""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import Done, keep, run, shared_data

# The default's small steps, of which talking is a large part, and larger ones.
TRAININGS = (
    {"units": "50", "batch_size": 100, "epochs": 10},
    {"units": "200", "batch_size": 1000, "epochs": 4},
    {"units": "200", "batch_size": 3000, "epochs": 8},
)
COMMAND = "python benchmarks/speed/processes.py"


def train(corpus: Path, processes: int, options: list[str]) -> Done:
    """Run one training in a folder of its own."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m", "docnvil"]
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "model")
        arguments = ["fit", str(corpus), "--out", out, "--device", "cpu", "--threads", "1", "--json", *options]
        told = f"torchrun --nproc-per-node={processes} -m docnvil fit ..."
        return run([sys.executable, "-m", *launcher, *arguments], told=told)


@click.command()
@click.option("--processes", type=click.IntRange(min=2), default=2, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
def main(processes: int, rounds: int) -> None:
    """Time one process beside several."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    measured = [beside(processes, rounds, **each) for each in TRAININGS]
    keep("processes", COMMAND, {"backend": "gloo", "threads_a_process": 1, "trainings": measured})


def beside(processes: int, rounds: int, *, units: str, batch_size: int, epochs: int) -> dict[str, Any]:
    """Time one training by one process, by several, and several at once that are not related."""
    corpus = shared_data("ng20_sh2009/train.npz")
    options = ["--epochs", str(epochs), "--units", units, "--batch-size", str(batch_size)]
    seconds: dict[int, list[float]] = {1: [], processes: []}
    apart: list[float] = []
    bounds: dict[int, float] = {}
    for _ in range(rounds):
        for size, took in seconds.items():
            found = train(corpus, size, options).json
            took.append(found["seconds"])
            bounds[size] = found["validation_bound"]
        with ThreadPoolExecutor(processes) as pool:
            at_once = pool.map(lambda _: train(corpus, 1, options).json["seconds"], range(processes))
            apart.append(max(at_once))
    alone, together = (median(took) for took in seconds.values())
    figures = {
        "epochs": epochs,
        "units": units,
        "batch_size": batch_size,
        "seconds": {str(size): [round(each, 2) for each in took] for size, took in seconds.items()},
        "validation_bound": {str(size): round(bound, 3) for size, bound in bounds.items()},
        "times_as_fast": round(alone / together, 2),
        "unrelated_at_once": {
            "seconds": [round(each, 2) for each in apart],
            "times_the_work_of_one": round(processes * alone / median(apart), 2),
        },
    }
    click.echo(figures)
    return figures


if __name__ == "__main__":
    main()
