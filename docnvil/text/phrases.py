"""Phrases: pairs of words that occur together more often than chance, learned from training texts."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from docnvil.text.accumulator import document_chunks
from docnvil.text.documents import Document
from docnvil.text.fast_tokens import make_token_reader
from docnvil.text.ngrams import JOINER
from docnvil.text.tokens import TokenRules

MIN_COUNT = 5
MIN_NPMI = 0.5
_MAX_PAIRS = 1 << 22  # distinct pairs in memory; they take about 100 MB

_Numbers = NDArray[np.int64]


def learn_phrases(
    documents: Iterable[Document], rules: TokenRules, *, min_count: int = MIN_COUNT, min_npmi: float = MIN_NPMI
) -> TokenRules:
    """Return the rules with the phrases of some documents, in alphabetical order.

    A phrase is a pair of neighbors a, b with n(a, b) >= `min_count`, and with a normalized pointwise mutual information
    of `min_npmi` or more (Bouma, 2009):

        npmi(a, b) = ln(p(a, b) / (p(a) p(b))) / -ln p(a, b)

    It is 1 for words that only occur together, and 0 for independent words.

    Arguments:
        documents: the training documents.
        rules: how texts become words.
        min_count: the minimum number of occurrences of a phrase.
        min_npmi: the minimum of its normalized pointwise mutual information.

    >>> texts = ["we live in New York", "New York is a large city", "a new house in York", "a large house"]
    >>> documents = [Document(str(number), text) for number, text in enumerate(texts)]
    >>> learn_phrases(documents, TokenRules(), min_count=2).phrases
    ('new_york',)
    """
    reader = make_token_reader(replace(rules, phrases=(), ngrams=(1, 1)))
    word_counts = np.zeros(0, dtype=np.int64)
    pairs = _PairCounts()
    for chunk in document_chunks(documents):
        rows, columns = reader.read_in_order([document.text for document in chunk])
        kept = columns >= 0
        rows, words = rows[kept], columns[kept].astype(np.int64)
        counts = np.bincount(words, minlength=len(word_counts))
        counts[: len(word_counts)] += word_counts
        word_counts = counts
        neighbors = np.flatnonzero(rows[1:] == rows[:-1])
        pairs.add(words[neighbors] << 32 | words[neighbors + 1])
    keys, counts = pairs.frequent(min_count)
    first, second = keys >> 32, keys & 0xFFFFFFFF
    npmi = pair_npmi(counts, word_counts[first], word_counts[second], word_counts.sum())
    names = list(reader.index.words)
    chosen = zip(first[npmi >= min_npmi].tolist(), second[npmi >= min_npmi].tolist(), strict=True)
    return replace(rules, phrases=tuple(sorted(f"{names[one]}{JOINER}{names[two]}" for one, two in chosen)))


def pair_npmi(pairs: _Numbers, first: _Numbers, second: _Numbers, n_tokens: int) -> NDArray[np.float64]:
    """Return the normalized pointwise mutual information of pairs of neighbors; NaN if all tokens are one pair.

    Products of counts can be larger than an integer of 64 bits, so they are floating-point numbers.

    Arguments:
        pairs: `[n]`, the number of times that each pair occurs.
        first: `[n]`, the number of times that its first word occurs.
        second: `[n]`, the number of times that its second word occurs.
        n_tokens: the number of words of all texts.

    Example:
        Two words that always occur together, and two that are independent:

        >>> pair_npmi(np.array([10, 1]), np.array([10, 10]), np.array([10, 10]), 100)
        array([1., 0.])
    """
    total = float(n_tokens)
    p_pair = pairs / max(total, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(p_pair * total**2 / (first.astype(np.float64) * second)) / -np.log(p_pair)


class _PairCounts:
    """Counts of keys; when there are too many, those that are rarest so far are dropped."""

    def __init__(self) -> None:
        self._keys, self._counts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._waiting: list[_Numbers] = []  # keys that have not been counted
        self._minimum = 1

    def add(self, keys: _Numbers) -> None:
        self._waiting.append(keys)
        if sum(map(len, self._waiting)) >= _MAX_PAIRS // 2:
            self._count_waiting()

    def frequent(self, min_count: int) -> tuple[_Numbers, _Numbers]:
        """Return the keys that occur `min_count` times, and their counts."""
        self._count_waiting()
        kept = self._counts >= min_count
        return self._keys[kept], self._counts[kept]

    def _count_waiting(self) -> None:
        new_keys, new_counts = np.unique(np.concatenate([*self._waiting, self._keys[:0]]), return_counts=True)
        self._waiting.clear()
        places = np.searchsorted(self._keys, new_keys)
        known = places < len(self._keys)
        known[known] = self._keys[places[known]] == new_keys[known]
        self._counts[places[known]] += new_counts[known]
        self._keys = np.insert(self._keys, places[~known], new_keys[~known])
        self._counts = np.insert(self._counts, places[~known], new_counts[~known])
        while len(self._keys) > _MAX_PAIRS:
            self._minimum += 1
            kept = self._counts >= self._minimum
            self._keys, self._counts = self._keys[kept], self._counts[kept]
