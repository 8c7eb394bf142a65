"""Topic coherence against perplexity for several values of `--sparsity`, compared with LDA.

Data: 20 Newsgroups, 2,000 words. Each value is one training with 50 units by the default recipe, for two visible
layers. Reported: NPMI of ten words per unit with co-occurrences counted in all documents, diversity, and completion
perplexity on the split that comes with the corpus.

    python benchmarks/quality/frontier.py       15 minutes on two cores; writes benchmarks/results/frontier.json

Points already measured with the same settings are kept, so the same command resumes.
"""

import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, recipe_settings, resume_results, save_results
from peers import evaluate_peer

from docnvil.comparison.peers import PEERS as PEER_SETTINGS
from docnvil.storage.tables import read_history

COMMAND = "python benchmarks/quality/frontier.py"
SPARSITIES = (0.0, 0.2, 1.0, 2.0, 4.0)
LAYERS = ("dirichlet-multinomial", "softmax")  # visible layers: the default recipe's, and the papers'
PEERS = ("tomotopy-lda", "sklearn-lda")


def train_and_evaluate(
    layer: str, sparsity: float, units: int, seed: int, completion: tuple[Path, Path]
) -> dict[str, Any]:
    """Train with one sparsity penalty and return the measures of topics and predictions."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        options = ["--units", units, "--seed", seed, "--observation", layer, "--sparsity", sparsity]
        docnvil("fit", ng20.paths()[0], *options, "--out", model, "--json")
        measures = ng20.evaluate_model(model, completion)
        units_on = read_history((model / "history.csv").read_text(encoding="utf-8"))[-1].units_on
    names = ("completion_per_word", "completion_per_document", "perplexity_per_document", "no_units_per_document")
    return {**{name: measures[name] for name in (*names, "npmi", "diversity", "live_units")}, "units_on": units_on}


def measure_peer(name: str, units: int, seed: int) -> dict[str, Any]:
    """Fit another package's topic model and return its measures, with words ranked by relevance."""
    peer = evaluate_peer(name, ng20.load()[0], *ng20.load_completion(), units, seed)
    return {**peer.measures(), **ng20.evaluate_words(peer.words["by relevance"], ng20.load_all())}


@click.command()
@click.option("--units", default=50, show_default=True, help="Units or topics of every model.")
@click.option("--seed", default=0, show_default=True, help="Seed of every model.")
def main(units: int, seed: int) -> None:
    """Measure coherence and perplexity by sparsity; write benchmarks/results/frontier.json."""
    varied = ("observation", "sparsity")
    recipe = {name: value for name, value in recipe_settings("default").items() if name not in varied}
    settings = {"units": units, "seed": seed, "recipe": recipe, "sparsities": list(SPARSITIES)}
    settings["peers"] = {name: PEER_SETTINGS[name].settings for name in PEERS}
    empty = {"layers": {layer: {} for layer in LAYERS}, "peers": {}}
    results = resume_results("frontier", {"settings": settings}, empty)
    with tempfile.TemporaryDirectory() as folder:
        completion = ng20.write_completion(Path(folder))
        for name in PEERS:
            if name not in results["peers"]:
                results["peers"][name] = measure_peer(name, units, seed)
                click.echo(f"{name}: {results['peers'][name]}", err=True)
        for layer, sparsity in product(LAYERS, SPARSITIES):
            points, name = results["layers"][layer], f"{sparsity:g}"
            if name not in points:
                points[name] = train_and_evaluate(layer, sparsity, units, seed, completion)
                click.echo(f"{layer}, sparsity {name}: {points[name]}", err=True)
                save_results("frontier", COMMAND, results)


if __name__ == "__main__":
    main()
