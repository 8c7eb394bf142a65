"""Counting of documents in chunks; a text is not needed any more once it has been counted."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.text.documents import Document
from docnvil.text.ngram_reader import NgramReader
from docnvil.text.token_reader import UNKNOWN, TokenReader

CHUNK_CHARACTERS = 1 << 20  # so few that the tables of a `FastTokenReader` stay in the processor's cache
_INT32_MAX = 2**31 - 1


def document_chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield consecutive documents in chunks of about `CHUNK_CHARACTERS` characters."""
    chunk: list[Document] = []
    n_characters = 0
    for document in documents:
        chunk.append(document)
        n_characters += len(document.text) + 1
        if n_characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, n_characters = [], 0
    if chunk:
        yield chunk


class CountAccumulator:
    """Counts of documents that are added chunk by chunk, with their ids and metadata; `reader` finds the columns."""

    def __init__(self, reader: TokenReader) -> None:
        self.reader = reader
        self.ids: list[str] = []
        self.n_tokens = 0
        self._metadata: dict[str, list[str]] = {}
        # For each chunk: distinct words per row, the columns and counts of these words, unknown words per row.
        self._row_entries, self._columns, self._counts, self._unknown = ([np.zeros(0, np.uint8)] for _ in range(4))

    def add(self, documents: Sequence[Document]) -> None:
        """Count a chunk of documents."""
        self._count([document.text for document in documents])
        for document in documents:
            for name, value in document.metadata.items():
                values = self._metadata.setdefault(name, [])
                values.extend([""] * (len(self.ids) - len(values)))  # for the documents before, which had none
                values.append(value)
            self.ids.append(document.id)

    def _count(self, texts: Sequence[str]) -> None:
        rows, columns = self.reader.read(texts)
        row_entries, entry_columns, counts = count_pairs(rows, columns, len(texts))
        self._row_entries.append(row_entries)
        self._columns.append(entry_columns)
        self._counts.append(counts.astype(np.min_scalar_type(counts.max(initial=0))))  # nearly always one byte
        self._unknown.append(np.bincount(rows[columns == UNKNOWN], minlength=len(texts)))
        self.n_tokens += len(columns)

    def take_counts(self, n_columns: int) -> csr_array:
        """Return the counts of all documents, `[N, n_columns]`, in canonical form, and release their memory."""
        indptr = np.cumsum(np.concatenate([[0], *self._row_entries]), dtype=np.int64)
        if indptr[-1] <= _INT32_MAX:
            indptr = indptr.astype(np.int32)  # else SciPy would convert the columns to int64
        arrays = []
        for chunks in (self._counts, self._columns):
            arrays.append(np.concatenate(chunks))
            chunks.clear()
        return csr_array((*arrays, indptr), shape=(len(self.ids), n_columns))

    def unknown_counts(self) -> NDArray[np.int64]:
        """Return the number of words of each document that are not in the vocabulary, `[N]`."""
        return np.concatenate(self._unknown, dtype=np.int64)

    def metadata(self) -> dict[str, tuple[str, ...]]:
        """Return the metadata: column to one value per document, `""` where a document has none."""
        return {name: (*values, *[""] * (len(self.ids) - len(values))) for name, values in self._metadata.items()}


class SequenceAccumulator(CountAccumulator):
    """Words of documents that are added chunk by chunk, in their order; n-grams are found in them later."""

    reader: NgramReader

    def __init__(self, reader: NgramReader) -> None:
        super().__init__(reader)
        self._units, self._lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]

    def _count(self, texts: Sequence[str]) -> None:
        rows, units = self.reader.read_units(texts)
        self._units.append(units.astype(np.int32))
        self._lengths.append(np.bincount(rows, minlength=len(texts)))
        minimum, maximum = self.reader.tokenizer.rules.ngrams
        self.n_tokens += len(units) * (maximum - minimum + 1)  # about the number of n-grams

    def take_sequences(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the number of each word or phrase, `[T]`, and the number of words of each document, `[N]`."""
        result = np.concatenate(self._units), np.concatenate(self._lengths)
        self._units.clear()
        self._lengths.clear()
        return result


def count_pairs(
    rows: NDArray[np.integer], columns: NDArray[np.integer], n_rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Count how often each pair of row and column occurs, except negative columns, from one pair per token.

    Return the number of distinct columns in each row, `[n_rows]`; these columns in order, row by row; and their counts.
    """
    width = int(columns.max(initial=0)) + 1
    key_type = np.uint32 if n_rows * width < 1 << 32 else np.uint64  # 32-bit keys are sorted in half the time
    counted = np.flatnonzero(columns >= 0)
    keys = rows.take(counted).astype(key_type) * key_type(width) + columns.take(counted).astype(key_type)
    distinct, counts = np.unique(keys, return_counts=True)
    row_starts = np.searchsorted(distinct, np.arange(n_rows + 1).astype(key_type) * key_type(width))
    return np.diff(row_starts), (distinct % key_type(width)).astype(np.int32), counts
