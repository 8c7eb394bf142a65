"""Counts as lines of numbers: Matrix Market, UCI, LDA-C and svmlight, each with a reader and a writer.

Readers name the line that is wrong; writers put documents in rows, in order, with nothing left out.
"""

import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from scipy.sparse import csr_array

from docnvil.errors import CorpusError
from docnvil.text.files import open_text
from docnvil.text.sparse import from_triples

# Beyond these a size is a slip, not a corpus; to believe it would cost all of the memory.
MOST_WORDS, MOST_DOCUMENTS = 10**7, 10**9
_MTX_BANNER_WRITTEN = "%%MatrixMarket matrix coordinate integer general"
_MTX_BANNER = re.compile(r"%%MatrixMarket\s+matrix\s+coordinate\s+(unsigned-)?(integer|real)\s+general", re.IGNORECASE)


class ReadCounts(NamedTuple):
    """What a file of counts says: the counts `[N, V]`, and a label a row where the form has labels.

    The width is a lower bound (the last word that occurs) unless the form states it.
    """

    counts: csr_array
    labels: tuple[str, ...] | None = None


class _MalformedLineError(Exception):
    """What is wrong with a line; the reader adds where."""


@dataclass
class _Triples:
    """Entries as they are read, in 24 bytes each."""

    rows: array = field(default_factory=lambda: array("q"))
    columns: array = field(default_factory=lambda: array("q"))
    values: array = field(default_factory=lambda: array("q"))

    def add(self, row: int, column: int, value: int) -> None:
        self.rows.append(row)
        self.columns.append(column)
        self.values.append(value)

    def counts(self, n_rows: int, width: int | None = None) -> csr_array:
        width = max(self.columns, default=-1) + 1 if width is None else width
        return from_triples(self.rows, self.columns, self.values, (n_rows, width))


def read_mtx(path: Path) -> ReadCounts:
    """Read a Matrix Market file of coordinates: a banner, remarks, `N V entries`, then `document word count`, from 1.

    SciPy's own reader is not used, because on some damaged streams version 1.17 aborts the whole process.

    Raises:
        CorpusError: the banner is another, a line is malformed or out of range, or entries are missing.
    """
    triples = _Triples()
    sizes: list[int] = []

    def add(line: str) -> None:
        if line.startswith("%") or not line.strip():
            return
        if not sizes:
            sizes.extend(_numbers(line, 3))
            _require_between(sizes[0], 0, MOST_DOCUMENTS, "number of rows")
            _require_between(sizes[1], 0, MOST_WORDS, "number of columns")
            return
        *place, value = line.split()
        document, word = _numbers(" ".join(place), 2)
        _require_between(document, 1, sizes[0], "row")
        _require_between(word, 1, sizes[1], "column")
        triples.add(document - 1, word - 1, _whole_number(value))

    with open_text(path) as file:
        if not _MTX_BANNER.fullmatch(file.readline().strip()):
            raise CorpusError(
                f"{path} does not begin with '{_MTX_BANNER_WRITTEN}'. Write its counts as a Matrix Market file of that"
                " kind."
            )
        _for_each_line(path, file, add, start=2)
    n_documents, vocabulary_size, n_entries = sizes or (0, 0, 1)
    _require_entries(path, triples, n_entries)
    return ReadCounts(triples.counts(n_documents, vocabulary_size))


def read_uci(path: Path) -> ReadCounts:
    """Read the UCI "bag of words" form: lines N, V and the number of entries, then `document word count`, from 1.

    Raises:
        CorpusError: a line is malformed or out of range, or entries are missing.
    """
    triples = _Triples()
    with open_text(path) as file:
        n_documents, vocabulary_size, n_entries = (_header_number(path, file, number) for number in (1, 2, 3))
        if n_documents > MOST_DOCUMENTS or vocabulary_size > MOST_WORDS:
            raise CorpusError(
                f"{path} claims {n_documents} documents and {vocabulary_size} words. Check its first lines."
            )

        def add(line: str) -> None:
            document, word, count = _numbers(line, 3)
            _require_between(document, 1, n_documents, "document")
            _require_between(word, 1, vocabulary_size, "word")
            _require_count(count)
            triples.add(document - 1, word - 1, count)

        _for_each_line(path, file, add, start=4)
    _require_entries(path, triples, n_entries)
    return ReadCounts(triples.counts(n_documents, vocabulary_size))


def read_ldac(path: Path) -> ReadCounts:
    """Read the LDA-C form: a line `M word:count ...` for each document, with M pairs, words from 0.

    Raises:
        CorpusError: a line is malformed, or its number of pairs is not what it says.
    """
    triples = _Triples()
    n_documents = 0

    def add(line: str) -> None:
        nonlocal n_documents
        first, *pairs = line.split() or [""]
        if _numbers(first, 1)[0] != len(pairs):
            raise _MalformedLineError(f"it promises {first} words and has {len(pairs)}")
        for pair in pairs:
            word, count = _numbers(pair.replace(":", " ", 1), 2)
            _require_between(word, 0, MOST_WORDS - 1, "word")
            _require_count(count)
            triples.add(n_documents, word, count)
        n_documents += 1

    with open_text(path) as file:
        _for_each_line(path, file, add)
    return ReadCounts(triples.counts(n_documents))


