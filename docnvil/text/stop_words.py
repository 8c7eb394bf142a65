"""Lists of stop words: words too common to say what a document is about."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import regex

from docnvil.errors import ConfigurationError, CorpusError, MissingDependencyError
from docnvil.text import english
from docnvil.text.files import open_bytes
from docnvil.text.languages import CODES

# The end of a contraction, and beginnings of elided words with more than two letters. They tell which parts of a
# split entry are no words: "don" and "t" of "don't", but not "clock" of "o'clock".
_ENCLITICS = {"t", "s", "d", "m", "re", "ve", "ll", "all", "em", "n't", "'s", "'d", "'m", "'re", "'ve", "'ll"}
_ELIDED = {
    *("aujourd", "hui", "lorsqu", "puisqu", "jusqu", "quelqu", "presqu", "quoiqu", "entr", "qu"),  # French
    *("dell", "nell", "sull", "dall", "all", "coll", "quell", "quest", "nessun", "ciascun", "degl", "negl"),  # Italian
}
_MAX_PART = 2  # letters of parts that are dropped in any case
_SPLIT_AT_APOSTROPHES = regex.compile(r"[\p{L}\p{M}]*(?:['’ʼ][\p{L}\p{M}]*)+").fullmatch
_NOT_WORD = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


@cache
def english_stop_words() -> tuple[str, ...]:
    """Return English function words, contractions, and the parts that contractions are split into, sorted.

    Example:
        >>> {"the", "don't", "don", "ve"} <= set(english_stop_words())
        True
    """
    words = {word for name in vars(english) if name.isupper() for word in getattr(english, name).split()}
    parts = {part for word in english.CONTRACTIONS.split() for part in word.split("'")} - {""}
    return tuple(sorted(words | parts))


@cache
def stop_words_of(code: str) -> tuple[str, ...]:
    """Return the stop words of a language by its ISO 639-1 code, sorted: those of stopwordsiso, but for English."""
    if code == "en":
        return english_stop_words()
    from stopwordsiso import stopwords

    return tuple(sorted(stopwords(code)))


def read_stop_words(names: str) -> tuple[str, ...]:
    """Return the words of one or several lists of stop words.

    Arguments:
        names: "none", or separated by commas: names or codes of languages ("german", "de"), "nltk:" and a language, and
            paths of UTF-8 files with one word per line.

    Raises:
        CorpusError: there is no such file.
        ConfigurationError: NLTK has no list for the language.
        MissingDependencyError: NLTK's lists are not installed.

    Example:
        >>> {"the", "und"} <= set(read_stop_words("english,de"))
        True
    """
    if names == "none":
        return ()
    parts = [names] if Path(names).is_file() else [part.strip() for part in names.split(",") if part.strip()]
    lists = [_read_list(part) for part in parts]
    return lists[0] if len(lists) == 1 else tuple(sorted(set().union(*lists)))


def has_dotless_i(names: str) -> bool:
    """Return whether a name of `read_stop_words` has a language in which the lower case of "I" is "ı".

    Example:
        >>> has_dotless_i("turkish,en"), has_dotless_i("english")
        (True, False)
    """
    parts = (part.strip().lower().removeprefix("nltk:") for part in names.split(","))
    return any(part in ("turkish", "tr", "azerbaijani", "az") for part in parts)


def is_list_of_languages(names: str) -> bool:
    """Return whether a name of `read_stop_words` has languages only, no files.

    Example:
        >>> is_list_of_languages("english,de"), is_list_of_languages("en,stop.txt")
        (True, False)
    """
    parts = [part.strip().lower() for part in names.split(",")]
    return all(part in CODES or part == "none" or part.startswith(("nltk:", "auto")) for part in parts)


def _read_list(name: str) -> tuple[str, ...]:
    if (code := CODES.get(name.lower())) is not None:
        return stop_words_of(code)
    prefix, _, language = name.partition(":")
    if prefix == "nltk":
        return _nltk_stop_words(language)
    path = Path(name)
    if not path.is_file():
        raise CorpusError(
            f"{name} is neither a language with stop words nor a file. Use auto, none, a file with one word per line,"
            " nltk:<language>, or languages such as english, german or fr; docs/words.md lists them."
        )
    try:
        return _read_file(path)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"The stop words {path} are not UTF-8 (byte 0x{error.object[error.start]:02x}). Save them as UTF-8, one"
            " per line."
        ) from None


def _read_file(path: Path) -> tuple[str, ...]:
    with open_bytes(path) as file:
        return tuple(sorted(set(map(str.strip, file.read().decode("utf-8-sig").splitlines())) - {""}))


def own_stop_words(stop_words: Iterable[str], names: str) -> tuple[str, ...]:
    """Return the stop words that are not of the languages in a name of `read_stop_words`, but of the user's files."""
    known = {
        word for part in names.split(",") if (code := CODES.get(part.strip().lower())) for word in stop_words_of(code)
    }
    return tuple(word for word in stop_words if word not in known)


