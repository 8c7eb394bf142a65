"""Words begin and end at the word boundaries of Unicode (UAX #29), except for the differences listed here.

1. The text is normalized first, so both sides see the normalized text.
2. A word starts with a letter; numbers, and what starts with a digit, are left out (19th, 10mg).
3. "_", ".", ":" and, in Latin script, apostrophes separate words: x_train, example.com, don't, l'été.
4. Middle dots separate, except in "l·l". In UAX #29, they join any letters.
5. In Han, Hiragana and the scripts of Southeast Asia, a sequence of letters is one word: where these words end, only a
   dictionary can tell. UAX #29 ends one after each character.
6. A superscript digit is no part of a word, and neither are emoji or enclosing marks.
"""

from itertools import pairwise

import regex
from hypothesis import example, given
from hypothesis import strategies as st

from docnvil.text.tokens import Tokenizer, TokenRules

TOKENIZER = Tokenizer(TokenRules(stop_words=(), min_length=1))
BOUNDARY = regex.compile(r"(?V1)(?w)\b")
is_letters = regex.compile(r"\p{L}[\p{L}\p{M}\p{Nd}\p{Nl}]*(?:[\u200C\u200D][\p{L}\p{M}\p{Nd}\p{Nl}]+)*").fullmatch
UNSPACED = regex.compile(r"[\p{Ideographic}\p{Han}\p{Hiragana}\p{Katakana}\p{LB=SA}ー]")

# Letters of many scripts, marks, digits, joiners, and everything that UAX #29 has a rule about.
LETTERS = "aZßéıлїאبتকहिศ්රीകกຂაՀאあア漢ﾞ한ﬁＡ𝐀"
MARKS = "\u0301\u0308\u093e\u094d\u0dca\u064e"
OTHERS = "019٣८.,:;'’·_-\u00ad\u200b\u200c\u200d\u2060\ufeff \n²₂½①/@#\"״"
texts = st.text(alphabet=st.sampled_from(LETTERS * 3 + MARKS + OTHERS)) | st.text()


def boundaries_of(text: str) -> list[int]:
    """Return the word boundaries of Unicode, from the beginning to the end of the text."""
    return sorted({0, *(match.start() for match in BOUNDARY.finditer(text)), len(text)})


@given(texts)
@example("the 19th of re\u00adsearch")
@example("می\u200cخواهم ශ්\u200dරී")
@example("п'ять col·lecció צה\"ל")
@example("使用Python编程")
def test_no_word_crosses_a_boundary(text):
    text = TOKENIZER.normalize(text)
    boundaries = set(boundaries_of(text))
    end = 0
    for token in TOKENIZER.split_normalized(text):
        start = text.index(token, end)
        end = start + len(token)
        if not UNSPACED.search(token):
            assert not boundaries & set(range(start + 1, end)), token


@given(texts)
@example("the 19th of re\u00adsearch")
@example("هٰذَا می\u200cخواهم हिन्\u200dदी ශ්\u200dරී")
@example("Schiffahrt п’ять Ankara'da ქართული")
def test_letters_between_two_boundaries_are_a_word(text):
    text = TOKENIZER.normalize(text)
    words = TOKENIZER.split_normalized(text)
    for start, end in pairwise(boundaries_of(text)):
        segment = text[start:end]
        if is_letters(segment) and not UNSPACED.search(segment):
            assert segment in words


@given(st.text(alphabet=st.sampled_from("aéя019ª²Ⅳ٣")))
def test_nothing_that_starts_with_a_digit_has_a_word(text):
    text = TOKENIZER.normalize(text)
    words = TOKENIZER.split_normalized(text)
    for segment in (text[slice(*pair)] for pair in pairwise(boundaries_of(text))):
        assert segment[:1].isdecimal() is False or segment not in words
