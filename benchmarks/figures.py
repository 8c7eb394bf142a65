"""The figures in docs/, drawn from benchmarks/results; `python benchmarks/tables.py --write` writes them.

docs/overview.svg is not among them: `docnvil report` draws it, in `benchmarks/demo.py --keep-results`.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from common import RESULTS
from paper.rows import FIGURE_1, TABLE_3, TECHNIQUES, Row
from plots import Bar, Panel, Point, bar_chart, color_by_name, line_chart, scatter_plot

GRADIENTS_SHOWN_FROM = 0.1  # share of the updates: before that, all bounds rise steeply from far below
VISIBLE_LAYERS = {"dirichlet-multinomial": "Dirichlet-multinomial", "softmax": "softmax"}
PEERS = {"tomotopy-lda": "tomotopy LDA", "sklearn-lda": "scikit-learn LDA"}


def figure_1() -> str:
    """Draw Figure 1 of the paper: the validation bound against updates for each choice of variance reduction."""
    panels = []
    for units in ("200", "200-200"):
        rows = {row.trained_by: row for row in _trained("figure1", FIGURE_1) if row.units == units}
        names = [name for name in (*TECHNIQUES, "all three, no local signals") if name in rows]
        lines = {name: _curve("figure1", rows[name], "updates") for name in names}
        panels.append(Panel(f"SBN {units}", lines, "parameter updates", y_min=-220))
    return line_chart(panels, y_label="validation bound, nats per image", share_y=True)


def learning_curves(x: str, x_label: str) -> str:
    """Draw the validation bound of each recipe on 20 Newsgroups against "updates" or "seconds".

    The recipe `paper` holds out other documents than the other recipes, so it has a panel of its own.
    """
    panels = []
    for title, of_paper in (("Recipes default and best", False), ("Recipe paper, other validation documents", True)):
        rows = [row for row in _trained("table3", TABLE_3) if row.recipe.startswith("paper") == of_paper]
        lines = {f"{row.model}, {row.recipe}": _curve("table3", row, x) for row in rows}
        panels.append(Panel(title, lines, x_label))
    return line_chart(panels, y_label="validation bound, nats per document", log_x=True)


def frontier() -> str:
    """Draw NPMI against completion perplexity for each sparsity penalty, and for LDA."""
    results = _results("frontier")
    points = [
        _frontier_point(sparsity, values, f"docnvil, {VISIBLE_LAYERS[layer]} layer, --sparsity 0 to 4")
        for layer, by_sparsity in results["layers"].items()
        for sparsity, values in by_sparsity.items()
    ]
    for name, label in PEERS.items():
        values = results["peers"][name]
        points.append(_frontier_point(label, values))
        if "cached_completion_per_word" in values:
            cached = values | {"completion_per_word": values["cached_completion_per_word"]}
            points.append(_frontier_point(f"{label} + cache", cached))
    return scatter_plot(
        points,
        x_label="completion perplexity per word (lower is better)",
        y_label="NPMI (higher is better)",
        value_label="diversity (higher is better)",
    )


def gradient_estimators() -> str:
    """Draw the validation bound of each gradient estimator against updates and against seconds."""
    results = _results("gradients")
    rows = results["training"].values()
    y_min = min(row["validation_bound"][int(GRADIENTS_SHOWN_FROM * len(row["updates"]))] for row in rows)
    panels = []
    for x in ("updates", "seconds"):
        lines = {
            name: list(zip(row[x], row["validation_bound"], strict=True)) for name, row in results["training"].items()
        }
        title = f"20 Newsgroups, {results['settings']['units']} units"
        panels.append(Panel(title, lines, "parameter updates" if x == "updates" else x, y_min))
    return line_chart(panels, y_label="validation bound, nats per document", share_y=True)


def gradient_noise() -> str:
    """Draw the noise of q's gradient for each estimator, with its cosine to the ELBO's gradient."""
    results = _results("gradients")
    nvil = results["noise"]["nvil"]["noise"]
    evaluations = results["settings"]["evaluations"]
    return bar_chart(
        [Bar(name, row["noise"], _noise_text(row, nvil)) for name, row in results["noise"].items()],
        title=f"Noise of q's gradient at {evaluations} likelihood evaluations per document",
        x_label="variance / |mean|², logarithmic scale",
        colors=color_by_name(results["training"]),
    )


def growth() -> str:
    """Draw milliseconds per update against the number of words, units, samples and documents per batch."""
    titles = {"words": "words", "units": "units", "samples": "samples per document", "batch": "documents per batch"}
    panels = []
    for name, rows in _results("growth")["steps"].items():
        lines = {kind: [(row[name], row[f"{kind}_ms"]) for row in rows] for kind in ("factorial", "autoregressive")}
        panels.append(Panel(f"More {titles[name]}", lines, titles[name], y_min=0))
    return line_chart(panels, y_label="milliseconds per update", width=3.0, height=2.5)


FIGURES = {
    "figure1.svg": figure_1,
    "learning.svg": lambda: learning_curves("updates", "parameter updates"),
    "learning-seconds.svg": lambda: learning_curves("seconds", "seconds"),
    "frontier.svg": frontier,
    "gradients.svg": gradient_estimators,
    "gradient-noise.svg": gradient_noise,
    "growth.svg": growth,
}


def _results(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _trained(table: str, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if (RESULTS / "paper" / table / f"{row.name}.json").exists()]


def _curve(table: str, row: Row, x: str) -> Sequence[tuple[float, float]]:
    curve = _results(f"paper/{table}/{row.name}")["curve"]
    x_column, y_column = curve["columns"].index(x), curve["columns"].index("validation_bound")
    return [(point[x_column], point[y_column]) for point in curve["rows"]]


def _frontier_point(label: str, values: Mapping[str, float], line: str | None = None) -> Point:
    return Point(label, values["completion_per_word"], values["npmi"], values["diversity"], line)


def _noise_text(row: Mapping[str, Any], nvil: float) -> str:
    text = f"{_rounded(row['noise'], 3)} ({_rounded(row['noise'] / nvil, 2)} × NVIL)"
    cosine = row["cosine_to_elbo"]
    return text if cosine is None else f"{text}, cosine to the ELBO's gradient {cosine:.2f}"


def _rounded(value: float, digits: int) -> str:
    """Return a number with so many significant digits and no exponent below a million."""
    return f"{float(f'{value:.{digits}g}'):,g}"
