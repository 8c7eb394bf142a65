"""What `count_words` keeps while documents pass by: columns of words, sums of tokens, metadata."""

from array import array
from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_array

from docnvil.text.documents import Document
from docnvil.text.sparse import as_counts, running_count
from docnvil.text.tokens import Tokenizer
from docnvil.text.vocabulary import Vocabulary

_CHUNK_TOKENS = 1 << 21  # tokens held as column numbers before they are summed to counts


PASSED_OVER, UNKNOWN = -1, -2  # tokens that the rules drop, and words that the vocabulary does not have


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


class Tally:
    """Sums tokens to counts, a chunk of documents at a time, in 4 bytes a token and 8 bytes a count."""

    def __init__(self) -> None:
        self._tokens = array("i")  # columns, of all documents of this chunk
        self._ends = array("q", [0])
        self._chunks: list[csr_array] = []
        self._unknown: list[np.ndarray] = []

    def unknown(self) -> np.ndarray:
        """Return how many words of each document the vocabulary does not have, `[N]`; call it after `counts`."""
        return np.concatenate(self._unknown)

    def add(self, columns: Iterable[int]) -> None:
        """Add a document, given the columns of its tokens."""
        self._tokens.extend(columns)
        self._ends.append(len(self._tokens))
        if len(self._tokens) >= _CHUNK_TOKENS:
            self._finish_chunk()

    def counts(self, width: int) -> csr_array:
        """Return the counts of all documents, `[N, width]`, and forget them."""
        self._finish_chunk()
        starts = np.concatenate([[0], *(np.diff(chunk.indptr) for chunk in self._chunks)]).cumsum()
        data = np.concatenate([chunk.data for chunk in self._chunks])
        indices = np.concatenate([chunk.indices for chunk in self._chunks])
        self._chunks.clear()
        return as_counts(csr_array((data, indices, starts), shape=(len(starts) - 1, width)), where="The counts")

    def _finish_chunk(self) -> None:
        tokens = np.frombuffer(self._tokens, dtype=np.intc)
        kept = tokens >= 0
        columns = tokens[kept]
        ends = np.frombuffer(self._ends, dtype=np.int64)
        starts = running_count(kept)[ends]
        self._unknown.append(np.diff(running_count(tokens == UNKNOWN)[ends]))
        width = int(columns.max(initial=0)) + 1
        chunk = csr_array((np.ones(len(columns), dtype=np.int32), columns, starts), shape=(len(starts) - 1, width))
        chunk.sum_duplicates()
        self._chunks.append(chunk)
        self._tokens, self._ends = array("i"), array("q", [0])


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
