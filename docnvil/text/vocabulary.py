"""The vocabulary: an immutable ordered list of distinct words, and its construction from frequencies."""

import bz2
import gzip
import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from numbers import Integral
from operator import itemgetter
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError, counted
from docnvil.runtime.folders import replace_file
from docnvil.runtime.paths import resolve
from docnvil.text.compression import DAMAGE_ERRORS

MAX_NUMBERED = 1 << 21  # columns without words that get names in any case
MAX_COLUMNS_PER_COUNT = 100  # of wider counts, whose width may be wrong or hostile

_Limit = int | float  # a number of documents, or a share of them

# Other characters would change when a word is written to a line of UTF-8 and read again.
_is_gensim_entry = re.compile(r"(\d+)\t([^\t]+)\t\d+").fullmatch
_is_writable = re.compile("[^\n\r\ufeff\ud800-\udfff]+").fullmatch


class Vocabulary:
    """An immutable ordered list of words; the position of a word is its column in the counts.

    Arguments:
        words: distinct words, not empty, without line breaks, in the order of the columns; or a mapping from words to
            columns.

    Raises:
        VocabularyError: there are no words, a word is repeated, a word cannot be written on a line of text, or they
            have no order.

    Example:
        >>> vocabulary = Vocabulary(["cat", "mouse"])
        >>> vocabulary.index("mouse"), vocabulary[0], "dog" in vocabulary, len(vocabulary)
        (1, 'cat', False, 2)
    """

    __slots__ = ("_index", "_words")

    def __init__(self, words: Iterable[str] | Mapping[str, int]) -> None:
        self._words = tuple(_in_order(words))
        if not self._words:
            raise VocabularyError("The vocabulary has no words. Give at least one.")
        for number, word in enumerate(self._words, start=1):
            if not isinstance(word, str) or not _is_writable(word):
                raise VocabularyError(
                    f"Word {number} of the vocabulary is {word!r}. Words are strings with at least one character and"
                    " without line breaks, byte-order marks and lone surrogates."
                )
        self._index = {word: column for column, word in enumerate(self._words)}
        if len(self._index) != len(self._words):
            repeated = next(word for column, word in enumerate(self._words) if self._index[word] != column)
            raise VocabularyError(f"The vocabulary has the word {repeated!r} more than once. Remove one of them.")

    @property
    def words(self) -> tuple[str, ...]:
        """The words, in order."""
        return self._words

    @property
    def is_numbered(self) -> bool:
        """Whether the words are the placeholders of `numbered`, so that columns have no real names."""
        return self._words[0] == "word0" and self._words == Vocabulary.numbered(len(self)).words

    @classmethod
    def numbered(cls, size: int) -> Self:
        """Return the placeholders "word0", "word1" ... for counts that come without words."""
        return cls(f"word{column}" for column in range(size))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a vocabulary from a UTF-8 file with one word per line, or from a dictionary that gensim saved as text.

        Raises:
            VocabularyError: the file is missing, not UTF-8, or not a valid vocabulary.
        """
        resolve(path)  # refuses a path that nothing can have
        try:
            content = _read_bytes(Path(path)).decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise VocabularyError(
                f"{path} is not UTF-8 (byte 0x{error.object[error.start]:02x}). Save it as UTF-8, one word per line."
            ) from None
        except DAMAGE_ERRORS as error:
            raise VocabularyError(
                f"The vocabulary {path} cannot be unpacked ({error}): it is truncated or damaged. Download it again."
            ) from None
        except OSError as error:
            reason = error.strerror or error  # bz2 gives no number to damage
            raise VocabularyError(f"The vocabulary {path} cannot be read ({reason}). Check the path.") from None
        try:
            lines = content.rstrip("\n").split("\n") if content.strip("\n") else []
            return cls(_words_of_gensim(lines) or lines)
        except VocabularyError as error:
            raise VocabularyError(f"{path}: {error.command_line_message}") from None

    def save(self, path: str | Path) -> None:
        """Write the vocabulary to a UTF-8 file, one word per line."""
        replace_file(path, "".join(f"{word}\n" for word in self._words).encode("utf-8"))

    def index(self, word: str) -> int:
        """Return the column of a word.

        Raises:
            VocabularyError: the word is not in the vocabulary.
        """
        try:
            return self._index[word]
        except KeyError:
            raise VocabularyError(f"The word {word!r} is not in the vocabulary. Choose another.") from None

    def get(self, word: str, default: int | None = None) -> int | None:
        """Return the column of a word.

        Arguments:
            word: the word.
            default: returned if the word is not in the vocabulary.
        """
        return self._index.get(word, default)

    def columns_of(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the column of each word, or -1 if it is not in the vocabulary."""
        return np.fromiter(map(self._index.get, words, repeat(-1)), dtype=np.int64, count=len(words))

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, word: object) -> bool:
        return word in self._index

    def __getitem__(self, column: int) -> str:
        return self._words[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __eq__(self, other: object) -> bool:
        return self._words == other._words if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._words)

    def __repr__(self) -> str:
        first = ", ".join(word if len(word) <= 20 else f"{word[:20]}..." for word in self._words[:5])
        return f"Vocabulary of {counted(len(self), 'word')}: {first}{' ...' if len(self) > 5 else ''}"


