"""Files with many documents between tags, as in TREC, Reuters-21578 and what WikiExtractor writes.

Documents are in `<DOC>` or `<REUTERS>` elements. The text is what the elements of titles and texts contain, without
further tags and with entities replaced; without such elements, it is all except the element of the id.
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

from docnvil.text.files import open_text
from docnvil.text.limits import MAX_RECORD_BYTES, too_large
from docnvil.text.reading_report import ReadingReport
from docnvil.text.records import Record, RecordIterator
from docnvil.text.settings import SourceOptions

_START = re.compile(r"\s*<(DOC|REUTERS)\b([^>]*)>", re.IGNORECASE)
_FIRST_LINE = re.compile(r"\s*<(DOC|REUTERS|!DOCTYPE lewis)\b[^>]*>", re.IGNORECASE)
_END = re.compile(r"</(?:DOC|REUTERS)>", re.IGNORECASE)
_ID = re.compile(r"<(DOCNO|DOCID|NEWID)(?=>)", re.IGNORECASE)
_ID_ATTRIBUTES = ("newid", "id", "docno", "docid")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([\w-]++)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_TEXT = re.compile(r"<(TEXT|TITLE|HEADLINE|HEAD|HL|BODY)\b", re.IGNORECASE)
_LINE_BYTES = 64  # of memory that a line takes in addition to its characters
_TAG = re.compile(r"</?[A-Za-z][^>]*>")


def is_sgml(first_line: str) -> bool:
    """Return whether a file that begins with this line has documents between tags."""
    return _FIRST_LINE.match(first_line) is not None


def read_sgml(path: Path, options: SourceOptions, report: ReadingReport) -> RecordIterator:
    """Yield the documents of a file, with one of them in memory at a time."""
    with open_text(path, encoding=options.encoding, errors=options.encoding_errors, report=report) as file:
        yield from ((f"line {number}", record) for number, record in split_sgml(file, path))


def split_sgml(lines: Iterable[str], where: object = "The text") -> Iterator[tuple[int, Record]]:
    r"""Yield the line and the record of each document: its `id` if it has one, its `text` and its attributes.

    Example:
        >>> lines = ["<DOC>\n", "<DOCNO> AP-1 </DOCNO>\n", "<TEXT>AT&amp;T grows.</TEXT>\n", "</DOC>\n"]
        >>> list(split_sgml(lines))
        [(1, {'id': 'AP-1', 'text': 'AT&T grows.'})]
    """
    start, content, size = 0, [], 0
    for number, line in _without_second_documents(lines):
        if not content:
            if _START.match(line) is None:
                continue
            start, size = number, 0
        size += len(line) + _LINE_BYTES
        if size > MAX_RECORD_BYTES:
            raise too_large(f"{where}, line {start}")
        content.append(line)
        if _END.search(line):
            yield start, _to_record("".join(content), start)
            content = []
    if content:
        yield start, _to_record("".join(content), start)


def _without_second_documents(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers from 1; a line on which a document ends and another begins is divided."""
    for number, line in enumerate(lines, start=1):
        position = 0
        for end in _END.finditer(line):
            if _START.match(line, end.end()):
                yield number, line[position : end.end()]
                position = end.end()
        yield number, line[position:]


def _to_record(element: str, number: int) -> Record:
    start = _START.match(element)
    attributes = {} if start is None else _attributes(start[2])
    body = element if start is None else element[start.end() :]
    ids = list(_elements(_ID, body))
    if ids:
        id = _plain(ids[0].content)
    else:
        id = next((attributes.pop(name) for name in _ID_ATTRIBUTES if name in attributes), str(number))
    parts = [element.content for element in _elements(_TEXT, body)]
    text = "\n".join(map(_plain, parts)) if parts else _plain(_without(ids, body))
    return {**attributes, "id": id, "text": text}


class _Element(NamedTuple):
    """The place of an element, and what is between its tags."""

    start: int
    end: int
    content: str


def _elements(beginning: re.Pattern[str], body: str) -> Iterator[_Element]:
    """Yield the elements whose tags begin so; the time is proportional to the length, also if no element is closed."""
    position, tag_end = 0, -1
    unclosed: set[str] = set()
    while (match := beginning.search(body, position)) is not None:
        position, name = match.end(), match[1].lower()
        if tag_end < position and (tag_end := body.find(">", position)) < 0:
            return
        if name in unclosed:
            continue
        closing = re.compile(rf"</{name}>", re.IGNORECASE).search(body, tag_end + 1)
        if closing is None:
            unclosed.add(name)
        else:
            yield _Element(match.start(), closing.end(), body[tag_end + 1 : closing.start()])
            position = closing.end()


def _without(elements: list[_Element], body: str) -> str:
    ends, starts = [0, *(each.end for each in elements)], [*(each.start for each in elements), len(body)]
    return "".join(body[end:start] for end, start in zip(ends, starts, strict=True))


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): unescape("".join(values)) for name, *values in _ATTRIBUTE.findall(tag)}


def _plain(content: str) -> str:
    end = content.rfind(">") + 1  # what follows has no tag, which the pattern would find out slowly
    return unescape(_TAG.sub(" ", content[:end]) + content[end:]).strip()
