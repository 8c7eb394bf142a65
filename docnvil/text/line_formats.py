"""Count files of text lines: Matrix Market, UCI, LDA-C and svmlight, each with a reader and a writer.

Readers raise a `CorpusError` that names the line if it is malformed or out of range, or if entries are missing.

All numbers are parsed by `numpy.loadtxt`, because the readers of other libraries have defects: `scipy.io.mmread` (1.17)
ignores the end of a number that it cannot parse, so that "2,500" is 2 and 0.5 is 0 in a file of integers, and some
invalid streams abort the process; `sklearn.datasets.load_svmlight_file` (1.9) returns labels as floats, so that names
are refused and "+1" is 1.0, and refuses unsorted or repeated words.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from scipy.io import mmwrite
from scipy.sparse import coo_array, csr_array

from docnvil.errors import CorpusError, counted, warn
from docnvil.text.files import open_text
from docnvil.text.settings import SourceOptions

# Larger sizes are errors in the file, and arrays of these sizes would not fit in memory.
MAX_WORDS, MAX_DOCUMENTS = 10**7, 10**9
MAX_EMPTY_DOCUMENTS = 10**6  # that a file may declare without any entry
_MAX_COUNT = 2**53 - 1  # larger integers are not exact in float64
_MTX_BANNER = re.compile(r"%%MatrixMarket\s+matrix\s+coordinate\s+(unsigned-)?(integer|real)\s+general", re.IGNORECASE)

_SIZES = re.compile(r"\s*[0-9]{1,19}\s+[0-9]{1,19}\s+[0-9]{1,19}\s*")  # int() also takes 1_000
_STATED_BASE = re.compile(r"\b(zero|one)-based", re.IGNORECASE)

AnySparse = Any  # a SciPy sparse matrix or array, which `DocumentTermMatrix` validates


class ReadCounts(NamedTuple):
    """Counts as a file has them.

    Arguments:
        counts: `[N, V]`, not validated; V follows from the last word if the format does not state it.
        labels: the labels of the rows.
        index_base: the number of the first word in the file, if the format leaves it open.
        words: the words of the columns, if the file has them.
        ids: the ids of the rows, if the file has them.
    """

    counts: AnySparse
    labels: tuple[str, ...] | None = None
    index_base: int | None = None
    words: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None


class Numbering(NamedTuple):
    """What is known about a file before it is read: the number of the first word, V, and other options."""

    index_base: str = "auto"
    vocabulary_size: int | None = None
    options: SourceOptions = SourceOptions()


def read_mtx(path: Path, numbering: Numbering) -> ReadCounts:
    """Read Matrix Market coordinates: a banner, `%` comments, `N V entries`, then `document word count`, from 1."""
    with open_text(path) as file:
        if not _MTX_BANNER.fullmatch(file.readline().strip()):
            raise CorpusError(
                f"{path} does not begin with '%%MatrixMarket matrix coordinate integer general'. Write its counts as a"
                " Matrix Market file of that kind."
            )
        lines = _Lines(path, file, number=1)
        return _read_entries(lines, next((line for line in lines if line.strip() and not line.startswith("%")), ""))


def read_uci(path: Path, numbering: Numbering) -> ReadCounts:
    """Read UCI bags of words: lines with N, V and the number of entries, then `document word count`, from 1."""
    with open_text(path) as file:
        lines = _Lines(path, file)
        return _read_entries(lines, " ".join(next(lines, "").strip() for _ in range(3)))


def read_ldac(path: Path, numbering: Numbering) -> ReadCounts:
    """Read LDA-C: one line `M word:count ...` per document, with M pairs and words from 0."""

    def split(line: str) -> list[str]:
        length, *pairs = line.split() or [""]
        if length != str(len(pairs)):
            raise ValueError(f"it begins with {length!r} and has {counted(len(pairs), 'pair')}")
        return pairs

    return _read_pairs(path, split, lambda words: _index_base(path, words, numbering, None, otherwise=0))


def read_svmlight(path: Path, numbering: Numbering) -> ReadCounts:
    """Read svmlight: one line `label word:count ... # comment` per document.

    Words are numbered from 0 or 1, see `_index_base`. Blank lines, other comments and `qid:` are ignored.
    """
    labels: list[str] = []
    stated: int | None = None

    def split(line: str) -> list[str] | None:
        nonlocal stated
        if line.startswith("#") and (match := _STATED_BASE.search(line)):  # as scikit-learn writes it
            stated = 0 if match[1].lower() == "zero" else 1
        label, *pairs = line.split("#", 1)[0].split() or [""]
        if not label:
            return None
        if ":" in label:
            raise ValueError(f"it begins with {label!r} instead of a label")
        labels.append(label)
        return [pair for pair in pairs if not pair.startswith("qid:")]

    read = _read_pairs(path, split, lambda words: _index_base(path, words, numbering, stated, otherwise=None))
    return read._replace(labels=tuple(labels))


def _index_base(
    path: Path, words: NDArray[np.integer], numbering: Numbering, stated: int | None, *, otherwise: int | None
) -> int:
    """Return the number of the first word, which the format leaves open.

    It is what the user chose; or what a comment in the file states; or 0 if a word 0 occurs; or 1 if word V occurs; or
    `otherwise`. If that is None, nothing settles it, and a warning says what is assumed: 0 with a vocabulary, as in
    files that Python programs write beside a list of words; and 1 without one, as svmlight is defined.
    """
    base, size = numbering.index_base, numbering.vocabulary_size
    least, most = (int(words.min()), int(words.max())) if len(words) else (-1, -1)
    given = int(base) if base != "auto" else stated
    if given is not None:
        if least == 0 and given == 1:
            source = "--index-base" if base != "auto" else "its comment"
            raise CorpusError(f"{path} contains the word 0, but {source} says that the first word is 1. Correct that.")
        return given
    if least == 0 or not len(words):
        return 0 if len(words) or otherwise is not None else 1
    if most == size:
        if otherwise == 0:
            warn(f"{path} contains the word {most} of {size}, so its words are numbered from 1, not from 0.")
        return 1
    if otherwise is not None:
        return otherwise
    assumed = 1 if size is None else 0
    warn(
        f"{path} does not say whether its first word has the number 0 or 1. {assumed} is assumed; pass --index-base 0"
        " or 1 to be sure."
    )
    return assumed


def write_mtx(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write a Matrix Market file; see `read_mtx`."""
    mmwrite(file, counts, symmetry="general")


