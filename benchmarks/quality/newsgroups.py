"""Perplexity, completion, topic quality and training time on 20 Newsgroups, for three models and for LDA.

Data: 20 Newsgroups as Salakhutdinov & Hinton (2009) prepared it, 2,000 words. docnvil is run by its commands: the
variational and the importance-weighted bound on the test documents, completion of their words, NPMI and diversity of
the topics. Training never reads the test documents. The tables compare the results with published ones.

    python benchmarks/quality/newsgroups.py     15 minutes on two cores; writes benchmarks/results/newsgroups.json

Models already measured with the same recipes, settings and seed are kept, so the same command resumes.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import click
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import SOFTMAX, docnvil, recipe_settings, resume_results, save_results
from peers import FittedTopics, cluster_topics, fit_peer

from docnvil.comparison.peers import PEERS

COMMAND = "python benchmarks/quality/newsgroups.py"
# Options of `docnvil fit`, and the number of samples of the importance-weighted bound.
MODELS: dict[str, tuple[tuple[str, ...], int]] = {
    "recipe default": ((), 100),
    "recipe best": (("--recipe", "best"), 100),
    "softmax layer (as in the papers)": (SOFTMAX, 1000),
}
RANKINGS = ("by probability", "by relevance")


def train_and_evaluate(name: str, units: int, seed: int, completion: tuple[Path, Path]) -> dict[str, Any]:
    """Train one of `MODELS` and return its measures."""
    options, n_samples = MODELS[name]
    train, test = ng20.paths()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        fit = docnvil("fit", train, "--units", units, "--seed", seed, *options, "--out", model, "--json")
        measures = ng20.evaluate_model(model, completion)
        weighted = docnvil("perplexity", model, test, "--bound", "importance", "--samples", n_samples, "--json").json
    return {
        "model": name,
        "seed": seed,
        "fit_wall_seconds": round(fit.seconds, 1),
        "epochs": fit.json["epochs"],
        "best_epoch": fit.json["best_epoch"],
        "importance_samples": n_samples,
        "importance_weighted_per_document": weighted["perplexity_per_document"],
        "importance_weighted_per_word": weighted["perplexity_per_word"],
        **measures,
    }


def evaluate_peer(topics: FittedTopics, reference: csr_array) -> dict[str, Any]:
    """Return the measures of another package's topic model, for both rankings of its words."""
    return {
        "fit_wall_seconds": round(topics.seconds, 1),
        **(ng20.evaluate_completion(topics.model) if topics.can_encode else {}),
        **{ranking: ng20.evaluate_words(topics.model.words(ranking=ranking), reference) for ranking in RANKINGS},
    }


@click.command()
@click.option("--units", default=50, show_default=True, help="Units or topics of every model.")
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
def main(units: int, seeds: int) -> None:
    """Measure docnvil and LDA on 20 Newsgroups; write benchmarks/results/newsgroups.json."""
    settings = {
        "corpus": ng20.CORPUS,
        "units": units,
        "models": {name: [list(options), n_samples] for name, (options, n_samples) in MODELS.items()},
        "recipes": {name: recipe_settings(name) for name in ("default", "best")},
    }
    results = resume_results("newsgroups", {"settings": settings}, {"runs": [], "mean": {}, "peers": {}})
    runs = results["runs"]
    done = {(run["model"], run["seed"]) for run in runs}
    with tempfile.TemporaryDirectory() as folder:
        completion = ng20.write_completion(Path(folder))
        for name, seed in product(MODELS, range(seeds)):
            if (name, seed) in done:
                continue
            runs.append(train_and_evaluate(name, units, seed, completion))
            results["mean"] = means(runs)
            save_results("newsgroups", COMMAND, results)
            click.echo(format_run(runs[-1]))
    results["peers"] = measure_peers(units)
    save_results("newsgroups", COMMAND, results)


def measure_peers(units: int) -> dict[str, Any]:
    """Fit and evaluate the initial k-means clusters and LDA, printing their measures."""
    (train, _), reference = ng20.load(), ng20.load_all()
    models = {
        "k-means clusters (before training)": cluster_topics(train, units, 0),
        "scikit-learn LDA": fit_peer("sklearn-lda", train, units, 0),
    }
    if PEERS["tomotopy-lda"].is_installed:
        models["tomotopy LDA, 1000 iterations"] = fit_peer("tomotopy-lda", train, units, 0)
    peers = {name: evaluate_peer(topics, reference) for name, topics in models.items()}
    for name, measures in peers.items():
        words = ", ".join(
            f"{each} {measures[each]['npmi']:.3f} / {measures[each]['diversity']:.3f}" for each in RANKINGS
        )
        completion = measures.get("completion_per_word")
        shown = "" if completion is None else f", completion {completion:.1f} per word"
        click.echo(f"{name}: NPMI / diversity {words}{shown}; {measures['fit_wall_seconds']} s")
    return peers


def means(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return each model's measures, averaged over seeds."""
    by_model: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_model.setdefault(run["model"], []).append(run)
    return {
        model: {name: mean(run[name] for run in same) for name in same[0] if name not in ("model", "seed")}
        for model, same in by_model.items()
    }


def format_run(run: dict[str, Any]) -> str:
    """Return a line with the main measures of a trained model."""
    return (
        "{model}, seed {seed}: bound {perplexity_per_document:.1f} per document, {perplexity_per_word:.1f} per word;"
        " importance-weighted {importance_weighted_per_document:.1f};"
        " completion {completion_per_word:.1f} per word, {completion_per_document:.1f} per document;"
        " NPMI {npmi:.3f}, diversity {diversity:.3f}, {live_units} live units; {fit_wall_seconds} s".format(**run)
    )


if __name__ == "__main__":
    main()
