"""How far each estimate of log p(x) is from the truth, on models small enough to enumerate.

    python benchmarks/quality/calibration.py             writes benchmarks/results/calibration.json

Models of 12 units are trained on 20 Newsgroups for a few epochs; the truth is the sum over all 4,096 codes.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_array, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import SOFTMAX, docnvil, keep, shared_data

from docnvil.analysis.perplexity import DocumentBounds, document_bounds
from docnvil.estimator import DocNVIL

COMMAND = "python benchmarks/quality/calibration.py"
MODELS = {
    "12 units": ("--units", "12", *SOFTMAX),
    "8 units under 4": ("--units", "8,4", *SOFTMAX),
    "12 units, recipe best": ("--units", "12", "--recipe", "best"),
}
GRADIENT_ESTIMATORS: dict[str, dict[str, Any]] = {
    "variational bound, 10 samples": {"bound": "elbo"},
    "importance-weighted, 10 samples": {"bound": "importance"},
    "importance-weighted, 100 samples": {"bound": "importance", "n_samples": 100},
    "importance-weighted, 1,000 samples": {"bound": "importance", "n_samples": 1000},
    "importance-weighted, 10,000 samples": {"bound": "importance", "n_samples": 10_000},
    "annealed, 10 samples, 10 temperatures": {"bound": "annealed", "temperatures": 10},
    "annealed, 10 samples, 100 temperatures": {"bound": "annealed", "temperatures": 100},
}


def judge(bounds: DocumentBounds, exact: DocumentBounds, seconds: float, **by: Any) -> dict[str, float]:
    """Return what an estimator says, and how far its values are from the exact ones, in nats a document."""
    errors = (bounds.log_likelihood - exact.log_likelihood)[exact.lengths > 0]
    found = bounds.summarize(**{"bound": "elbo", "n_samples": 10, **by})
    return {
        "perplexity_per_document": found.perplexity_per_document,
        "perplexity_per_word": found.perplexity_per_word,
        "mean_error": float(errors.mean()),
        "standard_error": float(errors.std() / np.sqrt(len(errors))),
        "root_mean_square_error": float(np.sqrt(np.mean(errors**2))),
        "seconds": round(seconds, 2),
    }


def calibrate(options: tuple[str, ...], train: Path, test: csr_array, epochs: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        docnvil("fit", train, *options, "--epochs", epochs, "--seed", seed, "--out", path)
        model = DocNVIL.load(path, "cpu").model_
    started = time.perf_counter()
    exact = document_bounds(model, test, bound="exact")
    found = {"exact": judge(exact, exact, time.perf_counter() - started, bound="exact")}
    for name, by in GRADIENT_ESTIMATORS.items():
        started = time.perf_counter()
        found[name] = judge(document_bounds(model, test, seed=seed, **by), exact, time.perf_counter() - started, **by)
        click.echo("  {:<40} {mean_error:8.3f} +- {standard_error:.3f} nats, {seconds} s".format(name, **found[name]))
    error = (exact.reconstruction - exact.kl - exact.log_likelihood)[exact.lengths > 0]
    return {"documents": int((exact.lengths > 0).sum()), "exact_gap_of_the_variational_bound": error.mean(), **found}


@click.command()
@click.option("--documents", default=100, show_default=True, help="Test documents to judge by.")
@click.option("--epochs", default=10, show_default=True, help="Of training.")
@click.option("--seed", default=0, show_default=True)
def main(documents: int, epochs: int, seed: int) -> None:
    train, test = (shared_data(f"ng20_sh2009/{part}.npz") for part in ("train", "test"))
    held_out = csr_array(load_npz(test))
    chosen = np.sort(np.random.default_rng(seed).choice(held_out.shape[0], documents, replace=False))
    found = {}
    for name, options in MODELS.items():
        click.echo(f"{name}: mean error in nats a document")
        found[name] = calibrate(options, train, held_out[chosen], epochs, seed)
    keep("calibration", COMMAND, {"corpus": "ng20_sh2009", "epochs": epochs, "seed": seed, "models": found})


if __name__ == "__main__":
    main()
