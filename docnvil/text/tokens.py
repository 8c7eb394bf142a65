"""From text to words by stated rules, which travel with every model that was trained under them.

A text is brought to Unicode's composed form (NFC) and lower-cased, and split into tokens. Tokens shorter than
`min_length` and stop words are dropped *before* stemming; a stem must have `min_length` again.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import regex

from docnvil.errors import CheckpointError, ConfigurationError, MissingDependencyError
from docnvil.text.stop_words import english_stop_words, resolve_stop_words

__all__ = ["DEFAULT_TOKEN_PATTERN", "NLTK_TOKENIZERS", "TokenRules", "Tokenizer", "resolve_stop_words", "tokenize"]

#: A letter, then letters, combining marks and digits: "python3" is a word, "1990" is none, "x_train" gives "train",
#: and Hindi words, whose vowels are marks, stay whole. Scripts without spaces come out a run at a time.
DEFAULT_TOKEN_PATTERN = r"\p{L}[\p{L}\p{M}\p{N}]*"

# What the default pattern amounts to on ASCII text; the standard library's engine finds it three times as fast.
_DEFAULT_ON_ASCII = re.compile("[A-Za-z][A-Za-z0-9]*")

# NLTK's tokenizers also return punctuation; a word holds a letter, or a pictograph such as an emoji.
_WORDLIKE = regex.compile(r"[\p{L}\p{So}]")

NLTK_TOKENIZERS = {
    "tweet": "TweetTokenizer",
    "toktok": "ToktokTokenizer",
    "treebank": "TreebankWordTokenizer",
    "wordpunct": "WordPunctTokenizer",
    "whitespace": "WhitespaceTokenizer",
    "word": "word_tokenize",
}


@dataclass(frozen=True)
class TokenRules:
    """How a text becomes words.

    Arguments:
        token_pattern: a regular expression of the `regex` package; with one capture group, the group is the token.
        lowercase: whether the text is lower-cased first.
        min_length: the fewest characters of a token, and of its stem.
        stop_words: the words that are not counted, spelt out; scikit-learn's English ones and a few more by default.
        stop_words_name: where they come from, for the reader: a name, or the path of a file.
        stemmer: "porter", or "snowball-" and a language; None leaves words as they are.
        tokenizer: one of `NLTK_TOKENIZERS`, which then splits the text in the pattern's stead; tokens without a letter
            or pictograph are dropped.

    Raises:
        ConfigurationError: the pattern does not compile or has several groups, or a name or a length is out of range.

    >>> TokenRules(stemmer="porter").stop_words_name
    'english'
    """

    token_pattern: str = DEFAULT_TOKEN_PATTERN
    lowercase: bool = True
    min_length: int = 2
    stop_words: tuple[str, ...] = field(default_factory=english_stop_words)
    stop_words_name: str = ""
    stemmer: str | None = None
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        if not self.stop_words_name:
            object.__setattr__(self, "stop_words_name", _name_of_words(self.stop_words))
        if self.min_length < 1:
            raise ConfigurationError(
                f"min_length is {self.min_length}; a token has a character at least. Give 1 or more."
            )
        if self.tokenizer is not None and self.tokenizer not in NLTK_TOKENIZERS:
            raise ConfigurationError(
                f"{self.tokenizer!r} is not a tokenizer docnvil knows. Choose of {', '.join(NLTK_TOKENIZERS)}."
            )
        _compile(self.token_pattern)
        _stemmer(self.stemmer)

    def to_json(self) -> dict[str, Any]:
        """Return the rules as a JSON object."""
        return asdict(self) | {"stop_words": list(self.stop_words)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TokenRules":
        """Return the rules that `to_json` wrote.

        Raises:
            CheckpointError: a key is unknown or missing, or a value is of the wrong type.

        >>> TokenRules.from_json(TokenRules(min_length=3).to_json()).min_length
        3
        """
        _require_rules(value)
        return cls(**{**value, "stop_words": tuple(value["stop_words"])})


_JSON_TYPES: dict[str, Any] = {
    "token_pattern": str,
    "lowercase": bool,
    "min_length": int,
    "stop_words": list,
    "stop_words_name": str,
    "stemmer": str | None,
    "tokenizer": str | None,
}


def _require_rules(value: object) -> None:
    """Refuse anything but what `TokenRules.to_json` returns."""
    if not isinstance(value, Mapping) or set(value) != set(_JSON_TYPES):
        found = ", ".join(map(str, value)) if isinstance(value, Mapping) else repr(value)
        raise CheckpointError(
            f"The token rules are to have the keys {', '.join(_JSON_TYPES)}, but have {found or 'none'}. Load them with"
            " the docnvil that wrote them, or make the folder again."
        )
    for key, kind in _JSON_TYPES.items():
        # JSON's true is a whole number to Python.
        if not isinstance(value[key], kind) or (kind is int and isinstance(value[key], bool)):
            raise CheckpointError(f"The token rule {key} is {value[key]!r:.60}. Restore the file, or make it again.")
    if not all(isinstance(word, str) for word in value["stop_words"]):
        raise CheckpointError("The stop words of the token rules are not all strings. Restore the file.")


def tokenize(text: str, rules: TokenRules) -> list[str]:
    """Return the words of a text, in order.

    >>> tokenize("The cat didn't see 3 mice in mp3 format.", TokenRules())
    ['cat', 'mice', 'mp3', 'format']
    """
    return Tokenizer(rules)(text)


class Tokenizer:
    """Rules made ready to be applied to many texts; each distinct token is judged and stemmed once.

    Arguments:
        rules: the rules.

    Raises:
        MissingDependencyError: the tokenizer needs NLTK data that is not installed.

    >>> Tokenizer(TokenRules(stemmer="porter"))("running runners ran")
    ['run', 'runner', 'ran']
    """

    def __init__(self, rules: TokenRules) -> None:
        self.rules = rules
        self._ascii_findall, self._findall = _splitters(rules)
        self._stem = _stemmer(rules.stemmer)
        self._stop_words = frozenset(map(self.normalize, rules.stop_words))
        self._words = _Words(self.word)

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text, in order."""
        words = self._words
        return [word for token in self.split(text) if (word := words[token])]

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text, in order, before any is dropped or stemmed."""
        return self.find(self.normalize(text))

    def find(self, text: str) -> list[str]:
        """Return the tokens of a text, or of a part of one, that is normalized already."""
        return self._ascii_findall(text) if text.isascii() else self._findall(text)

    def word(self, token: str) -> str:
        """Return the word that a token of `split` stands for, or `""` if it is not counted.

        >>> tokenizer = Tokenizer(TokenRules(stemmer="porter"))
        >>> tokenizer.word("mice"), tokenizer.word("the")
        ('mice', '')
        """
        least = self.rules.min_length
        if len(token) < least or token in self._stop_words:
            return ""
        if self.rules.tokenizer is not None and not _WORDLIKE.search(token):
            return ""
        stem = self._stem(token)
        return stem if len(stem) >= least else ""

    def normalize(self, text: str) -> str:
        """Return a text in composed form, and in lower case if the rules say so."""
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return text.lower() if self.rules.lowercase else text


class _Words(dict[str, str]):
    """A memory of `Tokenizer.word`."""

    def __init__(self, word: Callable[[str], str]) -> None:
        self._word = word

    def __missing__(self, token: str) -> str:
        return self.setdefault(token, self._word(token))


def _name_of_words(words: tuple[str, ...]) -> str:
    if not words:
        return "none"
    return "english" if words == english_stop_words() else "custom"


def _compile(pattern: str) -> regex.Pattern[str]:
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ConfigurationError(
            f"The token pattern {pattern!r} is no regular expression ({error}). Mend it."
        ) from None
    if compiled.groups > 1:
        raise ConfigurationError(
            f"The token pattern {pattern!r} has {compiled.groups} capture groups where one at most can be the token."
            " Write the others as (?:...)."
        )
    return compiled


def _splitters(rules: TokenRules) -> tuple[Callable[[str], list[str]], Callable[[str], list[str]]]:
    """Return what splits an ASCII text and what splits any text."""
    if rules.tokenizer is not None:
        split = _nltk_tokenizer(rules.tokenizer)
        return split, split
    findall = _compile(rules.token_pattern).findall
    return _DEFAULT_ON_ASCII.findall if rules.token_pattern == DEFAULT_TOKEN_PATTERN else findall, findall


def _nltk_tokenizer(name: str) -> Callable[[str], list[str]]:
    import nltk.tokenize

    found = getattr(nltk.tokenize, NLTK_TOKENIZERS[name])
    if name != "word":
        return found().tokenize
    try:
        found("A test.")
    except LookupError:
        raise MissingDependencyError(
            "The tokenizer 'word' needs NLTK data. Fetch it with python -m nltk.downloader punkt_tab, or choose tweet,"
            " toktok, treebank or wordpunct, which need none."
        ) from None
    return found


def _stemmer(name: str | None) -> Callable[[str], str]:
    if name is None:
        return str
    from nltk.stem import PorterStemmer, SnowballStemmer

    if name == "porter":
        return PorterStemmer().stem
    prefix, _, language = name.partition("-")
    if prefix != "snowball" or language not in SnowballStemmer.languages:
        raise ConfigurationError(
            f"{name!r} is not a stemmer docnvil knows. Choose porter, or snowball- and one of"
            f" {', '.join(SnowballStemmer.languages)}."
        )
    return SnowballStemmer(language).stem
