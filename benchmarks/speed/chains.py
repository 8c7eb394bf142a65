"""What autoregressive layers cost beside factorial ones: drawing alone, and a whole training step.

    python benchmarks/speed/chains.py       writes benchmarks/results/chains.json

Both are timed in turn, again and again, and the medians compared: what else the machine does falls on both.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import csr_array, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import keep, shared_data

from docnvil.batches import iterate_batches
from docnvil.model.belief_network import ModelConfig
from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli
from docnvil.runtime.process import tune_malloc
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.training.loop import Training, TrainingConfig, update

COMMAND = "python benchmarks/speed/chains.py"
SHAPES = ((5, 100, 50), (5, 100, 200), (1, 20, 50), (1, 20, 200))
ROUNDS = 40


def in_turn(*tasks: Callable[[], object], rounds: int = ROUNDS) -> list[float]:
    """Return the median seconds of each task, a round of all after another; the first round is not counted."""
    took: list[list[float]] = [[] for _ in tasks]
    for number in range(rounds + 1):
        for task, times in zip(tasks, took, strict=True):
            started = time.perf_counter()
            task()
            if number:
                times.append(time.perf_counter() - started)
    return [median(times) for times in took]


def drawing(n_samples: int, n_documents: int, n_units: int) -> dict[str, Any]:
    """Time the draws of one layer, with and without weights between its units."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n_documents, n_units, generator=generator)
    weight = torch.randn(n_units, n_units, generator=generator) / 10
    shape, keys = (n_samples, n_documents, n_units), torch.arange(n_documents)
    factorial, chain = in_turn(
        lambda: Bernoulli(logits).sample(shape, KeyedGenerator(0, keys)),
        lambda: AutoregressiveBernoulli(logits, weight).sample(shape, KeyedGenerator(0, keys)),
    )
    return {
        "samples": n_samples,
        "documents": n_documents,
        "units": n_units,
        "factorial_ms": round(1e3 * factorial, 3),
        "autoregressive_ms": round(1e3 * chain, 3),
        "ratio": round(chain / factorial, 2),
    }


def step(counts: csr_array, n_units: int, config: TrainingConfig) -> dict[str, Any]:
    """Time whole updates of a network whose prior and recognition are factorial, and of one where both are chains."""
    tasks = []
    for dependence in ("factorial", "autoregressive"):
        model = ModelConfig(counts.shape[1], (n_units,), prior=dependence, posterior=dependence, start_logit=-3.0)
        training = Training.start(model, config, counts, torch.device("cpu"))
        keys = np.arange(counts.shape[0])
        device, dtype = training.model.device, training.model.dtype
        batch = next(iterate_batches(counts, config.batch_size, keys=keys, device=device, dtype=dtype))
        generator = KeyedGenerator(0, batch.keys)
        tasks.append(lambda t=training, b=batch, g=generator: update(t, b, g, config.learning_rate, warmup_scale=1.0))
    factorial, chain = in_turn(*tasks)
    return {
        "samples": config.n_samples,
        "documents": config.batch_size,
        "units": n_units,
        "words": counts.shape[1],
        "factorial_ms": round(1e3 * factorial, 3),
        "autoregressive_ms": round(1e3 * chain, 3),
        "ratio": round(chain / factorial, 2),
    }


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
def main(threads: int) -> None:
    """Time chains beside factorial layers."""
    tune_malloc()  # as `docnvil fit` does
    torch.set_num_threads(threads)
    counts = csr_array(load_npz(shared_data("ng20_sh2009/train.npz")))
    draws = [drawing(*shape) for shape in SHAPES]
    five = TrainingConfig(start="random")
    one = TrainingConfig(start="random", batch_size=20, n_samples=1, baseline="learned", optimizer="sgd")
    steps = [step(counts, n_units, config) for config in (five, one) for n_units in (50, 200)]
    for figures in (*draws, *steps):
        click.echo(figures)
    keep("chains", COMMAND, {"threads": threads, "drawing": draws, "training_step": steps})


if __name__ == "__main__":
    main()
