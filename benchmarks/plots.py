"""Charts of benchmarks, as SVG files that stand alone: lines under one key, labeled points, and bars."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from docnvil.report.drawing import FONTS, ON_WHITE, bar, element, markup, ticks

# Okabe & Ito's (2008) colors, which color-blind readers tell apart, darkest first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5c00", "#56b4e9", "#000000", "#999999", "#5b3a8c", "#a8323e")
LEFT, TOP, BOTTOM, KEY_LINE, BAR_LINE = 62, 46, 46, 18, 24
PALEST, DARKEST = (0xB9, 0xD3, 0xEE), (0x0B, 0x2E, 0x6B)  # of points, for the least and the most of their shade
FIGURES_BESIDE = 330  # pixels to the right of the longest bar


@dataclass(frozen=True)
class Panel:
    """One chart of several lines.

    Arguments:
        title: over it. lines: name to points (x, y), in the order of the key.
        low: the lowest y shown; what falls below is cut off. Without it all is shown.
        across: what its x axis shows, if not what the others' do.
    """

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    low: float | None = None
    across: str | None = None


@dataclass(frozen=True)
class Point:
    """A labeled point, darker for more of `shade`; those of one line have a line through them, in their order."""

    label: str
    x: float
    y: float
    shade: float
    line: str | None = None


@dataclass(frozen=True)
class Bar:
    """A bar with its name before it and figures behind it; its color is that of its name in a chart of `names`."""

    name: str
    value: float
    told: str


def chart(
    panels: Sequence[Panel], *, across: str, up: str, logarithmic: bool = False, width: int = 460, height: int = 300
) -> str:
    """Draw panels side by side under one key, every name in the same color throughout.

    Arguments:
        panels: the charts. across, up: what the axes show, with units.
        logarithmic: whether x is. width, height: of one panel, in pixels at natural size.
    """
    colors = _colors(name for panel in panels for name in panel.lines)
    drawn = [
        element(
            "g",
            _panel(panel, colors, panel.across or across, up, logarithmic, width, height),
            transform=f"translate({number * width} 0)",
        )
        for number, panel in enumerate(panels)
    ]
    key = element("g", *_key(colors), transform=f"translate({LEFT} {height + 4})")
    return _picture(width * len(panels), height + KEY_LINE * len(colors) + 14, *drawn, key)


def scatter(points: Sequence[Point], *, across: str, up: str, shade: str, width: int = 640, height: int = 420) -> str:
    """Draw points with their labels, those of a line as circles on it and others as squares.

    Arguments:
        points: what is drawn. across, up: what the axes show. shade: what a point's darkness shows.
        width, height: in pixels at natural size.
    """
    least, most = min(point.shade for point in points), max(point.shade for point in points)

    def color(value: float) -> str:
        share = (value - least) / ((most - least) or 1)
        mixed = (round(pale + share * (dark - pale)) for pale, dark in zip(PALEST, DARKEST, strict=True))
        return "#" + "".join(f"{each:02x}" for each in mixed)

    x_marks = ticks(min(point.x for point in points), max(point.x for point in points))
    y_marks = ticks(min(point.y for point in points), max(point.y for point in points))
    axes = _Axes(x_marks[0], x_marks[-1], y_marks[0], y_marks[-1], width - 90, height - BOTTOM)
    parts = [
        element("text", markup(up), x=LEFT, y=20, fill=ON_WHITE.muted),
        *axes.drawn({mark: f"{mark:g}" for mark in x_marks}, y_marks, across),
    ]
    for line in dict.fromkeys(point.line for point in points if point.line is not None):
        parts.append(axes.line([(point.x, point.y) for point in points if point.line == line], ON_WHITE.grid))
    for point in points:
        look = {"fill": color(point.shade), "stroke": ON_WHITE.ink, "stroke_width": 0.8}
        x, y = axes.x(point.x), axes.y(point.y)
        if point.line is not None:
            parts.append(element("circle", cx=x, cy=y, r=7, **look))
        else:
            parts.append(element("rect", x=x - 7, y=y - 7, width=14, height=14, **look))
        parts.append(element("text", markup(point.label), x=x + 9, y=y + 15, fill=ON_WHITE.ink))
    for number, (name, value) in enumerate((("least", least), ("most", most))):
        left = LEFT + 170 * number + 200
        parts.append(element("rect", x=left, y=9, width=14, height=14, fill=color(value)))
        parts.append(element("text", markup(f"{name} {shade}, {value:.2f}"), x=left + 20, y=20, fill=ON_WHITE.muted))
    return _picture(width, height, *parts)


def bars(rows: Sequence[Bar], *, title: str, names: Sequence[str] = (), width: int = 920) -> str:
    """Draw bars on a logarithmic scale, with figures beside them.

    Arguments:
        rows: the bars, of values above zero. title: over them, what they show.
        names: those of a chart in whose colors the bars are to be; others are gray. width: in pixels at natural size.
    """
    colors = _colors(names)
    low = math.floor(math.log10(min(row.value for row in rows)))
    high = max(math.log10(row.value) for row in rows)
    start = LEFT + 34
    parts = [element("text", markup(title), x=18, y=24, font_weight=600, fill=ON_WHITE.ink)]
    for number, row in enumerate(rows):
        y = TOP + 8 + BAR_LINE * number
        length = (width - start - FIGURES_BESIDE) * (math.log10(row.value) - low) / ((high - low) or 1)
        parts.append(element("text", markup(row.name), x=start - 8, y=y, text_anchor="end", fill=ON_WHITE.ink))
        parts.append(bar(start, y - 11, max(2.0, length), 14, colors.get(row.name, ON_WHITE.grid)))
        parts.append(element("text", markup(row.told), x=start + max(2.0, length) + 8, y=y, fill=ON_WHITE.muted))
    return _picture(width, TOP + BAR_LINE * len(rows) + 8, *parts)


@dataclass(frozen=True)
class _Axes:
    """A rectangle of the picture, and the values at its edges."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    right: int
    bottom: int

    def x(self, value: float) -> float:
        return round(LEFT + (self.right - LEFT) * (value - self.x_low) / ((self.x_high - self.x_low) or 1), 1)

    def y(self, value: float) -> float:
        return round(self.bottom - (self.bottom - TOP) * (value - self.y_low) / (self.y_high - self.y_low), 1)

    def drawn(self, x_marks: Mapping[float, str], y_marks: Sequence[float], across: str) -> list[str]:
        """Draw rules and numbers, and under them what runs across."""
        look = {"fill": ON_WHITE.muted}
        parts = []
        for mark in y_marks:
            y = self.y(mark)
            parts.append(element("line", x1=LEFT, x2=self.right, y1=y, y2=y, stroke=ON_WHITE.grid))
            parts.append(element("text", f"{mark:g}", x=LEFT - 8, y=y + 4, text_anchor="end", **look))
        for mark, told in x_marks.items():
            parts.append(element("text", told, x=self.x(mark), y=self.bottom + 18, text_anchor="middle", **look))
        under = {"x": self.right, "y": self.bottom + 36, "text_anchor": "end", "font_size": 11}
        return [*parts, element("text", markup(across), **under, **look)]

    def line(self, points: Sequence[tuple[float, float]], color: str) -> str:
        path = " ".join(f"{self.x(x):g},{self.y(y):g}" for x, y in points)
        return element("polyline", points=path, fill="none", stroke=color, stroke_width=1.8)


