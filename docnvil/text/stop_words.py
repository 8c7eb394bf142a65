"""Lists of stop words: words too common to say what a document is about."""

from functools import cache
from pathlib import Path

from docnvil.errors import ConfigurationError, CorpusError, MissingDependencyError
from docnvil.text.files import open_text

# Splitting "don't" or "they'll" at the apostrophe leaves pieces that scikit-learn's list does not have. "won" (won't)
# also drops the past tense of "win".
_CONTRACTIONS = """ain't aren't couldn't daren't didn't doesn't don't hadn't hasn't haven't isn't mayn't mightn't
    mustn't needn't oughtn't shan't shouldn't wasn't weren't won't wouldn't they'll they're they've"""
_CONTRACTION_PIECES = set(_CONTRACTIONS.replace("'", " ").split()) - {"t", "they"}


@cache
def english_stop_words() -> tuple[str, ...]:
    """Return scikit-learn's English stop words and the pieces of split contractions, sorted.

    Example:
        >>> {"the", "don", "ve"} <= set(english_stop_words())
        True
    """
    # scikit-learn takes a second to import, and rules that are read from a model do not need it.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return tuple(sorted({*ENGLISH_STOP_WORDS, *_CONTRACTION_PIECES}))


def read_stop_words(name_or_path: str) -> tuple[str, ...]:
    """Return the words of a list of stop words.

    Arguments:
        name_or_path: "english", "none", "nltk:" and a language, or the path of a UTF-8 file with one word per line.

    Raises:
        CorpusError: there is no such file.
        ConfigurationError: NLTK has no list for the language.
        MissingDependencyError: NLTK's lists are not installed.
    """
    if name_or_path == "none":
        return ()
    if name_or_path == "english":
        return english_stop_words()
    prefix, _, language = name_or_path.partition(":")
    if prefix == "nltk":
        return _nltk_stop_words(language)
    path = Path(name_or_path)
    if not path.is_file():
        raise CorpusError(
            f"There is no file of stop words at {path}. Check the path, or use english, none or nltk:<language>."
        )
    with open_text(path) as file:
        return tuple(sorted(set(map(str.strip, file)) - {""}))


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
