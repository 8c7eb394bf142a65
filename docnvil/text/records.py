"""Files of rows: JSON lines, CSV, TSV and Parquet, each read as a stream of (where it stands, column to value)."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.text.files import Part, open_lines, open_text, translate_os_errors

Record = dict[str, Any]
RecordIterator = Iterator[tuple[str, Record]]

LONGEST_FIELD = 2**31 - 1  # the csv module stops at 131,072 characters unless told; documents are longer
_PARQUET_BATCH = 1024  # rows in memory at a time


def json_rows(path: Path, encoding: str, part: Part | None = None) -> RecordIterator:
    """Yield the objects of a file with one JSON object a line, or of a part of it; blank lines are passed over.

    Raises:
        CorpusError: a line is not JSON, or not an object; its number and what is wrong are named.
    """
    with open_lines(path, encoding=encoding, part=part) as file:
        for number, line in enumerate(file, start=1 if part is None else part.lines + 1):
            if line.strip():
                yield f"line {number}", _json_object(line, f"{path}, line {number}")


def _json_object(line: str, where: str) -> Record:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        why = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise CorpusError(f"{where} is not JSON ({why}). Write one JSON object a line.") from None
    if not isinstance(value, dict):
        raise CorpusError(
            f'{where} is not a JSON object but {line.strip()[:40]!r}. Write lines like {{"text": "..."}}.'
        )
    return value


def separated_rows(path: Path, encoding: str, delimiter: str) -> RecordIterator:
    r"""Yield the rows of a CSV (`,`) or TSV (`\t`) file whose first row names the columns.

    Raises:
        CorpusError: no header, a repeated column, a row of another width, or quotes that do not close.
    """
    csv.field_size_limit(LONGEST_FIELD)
    with open_text(path, encoding=encoding, newline="") as file:
        for line, header, fields in _fields(path, file, delimiter):
            if len(fields) != len(header):
                raise CorpusError(
                    f"{path}, line {line} has {len(fields)} fields where the header names {len(header)} columns."
                    " Put fields that hold separators or line breaks in double quotes."
                )
            yield f"line {line}", dict(zip(header, fields, strict=True))


def _fields(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str], list[str]]]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise CorpusError(f"{path} has no header. Name the columns in its first line.")
        if len(header) == 1 and header[0].count(";"):
            raise CorpusError(
                f"{path} has one column, named {header[0]!r}: its columns seem to be separated by semicolons. Save it"
                " with commas, or as TSV."
            )
        if len(set(header)) != len(header):
            raise CorpusError(f"{path} has columns of the same name ({', '.join(header)}). Rename one of them.")
        for fields in reader:
            if fields:  # a blank line is no row
                yield reader.line_num, header, fields
    except csv.Error as error:
        raise CorpusError(
            f"{path}, line {reader.line_num} cannot be read ({error}). Double the quotes within a field and close it."
        ) from None


def parquet_rows(path: Path) -> RecordIterator:
    """Yield the rows of a Parquet file, a batch in memory at a time.

    Raises:
        CorpusError: the file is missing, or not Parquet.
        MissingDependencyError: pyarrow is not installed.
    """
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
