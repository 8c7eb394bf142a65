"""20 Newsgroups as the papers prepared it: bound, readable units, seconds, over seeds and beside LDA.

    python benchmarks/quality/newsgroups.py             writes benchmarks/results/newsgroups.json

Everything of ours goes through the commands, as a user runs them. The test set is not looked at in training. A run that
was made with the same recipe, settings and seed is kept, so an interrupted benchmark goes on where it was.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import click
import numpy as np
from scipy.io import loadmat
from scipy.sparse import csr_array, load_npz, save_npz, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import SOFTMAX, docnvil, keep, kept, shared_data
from peers import FittedTopics, clusters_alone, fitted

from docnvil.analysis.coherence import diversity, npmi
from docnvil.analysis.completion import evaluate_predictor
from docnvil.comparison.peers import PEERS
from docnvil.training.recipes import RECIPES

COMMAND = "python benchmarks/quality/newsgroups.py"
# What is trained, and with how many samples its importance-weighted bound is taken.
MODELS: dict[str, tuple[tuple[str, ...], int]] = {
    "recipe default": ((), 100),
    "recipe best": (("--recipe", "best"), 100),
    "the papers' softmax layer": (SOFTMAX, 1000),
}
RANKINGS = ("by probability", "by relevance")


def completion_split(folder: Path) -> tuple[Path, Path]:
    """Write the split that comes with the corpus: words to observe and words to predict of the test documents."""
    matrices = loadmat(shared_data("ng20_sh2009/20news_data.mat"))
    paths = folder / "observed.npz", folder / "hidden.npz"
    for path, name in zip(paths, ("wordsHeldout", "wordsTest"), strict=True):
        save_npz(path, csr_array(matrices[name].T).astype(np.int32))
    return paths


def ours(train: Path, test: Path, parts: tuple[Path, Path], units: int, seed: int, name: str) -> dict[str, Any]:
    options, n_samples = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        fit = docnvil("fit", train, "--units", units, "--seed", seed, *options, "--out", model, "--json")
        bound = docnvil("perplexity", model, test, "--json").json
        tighter = docnvil("perplexity", model, test, "--bound", "importance", "--samples", n_samples, "--json").json
        topics = docnvil("topics", model, "--coherence", train, "--coherence", test, "--json").json
        completed = docnvil("completion", model, parts[0], "--predict", parts[1], "--json").json
        return {
            "model": name,
            "seed": seed,
            "fit_wall_seconds": round(fit.seconds, 1),
            "epochs": fit.json["epochs"],
            "best_epoch": fit.json["best_epoch"],
            "perplexity_per_document": bound["perplexity_per_document"],
            "perplexity_per_word": bound["perplexity_per_word"],
            "importance_samples": n_samples,
            "importance_weighted_per_document": tighter["perplexity_per_document"],
            "importance_weighted_per_word": tighter["perplexity_per_word"],
            "completion_per_word": completed["perplexity_per_word"],
            "completion_per_document": completed["perplexity_per_document"],
            "unigram_per_document": bound["unigram_perplexity_per_document"],
            "npmi": topics["npmi"],
            "diversity": topics["diversity"],
            "live_units": topics["live_units"],
        }


def peer(topics: FittedTopics, reference: csr_array, parts: tuple[Path, Path]) -> dict[str, Any]:
    lists = {ranking: topics.model.words(ranking=ranking) for ranking in RANKINGS}
    completed = {}
    if topics.reads:
        found = evaluate_predictor(topics.model.predict, *(csr_array(load_npz(path)) for path in parts)).summarize()
        completed["completion_per_word"] = found.perplexity_per_word
        completed["completion_per_document"] = found.perplexity_per_document
    return {
        "fit_wall_seconds": round(topics.seconds, 1),
        **completed,
        **{
            ranking: {"npmi": float(np.mean(npmi(words, reference))), "diversity": diversity(words)}
            for ranking, words in lists.items()
        },
    }


@click.command()
@click.option("--units", default=50, show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Seeds 0, 1, ...")
def main(units: int, seeds: int) -> None:
    train, test = (shared_data(f"ng20_sh2009/{part}.npz") for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        measure(train, test, completion_split(Path(folder)), units, seeds)


def measure(train: Path, test: Path, parts: tuple[Path, Path], units: int, seeds: int) -> None:
    settings = {
        "corpus": "ng20_sh2009",
        "units": units,
        "models": {name: [list(options), n_samples] for name, (options, n_samples) in MODELS.items()},
        "recipes": {name: {**RECIPES[name].model, **RECIPES[name].training} for name in ("default", "best")},
    }
    found = kept("newsgroups", {"settings": settings}, {"runs": [], "peers": {}})
    runs, peers = found["runs"], found["peers"]
    for name, seed in product(MODELS, range(seeds)):
        if any((run["model"], run["seed"]) == (name, seed) for run in runs):
            continue
        runs.append(ours(train, test, parts, units, seed, name))
        _keep(settings, runs, peers)
        click.echo(
            "{model}, seed {seed}: bound {perplexity_per_document:.1f} per document,"
            " {perplexity_per_word:.1f} per word;"
            " importance-weighted {importance_weighted_per_document:.1f};"
            " completion {completion_per_word:.1f} per word, {completion_per_document:.1f} per document;"
            " NPMI {npmi:.3f}, diversity {diversity:.3f}, {live_units} live units; {fit_wall_seconds} s".format(
                **runs[-1]
            )
        )
    counts, held_out = (csr_array(load_npz(path)) for path in (train, test))
    reference = csr_array(vstack([counts, held_out], format="csr"))
    peers = {
        "the clusters that units start at": peer(clusters_alone(counts, units, 0), reference, parts),
        "scikit-learn LDA": peer(fitted("sklearn-lda", counts, units, 0), reference, parts),
    }
    if PEERS["tomotopy-lda"].installed:
        peers["tomotopy LDA, 1000 iterations"] = peer(fitted("tomotopy-lda", counts, units, 0), reference, parts)
    for name, figures in peers.items():
        told = ", ".join(f"{r} {figures[r]['npmi']:.3f} / {figures[r]['diversity']:.3f}" for r in RANKINGS)
        if "completion_per_word" in figures:
            told += f", completion {figures['completion_per_word']:.1f} per word"
        click.echo(f"{name}: NPMI / diversity {told}; {figures['fit_wall_seconds']} s")
    _keep(settings, runs, peers)


def _keep(settings: dict[str, Any], runs: list[dict[str, Any]], peers: dict[str, Any]) -> None:
    measured = dict.fromkeys(run["model"] for run in runs)
    averages = {name: _mean([run for run in runs if run["model"] == name]) for name in measured}
    keep("newsgroups", COMMAND, {"settings": settings, "runs": runs, "mean": averages, "peers": peers})


def _mean(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {name: mean(run[name] for run in runs) for name in runs[0] if name not in ("model", "seed")}


if __name__ == "__main__":
    main()
