"""Records: the place of each and its values by column; and CSV rows with fields of any length."""

import csv
import re
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any

from docnvil.text.limits import MAX_RECORD_BYTES

Record = dict[str, Any]
RecordIterator = Iterator[tuple[str, Record]]

_FIELD_SIZE_LIMIT = MAX_RECORD_BYTES  # characters; the csv module's default of 131,072 is too small for documents
_field_size_lock = Lock()
_ESCAPE = re.compile(r"\\.")


def csv_reader(lines: Iterable[str], delimiter: str, quoting: str, *, strict: bool = False) -> Any:
    r"""Return a `csv.reader` of the conventions of `SourceOptions.quoting`.

    Example:
        >>> list(csv_reader([r'1,"a \"b\" c\nd"', r"2,\N"], ",", "backslash"))
        [['1', 'a "b" c d'], ['2', '\\N']]
    """
    if quoting == "backslash":
        lines = (_ESCAPE.sub(_read_escape, line) if "\\" in line else line for line in lines)
        return csv.reader(lines, delimiter=delimiter, strict=strict, escapechar="\\", doublequote=True)
    return csv.reader(
        lines, delimiter=delimiter, strict=strict, quoting=csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL
    )


def _read_escape(match: re.Match[str]) -> str:
    r"""Return a space for \n, \r and \t, which the csv module reads as letters, and \N for the null of MySQL."""
    escape = match[0]
    return " " if escape[1] in "nrt" else r"\\N" if escape == r"\N" else escape


def without_escapes(lines: Iterable[str]) -> list[str]:
    """Return lines without backslashes and the characters after them, so that the other quotes enclose fields."""
    return [_ESCAPE.sub("", line) for line in lines]


def csv_rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield the rows of a `csv.reader` with fields of any length.

    The csv module's limit applies to the whole process, so it is raised only while a row is parsed.
    """
    while True:
        with _field_size_lock:
            limit = csv.field_size_limit(_FIELD_SIZE_LIMIT)
            try:
                row = next(reader, None)
            finally:
                csv.field_size_limit(limit)
        if row is None:
            return
        yield row
