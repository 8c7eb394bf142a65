"""Sequences of words of counted documents, and the n-grams in them.

Most n-grams of a corpus are rare and never get into the vocabulary. So they are not counted one by one: texts are kept
as sequences of word numbers, and only those n-grams whose hashes pass a filter get a name; see `ngram_counting`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from docnvil.text.name_hashes import Hashes, NameHashes
from docnvil.text.ngrams import JOINER
from docnvil.text.word_checks import WordLengths

NGRAMS_PER_BLOCK = 1 << 18  # if all of them get names, these take about 50 MB

_Numbers = NDArray[np.int64]
Filter = Callable[[Hashes], NDArray[np.bool_]]


@dataclass(frozen=True)
class WordSequences:
    """The words of some documents, in their order.

    Arguments:
        names: the distinct words or phrases.
        words: the number of each word of the documents, one document after the other, `[T]`.
        lengths: the number of words of each document, `[n]`.
        ngrams: the least and the largest number of words in an n-gram.
        hashes: the hashes of the names.
    """

    names: list[str]
    words: NDArray[np.int32]
    lengths: _Numbers
    ngrams: tuple[int, int]
    hashes: NameHashes

    @cached_property
    def rows(self) -> _Numbers:
        """The document of each word, `[T]`."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def count_per_document(self, size: int) -> _Numbers:
        """Return the number of n-grams of a size in each document, `[n]`."""
        return np.maximum(self.lengths - (size - 1), 0)

    def blocks(self) -> Iterator["WordSequences"]:
        """Yield consecutive documents with about `NGRAMS_PER_BLOCK` n-grams."""
        n_sizes = self.ngrams[1] - self.ngrams[0] + 1
        ends = np.cumsum(self.lengths)
        first_row = first_word = 0
        while first_row < len(self.lengths):
            last_row = int(np.searchsorted(ends, first_word + NGRAMS_PER_BLOCK // n_sizes, side="right"))
            last_row = max(last_row, first_row + 1)
            last_word = int(ends[last_row - 1])
            words, lengths = self.words[first_word:last_word], self.lengths[first_row:last_row]
            yield WordSequences(self.names, words, lengths, self.ngrams, self.hashes)
            first_row, first_word = last_row, last_word

    def add_lengths(self, lengths: WordLengths) -> None:
        """Add the lengths of the words."""
        frequencies = np.bincount(self.words, minlength=len(self.names)).tolist()
        for _ in lengths.watch(zip(self.names, frequencies, repeat(0))):
            pass

    def hash_ngrams(self) -> Iterator[tuple[int, _Numbers, Hashes]]:
        """Yield each size, and the first words and the hashes of all n-grams of this size."""
        minimum, maximum = self.ngrams
        n_following = np.repeat(np.cumsum(self.lengths), self.lengths) - np.arange(len(self.words))
        hashes = self.hashes.values[self.words]
        for size in range(1, maximum + 1):
            if size > 1:
                hashes = self.hashes.extend(hashes[:-1], self.words[size - 1 :])
            if size >= minimum:
                starts = np.flatnonzero(n_following[: len(hashes)] >= size)
                yield size, starts, hashes[starts]
            if len(hashes) == 0:
                return

    def find_ngrams(self, is_candidate: Filter) -> Iterator[tuple[int, _Numbers, _Numbers, list[str]]]:
        """Yield each size; the document and the number of each n-gram that passes; and the names of these numbers.

        Different numbers of a size have different words, but can have the same name if words contain the joiner.
        """
        for size, starts, hashes in self.hash_ngrams():
            chosen = starts[is_candidate(hashes)]
            firsts, numbers = self._number(chosen, size)
            columns = [[self.names[word] for word in self.words[firsts + place].tolist()] for place in range(size)]
            yield size, self.rows[chosen], numbers, list(map(JOINER.join, zip(*columns, strict=True)))

    def _number(self, starts: _Numbers, size: int) -> tuple[_Numbers, _Numbers]:
        """Return numbers of n-grams that begin at `starts`, after the start of one n-gram for each number."""
        keys = self.words[starts].astype(np.int64)
        firsts, numbers = np.zeros(0, dtype=np.int64), keys
        for place in range(1, size):
            _, numbers = np.unique(keys, return_inverse=True)
            keys = numbers << 32 | self.words[starts + place]
        _, firsts, numbers = np.unique(keys, return_index=True, return_inverse=True)
        return starts[firsts], numbers
