"""Memory and time of an update of a wide model: 100,000 words, and 16 samples of each of 1,000 documents.

Data: 20 Newsgroups, each of its 2,000 words spread over fifty columns. The logits of all samples as one matrix would
take 6.4 GB. Each visible layer makes three updates in its own process; the peak is that of the process as Linux reports
it, with Python and torch.

    python benchmarks/speed/wide.py         4 minutes on one core; writes benchmarks/results/wide.json
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import run_script, save_results
from step import update_task, widen

from docnvil.runtime.machine import peak_mebibytes
from docnvil.runtime.process import tune_malloc
from docnvil.training.settings import TrainingConfig

COMMAND = "python benchmarks/speed/wide.py"
SIZE = {"words": 100_000, "units": 50, "samples": 16, "documents": 1000}
OBSERVATIONS = ("softmax", "dirichlet-multinomial", "bernoulli")
UPDATES = 3


def update_here(observation: str) -> dict[str, Any]:
    """Make some updates in this process; return the seconds of the fastest and the peak memory."""
    tune_malloc()  # as `docnvil fit` does
    torch.set_num_threads(1)
    counts = widen(ng20.load()[0], SIZE["words"])
    if observation == "bernoulli":
        counts.data = np.ones_like(counts.data)
    config = TrainingConfig(start="random", batch_size=SIZE["documents"], n_samples=SIZE["samples"])
    update = update_task(counts, SIZE["units"], config, "autoregressive", observation=observation)
    seconds = []
    for _ in range(UPDATES):
        start = time.perf_counter()
        update()
        seconds.append(time.perf_counter() - start)
    return {"seconds_per_update": round(min(seconds), 2), "peak_mebibytes": round(peak_mebibytes())}


@click.command()
@click.option("--observation", type=click.Choice(OBSERVATIONS), hidden=True, help="Measure this layer in this process.")
def main(observation: str | None) -> None:
    """Measure the memory of updates of a wide model; write benchmarks/results/wide.json."""
    if observation is not None:
        click.echo(json.dumps(update_here(observation)))
        return
    layers = {}
    for name in OBSERVATIONS:
        layers[name] = run_script(__file__, "--observation", name)
        click.echo(f"{name}: {layers[name]}", err=True)
    save_results("wide", COMMAND, {**SIZE, "layers": layers})


if __name__ == "__main__":
    main()
