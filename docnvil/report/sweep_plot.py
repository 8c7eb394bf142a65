"""Figure of a sweep as SVG: held-out perplexity against the number of units."""

import math
from collections.abc import Mapping, Sequence

from docnvil.comparison.sweep import Sweep
from docnvil.report.curves import ticks
from docnvil.report.formatting import format_number
from docnvil.report.svg import FONTS, LIGHT, Palette, element, text_element

WIDTH, HEIGHT = 640, 360


def sweep_figure(result: Sweep, by_seed: Mapping[int, Sequence[float]], palette: Palette = LIGHT) -> str:
    """Return the perplexity per word of each number of units, with a dot per seed and the suggested range shaded.

    Arguments:
        result: the sweep.
        by_seed: the perplexities per word of the seeds of each number of units.
        palette: the colors.
    """
    units = [row.units for row in result.rows]
    values = [each for row in result.rows for each in (*by_seed[row.units], row.perplexity_per_word)]
    marks = ticks(min(values), max(values))
    left, right, top, bottom = 64.0, WIDTH - 20.0, 52.0, HEIGHT - 48.0
    first, last = math.log(units[0]), math.log(units[-1])

    def x(number: int) -> float:
        share = (math.log(number) - first) / (last - first) if last > first else 0.5
        return left + 16 + (right - left - 32) * share

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - marks[0]) / (marks[-1] - marks[0])

    parts = [
        element("rect", width=WIDTH, height=HEIGHT, fill=palette["paper"]),
        text_element(8, 18, "held-out perplexity per word", fill=palette["muted"], size=13),
    ]
    if result.suggested is not None:
        start, end = x(result.suggested) - 10, x(result.largest) + 10
        area = {"x": start, "y": top, "width": end - start, "height": bottom - top}
        parts.append(element("rect", **area, fill=palette["bar"], fill_opacity=0.25))
    for mark in marks:
        parts.append(element("line", x1=left, y1=y(mark), x2=right, y2=y(mark), stroke=palette["grid"]))
        digits = max(0, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9))
        text = format_number(mark, digits)
        parts.append(text_element(left - 8, y(mark) + 4, text, fill=palette["muted"], text_anchor="end"))
    for number in units:
        parts.append(text_element(x(number), bottom + 20, f"{number:,}", fill=palette["muted"], text_anchor="middle"))
    parts.append(text_element((left + right) / 2, HEIGHT - 8, "units", fill=palette["muted"], text_anchor="middle"))
    points = "L".join(f"{x(row.units):.1f} {y(row.perplexity_per_word):.1f}" for row in result.rows)
    parts.append(element("path", d=f"M{points}", fill="none", stroke=palette["validation"], stroke_width=2))
    for row in result.rows:
        for value in by_seed[row.units]:
            parts.append(element("circle", cx=x(row.units), cy=y(value), r=2.5, fill=palette["muted"]))
        parts.append(element("circle", cx=x(row.units), cy=y(row.perplexity_per_word), r=4, fill=palette["validation"]))
    label = "no number is better than no units" if result.suggested is None else f"suggested: {result.suggested}"
    place = (left + right) / 2 if result.suggested is None else min(max(x(result.suggested), left + 60), right - 60)
    parts.append(
        text_element(place, top - 8, label, fill=palette["ink"], size=13, font_weight=600, text_anchor="middle")
    )
    size = {"width": WIDTH, "height": HEIGHT, "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    summary = f"Held-out perplexity per word by number of units; {label}"
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria_label": summary, "font_family": FONTS}
    return element("svg", *parts, **size, **attributes)
