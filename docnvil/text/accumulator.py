"""What `count_words` keeps while documents pass by: columns of words, sums of tokens, metadata."""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.text.documents import Document
from docnvil.text.tokens import Tokenizer
from docnvil.text.vocabulary import Vocabulary

CHARACTERS_AT_ONCE = 1 << 20  # of texts that are taken apart together; what is known of their tokens fits a cache
_INT32_MAX = 2**31 - 1

# Documents that were counted together: how many words each has, their columns, and how often each occurs.
Stretch = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.unsignedinteger]]

DROPPED, UNKNOWN = -1, -2  # tokens that the rules drop, and words that the vocabulary does not have


def lots(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield documents some at a time, in order, as soon as together they have about a million characters."""
    lot: list[Document] = []
    characters = 0
    for document in documents:
        lot.append(document)
        characters += len(document.text) + 1
        if characters >= CHARACTERS_AT_ONCE:
            yield lot
            lot, characters = [], 0
    if lot:
        yield lot


class TokenIndex(dict[str, int]):
    """Token to column, worked out at a token's first occurrence; below zero for those without one.

    This lookup is all that the inner loop does for a token: stop words, stems and the vocabulary cost nothing after.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary | None) -> None:
        self.words: dict[str, int] = {}
        self._word = tokenizer.word
        self._vocabulary = vocabulary

    def __missing__(self, token: str) -> int:
        return self.setdefault(token, *self.of([token]))

    def of(self, tokens: Iterable[str]) -> list[int]:
        """Work out the columns of tokens, and do not remember them."""
        words = map(self._word, tokens)
        if self._vocabulary is not None:
            return [self._vocabulary.get(word, UNKNOWN) if word else DROPPED for word in words]
        known = self.words
        return [known.setdefault(word, len(known)) if word else DROPPED for word in words]


class TokenReader:
    """Reads texts as the columns of their tokens, by any rules, a token at a time; `RunReader` is the quick way.

    Arguments:
        tokenizer: takes texts apart. columns: token to column.
    """

    def __init__(self, tokenizer: Tokenizer, columns: TokenIndex) -> None:
        self._split, self._columns = tokenizer.split, columns

    @property
    def remembered(self) -> int:
        """How many distinct tokens are kept, with what they stand for."""
        return len(self._columns)

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the tokens of all texts: the place of each one's text, and its column."""
        per_text = array("q")
        columns = array("q")
        for text in texts:
            columns.extend(map(self._columns.__getitem__, self._split(text)))
            per_text.append(len(columns))
        rows = np.repeat(np.arange(len(texts)), np.diff(np.array(per_text), prepend=0))
        return rows, np.array(columns)


