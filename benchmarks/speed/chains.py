"""Cost of autoregressive layers compared with factorial ones: sampling one layer, and one training update.

Data: random logits for sampling; 20 Newsgroups, 2,000 words, for the updates. Both kinds are timed in the same rounds
and their medians compared.

    python benchmarks/speed/chains.py       1 minute on one core; writes benchmarks/results/chains.json

Axes: S samples, B documents of a batch, K units.
"""

import sys
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import median_seconds, save_results
from step import update_task

from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli
from docnvil.runtime.process import tune_malloc
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.training.settings import TrainingConfig

COMMAND = "python benchmarks/speed/chains.py"
SHAPES = ((5, 100, 50), (5, 100, 200), (1, 20, 50), (1, 20, 200))  # S, B, K
DEPENDENCES = ("factorial", "autoregressive")


def time_sampling(n_samples: int, n_documents: int, n_units: int) -> dict[str, Any]:
    """Time sampling one layer, `[S, B, K]`, without and with weights between its units."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n_documents, n_units, generator=generator)
    weight = torch.randn(n_units, n_units, generator=generator) / 10
    shape, keys = (n_samples, n_documents, n_units), torch.arange(n_documents)
    seconds = median_seconds(
        lambda: Bernoulli(logits).sample(shape, KeyedGenerator(0, keys)),
        lambda: AutoregressiveBernoulli(logits, weight).sample(shape, KeyedGenerator(0, keys)),
    )
    return {"samples": n_samples, "documents": n_documents, "units": n_units, **compare(*seconds)}


def time_updates(counts: csr_array, n_units: int, config: TrainingConfig) -> dict[str, Any]:
    """Time updates of a network with factorial prior and q, and of one in which both are autoregressive."""
    seconds = median_seconds(*(update_task(counts, n_units, config, dependence) for dependence in DEPENDENCES))
    return {
        "samples": config.n_samples,
        "documents": config.batch_size,
        "units": n_units,
        "words": counts.shape[1],
        **compare(*seconds),
    }


def compare(factorial: float, autoregressive: float) -> dict[str, float]:
    """Return both times in milliseconds and their ratio."""
    return {
        "factorial_ms": round(1e3 * factorial, 3),
        "autoregressive_ms": round(1e3 * autoregressive, 3),
        "ratio": round(autoregressive / factorial, 2),
    }


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of torch.")
def main(threads: int) -> None:
    """Time autoregressive and factorial layers; write benchmarks/results/chains.json."""
    tune_malloc()  # as `docnvil fit` does
    torch.set_num_threads(threads)
    counts, _ = ng20.load()
    sampling = [time_sampling(*shape) for shape in SHAPES]
    several = TrainingConfig(start="random")
    single = TrainingConfig(start="random", batch_size=20, n_samples=1, baseline="learned", optimizer="sgd")
    updates = [time_updates(counts, n_units, config) for config in (several, single) for n_units in (50, 200)]
    for row in (*sampling, *updates):
        click.echo(row)
    save_results("chains", COMMAND, {"threads": threads, "sampling": sampling, "training_step": updates})


if __name__ == "__main__":
    main()