def _panel(
    panel: Panel, colors: Mapping[str, str], across: str, up: str, logarithmic: bool, width: int, height: int
) -> str:
    scaled = math.log10 if logarithmic else float
    points = [point for line in panel.lines.values() for point in line]
    ys = [y for _, y in points if panel.low is None or y >= panel.low]
    y_marks = ticks(min(ys) if panel.low is None else panel.low, max(ys))
    low, high = scaled(min(x for x, _ in points)), scaled(max(x for x, _ in points))
    if logarithmic:
        x_marks = {float(power): f"{10**power:,.0f}" for power in range(math.ceil(low), math.floor(high) + 1)}
    else:
        x_marks = {mark: f"{mark:,g}" for mark in ticks(0, high)}
        low, high = 0.0, max(x_marks)
    axes = _Axes(low, high, y_marks[0], y_marks[-1], width - 28, height - BOTTOM)
    parts = [
        element("text", markup(panel.title), x=LEFT, y=18, font_weight=600, fill=ON_WHITE.ink),
        element("text", markup(up), x=LEFT, y=36, fill=ON_WHITE.muted, font_size=11),
        *axes.drawn(x_marks, y_marks, across),
    ]
    for name, line in panel.lines.items():
        parts.append(axes.line([(scaled(x), y) for x, y in line if y >= y_marks[0]], colors[name]))
    return "".join(parts)


def _colors(names: Iterable[str]) -> dict[str, str]:
    """Give each name a color, in the order in which they first come."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(dict.fromkeys(names))}


def _key(colors: Mapping[str, str]) -> list[str]:
    parts = []
    for number, (name, color) in enumerate(colors.items()):
        middle = KEY_LINE * number + 8
        parts.append(element("line", x1=0, x2=22, y1=middle, y2=middle, stroke=color, stroke_width=3))
        parts.append(element("text", markup(name), x=30, y=middle + 4, fill=ON_WHITE.ink))
    return parts


def _picture(width: int, height: int, *parts: str) -> str:
    return element(
        "svg",
        element("rect", width=width, height=height, fill=ON_WHITE.paper),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        font_family=FONTS,
        font_size=12,
    )
