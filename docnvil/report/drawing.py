"""Small SVG drawings as text, from plain numbers: training curves, bars, and the overview of a model in one picture.

A drawing takes its colors from a `Palette`: fixed ones for a picture that stands alone, the page's own variables for
one inside a page, which so follows the reader's choice of light or dark.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from docnvil.analysis.topics import Topic
from docnvil.training.loop import EpochRecord, best_of

FONTS = "-apple-system, 'Segoe UI', Roboto, 'Noto Sans', Helvetica, Arial, sans-serif"
ROWS_IN_OVERVIEW = 16
WORDS_IN_OVERVIEW = 8

# What XML 1.0 forbids even when escaped; a vocabulary may hold it, and one such word would spoil the whole drawing.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Palette:
    """Colors, as SVG attributes take them.

    Arguments:
        paper: the ground. ink, muted, grid: for text, for what explains it, for rules and axes.
        validation, training: of the two curves. bar: of bars.
    """

    paper: str
    ink: str
    muted: str
    grid: str
    validation: str
    training: str
    bar: str


ON_WHITE = Palette("#ffffff", "#1c2430", "#66707d", "#e4e8ed", "#1f5fbf", "#e08a2c", "#8db4e8")
OF_THE_PAGE = Palette(*(f"var(--{name})" for name in Palette.__dataclass_fields__))


@dataclass(frozen=True)
class Line:
    """One line of a curve: its name for the key, a value an epoch, its color."""

    name: str
    values: Sequence[float]
    color: str


def markup(text: str) -> str:
    r"""Return text that may stand in XML and HTML, in quotes too.

    Example:
        >>> markup('<b>&"' + chr(1))
        '&lt;b&gt;&amp;&quot;\ufffd'
    """
    return escape(_FORBIDDEN.sub("\ufffd", text))


def element(name: str, *children: str, **attributes: object) -> str:
    """Return an XML element; attributes are escaped and written with hyphens, children are markup already.

    Example:
        >>> element("g", element("line", x1=0, x2=2.50), stroke_width=1.0)
        '<g stroke-width="1"><line x1="0" x2="2.5"/></g>'
    """
    written = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers a round step apart, about so many, the first not above `low`, the last not below `high`.

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


def curve(
    lines: Sequence[Line], best: int, label: str, palette: Palette = OF_THE_PAGE, width: int = 640, height: int = 320
) -> str:
    """Draw values against epochs, with axes, ticks at round numbers, and the best epoch marked.

    Arguments:
        lines: curves over the same epochs, the one that judges last; the mark says its value.
        best: the best epoch, counted from 1.
        label: what the values are, with their unit. palette: colors. width, height: in pixels at natural size.

    Returns:
        An SVG element for use inside HTML.
    """
    inside = _curve(lines, best, label, palette, width, height)
    value = _number(lines[-1].values[best - 1], 1)
    told = f"{label} against epochs; best epoch {best} of {len(lines[-1].values)}, {lines[-1].name} {value}"
    return element(
        "svg", inside, viewBox=f"0 0 {width} {height}", role="img", aria_label=told, font_family=FONTS, class_="curve"
    )


def bound_lines(history: Sequence[EpochRecord], palette: Palette = OF_THE_PAGE) -> list[Line]:
    """Return training and validation bound, in nats per document."""
    return [
        Line("training", [record.train_bound for record in history], palette.training),
        Line("validation", [record.validation_bound for record in history], palette.validation),
    ]


def perplexity_lines(history: Sequence[EpochRecord], palette: Palette = OF_THE_PAGE) -> list[Line]:
    """Return validation perplexity, per document."""
    return [Line("validation", [record.validation_perplexity for record in history], palette.validation)]


def overview(
    history: Sequence[EpochRecord],
    topics_with_words: Sequence[tuple[Topic, Sequence[str]]],
    title: str,
    subtitle: str = "",
) -> str:
    """Draw a model in one picture: on the left how it was trained, on the right its most informative live units.

    Arguments:
        history: a record an epoch.
        topics_with_words: every unit with its words in full, best first; the picture takes 16 units and 8 words.
        title, subtitle: what the model is, over the picture.

    Returns:
        A whole SVG file, on a white ground of its own.
    """
    live = [(topic, words) for topic, words in topics_with_words if not topic.dead]
    chosen = sorted(live, key=lambda each: (-each[0].information, each[0].unit))[:ROWS_IN_OVERVIEW]
    chosen.sort(key=lambda each: (-each[0].share, each[0].unit))
    width, height = 1120, 650
    inside = [
        element("rect", width=width, height=height, rx=8, fill=ON_WHITE.paper),
        _text(36, 50, title, fill=ON_WHITE.ink, size=24, weight=700),
        _text(36, 75, subtitle, fill=ON_WHITE.muted, size=14),
        element("g", _curves_of_overview(history), transform="translate(34 106)"),
        element("line", x1=436, y1=112, x2=436, y2=height - 34, stroke=ON_WHITE.grid),
        element("g", _units_of_overview(chosen, len(live), 636), transform="translate(460 106)"),
    ]
    return (
        element(
            "svg",
            *inside,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width} {height}",
            width=width,
            height=height,
            role="img",
            aria_label=f"{title}. {subtitle}".strip(),
            font_family=FONTS,
        )
        + "\n"
    )


def strength(score: float, best: float) -> int:
    """Return how strongly a word is to be written, from 0 to 3, by its score as a part of the unit's best score.

    Example:
        >>> [strength(score, 0.8) for score in (0.8, 0.4, 0.2, 0.1)]
        [3, 2, 1, 0]
    """
    part = score / best if best > 0 else 0.0
    return sum(part >= least for least in (0.2, 0.4, 0.7))


def _curve(lines: Sequence[Line], best: int, label: str, palette: Palette, width: int, height: int) -> str:
    n_epochs = len(lines[-1].values)
    rows = ticks(*_range(lines))
    digits = -math.floor(math.log10(rows[1] - rows[0]) + 1e-9)
    labels = [_number(tick, digits) for tick in rows]
    left = 16 + 7.2 * max(map(len, labels))
    right, top, bottom = width - 14, 40, height - 34

    def x(epoch: int) -> float:
        return left + 8 + (right - left - 16) * ((epoch - 1) / (n_epochs - 1) if n_epochs > 1 else 0.5)

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - rows[0]) / (rows[-1] - rows[0])

    parts = [_text(2, 16, label, fill=palette.muted, size=13)]
    if len(lines) > 1:
        parts += _key(lines, right, palette)
    for tick, told in zip(rows, labels, strict=True):
        parts.append(element("line", x1=left, y1=y(tick), x2=right, y2=y(tick), stroke=palette.grid))
        parts.append(_text(left - 8, y(tick) + 4, told, fill=palette.muted, anchor="end"))
    for number, epoch in enumerate(_epochs(n_epochs)):
        told = f"{epoch:,}" if number else f"epoch {epoch:,}"
        parts.append(_text(x(epoch), bottom + 20, told, fill=palette.muted, anchor="middle"))
    for line in lines:
        places = [(x(epoch), y(value)) for epoch, value in enumerate(line.values, start=1) if math.isfinite(value)]
        parts += _line(places, line.color)
    judged = lines[-1]
    if math.isfinite(judged.values[best - 1]):
        value = judged.values[best - 1]
        told = f"best epoch {best}: {_number(value, digits + 2)}"
        parts += _mark((x(best), y(value)), (left, right, top, bottom), told, judged.color, palette)
    return "".join(parts)


def _range(lines: Sequence[Line]) -> tuple[float, float]:
    """Least and greatest value; a perplexity may be infinite, and such a point is left out of the drawing."""
    values = [value for line in lines for value in line.values if math.isfinite(value)] or [0.0]
    return min(values), max(values)


def _line(places: Sequence[tuple[float, float]], color: str) -> list[str]:
    if len(places) < 2:  # a single epoch is a point
        return [element("circle", cx=x, cy=y, r=3, fill=color) for x, y in places]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return [element("path", d=path, fill="none", stroke=color, stroke_width=2, stroke_linejoin="round")]


def _mark(
    place: tuple[float, float], frame: tuple[float, float, float, float], told: str, color: str, palette: Palette
) -> list[str]:
    """Mark the best epoch, and say so where the curve is not: above a low point, below a high one."""
    (x, y), (left, right, top, bottom) = place, frame
    high = y < (top + bottom) / 2
    beside, anchor = (x - 9, "end") if x > (left + right) / 2 else (x + 9, "start")
    height = bottom - 12 if high else top + 16
    return [
        element("line", x1=x, y1=top, x2=x, y2=bottom, stroke=palette.muted, stroke_dasharray="2 3"),
        element("circle", cx=x, cy=y, r=5, fill=color, stroke=palette.paper, stroke_width=2),
        element(
            "g",
            _text(beside, height, told, fill=palette.ink, size=13, weight=600, anchor=anchor),
            stroke=palette.paper,
            stroke_width=4,
            stroke_linejoin="round",
            paint_order="stroke",
        ),
    ]


def _key(lines: Sequence[Line], right: float, palette: Palette) -> list[str]:
    parts, x = [], right
    for line in reversed(lines):
        parts.append(_text(x, 16, line.name, fill=palette.ink, anchor="end", size=13))
        x -= text_width(line.name, 13) + 3
        parts.append(element("line", x1=x - 16, y1=12, x2=x, y2=12, stroke=line.color, stroke_width=2.5))
        x -= 34
    return parts


def _epochs(n_epochs: int) -> list[int]:
    """Epochs to write under the axis: round ones a round step apart; of very few, all."""
    if n_epochs <= 6:
        return list(range(1, n_epochs + 1))
    return [int(tick) for tick in ticks(0, n_epochs, about=6) if 1 <= tick <= n_epochs and tick == int(tick)]


def _curves_of_overview(history: Sequence[EpochRecord]) -> str:
    best = best_of(history).epoch
    bound = _curve(bound_lines(history, ON_WHITE), best, "bound, nats per document", ON_WHITE, 384, 250)
    lines = perplexity_lines(history, ON_WHITE)
    perplexity = _curve(lines, best, "validation perplexity, per document", ON_WHITE, 384, 250)
    return bound + element("g", perplexity, transform="translate(0 270)")


def _units_of_overview(units: Sequence[tuple[Topic, Sequence[str]]], n_live: int, width: float) -> str:
    bar_left, bar_room, words_left, row = 36.0, 80.0, 172.0, 31.0
    told = f"words of the {len(units)} most informative of {n_live:,} live units"
    if n_live <= len(units):
        told = "words of the live units" if units else "no unit is live"
    parts = [
        _text(0, 16, "unit", fill=ON_WHITE.muted, size=13),
        _text(bar_left, 16, "share of documents", fill=ON_WHITE.muted, size=13),
        _text(words_left, 16, told, fill=ON_WHITE.muted, size=13),
    ]
    largest = max((topic.share for topic, _ in units), default=1.0)
    for number, (topic, words) in enumerate(units):
        y = 44 + row * number
        length = max(1.5, bar_room * topic.share / largest)
        parts += [
            _text(22, y, str(topic.unit), fill=ON_WHITE.muted, anchor="end"),
            bar(bar_left, y - 11, length, 14, ON_WHITE.bar),
            _text(bar_left + length + 5, y, share_text(topic.share), fill=ON_WHITE.muted),
            _words(topic, words, words_left, y, width - words_left),
        ]
    return "".join(parts)


def bar(x: float, y: float, length: float, thickness: float, color: str) -> str:
    """Draw a bar from `x` to the right."""
    return element("rect", x=x, y=y, width=length, height=thickness, rx=2, fill=color)


def share_text(share: float) -> str:
    """Return a share as a percentage: whole from ten upward, and never zero for what is not.

    Example:
        >>> [share_text(share) for share in (0.314, 0.0123, 0.00001, 0.0)]
        ['31%', '1.2%', '<0.1%', '0%']
    """
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.0%}" if share >= 0.0995 or not share else f"{share:.1%}"


def _words(topic: Topic, words: Sequence[str], x: float, y: float, room: float) -> str:
    """Write a unit's words in a row, the stronger the bolder and darker, as many as there is room for."""
    written, used, size = [], -8.0, 14.0
    for word, score in list(zip(words, topic.scores, strict=False))[:WORDS_IN_OVERVIEW]:
        degree = strength(score, topic.scores[0])
        used += text_width(word, size) * (1.06 if degree > 2 else 1.0) + 8
        if score <= 0 or (used > room and written):
            break
        look = {"font_weight": (400, 400, 500, 700)[degree], "opacity": (0.68, 0.82, 1, 1)[degree]}
        written.append(element("tspan", markup(word), **({"dx": 8} if written else {}), **look))
    return element("text", *written, x=x, y=y, font_size=size, fill=ON_WHITE.ink) if written else ""


def text_width(text: str, size: float) -> float:
    """Estimate how wide a text comes out in a system's sans-serif letters, in pixels; rather too wide than too narrow.

    Example:
        >>> text_width("ill", 10) < text_width("mom", 10) < text_width("日本語", 10)
        True
    """
    return size * sum(_em(character) for character in text)


def _em(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in "mwMW@%":
        return 0.88
    if character in "fijlrtI.,:;'|!-()":
        return 0.35
    return 0.7 if character.isupper() else 0.56


def _text(
    x: float, y: float, text: str, *, fill: str, size: float = 12, weight: int = 400, anchor: str = "start"
) -> str:
    look = {"font_weight": weight} if weight != 400 else {}
    place = {"text_anchor": anchor} if anchor != "start" else {}
    return element("text", markup(text), x=x, y=y, fill=fill, font_size=size, **look, **place)


def _number(value: float, digits: int) -> str:
    """Write a value with so many decimals, none if fewer than none, and a true minus sign."""
    return f"{value:,.{max(0, digits)}f}".replace("-", "−") if math.isfinite(value) else "∞"


def _value(value: object) -> str:
    if isinstance(value, float):
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return markup(str(value))
