"""Time of a training step, divided by the time of the matrix products and exponentials that it cannot avoid.

Data: 20 Newsgroups with 2,000 words and, for a wider model, with 10,000 columns made from them. A step samples q,
computes log p, log q, the surrogate loss and its gradient, and updates the parameters with Adam. Its floor, for S
samples of B documents over V words and K units with `nnz` distinct words in the batch, is

    likelihood     S B V K multiplications forward and S B V K for the gradient of the weights, at the speed of this
                   machine's sgemm on matrices of the same shapes; S B V exponentials, at the speed of exponentials
                   of an array that stays in the processor's cache
    recognition    nnz K multiplications forward and nnz K for the gradient of the weights, at the same speed of sgemm

There are two floors: "torch" takes torch's `@` and `exp`; "fastest" takes the fastest implementations we know, oneDNN
for the products and `exp2` for the exponentials. docnvil uses the latter, so a step can be faster than the first floor.
Floors and steps are timed in the same rounds and medians are compared, as are factorial and autoregressive layers.

    python benchmarks/speed/step.py         1 minute on one core; writes benchmarks/results/step.json
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import median_seconds, save_results

from docnvil.batches import iterate_batches
from docnvil.model.settings import ModelConfig
from docnvil.runtime.precision import onednn_products
from docnvil.runtime.process import tune_malloc
from docnvil.runtime.randomness import KeyedGenerator
from docnvil.training.loop import update
from docnvil.training.settings import TrainingConfig
from docnvil.training.state import Training

COMMAND = "python benchmarks/speed/step.py"
CACHED = 1 << 16  # exponentials at a time: 256 KB


def update_task(
    counts: csr_array, n_units: int, config: TrainingConfig, dependence: str, **settings: Any
) -> Callable[[], object]:
    """Return a function that makes one update on the first batch.

    Arguments:
        counts: training documents, `[N, V]`.
        n_units: units of the only layer.
        config: how to train.
        dependence: "factorial" or "autoregressive", for both prior and q.
        settings: further fields of `ModelConfig`.
    """
    model = ModelConfig(
        counts.shape[1], (n_units,), start_logit=-3.0, prior=dependence, posterior=dependence, **settings
    )
    training = Training.start(model, config, counts, torch.device("cpu"))
    device, dtype = training.model.device, training.model.dtype
    keys = np.arange(counts.shape[0])
    batch = next(iterate_batches(counts, config.batch_size, keys=keys, device=device, dtype=dtype))
    generator = KeyedGenerator(0, batch.keys)
    return with_onednn(lambda: update(training, batch, generator, config.learning_rate, penalty_scale=1.0))


def with_onednn(task: Callable[[], object]) -> Callable[[], object]:
    """Return a task that runs with the matrix products that docnvil trains with."""

    def run() -> object:
        with onednn_products(torch.device("cpu")):
            return task()

    return run


def time_step(counts: csr_array, n_units: int, n_samples: int, n_documents: int, rounds: int) -> dict[str, Any]:
    """Time a step with factorial and one with autoregressive layers, and the operations of their floors."""
    baseline = "leave-one-out" if n_samples > 1 else "learned"
    config = TrainingConfig(start="random", batch_size=n_documents, n_samples=n_samples, baseline=baseline)
    n_rows, vocabulary_size = n_samples * n_documents, counts.shape[1]
    nnz = counts[:n_documents].nnz
    samples, weight = torch.rand(n_rows, n_units), torch.rand(vocabulary_size, n_units)
    logits, exponents, out = torch.rand(n_rows, vocabulary_size), torch.rand(CACHED), torch.empty(CACHED)
    repeats = max(1, n_rows * vocabulary_size // CACHED)
    forward, backward, fast_forward, fast_backward, exp, exp2, factorial, autoregressive = median_seconds(
        lambda: samples @ weight.T,
        lambda: logits.T @ samples,
        with_onednn(lambda: samples @ weight.T),
        with_onednn(lambda: logits.T @ samples),
        lambda: [torch.exp(exponents, out=out) for _ in range(repeats)],
        lambda: [torch.exp2(exponents, out=out) for _ in range(repeats)],
        update_task(counts, n_units, config, "factorial"),
        update_task(counts, n_units, config, "autoregressive"),
        rounds=rounds,
    )
    exp, exp2 = (seconds * n_rows * vocabulary_size / (repeats * CACHED) for seconds in (exp, exp2))

    def floor(products: float, exponentials: float) -> dict[str, float]:
        rate = 2 * n_rows * vocabulary_size * n_units / products  # multiplications per second, of two products
        parts = {"products": products, "exponentials": exponentials, "recognition": 2 * nnz * n_units / rate}
        return {name: 1e3 * seconds for name, seconds in parts.items()}

    floors = {
        "torch": floor(forward + backward, exp),
        "fastest": floor(min(forward, fast_forward) + min(backward, fast_backward), min(exp, exp2)),
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
        "autoregressive_step_ms": round(1e3 * autoregressive, 3),
        "autoregressive_over_factorial": round(autoregressive / factorial, 2),
    }


def widen(counts: csr_array, vocabulary_size: int) -> csr_array:
    """Return the counts over a larger vocabulary: each entry goes to one of several columns that its word gets."""
    copies = -(-vocabulary_size // counts.shape[1])
    copy_numbers = np.random.default_rng(0).integers(copies, size=counts.nnz)
    columns = (counts.indices + counts.shape[1] * copy_numbers) % vocabulary_size
    wide = csr_array((counts.data, columns, counts.indptr), shape=(counts.shape[0], vocabulary_size))
    wide.sum_duplicates()
    return wide


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of torch.")
@click.option("--rounds", type=click.IntRange(min=1), default=40, show_default=True, help="Timings of each operation.")
def main(threads: int, rounds: int) -> None:
    """Time training steps and their floors; write benchmarks/results/step.json."""
    torch.set_num_threads(threads)
    tune_malloc()  # as `docnvil fit` does
    counts, _ = ng20.load()
    steps = [
        time_step(counts, 50, n_samples=5, n_documents=100, rounds=rounds),
        time_step(widen(counts, 10_000), 200, n_samples=1, n_documents=100, rounds=rounds),
    ]
    for row in steps:
        click.echo(row)
    save_results("step", COMMAND, {"threads": threads, "rounds": rounds, "steps": steps})


if __name__ == "__main__":
    main()
