"""What readers of texts had to leave out, replace or assume: counted by kind, with the first places."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from docnvil.errors import DocnvilNote, DocnvilWarning, warn

MAX_PLACES = 10  # named in a message; the others are counted

# {n} is replaced by the number, {places} by the first places, {place} by the first one.
_MESSAGES = {
    "missing": (
        "{n} document(s) have no text (NA, null or the like) and are empty: {places}. --na-values chooses which values"
        " count as missing."
    ),
    "null": "{n} document(s) have no text (null, NaN or no such key) and are empty: {places}.",
    "quoted_na": (
        "{n} document(s) consist of a quoted NA or None, which was read as text: {places}. If they are missing values,"
        " name them with --na-values."
    ),
    "swallowed": (
        "{n} line(s) inside quoted fields look like rows of their own: {places}. If quotes are plain characters in this"
        " file, pass --quoting none."
    ),
    "header": "{n} row(s) repeat the header and were skipped: {places}.",
    "replace": "{n} byte(s) are invalid in the encoding and were replaced by U+FFFD, the first in {place}.",
    "ignore": "{n} byte(s) are invalid in the encoding and were left out, the first in {place}.",
    "blank": "{n} blank row(s) at the end were skipped: {places}.",
    "utf8": (
        "{n} file(s) are UTF-8, but were read in another encoding, so their letters are probably wrong: {places}."
        " Leave out --encoding, or pass --encoding auto."
    ),
    "left_out": (
        "{n} file(s) that are not plain text were left out: {places}. --extract reads PDF, DOCX and HTML, --glob"
        " chooses files by name."
    ),
    "not_matched": "{n} file(s) do not match --glob and were left out: {places}.",
    "linked": "{n} link(s) to folders were not followed: {places}. To read their files, copy them into the folder.",
    "broken": "{n} link(s) lead to no file and were left out: {places}. Correct or delete them.",
    "special": "{n} file(s) that are pipes, sockets or devices were left out: {places}.",
    "outputs": "{n} folder(s) that docnvil wrote were left out: {places}.",
    "sgml": "{n} file(s) have several documents between tags such as <DOC>, read as separate documents: {places}.",
    "encoding": "{n} file(s) are not UTF-8 and were read in the encoding that fits best: {places}.",
}

# Kinds of events that are expected; the others may be mistakes.
_NOTES = {"header", "not_matched", "outputs", "sgml", "encoding", "blank"}


class ReadingReport:
    """Collects what happened to the values, bytes and files of a source; reports of shards are merged.

    Example:
        >>> report = ReadingReport()
        >>> report.add("left_out", "a.pdf")
        >>> report.messages()
        ['1 file that is not plain text was left out: a.pdf. --extract reads PDF, DOCX and HTML, --glob chooses files by
        name.']
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[tuple[str, str]]] = {}
        self._remarks: dict[str, bool] = {}  # the sentences, and whether they are notes

    def add(self, kind: str, file: object, place: str = "", n: int = 1) -> None:
        """Count one event of a kind at a place of a file, such as "line 3"; `n` counts several at once."""
        self._counts[kind] = self._counts.get(kind, 0) + n
        places = self._places.setdefault(kind, [])
        if len(places) < MAX_PLACES:
            places.append((str(file), place))

    def remark(self, text: str, *, is_note: bool = False) -> None:
        """Add a sentence of its own, a warning or a note; equal sentences are reported once."""
        self._remarks[text] = is_note

    def merge(self, other: "ReadingReport") -> None:
        """Add the events of another report, which come after those of this one."""
        for kind, count in other._counts.items():
            self._counts[kind] = self._counts.get(kind, 0) + count
            places = self._places.setdefault(kind, [])
            places.extend(other._places[kind][: MAX_PLACES - len(places)])
        self._remarks |= other._remarks

    def messages(self) -> list[str]:
        """Return one sentence or two for each kind of event."""
        return [message for message, _ in self._messages()]

    def _messages(self) -> list[tuple[str, bool]]:
        """Return the messages, and whether they are notes."""
        summaries = [(self._summarize(kind), kind in _NOTES) for kind in _MESSAGES if kind in self._counts]
        return [*self._remarks.items(), *summaries]

    def warn(self) -> None:
        """Issue each message as a `DocnvilWarning` or a `DocnvilNote`, and forget them."""
        messages = self._messages()
        self.__init__()  # type: ignore[misc]
        for message, is_note in messages:
            warn(message, DocnvilNote if is_note else DocnvilWarning)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {"counts": self._counts, "places": self._places, "remarks": self._remarks}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ReadingReport":
        """Return the report that `to_json` saved."""
        report = cls()
        report._counts = dict(value["counts"])
        report._places = {kind: [(file, place) for file, place in places] for kind, places in value["places"].items()}
        report._remarks = dict(value["remarks"])
        return report

    def _summarize(self, kind: str) -> str:
        count = self._counts[kind]
        text = _MESSAGES[kind].replace("{n}", f"{count:,}")
        if count == 1:
            for plural, singular in _SINGULAR.items():
                text = text.replace(plural, singular)
        text = text.replace("(s)", "" if count == 1 else "s")
        places = self._places[kind]
        if "{place}" in text:
            return text.replace("{place}", _format_places(places[:1], 1))
        return text.replace("{places}", _format_places(places, count))


_SINGULAR = {
    "(s) that are": "(s) that is",
    "(s) are": "(s) is",
    " were ": " was ",
    "(s) have": "(s) has",
    " are empty": " is empty",
    "(s) consist": "(s) consists",
    "(s) do ": "(s) does ",
    "(s) repeat ": "(s) repeats ",
    "(s) to folders": "(s) to a folder",
    "their files, copy them": "its files, copy it",
    "(s) lead ": "(s) leads ",
    "delete them": "delete it",
    "pipes, sockets or devices": "a pipe, a socket or a device",
    "they are missing values": "it is a missing value",
    "name them": "name it",
    "fields look": "fields looks",
    "rows of their own": "a row of its own",
}


def _format_places(places: Sequence[tuple[str, str]], count: int) -> str:
    """Return places by file, such as `a.csv, lines 3 and 7; b.csv, line 2`, and the number of those not listed."""
    by_file = []
    for file, group in groupby(places, key=lambda place: place[0]):
        spots = list(dict.fromkeys(spot for _, spot in group if spot))  # a JSON array may be on one line
        numbers = [spot.removeprefix("line ") for spot in spots]
        if len(spots) > 1 and all(number.isdecimal() for number in numbers):
            spots = [f"lines {list_items(numbers)}"]
        by_file.append(", ".join([file, *spots]))
    rest = count - len(places)
    separator = "; " if any(spot for _, spot in places) else ", "
    return separator.join(by_file) + (f" and {rest:,} more" if rest > 0 else "")


def list_items(items: Iterable[str], limit: int = MAX_PLACES) -> str:
    """Return items for a message, at most `limit` and the number of the others.

    Example:
        >>> list_items(["a", "b", "c"]), list_items("abcdef", limit=2)
        ('a, b, c', 'a, b and 4 more')
    """
    items = list(items)
    return ", ".join(items[:limit]) + (f" and {len(items) - limit:,} more" if len(items) > limit else "")
