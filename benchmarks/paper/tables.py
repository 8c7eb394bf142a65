"""Tables of docs/paper.md, from benchmarks/results/paper; rows without a result say "not trained"."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from paper.rows import BEYOND, FIGURE_1, RCV1, TABLE_1, TABLE_2, TABLE_3, Row

RESULTS = Path(__file__).parents[1] / "results" / "paper"
MISSING = "not trained"
# Results of others on binarized MNIST, from Table 1 of Mnih & Gregor (2014); that of the RBM is not a bound.
REPORTED = (
    ("NADE", "500", 88.9),
    ("DARN", "400", 93.0),
    ("fDARN", "400", 96.3),
    ("RBM (CD25)", "", 86.3),
    ("mixture of Bernoullis", "500", 137.6),
)


def table_1() -> str:
    """Binarized MNIST: NVIL and wake-sleep."""
    lines = [
        "| model | units, deepest first | NVIL, paper | NVIL, docnvil | importance-weighted | wake-sleep, paper"
        " | wake-sleep, docnvil | importance-weighted |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    by_name = {row.name: row for row in TABLE_1}
    for row in TABLE_1:
        if row.trained_by == "nvil":
            wake_sleep = by_name[row.name.replace("nvil", "wake-sleep")]
            lines.append(f"| {row.model} | {row.units} | {_nats('table1', row)} | {_nats('table1', wake_sleep)} |")
    return "\n".join([*lines, "", _effort("table1", TABLE_1)])


def table_2() -> str:
    """Binarized MNIST: autoregressive and factorial recognition networks."""
    lines = [
        "| units, deepest first | autoregressive q, paper | autoregressive q, docnvil | importance-weighted"
        " | factorial q, paper | factorial q, docnvil | importance-weighted |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    factorial = {row.units: row for row in TABLE_1 if row.trained_by == "nvil" and row.model == "SBN"}
    for row in TABLE_2:
        lines.append(f"| {row.units} | {_nats('table2', row)} | {_nats('table1', factorial[row.units])} |")
    return "\n".join([*lines, "", _effort("table2", TABLE_2)])


def table_3() -> str:
    """20 Newsgroups: the perplexity bound of the paper's settings and of docnvil's recipes."""
    lines = [
        "| model, 50 units | recipe | perplexity per document, paper | docnvil | importance-weighted | updates"
        " | training, s | status |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in TABLE_3:
        result = _result("table3", row)
        if result is None:
            lines.append(f"| {row.model} | {row.recipe} | {row.paper:g} | {MISSING} | | | | |")
            continue
        bounds = (result[name]["perplexity_per_document"] for name in ("test", "test_importance_weighted"))
        cells = " | ".join(f"{bound:.0f}" for bound in bounds)
        lines.append(
            f"| {row.model} | {row.recipe} | {row.paper:g} | {cells} | {result['updates']:,} | {result['seconds']:,.0f}"
            f" | {_status(result)} |"
        )
    figures = [
        "![Validation bound by updates, for each recipe](learning.svg)",
        "![Validation bound by seconds, for each recipe](learning-seconds.svg)",
    ]
    return "\n".join([*lines, "", _effort("table3", TABLE_3), "", *figures])


def rcv1() -> str:
    """RCV1: the perplexity bound of the default recipe with the paper's models."""
    lines = [
        "| model | units | perplexity per document, paper | docnvil | importance-weighted |",
        "|---|---|--:|--:|--:|",
    ]
    for row in RCV1:
        result, cells = _result("rcv1", row), f"{MISSING} | "
        if result is not None:
            bounds = (result[name]["perplexity_per_document"] for name in ("test", "test_importance_weighted"))
            cells = " | ".join(f"{bound:.0f}" for bound in bounds)
        lines.append(f"| {row.model} | {row.units} | {row.paper:g} | {cells} |")
    return "\n".join([*lines, "", _effort("rcv1", RCV1)])


