"""Readers of JSON lines, CSV, TSV and Parquet: each yields the place of a record and its values by column.

They raise a `CorpusError` that names the line if the file is malformed.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.text.files import FileChunk, open_text, translate_os_errors

Record = dict[str, Any]
RecordIterator = Iterator[tuple[str, Record]]

_FIELD_SIZE_LIMIT = 2**31 - 1  # characters; the csv module's default of 131,072 is too small for documents
_field_size_lock = Lock()
_PARQUET_BATCH = 1024  # rows in memory at a time


def read_json_lines(path: Path, encoding: str, chunk: FileChunk | None = None) -> RecordIterator:
    """Yield the objects of a file, or of a chunk of it, with one JSON object per line; blank lines are skipped."""
    with open_text(path, encoding=encoding, chunk=chunk) as file:
        for number, line in enumerate(file, start=1 if chunk is None else chunk.lines_before + 1):
            if line.strip():
                yield f"line {number}", _parse_object(line, f"{path}, line {number}")


def _parse_object(line: str, where: str) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise CorpusError(f"{where} is not JSON ({reason}). Write one JSON object per line.") from None
    if not isinstance(value, dict):
        raise CorpusError(
            f'{where} is not a JSON object but {line.strip()[:40]!r}. Write lines like {{"text": "..."}}.'
        )
    return value


def read_separated(path: Path, encoding: str, delimiter: str) -> RecordIterator:
    r"""Yield the rows of a CSV (`,`) or TSV (`\t`) file whose first row names the columns."""
    with open_text(path, encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        rows = csv_rows(reader)
        try:
            header = next(rows, [])
            _check_header(path, header)
            for fields in filter(None, rows):  # the csv module returns an empty list for a blank line
                where = f"line {reader.line_num}"
                if len(fields) != len(header):
                    raise CorpusError(
                        f"{path}, {where} has {len(fields)} fields, but the header names {len(header)} columns. Put"
                        " fields that contain separators or line breaks in double quotes."
                    )
                yield where, dict(zip(header, fields, strict=True))
        except csv.Error as error:
            reason = f"line {reader.line_num} cannot be read ({error})"
            raise CorpusError(f"{path}, {reason}. Double the quotes inside a field and close it.") from None


def _check_header(path: Path, header: list[str]) -> None:
    if not header:
        raise CorpusError(f"{path} has no header. Name the columns in its first line.")
    if len(header) == 1 and ";" in header[0]:
        raise CorpusError(
            f"{path} has one column, named {header[0]!r}; it seems to be separated by semicolons. Save it with"
            " commas, or as TSV."
        )
    if len(set(header)) != len(header):
        raise CorpusError(f"{path} has columns of the same name ({list_columns(header)}). Rename one of them.")


def list_columns(names: Sequence[str]) -> str:
    """Return column names for an error message, at most 20."""
    return ", ".join(names[:20]) + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")


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


def read_parquet(path: Path) -> RecordIterator:
    """Yield the rows of a Parquet file, with one batch of rows in memory at a time."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingDependencyError(
            f"Reading {path} needs pyarrow. Install it with pip install 'docnvil[parquet]'."
        ) from None
    with translate_os_errors(path):
        try:
            with path.open("rb") as file:
                batches = pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=_PARQUET_BATCH)
                rows = (row for batch in batches for row in batch.to_pylist())
                for number, row in enumerate(rows, start=1):
                    yield f"row {number}", row
        except pyarrow.ArrowException as error:
            raise CorpusError(f"{path} cannot be read as Parquet ({error}). Write it again.") from None
