"""Training curves as SVG: values against epochs, with the best epoch marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from docnvil.model.visible import VisibleLayer
from docnvil.report.formatting import format_number
from docnvil.report.svg import FONTS, PAGE, Palette, element, text_element, text_width
from docnvil.training.records import EpochRecord, best_of


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name in the legend, one value per epoch, and its color."""

    name: str
    values: Sequence[float]
    color: str


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers in roughly `about` equal steps, the first at most `low` and the last at least `high`.

    Example:
        >>> ticks(-378, -322), ticks(0, 0.3)
        ([-380.0, -360.0, -340.0, -320.0], [0.0, 0.1, 0.2, 0.3])
    """
    span = (high - low) or abs(high) or 1.0
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(multiple for multiple in (1, 2, 5, 10) if multiple * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, max(last, first + 1) + 1)]


def training_charts(
    history: Sequence[EpochRecord], visible: VisibleLayer | type[VisibleLayer], palette: Palette = PAGE, **size: int
) -> list[str]:
    """Return charts of the bound and, if the model's figure is perplexity, of the validation perplexity.

    The size of a chart is its `width` and `height`, see `chart`.
    """
    best, noun = best_of(history).epoch, visible.document_noun
    bounds = [
        Line("training", [record.train_bound for record in history], palette["training"]),
        Line("validation", [record.validation_bound for record in history], palette["validation"]),
    ]
    charts = [chart(bounds, best, f"bound, nats per {noun}", palette, **size)]
    if visible.reports_perplexity:
        perplexity = Line("validation", [record.validation_perplexity for record in history], palette["validation"])
        charts.append(chart([perplexity], best, f"validation perplexity, per {noun}", palette, **size))
    return charts


def chart(
    lines: Sequence[Line], best: int, label: str, palette: Palette = PAGE, *, width: int = 640, height: int = 320
) -> str:
    """Return values against epochs as an SVG element; infinite values are left out.

    The best epoch, counted from 1, is marked with its value of the last line. The label says what the values are, with
    their unit. The width and the height are pixels at natural size.
    """
    finite = [value for line in lines for value in line.values if math.isfinite(value)] or [0.0]
    rows, n_epochs = ticks(min(finite), max(finite)), len(lines[-1].values)
    digits = -math.floor(math.log10(rows[1] - rows[0]) + 1e-9)
    left = 16 + 7.2 * max(len(format_number(tick, digits)) for tick in rows)
    right, top, bottom = width - 14, 48, height - 34

    def x(epoch: int) -> float:
        return left + 8 + (right - left - 16) * ((epoch - 1) / (n_epochs - 1) if n_epochs > 1 else 0.5)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - rows[0]) / (rows[-1] - rows[0])

    parts = [text_element(2, 16, label, fill=palette["muted"], size=13)]
    if len(lines) > 1:
        parts += _legend(lines, right, palette)
    for tick in rows:
        parts.append(element("line", x1=left, y1=y(tick), x2=right, y2=y(tick), stroke=palette["grid"]))
        text = format_number(tick, digits)
        parts.append(text_element(left - 8, y(tick) + 4, text, fill=palette["muted"], text_anchor="end"))
    for number, epoch in enumerate(_epoch_ticks(n_epochs)):
        text = f"{epoch:,}" if number else f"epoch {epoch:,}"
        parts.append(text_element(x(epoch), bottom + 20, text, fill=palette["muted"], text_anchor="middle"))
    for line in lines:
        points = [(x(epoch), y(value)) for epoch, value in enumerate(line.values, 1) if math.isfinite(value)]
        parts.append(_path(points, line.color))
    if math.isfinite(value := lines[-1].values[best - 1]):
        text = f"best epoch {best}: {format_number(value, max(1, digits + 1))}"
        parts += _best_epoch(x(best), y(value), (left, right, top, bottom), text, palette)
    summary = f"{label}, by epoch; best epoch {best} of {n_epochs}, {lines[-1].name} {format_number(value)}"
    size = {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}
    return element("svg", *parts, **size, role="img", aria_label=summary, font_family=FONTS, class_="curve")


def _path(points: Sequence[tuple[float, float]], color: str) -> str:
    if len(points) < 2:  # one epoch is a point
        return "".join(element("circle", cx=x, cy=y, r=3, fill=color) for x, y in points)
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element("path", d=path, fill="none", stroke=color, stroke_width=2, stroke_linejoin="round")


def _best_epoch(x: float, y: float, frame: tuple[float, ...], label: str, palette: Palette) -> list[str]:
    """Mark the best epoch by a dotted line and a dot; its label is above the plot, where no curve is."""
    left, right, top, bottom = frame
    half = text_width(label, 13) / 2
    middle = max(left + half, min(x, right - half))
    dot = {"fill": palette["validation"], "stroke": palette["paper"], "stroke_width": 2}
    return [
        element("line", x1=x, y1=top - 6, x2=x, y2=bottom, stroke=palette["muted"], stroke_dasharray="2 3"),
        element("circle", cx=x, cy=y, r=5, **dot),
        text_element(middle, top - 10, label, fill=palette["ink"], size=13, font_weight=600, text_anchor="middle"),
    ]


def _legend(lines: Sequence[Line], right: float, palette: Palette) -> list[str]:
    parts, x = [], right
    for line in reversed(lines):
        parts.append(text_element(x, 16, line.name, fill=palette["ink"], text_anchor="end", size=13))
        x -= text_width(line.name, 13) + 3
        parts.append(element("line", x1=x - 16, y1=12, x2=x, y2=12, stroke=line.color, stroke_width=2.5))
        x -= 34
    return parts


def _epoch_ticks(n_epochs: int) -> list[int]:
    """Return the epochs to label on the axis: all of a few, else round numbers."""
    if n_epochs <= 6:
        return list(range(1, n_epochs + 1))
    return [int(tick) for tick in ticks(0, n_epochs, about=6) if 1 <= tick <= n_epochs and tick == int(tick)]
