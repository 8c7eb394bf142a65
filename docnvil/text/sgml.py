"""Files with many documents between tags, as in TREC, Reuters-21578 and what WikiExtractor writes.

Documents are in `<DOC>` or `<REUTERS>` elements. The text is what the elements of titles and texts contain, without
further tags and with entities replaced; without such elements, it is all except the element of the id.
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path

from docnvil.text.files import open_text
from docnvil.text.limits import MAX_RECORD_BYTES, too_large
from docnvil.text.reading_report import ReadingReport
from docnvil.text.records import Record, RecordIterator
from docnvil.text.settings import SourceOptions

_START = re.compile(r"\s*<(DOC|REUTERS)\b([^>]*)>", re.IGNORECASE)
_FIRST_LINE = re.compile(r"\s*<(DOC|REUTERS|!DOCTYPE lewis)\b[^>]*>", re.IGNORECASE)
_ID = re.compile(r"<(DOCNO|DOCID|NEWID)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_ID_ATTRIBUTES = ("newid", "id", "docno", "docid")
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_TEXT = re.compile(r"<(TEXT|TITLE|HEADLINE|HEAD|HL|BODY)\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
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
    for number, line in enumerate(lines, start=1):
        if not content:
            if _START.match(line) is None:
                continue
            start, size = number, 0
        size += len(line) + _LINE_BYTES
        if size > MAX_RECORD_BYTES:
            raise too_large(f"{where}, line {start}")
        content.append(line)
        if re.search(r"</(DOC|REUTERS)>", line, re.IGNORECASE):
            yield start, _to_record("".join(content), start)
            content = []
    if content:
        yield start, _to_record("".join(content), start)


def _to_record(element: str, number: int) -> Record:
    start = _START.match(element)
    attributes = {} if start is None else _attributes(start[2])
    body = element if start is None else element[start.end() :]
    id_element = _ID.search(body)
    if id_element is not None:
        id = _plain(id_element[2])
    else:
        id = next((attributes.pop(name) for name in _ID_ATTRIBUTES if name in attributes), str(number))
    parts = [match[2] for match in _TEXT.finditer(body)]
    text = "\n".join(map(_plain, parts)) if parts else _plain(_ID.sub("", body))
    return {**attributes, "id": id, "text": text}


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): unescape("".join(values)) for name, *values in _ATTRIBUTE.findall(tag)}


def _plain(content: str) -> str:
    return unescape(_TAG.sub(" ", content)).strip()
