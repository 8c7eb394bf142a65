"""Several words counted as one: n-grams, and phrases learned from training texts. The reference implementation.

N-grams and phrases are made of the words that the token rules keep, as in scikit-learn: where stop words are dropped,
the words around them are neighbors. Their words are joined by "_".
"""

from collections.abc import Iterator, Set

from docnvil.errors import ConfigurationError
from docnvil.schema import parse_whole

MAX_NGRAM = 5
JOINER = "_"


def list_ngrams(words: list[str], minimum: int, maximum: int) -> list[str]:
    """Return all sequences of `minimum` to `maximum` words, in the order of their last words.

    >>> list_ngrams(["new", "york", "city"], 1, 2)
    ['new', 'york', 'new_york', 'city', 'york_city']
    """
    if maximum == 1:
        return words
    return [
        JOINER.join(words[end - size : end])
        for end in range(1, len(words) + 1)
        for size in range(minimum, min(maximum, end) + 1)
    ]


def join_phrases(words: list[str], phrases: Set[str]) -> list[str]:
    """Return the words with pairs that are phrases joined, from left to right.

    >>> join_phrases(["in", "new", "york", "city"], {"new_york", "york_city"})
    ['in', 'new_york', 'city']
    """
    return list(_join(words, phrases)) if phrases else words


def _join(words: list[str], phrases: Set[str]) -> Iterator[str]:
    position = 0
    while position < len(words):
        pair = JOINER.join(words[position : position + 2])
        yield pair if pair in phrases else words[position]
        position += 2 if pair in phrases else 1


def read_ngrams(value: str) -> tuple[int, int]:
    """Return the numbers of a range such as "1-3"; "2" means "1-2".

    Raises:
        ConfigurationError: the value is not such a range.

    >>> read_ngrams("1-3"), read_ngrams("2"), read_ngrams("2-2")
    ((1, 3), (1, 2), (2, 2))
    """
    first, dash, last = value.partition("-")
    try:
        minimum, maximum = (parse_whole(first), parse_whole(last)) if dash else (1, parse_whole(first))
    except ValueError:
        minimum = maximum = 0
    if not 1 <= minimum <= maximum <= MAX_NGRAM:
        raise ConfigurationError(f"{value!r} is not a range of n-grams from 1 to {MAX_NGRAM}. Write 1-2 or 1-3.")
    return minimum, maximum


def check_ngrams(value: object) -> tuple[int, int]:
    """Return a range of n-grams.

    Raises:
        ConfigurationError: the value is not a pair of whole numbers from 1 to `MAX_NGRAM`.
    """
    if isinstance(value, tuple | list) and len(value) == 2 and all(type(number) is int for number in value):
        minimum, maximum = value
        if 1 <= minimum <= maximum <= MAX_NGRAM:
            return minimum, maximum
    raise ConfigurationError(f"ngrams is {value!r}. Give two integers from 1 to {MAX_NGRAM}, such as (1, 2).")
