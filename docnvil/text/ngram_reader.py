"""From texts to the columns of their phrases and n-grams, vectorized with NumPy; `ngrams` is the reference.

1. Another reader finds the single words of the texts, in their order, and numbers them. Words that are dropped leave no
   gap. Two words that are a phrase become one word.
2. Two neighbors of the same text are a 64-bit key: the number of the first, and that of the second. A hash table maps
   the key to the number of the pair. An n-gram is a pair, too: an (n - 1)-gram and a word.
3. The name of an n-gram, such as "new_york", and its column are looked up once, when it occurs for the first time.
"""

from collections.abc import Mapping, Sequence

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


class PhraseTable:
    """Finds the pairs of words that are phrases."""

    def __init__(self, phrases: Sequence[str]) -> None:
        # The words of a phrase that have not occurred so far; a phrase can be split in several places, because words
        # of some tokenizers contain the joiner.
        self._pending = [
            (phrase[:place], phrase[place + 1 :], number)
            for number, phrase in enumerate(phrases)
            for place, character in enumerate(phrase)
            if character == JOINER
        ]
        self._n_words = 0
        self._keys = self._numbers = np.zeros(0, dtype=np.int64)  # pairs of word numbers, in order; and their phrases
        self._is_first = self._is_second = np.zeros(0, dtype=bool)  # by the number of a word

    def find(self, first: _Numbers, second: _Numbers, words: Mapping[str, int]) -> _Numbers:
        """Return the number of the phrase that each pair of words is, or -1; `words` gives the numbers of words."""
        if len(words) > self._n_words:
            self._add_words(words)
        result = np.full(len(first), -1)
        likely = np.flatnonzero(self._is_first[first] & self._is_second[second])
        if len(likely):
            keys = first[likely] << 32 | second[likely]
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            result[likely] = np.where(self._keys[places] == keys, self._numbers[places], -1)
        return result

    def _add_words(self, words: Mapping[str, int]) -> None:
        self._n_words = len(words)
        found = [pair for pair in self._pending if pair[0] in words and pair[1] in words]
        self._pending = [pair for pair in self._pending if not (pair[0] in words and pair[1] in words)]
        new_keys = np.array([words[one] << 32 | words[two] for one, two, _ in found], dtype=np.int64)
        keys = np.concatenate([self._keys, new_keys])
        order = np.argsort(keys)
        self._keys = keys[order]
        self._numbers = np.concatenate([self._numbers, np.array([pair[2] for pair in found], dtype=np.int64)])[order]
        self._is_first, self._is_second = np.zeros((2, self._n_words), dtype=bool)
        self._is_first[self._keys >> 32] = True
        self._is_second[self._keys & 0xFFFFFFFF] = True


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
        self._phrases = PhraseTable(reader.tokenizer.rules.phrases)
        # Words of the default pattern do not contain the joiner, so that no two n-grams have the same name.
        self._has_unique_names = reader.tokenizer.rules.is_default_pattern and not reader.tokenizer.rules.phrases
        self._tables = [PairTable() for _ in range(2, self._maximum + 1)]  # of 2-grams, 3-grams ...
        self._columns = [np.zeros(0, dtype=np.int64) for _ in range(self._maximum)]  # of 1-grams, 2-grams ...

    @property
    def n_remembered(self) -> int:
        """Number of distinct tokens, words or n-grams that are kept in memory, whichever is largest."""
        sizes = (len(table.names) for table in self._tables)
        return max(self._reader.n_remembered, len(self.index.words), *sizes)

    @property
    def unit_names(self) -> list[str]:
        """The phrases and words by the numbers that `read_units` returns."""
        return [*self._reader.tokenizer.rules.phrases, *self._reader.index.words]

    def read(self, texts: Sequence[str]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Return the n-grams of all texts as two arrays: the number of the n-gram's text, and its column."""
        rows, units = self.read_units(texts)
        unit_names = self.unit_names
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

    def read_units(self, texts: Sequence[str]) -> tuple[NDArray[np.integer], _Numbers]:
        """Return the row and the number of each phrase and other word, in order; the lowest numbers are of phrases."""
        rows, columns = self._reader.read_in_order(texts)
        kept = columns >= 0
        rows, words = rows[kept], columns[kept].astype(np.int64)
        n_phrases = len(self._reader.tokenizer.rules.phrases)
        units = words + n_phrases
        if not n_phrases:
            return rows, units
        neighbors = np.flatnonzero(rows[1:] == rows[:-1])
        phrases = np.full(len(words), -1)
        phrases[neighbors] = self._phrases.find(words[neighbors], words[neighbors + 1], self._reader.index.words)
        first = _every_second_of_runs(phrases >= 0)
        units[first] = phrases[first]
        kept = np.ones(len(units), dtype=bool)
        kept[first + 1] = False
        return rows[kept], units[kept]

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
