"""A prepared corpus: a folder a person can open, whose counts are mapped into memory instead of read.

corpus.json       version, sizes and token rules
vocabulary.txt    one word a line, V lines
documents.csv     id and metadata, a row a document
indptr.npy        where each document's entries begin, [N + 1], int64
indices.npy       the columns of the entries, int32
counts.npy        their counts, int32 or int64
"""

import csv
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from io import BytesIO, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from docnvil.corpus.writing import FORMAT_VERSION, writing_corpus
from docnvil.errors import CheckpointError, ConfigurationError, CorpusError, DocnvilError, VocabularyError
from docnvil.runtime.folders import verify_folder
from docnvil.text.counts import DocumentTermMatrix, align_vocabulary, count_words, split_documents, split_rows
from docnvil.text.documents import TEXT_FORMATS, Document, SourceOptions, detect_format, read_documents
from docnvil.text.formats import read_counts
from docnvil.text.records import csv_rows
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary

_DEFAULTS = SourceOptions()


def write_corpus(matrix: DocumentTermMatrix, path: str | Path, *, force: bool = False) -> None:
    """Write a prepared corpus; the folder is there whole or not at all.

    Arguments:
        matrix: the counts.
        path: the folder to make.
        force: replace a folder of ours that already stands there.

    Raises:
        OutputExistsError: something stands at the path that may not be replaced.

    >>> from tempfile import TemporaryDirectory
    >>> matrix = DocumentTermMatrix([[2, 0], [0, 0]], Vocabulary(["cat", "mouse"]), ("a", "b"))
    >>> with TemporaryDirectory() as folder:
    ...     write_corpus(matrix, Path(folder, "pets"))
    ...     read_corpus(Path(folder, "pets")).counts.toarray().tolist()
    [[2, 0], [0, 0]]
    """
    columns = tuple(matrix.metadata)
    kind = matrix.counts.dtype
    with writing_corpus(
        Path(path), matrix.vocabulary, matrix.rules, columns=columns, dtype=kind, force=force
    ) as corpus:
        corpus.append(matrix.counts, matrix.ids, matrix.metadata)