def read_svmlight(path: Path) -> ReadCounts:
    """Read the svmlight form: a line `label word:count ... # remark` for each document.

    Words are numbered from 1, as the form wants it, unless a word 0 occurs anywhere or a remark says "zero-based", as
    scikit-learn writes it; then all of the file is numbered from 0. Blank lines, other remarks and `qid:` are passed
    over.

    Raises:
        CorpusError: a line is malformed, or a value is no count.
    """
    triples = _Triples()
    labels: list[str] = []
    from_zero = False

    def add(line: str) -> None:
        nonlocal from_zero
        from_zero = from_zero or (line.startswith("#") and "zero-based" in line)
        label, *pairs = line.split("#", 1)[0].split() or [""]
        if not label:
            return
        if ":" in label:
            raise _MalformedLineError(f"it begins with {label!r} instead of a label")
        for pair in pairs:
            name, _, value = pair.partition(":")
            if name != "qid":
                (word,) = _numbers(name, 1)
                _require_between(word, 0, MOST_WORDS - 1, "word")
                triples.add(len(labels), word, _whole_number(value))
        labels.append(label)

    with open_text(path) as file:
        _for_each_line(path, file, add)
    if not from_zero and 0 not in triples.columns:
        triples.columns = array("q", (column - 1 for column in triples.columns))
    return ReadCounts(triples.counts(len(labels)), tuple(labels))


def write_mtx(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write a Matrix Market file; see `read_mtx`."""
    file.write(f"{_MTX_BANNER_WRITTEN}\n{counts.shape[0]} {counts.shape[1]} {counts.nnz}\n".encode())
    _write_triples(file, counts)


def write_uci(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write the UCI form; see `read_uci`."""
    file.write(f"{counts.shape[0]}\n{counts.shape[1]}\n{counts.nnz}\n".encode())
    _write_triples(file, counts)


def _write_triples(file: BinaryIO, counts: csr_array) -> None:
    for document, (words, values) in enumerate(_rows(counts), start=1):
        lines = (f"{document} {word + 1} {value}\n" for word, value in zip(words, values, strict=True))
        file.write("".join(lines).encode())


def write_ldac(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write the LDA-C form; see `read_ldac`."""
    for words, values in _rows(counts):
        pairs = (f" {word}:{value}" for word, value in zip(words, values, strict=True))
        file.write(f"{len(words)}{''.join(pairs)}\n".encode())


def write_svmlight(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write the svmlight form, words from 1, with the labels or else 0; see `read_svmlight`.

    Raises:
        CorpusError: a label is empty or has a blank, a colon or a number sign in it.
    """
    labels = ("0",) * counts.shape[0] if labels is None else labels
    for label, (words, values) in zip(labels, _rows(counts), strict=True):
        if label.split() != [label] or ":" in label or "#" in label:
            raise CorpusError(
                f"The label {label!r} cannot be written to svmlight. Choose another format, or number labels."
            )
        pairs = (f" {word + 1}:{value}" for word, value in zip(words, values, strict=True))
        file.write(f"{label}{''.join(pairs)}\n".encode())


def _rows(counts: csr_array) -> Iterator[tuple[list[int], list[int]]]:
    for start, end in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        yield counts.indices[start:end].tolist(), counts.data[start:end].tolist()


def _for_each_line(path: Path, file: TextIO, add: Callable[[str], None], start: int = 1) -> None:
    for number, line in enumerate(file, start=start):
        try:
            add(line)
        except (_MalformedLineError, OverflowError) as error:
            raise CorpusError(
                f"{path}, line {number} is malformed: {error}. Mend it, or write the file again."
            ) from None


def _require_entries(path: Path, triples: _Triples, promised: int) -> None:
    if len(triples.values) != promised:
        raise CorpusError(
            f"{path} promises {promised} entries and has {len(triples.values)}: it was cut short or changed. Fetch it"
            " again."
        )


def _header_number(path: Path, file: TextIO, number: int) -> int:
    try:
        return _numbers(file.readline(), 1)[0]
    except _MalformedLineError as error:
        raise CorpusError(
            f"{path}, line {number} is malformed: {error}. The UCI form begins with three lines: the number of"
            " documents, of words and of entries."
        ) from None


def _numbers(text: str, how_many: int) -> list[int]:
    try:
        numbers = [int(part) for part in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != how_many:
        wanted = "a whole number" if how_many == 1 else f"{how_many} whole numbers"
        raise _MalformedLineError(f"{text.strip()[:40]!r} is not {wanted}")
    return numbers


def _whole_number(text: str) -> int:
    try:
        value = int(text) if text.isdigit() else float(text)
        if value == int(value):
            _require_count(int(value))
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise _MalformedLineError(f"{text[:40]!r} is not a count")


def _require_between(number: int, least: int, most: int, what: str) -> None:
    if not least <= number <= most:
        raise _MalformedLineError(f"{what} {number} is out of range, which is from {least} to {most}")


def _require_count(count: int) -> None:
    if count < 0:
        raise _MalformedLineError(f"the count {count} is below 0")