def write_uci(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write UCI bags of words; see `read_uci`."""
    file.write(f"{counts.shape[0]}\n{counts.shape[1]}\n{counts.nnz}\n".encode())
    for document, (words, values) in enumerate(_rows(counts), start=1):
        lines = (f"{document} {word + 1} {value}\n" for word, value in zip(words, values, strict=True))
        file.write("".join(lines).encode())


def write_ldac(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write LDA-C; see `read_ldac`."""
    _write_pairs(file, counts, np.diff(counts.indptr).tolist(), first_word=0)


def write_svmlight(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None = None) -> None:
    """Write svmlight with words from 1, which a comment states, and the labels, or 0 without; see `read_svmlight`."""
    labels = ("0",) * counts.shape[0] if labels is None else labels
    for label in labels:
        if label.split() != [label] or ":" in label or "#" in label:
            raise CorpusError(
                f"The label {label!r} cannot be written to svmlight. Choose another format, or number the labels."
            )
    file.write(b"# Column indices are one-based\n")
    _write_pairs(file, counts, labels, first_word=1)


def _write_pairs(file: BinaryIO, counts: csr_array, line_starts: Sequence[object], *, first_word: int) -> None:
    for line_start, (words, values) in zip(line_starts, _rows(counts), strict=True):
        pairs = (f" {word + first_word}:{value}" for word, value in zip(words, values, strict=True))
        file.write(f"{line_start}{''.join(pairs)}\n".encode())


def _rows(counts: csr_array) -> Iterator[tuple[list[int], list[int]]]:
    for start, end in pairwise(counts.indptr):
        yield counts.indices[start:end].tolist(), counts.data[start:end].tolist()


LINE_FORMATS: dict[str, tuple[Callable[[Path, Numbering], ReadCounts], Callable[..., None]]] = {
    "mtx": (read_mtx, write_mtx),
    "uci": (read_uci, write_uci),
    "ldac": (read_ldac, write_ldac),
    "svmlight": (read_svmlight, write_svmlight),
}


class _Lines(Iterator[str]):
    """The lines of a file and the number of the current one, for error messages."""

    def __init__(self, path: Path, file: TextIO, number: int = 0) -> None:
        self.path, self.number, self._file = path, number, file

    def __next__(self) -> str:
        self.number += 1
        return next(self._file)

    def error(self, reason: object, number: int | None = None) -> CorpusError:
        number = self.number if number is None else number
        return CorpusError(f"{self.path}, line {number} is malformed: {reason}. Correct it, or write the file again.")


def _read_entries(lines: _Lines, header: str) -> ReadCounts:
    """Read lines `document word count`, numbered from 1; the header has the numbers of documents, words and entries."""
    if not _SIZES.fullmatch(header):
        raise lines.error(f"{header.strip()[:40]!r} is not the numbers of documents, words and entries")
    n_documents, vocabulary_size, n_entries = map(int, header.split())
    if not (0 <= n_documents <= MAX_DOCUMENTS and 0 <= vocabulary_size <= MAX_WORDS):
        raise lines.error(f"{counted(n_documents, 'document')} and {counted(vocabulary_size, 'word')} are out of range")
    entries = (line for line in lines if line.strip() and not line.startswith("%"))
    limits = {"document": (1, n_documents), "word": (1, vocabulary_size), "count": (0, _MAX_COUNT)}
    documents, words, counts = _parse(lines, entries, limits)
    if len(counts) != n_entries:
        raise CorpusError(
            f"{lines.path} promises {counted(n_entries, 'entry')} and has {len(counts):,}: it is truncated or was"
            " changed. Download it again."
        )
    _check_declared_size(lines, n_documents, len(counts))
    return ReadCounts(coo_array((counts, (documents - 1, words - 1)), shape=(n_documents, vocabulary_size)))


def _check_declared_size(lines: _Lines, n_documents: int, n_entries: int) -> None:
    """Refuse far more documents than entries, for which memory would be allocated that the file does not justify."""
    if n_documents > MAX_EMPTY_DOCUMENTS + 100 * n_entries:
        raise CorpusError(
            f"{lines.path} declares {counted(n_documents, 'document')} and has {counted(n_entries, 'entry')}, so nearly"
            " all documents are empty. Correct the number of documents."
        )


def _read_pairs(
    path: Path, split: Callable[[str], list[str] | None], first_word: Callable[[NDArray], int]
) -> ReadCounts:
    """Read one document of pairs `word:count` per line.

    `split` returns the pairs of a line, or None if it has no document, and raises `ValueError` if it is malformed.
    `first_word` returns the number of the first word of the vocabulary, given all words.
    """
    lengths: list[int] = []

    def split_lines(lines: _Lines) -> Iterator[str]:
        for line in lines:
            try:
                pairs = split(line)
            except ValueError as error:
                raise lines.error(error) from None
            if pairs is not None:
                lengths.append(len(pairs))
                yield from pairs

    with open_text(path) as file:
        lines = _Lines(path, file)
        limits = {"word": (0, MAX_WORDS - 1), "count": (0, _MAX_COUNT)}
        words, counts = _parse(lines, split_lines(lines), limits, delimiter=":")
    index_base = first_word(words)
    words -= index_base
    documents = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    shape = (len(lengths), int(words.max(initial=-1)) + 1)
    return ReadCounts(coo_array((counts, (documents, words)), shape=shape), index_base=index_base)


def _parse(
    lines: _Lines, texts: Iterator[str], limits: dict[str, tuple[int, int]], *, delimiter: str | None = None
) -> list[NDArray[np.signedinteger]]:
    """Return the columns of integers in texts that come from `lines`, given the name and range of each column."""
    line_numbers = array("q")
    text = ""

    def count_lines() -> Iterator[str]:
        nonlocal text
        for text in texts:
            line_numbers.append(lines.number)
            yield text

    counted = count_lines()
    first = next(counted, None)
    if first is None:
        return [np.zeros(0, dtype=np.int64) for _ in limits]  # loadtxt would warn
    try:
        # Unlike a plain type, a type with fields requires this number of columns. Counts may be written as 2.0 or 1e2.
        dtype = np.dtype([(name, np.float64 if name == "count" else np.int64) for name in limits])
        numbers = np.loadtxt(chain([first], counted), dtype=dtype, delimiter=delimiter, comments=None, ndmin=1)
    except (CorpusError, UnicodeError):
        raise
    except ValueError:
        raise lines.error(_describe_malformed(text, list(limits), delimiter)) from None
    for name, (least, most) in limits.items():
        invalid = ~((numbers[name] >= least) & (numbers[name] <= most) & (np.floor(numbers[name]) == numbers[name]))
        if invalid.any():
            index = int(invalid.argmax())
            reason = f"the {name} {numbers[name][index].item():.16g} is not an integer from {least} to {most}"
            raise lines.error(reason, line_numbers[index])
    # Small types for documents and words save memory.
    return [numbers[name].astype(np.int32 if most < 2**31 else np.int64) for name, (_, most) in limits.items()]


def _describe_malformed(text: str, names: list[str], delimiter: str | None) -> str:
    """Say why a text is not a sequence of integers with these names."""
    values = text.split(delimiter)
    if len(values) == len(names):
        for name, value in zip(names, values, strict=True):
            if name != "count" and not re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value):
                return f"the {name} {value.strip()[:40]!r} is not an integer"
    return f"{text.strip()[:40]!r} is not {counted(len(names), 'number')}"
