"""Charts of the prevalence of a unit over time, as SVG."""

import math
from collections.abc import Sequence

from docnvil.report.formatting import format_percent
from docnvil.report.svg import FONTS, PAGE, Palette, element, text_element
from docnvil.report.units import Prevalence

WIDTH, HEIGHT = 320, 110
LEFT, RIGHT, TOP, BOTTOM = 4, 316, 18, 88


def timeline(periods: Sequence[Prevalence], unit: str, palette: Palette = PAGE) -> str:
    """Return the share of documents with a unit on by period as an SVG element; periods without documents are gaps.

    Example:
        >>> drawing = timeline([Prevalence("2001", 0.1, 9), Prevalence("2002", 0.3, 9)], "unit 3")
        >>> "unit 3, share of documents: 10% in 2001, 30% in 2002, at most 30% in 2002" in drawing
        True
    """
    known = [(place, each) for place, each in enumerate(periods) if each.documents and math.isfinite(each.share)]
    if not known:
        return ""
    largest = max(each.share for _, each in known) or 1.0

    def x(place: int) -> float:
        return LEFT + (RIGHT - LEFT) * (place / (len(periods) - 1) if len(periods) > 1 else 0.5)

    def y(share: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * share / largest

    muted = palette["muted"]
    parts = [element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, stroke=palette["grid"])]
    for run in _runs(known):
        points = "L".join(f"{x(place):.1f} {y(each.share):.1f}" for place, each in run)
        if len(run) == 1:
            parts.append(element("circle", cx=x(run[0][0]), cy=y(run[0][1].share), r=2, fill=palette["validation"]))
            continue
        area = f"M{x(run[0][0]):.1f} {BOTTOM}L{points}L{x(run[-1][0]):.1f} {BOTTOM}Z"
        parts.append(element("path", d=area, fill=palette["validation"], fill_opacity=0.14))
        line = {"stroke": palette["validation"], "stroke_width": 1.75, "stroke_linejoin": "round"}
        parts.append(element("path", d=f"M{points}", fill="none", **line))
    place, best = max(known, key=lambda pair: pair[1].share)
    anchor = "start" if x(place) < WIDTH / 4 else "end" if x(place) > 3 * WIDTH / 4 else "middle"
    parts.append(element("circle", cx=x(place), cy=y(best.share), r=3, fill=palette["validation"]))
    label = format_percent(best.share)
    parts.append(text_element(x(place), y(best.share) - 6, label, fill=palette["ink"], size=11, text_anchor=anchor))
    for anchor, position, each in (("start", LEFT, periods[0]), ("end", RIGHT, periods[-1])):
        parts.append(text_element(position, BOTTOM + 15, each.name, fill=muted, size=11, text_anchor=anchor))
    summary = f"{unit}, share of documents: {_point(known[0][1])}, {_point(known[-1][1])}, at most {_point(best)}"
    size = {"width": WIDTH, "height": HEIGHT, "viewBox": f"0 0 {WIDTH} {HEIGHT}", "font_family": FONTS}
    return element("svg", *parts, **size, role="img", aria_label=summary, class_="timeline")


def _point(period: Prevalence) -> str:
    return f"{format_percent(period.share)} in {period.name}"


def _runs(known: Sequence[tuple[int, Prevalence]]) -> list[list[tuple[int, Prevalence]]]:
    """Return the points in runs of consecutive periods."""
    runs: list[list[tuple[int, Prevalence]]] = []
    for place, each in known:
        if runs and runs[-1][-1][0] == place - 1:
            runs[-1].append((place, each))
        else:
            runs.append([(place, each)])
    return runs
