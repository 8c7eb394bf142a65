"""The document-term matrix: counts `[N, V]` with the words of its columns and the ids of its rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.text.accumulator import DROPPED, CountAccumulator, Metadata, TokenIndex, lots
from docnvil.text.documents import Document
from docnvil.text.fast_tokens import reader_of
from docnvil.text.sparse import as_counts, row_sums, take_columns
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.text.vocabulary import Vocabulary, check_limits, choose_words

__all__ = ["DocumentTermMatrix", "align_vocabulary", "as_counts", "count_words", "split_documents", "word_sequences"]


@dataclass(frozen=True, eq=False)
class DocumentTermMatrix:
    """How often each word of the vocabulary occurs in each document.

    Arguments:
        counts: the counts, `[N, V]`; anything `as_counts` takes.
        vocabulary: the words of the columns, V.
        ids: the ids of the documents, N, as their source gives them.
        metadata: what else is known of the documents: column to one value a row, `""` where absent.
        rules: how the texts became words, or None if the counts came ready-made.
        unknown: how many words of each document were left out because the vocabulary does not have them, `[N]`; None
            if none were.

    Raises:
        CorpusError: the counts are no counts, or the ids or metadata do not fit the rows.
        VocabularyError: the vocabulary does not fit the columns.

    >>> matrix = DocumentTermMatrix([[2, 0], [0, 0]], Vocabulary(["cat", "mouse"]), ("a", "b"))
    >>> matrix.n_documents, matrix.vocabulary_size, matrix.n_tokens, matrix.empty.tolist()
    (2, 2, 2, [False, True])
    """

    counts: csr_array
    vocabulary: Vocabulary
    ids: Sequence[str]
    metadata: dict[str, Sequence[str]] = field(default_factory=dict)
    rules: TokenRules | None = None
    unknown: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", as_counts(self.counts, where="The document-term matrix"))
        n_rows, n_columns = self.counts.shape
        if n_columns != len(self.vocabulary):
            raise VocabularyError(
                f"The counts have {n_columns} columns and the vocabulary {len(self.vocabulary)} words. Give the"
                " vocabulary that belongs to the counts."
            )
        if n_rows != len(self.ids):
            raise CorpusError(f"The counts have {n_rows} rows; there are {len(self.ids)} ids. Give each row an id.")
        for name, values in self.metadata.items():
            if len(values) != n_rows:
                raise CorpusError(f"The metadata {name!r} has {len(values)} values for {n_rows} rows. Give one a row.")

    @property
    def n_documents(self) -> int:
        """N, the number of documents, empty ones among them."""
        return int(self.counts.shape[0])

    @property
    def vocabulary_size(self) -> int:
        """V, the number of words in the vocabulary."""
        return int(self.counts.shape[1])

    @property
    def n_tokens(self) -> int:
        """How many words were counted in all."""
        return int(self.counts.data.sum(dtype=np.int64))

    @property
    def lengths(self) -> np.ndarray:
        """How many words were counted in each document, `[N]`, int64."""
        return row_sums(self.counts)

    @property
    def empty(self) -> np.ndarray:
        """Which documents have no counted word, `[N]`, bool."""
        return np.diff(self.counts.indptr) == 0

    @property
    def n_unknown(self) -> int:
        """How many words in all were left out because the vocabulary does not have them."""
        return 0 if self.unknown is None else int(self.unknown.sum())

    @property
    def repeated_ids(self) -> tuple[str, ...]:
        """The ids that more than one document bears, in the order in which they first come back."""
        seen: set[str] = set()
        return tuple(dict.fromkeys(name for name in self.ids if name in seen or seen.add(name)))

    def select(self, rows: Any) -> "DocumentTermMatrix":
        """Return the matrix of some rows, in the order given.

        Arguments:
            rows: anything that indexes a NumPy array of length N: positions, a mask or a slice.
        """
        chosen = np.arange(self.n_documents)[rows]
        return replace(
            self,
            counts=self.counts[chosen],
            ids=tuple(self.ids[row] for row in chosen),
            metadata={name: tuple(values[row] for row in chosen) for name, values in self.metadata.items()},
            unknown=None if self.unknown is None else self.unknown[chosen],
        )


def count_words(
    documents: Iterable[Document],
    *,
    rules: TokenRules | None = None,
    vocabulary: Vocabulary | None = None,
    size: int | None = 10_000,
    min_df: int | float = 2,
    max_df: int | float = 0.5,
) -> DocumentTermMatrix:
    """Count the words of documents in one pass over them.

    Every document keeps its row and its id, even when none of its words is counted.

    Arguments:
        documents: the documents; read once, none is kept.
        rules: how texts become words; None for the defaults.
        vocabulary: the words to count, others are passed over; None chooses them by the limits that follow.
        size: how many words at most, the most frequent ones; None for all.
        min_df: the fewest documents a word must occur in, a number (int) or a share (float).
        max_df: the most documents a word may occur in, likewise.

    Returns:
        The counts, with the documents' ids and metadata and the rules.

    Raises:
        ConfigurationError: a limit is out of its range.
        CorpusError: there are no documents.
        VocabularyError: the limits leave no word.

    >>> documents = [Document("a", "A mouse, a cat."), Document("b", "A cat!"), Document("c", "Nothing")]
    >>> matrix = count_words(documents, max_df=1.0)
    >>> matrix.vocabulary.words, matrix.counts.toarray().tolist()
    (('cat',), [[1], [1], [0]])
    """
    check_limits(size, min_df, max_df)
    rules = TokenRules() if rules is None else rules
    tokenizer = Tokenizer(rules)
    columns = TokenIndex(tokenizer, vocabulary)
    read = reader_of(tokenizer, columns)
    tally = CountAccumulator()
    ids: list[str] = []
    metadata = Metadata()
    for lot in lots(documents):
        tally.add(*read([document.text for document in lot]), len(lot))
        metadata.add(len(ids), lot)
        ids.extend(document.id for document in lot)
    if not ids:
        raise CorpusError("There are no documents to count. Check the source.")
    unknown = None
    if vocabulary is None:
        words = list(columns.words)
        vocabulary = _chosen(tally, words, len(ids), size=size, min_df=min_df, max_df=max_df)
        counts = tally.counts(len(vocabulary), vocabulary.columns_of(words))
    else:
        counts, unknown = tally.counts(len(vocabulary)), tally.unknown()
    return DocumentTermMatrix(counts, vocabulary, tuple(ids), metadata.padded(len(ids)), rules, unknown)


def word_sequences(
    documents: Iterable[Document], rules: TokenRules | None, vocabulary: Vocabulary
) -> Iterator[np.ndarray]:
    """Yield each document's words in their order, as columns of a vocabulary; -2 for a word it does not have.

    Tokens that the rules drop, stop words among them, leave no gap.

    Arguments:
        documents: the documents; read one by one. rules: how texts become words; None for the defaults.
        vocabulary: the words, V.

    >>> pets = [Document("a", "A mouse, an owl and a cat.")]
    >>> [words.tolist() for words in word_sequences(pets, None, Vocabulary(["cat", "mouse"]))]
    [[1, -2, 0]]
    """
    tokenizer = Tokenizer(TokenRules() if rules is None else rules)
    columns = TokenIndex(tokenizer, vocabulary)
    for document in documents:
        found = np.fromiter(map(columns.__getitem__, tokenizer.split(document.text)), dtype=np.int64)
        yield found[found != DROPPED]


def _chosen(tally: CountAccumulator, words: list[str], n_documents: int, **limits: Any) -> Vocabulary:
    """Choose the vocabulary among the words that were counted."""
    frequencies = (each.tolist() for each in tally.frequencies(len(words)))
    return choose_words(zip(words, *frequencies, strict=True), n_documents, **limits)


def align_vocabulary(matrix: DocumentTermMatrix, vocabulary: Vocabulary) -> DocumentTermMatrix:
    """Return the matrix with its columns brought to another vocabulary, word by word.

    Words the other vocabulary does not have are dropped; words only it has get empty columns.

    Arguments:
        matrix: the counts, `[N, V]`.
        vocabulary: the words wanted, V'.

    Returns:
        The counts, `[N, V']`; `matrix` itself if the vocabularies are the same.

    >>> matrix = DocumentTermMatrix([[2, 1]], Vocabulary(["cat", "mouse"]), ("a",))
    >>> align_vocabulary(matrix, Vocabulary(["mouse", "owl"])).counts.toarray().tolist()
    [[1, 0]]
    """
    if vocabulary == matrix.vocabulary:
        return matrix
    counts = take_columns(matrix.counts, matrix.vocabulary.columns_of(vocabulary.words))
    dropped = matrix.lengths - row_sums(counts)
    unknown = dropped if matrix.unknown is None else dropped + matrix.unknown
    return replace(matrix, counts=counts, vocabulary=vocabulary, unknown=unknown)


def split_documents(
    matrix: DocumentTermMatrix, held_out: float | int, generator: np.random.Generator
) -> tuple[DocumentTermMatrix, DocumentTermMatrix]:
    """Split documents at random in two, both in the order they had.

    Arguments:
        matrix: the counts.
        held_out: how many documents to hold out, a number (int) or a share (float).
        generator: where the chance comes from.

    Returns:
        The rest, and the documents held out.

    Raises:
        ConfigurationError: either part would have no documents.

    >>> matrix = DocumentTermMatrix([[1], [2], [3], [4]], Vocabulary(["cat"]), ("a", "b", "c", "d"))
    >>> rest, held_out = split_documents(matrix, 0.25, np.random.default_rng(0))
    >>> rest.n_documents, held_out.n_documents
    (3, 1)
    """
    rest, chosen = split_rows(matrix.n_documents, held_out, generator)
    return matrix.select(rest), matrix.select(chosen)


def split_rows(
    n_documents: int, held_out: float | int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Split row numbers at random in two, both ascending; the arguments are those of `split_documents`."""
    if isinstance(held_out, float) and not 0.0 < held_out < 1.0:
        raise ConfigurationError(f"The share to hold out is {held_out}. Give one between 0.0 and 1.0.")
    n_held_out = round(held_out * n_documents) if isinstance(held_out, float) else held_out
    if not 0 < n_held_out < n_documents:
        raise ConfigurationError(
            f"Holding out {n_held_out} of {n_documents} documents leaves one part empty. Hold out from 1 to"
            f" {n_documents - 1} documents, or a share of them."
        )
    mask = np.zeros(n_documents, dtype=bool)
    mask[generator.choice(n_documents, size=n_held_out, replace=False)] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)
