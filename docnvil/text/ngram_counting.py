"""Frequencies and counts of n-grams from sequences of words, in bounded memory.

1. `choose_ngrams` adds up how often the hashes of n-grams occur, in a table of fixed size. No n-gram occurs more often
   than its place in the table says. So the few n-grams that can be frequent enough for the vocabulary are known, and
   only they are counted by name; the vocabulary is chosen from exact counts.
2. `count_vocabulary` counts the n-grams whose hash is that of a word of the vocabulary, and compares their names.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.errors import CorpusError, VocabularyError
from docnvil.text.accumulator import SequenceAccumulator, count_pairs, document_chunks
from docnvil.text.documents import Document
from docnvil.text.name_hashes import Hashes, NameHashes, buckets_of
from docnvil.text.settings import VocabularyLimits
from docnvil.text.vocabulary import Vocabulary, check_limits, choose_words
from docnvil.text.word_checks import WordLengths, warn_of_limits, warn_of_words
from docnvil.text.word_frequencies import Table, merge_word_frequencies
from docnvil.text.word_sequences import WordSequences

_MAX_BITS = 24  # of the number of buckets, which take 128 MB then
_MIN_BITS = 12

LoadSequences = Callable[[], Iterable[WordSequences]]


def choose_ngrams(load: LoadSequences, limits: VocabularyLimits, n_documents: int, n_ngrams: int) -> Vocabulary:
    """Choose n-grams like `choose_words`, with only those in memory that can be frequent enough.

    Arguments:
        load: returns the sequences of all documents, several times.
        limits: the limits of the vocabulary.
        n_documents: the number of documents.
        n_ngrams: about how many n-grams they have.

    Raises:
        ConfigurationError: a limit is out of its range.
        VocabularyError: no n-gram is within the limits.
    """
    size, min_df, max_df = limits.size, limits.min_df, limits.max_df
    check_limits(size, min_df, max_df)
    least, most = (limit * n_documents if isinstance(limit, float) else limit for limit in (min_df, max_df))
    bits = min(max((2 * n_ngrams).bit_length(), _MIN_BITS), _MAX_BITS)
    occurrences = np.zeros(1 << bits, dtype=np.int64)
    for sequences in load():
        for block in sequences.blocks():
            for _, _, hashes in block.hash_ngrams():
                np.add.at(occurrences, buckets_of(hashes, bits), 1)
    lowest = max(ceil(least), 1)
    threshold = _guess_threshold(occurrences, size, lowest)
    while True:
        words = _Certain(_count_frequent(load, occurrences, threshold, bits), threshold, least, most)
        try:
            vocabulary = choose_words(words, n_documents, size=size, min_df=min_df, max_df=max_df)
        except VocabularyError:
            if threshold == 1:
                raise
            threshold = 1  # with all n-grams, the message has the right numbers
            continue
        # All other n-grams occur less often than the threshold, so they are not needed if enough are certain.
        if threshold <= lowest or (size is not None and words.n_certain >= size):
            return vocabulary
        threshold = max(threshold // 2, lowest)


class _Certain:
    """Iterates over words with their frequencies, and counts those within the limits that reach a threshold."""

    def __init__(self, words: Iterable[tuple[str, int, int]], threshold: int, least: float, most: float) -> None:
        self.n_certain = 0
        self._words, self._threshold, self._least, self._most = words, threshold, least, most

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        for item in self._words:
            self.n_certain += item[1] >= self._threshold and self._least <= item[2] <= self._most
            yield item


def _guess_threshold(occurrences: NDArray[np.int64], size: int | None, lowest: int) -> int:
    """Return a number of occurrences that somewhat more than `size` n-grams reach, or `lowest`."""
    if size is None:
        return lowest
    frequent = occurrences[occurrences > lowest]
    rank = size + size // 4 + 500  # some are in too few or too many documents
    if len(frequent) <= rank:
        return lowest
    return int(np.partition(frequent, len(frequent) - rank)[len(frequent) - rank])


def _count_frequent(
    load: LoadSequences, occurrences: NDArray[np.int64], threshold: int, bits: int
) -> Iterator[tuple[str, int, int]]:
    """Yield (name, frequency, document frequency) of all n-grams that occur `threshold` times, and of some others."""
    is_frequent = occurrences >= threshold

    def is_candidate(hashes: Hashes) -> NDArray[np.bool_]:
        return is_frequent[buckets_of(hashes, bits)]

    def tables() -> Iterator[Table]:
        for sequences in load():
            for block in sequences.blocks():
                columns: dict[str, int] = {}
                rows, entries = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
                for _, rows_of_size, numbers, names in block.find_ngrams(is_candidate):
                    new = np.array([columns.setdefault(name, len(columns)) for name in names], dtype=np.int64)
                    rows.append(rows_of_size)
                    entries.append(new[numbers])
                counted = count_pairs(np.concatenate(rows), np.concatenate(entries), len(block.lengths))
                frequencies = np.zeros((len(columns), 2), dtype=np.int64)
                frequencies[:, 0] = np.bincount(counted[1], weights=counted[2], minlength=len(columns))
                frequencies[:, 1] = np.bincount(counted[1], minlength=len(columns))
                yield list(columns), frequencies

    return merge_word_frequencies(tables())


def count_vocabulary(sequences: WordSequences, vocabulary: Vocabulary) -> tuple[csr_array, NDArray[np.int64]]:
    """Return the counts of the words of a vocabulary, `[n, V]`, and the numbers of unknown words, `[n]`.

    Only the smallest n-grams count as unknown, else a text would have more unknown words than words.
    """
    bits = min(max((256 * len(vocabulary)).bit_length(), _MIN_BITS), _MAX_BITS)
    is_bucket_of_word = np.zeros(1 << bits, dtype=bool)
    is_bucket_of_word[buckets_of(NameHashes.of(vocabulary.words).values, bits)] = True

    def is_candidate(hashes: Hashes) -> NDArray[np.bool_]:
        return is_bucket_of_word[buckets_of(hashes, bits)]

    minimum = sequences.ngrams[0]
    unknown = sequences.count_per_document(minimum)
    row_entries, columns, counts = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    first_row = 0
    for block in sequences.blocks():
        n_rows = len(block.lengths)
        rows, entries = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for size, rows_of_size, numbers, names in block.find_ngrams(is_candidate):
            rows.append(rows_of_size)
            entries.append(vocabulary.columns_of(names)[numbers])
            if size == minimum:
                unknown[first_row : first_row + n_rows] -= np.bincount(rows[-1][entries[-1] >= 0], minlength=n_rows)
        counted = count_pairs(np.concatenate(rows), np.concatenate(entries), n_rows)
        for arrays, array in zip((row_entries, columns, counts), counted, strict=True):
            arrays.append(array)
        first_row += n_rows
    data = np.concatenate(counts)
    data = data.astype(np.min_scalar_type(data.max(initial=0)))
    indptr = np.cumsum(np.concatenate(row_entries), dtype=np.int64)
    if indptr[-1] < 1 << 31:
        indptr = indptr.astype(np.int32)  # else SciPy would convert the columns to int64
    return csr_array((data, np.concatenate(columns), indptr), shape=(first_row, len(vocabulary))), unknown


def count_ngrams(
    documents: Iterable[Document],
    accumulator: SequenceAccumulator,
    vocabulary: Vocabulary | None,
    limits: VocabularyLimits,
) -> tuple[csr_array, Vocabulary, NDArray[np.int64]]:
    """Count the n-grams of documents in memory, of a given vocabulary or one within the limits.

    Return the counts, `[N, V]`, the vocabulary, and the numbers of unknown words, `[N]`. The accumulator, which is
    empty before, has the ids and the metadata.

    Raises:
        CorpusError: there are no documents.
        VocabularyError: no n-gram is within the limits.
    """
    for chunk in document_chunks(documents):
        accumulator.add(chunk)
    if not accumulator.ids:
        raise CorpusError("There are no documents to count. Check the source.")
    names, rules = accumulator.reader.unit_names, accumulator.reader.tokenizer.rules
    sequences = WordSequences(names, *accumulator.take_sequences(), rules.ngrams, NameHashes.of(names))
    if vocabulary is not None:
        counts, unknown = count_vocabulary(sequences, vocabulary)
        return counts, vocabulary, unknown
    vocabulary = choose_ngrams(lambda: [sequences], limits, len(accumulator.ids), accumulator.n_tokens)
    counts, unknown = count_vocabulary(sequences, vocabulary)
    lengths = WordLengths()
    sequences.add_lengths(lengths)
    warn_of_words(lengths, rules)
    n_with_ngrams = np.count_nonzero(sequences.count_per_document(rules.ngrams[0]))
    warn_of_limits(n_with_ngrams, n_with_ngrams - np.count_nonzero(np.diff(counts.indptr)), **asdict(limits))
    return counts, vocabulary, unknown
