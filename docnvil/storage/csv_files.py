"""Writing of CSV: one writer for all tables, which can guard texts that a spreadsheet would run as formulas."""

import csv
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas

LINE_END = "\r\n"  # as in RFC 4180; with "\n", Python's writer would not quote an id that contains "\r"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # https://owasp.org/www-community/attacks/CSV_Injection
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")

_guards_formulas: ContextVar[bool] = ContextVar("guards_formulas", default=False)


class CsvWriter(Protocol):
    """The methods of the writers of the `csv` module."""

    def writerow(self, row: Iterable[Any], /) -> Any:
        """Write one row."""

    def writerows(self, rows: Iterable[Iterable[Any]], /) -> None:
        """Write several rows."""


@contextmanager
def guarding_formulas() -> Iterator[None]:
    """Write an apostrophe before texts that start like formulas, in all CSV files that are written in the block."""
    token = _guards_formulas.set(True)
    try:
        yield
    finally:
        _guards_formulas.reset(token)


def guard_formula(value: Any) -> Any:
    """Return a cell with an apostrophe before it if a spreadsheet would read it as a formula; numbers are kept.

    Example:
        >>> guard_formula("=1+1"), guard_formula("-3.5"), guard_formula("-x"), guard_formula(-1), guard_formula("a=b")
        ("'=1+1", '-3.5', "'-x", -1, 'a=b')
    """
    is_formula = isinstance(value, str) and value.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def csv_writer(file: Any) -> CsvWriter:
    """Return a writer of rows to a text file, which guards formulas in a block of `guarding_formulas`."""
    writer = csv.writer(file, lineterminator=LINE_END)
    return _GuardedWriter(writer) if _guards_formulas.get() else writer


def csv_lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Return each row as a line of CSV with its end."""
    # `writerow` returns what the `write` of its file returns, which is the line here.
    return map(csv_writer(SimpleNamespace(write=str)).writerow, rows)


class _GuardedWriter:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def writerow(self, row: Iterable[Any], /) -> Any:
        """See `CsvWriter`."""
        return self._writer.writerow(map(guard_formula, row))

    def writerows(self, rows: Iterable[Iterable[Any]], /) -> None:
        """See `CsvWriter`."""
        self._writer.writerows(map(guard_formula, row) for row in rows)


def guarded_frame(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Return a data frame whose texts and headings are guarded in a block of `guarding_formulas`."""
    return frame.map(guard_formula).rename(columns=guard_formula) if _guards_formulas.get() else frame
