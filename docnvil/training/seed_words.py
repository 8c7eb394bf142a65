"""Seed words: units that start at words of the user's choice and keep to them.

Axes: V vocabulary, K units of the first layer.
"""

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from docnvil.analysis.unit_names import check_names
from docnvil.errors import ConfigurationError, VocabularyError
from docnvil.schema import NamedWords

if TYPE_CHECKING:
    from docnvil.text.tokens import TokenRules
    from docnvil.text.vocabulary import Vocabulary

SeedColumns = tuple[tuple[int, ...], ...]  # the columns of the words of each seeded unit

EXAMPLE = 'hockey = ["hockey", "nhl", "playoffs"]'


def read_seed_words(path: Path) -> NamedWords:
    """Return the seed words in a TOML file, with one line per unit: a name and a list of words.

    Raises:
        ConfigurationError: the file is not TOML, or has something else than lists of words.
    """
    try:
        values = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not valid TOML ({error}). Write one line per unit, such as {EXAMPLE}."
        ) from None
    for name, words in values.items():
        if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
            raise ConfigurationError(
                f"{path}: {name!r} is not a list of words. Write one line per unit, such as {EXAMPLE}."
            )
    seed_words = tuple((name, tuple(words)) for name, words in values.items())
    if not seed_words:
        raise ConfigurationError(f"{path} has no seed words. Write one line per unit, such as {EXAMPLE}.")
    check_seed_words(seed_words, where=f"{path}: ")
    return seed_words


def check_seed_words(seed_words: NamedWords, where: str = "") -> None:
    """Check names and words without a vocabulary.

    Arguments:
        seed_words: pairs of a name and its words.
        where: the start of error messages.

    Raises:
        ConfigurationError: a name that is not allowed, no words for a name, or a word that occurs twice.
    """
    names = [name for name, _ in seed_words]
    try:
        check_names(names, len(names))
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}{error.command_line_message}") from None
    owners: dict[str, str] = {}
    for name, words in seed_words:
        if not words:
            raise ConfigurationError(f"{where}{name!r} has no seed words. Give one or more, or leave out the name.")
        for word in words:
            _require_new(word, name, owners, where)


def seed_columns(
    seed_words: NamedWords, vocabulary: "Vocabulary", rules: "TokenRules | None", where: str = ""
) -> SeedColumns:
    """Return the columns of the seed words of each unit.

    A word that is not in the vocabulary counts as the word that the token rules make of it, such as "hockey" for
    "Hockey".

    Arguments:
        seed_words: pairs of a name and its words.
        vocabulary: the words of the columns.
        rules: how texts became words; None if they were counts.
        where: the start of error messages.

    Raises:
        VocabularyError: a word is not in the vocabulary, or the columns have no names.
        ConfigurationError: two words are the same word of the vocabulary.

    Example:
        >>> from docnvil.text.tokens import TokenRules
        >>> from docnvil.text.vocabulary import Vocabulary
        >>> seed_columns((("cats", ("Cat",)), ("mice", ("mouse",))), Vocabulary(["cat", "mouse"]), TokenRules())
        ((0,), (1,))
    """
    if seed_words and vocabulary.is_numbered:
        raise VocabularyError(
            f"{where}The columns of the counts have no words, so seed words cannot be found. Pass --vocabulary."
        )
    owners: dict[str, str] = {}
    unknown: list[str] = []
    columns: list[tuple[int, ...]] = []
    for name, words in seed_words:
        known = [word if word in vocabulary else _by_rules(word, rules) for word in words]
        unknown += [word for word, each in zip(words, known, strict=True) if each not in vocabulary]
        known = [word for word in known if word in vocabulary]
        for word in known:
            _require_new(word, name, owners, where)
        columns.append(tuple(map(vocabulary.index, known)))
    if unknown:
        raise VocabularyError(f"{where}{_describe_unknown(unknown, list(vocabulary))}")
    return tuple(columns)


def _require_new(word: str, name: str, owners: dict[str, str], where: str) -> None:
    """Note the name that a word belongs to; raise if it has one already."""
    if word in owners:
        other = owners[word]
        problem = (
            f"in {name!r} twice. Keep it once" if other == name else f"in {other!r} and in {name!r}. Keep it in one"
        )
        raise ConfigurationError(f"{where}The seed word {word!r} is {problem}.")
    owners[word] = name


def _by_rules(word: str, rules: "TokenRules | None") -> str | None:
    from docnvil.text.tokens import tokenize

    tokens = tokenize(word, rules) if rules is not None else []
    return tokens[0] if len(tokens) == 1 else None


def _describe_unknown(unknown: Sequence[str], vocabulary: Sequence[str]) -> str:
    shown = []
    for word in unknown[:5]:
        close = difflib.get_close_matches(word, vocabulary, n=1, cutoff=0.7)
        shown.append(f"{word!r}" + (f" (did you mean {close[0]!r}?)" if close else ""))
    more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
    verb = "seed word is" if len(unknown) == 1 else "seed words are"
    return (
        f"{len(unknown):,} {verb} not in the vocabulary: {', '.join(shown)}{more}. Choose other words, or change"
        " --min-df, --max-df, --vocabulary-size or --stop-words, which leave words out."
    )
