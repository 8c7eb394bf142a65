"""Training time until docnvil predicts held-out words as well as tomotopy's LDA, without and with a cache.

Data: 20 Newsgroups, 2,000 words, with the completion split of the corpus. Both models have 50 units or topics. tomotopy
is trained for 1,000 iterations, its topics are averaged over 20 more states, and documents get their expected
proportions. docnvil is trained from scratch by the default recipe for 1, 2, 3, 4, 6, ... epochs, until its completion
perplexity per word is at most that of tomotopy with a cache of the document's words; the epochs for tomotopy without a
cache are recorded on the way. The time of docnvil is the wall time of such a command, including the start of Python
and writing the model; tomotopy's time is its training alone.

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
from peers import evaluate_peer

COMMAND = "python benchmarks/quality/time_to_completion.py"
EPOCHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40)


def measure_seed(seed: int, units: int, threads: int) -> dict[str, Any]:
    """Train tomotopy once, and docnvil for more and more epochs until it predicts as well."""
    train = ng20.paths()[0]
    lda = evaluate_peer("tomotopy-lda", ng20.load()[0], *ng20.load_completion(), units, seed)
    plain, cached = (each.summarize().perplexity_per_word for each in (lda.completion, lda.cached))
    trainings = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        observed, hidden = ng20.write_completion(folder)
        for epochs in EPOCHS:
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
            click.echo(f"seed {seed}: {trainings[-1]}; tomotopy {plain:.1f}, {cached:.1f} with a cache", err=True)
            if completion["perplexity_per_word"] <= min(plain, cached):
                break
    return {
        "seed": seed,
        "tomotopy": {
            "seconds": round(lda.seconds, 2),
            "completion_per_word": plain,
            "cached_completion_per_word": cached,
        },
        "docnvil": trainings,
        "without_cache": first_at_most(plain, trainings, lda.seconds),
        "with_cache": first_at_most(cached, trainings, lda.seconds),
    }


def first_at_most(target: float, trainings: list[dict[str, Any]], seconds: float) -> dict[str, Any] | None:
    """Return the first training that reaches a completion perplexity, with its time relative to tomotopy's; or None."""
    reached = next((each for each in trainings if each["completion_per_word"] <= target), None)
    return reached and {**reached, "time_ratio": round(reached["wall_seconds"] / seconds, 3)}


@click.command()
@click.option("--units", default=50, show_default=True, help="Units or topics of both models.")
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
@click.option("--threads", default=2, show_default=True, help="Threads of docnvil; tomotopy uses all cores.")
def main(units: int, seeds: int, threads: int) -> None:
    """Time docnvil until it predicts as well as tomotopy; write benchmarks/results/time_to_completion.json."""
    runs = [measure_seed(seed, units, threads) for seed in range(seeds)]
    ratios = {
        target: median(run[target]["time_ratio"] for run in runs) if all(run[target] for run in runs) else None
        for target in ("without_cache", "with_cache")
    }
    click.echo(f"docnvil's time divided by tomotopy's, median over seeds: {ratios}")
    settings = {"units": units, "threads": threads}
    save_results("time_to_completion", COMMAND, {**settings, "runs": runs, "time_ratio": ratios})


if __name__ == "__main__":
    main()
