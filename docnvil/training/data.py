"""Counts for training: checked once at the boundary, then split into training and validation documents.

Axes: N documents, V vocabulary.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError, counted, warn
from docnvil.runtime.randomness import stream
from docnvil.text.counts import count_words
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.matrices import as_entries, canonical
from docnvil.text.named_formats import is_heading_of_ids
from docnvil.text.python_sources import as_vocabulary, classify_source, column_names
from docnvil.text.sparse import CountRows, SelectedRows, entries_per_row, row_chunks
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary, number_words

MIN_HOLDOUT = 10  # documents held out of a small corpus by a recipe, but not more than a tenth


@dataclass(frozen=True, eq=False)
class CheckedCounts:
    """Counts that have been checked, with the words of their columns.

    Arguments:
        matrix: `[N, V]` CSR, finite and not negative, without duplicates or stored zeros.
        vocabulary: the words of the columns; numbered ones if they have no names.
        token_rules: how texts became words, or None if the counts came ready-made.
        reading: options that the source was read with, see `DocumentTermMatrix`.
        reported: faults that counting has warned of, see `DocumentTermMatrix`.
    """

    matrix: csr_array
    vocabulary: Vocabulary
    token_rules: TokenRules | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    reported: frozenset[str] = frozenset()


def checked_counts(counts: Any, *, vocabulary: Any = None, **columns: Any) -> CheckedCounts:
    """Return counts of any kind as `CheckedCounts`; those already checked are returned unchanged.

    Arguments:
        counts: a `DocumentTermMatrix`, `CheckedCounts`, a matrix `[N, V]`, dense or sparse, or anything that
            `count_words` takes, whose words are then counted by the default rules.
        vocabulary: the words of the columns, if the counts do not have them; see `count_words`.
        columns: `text_column` and `id_column` of `count_words`, for rows with names.

    Raises:
        CorpusError: the numbers are negative or not finite, or do not form a matrix.
        VocabularyError: there is not one word per column.

    Example:
        >>> checked_counts([[2, 0], [1, 1]]).matrix.shape
        (2, 2)
    """
    if isinstance(counts, CheckedCounts):
        return counts
    source = None if isinstance(counts, DocumentTermMatrix) else classify_source(counts)
    if source is None or source.kind != "matrix":
        matrix = count_words(counts if source is None else source, vocabulary=vocabulary, **columns)
        return CheckedCounts(matrix.counts, matrix.vocabulary, matrix.rules, matrix.reading, matrix.reported)
    counts = source.items
    own = _column_names(counts)
    names = as_vocabulary(own if vocabulary is None else vocabulary)
    entries = as_entries(counts, where="The matrix")
    if entries.nnz and not (entries.data.min() >= 0 and np.isfinite(entries.data.max())):
        raise CorpusError("The counts contain negative or infinite numbers or NaN. Give how often each word occurs.")
    matrix = canonical(entries, where="The matrix")
    warn_of_fractions(matrix)
    if names is not None and len(names) != matrix.shape[1]:
        raise VocabularyError(
            f"The counts have {counted(matrix.shape[1], 'column')}, and the vocabulary has"
            f" {counted(len(names), 'word')}. Give one per column."
        )
    if own is not None and names is not None:
        check_column_names(own, names)
    return CheckedCounts(matrix, names or number_words(matrix.shape[1], matrix.nnz, "The matrix"))


def count_alike(
    counts: Any, vocabulary: Vocabulary, rules: TokenRules | None, reading: Mapping[str, Any]
) -> CheckedCounts:
    """Return later documents as `CheckedCounts`; texts and bags of words are counted like earlier documents.

    Arguments:
        counts: whatever `checked_counts` takes.
        vocabulary: the words of the earlier documents.
        rules: how their texts became words.
        reading: how they were read, see `DocumentTermMatrix`.

    Raises:
        CorpusError: texts, although the earlier documents were ready-made counts.
    """
    if isinstance(counts, CheckedCounts | DocumentTermMatrix):
        return checked_counts(counts)
    source = classify_source(counts)
    if source.kind == "matrix":
        return checked_counts(source)
    if source.kind != "bags" and rules is None:
        raise CorpusError(
            "The model is trained on counts, so it has no rules to count texts by. Count them as you counted the"
            " training documents, or with docnvil.count_words(texts, rules=..., vocabulary=model.vocabulary)."
        )
    columns = {name: reading[name] for name in ("text_column", "id_column") if name in reading}
    names, source = column_names(source)
    if columns.get("id_column") not in names:  # texts without columns, or rows without ids
        columns.pop("id_column", None)
    return checked_counts(count_words(source, rules=rules, vocabulary=vocabulary, **columns))


def check_column_names(columns: Sequence[str], vocabulary: Vocabulary) -> None:
    """Raise a `VocabularyError` if words are not those that name the columns, and warn if the first has ids.

    Arguments:
        columns: the names of the columns of a data frame.
        vocabulary: the words that they stand for, by position.
    """
    if is_heading_of_ids(columns[0]) and len(columns) > 1:
        warn(f"The first column, {columns[0]!r}, is read as the counts of a word. If it has ids, drop it.")
    if list(columns) != list(vocabulary) and any(name in vocabulary for name in columns):
        raise VocabularyError(
            f"The columns of the data frame ({Vocabulary(columns)}) and the vocabulary ({vocabulary}) have words in"
            " common, but not in the same order. Leave out the vocabulary, or count_words(frame, vocabulary=...) first."
        )


def _column_names(counts: Any) -> list[str] | None:
    """Return the names of the columns of a data frame, and None for other matrices or columns without names."""
    names = list(getattr(counts, "columns", []))
    return names if names and all(isinstance(name, str) for name in names) else None


def warn_of_fractions(matrix: csr_array) -> None:
    """Warn if a matrix has other numbers than integers, such as tf-idf weights, for which no layer is a model."""
    if matrix.dtype.kind != "f":
        return
    fractions = np.flatnonzero(matrix.data != np.floor(matrix.data))
    if len(fractions):
        first = int(fractions[0])
        row = int(np.searchsorted(matrix.indptr, first, side="right")) - 1
        warn(
            f"The matrix has {matrix.data[first]:.4g} in row {row}, column {matrix.indices[first]} (from 0), and"
            f" {len(fractions):,} of its {counted(matrix.nnz, 'entry')} {'is' if len(fractions) == 1 else 'are'} not"
            " integers. The model is for counts, not for tf-idf or other weights: use CountVectorizer instead of"
            " TfidfVectorizer, or docnvil.count_words."
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The documents of a training run.

    Arguments:
        train: `[N, V]`, the documents that the parameters are fitted to.
        validation: `[N', V]`, the documents to choose the best epoch by.
        vocabulary: the words of the columns.
    """

    train: CountRows
    validation: CountRows
    vocabulary: Vocabulary

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 of words and counts, which identifies the documents when training is resumed.

        Computed only when it is read, because it takes a pass over all counts.
        """
        digest = hashlib.sha256("\n".join(self.vocabulary.words).encode())
        for counts in (self.train, self.validation):
            types = counts[:0]
            starts = np.concatenate([[0], entries_per_row(counts)]).cumsum().astype(types.indptr.dtype)
            digest.update(str(starts.dtype).encode())
            digest.update(starts)
            for name in ("indices", "data"):
                digest.update(str(getattr(types, name).dtype).encode())
                for chunk in row_chunks(counts):
                    digest.update(np.ascontiguousarray(getattr(chunk, name)))
        return digest.hexdigest()


def hold_out(
    counts: csr_array, validation: float | int, *, seed: int, max_share: float, empty_is_data: bool
) -> tuple[CountRows, CountRows]:
    """Split off documents to choose the best epoch by, and return the training and the validation documents.

    Empty documents are in neither part. If no document can be held out, both parts contain all documents.

    Arguments:
        counts: `[N, V]`.
        validation: the documents to hold out, a number (int) or a share (float).
        seed: the seed of the choice.
        max_share: the largest share that is held out, though a small corpus may give up to 10 documents; with 1, a
            larger number is an error.
        empty_is_data: whether a row of zeros counts as a document.

    Raises:
        ConfigurationError: no document would remain for training.
    """
    filled = np.arange(counts.shape[0]) if empty_is_data else np.flatnonzero(np.diff(counts.indptr))
    whole = not isinstance(validation, float | np.floating)
    if max_share == 1 and whole and validation and validation >= len(filled):
        raise ConfigurationError(
            f"validation is {validation}, and only {counted(len(filled), 'document', 'have')} words, so none would"
            " remain for training. Hold out fewer."
        )
    wanted = int(validation) if whole else round(validation * len(filled))
    few = min(MIN_HOLDOUT, len(filled) // 10)
    n_held_out = min(wanted, max(few, int(max_share * len(filled))), len(filled) - 1)
    if n_held_out < 1:
        return SelectedRows(counts, filled), SelectedRows(counts, filled)
    order = stream(seed, "holdout").permutation(filled)
    rest, held_out = np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
    return SelectedRows(counts, rest), SelectedRows(counts, held_out)
