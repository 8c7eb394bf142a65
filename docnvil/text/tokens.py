"""Token rules: how a text becomes words. They are saved with every model that was trained with them.

A text is normalized (see `normalization`), lower-cased and split into tokens. Tokens that are stop words or shorter
than `min_length` are dropped *before* stemming, and so are stems shorter than `min_length`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import regex

from docnvil.errors import CheckpointError, ConfigurationError
from docnvil.schema import check_whole
from docnvil.text.cleaning import read_parts, strip_parts
from docnvil.text.document import TokenText
from docnvil.text.ngrams import check_ngrams, join_phrases, list_ngrams
from docnvil.text.normalization import (
    Normalizer,
    join_line_end_hyphens,
    normalize_v1,
    restore_apostrophes,
)
from docnvil.text.settings import TokenOptions
from docnvil.text.splitters import (
    DEFAULT_TOKEN_PATTERN,
    TOKEN_PATTERN_V1,
    Split,
    check_tokenizer,
    compile_pattern,
    import_tokenizer,
    is_function_name,
    make_nltk_splitter,
    make_pattern_splitters,
)
from docnvil.text.stop_words import english_stop_words, match_stop_words

VERSION = 2  # of the token rules; models with version 1 have no number

# Tokenizers also return punctuation; words contain a letter, or a pictograph such as an emoji.
_WORDLIKE = regex.compile(r"[\p{L}\p{So}]")
_PICTOGRAPH = regex.compile(r"[\p{Emoji_Presentation}\u2600-\u27BF\U0001F1E6-\U0001F1FF\U0001F300-\U0001FAFF]")


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
        tokenizer: instead of the pattern, one of `NLTK_TOKENIZERS` or a function "package.module:function"; tokens
            without a letter or pictograph are dropped.
        strip_accents: whether Latin and Greek letters lose their accents.
        join_hyphens: whether words that are hyphenated at the end of a line are joined.
        dotless_i: whether the lower case of "I" is "ı", as in Turkish and Azerbaijani.
        strip: the parts of texts to remove, from `cleaning.STRIPPERS`.
        ngrams: the minimum and the maximum number of words that are counted together, see `ngrams.list_ngrams`.
        phrases: pairs of words that are one word, such as "new_york", see `ngrams.join_phrases`.
        version: the version of the rules; models and corpora of version 1 are read by its rules.
        may_import: whether a function `tokenizer` may be imported; false for rules that were read from a file, so that
            reading a model or a corpus never runs code that its author chose. It is not saved.

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
    strip_accents: bool = TokenOptions.strip_accents
    join_hyphens: bool = TokenOptions.join_hyphens
    dotless_i: bool = False
    strip: tuple[str, ...] = ()
    ngrams: tuple[int, int] = (1, 1)
    phrases: tuple[str, ...] = ()
    version: int = VERSION
    may_import: bool = field(default=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("stop_words", "strip", "phrases"):
            object.__setattr__(self, name, _strings(name, getattr(self, name)))
        if not self.stop_words_name:
            name = "none" if not self.stop_words else "english" if self.stop_words == english_stop_words() else "custom"
            object.__setattr__(self, "stop_words_name", name)
        object.__setattr__(self, "min_length", check_whole("min_length", self.min_length, 1))
        if self.version not in (1, VERSION):
            raise ConfigurationError(f"The token rules have version {self.version!r}. Give 1 or {VERSION}.")
        if self.tokenizer is not None:
            check_tokenizer(self.tokenizer)
        object.__setattr__(self, "strip", read_parts(",".join(self.strip)))
        object.__setattr__(self, "ngrams", check_ngrams(self.ngrams))
        compile_pattern(self.token_pattern)
        _make_stemmer(self.stemmer)

    @property
    def is_default_pattern(self) -> bool:
        """Whether texts are split by the default pattern of this version."""
        default = TOKEN_PATTERN_V1 if self.version == 1 else DEFAULT_TOKEN_PATTERN
        return self.tokenizer is None and self.token_pattern == default

    @property
    def has_single_words_only(self) -> bool:
        """Whether each word is counted by itself."""
        return self.ngrams == (1, 1) and not self.phrases

    def to_json(self) -> dict[str, Any]:
        """Return the rules as a JSON object."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        del values["may_import"]
        return values

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TokenRules":
        """Return the rules that `to_json` saved, in this version or an earlier one.

        Raises:
            CheckpointError: a key is unknown or missing, or a value has the wrong type.
        """
        if isinstance(value, Mapping) and set(value) == set(_KEYS_V1):
            value = {**_ADDED_SINCE_V1, **value}
        _check_json(value)
        values = {key: tuple(each) if isinstance(each, list) else each for key, each in value.items()}
        return cls(**values, may_import=False)

    def allow_tokenizer(self, name: str | None) -> "TokenRules":
        """Return rules that may import the function `name`, which must be their tokenizer; None changes nothing.

        Raises:
            ConfigurationError: the rules have another tokenizer.
        """
        if name not in (None, self.tokenizer):
            own = "the token pattern" if self.tokenizer is None else self.tokenizer
            raise ConfigurationError(f"The texts were split by {own}, not by {name}. Correct or leave out --tokenizer.")
        return self if name is None else replace(self, may_import=True)


