"""Training time until docnvil predicts held-out words as well as tomotopy's LDA after 1,000 iterations.

Data: 20 Newsgroups, 2,000 words, with the completion split of the corpus. Both models have 50 units or topics. docnvil
is trained from scratch by the default recipe for 1, 2, 3, ... epochs, until its completion perplexity per word is at
most tomotopy's. Its time is the wall time of that last command, including the start of Python and writing the model;
tomotopy's time is its training alone.

    python benchmarks/quality/time_to_completion.py     4 minutes on two cores
                                                        writes benchmarks/results/time_to_completion.json
"""

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, save_results
from peers import fit_peer

COMMAND = "python benchmarks/quality/time_to_completion.py"
MAX_EPOCHS = 40


def measure_seed(seed: int, units: int, threads: int) -> dict[str, Any]:
    """Train tomotopy once, and docnvil for more and more epochs until it predicts as well."""
    train = ng20.paths()[0]
    lda = fit_peer("tomotopy-lda", ng20.load()[0], units, seed)
    target = ng20.evaluate_completion(lda.model)["completion_per_word"]
    trainings = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        observed, hidden = ng20.write_completion(folder)
        for epochs in range(1, MAX_EPOCHS + 1):
            model = folder / f"after-{epochs}"
            options = ["--units", units, "--seed", seed, "--threads", threads, "--epochs", epochs]
            fit = docnvil("fit", train, *options, "--out", model, "--json")
            completion = docnvil("completion", model, observed, "--predict", hidden, "--json").json
            trainings.append(
                {
                    "epochs": epochs,
                    "wall_seconds": round(fit.seconds, 2),
                    "training_seconds": round(fit.json["seconds"], 2),
                    "completion_per_word": completion["perplexity_per_word"],
                }
            )
            click.echo(f"seed {seed}: {trainings[-1]}; tomotopy {target:.1f} in {lda.seconds:.1f} s", err=True)
            if completion["perplexity_per_word"] <= target:
                break
    return {
        "seed": seed,
        "tomotopy": {"seconds": round(lda.seconds, 2), "completion_per_word": target},
        "docnvil": trainings,
        "reached": trainings[-1]["completion_per_word"] <= target,
        "time_ratio": round(trainings[-1]["wall_seconds"] / lda.seconds, 3),
    }


@click.command()
@click.option("--units", default=50, show_default=True, help="Units or topics of both models.")
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
@click.option("--threads", default=2, show_default=True, help="Threads of docnvil; tomotopy uses all cores.")
def main(units: int, seeds: int, threads: int) -> None:
    """Time docnvil until it predicts as well as tomotopy; write benchmarks/results/time_to_completion.json."""
    runs = [measure_seed(seed, units, threads) for seed in range(seeds)]
    ratio = median(run["time_ratio"] for run in runs) if all(run["reached"] for run in runs) else None
    click.echo(f"docnvil's time divided by tomotopy's, median over seeds: {ratio}")
    settings = {"units": units, "threads": threads}
    save_results("time_to_completion", COMMAND, {**settings, "runs": runs, "time_ratio": ratio})


if __name__ == "__main__":
    main()