class CountAccumulator:
    """Sums tokens to counts, in 5 bytes a count."""

    def __init__(self) -> None:
        nothing = np.zeros(0, dtype=np.int64)
        self._stretches = deque([(nothing, nothing.astype(np.int32), nothing.astype(np.uint8))])
        self._unknown = [nothing]

    def unknown(self) -> NDArray[np.int64]:
        """Return how many words of each document the vocabulary does not have, `[N]`."""
        return np.concatenate(self._unknown)

    def add(self, rows: NDArray[np.integer], columns: NDArray[np.integer], n_documents: int) -> None:
        """Add documents, given the row and the column of each token of theirs; rows count from 0 each time."""
        unknown = rows[columns == UNKNOWN] if columns.min(initial=0) == UNKNOWN else rows[:0]
        self._unknown.append(np.bincount(unknown, minlength=n_documents))
        counted = np.flatnonzero(columns >= 0)
        bits = int(columns.max(initial=0)).bit_length()
        # Row and column in one number: in 32 bits, if they fit, it is sorted in half the time.
        kind = np.uint32 if n_documents.bit_length() + bits <= 32 else np.uint64
        places = rows.take(counted).astype(kind)
        places <<= kind(bits)
        places |= columns.take(counted).astype(kind)
        places.sort()
        differs = np.ones(len(places), dtype=bool)
        np.not_equal(places[1:], places[:-1], out=differs[1:])
        first = np.flatnonzero(differs)
        distinct = places[first]
        values = np.diff(first, append=len(places))
        self._stretches.append(
            (
                np.bincount((distinct >> kind(bits)).astype(np.int64), minlength=n_documents),
                (distinct & kind((1 << bits) - 1)).astype(np.int32),
                values.astype(np.min_scalar_type(values.max(initial=0))),
            )
        )

    def frequencies(self, n_columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how often each column was counted, and in how many documents, `[n_columns]` each."""
        of_terms, of_documents = np.zeros((2, n_columns), dtype=np.int64)
        for columns, values in self._joined(at_least=2 * n_columns):
            of_terms += np.bincount(columns, weights=values, minlength=n_columns).astype(np.int64)
            of_documents += np.bincount(columns, minlength=n_columns)
        return of_terms, of_documents

    def _joined(self, at_least: int) -> Iterator[tuple[NDArray[np.int32], NDArray[np.unsignedinteger]]]:
        """Yield columns and values of some documents at a time, so many counts or more each, but for the last."""
        waiting: list[Stretch] = []
        n_waiting = 0
        for number, stretch in enumerate(self._stretches, start=1):
            waiting.append(stretch)
            n_waiting += len(stretch[1])
            if n_waiting >= at_least or number == len(self._stretches):
                yield np.concatenate([each[1] for each in waiting]), np.concatenate([each[2] for each in waiting])
                waiting, n_waiting = [], 0

    def counted(self) -> Stretch:
        """Return the counts of all documents over the columns as they were added, and forget them."""
        entries, columns, values = (np.concatenate(parts) for parts in zip(*self._stretches, strict=True))
        self._stretches.clear()
        return entries, columns, values

    def counts(self, width: int, places: NDArray[np.int64] | None = None) -> csr_array:
        """Return the counts of all documents, `[N, width]`, and forget them.

        Arguments:
            width: how many columns there shall be. places: where each column counted goes, -1 for nowhere; None leaves
                all where they are.
        """
        most = sum(len(columns) for _, columns, _ in self._stretches)
        all_columns, all_values = np.empty((2, most), dtype=np.int32)
        all_entries = []
        end = 0
        while self._stretches:  # what has found its place needs no other one
            entries, columns, values = self._stretches.popleft()
            if places is not None:
                entries, columns, values = remap_columns(entries, columns, values, places)
            start, end = end, end + len(columns)
            all_columns[start:end], all_values[start:end] = columns, values
            all_entries.append(entries)
        starts = np.concatenate([[0], *all_entries]).cumsum()
        small = starts.astype(np.int32) if end <= _INT32_MAX else starts
        found = (all_values, all_columns) if end == most else (all_values[:end].copy(), all_columns[:end].copy())
        return csr_array((*found, small), shape=(len(starts) - 1, width))


def remap_columns(
    entries: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.unsignedinteger],
    places: NDArray[np.int64],
) -> Stretch:
    """Move columns to other places, those with none being dropped, and sort each document's anew."""
    rows = np.repeat(np.arange(len(entries)), entries)
    columns = places[columns]
    if (columns < 0).any():
        kept = np.flatnonzero(columns >= 0)
        rows, columns, values = rows[kept], columns[kept], values[kept]
    bits = [int(part.max(initial=0)).bit_length() for part in (rows, columns, values)]
    if sum(bits) < 64:  # all three in one number: sorted as they are, no order has to be found and followed
        packed = (rows << bits[1] | columns) << bits[2] | values
        packed.sort()
        values = (packed & ((1 << bits[2]) - 1)).astype(np.int32)
        columns = packed >> bits[2] & ((1 << bits[1]) - 1)
    else:
        order = np.lexsort((columns, rows))
        columns, values = columns[order], values[order]
    return np.bincount(rows, minlength=len(entries)), columns.astype(np.int32), values


class Metadata:
    """Columns of metadata, which may begin and end anywhere among the documents."""

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = {}

    def add(self, first_row: int, documents: Iterable[Document]) -> None:
        """Add the metadata of documents in rows one after the other; rows come in order."""
        for row, document in enumerate(documents, start=first_row):
            for name, value in document.metadata.items():
                column = self._columns.setdefault(name, [])
                column.extend([""] * (row - len(column)))
                column.append(value)

    def padded(self, n_rows: int) -> dict[str, tuple[str, ...]]:
        """Return the columns, each with a value a row, `""` where a document had none."""
        return {name: (*column, *[""] * (n_rows - len(column))) for name, column in self._columns.items()}