_JSON_TYPES = {
    name: (list,) if get_origin(hint) is tuple else get_args(hint) or (hint,)
    for name, hint in get_type_hints(TokenRules).items()
    if name != "may_import"
}
_KEYS_V1 = ("token_pattern", "lowercase", "min_length", "stop_words", "stop_words_name", "stemmer", "tokenizer")
_ADDED_SINCE_V1 = {
    "strip_accents": False,
    "join_hyphens": False,
    "dotless_i": False,
    "strip": [],
    "ngrams": [1, 1],
    "phrases": [],
    "version": 1,
}


def _strings(name: str, values: object) -> tuple[str, ...]:
    """Return the strings of a list; a single string would be taken for a list of letters."""
    if isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping):
        strings = tuple(values) if not isinstance(values, set | frozenset) else tuple(sorted(values))
        if all(isinstance(each, str) for each in strings):
            return strings
    example = "docnvil.text.stop_words.read_stop_words('english')" if name == "stop_words" else "['...']"
    raise ConfigurationError(f"{name} is {values!r:.60}. Give a list of strings, such as {example}.")


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
        kind = int if key == "ngrams" else str
        if types == (list,) and not all(type(each) is kind for each in value[key]):
            raise CheckpointError(
                f"The token rule {key} is not a list of values of type {kind.__name__}. Restore the file."
            )


