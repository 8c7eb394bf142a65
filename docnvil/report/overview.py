"""The overview of a model as one SVG picture: training curves on the left, the most informative units on the right."""

from collections.abc import Sequence

from docnvil.analysis.themes import Theme
from docnvil.analysis.topics import Topic
from docnvil.report.formatting import format_percent
from docnvil.report.svg import FONTS, LIGHT, element, escape_xml, text_element, text_width

N_UNITS = 16
N_WORDS = 8
WIDTH, HEIGHT, MARGIN, ROW_HEIGHT = 1120, 672, 36, 31
BAR_LEFT, BAR_LENGTH, WORDS_LEFT = 36.0, 80.0, 172.0  # relative to the list of units


def draw_overview(
    charts: Sequence[str],
    topics_with_words: Sequence[tuple[Topic, Sequence[str]]],
    title: str,
    subtitles: Sequence[str] = (),
) -> str:
    """Draw a model in one picture, on a white background, and return the text of an SVG file.

    Arguments:
        charts: one or two charts for the left side, 384 by 250 pixels, in the colors `LIGHT`.
        topics_with_words: every unit with its top words, best first; the picture shows up to 16 units and 8 words.
        title: text above the picture.
        subtitles: up to two lines below the title.
    """
    live = [(topic, words) for topic, words in topics_with_words if not topic.dead]
    shown = sorted(live, key=lambda pair: (-pair[0].information, pair[0].unit))[:N_UNITS]
    shown.sort(key=lambda pair: (-pair[0].share, pair[0].unit))
    muted = LIGHT["muted"]
    parts = [
        element("rect", width=WIDTH, height=HEIGHT, rx=8, fill=LIGHT["paper"]),
        text_element(MARGIN, 50, title, fill=LIGHT["ink"], size=24, font_weight=700),
        *(text_element(MARGIN, 75 + 20 * row, text, fill=muted, size=14) for row, text in enumerate(subtitles)),
        *(element("g", drawn, transform=f"translate(34 {128 + 270 * row})") for row, drawn in enumerate(charts)),
        element("line", x1=436, y1=134, x2=436, y2=HEIGHT - 34, stroke=LIGHT["grid"]),
        element("g", *_units(shown, len(live), room=WIDTH - MARGIN - 460), transform="translate(460 128)"),
    ]
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "width": WIDTH, "height": HEIGHT, "font_family": FONTS}
    summary = ". ".join((title, *subtitles))
    return element("svg", *parts, **attributes, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=summary) + "\n"


def words_with_strength(topic: Topic | Theme, words: Sequence[str]) -> list[tuple[str, int]]:
    """Return the words with a score above zero, best first, each with how boldly to write it, from 0 to 3.

    Example:
        >>> unit = Topic(0, words=(3, 1, 5, 2), scores=(0.8, 0.4, 0.2, 0.1), share=0.5, information=0.3, dead=False)
        >>> words_with_strength(unit, ["sail", "wind", "sea", "day"])
        [('sail', 3), ('wind', 2), ('sea', 1), ('day', 0)]
    """
    relative = ((word, score / topic.scores[0]) for word, score in zip(words, topic.scores, strict=True) if score > 0)
    return [(word, sum(score >= limit for limit in (0.2, 0.4, 0.7))) for word, score in relative]


def _units(units: Sequence[tuple[Topic, Sequence[str]]], n_live: int, room: float) -> list[str]:
    heading = f"top words of the {len(units)} most informative of {n_live:,} live units"
    if n_live <= len(units):
        heading = "top words of the live units" if units else "no live unit"
    parts = [
        text_element(x, 16, text, fill=LIGHT["muted"], size=13)
        for x, text in ((0, "unit"), (BAR_LEFT, "share of documents"), (WORDS_LEFT, heading))
    ]
    largest = max((topic.share for topic, _ in units), default=1.0)
    for row, (topic, words) in enumerate(units):
        y = 44 + ROW_HEIGHT * row
        length = max(1.5, BAR_LENGTH * topic.share / largest)
        parts += [
            text_element(22, y, str(topic.unit), fill=LIGHT["muted"], text_anchor="end"),
            element("rect", x=BAR_LEFT, y=y - 11, width=length, height=14, rx=2, fill=LIGHT["bar"]),
            text_element(BAR_LEFT + length + 5, y, format_percent(topic.share), fill=LIGHT["muted"]),
            _words(topic, words, y, room - WORDS_LEFT),
        ]
    return parts


def _words(topic: Topic, words: Sequence[str], y: float, room: float) -> str:
    """Return a line of a unit's words, stronger ones darker and bolder, as many as there is room for."""
    spans, used, size = [], -8.0, 14.0
    if topic.name:
        spans.append(element("tspan", escape_xml(f"{topic.name}:"), font_weight=700))
        used += 1.06 * text_width(f"{topic.name}:", size) + 8
    for word, strength in words_with_strength(topic, words)[:N_WORDS]:
        used += text_width(word, size) * (1.06 if strength > 2 else 1.0) + 8
        if used > room and spans:
            break
        look = {"font_weight": (400, 400, 500, 700)[strength], "opacity": (0.68, 0.82, 1, 1)[strength]}
        spans.append(element("tspan", escape_xml(word), **({"dx": 8} if spans else {}), **look))
    return element("text", *spans, x=WORDS_LEFT, y=y, font_size=size, fill=LIGHT["ink"]) if spans else ""
