"""Removal of the parts of texts that are not prose: HTML, addresses, and what surrounds a message in mail and news."""

import re
from collections.abc import Callable, Collection, Sequence
from functools import reduce
from html import unescape
from html.parser import HTMLParser

from docnvil.errors import ConfigurationError

HIDDEN_ELEMENTS = frozenset(("script", "style", "template"))
_INLINE_ELEMENTS = {
    *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins"),
    *("kbd", "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u"),
    *("var", "wbr"),
}
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->|<[!?][^<>]*>", re.DOTALL)

# "Name: value", with any printable characters but a colon in the name (RFC 5322), the line that begins a message in a
# mailbox, a path of hosts such as "a!b!user" without a name, or the continuation of a line.
_HEADER_LINE = r"(?:[A-Za-z][!-9;-~]*:(?:[ \t].*)?|From [^\n]*|[^\s!:]+![!-9;-~]+|[ \t]+\S.*)"
_KNOWN_HEADERS = "From|Subject|To|Cc|Date|Sent|Newsgroups|Organization|Message-ID|Received|Path|Lines|Return-Path"
_HEADERS = re.compile(
    rf"\s*+(?=(?:{_HEADER_LINE}\r?\n)*?(?:{_KNOWN_HEADERS}):)(?:{_HEADER_LINE}\r?\n)++(?=[ \t]*\r?\n)"
)

_QUOTED_LINE = re.compile(r"^[ \t]*(?:[A-Za-z]{0,3}>|\|[ \t]).*(?:\n|\Z)", re.MULTILINE)
_WROTE = r"\b(?:wrote|writes|said|says|schrieb|a écrit|escribió|ha scritto)\b(?: in [^\n]*)?[ \t]*:[ \t]*\r?(?=\n|\Z)"
_ATTRIBUTION = re.compile(
    # "In article <id>, someone writes:" can take two lines.
    rf"^(?:In (?:article|message|a previous article)\b|Quot|On [^\n]*\d)[^\n]*(?:\n[^\n]*)?{_WROTE}|^[^\n]*{_WROTE}",
    re.MULTILINE,
)
_ORIGINAL_MESSAGE = re.compile(r"^[ \t]*-+ ?(?:Original|Forwarded) [Mm]essage ?-+.*\Z", re.MULTILINE | re.DOTALL)

_MAX_SIGNATURE_LINES = 15
_SIGNATURE = re.compile(
    rf"^(?:--[ \t]*|[ \t]*[-_=*]{{3,}}[ \t]*|Sent from my .*)\r?(?:\n.*){{0,{_MAX_SIGNATURE_LINES}}}\Z", re.MULTILINE
)

# Addresses end at a space, a bracket or a quote, and at Chinese or Japanese text, which follows without a space.
_ADDRESS = r"[^\s<>\"“”()\u3000-\uffef]"
_DOMAINS = "com|org|net|edu|gov|mil|int|info|io|co|ac|eu|de|uk|us|ca|au|fr|it|es|nl|ch|at|se|no|fi|dk|jp|cn|ru|br|in"
_URL = re.compile(
    rf"(?<![a-z0-9])(?:[a-z][a-z0-9+.-]{{1,20}}://|www\.){_ADDRESS}+"
    rf"|(?<![\w@.-])(?:[\w-]{{1,63}}\.){{1,9}}(?:{_DOMAINS})\b(?:[/:]{_ADDRESS}*)?(?![\w@])",
    re.IGNORECASE,
)
_LOCAL_PART = r"[\w.!#$%&*+/=?^{|}~-]"
_EMAIL = re.compile(rf"(?<!{_LOCAL_PART}){_LOCAL_PART}++@[\w-]+(?:\.[\w-]+)*")
_MENTION = re.compile(r"(?<![\w@.])[@＠]\w+(?:[.-]\w+)*(?:@[\w-]+(?:\.[\w-]+)+)?")


def strip_headers(text: str) -> str:
    r"""Return a message without its header: "Name: value" lines at the beginning, of which one is well known.

    >>> strip_headers("From: ann@host.org\nSubject: Owls\n\nOwls hunt at night.")
    '\nOwls hunt at night.'
    """
    match = _HEADERS.match(text)
    return text if match is None else text[match.end() :]


def strip_html(text: str) -> str:
    """Return the text of HTML, without scripts, styles and comments; entities such as &amp; become characters.

    >>> strip_html("<p>An <b>ow</b>l &amp; a cat<br>sleep</p><style>p {color: red}</style>")
    ' An owl & a cat sleep '
    """
    return text if "<" not in text and "&" not in text else html_text(text, " ", HIDDEN_ELEMENTS)


