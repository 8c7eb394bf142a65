"""A whole training step over its floor: the matrix products and exponentials that likelihood and recognition need.

    python benchmarks/speed/step.py         writes benchmarks/results/step.json

The floor counts, for S samples of B documents over V words and K units with `nnz` different words in the batch:

    likelihood     S B V K multiplications forward and S B V K for the weights' gradient, at the rate of this machine's
                   sgemm in these very shapes; and S B V exponentials, at its rate for a block that lies in its cache
    recognition    nnz K multiplications forward and as many for the weights' gradient, at the same rate of sgemm

There are two floors: what torch's `@` and `exp` take, and the least that any of its ways takes that we know of: oneDNN
for MKL's sgemm, and `exp2` for `exp`. docnvil goes the second way, so that its step may lie below the first.

A step draws samples, calculates log p and log q, surrogate and gradient, and moves the parameters by Adam. Floors and
steps are timed in turn, in the same run, and medians are compared; so are factorial and autoregressive layers.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import csr_array, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from chains import in_turn
from common import keep, shared_data

from docnvil.batches import iterate_batches
from docnvil.model.belief_network import ModelConfig
from docnvil.runtime.precision import onednn_products
from docnvil.runtime.process import tune_malloc
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.training.loop import Training, TrainingConfig, update

COMMAND = "python benchmarks/speed/step.py"
IN_CACHE = 1 << 16  # exponentials at a time: 256 KB


def updating(
    counts: csr_array, n_units: int, config: TrainingConfig, dependence: str, **settings: Any
) -> Callable[[], object]:
    """Return a task that makes one update on the first batch; `settings` are more ones of `ModelConfig`."""
    chained = {"prior": dependence, "posterior": dependence}
    model = ModelConfig(counts.shape[1], (n_units,), start_logit=-3.0, **chained, **settings)
    training = Training.start(model, config, counts, torch.device("cpu"))
    device, dtype = training.model.device, training.model.dtype
    batch = next(
        iterate_batches(counts, config.batch_size, keys=np.arange(counts.shape[0]), device=device, dtype=dtype)
    )
    generator = KeyedGenerator(0, batch.keys)
    return lambda: with_onednn(lambda: update(training, batch, generator, config.learning_rate, warmup_scale=1.0))


def with_onednn(task: Callable[[], object]) -> object:
    """Run a task with the matrix products that docnvil trains with."""
    with onednn_products(torch.device("cpu")):
        return task()


def step(counts: csr_array, n_units: int, n_samples: int, n_documents: int, rounds: int) -> dict[str, Any]:
    """Time a step with factorial and one with autoregressive layers beside what their floor is made of."""
    baseline = "leave-one-out" if n_samples > 1 else "learned"
    config = TrainingConfig(start="random", batch_size=n_documents, n_samples=n_samples, baseline=baseline)
    n_rows, vocabulary_size = n_samples * n_documents, counts.shape[1]
    nnz = counts[:n_documents].nnz
    samples, weight = torch.rand(n_rows, n_units), torch.rand(vocabulary_size, n_units)
    logits, block, out = torch.rand(n_rows, vocabulary_size), torch.rand(IN_CACHE), torch.empty(IN_CACHE)
    blocks = max(1, n_rows * vocabulary_size // IN_CACHE)
    forward, backward, *quicker, exps, exp2s, factorial, chain = in_turn(
        lambda: samples @ weight.T,
        lambda: logits.T @ samples,
        lambda: with_onednn(lambda: samples @ weight.T),
        lambda: with_onednn(lambda: logits.T @ samples),
        lambda: [torch.exp(block, out=out) for _ in range(blocks)],
        lambda: [torch.exp2(block, out=out) for _ in range(blocks)],
        updating(counts, n_units, config, "factorial"),
        updating(counts, n_units, config, "autoregressive"),
        rounds=rounds,
    )
    exps, exp2s = (each * n_rows * vocabulary_size / (blocks * IN_CACHE) for each in (exps, exp2s))

    def floor(products: float, exponentials: float) -> dict[str, float]:
        rate = 2 * n_rows * vocabulary_size * n_units / products  # multiplications a second: two products of so many
        parts = {"products": products, "exponentials": exponentials, "recognition": 2 * nnz * n_units / rate}
        return {name: 1e3 * seconds for name, seconds in parts.items()}

    floors = {
        "torch": floor(forward + backward, exps),
        "quickest": floor(min(forward, quicker[0]) + min(backward, quicker[1]), min(exps, exp2s)),
    }
    return {
        "words": vocabulary_size,
        "units": n_units,
        "documents": n_documents,
        "samples": n_samples,
        "baseline": baseline,
        "floor_ms": {name: {part: round(ms, 3) for part, ms in parts.items()} for name, parts in floors.items()},
        "step_ms": round(1e3 * factorial, 3),
        "over_floor": {name: round(1e3 * factorial / sum(parts.values()), 2) for name, parts in floors.items()},
        "autoregressive_step_ms": round(1e3 * chain, 3),
        "autoregressive_over_factorial": round(chain / factorial, 2),
    }


def widened(counts: csr_array, vocabulary_size: int) -> csr_array:
    """Give every word several columns, drawn for each of its counts: a larger vocabulary of the same text."""
    copies = -(-vocabulary_size // counts.shape[1])
    drawn = np.random.default_rng(0).integers(copies, size=counts.nnz)
    columns = (counts.indices + counts.shape[1] * drawn) % vocabulary_size
    wide = csr_array((counts.data, columns, counts.indptr), shape=(counts.shape[0], vocabulary_size))
    wide.sum_duplicates()
    return wide


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=40, show_default=True)
def main(threads: int, rounds: int) -> None:
    """Time whole training steps beside their floors."""
    torch.set_num_threads(threads)
    tune_malloc()  # as `docnvil fit` does
    counts = csr_array(load_npz(shared_data("ng20_sh2009/train.npz")))
    steps = [
        step(counts, 50, n_samples=5, n_documents=100, rounds=rounds),
        step(widened(counts, 10_000), 200, n_samples=1, n_documents=100, rounds=rounds),
    ]
    for figures in steps:
        click.echo(figures)
    keep("step", COMMAND, {"threads": threads, "rounds": rounds, "steps": steps})


if __name__ == "__main__":
    main()