def beyond() -> str:
    """Binarized MNIST: docnvil's DARN beside the models that Mnih & Gregor report."""
    lines = ["| model | units | nats per image | importance-weighted |", "|---|---|--:|--:|"]
    for row in BEYOND:
        result = _result("beyond", row)
        cells = f"{MISSING} | " if result is None else _test_cells(result)
        lines.append(f"| **docnvil**: {row.model} | {row.units} | {cells} |")
    lines += [f"| {model} | {units} | {nats:.1f} | |" for model, units, nats in REPORTED]
    return "\n".join([*lines, "", _effort("beyond", BEYOND)])


def figure_1() -> str:
    """Return the validation bound at the end of each curve of the figure."""
    lines = ["| techniques | 200 | 200-200 |", "|---|--:|--:|"]
    for technique in dict.fromkeys(row.trained_by for row in FIGURE_1):
        cells = []
        for units in ("200", "200-200"):
            results = [_result("figure1", row) for row in FIGURE_1 if (row.units, row.trained_by) == (units, technique)]
            cells.append("" if not results else MISSING if results[0] is None else f"{_last_bound(results[0]):.1f}")
        lines.append(f"| {technique} | {' | '.join(cells)} |")
    figure = "![Validation bound by updates, for each choice of techniques](figure1.svg)"
    return "\n".join([*lines, "", _effort("figure1", FIGURE_1), "", figure])


TABLES = {
    "paper-table-1": table_1,
    "paper-table-2": table_2,
    "paper-table-3": table_3,
    "paper-figure-1": figure_1,
    "paper-rcv1": rcv1,
    "paper-beyond": beyond,
}


def _result(table: str, row: Row) -> dict[str, Any] | None:
    path = RESULTS / table / f"{row.name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _nats(table: str, row: Row) -> str:
    """Return the cells of a row, in nats per image: the paper's bound, docnvil's, and docnvil's importance-weighted."""
    result = _result(table, row)
    paper = f"{row.paper:.1f}"
    return f"{paper} | {MISSING} | " if result is None else f"{paper} | {_test_cells(result)}"


def _test_cells(result: dict[str, Any]) -> str:
    """Return the cells of the test bounds, in nats: variational and importance-weighted."""
    elbo, importance = (result[name]["negative_log_likelihood"] for name in ("test", "test_importance_weighted"))
    return f"{elbo:.1f}{'' if result['finished'] else ' (unfinished)'} | {importance:.1f}"


def _last_bound(result: dict[str, Any]) -> float:
    return result["curve"]["rows"][-1][-1]


def _status(result: dict[str, Any]) -> str:
    """Return "finished", or how much the validation bound rose in the last tenth of the curve."""
    if result["finished"]:
        return "finished"
    rows = result["curve"]["rows"]
    tenth = rows[-max(2, len(rows) // 10) :]
    gain = max(point[-1] for point in rows) - max(point[-1] for point in rows[: len(rows) - len(tenth) + 1])
    return f"stopped; +{gain:.1f} nats in the last {tenth[-1][0] - tenth[0][0]:,} of {result['epochs']:,} epochs"


def _effort(table: str, rows: Iterable[Row]) -> str:
    """Return a note on training time, machine and command of a table."""
    results = [each for each in (_result(table, row) for row in rows) if each]
    if not results:
        return "None of these rows has been trained yet."
    machine, hours = results[0]["machine"], sum(each["seconds"] for each in results) / 3600
    trainings = "1 training" if len(results) == 1 else f"{len(results)} trainings"
    on_gpu = sum(each["machine"].get("device", "cpu") != "cpu" for each in results)
    return (
        f"{trainings}, {hours:.1f} hours in total, {results[0]['threads']} thread per row on a shared machine"
        f" ({machine['processor']}), torch {machine['torch']}{f', {on_gpu} on a GPU' if on_gpu else ''}."
        f" Made by `python benchmarks/paper/train.py {table}`."
    )
