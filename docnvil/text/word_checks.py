"""Checks of counted words: texts without spaces, word lists that cannot match, and limits that empty documents.

Each `describe_` function returns the message of a warning, or None if all is well.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import regex

from docnvil.errors import VocabularyError, counted, format_examples, warn
from docnvil.text.document import Document
from docnvil.text.ngrams import JOINER, join_phrases
from docnvil.text.stop_words import is_list_of_languages, match_stop_words, own_stop_words
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.text.vocabulary import Vocabulary

# Longer median lengths than these are clauses, not words: of Chinese and Japanese, of Thai, Lao, Khmer and Burmese, and
# of other scripts.
_MAX_MEDIAN_LENGTHS = {"ideographic": 3, "southeast-asian": 10, "other": 15}
_EXAMPLES = {
    "ideographic": "rjieba:cut for Chinese",
    "southeast-asian": "pythainlp:word_tokenize for Thai",
    "other": "whitespace, or a function",
}
N_EXAMPLES = 5  # words in a message
LOOK_AT = 20  # first documents, for examples of their words
_NO_LETTER = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
_is_ideographic = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}ー]+").fullmatch
_is_southeast_asian = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{M}]+").fullmatch


def describe_long_words(words: Iterable[tuple[str, int]]) -> str | None:
    """Return a warning if most words are so long that the texts have no spaces between words.

    Arguments:
        words: pairs of a word and its frequency.

    Example:
        >>> print(describe_long_words([("今天天气很好我们去公园散步", 2), ("公园", 1)]))
        Most words are whole clauses, such as "今天天气很好我们去公园散步": the median length is 13 characters.
        The texts have no spaces between words, so pass --tokenizer MODULE:FUNCTION, such as rjieba:cut for Chinese (see
        docs/words.md).
        >>> describe_long_words([("cat", 2), ("mouse", 1)])
    """
    lengths = WordLengths()
    for word, frequency in words:
        lengths.add(word, frequency)
    return lengths.describe()


class WordLengths:
    """Histograms of the lengths of words, by kind of script; see `describe_long_words`."""

    def __init__(self) -> None:
        self._lengths: dict[str, Counter[int]] = {kind: Counter() for kind in _MAX_MEDIAN_LENGTHS}
        self._longest = dict.fromkeys(_MAX_MEDIAN_LENGTHS, ("", 0))  # a long word, and its frequency

    def add(self, word: str, frequency: int) -> None:
        """Add a word that occurs `frequency` times."""
        kind = _kind(word)
        self._lengths[kind][len(word)] += frequency
        if len(word) > _MAX_MEDIAN_LENGTHS[kind] and frequency > self._longest[kind][1]:
            self._longest[kind] = (word, frequency)

    def watch(self, words: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
        """Add and yield each (word, frequency, document frequency)."""
        longest = _MAX_MEDIAN_LENGTHS["other"]
        frequencies = [0] * (longest + 1)  # of short words in ASCII, by length
        for item in words:
            word = item[0]
            if word.isascii() and len(word) <= longest:
                frequencies[len(word)] += item[1]
            else:
                self.add(word, item[1])
            yield item
        self._lengths["other"].update(dict(enumerate(frequencies)))

    def describe(self) -> str | None:
        """Return a warning if most words are clauses."""
        # The kind with most letters, since a clause counts as one word.
        kind = max(_MAX_MEDIAN_LENGTHS, key=lambda name: sum(length * n for length, n in self._lengths[name].items()))
        median = _median(self._lengths[kind])
        if median <= _MAX_MEDIAN_LENGTHS[kind]:
            return None
        return (
            f'Most words are whole clauses, such as "{self._longest[kind][0]:.40}": the median length is {median}'
            " characters. The texts have no spaces between words, so pass --tokenizer MODULE:FUNCTION, such as"
            f" {_EXAMPLES[kind]} (see docs/words.md)."
        )


def _kind(word: str) -> str:
    if word.isascii():
        return "other"
    return "ideographic" if _is_ideographic(word) else "southeast-asian" if _is_southeast_asian(word) else "other"


def _median(counts: Counter[int]) -> int:
    rank = counts.total() // 2 + 1
    for value in sorted(counts):
        rank -= counts[value]
        if rank <= 0:
            return value
    return 0


def describe_stop_words(rules: TokenRules) -> str | None:
    """Return a warning if some of the user's own stop words can never match; lists of languages are known to have some.

    Example:
        >>> print(describe_stop_words(TokenRules(stop_words=("the", "don't", "of course"))))
        Of the stop words (custom), "of course" can never match, because the token rules split or drop it. "don't" is
        split by the token rules, so "don", "t" are dropped instead.
    """
    if is_list_of_languages(rules.stop_words_name):
        return None
    tokenizer = Tokenizer(rules)
    matched = match_stop_words(
        own_stop_words(rules.stop_words, rules.stop_words_name), tokenizer.normalize, tokenizer.split_normalized
    )
    sentences = []
    if matched.unmatched:
        it = "it" if len(matched.unmatched) == 1 else "them"
        sentences.append(
            f"Of the stop words ({rules.stop_words_name}), {format_examples(matched.unmatched)} can never match,"
            f" because the token rules split or drop {it}."
        )
    if matched.split:
        verb = "is" if len(matched.split) == 1 else "are"
        verb_of_parts = "is" if len(matched.parts) == 1 else "are"
        sentences.append(
            f"{format_examples(matched.split)} {verb} split by the token rules, so {format_examples(matched.parts)}"
            f" {verb_of_parts} dropped instead."
        )
    return " ".join(sentences) or None


def load_vocabulary(path: Path, rules: TokenRules | None = None) -> Vocabulary:
    """Read a file with one word per line, apply the token rules (None for the defaults), and warn of useless words.

    Raises:
        VocabularyError: the file cannot be read, or none of its words can occur.
    """
    vocabulary, message = match_vocabulary(Vocabulary.load(path), TokenRules() if rules is None else rules)
    if message is not None:
        warn(f"Of the vocabulary {path}, {message}")
    return vocabulary


def match_vocabulary(words: Iterable[str], rules: TokenRules) -> tuple[Vocabulary, str | None]:
    """Return the words of a list that the token rules can produce, in their normal form, and a warning about others.

    With a stemmer, a list of which four fifths are stems, such as the vocabulary of a model, is used as it is.

    Arguments:
        words: the list.
        rules: how texts become words.

    Raises:
        VocabularyError: none of the words can occur.

    Example:
        >>> vocabulary, message = match_vocabulary(["Dogs", "cats", "dogs", "covid-19"], TokenRules())
        >>> vocabulary.words, message
        (('dogs', 'cats'), '"covid-19" can never match, because the token rules split or drop it; it is left out.')
    """
    tokenizer = Tokenizer(rules)
    tokens = {entry: _only_token(entry, tokenizer) for entry in words}
    together = {entry: _counted_together(entry, tokenizer) for entry, token in tokens.items() if not token}
    results = {entry: tokenizer.word(token) if token else together[entry] for entry, token in tokens.items()}
    if rules.stemmer is not None and 5 * sum(tokens[entry] == results[entry] for entry in tokens) >= 4 * len(tokens):
        results = {entry: token or together[entry] for entry, token in tokens.items()}
    matched = dict.fromkeys(filter(None, results.values()))
    unmatched = [entry for entry in tokens if not results.get(entry)]
    if not unmatched:
        return Vocabulary(list(matched)), None
    it, is_out = ("it", "it is") if len(unmatched) == 1 else ("them", "they are")
    reason = f"{format_examples(unmatched)} can never match, because the token rules split or drop {it}"
    if not matched:
        raise VocabularyError(f"No word of the vocabulary can occur: {reason}. Check the token rules.")
    return Vocabulary(list(matched)), f"{reason}; {is_out} left out."


def _only_token(entry: str, tokenizer: Tokenizer) -> str | None:
    """Return the token of an entry, unless the rules split it or leave out a part of it."""
    normalized = tokenizer.normalize(entry).strip()
    tokens = tokenizer.split_normalized(normalized)
    return tokens[0] if tokens in ([normalized], [normalized.lower()]) else None  # functions get the original case


def _counted_together(entry: str, tokenizer: Tokenizer) -> str:
    """Return the phrase or n-gram that an entry is, or ""; of "new york" or "well-known", all words must be kept."""
    rules = tokenizer.rules
    tokens = [] if rules.has_single_words_only else tokenizer.split(entry)
    words = list(map(tokenizer.word, tokens))
    is_whole = _NO_LETTER.sub("", tokenizer.normalize(entry)) == _NO_LETTER.sub("", "".join(tokens))
    if len(words) < 2 or not is_whole or not all(words):
        return ""
    words = join_phrases(words, frozenset(rules.phrases))
    return JOINER.join(words) if rules.ngrams[0] <= len(words) <= rules.ngrams[1] else ""


def describe_limits(
    n_documents: int, n_emptied: int, *, min_df: int | float, max_df: int | float, size: int | None
) -> str | None:
    """Return a warning if the limits of the vocabulary empty most documents.

    Arguments:
        n_documents: the number of documents that have words.
        n_emptied: how many of them have no word within the limits.
        min_df: the minimum document frequency.
        max_df: the maximum document frequency.
        size: the maximum number of words.

    Example:
        >>> print(describe_limits(4, 3, min_df=1, max_df=1, size=None))
        3 of 4 documents have none of the words that are kept. --max-df 1 keeps only words that occur in one document;
        for no maximum, write --max-df 1.0.
    """
    if 2 * n_emptied <= n_documents:
        return None
    remedies = []
    if max_df == 1 and isinstance(max_df, int):
        remedies.append("--max-df 1 keeps only words that occur in one document; for no maximum, write --max-df 1.0")
    if min_df == 1.0 and isinstance(min_df, float):
        remedies.append("--min-df 1.0 keeps only words that occur in all documents; for no minimum, write --min-df 1")
    if not remedies:
        remedies.append(
            f"Lower --min-df (now {min_df}), raise --max-df (now {max_df})"
            + ("" if size is None else f" or --vocabulary-size (now {size})")
        )
    emptied = f"{n_emptied:,} of {counted(n_documents, 'document')} {'has' if n_emptied == 1 else 'have'} none"
    return f"{emptied} of the words that are kept. {'. '.join(remedies)}."


def describe_no_known_words(source: str, vocabulary: Vocabulary, n_unknown: int, words: Iterable[str] = ()) -> str:
    """Return a warning that no document has a word of the vocabulary.

    Arguments:
        source: what the documents are called.
        vocabulary: the words that are known.
        n_unknown: the number of words in the documents.
        words: some of them; none if they are not known.

    Example:
        >>> print(describe_no_known_words("new.txt", Vocabulary(["boat", "sail"]), 7, ["Boot", "Segel"]))
        No word of new.txt is known: the vocabulary has 2 words, such as "boat", "sail", and the documents have "Boot",
        "Segel". Check the language and the format of the documents, and the token rules.
    """
    if not n_unknown:
        return f"Every document of {source} is empty. Check the source and the token rules."
    such = f", such as {format_examples(vocabulary.words[:N_EXAMPLES])}" if not vocabulary.is_numbered else ""
    other = f", and the documents have {format_examples(tuple(words)[:N_EXAMPLES])}" if words else ""
    return (
        f"No word of {source} is known: the vocabulary has {counted(len(vocabulary), 'word')}{such}{other}. Check the"
        " language and the format of the documents, and the token rules."
    )


def words_of_first(documents: Iterable[Document], rules: TokenRules) -> list[str]:
    """Return the different words of the first documents, in order.

    Example:
        >>> words_of_first([Document("a", "A mouse, an owl."), Document("b", "The mouse")], TokenRules())
        ['mouse', 'owl']
    """
    tokenizer = Tokenizer(rules)
    return list(dict.fromkeys(word for document in islice(documents, LOOK_AT) for word in tokenizer(document.text)))


def warn_of_words(lengths: WordLengths, rules: TokenRules) -> set[str]:
    """Warn if the counted words are clauses, or if the user's stop words cannot match; return what was reported."""
    return _warn({"clauses": lengths.describe(), "stop words": describe_stop_words(rules)})


def warn_of_limits(n_documents: int, n_emptied: int, **limits: Any) -> set[str]:
    """Warn if the limits empty most documents, see `describe_limits`; return what was reported."""
    return _warn({"empty": describe_limits(n_documents, n_emptied, **limits)})


def _warn(messages: Mapping[str, str | None]) -> set[str]:
    issued = {name: message for name, message in messages.items() if message is not None}
    for message in issued.values():
        warn(message)
    return set(issued)
