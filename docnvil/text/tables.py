"""Readers of binary tables: Parquet, Feather, folders of Hugging Face datasets, and Excel workbooks."""

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docnvil.errors import CorpusError, MissingDependencyError, translating_errors
from docnvil.text.files import open_stored_bytes, translate_os_errors
from docnvil.text.reading_report import ReadingReport, list_items
from docnvil.text.records import RecordIterator
from docnvil.text.separated import Row, read_rows
from docnvil.text.settings import SourceOptions

_BATCH = 1024  # rows in memory at a time
MAX_WORKBOOK_BYTES = 1 << 30  # unpacked; openpyxl keeps the texts of all cells in memory


def read_parquet(path: Path) -> RecordIterator:
    """Yield the rows of a Parquet file, with one batch of rows in memory at a time."""
    with _reading(path, "Parquet"), open_stored_bytes(path) as file:
        import pyarrow.parquet

        table = pyarrow.parquet.ParquetFile(file)
        _check_names(path, table.schema_arrow.names)
        batches = table.iter_batches(batch_size=_BATCH)
        yield from _number_rows(_rows_of(batches))


def read_feather(path: Path) -> RecordIterator:
    """Yield the rows of an Arrow or Feather file, with one of its batches in memory at a time."""
    with _reading(path, "Arrow") as pyarrow, open_stored_bytes(path) as file:
        import pyarrow.ipc

        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        reader = pyarrow.ipc.open_file(file) if is_file else pyarrow.ipc.open_stream(file)
        _check_names(path, reader.schema.names)
        batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
        yield from _number_rows(_rows_of(batches))


def read_dataset(folder: Path) -> RecordIterator:
    """Yield the rows of a folder written by `save_to_disk` of the datasets package."""
    if (folder / "dataset_dict.json").is_file():
        splits = [path.parent.name for path in sorted(folder.glob("*/state.json"))]
        raise CorpusError(
            f"{folder} has several data sets: {list_items(splits)}. Give the folder of one, such as"
            f" {folder / (splits or ['train'])[0]}."
        )
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files = [folder / each["filename"] for each in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise CorpusError(f"{folder / 'state.json'} is missing or damaged. Save the data set again.") from None
    number = 0
    for file in files:
        for _, row in read_feather(file):
            number += 1
            yield f"row {number}", row


def _check_names(path: Path, names: list[str]) -> None:
    """Raise a `CorpusError` if columns have the same name, of which only the last would be read."""
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise CorpusError(f"{path} has columns of the same name ({list_items(repeated)}). Rename one of them.")


def _rows_of(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        batch.validate(full=True)  # otherwise, invalid offsets end the process
        for start in range(0, batch.num_rows, _BATCH):
            yield from batch.slice(start, _BATCH).to_pylist()


def read_workbook(path: Path, options: SourceOptions, report: ReadingReport) -> RecordIterator:
    """Yield the rows of the first sheet of an Excel workbook, one at a time; empty rows are skipped."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingDependencyError(
            f"Reading {path} needs openpyxl. Install it with pip install 'docnvil[excel]'."
        ) from None
    remedy = "Save it again as an Excel workbook."
    with translate_os_errors(path), translating_errors(CorpusError, path, remedy), open_stored_bytes(path) as file:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_WORKBOOK_BYTES:
                raise CorpusError(f"{path} unpacks to more than {MAX_WORKBOOK_BYTES >> 20:,} MiB. Save it as CSV.")
        file.seek(0)
        workbook = load_workbook(file, read_only=True, data_only=True)
        if len(workbook.sheetnames) > 1:
            others = list_items(workbook.sheetnames[1:])
            report.remark(f"{path}: only its first sheet, {workbook.sheetnames[0]!r}, was read, not {others}.")
        yield from read_rows(path, _sheet_rows(workbook.worksheets[0], options), options, report, delimiter=None)


def _sheet_rows(sheet: Any, options: SourceOptions) -> Iterator[Row]:
    """Yield the rows that are not empty, with as many cells as the first one."""
    width = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = ["" if value is None else str(value) for value in values]
        while len(cells) > width and not cells[-1]:
            del cells[-1]
        if number > options.skip_rows and any(cells):
            width = width or len(cells)
            yield number, cells + [""] * (width - len(cells)), []


def _number_rows(rows: Iterator[dict[str, Any]]) -> RecordIterator:
    return ((f"row {number}", row) for number, row in enumerate(rows, start=1))


@contextmanager
def _reading(path: Path, format: str) -> Iterator[Any]:
    """Yield pyarrow, and report its errors with the name of the file."""
    try:
        import pyarrow
        from pyarrow import ArrowException
    except ImportError:
        raise MissingDependencyError(
            f"Reading {path} needs pyarrow. Install it with pip install 'docnvil[parquet]'."
        ) from None
    # Several of pyarrow's errors are also OSError, such as that of a damaged file.
    remedy = f"Write it again as {format}."
    with translate_os_errors(path), translating_errors(CorpusError, path, remedy):
        try:
            yield pyarrow
        except ArrowException as error:
            raise CorpusError(f"{path} cannot be read as {format} ({error!s:.300}). Write it again.") from None
