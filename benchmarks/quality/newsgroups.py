"""Perplexity, completion, topic quality and training time on 20 Newsgroups, for three models and for LDA.

Data: 20 Newsgroups as Salakhutdinov & Hinton (2009) prepared it, 2,000 words. docnvil is run by its commands: the
variational and the importance-weighted bound on the test documents, completion of their words, NPMI and diversity of
the topics, and agreement with the newsgroups. Training never reads the test documents. LDA has its best inference and,
in separate rows, a cache of the document's words, whose weight is fitted to training documents. The tables compare the
results with published ones.

    python benchmarks/quality/newsgroups.py            20 minutes on two cores
    python benchmarks/quality/newsgroups.py --times    then 4 minutes, on a machine without other work

Both write benchmarks/results/newsgroups.json.

Models already measured with the same recipes, settings and seed are kept, so the same command resumes.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import SOFTMAX, docnvil, recipe_settings, resume_results, save_results
from peers import RANKINGS, cluster_topics, evaluate_peer, fit_peer

from docnvil.analysis.clustering import compare_clusters
from docnvil.comparison.peers import PEERS

COMMAND = "python benchmarks/quality/newsgroups.py"
# Options of `docnvil fit`, and the number of samples of the importance-weighted bound.
MODELS: dict[str, tuple[tuple[str, ...], int]] = {
    "recipe default": ((), 100),
    "recipe best": (("--recipe", "best"), 100),
    "softmax layer (as in the papers)": (SOFTMAX, 1000),
}
PEER_MODELS = {"tomotopy-lda": "tomotopy LDA", "sklearn-lda": "scikit-learn LDA"}
MEASURES = 2  # raised when the measures of a model change, so that it is measured again
CLUSTERS = "k-means clusters (before training)"


def train_and_evaluate(name: str, units: int, seed: int, completion: tuple[Path, Path]) -> dict[str, Any]:
    """Train one of `MODELS` and return its measures."""
    options, n_samples = MODELS[name]
    train, test = ng20.paths()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        fit = docnvil("fit", train, "--units", units, "--seed", seed, *options, "--out", model, "--json")
        measures = ng20.evaluate_model(model, completion) | ng20.evaluate_labels(model)
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


def measure_times(units: int) -> dict[str, float]:
    """Return the training seconds of each model, as `fit` reports them or for the whole of a peer's fit."""
    train, _ = ng20.load()
    seconds = {label: fit_peer(name, train, units, 0).seconds for name, label in PEER_MODELS.items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, (options, _) in MODELS.items():
            out = Path(folder) / "model"
            fit = docnvil("fit", ng20.paths()[0], "--units", units, *options, "--out", out, "--force", "--json")
            seconds[name] = fit.json["seconds"]
    return {name: round(value, 1) for name, value in seconds.items()}


def measure_clusters(units: int) -> dict[str, Any]:
    """Return the topic quality of the k-means clusters that training starts from."""
    topics, reference = cluster_topics(ng20.load()[0], units, 0), ng20.load_all()
    quality = {ranking: ng20.evaluate_words(topics.model.words(ranking=ranking), reference) for ranking in RANKINGS}
    return {"model": CLUSTERS, "seed": 0, "fit_wall_seconds": round(topics.seconds, 1), **quality}


def measure_peer(name: str, units: int, seed: int) -> dict[str, Any]:
    """Fit another package's topic model and return its measures, without and with a cache, for both rankings."""
    reference, labels = ng20.load_all(), np.load(ng20.label_paths()[1])
    peer = evaluate_peer(name, ng20.load()[0], *ng20.load_completion(), units, seed)
    clustering = compare_clusters(peer.clusters, labels)
    return {
        "model": PEER_MODELS[name],
        "seed": seed,
        "settings": PEERS[name].settings,
        **peer.measures(),
        "cluster_purity": clustering.purity,
        "cluster_nmi": clustering.nmi,
        **{ranking: ng20.evaluate_words(peer.words[ranking], reference) for ranking in RANKINGS},
    }


@click.command()
@click.option("--units", default=50, show_default=True, help="Units or topics of every model.")
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
@click.option("--times", is_flag=True, help="Only measure training times again, one run each, with seed 0.")
def main(units: int, seeds: int, times: bool) -> None:
    """Measure docnvil and LDA on 20 Newsgroups; write benchmarks/results/newsgroups.json."""
    settings = {
        "corpus": ng20.CORPUS,
        "measures": MEASURES,
        "units": units,
        "models": {name: [list(options), n_samples] for name, (options, n_samples) in MODELS.items()},
        "recipes": {name: recipe_settings(name) for name in ("default", "best")},
    }
    empty = {"runs": [], "mean": {}, "peer_runs": [], "peers": {}, "seconds": {}}
    results = resume_results("newsgroups", {"settings": settings}, empty)
    if times:
        save_results("newsgroups", COMMAND, {**results, "seconds": measure_times(units)})
        return
    runs = results["runs"]
    results["peer_runs"] = [measure_clusters(units)]
    for name, seed in product(filter(lambda each: PEERS[each].is_installed, PEER_MODELS), range(seeds)):
        results["peer_runs"].append(measure_peer(name, units, seed))
        click.echo(format_peer(results["peer_runs"][-1]))
    results["peers"] = means(results["peer_runs"])
    save_results("newsgroups", COMMAND, results)
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


def means(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each model's measures, averaged over seeds; texts are those of the first run."""
    by_model: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_model.setdefault(run["model"], []).append({name: run[name] for name in run if name not in ("model", "seed")})
    return {model: _mean(same) for model, same in by_model.items()}


def _mean(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {name: _mean([value[name] for value in values]) for name in values[0]}
    return values[0] if isinstance(values[0], str) else mean(values)


def format_peer(run: dict[str, Any]) -> str:
    """Return a line with the main measures of another package's model."""
    words = ", ".join(f"{each} {run[each]['npmi']:.3f} / {run[each]['diversity']:.3f}" for each in RANKINGS)
    return (
        "{model}, seed {seed}: completion {completion_per_word:.1f} per word,"
        " {completion_per_document:.1f} per document; with a cache {cached_completion_per_word:.1f},"
        " {cached_completion_per_document:.1f}; NPMI / diversity {words}; {fit_wall_seconds} s"
    ).format(**run, words=words)


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
