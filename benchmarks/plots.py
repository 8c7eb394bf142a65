"""Charts of benchmarks, as SVG files that stand alone: lines under one key, and labelled points."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from docnvil.report.drawing import FONTS, ON_WHITE, element, markup, ticks

# Okabe & Ito's (2008) colours, which colour-blind readers tell apart, darkest first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5c00", "#56b4e9", "#000000", "#999999", "#5b3a8c", "#a8323e")
LEFT, TOP, BOTTOM, KEY_LINE = 62, 46, 46, 18
PALEST, DARKEST = (0xB9, 0xD3, 0xEE), (0x0B, 0x2E, 0x6B)  # of points, for the least and the most of their shade


@dataclass(frozen=True)
class Panel:
    """One chart of several lines.

    Arguments:
        title: over it. lines: name to points (x, y), in the order of the key.
        low: the lowest y shown; what falls below is cut off. Without it all is shown.
    """

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    low: float | None = None


def chart(
    panels: Sequence[Panel], *, across: str, up: str, logarithmic: bool = False, width: int = 460, height: int = 300
) -> str:
    """Draw panels side by side under one key, every name in the same colour throughout.

    Arguments:
        panels: the charts. across, up: what the axes show, with units.
        logarithmic: whether x is. width, height: of one panel, in pixels at natural size.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    drawn = [
        element(
            "g", _panel(panel, colours, across, up, logarithmic, width, height), transform=f"translate({n * width} 0)"
        )
        for n, panel in enumerate(panels)
    ]
    key_height = KEY_LINE * len(names) + 14
    whole = width * len(panels), height + key_height
    return element(
        "svg",
        element("rect", width=whole[0], height=whole[1], fill=ON_WHITE.paper),
        *drawn,
        element("g", *_key(names, colours), transform=f"translate({LEFT} {height + 4})"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {whole[0]} {whole[1]}",
        width=whole[0],
        height=whole[1],
        font_family=FONTS,
        font_size=12,
    )


@dataclass(frozen=True)
class Point:
    """A labelled point, darker for more of `shade`; those that are joined have a line through them, in their order."""

    label: str
    x: float
    y: float
    shade: float
    joined: bool = True


def scatter(points: Sequence[Point], *, across: str, up: str, shade: str, width: int = 640, height: int = 420) -> str:
    """Draw points with their labels, joined ones as circles on a line and others as squares.

    Arguments:
        points: what is drawn. across, up: what the axes show. shade: what a point's darkness shows.
        width, height: in pixels at natural size.
    """
    x_marks = ticks(min(point.x for point in points), max(point.x for point in points))
    y_marks = ticks(min(point.y for point in points), max(point.y for point in points))
    right, bottom = width - 90, height - BOTTOM
    least, most = min(point.shade for point in points), max(point.shade for point in points)

    def x(value: float) -> float:
        return round(LEFT + (right - LEFT) * (value - x_marks[0]) / (x_marks[-1] - x_marks[0]), 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - TOP) * (value - y_marks[0]) / (y_marks[-1] - y_marks[0]), 1)

    def colour(value: float) -> str:
        share = (value - least) / ((most - least) or 1)
        mixed = (round(pale + share * (dark - pale)) for pale, dark in zip(PALEST, DARKEST, strict=True))
        return "#" + "".join(f"{each:02x}" for each in mixed)

    parts = [
        element("rect", width=width, height=height, fill=ON_WHITE.paper),
        element("text", markup(up), x=LEFT, y=20, fill=ON_WHITE.muted),
        element("text", markup(across), x=right, y=bottom + 36, text_anchor="end", fill=ON_WHITE.muted),
    ]
    for mark in y_marks:
        parts.append(element("line", x1=LEFT, x2=right, y1=y(mark), y2=y(mark), stroke=ON_WHITE.grid))
        parts.append(element("text", f"{mark:g}", x=LEFT - 8, y=y(mark) + 4, text_anchor="end", fill=ON_WHITE.muted))
    for mark in x_marks:
        parts.append(element("text", f"{mark:g}", x=x(mark), y=bottom + 18, text_anchor="middle", fill=ON_WHITE.muted))
    line = " ".join(f"{x(point.x):g},{y(point.y):g}" for point in points if point.joined)
    parts.append(element("polyline", points=line, fill="none", stroke=ON_WHITE.grid, stroke_width=2))
    for point in points:
        look = {"fill": colour(point.shade), "stroke": ON_WHITE.ink, "stroke_width": 0.8}
        if point.joined:
            parts.append(element("circle", cx=x(point.x), cy=y(point.y), r=7, **look))
        else:
            parts.append(element("rect", x=x(point.x) - 7, y=y(point.y) - 7, width=14, height=14, **look))
        parts.append(element("text", markup(point.label), x=x(point.x) + 9, y=y(point.y) + 15, fill=ON_WHITE.ink))
    for number, (name, value) in enumerate((("least", least), ("most", most))):
        left = LEFT + 170 * number + 200
        parts.append(element("rect", x=left, y=9, width=14, height=14, fill=colour(value)))
        parts.append(element("text", markup(f"{name} {shade}, {value:.2f}"), x=left + 20, y=20, fill=ON_WHITE.muted))
    return element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        font_family=FONTS,
        font_size=12,
    )


