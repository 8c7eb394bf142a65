"""Token rules: how a text becomes words. They are saved with every model that was trained with them.

A text is normalized to composed Unicode (NFC), lower-cased and split into tokens. Tokens that are stop words or shorter
than `min_length` are dropped *before* stemming, and so are stems shorter than `min_length`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, get_args, get_type_hints

import regex

from docnvil.errors import CheckpointError, ConfigurationError, MissingDependencyError
from docnvil.text.settings import TokenOptions
from docnvil.text.stop_words import english_stop_words

#: A letter, then letters, combining marks and digits: "python3" is a token, "1990" is not, "x_train" gives "train", and
#: Hindi words, whose vowels are marks, stay whole. In scripts without spaces, a sequence of letters is one token.
DEFAULT_TOKEN_PATTERN = r"\p{L}[\p{L}\p{M}\p{N}]*"

# Equivalent to the default pattern on ASCII text, and three times as fast in the engine of the standard library.
_DEFAULT_ON_ASCII = re.compile("[A-Za-z][A-Za-z0-9]*")

# NLTK's tokenizers also return punctuation; words contain a letter, or a pictograph such as an emoji.
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
        token_pattern: a regular expression of the `regex` package; if it has a capture group, the group is the token.
        lowercase: whether to lower-case texts.
        min_length: the minimum number of characters of tokens and of stems.
        stop_words: the words to drop; by default those of `english_stop_words`.
        stop_words_name: where the stop words come from, for display: a name, or the path of a file.
        stemmer: "porter", or "snowball-" and a language; None for no stemming.
        tokenizer: one of `NLTK_TOKENIZERS` instead of the pattern; tokens without a letter or pictograph are dropped.

    Raises:
        ConfigurationError: the pattern does not compile or has several groups, a name is unknown, or the length is out
            of range.
    """

    token_pattern: str = DEFAULT_TOKEN_PATTERN
    lowercase: bool = TokenOptions.lowercase
    min_length: int = TokenOptions.min_length
    stop_words: tuple[str, ...] = field(default_factory=english_stop_words)
    stop_words_name: str = ""
    stemmer: str | None = None
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        if not self.stop_words_name:
            name = "none" if not self.stop_words else "english" if self.stop_words == english_stop_words() else "custom"
            object.__setattr__(self, "stop_words_name", name)
        if self.min_length < 1:
            raise ConfigurationError(f"min_length is {self.min_length}. Give an integer >= 1.")
        if self.tokenizer is not None and self.tokenizer not in NLTK_TOKENIZERS:
            raise ConfigurationError(
                f"{self.tokenizer!r} is not a tokenizer of docnvil. Choose one of {', '.join(NLTK_TOKENIZERS)}."
            )
        _compile(self.token_pattern)
        _make_stemmer(self.stemmer)

    def to_json(self) -> dict[str, Any]:
        """Return the rules as a JSON object."""
        return asdict(self) | {"stop_words": list(self.stop_words)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TokenRules":
        """Return the rules that `to_json` saved.

        Raises:
            CheckpointError: a key is unknown or missing, or a value has the wrong type.
        """
        _check_json(value)
        return cls(**{**value, "stop_words": tuple(value["stop_words"])})


_JSON_TYPES = {name: get_args(hint) or (hint,) for name, hint in get_type_hints(TokenRules).items()}
_JSON_TYPES["stop_words"] = (list,)


def _check_json(value: object) -> None:
    if not isinstance(value, Mapping) or set(value) != set(_JSON_TYPES):
        keys = ", ".join(map(str, value)) if isinstance(value, Mapping) else repr(value)
        raise CheckpointError(
            f"The token rules must have the keys {', '.join(_JSON_TYPES)}, but have {keys or 'none'}. Read them with"
            " the version of docnvil that wrote them, or create the folder again."
        )
    for key, types in _JSON_TYPES.items():
        if type(value[key]) not in types:
            raise CheckpointError(f"The token rule {key} is {value[key]!r:.60}. Restore the file, or create it again.")
    if not all(isinstance(word, str) for word in value["stop_words"]):
        raise CheckpointError("The stop words of the token rules are not all strings. Restore the file.")


def tokenize(text: str, rules: TokenRules) -> list[str]:
    """Return the words of a text, in order.

    Arguments:
        text: the text.
        rules: how text becomes words.

    Example:
        >>> tokenize("The cat didn't see 3 mice in mp3 format.", TokenRules())
        ['cat', 'mice', 'mp3', 'format']
    """
    return Tokenizer(rules)(text)


class Tokenizer:
    """Token rules prepared for many texts: each distinct token is filtered and stemmed once.

    Example:
        >>> Tokenizer(TokenRules(stemmer="porter"))("running runners ran")
        ['run', 'runner', 'ran']
    """

    def __init__(self, rules: TokenRules) -> None:
        self.rules = rules
        self._ascii_findall, self._findall = _make_splitters(rules)
        self._stem = _make_stemmer(rules.stemmer)
        self._stop_words = frozenset(map(self.normalize, rules.stop_words))
        self._cached_word = cache(self.word)

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text, in order."""
        return list(filter(None, map(self._cached_word, self.split(text))))

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text, in order, before they are filtered and stemmed."""
        return self.split_normalized(self.normalize(text))

    def split_normalized(self, text: str) -> list[str]:
        """Return the tokens of a normalized text, or of a part of one."""
        return self._ascii_findall(text) if text.isascii() else self._findall(text)

    def word(self, token: str) -> str:
        """Return the word of a token from `split`, or `""` if the rules drop it."""
        min_length = self.rules.min_length
        if len(token) < min_length or token in self._stop_words:
            return ""
        if self.rules.tokenizer is not None and not _WORDLIKE.search(token):
            return ""
        stem = self._stem(token)
        return stem if len(stem) >= min_length else ""

    def normalize(self, text: str) -> str:
        """Return a text in composed form, and in lower case if the rules say so."""
        text = text if text.isascii() else unicodedata.normalize("NFC", text)
        return text.lower() if self.rules.lowercase else text


def _compile(pattern: str) -> regex.Pattern[str]:
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ConfigurationError(
            f"The token pattern {pattern!r} is not a regular expression ({error}). Correct it."
        ) from None
    if compiled.groups > 1:
        raise ConfigurationError(
            f"The token pattern {pattern!r} has {compiled.groups} capture groups, but only one can be the token. Write"
            " the others as (?:...)."
        )
    return compiled


def _make_splitters(rules: TokenRules) -> tuple[Callable[[str], list[str]], Callable[[str], list[str]]]:
    """Return two functions that split text into tokens: one for ASCII text and one for any text."""
    if rules.tokenizer is not None:
        split = _make_nltk_splitter(rules.tokenizer)
        return split, split
    findall = _compile(rules.token_pattern).findall
    return _DEFAULT_ON_ASCII.findall if rules.token_pattern == DEFAULT_TOKEN_PATTERN else findall, findall


def _make_nltk_splitter(name: str) -> Callable[[str], list[str]]:
    import nltk.tokenize

    tokenizer = getattr(nltk.tokenize, NLTK_TOKENIZERS[name])
    if name != "word":
        return tokenizer().tokenize
    try:
        tokenizer("A test.")
    except LookupError:
        raise MissingDependencyError(
            "The tokenizer 'word' needs NLTK data. Download it with python -m nltk.downloader punkt_tab, or choose"
            " tweet, toktok, treebank, wordpunct or whitespace, which need none."
        ) from None
    return tokenizer


def _make_stemmer(name: str | None) -> Callable[[str], str]:
    if name is None:
        return str
    from nltk.stem import PorterStemmer, SnowballStemmer

    if name == "porter":
        return PorterStemmer().stem
    prefix, _, language = name.partition("-")
    if prefix != "snowball" or language not in SnowballStemmer.languages:
        raise ConfigurationError(
            f"{name!r} is not a stemmer of docnvil. Choose porter, or snowball- and one of"
            f" {', '.join(SnowballStemmer.languages)}."
        )
    return SnowballStemmer(language).stem
