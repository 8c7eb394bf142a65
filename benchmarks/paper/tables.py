"""The tables of docs/paper.md, out of benchmarks/results/paper; a row that was not trained says so."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from paper.rows import BEYOND, FIGURE_1, TABLE_1, TABLE_2, TABLE_3, Row

RESULTS = Path(__file__).parents[1] / "results" / "paper"
MISSING = "not trained"
# Binarized MNIST in Mnih & Gregor's (2014) Table 1, from the literature; the RBM's is an estimate, not a bound.
REPORTED = (
    ("NADE", "500", 88.9),
    ("DARN", "400", 93.0),
    ("fDARN", "400", 96.3),
    ("RBM (CD25)", "", 86.3),
    ("mixture of Bernoullis", "500", 137.6),
)


def table_1() -> str:
    """Binarized MNIST: NVIL beside wake-sleep."""
    lines = [
        "| model | units, deepest first | NVIL, paper | NVIL, here | importance-weighted | wake-sleep, paper"
        " | wake-sleep, here | importance-weighted |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    by_name = {row.name: row for row in TABLE_1}
    for row in TABLE_1:
        if row.trained_by == "nvil":
            rival = by_name[row.name.replace("nvil", "wake-sleep")]
            lines.append(f"| {row.model} | {row.units} | {_nats('table1', row)} | {_nats('table1', rival)} |")
    return "\n".join([*lines, "", _effort("table1", TABLE_1)])


def table_2() -> str:
    """Binarized MNIST: recognition networks whose units see each other, beside factorial ones."""
    lines = [
        "| units, deepest first | autoregressive q, paper | autoregressive q, here | importance-weighted"
        " | factorial q, paper | factorial q, here | importance-weighted |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    factorial = {row.units: row for row in TABLE_1 if row.trained_by == "nvil" and row.model == "SBN"}
    for row in TABLE_2:
        lines.append(f"| {row.units} | {_nats('table2', row)} | {_nats('table1', factorial[row.units])} |")
    return "\n".join([*lines, "", _effort("table2", TABLE_2)])


def table_3() -> str:
    """20 Newsgroups: the perplexity bound by our recipes and by the published one."""
    lines = [
        "| model, 50 units | recipe | perplexity per document, paper | here | importance-weighted | updates | seconds"
        " | validation bound when it ended |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in TABLE_3:
        found = _result("table3", row)
        if found is None:
            lines.append(f"| {row.model} | {row.recipe} | {row.paper:g} | {MISSING} | | | | |")
            continue
        bounds = (found[name]["perplexity_per_document"] for name in ("test", "test_importance_weighted"))
        told = " | ".join(f"{bound:.0f}" for bound in bounds)
        lines.append(
            f"| {row.model} | {row.recipe} | {row.paper:g} | {told} | {found['updates']:,} | {found['seconds']:,.0f}"
            f" | {_end(found)} |"
        )
    figures = [
        "![Validation bound against updates, for each recipe](learning.svg)",
        "![Validation bound against seconds, for each recipe](learning-seconds.svg)",
    ]
    return "\n".join([*lines, "", _effort("table3", TABLE_3), "", *figures])


def beyond() -> str:
    """Binarized MNIST: a DARN beside what Mnih & Gregor report of others."""
    lines = ["| model | units | nats an image | importance-weighted |", "|---|---|--:|--:|"]
    for row in BEYOND:
        found = _result("beyond", row)
        lines.append(f"| {row.model} | {row.units} | {f'{MISSING} | ' if found is None else _reached(found)} |")
    lines += [f"| {model}, as reported there | {units} | {nats:.1f} | |" for model, units, nats in REPORTED]
    return "\n".join([*lines, "", _effort("beyond", BEYOND)])


def figure_1() -> str:
    """How far each technique brings the validation bound, at the end of the curves that the figure shows."""
    lines = ["| techniques | 200 | 200-200 |", "|---|--:|--:|"]
    for technique in dict.fromkeys(row.trained_by for row in FIGURE_1):
        cells = []
        for units in ("200", "200-200"):
            found = [_result("figure1", row) for row in FIGURE_1 if (row.units, row.trained_by) == (units, technique)]
            cells.append("" if not found else MISSING if found[0] is None else f"{_last(found[0]):.1f}")
        lines.append(f"| {technique} | {' | '.join(cells)} |")
    figure = "![Validation bound against updates, for each choice of techniques](figure1.svg)"
    return "\n".join([*lines, "", _effort("figure1", FIGURE_1), "", figure])


TABLES = {
    "paper-table-1": table_1,
    "paper-table-2": table_2,
    "paper-table-3": table_3,
    "paper-figure-1": figure_1,
    "paper-beyond": beyond,
}


def _result(table: str, row: Row) -> dict[str, Any] | None:
    path = RESULTS / table / f"{row.name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _nats(table: str, row: Row) -> str:
    """Return the cells of a row in nats an image: the paper's, ours, and ours weighted by importance."""
    found = _result(table, row)
    paper = f"{row.paper:.1f}"
    return f"{paper} | {MISSING} | " if found is None else f"{paper} | {_reached(found)}"


def _reached(found: dict[str, Any]) -> str:
    """Return the cells of what a training came to, in nats: the bound, and the one weighted by importance."""
    test, tighter = (found[name]["negative_log_likelihood"] for name in ("test", "test_importance_weighted"))
    return f"{test:.1f}{'' if found['finished'] else ' (unfinished)'} | {tighter:.1f}"


def _last(found: dict[str, Any]) -> float:
    return found["curve"]["rows"][-1][-1]


def _end(found: dict[str, Any]) -> str:
    """Say whether the validation bound was still rising, from the last tenth of its curve."""
    if found["finished"]:
        return "done"
    rows = found["curve"]["rows"]
    tenth = rows[-max(2, len(rows) // 10) :]
    gained = max(point[-1] for point in rows) - max(point[-1] for point in rows[: len(rows) - len(tenth) + 1])
    return f"rising, {gained:.1f} nats in the last {tenth[-1][0] - tenth[0][0]:,} epochs of {found['epochs']:,}"


def _effort(table: str, rows: Iterable[Row]) -> str:
    """Say with which effort and where the rows of a table were trained."""
    found = [each for each in (_result(table, row) for row in rows) if each]
    if not found:
        return "Nothing of it has been trained yet."
    machine, hours = found[0]["machine"], sum(each["seconds"] for each in found) / 3600
    rows = "1 row" if len(found) == 1 else f"{len(found)} rows"
    return (
        f"{rows}, {hours:.1f} hours on {found[0]['threads']} thread each of {machine['processor']},"
        f" beside other work, torch {machine['torch']}. Made by `python benchmarks/paper/train.py {table}`."
    )
