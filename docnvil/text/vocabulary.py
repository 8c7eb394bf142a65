"""The vocabulary: an ordered list of distinct words that never changes once it is made."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError, VocabularyError
from docnvil.runtime.folders import replace_file
from docnvil.text.files import replace_surrogates


class Vocabulary:
    """An immutable ordered list of words; a word's place in it is its column in the counts.

    Arguments:
        words: the words, distinct, none empty, without line breaks.

    Raises:
        VocabularyError: there are no words, or one is repeated or cannot stand on a line of its own.

    >>> vocabulary = Vocabulary(["cat", "mouse"])
    >>> vocabulary.index("mouse"), vocabulary[0], "dog" in vocabulary, len(vocabulary)
    (1, 'cat', False, 2)
    """

    __slots__ = ("_index", "_words")

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(words)
        self._index = {word: column for column, word in enumerate(self._words)}
        if not self._words:
            raise VocabularyError("The vocabulary has no words. Give it one at least.")
        if not _all_sound(self._words):
            for number, word in enumerate(self._words, start=1):
                _check_word(number, word)
        if len(self._index) != len(self._words):
            twice = next(word for column, word in enumerate(self._words) if self._index[word] != column)
            raise VocabularyError(f"The vocabulary has the word {twice!r} more than once. Remove one of them.")

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in order."""
        return self._words

    @property
    def is_numbered(self) -> bool:
        """Whether the words are only the numbers that `numbered` gives to columns without names."""
        return self._words[0] == "word0" and self._words == Vocabulary.numbered(len(self)).words

    @classmethod
    def numbered(cls, size: int) -> Self:
        """Return "word0", "word1" ... for counts whose words are not known."""
        return cls(f"word{column}" for column in range(size))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a vocabulary from a UTF-8 file with one word a line.

        Raises:
            VocabularyError: the file is missing, not UTF-8, or no vocabulary.
        """
        try:
            content = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise VocabularyError(
                f"{path} is not UTF-8 (byte 0x{error.object[error.start]:02x}). Save it as UTF-8, one word a line."
            ) from None
        except OSError as error:
            raise VocabularyError(f"The vocabulary {path} cannot be read ({error.strerror}). Check the path.") from None
        try:
            return cls(content.removesuffix("\n").split("\n") if content else ())
        except VocabularyError as error:
            raise VocabularyError(f"{path}: {error}") from None

    def save(self, path: Path) -> None:
        """Write the vocabulary to a UTF-8 file, one word a line."""
        replace_file(path, "".join(f"{word}\n" for word in self._words).encode("utf-8"))

    def index(self, word: str) -> int:
        """Return the column of a word.

        Raises:
            VocabularyError: the vocabulary does not have it.
        """
        try:
            return self._index[word]
        except KeyError:
            raise VocabularyError(f"The vocabulary does not have the word {word!r}. Choose another.") from None

    def get(self, word: str, default: int | None = None) -> int | None:
        """Return the column of a word, or `default` if the vocabulary does not have it."""
        return self._index.get(word, default)

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, word: object) -> bool:
        return word in self._index

    def columns_of(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the column of each word, -1 for those that the vocabulary does not have."""
        return np.fromiter(map(self._index.get, words, repeat(-1)), dtype=np.int64, count=len(words))

    def __getitem__(self, column: int) -> str:
        return self._words[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __eq__(self, other: object) -> bool:
        return self._words == other._words if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._words)

    def __repr__(self) -> str:
        return f"Vocabulary of {len(self)} words: {', '.join(self._words[:5])}{' ...' if len(self) > 5 else ''}"


def _all_sound(words: tuple[str, ...]) -> bool:
    """Tell whether `_check_word` would pass every word, ten times as fast."""
    try:
        text = "\n".join(words)
    except TypeError:
        return False
    marked = text.count("\n") >= len(words) or any(mark in text for mark in "\r\ufeff")
    return not marked and all(words) and replace_surrogates(text) == text


def _check_word(number: int, word: str) -> None:
    if not isinstance(word, str):
        raise VocabularyError(f"Word {number} of the vocabulary is {word!r}, not a string. Give words as strings.")
    if not word:
        raise VocabularyError(f"Word {number} of the vocabulary is empty. Remove the blank.")
    # A byte-order mark or a lone surrogate would not come back from a UTF-8 file as it went.
    if any(mark in word for mark in "\n\r\ufeff") or replace_surrogates(word) != word:
        raise VocabularyError(f"Word {number} of the vocabulary, {word!r}, cannot stand on a line of text. Change it.")


