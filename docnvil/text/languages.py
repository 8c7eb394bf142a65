"""Languages of stop words: their names and codes, and detection of the language of texts by their stop words."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import islice

import regex

from docnvil.text.normalization import fold_characters

#: English names of the languages with stop words, by ISO 639-1 code.
LANGUAGES = {
    "af": "afrikaans", "ar": "arabic", "bg": "bulgarian", "bn": "bengali", "br": "breton", "ca": "catalan",
    "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "eo": "esperanto", "es": "spanish",
    "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "gl": "galician",
    "gu": "gujarati", "ha": "hausa", "he": "hebrew", "hi": "hindi", "hr": "croatian", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "ja": "japanese", "ko": "korean", "ku": "kurdish",
    "la": "latin", "lt": "lithuanian", "lv": "latvian", "mr": "marathi", "ms": "malay", "nl": "dutch",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sk": "slovak",
    "sl": "slovenian", "so": "somali", "st": "sotho", "sv": "swedish", "sw": "swahili", "th": "thai", "tl": "tagalog",
    "tr": "turkish", "uk": "ukrainian", "ur": "urdu", "vi": "vietnamese", "yo": "yoruba", "zh": "chinese",
    "zu": "zulu",
}  # fmt: skip
_OTHER_NAMES = {"farsi": "fa", "filipino": "tl", "nb": "no", "nn": "no", "jp": "ja", "slovene": "sl", "bangla": "bn"}
CODES = {name: code for code, name in LANGUAGES.items()} | {code: code for code in LANGUAGES} | _OTHER_NAMES

# Scripts of one language with stop words; a text with Kana is Japanese although it has more Han.
_SCRIPTS = {
    "ja": r"[\p{Hiragana}\p{Katakana}]",
    "zh": r"\p{Han}",
    "ko": r"\p{Hangul}",
    "th": r"\p{Thai}",
    "el": r"\p{Greek}",
    "he": r"\p{Hebrew}",
    "hy": r"\p{Armenian}",
    "gu": r"\p{Gujarati}",
    "bn": r"\p{Bengali}",
}
_MAX_DOCUMENTS, _MAX_CHARACTERS = 1000, 2000  # per document
_MIN_SHARE = 0.1  # of documents in a language that is reported
_MIN_WORDS = 3  # of a text that is judged
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}'’\u200C]*")


def detect_languages(texts: Iterable[str]) -> dict[str, float]:
    """Return the codes of the languages of a tenth of the texts or more, with their shares, the largest first.

    A text is in the language that most of its stop words belong to, where a word that n languages share counts 1/n, or
    in the only language of its script. At most 1,000 texts are read, and 2,000 characters of each.

    >>> detect_languages(["Das ist ein Haus, und es ist nicht alt.", "Die Katze sitzt auf dem Dach."])
    {'de': 1.0}
    >>> detect_languages(["3.14159"])
    {}
    """
    detected = [language for text in islice(texts, _MAX_DOCUMENTS) if (language := _detect(text[:_MAX_CHARACTERS]))]
    counts = Counter(detected).most_common()
    return {language: count / len(detected) for language, count in counts if count >= _MIN_SHARE * len(detected)}


def _detect(text: str) -> str | None:
    words = _WORD.findall(fold_characters(text).lower().replace("’", "'"))
    n_letters = sum(map(len, words))
    for language, pattern in _compiled_scripts().items():
        if len(pattern.findall(text)) > (0.1 if language == "ja" else 0.5) * n_letters > 0:
            return language
    scores: Counter[str] = Counter()
    for word in words:
        for language in (languages := _languages_of_words().get(word, ())):
            scores[language] += 1 / len(languages)
    if len(words) < _MIN_WORDS or not scores:
        return None
    return max(scores, key=lambda language: (scores[language], language == "en"))


@cache
def _compiled_scripts() -> dict[str, regex.Pattern[str]]:
    return {language: regex.compile(pattern) for language, pattern in _SCRIPTS.items()}


@cache
def _languages_of_words() -> dict[str, tuple[str, ...]]:
    """Return the languages whose stop words have each word."""
    from docnvil.text.stop_words import stop_words_of

    languages: dict[str, list[str]] = {}
    for code in LANGUAGES:
        for word in stop_words_of(code):
            languages.setdefault(word.lower(), []).append(code)
    return {word: tuple(codes) for word, codes in languages.items()}
