"""Counting of the words of documents, and conversion of ready-made counts, to a `DocumentTermMatrix`."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import CorpusError, warn
from docnvil.text.accumulator import CountAccumulator, SequenceAccumulator, document_chunks
from docnvil.text.document_term_matrix import DocumentTermMatrix, align_vocabulary
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
from docnvil.text.sparse import as_counts, column_sums, document_frequencies, take_columns
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