def check_limits(size: int | None, min_df: int | float, max_df: int | float) -> None:
    """Check the limits that `build_vocabulary` takes.

    Raises:
        ConfigurationError: one is out of its range.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ConfigurationError(f"The vocabulary's size is {size!r}. Give a whole number from 1.")
    for name, limit in (("min_df", min_df), ("max_df", max_df)):
        if isinstance(limit, float):
            if not 0.0 <= limit <= 1.0:
                raise ConfigurationError(
                    f"{name} is {limit}; a fraction is a share of the documents, from 0.0 to 1.0. Write a whole number"
                    " without a point for a number of documents."
                )
        elif isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ConfigurationError(f"{name} is {limit!r}. Give a number of documents from 1, or a share such as 0.5.")


def build_vocabulary(
    term_frequencies: Mapping[str, int],
    document_frequencies: Mapping[str, int],
    n_documents: int,
    *,
    size: int | None = None,
    min_df: int | float = 1,
    max_df: int | float = 1.0,
) -> Vocabulary:
    """Choose the words that are counted, in the order of decreasing frequency; ties are alphabetical.

    A share of the documents is compared as scikit-learn does: a word stays if
    `min_df * n_documents <= document frequency <= max_df * n_documents`.

    Arguments:
        term_frequencies: how often each word occurs.
        document_frequencies: in how many documents each word occurs.
        n_documents: how many documents there are.
        size: how many words to keep at most, the most frequent ones; None keeps all.
        min_df: the fewest documents a word must occur in, a number (int) or a share of them (float).
        max_df: the most documents a word may occur in, likewise.

    Returns:
        The vocabulary.

    Raises:
        ConfigurationError: a limit is out of its range.
        VocabularyError: no word is left; the message says which limit removed them.

    >>> build_vocabulary({"b": 2, "a": 2, "c": 9}, {"a": 1, "b": 2, "c": 3}, 3, size=2).words
    ('c', 'a')
    """
    words = ((word, frequency, document_frequencies[word]) for word, frequency in term_frequencies.items())
    return choose_words(words, n_documents, size=size, min_df=min_df, max_df=max_df)


def choose_words(
    words: Iterable[tuple[str, int, int]],
    n_documents: int,
    *,
    size: int | None = None,
    min_df: int | float = 1,
    max_df: int | float = 1.0,
) -> Vocabulary:
    """Choose as `build_vocabulary` does from a stream of words, of which no more than `size` are kept at a time.

    Arguments:
        words: each with how often it occurs, and in how many documents. The rest as for `build_vocabulary`.

    >>> choose_words([("b", 2, 2), ("a", 2, 1), ("c", 9, 3)], 3, size=2).words
    ('c', 'a')
    """
    check_limits(size, min_df, max_df)
    least, most = (limit * n_documents if isinstance(limit, float) else limit for limit in (min_df, max_df))
    seen = rare = common = 0

    def fitting() -> Iterator[tuple[str, int]]:
        nonlocal seen, rare, common
        for word, frequency, document_frequency in words:
            seen += 1
            rare += document_frequency < least
            common += document_frequency > most
            if least <= document_frequency <= most:
                yield word, frequency

    # The most frequent first, and ties in the order of the alphabet.
    if size is None:
        kept = sorted(fitting(), key=itemgetter(0))
        kept.sort(key=itemgetter(1), reverse=True)
    else:
        kept = heapq.nsmallest(size, fitting(), key=lambda each: (-each[1], each[0]))
    if not kept:
        raise VocabularyError(_nothing_left(seen, n_documents, rare, common, min_df, max_df))
    return Vocabulary(word for word, _ in kept)


def _nothing_left(
    vocabulary_size: int, n_documents: int, rare: int, common: int, min_df: int | float, max_df: int | float
) -> str:
    if not vocabulary_size:
        return f"There are no words in the {n_documents} documents. Check the texts and the token rules."
    removed = []
    if rare:
        removed.append(f"--min-df {min_df} removes {rare} that occur in too few documents; lower it")
    if common:
        removed.append(f"--max-df {max_df} removes {common} that occur in too many; raise it")
    return f"None of the {vocabulary_size} words of the {n_documents} documents is left: {'. '.join(removed)}."