def _in_order(words: Any) -> Iterable[str]:
    """Return words in the order of their columns.

    Example:
        >>> list(_in_order({"mouse": 1, "cat": 0}))
        ['cat', 'mouse']
    """
    if isinstance(words, str | bytes | Path):
        raise VocabularyError(
            f"The vocabulary is {words!r:.60}. Give a list of words, or read a file with"
            " docnvil.Vocabulary.load(Path(...))."
        )
    if isinstance(words, set | frozenset):
        raise VocabularyError("The vocabulary is a set, which has no order. Give a list, such as sorted(words).")
    if not isinstance(words, Mapping):
        return words
    if any(isinstance(column, bool) or not isinstance(column, Integral) for column in words.values()):
        raise VocabularyError("The vocabulary is a mapping whose values are not columns. Give a list of words.")
    ordered = sorted(words, key=words.__getitem__)
    if [words[word] for word in ordered] != list(range(len(ordered))):
        raise VocabularyError(
            f"The columns of {counted(len(ordered), 'word')} are not 0 to {len(ordered) - 1}. Number them anew; for a"
            " Dictionary of gensim, call compactify() and make the bags again."
        )
    return ordered


def _read_bytes(path: Path) -> bytes:
    opener = {".bz2": bz2.open, ".gz": gzip.open}.get(path.suffix.lower(), open)
    with opener(path, "rb") as file:
        return cast(bytes, file.read())


def _words_of_gensim(lines: Sequence[str]) -> list[str] | None:
    r"""Return the words of a dictionary of gensim, by number, or None if the lines are something else.

    The file has lines of number, word and document frequency; newer versions put the number of documents before them.

    Example:
        >>> _words_of_gensim(["12", "1\tcat\t7", "0\tdog\t3"]), _words_of_gensim(["cat", "dog"])
        (['dog', 'cat'], None)
    """
    rows = lines[1:] if lines and lines[0].isdecimal() else lines
    entries = [_is_gensim_entry(row) for row in rows]
    if not entries or None in entries:
        return None
    words = {int(entry[1]): entry[2] for entry in entries if entry is not None}
    if sorted(words) != list(range(len(entries))):
        raise VocabularyError("The numbers of its words are not 0, 1, 2 and so on. Save the dictionary again.")
    return [words[number] for number in range(len(words))]


def check_limits(size: int | None, min_df: _Limit, max_df: _Limit) -> None:
    """Raise a `ConfigurationError` if a limit of `build_vocabulary` is out of its range."""
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ConfigurationError(f"The size of the vocabulary is {size!r}. Give an integer >= 1.")
    for name, limit in (("--min-df", min_df), ("--max-df", max_df)):
        if isinstance(limit, float):
            if not 0.0 <= limit <= 1.0:
                raise ConfigurationError(
                    f"{name} is {limit}, but a float is a share of the documents, from 0.0 to 1.0. Give an integer"
                    " without a decimal point for a number of documents."
                )
        elif isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ConfigurationError(f"{name} is {limit!r}. Give a number of documents >= 1, or a share such as 0.5.")


