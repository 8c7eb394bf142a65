"""Count files that contain their words: svmlight with words for numbers, and tables of documents by words (CSV)."""

import csv
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from docnvil.errors import CorpusError, counted, warn
from docnvil.text.files import open_text
from docnvil.text.line_formats import Numbering, ReadCounts
from docnvil.text.records import csv_rows

_LOOK_AT = 100  # pairs that show whether words are numbers
_COUNT = re.compile(r"\s*\+?([0-9]{1,15})(?:\.0*)?\s*")
_COMMENT = re.compile(r"(^|\s)#.*")
_NO_WORD = re.compile(r"[+-]?[0-9_]*\.?[0-9]*(e[+-]?[0-9]+)?|nan|inf", re.IGNORECASE)
_DELIMITERS = (",", "\t", ";")

# What the first cell of a table is if the first column has ids: nothing, as pandas and R write it, or a name for them.
_ID_NAMES = {"", "id", "doc", "document", "docid", "documentid", "docname", "documentname", "name", "names", "file"}
_ID_NAMES |= {"filename", "index", "key", "title", "row", "rownames", "rowname", "unnamed: 0", "docs", "documents"}


def has_words(path: Path) -> bool:
    """Return whether most of the first features of an svmlight file are words, not numbers."""
    n_words = n_pairs = 0
    with open_text(path) as file:
        for line in file:
            for pair in _COMMENT.sub("", line).split()[1:]:
                n_pairs += 1
                n_words += ":" in pair and not _NO_WORD.fullmatch(pair.rpartition(":")[0])
            if n_pairs >= _LOOK_AT:
                break
    return 2 * n_words > n_pairs


def read_word_pairs(path: Path) -> ReadCounts:
    """Read one document `label word:count ...` per line; a comment begins with `#` at the start of a word."""
    columns: dict[str, int] = {}
    labels: list[str] = []
    indices, counts, starts = array("q"), array("q"), array("q", [0])
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            label, *pairs = _COMMENT.sub("", line).split() or [""]
            if not label:
                continue
            labels.append(label)
            for pair in pairs:
                word, separator, value = pair.rpartition(":")
                count = _parse_count(value) if separator and word else None
                if count is None:
                    raise CorpusError(
                        f"{path}, line {number} is malformed: {pair[:40]!r} is not a word, a colon and a count. Correct"
                        " it, or write the file again."
                    )
                indices.append(columns.setdefault(word, len(columns)))
                counts.append(count)
            starts.append(len(indices))
    matrix = _to_csr(counts, indices, starts, len(columns))
    return ReadCounts(matrix, tuple(labels), words=tuple(columns))


class _Layout(NamedTuple):
    """Where a table has its ids, words and counts."""

    words: list[str]
    id_at: int | None  # the column of the ids
    first_count: int  # the first column of counts in a row


def read_dtm(path: Path, numbering: Numbering) -> ReadCounts:
    """Read a table in CSV whose first row has the words, and whose first column usually has ids.

    The first column has counts of a word if its heading is not empty or a name for ids, and it has whole numbers only;
    a warning says so.
    """
    options = numbering.options
    with open_text(path, encoding=options.encoding, newline="") as file:
        header_line = file.readline()
        delimiter = options.delimiter_character or max(_DELIMITERS, key=header_line.count)
        header = next(csv.reader([header_line], delimiter=delimiter), [])
        reader = csv.reader(file, delimiter=delimiter)
        rows = filter(None, csv_rows(reader))
        first = next(rows, None)
        if not header or first is None:
            raise CorpusError(
                f"{path} has no documents. Write words in the first row, and a document in each other row."
            )
        layout = _layout(path, header, first, options.id_column)
        ids: list[str] = []
        indices, counts, starts = array("q"), array("q"), array("q", [0])
        for row in _chain(first, rows):
            where = f"{path}, line {1 + reader.line_num}"
            if len(row) != layout.first_count + len(layout.words):
                raise CorpusError(
                    f"{where} has {counted(len(row), 'cell')}, and the first row has {len(header):,}. Write it again."
                )
            if layout.id_at is not None:
                ids.append(row[layout.id_at])
            cells = row if layout.id_at is None else [*row[: layout.id_at], *row[layout.id_at + 1 :]]
            for column in [column for column, cell in enumerate(cells) if cell != "0"]:
                count = 0 if not cells[column].strip() else _parse_count(cells[column])
                if count is None:
                    raise CorpusError(
                        f"{where} has {cells[column][:40]!r} in the column {layout.words[column]!r}, which is not a"
                        " count. Correct it; a column of ids is named with --id-column."
                    )
                indices.append(column)
                counts.append(count)
            starts.append(len(indices))
    matrix = _to_csr(counts, indices, starts, len(layout.words))
    return ReadCounts(matrix, words=tuple(layout.words), ids=tuple(ids) if layout.id_at is not None else None)


def _chain(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _layout(path: Path, header: list[str], first: list[str], id_column: str | None) -> _Layout:
    """Return where a table has what, from its header and its first row."""
    if len(first) == len(header) + 1:  # R's write.table has no heading for the names of rows
        return _Layout(header, 0, 1)
    if id_column is not None:
        if id_column and id_column not in header:
            raise CorpusError(f"{path} has no column {id_column!r}. Choose another with --id-column, or none with ''.")
        at = header.index(id_column) if id_column else None
    elif is_heading_of_ids(header[0]) or _parse_count(first[0]) is None:
        at = 0
    else:
        at = None
        warn(
            f"The first column of {path}, {header[0]!r}, is read as the counts of a word. If it has ids, pass"
            f" --id-column {header[0]}."
        )
    if at is None:
        return _Layout(header, None, 0)
    return _Layout([*header[:at], *header[at + 1 :]], at, 1)


def is_heading_of_ids(heading: str) -> bool:
    """Return whether the heading of the first column of a table of counts is one of ids, not a word.

    Example:
        >>> is_heading_of_ids("doc_id"), is_heading_of_ids("Unnamed: 0"), is_heading_of_ids("cat")
        (True, True, False)
    """
    return re.sub(r"[\s._-]", "", heading.lower()).replace("unnamed:", "unnamed: ") in _ID_NAMES


def _parse_count(text: str) -> int | None:
    match = _COUNT.fullmatch(text)
    return int(match[1]) if match else None


def _to_csr(counts: array, indices: array, starts: array, width: int) -> csr_array:  # type: ignore[type-arg]
    arrays = (np.array(each, dtype=np.int64) for each in (counts, indices, starts))
    return csr_array(tuple(arrays), shape=(len(starts) - 1, width))
