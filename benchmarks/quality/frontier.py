"""Readability against perplexity: what `--sparsity` buys and costs, beside LDA.

    python benchmarks/quality/frontier.py       writes benchmarks/results/frontier.json

20 Newsgroups, 50 units or topics: NPMI of ten words a unit, counted in all documents, against completion per word on
the split that comes with the corpus. Each strength is one training by the default recipe. A point measured with the
same settings is kept, so an interrupted run goes on where it was.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
from newsgroups import completion_split
from scipy.sparse import csr_array, load_npz, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import docnvil, keep, kept, shared_data
from peers import fitted

from docnvil.analysis.coherence import diversity, npmi
from docnvil.analysis.completion import evaluate_predictor
from docnvil.storage.tables import read_history
from docnvil.training.recipes import RECIPES

COMMAND = "python benchmarks/quality/frontier.py"
STRENGTHS = (0.0, 0.3, 1.0, 2.0, 4.0)
LAYERS = ("dirichlet-multinomial", "softmax")  # the visible ones: the default's, and the papers'
PEERS = ("tomotopy-lda", "sklearn-lda")


def ours(layer: str, sparsity: float, units: int, seed: int, parts: tuple[Path, Path]) -> dict[str, Any]:
    """Train at one strength, and judge words and predictions."""
    train, test = (shared_data(f"ng20_sh2009/{part}.npz") for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        options = ["--units", units, "--seed", seed, "--observation", layer, "--sparsity", sparsity]
        docnvil("fit", train, *options, "--out", model, "--json")
        bound = docnvil("perplexity", model, test, "--json").json
        topics = docnvil("topics", model, "--coherence", train, "--coherence", test, "--json").json
        completed = docnvil("completion", model, parts[0], "--predict", parts[1], "--json").json
        units_on = read_history((model / "history.csv").read_text(encoding="utf-8"))[-1].units_on
    return {
        "completion_per_word": completed["perplexity_per_word"],
        "completion_per_document": completed["perplexity_per_document"],
        "perplexity_per_document": bound["perplexity_per_document"],
        "npmi": topics["npmi"],
        "diversity": topics["diversity"],
        "live_units": topics["live_units"],
        "units_on": units_on,
    }


def theirs(name: str, units: int, seed: int, parts: tuple[Path, Path]) -> dict[str, Any]:
    """Fit a peer, and judge its words ranked by relevance."""
    train, test = (csr_array(load_npz(shared_data(f"ng20_sh2009/{part}.npz"))) for part in ("train", "test"))
    lda = fitted(name, train, units, seed)
    words = lda.model.words(ranking="by relevance")
    completed = evaluate_predictor(lda.model.predict, *(csr_array(load_npz(path)) for path in parts)).summarize()
    return {
        "completion_per_word": completed.perplexity_per_word,
        "completion_per_document": completed.perplexity_per_document,
        "npmi": float(np.mean(npmi(words, csr_array(vstack([train, test], format="csr"))))),
        "diversity": diversity(words),
    }


@click.command()
@click.option("--units", default=50, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(units: int, seed: int) -> None:
    """Measure the frontier."""
    recipe = {**RECIPES["default"].model, **RECIPES["default"].training}
    others = {name: value for name, value in recipe.items() if name not in ("observation", "sparsity")}
    settings = {"units": units, "seed": seed, "recipe": others, "strengths": list(STRENGTHS)}
    found = kept("frontier", {"settings": settings}, {"layers": {layer: {} for layer in LAYERS}, "peers": {}})
    with tempfile.TemporaryDirectory() as folder:
        parts = completion_split(Path(folder))
        for name in PEERS:
            if name not in found["peers"]:
                found["peers"][name] = theirs(name, units, seed, parts)
                click.echo(f"{name}: {found['peers'][name]}", err=True)
        for layer, sparsity in product(LAYERS, STRENGTHS):
            measured, name = found["layers"][layer], f"{sparsity:g}"
            if name not in measured:
                measured[name] = ours(layer, sparsity, units, seed, parts)
                click.echo(f"{layer}, sparsity {name}: {measured[name]}", err=True)
                keep("frontier", COMMAND, found)


if __name__ == "__main__":
    main()
