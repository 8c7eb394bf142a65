"""The document-term matrix: counts `[N, V]` with the words of its columns and the ids of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.errors import CorpusError, VocabularyError, counted
from docnvil.text.python_sources import as_strings, as_vocabulary
from docnvil.text.sparse import (
    CountRows,
    SelectedRows,
    as_counts,
    column_sums,
    document_frequencies,
    row_sums,
    take_columns,
)
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary, check_limits


@dataclass(frozen=True, eq=False, repr=False)
class DocumentTermMatrix:
    """The number of occurrences of each word of a vocabulary in each document, `[N, V]`.

    The counts of a prepared corpus are memory-mapped, so most of them stay on disk.

    Arguments:
        counts: the counts, `[N, V]`; anything that `as_counts` accepts.
        vocabulary: the words of the columns, V.
        ids: the ids of the documents, N; they may repeat.
        metadata: further values of the documents: column name to N strings, `""` where a document has no value.
        rules: how the texts were split into words; None if the counts were not made from texts.
        unknown_counts: number of words of each document that are not in the vocabulary, `[N]`; None if all are.
        reading: options with which later sources are read in the same way, see `SourceOptions`.
        reported: names of the faults that counting has warned of: "clauses", "empty" or "stop words".
        n_beyond_limits: number of words of the texts that the limits of the vocabulary left out.
        source: where the counts come from, for error messages.

    Raises:
        CorpusError: the counts are not integers >= 0, or there is not one id and one metadata value per row.
        VocabularyError: there is not one word per column.

    >>> matrix = DocumentTermMatrix([[2, 0], [0, 0]], Vocabulary(["cat", "mouse"]), ("a", "b"))
    >>> matrix
    DocumentTermMatrix(n_documents=2, vocabulary_size=2, n_tokens=2)
    >>> matrix.lengths.tolist(), matrix.empty.tolist()
    ([2, 0], [False, True])
    """

    counts: csr_array
    vocabulary: Vocabulary
    ids: Sequence[str]
    metadata: dict[str, Sequence[str]] = field(default_factory=dict)
    rules: TokenRules | None = None
    unknown_counts: NDArray[np.int64] | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    reported: frozenset[str] = frozenset()
    n_beyond_limits: int = 0
    source: InitVar[str] = "The document-term matrix"

    def __post_init__(self, source: str) -> None:
        object.__setattr__(self, "counts", as_counts(self.counts, where=source))
        object.__setattr__(self, "ids", as_strings(self.ids))
        object.__setattr__(self, "metadata", {name: as_strings(values) for name, values in self.metadata.items()})
        if not isinstance(self.vocabulary, Vocabulary):
            raise VocabularyError(
                f"The vocabulary is of type {type(self.vocabulary).__name__}. Make one with docnvil.Vocabulary(words)."
            )
        n_rows, n_columns = self.counts.shape
        if n_columns != len(self.vocabulary):
            raise VocabularyError(
                f"The counts have {counted(n_columns, 'column')}, but the vocabulary has"
                f" {counted(len(self.vocabulary), 'word')}. Pass the vocabulary of these counts."
            )
        if n_rows != len(self.ids):
            raise CorpusError(f"There are {counted(n_rows, 'row')} and {len(self.ids):,} ids. Pass one id per row.")
        for name, values in self.metadata.items():
            if len(values) != n_rows:
                raise CorpusError(
                    f"The metadata column {name!r} has {counted(len(values), 'value')} for {counted(n_rows, 'row')}."
                    " Pass one value per row."
                )

    def __repr__(self) -> str:
        sizes = (f"{name}={getattr(self, name)}" for name in ("n_documents", "vocabulary_size", "n_tokens"))
        return f"{type(self).__name__}({', '.join(sizes)})"

    @property
    def n_documents(self) -> int:
        """N, the number of documents, including empty ones."""
        return int(self.counts.shape[0])

    @property
    def vocabulary_size(self) -> int:
        """V, the number of words in the vocabulary."""
        return int(self.counts.shape[1])

    @property
    def n_tokens(self) -> int:
        """The sum of all counts."""
        return int(self.counts.data.sum(dtype=np.int64))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The sum of the counts of each document, `[N]`."""
        return row_sums(self.counts)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Whether all counts of a document are 0, `[N]`."""
        return np.diff(self.counts.indptr) == 0

    @property
    def n_unknown(self) -> int:
        """The sum of `unknown_counts`."""
        return 0 if self.unknown_counts is None else int(self.unknown_counts.sum())

    @property
    def repeated_ids(self) -> tuple[str, ...]:
        """The distinct ids that several documents have, in the order of their second occurrence."""
        seen: set[str] = set()
        return tuple(dict.fromkeys(name for name in self.ids if name in seen or seen.add(name)))

    def select(self, rows: Any) -> "DocumentTermMatrix":
        """Return the matrix of the selected documents, in the order given.

        Arguments:
            rows: an index into a NumPy array of length N: row numbers, a boolean mask or a slice.

        >>> DocumentTermMatrix([[2], [1], [0]], Vocabulary(["cat"]), ("a", "b", "c")).select([2, 0]).ids
        ('c', 'a')
        """
        selected = np.arange(self.n_documents)[rows]
        return replace(
            self,
            counts=self.counts[selected],
            ids=tuple(self.ids[row] for row in selected),
            metadata={name: tuple(values[row] for row in selected) for name, values in self.metadata.items()},
            unknown_counts=None if self.unknown_counts is None else self.unknown_counts[selected],
        )


def as_rows(counts: Any) -> CountRows:
    """Return the counts of a `DocumentTermMatrix`, or a matrix in any form as `as_counts`; selected rows as they are.

    >>> as_rows([[0, 2]]).toarray().tolist()
    [[0, 2]]
    """
    if isinstance(counts, SelectedRows):
        return counts
    return counts.counts if isinstance(counts, DocumentTermMatrix) else as_counts(counts, where="The matrix")


def require_matrix(value: object) -> None:
    """Raise a `CorpusError` if a value is not a `DocumentTermMatrix`; the message names the function that makes one."""
    if not isinstance(value, DocumentTermMatrix):
        raise CorpusError(
            f"{type(value).__name__} is not a DocumentTermMatrix. Make one from texts or counts with"
            " docnvil.count_words."
        )


def align_vocabulary(matrix: DocumentTermMatrix, vocabulary: Vocabulary) -> DocumentTermMatrix:
    """Return the matrix with the columns of another vocabulary, matched by word.

    Counts of words that the other vocabulary does not have are dropped; words that only it has get empty columns.
    Equal vocabularies return `matrix` itself.

    Arguments:
        matrix: the counts, `[N, V]`.
        vocabulary: the words of the result.

    >>> matrix = DocumentTermMatrix([[2, 1]], Vocabulary(["cat", "mouse"]), ("a",))
    >>> align_vocabulary(matrix, Vocabulary(["mouse", "owl"])).counts.toarray().tolist()
    [[1, 0]]
    """
    require_matrix(matrix)
    vocabulary = as_vocabulary(vocabulary)
    if vocabulary == matrix.vocabulary:
        return matrix
    counts = take_columns(matrix.counts, matrix.vocabulary.columns_of(vocabulary.words))
    unknown_counts = matrix.lengths - row_sums(counts)
    if matrix.unknown_counts is not None:
        unknown_counts += matrix.unknown_counts
    return replace(matrix, counts=counts, vocabulary=vocabulary, unknown_counts=unknown_counts)


def limit_vocabulary(
    matrix: DocumentTermMatrix, *, size: int | None = None, min_df: int | float = 1, max_df: int | float = 1.0
) -> DocumentTermMatrix:
    """Return the matrix without the words outside the limits; the others keep their order.

    Words that occur in no document are kept if `min_df` is 1, so that the columns stay the same.

    Arguments:
        matrix: the counts, `[N, V]`.
        size: maximum number of words, the most frequent ones are kept; None keeps all.
        min_df: minimum number (int) or share (float) of documents that contain a word.
        max_df: maximum number (int) or share (float) of documents that contain a word.

    Raises:
        ConfigurationError: a limit is out of range.
        VocabularyError: no word is left, or the words have no names to match later counts by.

    >>> matrix = DocumentTermMatrix([[2, 1, 0], [1, 0, 0]], Vocabulary(["cat", "mouse", "owl"]), ("a", "b"))
    >>> limit_vocabulary(matrix, min_df=2).vocabulary.words
    ('cat',)
    """
    require_matrix(matrix)
    check_limits(size, min_df, max_df)
    frequencies = document_frequencies(matrix.counts)
    least, most = (limit * matrix.n_documents if isinstance(limit, float) else limit for limit in (min_df, max_df))
    kept = ((frequencies >= least) | ((frequencies == 0) & (least <= 1))) & (frequencies <= most)
    if size is not None and kept.sum() > size:
        totals = np.where(kept, column_sums(matrix.counts), -1)
        kept = np.zeros_like(kept)
        kept[np.argsort(-totals, kind="stable")[:size]] = True
    if kept.all():
        return matrix
    if not kept.any():
        raise VocabularyError(
            f"No word, of {len(kept):,}, is within the limits --min-df {min_df} and --max-df {max_df}. Lower"
            " --min-df, or raise --max-df."
        )
    if matrix.vocabulary.is_numbered:
        raise VocabularyError(
            "The limits remove words, but the words have no names, so later counts could not be matched. Pass the"
            " words with --vocabulary, or leave out --min-df, --max-df and --vocabulary-size."
        )
    columns = np.flatnonzero(kept)
    words = Vocabulary(matrix.vocabulary[column] for column in columns.tolist())
    counts = take_columns(matrix.counts, columns)
    n_beyond_limits = matrix.n_beyond_limits + matrix.n_tokens - int(counts.data.sum(dtype=np.int64))
    return replace(matrix, counts=counts, vocabulary=words, n_beyond_limits=n_beyond_limits)
