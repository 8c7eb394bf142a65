"""What an update of a wide model holds in memory: 100,000 words, 16 samples of each of 1,000 documents.

    python benchmarks/speed/wide.py         writes benchmarks/results/wide.json

One matrix of the logits of all samples would be 6.4 GB. Every kind of visible layer is trained for three updates, in a
process of its own whose peak is what Linux reports for it, Python and torch included. The posts are those of 20
Newsgroups; each of their words has fifty columns, drawn for each of its counts.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import csr_array, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import keep, shared_data
from step import updating, widened

from docnvil.runtime.machine import peak_mebibytes
from docnvil.runtime.process import tune_malloc
from docnvil.training.loop import TrainingConfig

COMMAND = "python benchmarks/speed/wide.py"
SIZE = {"words": 100_000, "units": 50, "samples": 16, "documents": 1000}
OBSERVATIONS = ("softmax", "dirichlet-multinomial", "bernoulli")
UPDATES = 3


def train_here(observation: str) -> dict[str, Any]:
    """Make some updates in this process, and return the seconds of one and the peak of memory."""
    tune_malloc()  # as `docnvil fit` does
    torch.set_num_threads(1)
    counts = widened(csr_array(load_npz(shared_data("ng20_sh2009/train.npz"))), SIZE["words"])
    if observation == "bernoulli":
        counts.data = np.ones_like(counts.data)
    config = TrainingConfig(start="random", batch_size=SIZE["documents"], n_samples=SIZE["samples"])
    update = updating(counts, SIZE["units"], config, "autoregressive", observation=observation)
    seconds = []
    for _ in range(UPDATES):
        started = time.perf_counter()
        update()
        seconds.append(time.perf_counter() - started)
    return {"seconds_an_update": round(min(seconds), 2), "peak_mebibytes": round(peak_mebibytes())}


@click.command()
@click.option("--observation", type=click.Choice(OBSERVATIONS), hidden=True)
def main(observation: str | None) -> None:
    """Measure the memory of wide updates."""
    if observation is not None:  # the process of one layer
        click.echo(json.dumps(train_here(observation)))
        return
    found = {}
    for name in OBSERVATIONS:
        told = [sys.executable, __file__, "--observation", name]
        found[name] = json.loads(subprocess.run(told, check=True, stdout=subprocess.PIPE, text=True).stdout)
        click.echo(f"{name}: {found[name]}", err=True)
    keep("wide", COMMAND, {**SIZE, "found": found})


if __name__ == "__main__":
    main()
