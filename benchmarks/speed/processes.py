"""Training speed of two processes compared with one, each with one thread, on one machine with the gloo backend.

Data: 20 Newsgroups, 2,000 words. Three trainings of different batch sizes are timed by the seconds that `docnvil fit`
reports, without its start. As a reference for what the machine allows, the same number of independent trainings run at
once; two virtual cores that share arithmetic units do less than twice the work of one.

    python benchmarks/speed/processes.py    6 minutes on two cores; writes benchmarks/results/processes.json
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

import ng20
from common import run_command, save_results

# The default's small batches, for which communication is a large part of a step, and larger ones.
TRAININGS = (
    {"units": "50", "batch_size": 100, "epochs": 10},
    {"units": "200", "batch_size": 1000, "epochs": 4},
    {"units": "200", "batch_size": 3000, "epochs": 8},
)
COMMAND = "python benchmarks/speed/processes.py"


def train(corpus: Path, processes: int, options: list[str]) -> dict[str, Any]:
    """Run one training and return what `docnvil fit --json` prints."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m", "docnvil"]
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "model")
        arguments = ["fit", str(corpus), "--out", out, "--device", "cpu", "--threads", "1", "--json", *options]
        label = f"torchrun --nproc-per-node={processes} -m docnvil fit ..."
        return run_command([sys.executable, "-m", *launcher, *arguments], label=label).json


def compare(processes: int, rounds: int, *, units: str, batch_size: int, epochs: int) -> dict[str, Any]:
    """Time a training with one process, with several, and several independent trainings at once."""
    corpus = ng20.paths()[0]
    options = ["--epochs", str(epochs), "--units", units, "--batch-size", str(batch_size)]
    seconds: dict[int, list[float]] = {1: [], processes: []}
    independent: list[float] = []
    bounds: dict[int, float] = {}
    for _ in range(rounds):
        for size, times in seconds.items():
            fit = train(corpus, size, options)
            times.append(fit["seconds"])
            bounds[size] = fit["validation_bound"]
        with ThreadPoolExecutor(processes) as pool:
            independent.append(max(pool.map(lambda _: train(corpus, 1, options)["seconds"], range(processes))))
    alone, together = (median(times) for times in seconds.values())
    row = {
        "epochs": epochs,
        "units": units,
        "batch_size": batch_size,
        "seconds": {str(size): [round(each, 2) for each in times] for size, times in seconds.items()},
        "validation_bound": {str(size): round(bound, 3) for size, bound in bounds.items()},
        "speedup": round(alone / together, 2),
        "independent": {
            "seconds": [round(each, 2) for each in independent],
            "throughput_ratio": round(processes * alone / median(independent), 2),
        },
    }
    click.echo(row)
    return row


@click.command()
@click.option("--processes", type=click.IntRange(min=2), default=2, show_default=True, help="Processes of a training.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Timings of each training.")
def main(processes: int, rounds: int) -> None:
    """Time trainings with one and with several processes; write benchmarks/results/processes.json."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    trainings = [compare(processes, rounds, **training) for training in TRAININGS]
    save_results("processes", COMMAND, {"backend": "gloo", "threads_per_process": 1, "trainings": trainings})


if __name__ == "__main__":
    main()
