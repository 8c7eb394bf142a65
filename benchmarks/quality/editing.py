"""Measure what edits of a model cost on held-out documents: merging, dropping and reordering units; print their tree.

    python benchmarks/quality/editing.py      10 minutes on one core; writes benchmarks/results/editing.json

Trains the default recipe on 20 Newsgroups with seed 0 (or takes a model folder with --model), and edits it. The pairs
are those with the most similar weights, and a pair of the least similar ones. Each merge stands beside dropping either
unit. Seconds are those of the whole command without the evaluation.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, save_results

import docnvil as library
from docnvil.training.editing import drop_units, merge_units, reorder_units
from docnvil.training.editing_change import held_out_nats, nats_change
from docnvil.training.fitted_model import FittedModel

N_PAIRS = 5
SAMPLES = 10
TOP_WORDS = 4
TREE_WORDS = 5
N_EDGES = 6


@click.command()
@click.option("--model", type=click.Path(path_type=Path), help="A model of the default recipe, seed 0.")
def main(model: Path | None) -> None:
    """Write benchmarks/results/editing.json."""
    with TemporaryDirectory() as folder:
        if model is None:
            model = Path(folder) / "model"
            docnvil("fit", ng20.paths()[0], "--out", model)
        fitted = library.load(model, "cpu")
        tree = docnvil("topics", model, "--tree", "--words", TREE_WORDS).stdout.splitlines()
    test = ng20.load()[1]
    before = held_out_nats(fitted.network, test, n_samples=SAMPLES)

    def measure(edit: Any, *arguments: Any) -> dict[str, Any]:
        start = perf_counter()
        edited = edit(fitted, *arguments)
        seconds = perf_counter() - start
        change = nats_change(before, held_out_nats(edited.network, test, n_samples=SAMPLES), n_samples=SAMPLES)
        bounds = {name: vars(getattr(change, name)) for name in ("elbo", "importance")}
        return {**bounds, "seconds": round(seconds, 2)}

    merges = []
    for pair in choose_pairs(fitted):
        merges.append(
            {
                "units": list(pair),
                "words": [fitted.top_words(TOP_WORDS)[unit] for unit in pair],
                "merge": measure(merge_units, pair),
                "drop_first": measure(drop_units, pair[:1]),
                "drop_second": measure(drop_units, pair[1:]),
            }
        )
    order = np.random.default_rng(0).permutation(fitted.network.config.units[0]).tolist()
    results = {
        "corpus": "20 Newsgroups",
        "recipe": "default",
        "seed": fitted.training.seed,
        "samples": SAMPLES,
        "documents": len(before["elbo"]),
        "before": {name: float(values.mean()) for name, values in before.items()},
        "merges": merges,
        "random_order": measure(reorder_units, order),
        "tree": tree,
        "edges": strongest_edges(fitted),
    }
    save_results("editing", "python benchmarks/quality/editing.py", results)


def strongest_edges(model: FittedModel) -> list[dict[str, Any]]:
    """Return the edges of the graph of units that have the most information, with two words of each unit."""
    graph = model.unit_graph()
    words = {node.id: f"{node.id} {' '.join(node.words[:2])}" for node in graph.nodes}
    return [
        {"source": words[edge.source], "target": words[edge.target], "weight": edge.weight, "lift": edge.lift}
        for edge in graph.edges[:N_EDGES]
    ]


def choose_pairs(model: FittedModel) -> list[tuple[int, int]]:
    """Return the live pairs whose weights to words have the largest correlations, and one with the smallest."""
    live = [topic.unit for topic in model.topics() if not topic.dead]
    weight = model.network.generative.visible.weight.detach().double().numpy()[:, live]
    correlation = np.corrcoef(weight.T)
    rows, columns = np.triu_indices(len(live), 1)
    order = np.argsort(-correlation[rows, columns], kind="stable")
    chosen = [*order[: N_PAIRS - 1], order[-1]]
    return [(live[rows[each]], live[columns[each]]) for each in chosen]


if __name__ == "__main__":
    main()
