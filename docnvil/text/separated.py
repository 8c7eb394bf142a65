"""Reader of CSV and TSV files, of any delimiter, with or without a header and with rows that are not documents.

Line numbers count from the first line of the file.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, tee
from pathlib import Path

from docnvil.errors import CorpusError, counted
from docnvil.text.delimiters import detect_delimiter, read_sep_line, rows_in_field
from docnvil.text.files import open_text
from docnvil.text.header_rows import count_extra_header_rows
from docnvil.text.missing_values import MissingValues
from docnvil.text.reading_report import ReadingReport, list_items
from docnvil.text.record_documents import resolve_column, split_columns
from docnvil.text.records import RecordIterator, csv_reader, csv_rows, without_escapes
from docnvil.text.settings import SourceOptions

_SAMPLE_CHARACTERS = 1 << 16  # of the rows that decide on the delimiter
_SAMPLE_LINES = 100
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes (|)", " ": "spaces"}

Row = tuple[int, list[str], list[str]]  # the number of its first line, its fields, its lines


def read_separated(
    path: Path,
    options: SourceOptions,
    report: ReadingReport,
    *,
    delimiter: str,
    names: Sequence[str] | None = None,
) -> RecordIterator:
    r"""Yield the rows of a CSV or TSV file; a missing text is None.

    Arguments:
        path: the file.
        options: the delimiter, the quotes, the header, the rows to skip and the columns of the text.
        report: what is skipped or assumed is added to it.
        delimiter: the delimiter that the name of the file indicates, `,` or `\t`.
        names: the names of the columns of a file without a header; None if it has one.
    """
    with open_text(path, encoding=options.encoding, errors=options.encoding_errors, report=report, newline="") as file:
        lines = iter(file)
        lines_before = sum(1 for _ in islice(lines, options.skip_rows))
        sample = _read_sample(lines)
        separator = read_sep_line(sample[0]) if sample and options.skip_rows == 0 else None
        if separator is not None:
            lines_before += 1
            del sample[0]
        chosen = options.delimiter_character or separator
        if chosen is None:
            chosen = detect_delimiter(sample, delimiter, options)
            if chosen != delimiter:
                report.remark(f"{path} is separated by {_NAMES[chosen]}, and was read so.", is_note=True)
        is_quoted = options.quoting != "none"
        rows = _read_rows(path, chain(sample, lines), chosen, lines_before, options.quoting)
        yield from read_rows(path, rows, options, report, delimiter=chosen if is_quoted else None, names=names)


def read_rows(
    path: Path,
    rows: Iterator[Row],
    options: SourceOptions,
    report: ReadingReport,
    *,
    delimiter: str | None,
    names: Sequence[str] | None = None,
) -> RecordIterator:
    """Yield records from rows, of which the first ones may be headers.

    Arguments:
        path: the file.
        rows: its rows.
        options: the header, the missing values and the columns of the text.
        report: what is skipped or assumed is added to it.
        delimiter: the delimiter of rows with quoted fields, or None.
        names: the names of the columns of a file without a header; None if it has one.
    """
    first = next(rows, None)
    if first is None and names is None:
        raise CorpusError(f"{path} has no header. Name the columns in its first line.")
    if first is None:
        return
    if names is not None or not options.header:
        names = _numbered(len(first[1]), names or ())
        yield from _to_records(path, chain([first], rows), names, None, delimiter, options, report)
        return
    names = _read_header(path, first[1])
    ahead = list(islice(rows, 3))
    cells = [fields for _, fields, _ in ahead]
    _warn_if_document(path, names, cells, report)
    names = _add_row_names(path, names, cells, report)
    n_extra = count_extra_header_rows(names, cells)
    if n_extra:
        numbers = list_items(str(number) for number, _, _ in ahead[:n_extra])
        report.remark(
            f"{path} has {n_extra} more header row{'s' * (n_extra > 1)} of a survey export, which"
            f" {'were' if n_extra > 1 else 'was'} skipped: line {numbers}.",
            is_note=True,
        )
    yield from _to_records(path, chain(ahead[n_extra:], rows), names, first[1], delimiter, options, report)


def _to_records(
    path: Path,
    rows: Iterator[Row],
    names: Sequence[str],
    header: list[str] | None,
    delimiter: str | None,
    options: SourceOptions,
    report: ReadingReport,
) -> RecordIterator:
    texts = split_columns(options.text_column, names)
    text_columns = [names.index(name) for text in texts if (name := resolve_column(text, names)) is not None]
    header = header if len(names) > 1 else None  # a document may consist of the name of its column
    missing = MissingValues(options.na_values, delimiter)
    for number, fields, lines in _without_blank_end(path, rows, report):
        place = f"line {number}"
        if fields == header:
            report.add("header", path, place)
            continue
        if len(fields) != len(names):
            raise CorpusError(
                f"{path}, {place} has {counted(len(fields), 'field')}, but the header names"
                f" {counted(len(names), 'column')}. Put fields that contain separators or line breaks in double quotes;"
                " --skip-rows skips lines before the header."
            )
        if len(lines) > 1 and delimiter is not None:
            for offset in rows_in_field(fields, delimiter):
                report.add("swallowed", path, f"line {number + offset}")
        record: dict[str, str | None] = dict(zip(names, fields, strict=True))
        for column in text_columns:
            if len(fields[column]) <= missing.max_length:
                kind = missing.classify(fields, column, lines)
                if kind == "missing":
                    record[names[column]] = None
                elif kind == "quoted":
                    report.add("quoted_na", path, place)
        yield place, record


def _without_blank_end(path: Path, rows: Iterator[Row], report: ReadingReport) -> Iterator[Row]:
    """Yield the rows except for those at the end whose cells are all empty, which spreadsheets write."""
    blank: list[Row] = []
    for row in rows:
        if len(row[1]) > 1 and not any(row[1]):
            blank.append(row)
            continue
        if blank:
            yield from blank
            blank.clear()
        yield row
    for number, _, _ in blank:
        report.add("blank", path, f"line {number}")


def _read_rows(path: Path, lines: Iterable[str], delimiter: str, lines_before: int, quoting: str) -> Iterator[Row]:
    """Yield the rows with their lines; blank lines are skipped."""
    parsed, kept = tee(lines)  # the csv module does not tell the lines of a row
    reader = csv_reader(parsed, delimiter, quoting, strict=True)
    n_read = 0
    try:
        for fields in csv_rows(reader):
            n_lines = reader.line_num - n_read
            row_lines = list(islice(kept, n_lines))
            if fields:  # the csv module returns an empty list for a blank line
                row_lines = without_escapes(row_lines) if quoting == "backslash" else row_lines
                yield lines_before + n_read + 1, fields, row_lines
            n_read += n_lines
    except csv.Error as error:
        raise CorpusError(
            f"{path}, line {lines_before + n_read + 1} cannot be read ({error}). Double the quotes inside a field and"
            " close it. For quotes with a backslash, pass --quoting backslash; for quotes as plain characters,"
            " --quoting none."
        ) from None


def _read_sample(lines: Iterator[str]) -> list[str]:
    sample: list[str] = []
    n_characters = 0
    while len(sample) < _SAMPLE_LINES and n_characters < _SAMPLE_CHARACTERS and (line := next(lines, "")):
        sample.append(line)
        n_characters += len(line)
    return sample


def _numbered(n_columns: int, names: Sequence[str]) -> list[str]:
    """Return the given names, and numbers from 1 for further columns."""
    return [names[number] if number < len(names) else str(number + 1) for number in range(n_columns)]


def _read_header(path: Path, fields: Sequence[str]) -> list[str]:
    """Return the names of the columns; a column without a name is called after its position."""
    header = [name.strip() or f"column{number}" for number, name in enumerate(fields, start=1)]
    if len(set(header)) != len(header):
        repeated = dict.fromkeys(name for name in header if header.count(name) > 1)
        raise CorpusError(
            f"{path} has columns of the same name ({list_items(repeated)}). Rename one of them; if its first row is a"
            " document, pass --no-header and columns by number."
        )
    return header


def _warn_if_document(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]], report: ReadingReport) -> None:
    """Report a header whose cells occur in the rows below it, in the same column."""
    repeated = [
        name for number, name in enumerate(names) if any(name in fields[number : number + 1] for fields in rows)
    ]
    if repeated:
        report.remark(
            f"{path}: the first row was read as the header, but {repeated[0]!r} also occurs below it. If it is a"
            " document, pass --no-header and columns by number."
        )


def _add_row_names(path: Path, names: list[str], rows: Sequence[Sequence[str]], report: ReadingReport) -> list[str]:
    """Return the names with one for R's row names, which `write.table` leaves without a header."""
    if len(rows) < 2 or any(len(fields) != len(names) + 1 for fields in rows) or "row_names" in names:
        return names
    if any(fields[0] != str(number) for number, fields in enumerate(rows, start=1)):
        return names
    report.remark(
        f"{path} has one column more than its header, as R writes row names; it was read as 'row_names'.", is_note=True
    )
    return ["row_names", *names]
