"""The delimiter of CSV and TSV files, and rows that a stray quote has made part of a field."""

import csv
import re
from collections.abc import Iterator, Sequence

from docnvil.text.record_documents import resolve_column, split_columns
from docnvil.text.settings import SourceOptions

_DELIMITERS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


def read_sep_line(line: str) -> str | None:
    r"""Return the delimiter that a first line like `sep=;` names for Excel, or None.

    Example:
        >>> read_sep_line("sep=;\r\n"), read_sep_line("id;text")
        (';', None)
    """
    match = _SEP_LINE.fullmatch(line)
    return match[1] if match else None


def detect_delimiter(sample: Sequence[str], expected: str, options: SourceOptions) -> str:
    r"""Return the delimiter of the first lines of a file.

    It is the expected one, unless another one gives the columns that the options name, or the expected one gives a
    single column or rows of different lengths and another one does not.

    Example:
        >>> detect_delimiter(["id;text\n", "1;a, b\n"], ",", SourceOptions())
        ';'
    """
    candidates = dict.fromkeys((expected, *_DELIMITERS))
    # The first of equal candidates is chosen, and the expected one comes first.
    return max(candidates, key=lambda delimiter: _fitness(sample, delimiter, options))


def _fitness(sample: Sequence[str], delimiter: str, options: SourceOptions) -> tuple[bool, bool, bool]:
    quoting = csv.QUOTE_MINIMAL if options.quoting == "minimal" else csv.QUOTE_NONE
    rows = []
    try:
        for row in csv.reader(sample, delimiter=delimiter, quoting=quoting):
            rows.append(row)
    except csv.Error:  # a field that is longer than the module's limit
        pass
    rows = [row for row in rows if row]
    if len(rows) > 2:
        rows.pop()  # the sample may end within it
    if not rows:
        return (False, False, False)
    header, lengths = [name.strip() for name in rows[0]], {len(row) for row in rows}
    named = [*split_columns(options.text_column, header), options.id_column, options.label_column]
    has_columns = options.header and all(resolve_column(name, header) for name in named if name)
    has_several = len(header) > 1
    return has_columns, has_several and len(lengths) == 1, has_several


def rows_in_field(fields: Sequence[str], delimiter: str) -> Iterator[int]:
    r"""Yield the lines inside the fields of a row that look like rows themselves, counted from the row's first line.

    A line looks like a row if it has as many delimiters as a row, or, at the end of a field, as the fields before.
    Commas and semicolons also occur in prose, so there its first or last field must look like that of the row, too.

    Example:
        >>> list(rows_in_field(["2", "I love cats\n3\tdogs bark\n4\tthey said"], "\t"))
        [1, 2]
        >>> list(rows_in_field(["2", "Dear all,\nbest wishes, Ann"], ","))
        []
    """
    lines_before = 0
    for position, field in enumerate(fields):
        first, *others = field.splitlines() or [""]
        if others and first.count(delimiter) >= len(fields) - 1 - position:
            for number, line in enumerate(others, start=1):
                n_delimiters = line.count(delimiter)
                is_whole = n_delimiters == len(fields) - 1
                is_start = number == len(others) and n_delimiters == position
                if n_delimiters and (is_whole or is_start) and _has_fields_like(line, fields, position, delimiter):
                    yield lines_before + number
        lines_before += len(others)


def _has_fields_like(line: str, fields: Sequence[str], position: int, delimiter: str) -> bool:
    if delimiter in "\t|":
        return True
    if f"{delimiter} " in line:
        return False
    parts = line.split(delimiter)
    if position > 0:
        return _shape(parts[0]) == _shape(fields[0])
    return _shape(parts[-1]) == _shape(fields[-1])


def _shape(value: str) -> str:
    """Return the pattern of letters, digits and other characters of a value."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value.strip('"')))
