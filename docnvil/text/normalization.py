"""Normalization of texts before they are split into tokens: one form for each word, however it is encoded.

`Normalizer` is what version 2 of the token rules does; `normalize_v1` belongs to models of earlier versions.
"""

import re
import unicodedata
from collections.abc import Container
from functools import cache

# Format characters that are invisible and do not separate words: soft hyphen, combining grapheme joiner, marks of
# direction, word joiner, invisible operators, byte-order mark; and the Arabic tatweel, which only stretches a word.
_REMOVED = "\u00ad\u034f\u061c\u0640\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_ZERO_WIDTH_SPACE = "\u200b"
_JOINERS = "\u200c\u200d"  # ZWNJ and ZWJ

# Blocks with letters and digits that have a compatibility decomposition, without those that Unicode's NFKC spoils:
# superscripts (they would become part of the word), Thai and Lao vowels, and Korean letters that stand alone.
_FOLDED_BLOCKS = (
    (0x00B5, 0x00B5),  # micro sign
    (0x0132, 0x01F3),  # Latin ligatures and digraphs, long s
    (0x0370, 0x03FF),  # Greek symbols
    (0x0587, 0x0587),  # Armenian ligature
    (0x1E9A, 0x1E9B),
    (0x2080, 0x2089),  # subscript digits: H₂O
    (0x2100, 0x2188),  # letterlike symbols, Roman numerals
    (0xFB00, 0xFDFB),  # ligatures, Hebrew and Arabic presentation forms
    (0xFE70, 0xFEFC),
    (0xFF07, 0xFF07),  # full-width apostrophe
    (0xFF10, 0xFF9F),  # full-width digits and letters, half-width Katakana
    (0x1D400, 0x1D7FF),  # mathematical letters and digits
    (0x1EE00, 0x1EEBB),  # Arabic mathematical letters
)
_NOT_FOLDED = ("<super>", "<square>", "<circle>", "<fraction>", "<vertical>", "<small>", "<noBreak>")

_NO_JOINERS_AFTER = r"[\u0041-\u058f\u05d0-\u05ea\u10a0-\u10ff\u1e00-\u1fff]"  # scripts that do not need them
_CYRILLIC = "\u0400-\u052f"
_HEBREW = "\u05d0-\u05ea"
_APOSTROPHES = "'’ʼ‘`´"
_LETTER_APOSTROPHE = "ʼ"  # U+02BC, which Unicode recommends where an apostrophe is a letter

_ZERO_WIDTH = re.compile(f"[{_JOINERS}]+(?<={_NO_JOINERS_AFTER}.)|([{_JOINERS}])[{_JOINERS}]+")
_HAS_LETTER_APOSTROPHES = re.compile(f"[{_CYRILLIC}{_HEBREW}]")
_APOSTROPHE_LETTER = re.compile(f"[{_APOSTROPHES}](?<=[{_CYRILLIC}].)(?=[{_CYRILLIC}])")
_GERESH = re.compile(f"['’׳](?<=[{_HEBREW}].)(?=[{_HEBREW}])")
_GERSHAYIM = re.compile(f'["”“״](?<=[{_HEBREW}].)(?=[{_HEBREW}])')
_MIDDLE_DOT = re.compile("[·•∙⋅‧](?<=[lL].)(?=[lL])")
# At the beginning and end of a word, and in English contractions.
_NOT_LETTER_APOSTROPHE = re.compile(
    r"ʼ(?:(?<![^\W\d_]ʼ)|(?![^\W\d_])|(?<=[a-z]ʼ)(?=(?:s|t|d|m|re|ve|ll)(?![^\W\d_])))", re.IGNORECASE
)
_CURLY_APOSTROPHE = re.compile(r"[’ʼ‘](?<=[^\W\d_].)(?=[^\W\d_])")
_LINE_END_HYPHEN = re.compile(r"[-\u2010\u00ad](?<=[^\W\d_].)[ \t]*\r?\n\s*(?=[^\W\d_])")
_ACCENTED = re.compile(r"([\u0041-\u024f\u0370-\u03ff\u1e00-\u1fff])[\u0300-\u036f]+")
_STRESS = re.compile(f"([{_CYRILLIC}])[\u0300\u0301]+")  # й and ё are other letters than и and е


def normalize_v1(text: str, *, lowercase: bool) -> str:
    """Return a text in composed form, and in lower case if `lowercase`."""
    text = text if text.isascii() else unicodedata.normalize("NFC", text)
    return text.lower() if lowercase else text


