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


TABLES = {"editing": editing}