def _nltk_stop_words(language: str) -> tuple[str, ...]:
    from nltk.corpus import stopwords

    try:
        languages = stopwords.fileids()
    except LookupError:
        raise MissingDependencyError(
            "NLTK's stop words are not installed. Download them with python -m nltk.downloader stopwords."
        ) from None
    if language not in languages:
        raise ConfigurationError(f"NLTK has no stop words for {language!r}. Choose one of {', '.join(languages)}.")
    return tuple(sorted(set(stopwords.words(language))))


@dataclass(frozen=True)
class MatchedStopWords:
    """A list of stop words after the token rules.

    Arguments:
        tokens: the tokens to drop.
        split: entries that the rules split at an apostrophe.
        parts: parts of these entries that are dropped, too, since they are hardly words by themselves.
        unmatched: entries that can never match, because the rules split or drop them.
    """

    tokens: frozenset[str]
    split: tuple[str, ...]
    parts: tuple[str, ...]
    unmatched: tuple[str, ...]


def match_stop_words(
    entries: Iterable[str], normalize: Callable[[str], str], split: Callable[[str], list[str]]
) -> MatchedStopWords:
    r"""Apply the token rules to a list of stop words.

    Arguments:
        entries: the list.
        normalize: `Tokenizer.normalize`.
        split: `Tokenizer.split_normalized`.

    >>> matched = match_stop_words(["The", "don't", "o'clock", "of course"], str.lower, regex.compile(r"\w+").findall)
    >>> sorted(matched.tokens), matched.split, matched.unmatched
    (['don', 'o', 't', 'the'], ("don't", "o'clock"), ('of course',))
    >>> matched.parts
    ('don', 'o', 't')
    """
    tokens: set[str] = set()
    parts_dropped: set[str] = set()
    split_entries, unmatched = [], []
    for entry in entries:
        normalized = normalize(entry)
        parts = split(normalized)
        if "'" in entry:  # some token patterns keep curly apostrophes
            curly = split(normalize(entry.replace("'", "’")))
            tokens.update(curly if len(curly) == 1 else ())
        if len(parts) == 1 and _NOT_WORD.sub("", parts[0]) == _NOT_WORD.sub("", normalized):
            tokens.add(parts[0])
        elif len(parts) > 1 and _SPLIT_AT_APOSTROPHES(normalized):
            split_entries.append(entry)
            parts_dropped |= _parts_that_are_no_words(parts)
        else:
            unmatched.append(entry)
    parts = tuple(sorted(parts_dropped))
    return MatchedStopWords(frozenset(tokens | parts_dropped), tuple(split_entries), parts, tuple(unmatched))


def _parts_that_are_no_words(parts: list[str]) -> set[str]:
    """Return the parts of a split contraction that occur in no other way, or hardly."""
    if parts[-1] in _ENCLITICS:
        return set(parts)
    return {part for part in parts if len(part) <= _MAX_PART or part in _ELIDED}
