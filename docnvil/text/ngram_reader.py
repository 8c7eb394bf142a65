"""From texts to the columns of their phrases and n-grams, vectorized with NumPy; `ngrams` is the reference.

1. Another reader finds the single words of the texts, in their order, and numbers them. Words that are dropped leave no
   gap.
2. Two neighbors of the same text are a 64-bit key: the number of the first, and that of the second. A hash table maps
   the key to the number of the pair. An n-gram is a pair, too: an (n - 1)-gram and a word.
3. The name of an n-gram, such as "new_york", and its column are looked up once, when it occurs for the first time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from docnvil.text.hash_table import HashTable
from docnvil.text.ngrams import JOINER
from docnvil.text.token_reader import DROPPED, UNKNOWN, TokenIndex, TokenReader
from docnvil.text.vocabulary import Vocabulary

_Numbers = NDArray[np.int64]
_NEW = -3  # the "column" of an n-gram that has not been looked up


class PairTable:
    """Numbers pairs of names, from 0; equal pairs have equal numbers."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._table = HashTable()

    def number(self, first: _Numbers, second: _Numbers, first_names: list[str], second_names: list[str]) -> _Numbers:
        """Return the number of each pair of numbers; `first_names` and `second_names` are what they stand for."""
        # No key is 0. A name can have two numbers, if words contain the joiner; they then have one column.
        keys = (first.astype(np.uint64) + np.uint64(1)) << np.uint64(32) | second.astype(np.uint64)
        n_known = len(self.names)
        numbers = self._table.number_keys(keys, n_known)
        new = np.flatnonzero(numbers >= n_known)
        if len(new):
            places = np.zeros(int(numbers[new].max()) + 1 - n_known, dtype=np.int64)  # one place of each new pair
            places[numbers[new] - n_known] = new
            pairs = zip(first[places].tolist(), second[places].tolist(), strict=True)
            self.names += [f"{first_names[one]}{JOINER}{second_names[two]}" for one, two in pairs]
        return numbers


class NgramReader(TokenReader):
    """A `TokenReader` that finds the phrases and n-grams of the token rules.

    Arguments:
        reader: a reader of all single words, without a vocabulary.
        vocabulary: the words, phrases and n-grams to count; None for all of them.
    """

    def __init__(self, reader: TokenReader, vocabulary: Vocabulary | None = None) -> None:
        super().__init__(reader.tokenizer, TokenIndex(reader.tokenizer, vocabulary))
        self._reader, self._vocabulary = reader, vocabulary
        self._minimum, self._maximum = reader.tokenizer.rules.ngrams
        self._phrases = {phrase: number for number, phrase in enumerate(reader.tokenizer.rules.phrases)}
        # Words of the default pattern do not contain the joiner, so that no two n-grams have the same name.
        self._has_unique_names = reader.tokenizer.rules.is_default_pattern and not self._phrases
        self._pairs = PairTable()  # of words, of which some are phrases
        self._phrase_of_pair = np.zeros(0, dtype=np.int64)  # -1 for no phrase
        self._tables = [PairTable() for _ in range(2, self._maximum + 1)]  # of 2-grams, 3-grams ...
        self._columns = [np.zeros(0, dtype=np.int64) for _ in range(self._maximum)]  # of 1-grams, 2-grams ...

    @property
    def n_remembered(self) -> int:
        """Number of distinct tokens, words, pairs or n-grams that are kept in memory, whichever is largest."""
        tables = (self._pairs, *self._tables)
        return max(self._reader.n_remembered, len(self.index.words), *(len(table.names) for table in tables))

    def read(self, texts: Sequence[str]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the n-grams of all texts as two arrays: the number of the n-gram's text, and its column."""
        rows, units = self._read_units(texts)
        unit_names = [*self._phrases, *self._reader.index.words]
        starts = np.arange(len(units))
        numbers, names = units, unit_names
        results = []
        for size in range(1, self._maximum + 1):
            if size > 1:
                ends = starts + (size - 1)
                complete = ends < len(units)
                complete[complete] = rows[ends[complete]] == rows[starts[complete]]
                starts, ends = starts[complete], ends[complete]
                table = self._tables[size - 2]
                numbers = table.number(numbers[complete], units[ends], names, unit_names)
                names = table.names
            if size >= self._minimum:
                results.append((rows[starts], self._look_up(size, numbers, names)))
        all_rows, all_columns = zip(*results, strict=True)
        return np.concatenate(all_rows), np.concatenate(all_columns)

    def _read_units(self, texts: Sequence[str]) -> tuple[NDArray[np.integer], _Numbers]:
        """Return the row and the number of each phrase and other word, in order; the lowest numbers are of phrases."""
        rows, columns = self._reader.read_in_order(texts)
        kept = columns >= 0
        rows, words = rows[kept], columns[kept].astype(np.int64)
        units = words + len(self._phrases)
        if not self._phrases:
            return rows, units
        phrases = np.full(len(words), -1)
        neighbors = np.flatnonzero(rows[1:] == rows[:-1])
        phrases[neighbors] = self._find_phrases(words[neighbors], words[neighbors + 1])
        first = _every_second_of_runs(phrases >= 0)
        units[first] = phrases[first]
        kept = np.ones(len(units), dtype=bool)
        kept[first + 1] = False
        return rows[kept], units[kept]

    def _find_phrases(self, first: _Numbers, second: _Numbers) -> _Numbers:
        """Return the number of the phrase that each pair of words is, or -1."""
        names = list(self._reader.index.words)
        n_known = len(self._pairs.names)
        pairs = self._pairs.number(first, second, names, names)
        new = [self._phrases.get(name, -1) for name in self._pairs.names[n_known:]]
        self._phrase_of_pair = np.concatenate([self._phrase_of_pair, np.array(new, dtype=np.int64)])
        return self._phrase_of_pair[pairs]

    def _look_up(self, size: int, numbers: _Numbers, names: list[str]) -> _Numbers:
        """Return the columns of n-grams of a size by their numbers."""
        columns = self._columns[size - 1]
        if len(names) > len(columns):
            columns = np.concatenate([columns, np.full(len(names) - len(columns), _NEW)])
            self._columns[size - 1] = columns
        result = columns[numbers]
        is_new = np.zeros(len(columns), dtype=bool)
        is_new[numbers[result == _NEW]] = True
        new = np.flatnonzero(is_new)
        if not len(new):
            return result
        new_names = [names[number] for number in new.tolist()]
        words = self.index.words
        if self._vocabulary is None and self._has_unique_names:
            columns[new] = np.arange(len(words), len(words) + len(new))
            words.update(zip(new_names, range(len(words), len(words) + len(new)), strict=True))
        elif self._vocabulary is None:
            columns[new] = [words.setdefault(name, len(words)) for name in new_names]
        else:
            # Only the smallest n-grams count as unknown, else a text would have more unknown words than words.
            missing = UNKNOWN if size == self._minimum else DROPPED
            columns[new] = [self._vocabulary.get(name, missing) for name in new_names]
        return columns[numbers]


def _every_second_of_runs(mask: NDArray[np.bool_]) -> _Numbers:
    """Return the places of the first, third, fifth ... true value of each run of true values.

    >>> _every_second_of_runs(np.array([True, True, True, False, True, True])).tolist()
    [0, 2, 4]
    """
    places = np.arange(len(mask))
    last_false = np.maximum.accumulate(np.where(mask, -1, places)) if len(mask) else places
    return places[mask & ((places - last_false) % 2 == 1)]
