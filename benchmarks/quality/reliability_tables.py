"""Tables of docs/reliability.md: attacks on files and processes, from benchmarks/results."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import results_table


@results_table("reliability", "make torture")
def attacks(results: dict[str, Any]) -> Iterable[str]:
    """Yield the tries of each attack, how many docnvil survived, and the bytes that were lost."""
    yield "| attack | tries | survived | bytes lost | date | seed |"
    yield "|---|--:|--:|--:|---|--:|"
    for attack in results["attacks"].values():
        survived = attack["tries"] - attack["failures"]
        dates = " to ".join(dict.fromkeys([attack["first_date"], attack["last_date"]]))
        yield (
            f"| {attack['title']} | {attack['tries']:,} | {survived:,} | {attack['bytes_lost']:,} | {dates}"
            f" | {attack['seed']} |"
        )


@results_table("reliability", "make torture")
def outcomes(results: dict[str, Any]) -> Iterable[str]:
    """Yield what happened in the tries of each attack."""
    yield "| attack | outcome | tries |"
    yield "|---|---|--:|"
    for name, attack in results["attacks"].items():
        for result, n_tries in attack["results"].items():
            if n_tries:
                yield f"| {name} | {result} | {n_tries:,} |"


TABLES = {"reliability-attacks": attacks, "reliability-outcomes": outcomes}
