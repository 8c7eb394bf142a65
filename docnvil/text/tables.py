"""Readers of binary tables: Parquet, Feather, folders of Hugging Face datasets, and Excel workbooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.text.files import translate_os_errors
from docnvil.text.records import RecordIterator

_BATCH = 1024  # rows in memory at a time


def read_parquet(path: Path) -> RecordIterator:
    """Yield the rows of a Parquet file, with one batch of rows in memory at a time."""
    with _reading(path, "Parquet") as pyarrow, path.open("rb") as file:
        import pyarrow.parquet

        batches = pyarrow.parquet.ParquetFile(file).iter_batches(batch_size=_BATCH)
        yield from _number_rows(row for batch in batches for row in batch.to_pylist())


def _number_rows(rows: Iterator[dict[str, Any]]) -> RecordIterator:
    return ((f"row {number}", row) for number, row in enumerate(rows, start=1))


@contextmanager
def _reading(path: Path, format: str) -> Iterator[Any]:
    """Yield pyarrow, and report its errors with the name of the file."""
    try:
        import pyarrow
    except ImportError:
        raise MissingDependencyError(
            f"Reading {path} needs pyarrow. Install it with pip install 'docnvil[parquet]'."
        ) from None
    with translate_os_errors(path):
        try:
            yield pyarrow
        except pyarrow.ArrowException as error:
            raise CorpusError(f"{path} cannot be read as {format} ({error}). Write it again.") from None
