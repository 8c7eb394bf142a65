"""Bound, completion and training time with float32 and with bf16 matrix products.

Data: 20 Newsgroups, 2,000 words; 50 units, the default recipe and the softmax layer of the papers, over several seeds.
Only the large matrix products of the likelihood are in bf16, and only in training; evaluation is in float32.

    python benchmarks/speed/precision.py    7 minutes on two cores; writes benchmarks/results/precision.json

Models already measured with the same settings are kept, so the same command resumes.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import SOFTMAX, docnvil, resume_results, save_results

COMMAND = "python benchmarks/speed/precision.py"
MODELS = {"recipe default": (), "softmax layer (as in the papers)": SOFTMAX}
PRECISIONS = ("float32", "bf16")
MEASURES = ("seconds", "perplexity_per_document", "completion_per_word")


def train_and_evaluate(name: str, precision: str, seed: int, units: int) -> dict[str, Any]:
    """Train one of `MODELS` and return its measures."""
    options = ["--units", units, "--seed", seed, "--precision", precision, *MODELS[name]]
    with tempfile.TemporaryDirectory() as folder:
        model, completion = Path(folder) / "model", ng20.write_completion(Path(folder))
        fit = docnvil("fit", ng20.paths()[0], *options, "--out", model, "--json").json
        measures = ng20.evaluate_model(model, completion, topics=False)
    return {
        "model": name,
        "precision": precision,
        "seed": seed,
        "seconds": round(fit["seconds"], 1),
        "perplexity_per_document": measures["perplexity_per_document"],
        "completion_per_word": measures["completion_per_word"],
    }


@click.command()
@click.option("--units", default=50, show_default=True, help="Units of every model.")
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
def main(units: int, seeds: int) -> None:
    """Train in float32 and in bf16; write benchmarks/results/precision.json."""
    models = {name: list(options) for name, options in MODELS.items()}
    settings = {"corpus": ng20.CORPUS, "units": units, "models": models}
    results = resume_results("precision", {"settings": settings}, {"runs": [], "summary": []})
    runs = results["runs"]
    done = {(run["model"], run["precision"], run["seed"]) for run in runs}
    for seed, name, precision in product(range(seeds), MODELS, PRECISIONS):
        if (name, precision, seed) in done:
            continue
        runs.append(train_and_evaluate(name, precision, seed, units))
        click.echo(runs[-1], err=True)
        save_results("precision", COMMAND, {**results, "summary": summarize(runs)})


def summarize(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean and standard deviation over seeds of each measure, for each model and precision."""
    rows = []
    for name, precision in product(MODELS, PRECISIONS):
        same = [run for run in runs if (run["model"], run["precision"]) == (name, precision)]
        if len(same) > 1:
            values = {measure: [run[measure] for run in same] for measure in MEASURES}
            spread = {measure: {"mean": mean(each), "deviation": stdev(each)} for measure, each in values.items()}
            rows.append({"model": name, "precision": precision, **spread})
    return rows


if __name__ == "__main__":
    main()
