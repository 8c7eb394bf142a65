"""Error of each estimate of log p(x), on models small enough to sum over all codes.

Data: 20 Newsgroups, 2,000 words. Models of 12 units are trained for a few epochs; their exact log p(x) is a sum over
4,096 codes. Reported for each estimate: mean error, its standard error and the root mean square error, in nats per
document, and the seconds it takes.

    python benchmarks/quality/calibration.py    4 minutes on two cores; writes benchmarks/results/calibration.json
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import SOFTMAX, docnvil, save_results

from docnvil.analysis.perplexity import DocumentBounds, document_bounds
from docnvil.storage.model_folder import load_model

COMMAND = "python benchmarks/quality/calibration.py"
MODELS = {
    "12 units": ("--units", "12", *SOFTMAX),
    "8 units under 4": ("--units", "8,4", *SOFTMAX),
    "12 units, recipe best": ("--units", "12", "--recipe", "best"),
}
# Name of an estimate to the arguments of `document_bounds`.
ESTIMATES: dict[str, dict[str, Any]] = {
    "variational bound, 10 samples": {"bound": "elbo"},
    "importance-weighted, 10 samples": {"bound": "importance"},
    "importance-weighted, 100 samples": {"bound": "importance", "n_samples": 100},
    "importance-weighted, 1,000 samples": {"bound": "importance", "n_samples": 1000},
    "importance-weighted, 10,000 samples": {"bound": "importance", "n_samples": 10_000},
    "annealed, 10 samples, 10 temperatures": {"bound": "annealed", "temperatures": 10},
    "annealed, 10 samples, 100 temperatures": {"bound": "annealed", "temperatures": 100},
}


def compare(bounds: DocumentBounds, exact: DocumentBounds, seconds: float) -> dict[str, Any]:
    """Return the perplexities of an estimate and its errors against the exact values, in nats per document."""
    errors = (bounds.log_likelihood - exact.log_likelihood)[exact.lengths > 0]
    summary = bounds.summarize()
    return {
        "perplexity_per_document": summary.perplexity_per_document,
        "perplexity_per_word": summary.perplexity_per_word,
        "mean_error": float(errors.mean()),
        "standard_error": float(errors.std() / np.sqrt(len(errors))),
        "root_mean_square_error": float(np.sqrt(np.mean(errors**2))),
        "seconds": round(seconds, 2),
    }


def calibrate(options: tuple[str, ...], test: csr_array, epochs: int, seed: int) -> dict[str, Any]:
    """Train a model with these options of `docnvil fit` and return the errors of every estimate on `test`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        docnvil("fit", ng20.paths()[0], *options, "--epochs", epochs, "--seed", seed, "--out", path)
        model = load_model(path, "cpu").network
    start = time.perf_counter()
    exact = document_bounds(model, test, bound="exact")
    results = {"exact": compare(exact, exact, time.perf_counter() - start)}
    for name, arguments in ESTIMATES.items():
        start = time.perf_counter()
        bounds = document_bounds(model, test, seed=seed, **arguments)
        results[name] = compare(bounds, exact, time.perf_counter() - start)
        click.echo("  {:<40} {mean_error:8.3f} +- {standard_error:.3f} nats, {seconds} s".format(name, **results[name]))
    gap = (exact.reconstruction - exact.kl - exact.log_likelihood)[exact.lengths > 0]
    return {"documents": len(gap), "exact_gap_of_the_variational_bound": gap.mean(), **results}


@click.command()
@click.option("--documents", default=100, show_default=True, help="Test documents, drawn at random.")
@click.option("--epochs", default=10, show_default=True, help="Training epochs.")
@click.option("--seed", default=0, show_default=True, help="Seed of training, estimates and the draw of documents.")
def main(documents: int, epochs: int, seed: int) -> None:
    """Measure the error of each estimate of log p(x); write benchmarks/results/calibration.json."""
    _, test = ng20.load()
    chosen = np.sort(np.random.default_rng(seed).choice(test.shape[0], documents, replace=False))
    models = {}
    for name, options in MODELS.items():
        click.echo(f"{name}: mean error in nats per document")
        models[name] = calibrate(options, test[chosen], epochs, seed)
    save_results("calibration", COMMAND, {"corpus": ng20.CORPUS, "epochs": epochs, "seed": seed, "models": models})


if __name__ == "__main__":
    main()
