"""The delimiter of CSV and TSV files, and rows that a stray quote has made part of a field."""

import csv
import re
from collections.abc import Sequence

from docnvil.text.record_documents import resolve_column, split_columns
from docnvil.text.records import csv_reader
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
    rows = []
    try:
        for row in csv_reader(sample, delimiter, options.quoting):
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


def rows_in_field(fields: Sequence[str], delimiter: str) -> list[int]:
    r"""Return the lines inside the fields of a row that look like rows themselves, counted from the row's first line.

    A line looks like a row if it has as many delimiters as a row, or, at the end of a field, as the fields before.
    Commas and semicolons also occur in prose, so there its first or last field must look like that of the row, too.
    Rows that a stray quote has put into a field are most of its lines; a field with fewer such lines has none.

    Example:
        >>> rows_in_field(["2", "I love cats\n3\tdogs bark\n4\tthey said"], "\t")
        [1, 2]
        >>> rows_in_field(["2", "Dear all,\nbest wishes, Ann"], ",")
        []
    """
    result = []
    lines_before = 0
    for position, field in enumerate(fields):
        n_breaks = field.count("\n") or field.count("\r")
        # Counting is fast, and nearly always enough: the last line may be the start of a row.
        if n_breaks and 2 * field.count(delimiter) >= n_breaks:
            first, *others = field.splitlines() or [""]
            if first.count(delimiter) >= len(fields) - 1 - position:
                rows = [
                    number
                    for number, line in enumerate(others, start=1)
                    if _looks_like_row(line, fields, position, delimiter, is_last=number == len(others))
                ]
                if 2 * len(rows) >= len(others):
                    result += [lines_before + number for number in rows]
        lines_before += n_breaks
    return result


def _looks_like_row(line: str, fields: Sequence[str], position: int, delimiter: str, *, is_last: bool) -> bool:
    n_delimiters = line.count(delimiter)
    if not n_delimiters or not (n_delimiters == len(fields) - 1 or (is_last and n_delimiters == position)):
        return False
    return _has_fields_like(line, fields, position, delimiter)


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
