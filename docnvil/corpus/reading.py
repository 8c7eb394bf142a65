"""Reading of prepared corpora; `writing` describes their files. Counts are memory-mapped."""

import csv
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from docnvil.corpus.writing import FORMAT_VERSION
from docnvil.errors import CheckpointError, CorpusError, counted
from docnvil.runtime.arrays import map_array, map_bytes
from docnvil.runtime.folders import read_unchanged, verify_folder
from docnvil.runtime.mapped import check_mappings
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.records import csv_rows
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary


def read_corpus(path: str | Path) -> DocumentTermMatrix:
    """Read a prepared corpus; its counts stay on disk, and its ids and metadata are read when they are first used.

    Arguments:
        path: the folder.

    Raises:
        CheckpointError: the folder is incomplete or damaged, or has another format version. If another program wrote
            it, the error may occur when ids or metadata are first used.

    >>> from tempfile import TemporaryDirectory
    >>> from docnvil.corpus.writing import write_corpus
    >>> matrix = DocumentTermMatrix([[2, 0], [0, 0]], Vocabulary(["cat", "mouse"]), ("a", "b"))
    >>> with TemporaryDirectory() as folder:
    ...     write_corpus(matrix, Path(folder, "pets"))
    ...     read_corpus(Path(folder, "pets")).counts.toarray().tolist()
    [[2, 0], [0, 0]]
    """
    path = Path(path)
    return read_unchanged(path, lambda: _read(path))


def _read(path: Path) -> DocumentTermMatrix:
    verify_folder(path, kind="corpus")
    try:
        description = json.loads((path / "corpus.json").read_text(encoding="utf-8"))
        version = description["format_version"]
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{path} is a corpus of format version {version}; this docnvil reads version {FORMAT_VERSION}. Use the"
                f" docnvil that wrote it ({description.get('docnvil')}), or build the corpus again."
            )
        ids, metadata = _open_documents(path / "documents.csv", int(description["documents"]))
        rules = None if description["rules"] is None else TokenRules.from_json(description["rules"])
        vocabulary = Vocabulary.load(path / "vocabulary.txt")
        reading = dict(description.get("reading", {}))  # folders of earlier versions do not have it
        counts = _map_counts(path, len(vocabulary))
        unknown = path / "unknown.npy"
        unknown_counts = np.load(unknown, allow_pickle=False) if unknown.is_file() else None
        return DocumentTermMatrix(counts, vocabulary, ids, metadata, rules, unknown_counts, reading)
    except CheckpointError:
        raise
    except Exception as error:
        # The checksums are right, so these files were not written by docnvil: parsers may raise any error.
        raise CheckpointError(f"{path} is not a corpus that docnvil wrote ({error}). Build it again.") from error


def _map_counts(path: Path, vocabulary_size: int) -> csr_array:
    indptr, indices, counts = (map_array(path / f"{name}.npy") for name in ("indptr", "indices", "counts"))
    # SciPy needs one type for both index arrays. Convert the short one, so that the long one stays on disk.
    if indptr[-1] <= np.iinfo(indices.dtype).max:
        indptr = indptr.astype(indices.dtype)
    return csr_array((counts, indices, indptr), shape=(len(indptr) - 1, vocabulary_size))


def _open_documents(path: Path, n_documents: int) -> tuple[Sequence[str], dict[str, Sequence[str]]]:
    """Return the ids and the metadata of a table of which only the header has been read."""
    with path.open(encoding="utf-8", newline="") as file:
        first, *names = next(csv_rows(csv.reader(file)), [""])
    if first != "id":
        raise CorpusError(f"the first column of {path} is not 'id'")
    table = _Table(path, n_documents)
    ids, *metadata = (_Column(table, number) for number in range(len(names) + 1))
    return ids, dict(zip(names, metadata, strict=True))


class _Table:
    """The columns of a CSV file, which is parsed when one of them is first used.

    The file is memory-mapped, so the content stays that of the opened corpus even if the corpus is replaced later.
    """

    def __init__(self, path: Path, n_rows: int) -> None:
        self._path, self.n_rows = path, n_rows
        self._bytes = map_bytes(path)

    @cached_property
    def columns(self) -> list[tuple[str, ...]]:
        """The values of each column, without the header."""
        check_mappings()
        try:
            reader = csv_rows(csv.reader(TextIOWrapper(BytesIO(self._bytes), encoding="utf-8", newline="")))
            columns: list[list[str]] = [[] for _ in next(reader)]
            for row in reader:  # a list of all rows would take several times the memory of the columns
                for column, value in zip(columns, row, strict=True):
                    column.append(value)
        except (ValueError, csv.Error) as error:
            raise CheckpointError(f"{self._path} is not a table ({error}). Build the corpus again.") from None
        check_mappings()
        if len(columns[0]) != self.n_rows:
            raise CheckpointError(
                f"{self._path} has {counted(len(columns[0]), 'row')} for {counted(self.n_rows, 'document')}. Build the"
                " corpus again."
            )
        return [tuple(column) for column in columns]


class _Column(Sequence[str]):
    """A column of a `_Table`; its length is known before the table is parsed."""

    def __init__(self, table: _Table, number: int) -> None:
        self._table, self._number = table, number

    def __len__(self) -> int:
        return self._table.n_rows

    def __getitem__(self, row: Any) -> Any:
        return self._table.columns[self._number][row]

    def __iter__(self) -> Iterator[str]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return self[:] == tuple(other) if isinstance(other, Sequence) else NotImplemented
