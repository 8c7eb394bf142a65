"""SVG as text: elements, escaping, text that is measured, and the colors of the charts."""

import re
import unicodedata
from collections.abc import Mapping
from html import escape

FONTS = "-apple-system, 'Segoe UI', Roboto, 'Noto Sans', Helvetica, Arial, sans-serif"

# Characters that XML 1.0 forbids even when escaped. One word with such a character would make the SVG unreadable.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Colors by use: the background, text, labels, grid lines, the two curves, and bars.
Palette = Mapping[str, str]
LIGHT: Palette = {
    "paper": "#ffffff",
    "ink": "#1c2430",
    "muted": "#66707d",
    "grid": "#e4e8ed",
    "validation": "#1f5fbf",
    "training": "#e08a2c",
    "bar": "#8db4e8",
}
PAGE: Palette = {name: f"var(--{name})" for name in LIGHT}  # the page's CSS variables, which differ in dark mode


def printable(text: str) -> str:
    """Replace characters that neither XML nor HTML may contain."""
    return _FORBIDDEN.sub("\ufffd", text)


def escape_xml(text: str) -> str:
    r"""Return text for use in XML and HTML, also in quoted attributes.

    Example:
        >>> escape_xml('<b>&"' + chr(1))
        '&lt;b&gt;&amp;&quot;\ufffd'
    """
    return escape(printable(text))


def element(name: str, *children: str, **attributes: object) -> str:
    """Return an XML element with children, which are XML text, and attributes, whose values are escaped.

    Underscores in the names of attributes become hyphens.

    Example:
        >>> element("g", element("line", x1=0, x2=2.50), stroke_width=1.0)
        '<g stroke-width="1"><line x1="0" x2="2.5"/></g>'
    """
    pairs = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{pairs}>{''.join(children)}</{name}>" if children else f"<{name}{pairs}/>"


def text_element(x: float, y: float, text: str, *, fill: str, size: float = 12, **attributes: object) -> str:
    """Return a line of text, which starts at `x` unless there is another `text_anchor`."""
    return element("text", escape_xml(text), x=x, y=y, fill=fill, font_size=size, **attributes)


def text_width(text: str, size: float) -> float:
    """Return the estimated width of a text in a sans-serif font, in pixels, rather too wide than too narrow.

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


def _value(value: object) -> str:
    if isinstance(value, float):
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return escape_xml(str(value))
