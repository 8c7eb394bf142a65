"""Passages of documents with the words that speak for a unit.

Axes: V words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from docnvil.text.excerpts import shorten
from docnvil.text.tokens import Tokenizer
from docnvil.text.vocabulary import Vocabulary

PASSAGE_LENGTH = 300  # characters
MAX_TEXT = 20_000  # characters of a text that are searched for the best passage
LEVELS = (0.3, 0.65)  # of the strongest word: limits between the three strengths of a highlight
FAINT = 0.12  # of the strongest word; words below are not highlighted
_PIECE = re.compile(r"[^\W_](?:[\w'’\-]*[^\W_])?|\S")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a passage and how strongly it speaks for the unit: 0 for not at all, to 3."""

    text: str
    strength: int


class Highlighter:
    """Finds the passage of a text that speaks most for a unit, with the token rules of a model.

    Each piece of text between spaces and punctuation is split by the rules on its own, so words of several pieces, such
    as phrases, are not found.

    Example:
        >>> from docnvil.text.tokens import TokenRules
        >>> highlighter = Highlighter(Tokenizer(TokenRules()), Vocabulary(["owl", "night"]))
        >>> highlighter.passage("An owl hunts.", {0: 2.0})
        (Span(text='An ', strength=0), Span(text='owl', strength=3), Span(text=' hunts.', strength=0))
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary
        self._cache: dict[str, tuple[int, ...]] = {}

    def passage(self, text: str, weights: Mapping[int, float], length: int = PASSAGE_LENGTH) -> tuple[Span, ...]:
        """Return the best passage in spans.

        Arguments:
            text: the text of a document.
            weights: how much each word, by column, speaks for the unit; words with no weight above 0 are left out.
            length: the number of characters.
        """
        text = shorten(text, MAX_TEXT)
        pieces = [(match.start(), match.end(), self._weight(match[0], weights)) for match in _PIECE.finditer(text)]
        start, end = _best_window(pieces, len(text), length)
        largest = max((weight for *_, weight in pieces), default=0.0)
        spans: list[Span] = []
        position, before = start, "… " if start else ""
        for first, last, weight in pieces:
            strength = _strength(weight, largest)
            if first < start or last > end or not strength:
                continue
            if between := before + text[position:first]:
                spans.append(Span(between, 0))
            spans.append(Span(text[first:last], strength))
            position, before = last, ""
        if rest := before + text[position:end] + (" …" if end < len(text) else ""):
            spans.append(Span(rest, 0))
        return tuple(spans)

    def _weight(self, piece: str, weights: Mapping[int, float]) -> float:
        columns = self._cache.get(piece)
        if columns is None:
            words = self._tokenizer(piece) if piece[0].isalnum() or len(piece) > 1 or not piece.isascii() else ()
            columns = tuple(column for column in map(self._vocabulary.get, words) if column is not None)
            self._cache[piece] = columns
        return max((weights.get(column, 0.0) for column in columns), default=0.0)


def _best_window(pieces: Sequence[tuple[int, int, float]], size: int, length: int) -> tuple[int, int]:
    """Return the start and the end of the window of at most `length` characters with the largest sum of weights."""
    if size <= length:
        return 0, size
    best, total, first = (0.0, 0, 0), 0.0, 0
    for last, (_, end, weight) in enumerate(pieces):
        total += max(0.0, weight)
        while end - pieces[first][0] > length and first < last:
            total -= max(0.0, pieces[first][2])
            first += 1
        if total > best[0] * (1 + 1e-9):
            best = (total, first, last)
    _, first, last = best
    room = length - (pieces[last][1] - pieces[first][0]) if pieces else 0
    while first > 0 and pieces[last][1] - pieces[first - 1][0] <= length - room // 2:
        first -= 1
    while last + 1 < len(pieces) and pieces[last + 1][1] - pieces[first][0] <= length:
        last += 1
    while first > 0 and pieces[last][1] - pieces[first - 1][0] <= length:
        first -= 1
    return (pieces[first][0] if first else 0), pieces[last][1]


def word_spans(weights: Mapping[int, float], vocabulary: Vocabulary, top_n: int = 16) -> tuple[Span, ...]:
    """Return the words of a document without text that speak most for a unit, best first.

    Example:
        >>> "".join(span.text for span in word_spans({0: 0.5, 1: 2.0}, Vocabulary(["owl", "night"])))
        'night owl'
    """
    ranked = sorted(weights, key=lambda word: (-weights[word], word))[:top_n]
    largest = max((weights[word] for word in ranked), default=0.0)
    spans: list[Span] = []
    for word in ranked:
        spans += [Span(vocabulary[word], _strength(weights[word], largest)), Span(" ", 0)]
    return tuple(spans[:-1])


def _strength(weight: float, largest: float) -> int:
    if weight <= 0 or weight < FAINT * largest:
        return 0
    return 1 + sum(weight >= level * largest for level in LEVELS)