class Normalizer:
    """Normalizes texts for version 2 of the token rules.

    Arguments:
        lowercase: whether to lower-case texts.
        strip_accents: whether Latin and Greek letters lose their accents, and Cyrillic ones their stress marks.
        dotless_i: whether the lower case of "I" is "ı", as in Turkish and Azerbaijani.
        letter_apostrophes: whether an apostrophe between Cyrillic letters becomes the letter ʼ.
        straight_apostrophes: whether other apostrophes between letters become "'".

    >>> normalize = Normalizer()
    >>> normalize("The ﬁrst re\u00adsearch of İstanbul: H₂O"), normalize("п’ять")
    ('the first research of istanbul: h2o', 'пʼять')
    """

    def __init__(
        self,
        *,
        lowercase: bool = True,
        strip_accents: bool = False,
        dotless_i: bool = False,
        letter_apostrophes: bool = True,
        straight_apostrophes: bool = False,
    ) -> None:
        self.lowercase, self.strip_accents, self.dotless_i = lowercase, strip_accents, dotless_i
        self._letter_apostrophes, self._straight_apostrophes = letter_apostrophes, straight_apostrophes

    def __call__(self, text: str) -> str:
        """Return the normalized text."""
        if text.isascii():
            return self._lower(text) if self.lowercase else text
        text = self._set_apostrophes(fold_characters(text))
        if self.lowercase:
            text = self._lower(text)
        return strip_accents(text) if self.strip_accents else text

    def _lower(self, text: str) -> str:
        if self.dotless_i:
            text = text.replace("I", "ı")
        # Unicode's lower case of "İ" is "i" and a combining dot, which no text in lower case has.
        return text.lower().replace("i\u0307", "i")

    def _set_apostrophes(self, text: str) -> str:
        if self._letter_apostrophes and _HAS_LETTER_APOSTROPHES.search(text):
            text = _APOSTROPHE_LETTER.sub(_LETTER_APOSTROPHE, text)
            text = _GERSHAYIM.sub("״", _GERESH.sub("׳", text))
        if self._straight_apostrophes:
            return _CURLY_APOSTROPHE.sub(self._straighten, text)
        return _NOT_LETTER_APOSTROPHE.sub("’", text) if _LETTER_APOSTROPHE in text else text

    def _straighten(self, match: re.Match[str]) -> str:
        before = match.string[match.start() - 1]
        is_letter = self._letter_apostrophes and match[0] == _LETTER_APOSTROPHE and "\u0400" <= before <= "\u052f"
        return match[0] if is_letter else "'"


def fold_characters(text: str) -> str:
    """Return a text in composed form, with one character for each letter and without invisible characters.

    >>> fold_characters("ｆｕｌｌ ﬂoor co\u00adop m² \u200bx")
    'full floor coop m²  x'
    """
    text = unicodedata.normalize("NFC", text)
    pattern, table = _folding()
    if pattern.search(text):
        text = unicodedata.normalize("NFC", pattern.sub(lambda match: table.get(match[0], match[0]), text))
        text = _ZERO_WIDTH.sub(lambda match: match[1] or "", text)
        text = _MIDDLE_DOT.sub("·", text)
    return text


@cache
def _folding() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return a pattern of the characters that need folding, and what they become if that is a fixed string."""
    removed = re.compile(f"[{_REMOVED}]")
    table = {_ZERO_WIDTH_SPACE: " "}
    for start, end in _FOLDED_BLOCKS:
        for char in map(chr, range(start, end + 1)):
            decomposition = unicodedata.decomposition(char)
            if decomposition.startswith("<") and not decomposition.startswith(_NOT_FOLDED):
                table[char] = removed.sub("", unicodedata.normalize("NFKC", char))
    table |= {chr(0x2080 + digit): str(digit) for digit in range(10)}
    table |= {char: "" for char in map(chr, range(0x10000)) if removed.match(char)}
    # Joiners and dots depend on their neighbors, so they are only searched for. Ranges keep the search fast, which
    # tests characters beyond U+FFFF one by one.
    common = re.escape("".join(char for char in table if char <= "\uffff"))
    return re.compile(f"[{common}{_JOINERS}·•∙⋅‧\U0001d400-\U0001d7ff\U0001ee00-\U0001eebb]"), table


def strip_accents(text: str) -> str:
    """Return a text whose Latin and Greek letters have no accents, and whose Cyrillic letters have no stress marks.

    >>> strip_accents("café Ångström за́мок йод हिन्दी")
    'cafe Angstrom замок йод हिन्दी'
    """
    decomposed = _STRESS.sub(r"\1", _ACCENTED.sub(r"\1", unicodedata.normalize("NFD", text)))
    return unicodedata.normalize("NFC", decomposed)


def join_line_end_hyphens(text: str) -> str:
    r"""Return a text in which words that are hyphenated at the end of a line are joined.

    >>> join_line_end_hyphens("a long re-\nsearch, well-\n   known -\nhere")
    'a long research, wellknown -\nhere'
    """
    return _LINE_END_HYPHEN.sub("", text)


def restore_apostrophes(word: str) -> str:
    """Return a word with the apostrophe that people type, instead of the letter that `Normalizer` writes.

    >>> restore_apostrophes("пʼять")
    "п'ять"
    """
    return word.replace(_LETTER_APOSTROPHE, "'") if "\u0400" <= word[:1] <= "\u052f" else word


def same_forms(name: str) -> list[str]:
    """Return a name, and those that look the same because their accents are encoded in another way.

    People type "é" as one character (NFC). macOS and some programs write it as two (NFD).
    """
    return list(dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))))


def find_name(name: str, names: Container[str]) -> str | None:
    r"""Return the name among others that is equal, or else one that looks the same, see `same_forms`.

    >>> find_name("caf\u00e9", ["cafe\u0301", "bar"]) == "cafe\u0301", find_name("cafe", ["cafe\u0301"])
    (True, None)
    """
    return next((form for form in same_forms(name) if form in names), None)
