"""Tables of docs/units.md, from benchmarks/results."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table


@results_table("editing", "python benchmarks/quality/editing.py")
def editing(results: dict[str, Any]) -> Iterable[str]:
    """Return the change in held-out nats per document that merges and drops make."""
    yield "| units | merged | first dropped instead | second dropped instead |"
    yield "|---|--:|--:|--:|"
    for merge in results["merges"]:
        words = " + ".join(
            f"{unit} ({' '.join(names[:3])})" for unit, names in zip(merge["units"], merge["words"], strict=True)
        )
        changes = (merge[name]["importance"] for name in ("merge", "drop_first", "drop_second"))
        yield f"| {words} | {' | '.join(map(_change, changes))} |"
    yield f"| all units in a random order | {_change(results['random_order']['importance'])} | | |"
    seconds = max(merge["merge"]["seconds"] for merge in results["merges"])
    yield ""
    yield (
        f"Change of the importance-weighted bound ({results['samples']} samples) in nats per document, with paired 95 %"
        f" intervals, on the {results['documents']:,} test documents of {results['corpus']}; before the edits it is"
        f" −{-results['before']['importance']:.1f}. A merge takes up to {seconds:.1f} s. The first pairs are those with"
        " the most similar weights, and the last pair has the least similar ones."
    )


def _change(change: dict[str, float]) -> str:
    signs = (f"{change[name]:+.2f}".replace("-", "−") for name in ("mean", "low", "high"))
    return "{} ({} to {})".format(*signs)


@results_table("editing", "python benchmarks/quality/editing.py")
def tree(results: dict[str, Any]) -> Iterable[str]:
    """Return the groups of the tree of units, without units that are alone."""
    lines = results["tree"]
    grouped = [line for line in lines if not line.startswith("unit ")]
    yield from ("```", *grouped, "```", "")
    yield (
        f"The groups of the {results['corpus']} model, as `docnvil topics model/ --tree` prints them; the other"
        f" {len(lines) - len(grouped)} units have too little in common with others."
    )


@results_table("editing", "python benchmarks/quality/editing.py")
def graph(results: dict[str, Any]) -> Iterable[str]:
    """Return the edges of the graph of units with the most information."""
    yield "| unit | later unit | weight in the prior | on together, relative to chance |"
    yield "|---|---|--:|--:|"
    for edge in results["edges"]:
        yield f"| {edge['source']} | {edge['target']} | {edge['weight']:+.1f} | {edge['lift']:.1f} times |"


@results_table("continuing", "python benchmarks/quality/continuing.py")
def continuing(results: dict[str, Any]) -> Iterable[str]:
    """Return the perplexity of old and of new documents, before and after further training."""
    labels = {
        "before": "before: trained on the old documents",
        "replay_0": "continued on the new documents, `--replay 0`",
        "replay_1": "continued on the new documents, `--replay 1` (default)",
        "all": "trained on all documents from the start",
    }
    yield "| model | old documents | new documents | seconds |"
    yield "|---|--:|--:|--:|"
    for name, label in labels.items():
        values = results["perplexity_per_document"][name]
        seconds = f"{results[name]['seconds']:.0f}" if name in results else ""
        yield f"| {label} | {values['old']:.0f} | {values['new']:.0f} | {seconds} |"
    yield ""
    yield (
        f"Held-out perplexity per document (variational bound) on {results['corpus']}, seed {results['seed']}:"
        f" {results['old_train_documents']:,} old training documents of 15 newsgroups,"
        f" {results['new_train_documents']:,} new ones of {', '.join(results['new_groups'])};"
        f" {results['old_test_documents']:,} old and {results['new_test_documents']:,} new test documents."
    )


TABLES = {"editing": editing, "unit-tree": tree, "unit-graph": graph, "continuing": continuing}
