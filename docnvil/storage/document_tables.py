"""Files of tables of documents: CSV, Parquet or .xlsx, written a few thousand rows at a time."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from docnvil.analysis.document_table import Row
from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.runtime.folders import replacing_file
from docnvil.runtime.packages import is_installed
from docnvil.storage.csv_files import FORMULA_STARTS, csv_writer
from docnvil.storage.suffixes import TABLES, check_suffix
from docnvil.storage.timeless_archive import EARLIEST, TimelessArchive

MAX_ROWS = 1_048_575  # of a worksheet, below its header
MAX_CELL = 32_767  # characters of a cell of a worksheet
ROWS_PER_GROUP = 5000
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def table_format(path: Path) -> str:
    """Return the format of a table from its suffix: "parquet", "xlsx", or otherwise "csv".

    Raises:
        ConfigurationError: the suffix is that of another format.
        MissingDependencyError: the package for this format is not installed.
    """
    check_suffix(path, TABLES)
    suffix = path.suffix.lower()
    for ending, package, extra in ((".parquet", "pyarrow", "parquet"), (".xlsx", "openpyxl", "excel")):
        if suffix == ending:
            if not is_installed(package):
                raise MissingDependencyError(
                    f"Writing {path} needs {package}. Install it with pip install 'docnvil[{extra}]', or write a .csv."
                )
            return ending[1:]
    return "csv"


def write_table(path: Path, columns: Mapping[str, type], rows: Iterable[Row], n_rows: int) -> None:
    """Write a table in the format of `table_format`; it appears at `path` when it is complete.

    In .xlsx, texts that start with =, +, - or @ are stored as texts, so that no program takes them for formulas.

    Arguments:
        path: the file.
        columns: the names of the columns, and the types of their values.
        rows: the rows, with None for an empty cell.
        n_rows: their number.

    Raises:
        CorpusError: there are more rows than a worksheet has.
    """
    form = table_format(path)
    if form == "xlsx" and n_rows > MAX_ROWS:
        raise CorpusError(f"A worksheet has at most {MAX_ROWS:,} rows, not {n_rows:,}. Write a .csv or a .parquet.")
    with replacing_file(path) as draft:
        if form == "parquet":
            _write_parquet(draft, columns, iter(rows))
        elif form == "xlsx":
            _write_workbook(draft, columns, rows)
        else:
            with draft.open("w", encoding="utf-8", newline="") as file:
                writer = csv_writer(file)
                writer.writerow(columns)
                writer.writerows(rows)


def _write_parquet(draft: Path, columns: Mapping[str, type], rows: Iterator[Row]) -> None:
    import pyarrow
    import pyarrow.parquet

    types = {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    # A file instead of its name, since pyarrow takes only names in UTF-8.
    with draft.open("wb") as file, pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, ROWS_PER_GROUP)):
            cells = zip(*group, strict=True)
            arrays = [pyarrow.array(values, field.type) for values, field in zip(cells, schema, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _write_workbook(draft: Path, columns: Mapping[str, type], rows: Iterable[Row]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.writer.excel import ExcelWriter

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("documents")
    sheet.freeze_panes = "B2"

    def cell(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        written = WriteOnlyCell(sheet, _NOT_IN_XML.sub(" ", value)[:MAX_CELL])
        written.data_type = "s"  # openpyxl takes a text that starts with = for a formula
        if value.startswith(FORMULA_STARTS):
            written.quotePrefix = True  # and a program keeps it as a text when the cell is edited
        return written

    sheet.append(list(map(cell, columns)))
    for row in rows:
        sheet.append(list(map(cell, row)))
    workbook.properties.created = workbook.properties.modified = EARLIEST
    ExcelWriter(workbook, TimelessArchive(draft)).save()
