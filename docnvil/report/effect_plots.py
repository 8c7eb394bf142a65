"""Figures of effects as SVG: differences with their intervals, and prevalence over time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from docnvil.analysis.effects import OTHERS, TREND, Effects
from docnvil.report.curves import ticks
from docnvil.report.formatting import format_number
from docnvil.report.svg import FONTS, LIGHT, Palette, element, text_element, text_width

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 40  # of differences in a figure
MAX_PANELS = 12  # of units over time
ROW = 22
PANEL_WIDTH, PANEL_HEIGHT, PANELS_PER_LINE = 260, 150, 3
MAX_LABEL = 56  # characters


def effects_figure(result: Effects, over: str | None = None, palette: Palette = LIGHT) -> str:
    """Return differences and, with dates, prevalence over time as one SVG figure.

    Arguments:
        result: the effects.
        over: the column of dates, if one was given.
        palette: the colors.
    """
    differences, height = _differences(result, palette)
    parts, width = [differences], 760
    if over is not None:
        panels, extra = _panels(result, over, palette)
        parts.append(element("g", panels, transform=f"translate(0 {height + 16})"))
        height += extra + 16
        width = max(width, PANELS_PER_LINE * PANEL_WIDTH)
    background = element("rect", width=width, height=height, fill=palette["paper"])
    size = {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}
    label = f"Differences in the prevalence of units, with {result.share:.4g} intervals"
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria_label": label, "font_family": FONTS}
    return element("svg", background, *parts, **size, **attributes)


def strongest(effects: "pd.DataFrame", limit: int) -> "pd.DataFrame":
    """Return the rows of at most `limit` differences: significant ones by their size, then others by their p-value."""
    tested = effects[effects["estimate"].notna()]
    size = -tested["estimate"].abs()
    order = size.where(tested["significant"], tested["p_value"])  # the sizes are negative, so they come first
    return tested.loc[order.sort_values(kind="stable").index[:limit]]


def describe_row(name: str, column: str, value: str, compared_with: str) -> str:
    """Return the label of a difference.

    Example:
        >>> describe_row("unit 3", "party", "left", "right"), describe_row("unit 3", "party", "left", OTHERS)
        ('party left, not right: unit 3', 'party left: unit 3')
    """
    against = "" if compared_with in (OTHERS, TREND) else f", not {compared_with}"
    return f"{column} {value}{against}: {name}"


def _differences(result: Effects, palette: Palette) -> tuple[str, float]:
    """Draw a dot and an interval per difference, colored where significant; return the height, too."""
    rows = strongest(result.effects, MAX_ROWS).sort_values("estimate", ascending=False, kind="stable")
    columns = ("name", "column", "value", "compared_with")
    labels = [_cut(describe_row(*each)) for each in rows[list(columns)].itertuples(index=False)]
    left = min(430.0, 16 + max([text_width(label, 12) for label in labels], default=60.0))
    right, top = 740, 44
    bottom = top + ROW * len(rows)
    low, high = (min(0.0, rows["low"].min()), max(0.0, rows["high"].max())) if len(rows) else (-1.0, 1.0)
    marks = ticks(low, high)

    def x(value: float) -> float:
        return left + (right - left) * (value - marks[0]) / (marks[-1] - marks[0])

    shown = f"the {len(rows)} largest of {len(result.effects)}" if len(rows) < len(result.effects) else "all"
    title = f"Difference in prevalence with {result.share:.4g} interval ({shown}; significant ones in color)"
    parts = [text_element(8, 18, title, fill=palette["muted"], size=13)]
    for mark in marks:
        color = palette["muted"] if mark == 0 else palette["grid"]
        parts.append(element("line", x1=x(mark), y1=top - 8, x2=x(mark), y2=bottom, stroke=color))
        text = format_number(mark, 3).rstrip("0").rstrip(".") or "0"
        parts.append(text_element(x(mark), bottom + 18, text, fill=palette["muted"], text_anchor="middle"))
    for number, (label, row) in enumerate(zip(labels, rows.itertuples(index=False), strict=True)):
        y = top + ROW * number + 6
        color = palette["validation"] if row.significant else palette["muted"]
        parts.append(text_element(left - 10, y + 4, label, fill=palette["ink"], text_anchor="end"))
        parts.append(element("line", x1=x(row.low), y1=y, x2=x(row.high), y2=y, stroke=color, stroke_width=2))
        parts.append(element("circle", cx=x(row.estimate), cy=y, r=4, fill=color))
    return "".join(parts), bottom + 34


def _panels(result: Effects, over: str, palette: Palette) -> tuple[str, float]:
    """Draw the prevalence of the units with the largest trends, one small chart each."""
    trends = result.effects[result.effects["column"] == over]
    units = strongest(trends, MAX_PANELS)["unit"].tolist()
    title = f"Prevalence over {over}, with {result.share:.4g} intervals"
    parts = [text_element(8, 18, title, fill=palette["muted"], size=13)]
    for number, unit in enumerate(units):
        rows = result.prevalence[(result.prevalence["unit"] == unit) & (result.prevalence["column"] == over)]
        line, place = divmod(number, PANELS_PER_LINE)
        shift = f"translate({place * PANEL_WIDTH} {32 + line * PANEL_HEIGHT})"
        parts.append(element("g", _panel(rows, palette), transform=shift))
    n_lines = -(-len(units) // PANELS_PER_LINE)
    return "".join(parts), 40 + n_lines * PANEL_HEIGHT


def _panel(rows: "pd.DataFrame", palette: Palette) -> str:
    """Draw the prevalence of one unit: a line, with its interval as a band."""
    left, right, top, bottom = 46, PANEL_WIDTH - 14, 24, PANEL_HEIGHT - 26
    # A bin of few documents has an interval of nearly any prevalence, which would make the others flat.
    highest = max(float(rows["prevalence"].max()), float(rows["high"].quantile(0.9)))
    marks = ticks(0.0, highest, about=3)
    n_bins = len(rows)

    def x(number: int) -> float:
        return left + (right - left) * (number / (n_bins - 1) if n_bins > 1 else 0.5)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / marks[-1]

    def points(values: Sequence[float], numbers: Sequence[int]) -> list[str]:
        return [f"{x(number):.1f} {y(values[number]):.1f}" for number in numbers]

    name = _cut(str(rows["name"].iloc[0]), 32)
    parts = [text_element(left, 14, name, fill=palette["ink"], size=12, font_weight=600)]
    for mark in marks:
        parts.append(element("line", x1=left, y1=y(mark), x2=right, y2=y(mark), stroke=palette["grid"]))
        text = format_number(100 * mark, 1).rstrip("0").rstrip(".") + " %"
        parts.append(text_element(left - 6, y(mark) + 4, text, fill=palette["muted"], size=11, text_anchor="end"))
    forward, backward = range(n_bins), range(n_bins - 1, -1, -1)
    low, high, middle = (rows[column].clip(upper=marks[-1]).tolist() for column in ("low", "high", "prevalence"))
    band = "M" + "L".join([*points(high, forward), *points(low, backward)]) + "Z"
    parts.append(element("path", d=band, fill=palette["bar"], fill_opacity=0.4))
    line = "M" + "L".join(points(middle, forward))
    parts.append(element("path", d=line, fill="none", stroke=palette["validation"], stroke_width=2))
    values = rows["value"].tolist()
    for number, anchor in ((0, "start"), (n_bins - 1, "end")):
        parts.append(
            text_element(x(number), bottom + 16, values[number], fill=palette["muted"], size=11, text_anchor=anchor)
        )
    return "".join(parts)


def _cut(text: str, limit: int = MAX_LABEL) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