def html_text(html: str, separator: str, hidden_elements: Collection[str]) -> str:
    r"""Return the text of HTML.

    Arguments:
        html: a page, or a part of one; it may be broken.
        separator: what separates blocks.
        hidden_elements: the elements whose content is not text.

    Example:
        >>> html_text("<p>Owls<p>Cats<noscript>No script</noscript>", "\n", {"noscript"}).split("\n")
        ['', 'Owls', 'Cats', '']
    """
    parser = _TextExtractor(separator, hidden_elements)
    try:
        parser.feed(html)
        parser.close()
    except AssertionError:  # raised by the standard library for some broken declarations
        return unescape(_TAG.sub(separator, html))
    return parser.text()


class _TextExtractor(HTMLParser):
    def __init__(self, separator: str, hidden_elements: Collection[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._separator, self._hidden_elements = separator, hidden_elements
        self._parts: list[str] = []
        self._hidden: str | None = None  # the element that hides the text now
        self._hidden_parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if self._hidden is None and tag in self._hidden_elements:
            self._hidden = tag
        self._separate(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self._separate(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = None
            self._hidden_parts.clear()
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        (self._parts if self._hidden is None else self._hidden_parts).append(data)

    def _separate(self, tag: str) -> None:
        if tag not in _INLINE_ELEMENTS and not (self._parts and self._parts[-1].endswith((" ", "\n"))):
            self._parts.append(self._separator)

    def text(self) -> str:
        """Return the text, with the rest of an element that hides text but has no end."""
        rest = "" if self._hidden is None else self.rawdata
        return "".join([*self._parts, *self._hidden_parts, rest])


def strip_quotes(text: str) -> str:
    r"""Return a message without quoted lines (> or |), lines such as "Ann wrote:", and a forwarded message at the end.

    >>> strip_quotes("In article <1@host> ann@host writes:\n> Do owls hunt?\nThey do.")
    '\nThey do.'
    """
    text = _ORIGINAL_MESSAGE.sub("", text)
    return _QUOTED_LINE.sub("", _ATTRIBUTION.sub("", text))


def strip_signatures(text: str) -> str:
    r"""Return a message without its signature: up to 15 lines after "--" or a line of dashes at the end.

    >>> strip_signatures("Owls hunt at night.\n-- \nAnn, Dept. of Birds")
    'Owls hunt at night.\n'
    """
    return _SIGNATURE.sub("", text.rstrip(), count=1)


def strip_urls(text: str) -> str:
    """Return a text with a space instead of each URL and each name of a host.

    >>> strip_urls("see http://owls.org/a?b=1, www.owls.org or owls.com/x now")
    'see   or   now'
    """
    return _URL.sub(" ", text)


def strip_emails(text: str) -> str:
    """Return a text with a space instead of each mail address and each id of a message.

    >>> strip_emails("ask ann@owls.org (id <1993Apr5.1@host>)")
    'ask   (id < >)'
    """
    return _EMAIL.sub(" ", text)


def strip_mentions(text: str) -> str:
    """Return a text with a space instead of each name of a user.

    >>> strip_mentions("@ann and @bob@owls.social: mail ann@owls.org")
    '  and  : mail ann@owls.org'
    """
    return _MENTION.sub(" ", text)


#: What can be stripped, in the order in which it is done.
STRIPPERS: dict[str, Callable[[str], str]] = {
    "headers": strip_headers,
    "html": strip_html,
    "quotes": strip_quotes,
    "signatures": strip_signatures,
    "urls": strip_urls,
    "emails": strip_emails,
    "mentions": strip_mentions,
}


def read_parts(value: str | None) -> tuple[str, ...]:
    """Return the parts that a value such as "html,urls" names, in the order in which they are stripped.

    Raises:
        ConfigurationError: a name is unknown.

    >>> read_parts("urls, html"), read_parts(None)
    (('html', 'urls'), ())
    """
    names = {name.strip() for name in (value or "").split(",")} - {"", "none"}
    if unknown := sorted(names - set(STRIPPERS)):
        raise ConfigurationError(f"{unknown[0]!r} cannot be stripped. Choose from {', '.join(STRIPPERS)}.")
    return tuple(name for name in STRIPPERS if name in names)


def strip_parts(text: str, parts: Sequence[str]) -> str:
    """Return a text without some of the parts in `STRIPPERS`."""
    return reduce(lambda stripped, part: STRIPPERS[part](stripped), parts, text)