def read_corpus(path: str | Path) -> DocumentTermMatrix:
    """Read a prepared corpus; its counts, ids and metadata stay on the disk until they are used.

    Arguments:
        path: the folder.

    Returns:
        The counts, with ids, metadata and rules.

    Raises:
        CheckpointError: the folder is incomplete or altered, or of a version this docnvil does not know. Where someone
            else wrote it, ids and metadata may raise it when they are first looked at.
    """
    path = Path(path)
    verify_folder(path, kind="corpus")
    try:
        description = json.loads((path / "corpus.json").read_text(encoding="utf-8"))
        version = description["format_version"]
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{path} is a corpus of format version {version}; this docnvil reads version {FORMAT_VERSION}. Use the"
                f" docnvil that wrote it ({description.get('docnvil')}), or prepare the corpus again."
            )
        ids, metadata = _table_of_documents(path / "documents.csv", int(description["documents"]))
        rules = None if description["rules"] is None else TokenRules.from_json(description["rules"])
        vocabulary = Vocabulary.load(path / "vocabulary.txt")
        return DocumentTermMatrix(_mapped_counts(path, len(vocabulary)), vocabulary, ids, metadata, rules)
    except CheckpointError:
        raise
    except (DocnvilError, OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        # The bytes are those that were written, so whoever wrote them did not write a corpus.
        raise CheckpointError(f"{path} is not a corpus that docnvil wrote ({error}). Prepare it again.") from None


def load_document_term_matrix(
    path: str | Path,
    options: SourceOptions = _DEFAULTS,
    *,
    rules: TokenRules | None = None,
    vocabulary: Vocabulary | None = None,
    vocabulary_path: Path | None = None,
    size: int | None = 10_000,
    min_df: int | float = 2,
    max_df: int | float = 0.5,
    may_be_empty: bool = False,
) -> DocumentTermMatrix:
    """Read counts from whatever holds them: texts are tokenized and counted, counts and prepared corpora are read.

    Counts that come with their words are brought to `vocabulary` word by word; counts without named words must have
    exactly its width.

    Arguments:
        path: the source, in any of `documents.FORMATS`.
        options: how it is to be read.
        rules: how texts become words; None for the defaults.
        vocabulary: the words wanted, a trained model's; None for the source's own.
        vocabulary_path: a file with one word a line: the words of ready-made counts, or the words to count in texts.
        size: how many words of texts are counted at most, if the vocabulary is to be made.
        min_df: the fewest documents a word of texts must occur in, a number (int) or a share (float).
        max_df: the most documents a word of texts may occur in, likewise.
        may_be_empty: whether it is all right if no document has a word that counts.

    Returns:
        The counts.

    Raises:
        CorpusError: the source cannot be read, or all its documents are empty.
        VocabularyError: no word is left or shared, or the widths differ.
        CheckpointError: a prepared corpus is incomplete or altered.
    """
    path = Path(path)
    form = detect_format(path, options)
    if form in TEXT_FORMATS:
        if vocabulary is None and vocabulary_path is not None:
            vocabulary = Vocabulary.load(vocabulary_path)
        limits: dict[str, Any] = {"size": size, "min_df": min_df, "max_df": max_df}
        matrix = count_words(_some(path, options), rules=rules, vocabulary=vocabulary, **limits)
    else:
        matrix = _read_ready_made(path, form, vocabulary_path, options.array)
        if vocabulary is not None:
            matrix = _fitted(matrix, vocabulary, path)
    if matrix.empty.all() and not may_be_empty:
        raise all_empty(path, matrix.vocabulary_size)
    return matrix


def all_empty(path: Path, vocabulary_size: int) -> CorpusError:
    """Return the error that none of a source's documents has a word that counts."""
    return CorpusError(
        f"Every document of {path} is empty after tokenization: none of its words is in the vocabulary of"
        f" {vocabulary_size} words. Check the source, the token rules and the vocabulary."
    )


def load_train_test(
    path: str | Path,
    options: SourceOptions,
    held_out: int | float,
    generator: np.random.Generator,
    *,
    vocabulary_path: Path | None = None,
    **counting: Any,
) -> tuple[DocumentTermMatrix, DocumentTermMatrix]:
    """Read a source in two parts, one to learn from and one to judge by, that share a vocabulary.

    The words of texts are chosen by the first part alone: a held-out document teaches the model nothing, not even
    which words there are. The source is gone through three times, so that neither part's texts are kept in memory.

    Arguments:
        path: the source. options: how it is to be read.
        held_out: documents in the second part, a share (float) or a number (int).
        generator: draws them.
        vocabulary_path: as for `load_document_term_matrix`.
        counting: `rules`, `size`, `min_df` and `max_df`, as for `load_document_term_matrix`.

    Returns:
        The documents to learn from and those held out, both in the order of the source.

    Raises:
        ConfigurationError: one of the two parts would be empty. Also everything `load_document_term_matrix` raises.
    """
    if detect_format(path, options) not in TEXT_FORMATS or vocabulary_path is not None:
        return split_documents(
            load_document_term_matrix(path, options, vocabulary_path=vocabulary_path, **counting), held_out, generator
        )
    n_documents = sum(1 for _ in _some(path, options))
    rest, chosen = split_rows(n_documents, held_out, generator)
    learned = count_words(_only(rest, read_documents(path, options)), **counting)
    judged = count_words(
        _only(chosen, read_documents(path, options)), rules=learned.rules, vocabulary=learned.vocabulary
    )
    if learned.empty.all():
        raise CorpusError(
            f"Every document of {path} is empty after tokenization. Check the source and the token rules."
        )
    return learned, judged


def _some(path: Path, options: SourceOptions) -> Iterator[Document]:
    """Pass on the documents of a source, of which there must be one at least."""
    documents = read_documents(path, options)
    first = next(documents, None)
    if first is None:
        raise no_documents(path)
    return chain([first], documents)


def no_documents(path: Path) -> CorpusError:
    """Return the error that a source has no documents."""
    return CorpusError(f"{path} holds no documents. Check that it is the right source, and was written whole.")


def _only(rows: np.ndarray, documents: Iterator[Document]) -> Iterator[Document]:
    """Pass on the documents of some rows, which are in ascending order."""
    wanted = iter(rows.tolist())
    row = next(wanted, None)
    for number, document in enumerate(documents):
        if number == row:
            yield document
            row = next(wanted, None)


def _read_ready_made(path: Path, form: str, vocabulary_path: Path | None, array: str | None) -> DocumentTermMatrix:
    if form != "corpus":
        return read_counts(path, form, vocabulary_path=vocabulary_path, array=array)
    if vocabulary_path is not None:
        raise ConfigurationError(f"The prepared corpus {path} has a vocabulary of its own. Leave out --vocabulary.")
    return read_corpus(path)


def _fitted(matrix: DocumentTermMatrix, vocabulary: Vocabulary, path: Path) -> DocumentTermMatrix:
    """Return the matrix with its columns brought to `vocabulary`, by word, or by place where words have no names."""
    if matrix.vocabulary.is_numbered or vocabulary.is_numbered:
        if matrix.vocabulary_size != len(vocabulary):
            raise VocabularyError(
                f"{path} has {matrix.vocabulary_size} words and the model {len(vocabulary)}; without names they cannot"
                " matched. Pass the words of the counts with --vocabulary."
            )
        return DocumentTermMatrix(matrix.counts, vocabulary, matrix.ids, matrix.metadata, matrix.rules)
    if not any(word in vocabulary for word in matrix.vocabulary):
        raise VocabularyError(
            f"{path} and the model have no word in common: {matrix.vocabulary} against {vocabulary}. Check that the"
            " counts are of the same language and token rules as the model's."
        )
    return align_vocabulary(matrix, vocabulary)


def _table_of_documents(path: Path, n_documents: int) -> tuple[Sequence[str], dict[str, Sequence[str]]]:
    """Return ids and metadata, of which only the names have been read."""
    with path.open(encoding="utf-8", newline="") as file:
        first, *names = next(csv_rows(csv.reader(file)), [""])
    if first != "id":
        raise CorpusError(f"{path} does not begin with ids")
    table = _Table(path, n_documents)
    ids, *metadata = (_Column(table, number) for number in range(len(names) + 1))
    return ids, dict(zip(names, metadata, strict=True))


class _Table:
    """The columns of a CSV file, read when the first of them is looked into: training never does.

    The file is mapped, as the counts are, so that what is read later is what was there when the corpus was opened.
    """

    def __init__(self, path: Path, n_rows: int) -> None:
        self._path, self.n_rows = path, n_rows
        self._bytes = np.memmap(path, dtype=np.uint8, mode="r")

    @cached_property
    def columns(self) -> list[tuple[str, ...]]:
        """All columns, by place, without their names."""
        try:
            reader = csv_rows(csv.reader(TextIOWrapper(BytesIO(self._bytes), encoding="utf-8", newline="")))
            columns: list[list[str]] = [[] for _ in next(reader)]
            for row in reader:  # one by one: all rows as lists would weigh several times what the columns do
                for column, value in zip(columns, row, strict=True):
                    column.append(value)
        except (ValueError, csv.Error) as error:
            raise CheckpointError(f"{self._path} is no table ({error}). Prepare the corpus again.") from None
        if len(columns[0]) != self.n_rows:
            raise CheckpointError(
                f"{self._path} has {len(columns[0])} rows for {self.n_rows} documents. Prepare the corpus again."
            )
        return [tuple(column) for column in columns]


class _Column(Sequence[str]):
    """A column of a table, which knows its length before it is read."""

    def __init__(self, table: _Table, number: int) -> None:
        self._table, self._number = table, number

    @property
    def _values(self) -> tuple[str, ...]:
        return self._table.columns[self._number]

    def __len__(self) -> int:
        return self._table.n_rows

    def __getitem__(self, row: Any) -> Any:
        return self._values[row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values)


def _mapped_counts(path: Path, width: int) -> csr_array:
    starts, columns, values = (
        np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("indptr", "indices", "counts")
    )
    # SciPy wants both index arrays of one type; the short one gives way, so that the long one stays on the disk.
    if starts[-1] <= np.iinfo(columns.dtype).max:
        starts = starts.astype(columns.dtype)
    return csr_array((values, columns, starts), shape=(len(starts) - 1, width))
