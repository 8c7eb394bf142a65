"""What `count_words` keeps while documents pass by: columns of words, sums of tokens, metadata."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.text.documents import Document
from docnvil.text.sparse import as_counts
from docnvil.text.tokens import Tokenizer
from docnvil.text.vocabulary import Vocabulary

CHARACTERS_AT_ONCE = 1 << 20  # of texts that are taken apart together; what is known of their tokens fits a cache
_INT32_MAX = 2**31 - 1

PASSED_OVER, UNKNOWN = -1, -2  # tokens that the rules drop, and words that the vocabulary does not have


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


class Columns(dict[str, int]):
    """Token to column, worked out at a token's first occurrence; below zero for those without one.

    This lookup is all that the inner loop does for a token: stop words, stems and the vocabulary cost nothing after.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary | None) -> None:
        self.words: dict[str, int] = {}
        self._word = tokenizer.word
        self._vocabulary = vocabulary

    def __missing__(self, token: str) -> int:
        return self.setdefault(token, self._column_of(self._word(token)))

    def _column_of(self, word: str) -> int:
        if not word:
            return PASSED_OVER
        if self._vocabulary is not None:
            return self._vocabulary.get(word, UNKNOWN)
        return self.words.setdefault(word, len(self.words))


class TokenReader:
    """Reads texts as the columns of their tokens, by any rules, a token at a time; `RunReader` is the quick way.

    Arguments:
        tokenizer: takes texts apart. columns: token to column.
    """

    def __init__(self, tokenizer: Tokenizer, columns: Columns) -> None:
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


class Tally:
    """Sums tokens to counts, in 8 bytes a count."""

    def __init__(self) -> None:
        self._entries = [np.zeros(1, dtype=np.int64)]  # of each document, after a 0
        self._columns = [np.zeros(0, dtype=np.int32)]
        self._values = [np.zeros(0, dtype=np.int32)]
        self._unknown = [np.zeros(0, dtype=np.int64)]

    def unknown(self) -> NDArray[np.int64]:
        """Return how many words of each document the vocabulary does not have, `[N]`."""
        return np.concatenate(self._unknown)

    def add(self, rows: NDArray[np.int64], columns: NDArray[np.int64], n_documents: int) -> None:
        """Add documents, given the row and the column of each token of theirs; rows count from 0 each time."""
        self._unknown.append(np.bincount(rows[columns == UNKNOWN], minlength=n_documents))
        kept = columns >= 0
        places = rows[kept] << 32 | columns[kept]
        places.sort()
        first = np.flatnonzero(np.diff(places, prepend=-1))
        self._values.append(np.diff(first, append=len(places)).astype(np.int32))
        self._columns.append((places[first] & _INT32_MAX).astype(np.int32))
        self._entries.append(np.bincount(places[first] >> 32, minlength=n_documents))

    def counts(self, width: int) -> csr_array:
        """Return the counts of all documents, `[N, width]`, and forget them."""
        starts = np.concatenate(self._entries).cumsum()
        parts = np.concatenate(self._values), np.concatenate(self._columns), starts
        self._values.clear()
        self._columns.clear()
        return as_counts(csr_array(parts, shape=(len(starts) - 1, width)), where="The counts")


class Metadata:
    """Columns of metadata, which may begin and end anywhere among the documents."""

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = {}

    def add(self, row: int, document: Document) -> None:
        """Add the metadata of the document in a row; rows come in order."""
        for name, value in document.metadata.items():
            column = self._columns.setdefault(name, [])
            column.extend([""] * (row - len(column)))
            column.append(value)

    def padded(self, n_rows: int) -> dict[str, tuple[str, ...]]:
        """Return the columns, each with a value a row, `""` where a document had none."""
        return {name: (*column, *[""] * (n_rows - len(column))) for name, column in self._columns.items()}