def _panel(
    panel: Panel, colours: Mapping[str, str], across: str, up: str, logarithmic: bool, width: int, height: int
) -> str:
    scaled = math.log10 if logarithmic else float
    points = [point for line in panel.lines.values() for point in line]
    ys = [y for _, y in points if panel.low is None or y >= panel.low]
    y_marks = ticks(min(ys) if panel.low is None else panel.low, max(ys))
    low, high = scaled(min(x for x, _ in points)), scaled(max(x for x, _ in points))
    x_marks = [float(power) for power in range(math.ceil(low), math.floor(high) + 1)] if logarithmic else ticks(0, high)
    low, high = (low, high) if logarithmic else (0.0, x_marks[-1])
    right, bottom = width - 28, height - BOTTOM

    def x(value: float) -> float:
        return round(LEFT + (right - LEFT) * (value - low) / ((high - low) or 1), 1)

    def y(value: float) -> float:
        return round(bottom - (bottom - TOP) * (value - y_marks[0]) / (y_marks[-1] - y_marks[0]), 1)

    parts = [element("text", markup(panel.title), x=LEFT, y=18, font_weight=600, fill=ON_WHITE.ink)]
    parts.append(element("text", markup(up), x=LEFT, y=36, fill=ON_WHITE.muted, font_size=11))
    for mark in y_marks:
        parts.append(element("line", x1=LEFT, x2=right, y1=y(mark), y2=y(mark), stroke=ON_WHITE.grid))
        parts.append(element("text", f"{mark:g}", x=LEFT - 8, y=y(mark) + 4, text_anchor="end", fill=ON_WHITE.muted))
    for mark in x_marks:
        told = f"{10**mark:,.0f}" if logarithmic else f"{mark:,g}"
        parts.append(element("text", told, x=x(mark), y=bottom + 18, text_anchor="middle", fill=ON_WHITE.muted))
    parts.append(
        element("text", markup(across), x=right, y=bottom + 36, text_anchor="end", fill=ON_WHITE.muted, font_size=11)
    )
    for name, line in panel.lines.items():
        shown = [(x(scaled(a)), y(b)) for a, b in line if b >= y_marks[0]]
        path = " ".join(f"{a:g},{b:g}" for a, b in shown)
        parts.append(element("polyline", points=path, fill="none", stroke=colours[name], stroke_width=1.8))
    return "".join(parts)


def _key(names: Sequence[str], colours: Mapping[str, str]) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        middle = KEY_LINE * number + 8
        parts.append(element("line", x1=0, x2=22, y1=middle, y2=middle, stroke=colours[name], stroke_width=3))
        parts.append(element("text", markup(name), x=30, y=middle + 4, fill=ON_WHITE.ink))
    return parts