def tokenize(text: str, rules: TokenRules) -> list[str]:
    """Return the words of a text, in order.

    Arguments:
        text: the text.
        rules: how text becomes words.

    Example:
        >>> tokenize("The cat didn't see 3 mice in mp3 format on the 19th.", TokenRules())
        ['cat', 'mice', 'mp3', 'format']
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"{type(text).__name__} is not a text. For several texts, use docnvil.count_words.")
    return Tokenizer(rules)(text)


class Tokenizer:
    """Token rules prepared for many texts: each distinct token is filtered and stemmed once.

    Example:
        >>> Tokenizer(TokenRules(stemmer="porter"))("running runners ran")
        ['run', 'runner', 'ran']
    """

    def __init__(self, rules: TokenRules) -> None:
        self.rules = rules
        self._clean = _make_cleaner(rules)
        self._normalize = _make_normalizer(rules)
        self._ascii_findall, self._findall = _make_splitters(rules)
        self._stem = _make_stemmer(rules.stemmer)
        if rules.version == 1:
            self._stop_words = frozenset(map(self.normalize, rules.stop_words))
        else:
            self._stop_words = match_stop_words(rules.stop_words, self._normalize, self.split_normalized).tokens
        self._phrases = frozenset(rules.phrases)
        self._cached_word = cache(self.word)

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text, in order."""
        words = list(filter(None, map(self._cached_word, self.split(text))))
        if self.rules.has_single_words_only:
            return words
        return list_ngrams(join_phrases(words, self._phrases), *self.rules.ngrams)

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text, in order, before they are filtered and stemmed.

        The tokens of a `TokenText` are kept whole; those without a letter or pictograph are left out.
        """
        if isinstance(text, TokenText):
            return list(filter(_WORDLIKE.search, map(self.normalize, text.tokens)))
        return self.split_normalized(self.normalize(text))

    def split_normalized(self, text: str) -> list[str]:
        """Return the tokens of a normalized text, or of a part of one."""
        return self._ascii_findall(text) if text.isascii() else self._findall(text)

    def word(self, token: str) -> str:
        """Return the word of a token from `split`, or `""` if the rules drop it."""
        min_length = self.rules.min_length
        if token in self._stop_words:
            return ""
        if self.rules.tokenizer is not None:
            if self.rules.version > 1 and _PICTOGRAPH.search(token):
                return token.replace("\ufe0f", "")  # ❤ with and without the selector of its colored form
            if not _WORDLIKE.search(token):
                return ""
        if len(token) < min_length:
            return ""
        stem = self._stem(token if self.rules.version == 1 else restore_apostrophes(token))
        return stem if len(stem) >= min_length else ""

    def normalize(self, text: str) -> str:
        """Return a text without what the rules strip, in composed form, and in lower case if the rules say so."""
        return self._normalize(text if self._clean is None else self._clean(text))

    @property
    def normalizes_ascii(self) -> bool:
        """Whether texts in ASCII change in other ways than by lower-casing."""
        return self._clean is not None


def _make_cleaner(rules: TokenRules) -> Callable[[str], str] | None:
    """Return a function that removes parts of texts, or None if the rules keep everything."""
    if not rules.strip:
        return join_line_end_hyphens if rules.join_hyphens else None
    if not rules.join_hyphens:
        return lambda text: strip_parts(text, rules.strip)
    return lambda text: join_line_end_hyphens(strip_parts(text, rules.strip))


def _make_normalizer(rules: TokenRules) -> Callable[[str], str]:
    if rules.version == 1:
        return lambda text: normalize_v1(text, lowercase=rules.lowercase)
    is_function = rules.tokenizer is not None and is_function_name(rules.tokenizer)
    # A pattern with an apostrophe in it says which kind it wants.
    pattern = rules.token_pattern if rules.tokenizer is None and not rules.is_default_pattern else ""
    return Normalizer(
        lowercase=rules.lowercase and not is_function,  # upper case helps taggers; the tokens are lower-cased
        strip_accents=rules.strip_accents,
        dotless_i=rules.dotless_i,
        letter_apostrophes=not is_function and "'" not in pattern,
        straight_apostrophes=not is_function and not rules.is_default_pattern and not {"’", "ʼ"} & set(pattern),
    )


def _make_splitters(rules: TokenRules) -> tuple[Split, Split]:
    """Return two functions that split text into tokens: one for ASCII text and one for any text."""
    if rules.tokenizer is None:
        return make_pattern_splitters(rules.token_pattern)
    if not is_function_name(rules.tokenizer):
        split = make_nltk_splitter(rules.tokenizer, version=rules.version)
        return split, split
    if not rules.may_import:
        raise ConfigurationError(
            f"The texts of this model were split by the function {rules.tokenizer}, which is imported only if you name"
            f" it: pass --tokenizer {rules.tokenizer}."
        )
    function = import_tokenizer(rules.tokenizer)
    if not rules.lowercase:
        return function, function
    lower_case = Normalizer()
    split = lambda text: [lower_case(token) for token in function(text)]  # noqa: E731
    return split, split


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
