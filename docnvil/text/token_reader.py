"""From texts to the columns of their words: the reference implementation, for every tokenizer."""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from docnvil.text.tokens import Tokenizer
from docnvil.text.vocabulary import Vocabulary

DROPPED, UNKNOWN = -1, -2  # "columns" of tokens that the rules drop, and of words that are not in the vocabulary


class TokenIndex(dict[str, int]):
    """A dictionary from token to column, filled when a token occurs for the first time.

    So stop words, stemming and the vocabulary are looked up once per distinct token, not once per token. Words outside
    the vocabulary get `UNKNOWN`; without a vocabulary, all words are numbered in the order they occur.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary | None = None) -> None:
        self.words: dict[str, int] = {}  # word to column, without a vocabulary
        self._word = tokenizer.word
        self._vocabulary = vocabulary

    def __missing__(self, token: str) -> int:
        return self.setdefault(token, *self.columns_of([token]))

    def columns_of(self, tokens: Iterable[str]) -> list[int]:
        """Return the columns of tokens without storing the tokens."""
        words = map(self._word, tokens)
        if self._vocabulary is not None:
            return [self._vocabulary.get(word, UNKNOWN) if word else DROPPED for word in words]
        return [self.words.setdefault(word, len(self.words)) if word else DROPPED for word in words]


class TokenReader:
    """Splits texts with a `Tokenizer` and looks up one token at a time."""

    def __init__(self, tokenizer: Tokenizer, index: TokenIndex) -> None:
        self.tokenizer, self.index = tokenizer, index

    @property
    def n_remembered(self) -> int:
        """Number of distinct tokens that are kept in memory."""
        return len(self.index)

    def read_in_order(self, texts: Sequence[str]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the tokens like `read`, in the order of the texts."""
        return TokenReader.read(self, texts)

    def read(self, texts: Sequence[str]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the tokens of all texts as two arrays: the number of the token's text, and the token's column."""
        tokens = [self.tokenizer.split(text) for text in texts]
        rows = np.repeat(np.arange(len(texts)), [len(of_text) for of_text in tokens])
        columns = map(self.index.__getitem__, chain.from_iterable(tokens))
        return rows, np.fromiter(columns, dtype=np.int64, count=len(rows))
