"""The document-term matrix: counts `[N, V]` with the words of its columns and the ids of its rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.errors import CorpusError, VocabularyError, counted, warn
from docnvil.text.accumulator import CountAccumulator, SequenceAccumulator, document_chunks
from docnvil.text.documents import Document
from docnvil.text.fast_tokens import make_token_reader
from docnvil.text.ngram_counting import count_ngrams
from docnvil.text.python_sources import (
    PythonSource,
    as_vocabulary,
    bags_to_counts,
    classify_source,
    read_count_frame,
    read_source,
)
from docnvil.text.settings import SourceOptions, VocabularyLimits
from docnvil.text.sparse import (
    CountRows,
    SelectedRows,
    as_counts,
    column_sums,
    document_frequencies,
    row_sums,
    take_columns,
)
from docnvil.text.token_reader import DROPPED, UNKNOWN, TokenIndex
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.text.vocabulary import Vocabulary, check_limits, choose_words, number_words
from docnvil.text.word_checks import (
    LOOK_AT,
    WordLengths,
    describe_no_known_words,
    warn_of_limits,
    warn_of_words,
    words_of_first,
)


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


def count_words(
    documents: Any,
    *,
    rules: TokenRules | None = None,
    vocabulary: Any = None,
    size: int | None = VocabularyLimits.size,
    min_df: int | float = VocabularyLimits.min_df,
    max_df: int | float = VocabularyLimits.max_df,
    text_column: str = SourceOptions.text_column,
    id_column: str | None = None,
) -> DocumentTermMatrix:
    """Count the words of documents in one pass; every document keeps its row, even if none of its words is counted.

    Documents are texts, lists of tokens, `Document`s, or rows with names, in a list, an iterator, a series or a data
    frame of pandas or polars, or a Hugging Face `Dataset`. Ready-made counts are converted: bags of words, such as
    gensim's, and matrices. For files and folders, use `load_document_term_matrix`.

    Arguments:
        documents: the documents; they are read once and not kept.
        rules: how texts are split into words; None for the defaults.
        vocabulary: the words to count, or the words of ready-made counts: a `Vocabulary`, a list, gensim's
            `Dictionary`, or a fitted vectorizer; None chooses them by the following limits.
        size: maximum number of words, the most frequent ones are kept; None keeps all.
        min_df: minimum number (int) or share (float) of documents that contain a word.
        max_df: maximum number (int) or share (float) of documents that contain a word.
        text_column: the column of the text, for rows with names.
        id_column: the column of the ids; None for `id` if there is one, else row numbers from 1.

    Raises:
        ConfigurationError: a limit is out of range.
        CorpusError: there are no documents, or they are of a type that is not known.
        VocabularyError: no word is within the limits.

    >>> matrix = count_words(["A mouse, a cat.", "A cat!", "Nothing"], max_df=1.0)
    >>> matrix.vocabulary.words, matrix.counts.toarray().tolist()
    (('cat',), [[1], [1], [0]])
    """
    check_limits(size, min_df, max_df)
    vocabulary = as_vocabulary(vocabulary)
    if isinstance(documents, DocumentTermMatrix):
        return documents if vocabulary is None else align_vocabulary(documents, vocabulary)
    source = classify_source(documents)
    if source.kind in ("matrix", "bags"):
        return _from_counts(source, vocabulary, id_column)
    columns = SourceOptions(text_column=text_column, id_column=id_column)
    limits: dict[str, Any] = {"size": size, "min_df": min_df, "max_df": max_df}
    rules = TokenRules() if rules is None else rules
    matrix, words = count_documents(read_source(source, text_column, id_column), rules, vocabulary, **limits)
    if matrix.empty.all() and vocabulary is not None:
        warn(describe_no_known_words("the documents", vocabulary, matrix.n_unknown, words))
    return replace(matrix, reading=columns.non_default())


def _from_counts(source: PythonSource, vocabulary: Vocabulary | None, id_column: str | None) -> DocumentTermMatrix:
    """Return ready-made counts as a document-term matrix; the named columns of a data frame are matched by word."""
    counts = bags_to_counts(source.items, vocabulary) if source.kind == "bags" else source.items
    own, ids = None, None
    if getattr(counts, "columns", None) is not None:
        own, ids, counts = read_count_frame(counts, id_column)
    elif id_column:
        raise CorpusError(
            f"The counts have no columns with names, so there is no {id_column!r}. Leave out --id-column."
        )
    if getattr(counts, "ndim", 1) == 1 and not len(counts):
        raise CorpusError("There are no documents to count. Check the source.")
    counts = as_counts(counts, where="The matrix")
    if not counts.shape[1]:
        raise CorpusError("The counts have no words. Give a matrix of documents by words.")
    ids = ids or tuple(str(number) for number in range(1, counts.shape[0] + 1))
    if own is not None and (vocabulary is None or any(word in vocabulary for word in own)):
        matrix = DocumentTermMatrix(counts, own, ids)
        return matrix if vocabulary is None else align_vocabulary(matrix, vocabulary)
    vocabulary = number_words(counts.shape[1], counts.nnz, "The matrix") if vocabulary is None else vocabulary
    return DocumentTermMatrix(counts, vocabulary, ids)


def count_documents(
    documents: Iterable[Document], rules: TokenRules, vocabulary: Vocabulary | None, **limits: Any
) -> tuple[DocumentTermMatrix, list[str]]:
    """Count documents as `count_words` does, and return some of their words too if none is in a given vocabulary.

    Arguments:
        documents: the documents, read once.
        rules: how texts are split.
        vocabulary: the words to count, or None.
        limits: `size`, `min_df` and `max_df` of `count_words`.

    Example:
        >>> limits = {"size": None, "min_df": 1, "max_df": 1.0}
        >>> count_documents([Document("a", "A mouse, an owl.")], TokenRules(), Vocabulary(["cat"]), **limits)[1]
        ['mouse', 'owl']
    """
    check_limits(**limits)
    documents = iter(documents)
    first = list(islice(documents, LOOK_AT)) if vocabulary is not None else []
    matrix = _count_texts(chain(first, documents), rules, vocabulary, **limits)
    if vocabulary is None or not matrix.empty.all():
        return matrix, []
    return matrix, words_of_first(first, rules)


def _count_texts(
    documents: Iterable[Document], rules: TokenRules, vocabulary: Vocabulary | None, **limits: Any
) -> DocumentTermMatrix:
    """Count the words of documents, of a given vocabulary or one within the limits."""
    if rules.ngrams != (1, 1):
        accumulator = SequenceAccumulator(make_token_reader(rules))
        counts, words, others = count_ngrams(documents, accumulator, vocabulary, VocabularyLimits(**limits))
        described = tuple(accumulator.ids), accumulator.metadata(), rules
        if vocabulary is None:
            return DocumentTermMatrix(counts, words, *described, n_beyond_limits=int(others.sum()))
        return DocumentTermMatrix(counts, words, *described, others)
    accumulator = CountAccumulator(make_token_reader(rules, vocabulary))
    for chunk in document_chunks(documents):
        accumulator.add(chunk)
    if not accumulator.ids:
        raise CorpusError("There are no documents to count. Check the source.")
    unknown_counts, reported, n_beyond_limits = None, set[str](), 0
    if vocabulary is not None:
        counts, unknown_counts = accumulator.take_counts(len(vocabulary)), accumulator.unknown_counts()
    else:
        columns = accumulator.reader.index.words
        counts = accumulator.take_counts(len(columns))
        frequencies = column_sums(counts).astype(np.int64).tolist(), document_frequencies(counts).tolist()
        lengths = WordLengths()
        words = lengths.watch(zip(columns, *frequencies, strict=True))
        vocabulary = choose_words(words, len(accumulator.ids), **limits)
        n_with_words, n_tokens = np.count_nonzero(np.diff(counts.indptr)), int(counts.sum())
        counts = take_columns(counts, np.array([columns[word] for word in vocabulary]))
        n_emptied = n_with_words - np.count_nonzero(np.diff(counts.indptr))
        n_beyond_limits = n_tokens - int(counts.sum())
        reported = warn_of_words(lengths, rules) | warn_of_limits(n_with_words, n_emptied, **limits)
    ids, metadata = tuple(accumulator.ids), accumulator.metadata()
    found = {"reported": frozenset(reported), "n_beyond_limits": n_beyond_limits}
    return DocumentTermMatrix(counts, vocabulary, ids, metadata, rules, unknown_counts, **found)


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


def word_sequences(
    documents: Iterable[Document], rules: TokenRules | None, vocabulary: Vocabulary
) -> Iterator[NDArray[np.int64]]:
    """Yield the words of each document in their order, as columns of a vocabulary, or -2 for other words.

    Tokens that the rules drop, such as stop words, are left out; without rules, the defaults apply.

    >>> pets = [Document("a", "A mouse, an owl and a cat.")]
    >>> [words.tolist() for words in word_sequences(pets, None, Vocabulary(["cat", "mouse"]))]
    [[1, -2, 0]]
    """
    tokenizer = Tokenizer(TokenRules() if rules is None else rules)
    if not tokenizer.rules.has_single_words_only:
        for document in documents:
            words = tokenizer(document.text)
            yield np.fromiter((vocabulary.get(word, UNKNOWN) for word in words), dtype=np.int64, count=len(words))
        return
    index = TokenIndex(tokenizer, vocabulary)
    for document in documents:
        columns = np.fromiter(map(index.__getitem__, tokenizer.split(document.text)), dtype=np.int64)
        yield columns[columns != DROPPED]


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
