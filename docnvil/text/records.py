"""Records: the place of each and its values by column; and CSV rows with fields of any length."""

import csv
from collections.abc import Iterator
from threading import Lock
from typing import Any

Record = dict[str, Any]
RecordIterator = Iterator[tuple[str, Record]]

_FIELD_SIZE_LIMIT = 2**31 - 1  # characters; the csv module's default of 131,072 is too small for documents
_field_size_lock = Lock()


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
