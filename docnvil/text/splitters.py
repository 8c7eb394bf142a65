"""Functions that split a text into tokens: token patterns, NLTK's tokenizers, and functions that users name."""

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import regex

from docnvil.errors import ConfigurationError, MissingDependencyError

Split = Callable[[str], list[str]]

# Scripts without spaces between words; a sequence of their letters is one token.
# LB=SA are those of Southeast Asia, such as Thai, Lao, Khmer and Burmese.
_UNSPACED = r"\p{Ideographic}\p{Han}\p{Hiragana}\p{Katakana}\p{LB=SA}ー"
_REST = rf"[[\p{{L}}\p{{M}}\p{{Nd}}\p{{Nl}}]--[{_UNSPACED}]]"  # of a word in other scripts

#: A letter, then letters, combining marks and digits: "python3" is a token and "x_train" gives "train". What starts
#: with a digit is not a word: 1990, 19th and 10mg are skipped (the first line). Hindi words, whose vowels are marks,
#: stay whole, and so do words with joiners (Persian, Sinhala), middle dots (Catalan) and gershayim (Hebrew). In scripts
#: without spaces, a sequence of letters is one token.
DEFAULT_TOKEN_PATTERN = (
    rf"(?V1)\p{{Nd}}(?!\uFE0F?\u20E3)[{_REST}\u200C\u200D]*+(*SKIP)(*FAIL)"
    rf"|[[{_UNSPACED}]&&\p{{L}}][[{_UNSPACED}]&&[\p{{L}}\p{{M}}\p{{Nl}}]]*+"
    rf"|[\p{{L}}--[{_UNSPACED}]]{_REST}*+"
    rf"(?:(?:[\u200C\u200D]|(?<=[lL])·(?=[lL])|(?<=\p{{Hebrew}})[״׳](?=\p{{Hebrew}})){_REST}++)*+(?:(?<=\p{{ccc=9}})\u200D)?"
)

#: The default pattern of version 1 of the token rules.
TOKEN_PATTERN_V1 = r"\p{L}[\p{L}\p{M}\p{N}]*"

# Equivalent to the default patterns on ASCII text, and three times as fast in the engine of the standard library.
_ASCII_WORDS = re.compile("[A-Za-z0-9]+")
_ASCII_WORDS_V1 = re.compile("[A-Za-z][A-Za-z0-9]*")

NLTK_TOKENIZERS = {
    "tweet": "TweetTokenizer",
    "toktok": "ToktokTokenizer",
    "treebank": "TreebankWordTokenizer",
    "wordpunct": "WordPunctTokenizer",
    "whitespace": "WhitespaceTokenizer",
    "word": "word_tokenize",
}
_ENCLOSING = '.,;:!?"“”„«»‹›()[]{}…'  # punctuation that the whitespace tokenizer leaves at words

_is_function_name = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*").fullmatch


def is_function_name(tokenizer: str) -> bool:
    """Return whether a tokenizer is a function, such as "package.module:function"."""
    return _is_function_name(tokenizer) is not None


def check_tokenizer(tokenizer: str) -> None:
    """Raise a `ConfigurationError` unless the name is one of `NLTK_TOKENIZERS`, or is like that of a function."""
    if tokenizer not in NLTK_TOKENIZERS and not is_function_name(tokenizer):
        raise ConfigurationError(
            f"{tokenizer!r} is not a tokenizer of docnvil. Choose one of {', '.join(NLTK_TOKENIZERS)}, or name a"
            " function as package.module:function."
        )


def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """Return the compiled pattern.

    Raises:
        ConfigurationError: the pattern does not compile, or has several groups or one that repeats.
    """
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
    # The regex module gives tuples for a repeated group, which holds only the last of its matches.
    if compiled.groups == 1 and any(isinstance(each, tuple) for each in regex.compile(f"{pattern}\n|").findall("")):
        raise ConfigurationError(
            f"The token pattern {pattern!r} repeats its capture group, so only a part of each match would be the token."
            " Write the group as (?:...)."
        )
    return compiled


def make_pattern_splitters(pattern: str) -> tuple[Split, Split]:
    """Return two functions that find the matches of a pattern: one for ASCII text and one for any text."""
    findall = compile_pattern(pattern).findall
    if pattern == TOKEN_PATTERN_V1:
        return _ASCII_WORDS_V1.findall, findall
    return _split_ascii if pattern == DEFAULT_TOKEN_PATTERN else findall, findall


def _split_ascii(text: str) -> list[str]:
    return [word for word in _ASCII_WORDS.findall(text) if word[0] > "9"]


def make_nltk_splitter(name: str, *, version: int) -> Split:
    """Return a tokenizer of NLTK; from version 2, the whitespace tokenizer removes punctuation around words."""
    import nltk.tokenize

    tokenizer = getattr(nltk.tokenize, NLTK_TOKENIZERS[name])
    if name == "whitespace" and version > 1:
        return lambda text: [stripped for token in text.split() if (stripped := token.strip(_ENCLOSING))]
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


def import_tokenizer(name: str) -> Split:
    """Import a function from text to a list of strings, and return a function that checks what it returns.

    Arguments:
        name: the module and the function, such as "package.module:function".

    Raises:
        MissingDependencyError: the module cannot be imported.
        ConfigurationError: the module has no such function.

    >>> import_tokenizer("textwrap:wrap")("a text")
    ['a text']
    """
    module_name, _, path = name.partition(":")
    try:
        function: Any = import_module(module_name)
    except ImportError as error:
        raise MissingDependencyError(
            f"The tokenizer {name} cannot be imported ({error}). Install its package, or run in the folder of its file"
            " with PYTHONPATH=."
        ) from None
    for attribute in path.split("."):
        function = getattr(function, attribute, None)
    if not callable(function):
        raise ConfigurationError(f"The module {module_name} has no function {path!r}. Check the name of the tokenizer.")

    def split(text: str) -> list[str]:
        tokens = function(text)
        tokens = list(tokens) if not isinstance(tokens, str) and hasattr(tokens, "__iter__") else None
        if tokens is None or not all(isinstance(token, str) for token in tokens):
            raise ConfigurationError(f"The tokenizer {name} must return a list of strings for a text. Correct it.")
        return [" ".join(token.split()) for token in tokens]

    return split
