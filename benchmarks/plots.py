"""Line charts, scatter plots and bar charts of benchmark results as SVG text, drawn with matplotlib.

The same data give the same bytes: ids are salted with a constant and the SVG metadata holds neither date nor version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO

import matplotlib as mpl
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

# The colors of Okabe & Ito (2008), which color-blind readers can distinguish, and three more.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7a5c00", "#56b4e9", "#000000", "#999999", "#5b3a8c", "#a8323e")
OTHER_COLOR = "#c4ccd6"
STYLE = {
    "svg.hashsalt": "docnvil",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": "#98a4b3",
    "axes.labelcolor": "#4d5866",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e1e6ec",
    "xtick.color": "#4d5866",
    "ytick.color": "#4d5866",
    "ytick.major.size": 0,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Panel:
    """One chart in a row of line charts.

    Arguments:
        title: text above the chart.
        lines: the points (x, y) of each line by its name, in the order of the legend.
        x_label: label of the x axis with its unit.
        y_min: lower limit of the y axis; by default all points are shown.
    """

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    x_label: str
    y_min: float | None = None


@dataclass(frozen=True)
class Point:
    """A labeled point of a scatter plot, colored by `value`; points with the same `line` are connected."""

    label: str
    x: float
    y: float
    value: float
    line: str | None = None


@dataclass(frozen=True)
class Bar:
    """A bar with its name to the left and a text to the right."""

    name: str
    value: float
    text: str


def line_chart(
    panels: Sequence[Panel],
    *,
    y_label: str,
    share_y: bool = False,
    log_x: bool = False,
    width: float = 4.6,
    height: float = 2.9,
) -> str:
    """Draw panels side by side with one legend; a name has the same color in all panels.

    Arguments:
        panels: the charts, from left to right.
        y_label: label of the y axis with its unit.
        share_y: whether all panels have the same y axis.
        log_x: whether the x axes are logarithmic.
        width: width of a panel, inches.
        height: height of a panel, inches.
    """
    colors = color_by_name(name for panel in panels for name in panel.lines)
    columns = min(3, len(colors))
    legend_height = 0.2 * -(-len(colors) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure((width * len(panels), height + legend_height), layout="constrained")
        row = figure.subplots(1, len(panels), sharey=share_y, squeeze=False)[0]
        for axes, panel in zip(row, panels, strict=True):
            for name, points in panel.lines.items():
                axes.plot(*zip(*points, strict=True), color=colors[name], label=name)
            axes.set(title=panel.title, xlabel=panel.x_label, xscale="log" if log_x else "linear")
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            if not log_x:
                axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
                axes.set_xlim(left=0)
        for axes, panel in zip(row, panels, strict=True):  # once all lines are drawn: panels may share the upper limit
            axes.set_ylim(bottom=panel.y_min)
        row[0].set_ylabel(y_label)
        lines = {line.get_label(): line for axes in row for line in axes.get_lines()}
        figure.legend(lines.values(), lines.keys(), loc="outside lower left", ncols=columns)
        return _to_svg(figure)


def scatter_plot(points: Sequence[Point], *, x_label: str, y_label: str, value_label: str) -> str:
    """Draw labeled points with a color bar of their values: circles on named lines, and squares.

    Arguments:
        points: the points; those on one line in the order of the line.
        x_label: label of the x axis.
        y_label: label of the y axis.
        value_label: label of the color bar.
    """
    low, high = min(point.value for point in points), max(point.value for point in points)
    # Few colors, so that the color bar is made of rectangles and not of a bitmap; no white ones.
    blues = ListedColormap(mpl.colormaps["Blues"]([0.15 + 0.12 * step for step in range(8)]))
    with mpl.rc_context(STYLE):
        figure = Figure((6.6, 4.0), layout="constrained")
        axes = figure.subplots()
        for line, color in color_by_name(point.line for point in points if point.line is not None).items():
            on_line = [(point.x, point.y) for point in points if point.line == line]
            axes.plot(*zip(*on_line, strict=True), color=color, label=line, zorder=1)
        for marker, chosen in (("o", [p for p in points if p.line]), ("s", [p for p in points if not p.line])):
            drawn = axes.scatter(
                [point.x for point in chosen],
                [point.y for point in chosen],
                c=[point.value for point in chosen],
                cmap=blues,
                vmin=low,
                vmax=high,
                marker=marker,
                s=60,
                edgecolors="#1c2430",
                linewidths=0.6,
            )
        for point in points:
            axes.annotate(point.label, (point.x, point.y), xytext=(7, -10), textcoords="offset points")
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.margins(0.16, 0.12)
        axes.legend(loc="lower left", frameon=True, framealpha=1, edgecolor="none")
        figure.colorbar(drawn, label=value_label, shrink=0.7, aspect=30).outline.set_visible(False)
        return _to_svg(figure)


def bar_chart(bars: Sequence[Bar], *, title: str, x_label: str, colors: Mapping[str, str]) -> str:
    """Draw horizontal bars from top to bottom on a logarithmic axis.

    Arguments:
        bars: the bars; their values are above zero.
        title: text above the chart.
        x_label: label of the value axis.
        colors: colors by name; other bars are gray.
    """
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure((9.2, 0.9 + 0.24 * len(bars)), layout="constrained")
        axes = figure.subplots()
        names = [bar.name for bar in bars]
        drawn = axes.barh(
            names, [bar.value for bar in bars], 0.6, color=[colors.get(name, OTHER_COLOR) for name in names]
        )
        axes.bar_label(drawn, [bar.text for bar in bars], padding=5, color="#4d5866")
        axes.set(title=title, xlabel=x_label, xscale="log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        axes.minorticks_off()
        axes.set_xlim(right=50 * max(bar.value for bar in bars))  # room for the texts
        axes.invert_yaxis()
        return _to_svg(figure)


def color_by_name(names: Iterable[str]) -> dict[str, str]:
    """Return a color for each name, in order of first appearance."""
    return {name: COLORS[number % len(COLORS)] for number, name in enumerate(dict.fromkeys(names))}


def _to_svg(figure: Figure) -> str:
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    output = StringIO()
    figure.savefig(output, format="svg", metadata={"Date": None, "Creator": None})
    return "".join(line.rstrip() + "\n" for line in output.getvalue().splitlines())
