"""What shorter products change: bound, completion and seconds of trainings in float32 and in bf16.

    python benchmarks/speed/precision.py        writes benchmarks/results/precision.json

20 Newsgroups, 50 units, the default recipe and the papers' softmax layer, over seeds. Only the likelihood's large
products are in bf16, and only in training: all figures are calculated in float32.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))

from common import SOFTMAX, docnvil, keep, kept, shared_data
from newsgroups import completion_split

COMMAND = "python benchmarks/speed/precision.py"
MODELS = {"recipe default": (), "the papers' softmax layer": SOFTMAX}
PRECISIONS = ("float32", "bf16")
FIGURES = ("seconds", "perplexity_per_document", "completion_per_word")


def one(name: str, precision: str, seed: int, units: int) -> dict[str, Any]:
    train, test = (shared_data(f"ng20_sh2009/{part}.npz") for part in ("train", "test"))
    options = ["--units", units, "--seed", seed, "--precision", precision, *MODELS[name]]
    with tempfile.TemporaryDirectory() as folder:
        model, parts = Path(folder) / "model", completion_split(Path(folder))
        fit = docnvil("fit", train, *options, "--out", model, "--json").json
        bound = docnvil("perplexity", model, test, "--json").json
        completed = docnvil("completion", model, parts[0], "--predict", parts[1], "--json").json
    return {
        "model": name,
        "precision": precision,
        "seed": seed,
        "seconds": round(fit["seconds"], 1),
        "perplexity_per_document": bound["perplexity_per_document"],
        "completion_per_word": completed["perplexity_per_word"],
    }


@click.command()
@click.option("--units", default=50, show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Seeds 0, 1, ...")
def main(units: int, seeds: int) -> None:
    """Train in float32 and in bf16."""
    models = {name: list(options) for name, options in MODELS.items()}
    settings = {"corpus": "ng20_sh2009", "units": units, "models": models}
    runs = kept("precision", {"settings": settings}, {"runs": []})["runs"]
    for seed, name, precision in product(range(seeds), MODELS, PRECISIONS):
        if any((run["model"], run["precision"], run["seed"]) == (name, precision, seed) for run in runs):
            continue
        runs.append(one(name, precision, seed, units))
        click.echo(runs[-1], err=True)
        keep("precision", COMMAND, {"settings": settings, "runs": runs, "summary": summary(runs)})


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and standard deviation over seeds of each figure."""
    found = []
    for name, precision in product(MODELS, PRECISIONS):
        own = [run for run in runs if (run["model"], run["precision"]) == (name, precision)]
        if len(own) > 1:
            told = {figure: [run[figure] for run in own] for figure in FIGURES}
            spread = {figure: {"mean": mean(each), "deviation": stdev(each)} for figure, each in told.items()}
            found.append({"model": name, "precision": precision, **spread})
    return found


if __name__ == "__main__":
    main()