def build_vocabulary(
    term_frequencies: Mapping[str, int],
    document_frequencies: Mapping[str, int],
    n_documents: int,
    *,
    size: int | None = None,
    min_df: int | float = 1,
    max_df: int | float = 1.0,
) -> Vocabulary:
    """Choose words by frequency, in decreasing order of frequency; ties are in alphabetical order.

    A word is kept if its document frequency is within the limits. A share s means s * n_documents, as in scikit-learn.

    Arguments:
        term_frequencies: how often each word occurs.
        document_frequencies: in how many documents each word occurs.
        n_documents: the number of documents.
        size: the maximum number of words, of which the most frequent are kept; None for no maximum.
        min_df: the minimum document frequency, a number of documents (int) or a share of them (float).
        max_df: the maximum document frequency, a number of documents (int) or a share of them (float).

    Raises:
        ConfigurationError: a limit is out of its range.
        VocabularyError: no word is left; the message names the limits that removed them.

    Example:
        >>> build_vocabulary({"b": 2, "a": 2, "c": 9}, {"a": 1, "b": 2, "c": 3}, 3, size=2).words
        ('c', 'a')
    """
    words = ((word, frequency, document_frequencies[word]) for word, frequency in term_frequencies.items())
    return choose_words(words, n_documents, size=size, min_df=min_df, max_df=max_df)


def choose_words(
    words: Iterable[tuple[str, int, int]], n_documents: int, *, size: int | None, min_df: _Limit, max_df: _Limit
) -> Vocabulary:
    """Choose words like `build_vocabulary` from (word, frequency, document frequency), with `size` words in memory."""
    check_limits(size, min_df, max_df)
    least, most = (limit * n_documents if isinstance(limit, float) else limit for limit in (min_df, max_df))
    n_words = n_rare = n_common = 0

    def within_limits() -> Iterator[tuple[str, int]]:
        nonlocal n_words, n_rare, n_common
        for word, frequency, document_frequency in words:
            n_words += 1
            n_rare += document_frequency < least
            n_common += document_frequency > most
            if least <= document_frequency <= most:
                yield word, frequency

    if size is None:
        chosen = sorted(within_limits(), key=itemgetter(0))
        chosen.sort(key=itemgetter(1), reverse=True)
    else:
        chosen = heapq.nsmallest(size, within_limits(), key=lambda each: (-each[1], each[0]))
    if not chosen:
        if not n_words:
            raise VocabularyError(
                f"There are no words in {counted(n_documents, 'document')}. Check the texts and the token rules."
            )
        lower_it = "lower it"
        if isinstance(min_df, float) and min_df == 1:
            lower_it = "1.0 means all documents, so write 1 for no minimum"
        reasons = (f"--min-df {min_df} removes {n_rare} that are in too few documents; {lower_it}",) if n_rare else ()
        raise_it = "raise it"
        if isinstance(max_df, int) and max_df == 1:
            raise_it = "1 means one document, so write 1.0 for no maximum"
        reasons += (f"--max-df {max_df} removes {n_common} that are in too many; {raise_it}",) if n_common else ()
        raise VocabularyError(
            f"No word is left, of {n_words:,} in {counted(n_documents, 'document')}. {'. '.join(reasons)}."
        )
    return Vocabulary(word for word, _ in chosen)


def number_words(n_columns: int, n_counts: int, where: str) -> Vocabulary:
    """Return placeholders for the words of counts, of which `n_counts` are stored.

    Raises:
        CorpusError: far more columns than counts, for whose names memory would be allocated.

    Example:
        >>> number_words(2, 5, "The matrix").words
        ('word0', 'word1')
    """
    if n_columns > MAX_NUMBERED + MAX_COLUMNS_PER_COUNT * n_counts:
        raise CorpusError(
            f"{where} has {counted(n_columns, 'column')} and {counted(n_counts, 'count')}, so nearly all words never"
            " occur. Check the number of columns, or give the words."
        )
    return Vocabulary.numbered(n_columns)
