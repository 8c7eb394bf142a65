"""Words of texts in many languages and with many tokenizers, compared with what a reader sees."""

import unicodedata

import pytest
import regex
from commands import run
from hypothesis import example, given
from hypothesis import strategies as st
from text_data import prose

from docnvil.text.fast_tokens import FastTokenReader, make_token_reader
from docnvil.text.splitters import TOKEN_PATTERN_V1
from docnvil.text.stop_words import english_stop_words
from docnvil.text.token_reader import TokenIndex, TokenReader
from docnvil.text.tokens import Tokenizer, TokenRules, tokenize

ALL_WORDS = TokenRules(stop_words=(), min_length=1)
VERSION_1 = TokenRules(TOKEN_PATTERN_V1, stop_words=(), version=1)


def words_of(text: str, **rules) -> list[str]:
    return tokenize(text, TokenRules(**{"stop_words": (), "min_length": 1, **rules}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the 19th century", "the century"),
        ("10mg 20ml of B12 and CO₂", "of b12 and co2"),
        ("2nd, 3.5mm, 1e10, 0x1F, 12ab34, 4chan", ""),
        ("the 90's mp3 h264", "the s mp3 h264"),
        ("10 mg", "mg"),
        ("۱۹ام دی", "دی"),
        ("2020年", "年"),
        ("1️⃣love", "love"),
    ],
)
def test_what_starts_with_a_digit_is_not_a_word(text, expected):
    assert words_of(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The re\u00adsearch of cli\u00admate", "the research of climate"),
        ("main\u2060tain", "maintain"),
        ("\ufeffword an\ufeffother", "word another"),
        ("left\u200eto\u200fright", "lefttoright"),
        ("zero\u200bwidth", "zero width"),
        ("Auf\u200clage", "auflage"),
        ("كتـــاب", "كتاب"),
    ],
)
def test_invisible_characters_do_not_split_words(text, expected):
    assert words_of(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("می\u200c\u200cخواهم، کتاب\u200c", ["می\u200cخواهم", "کتاب"]),
        ("අපේ ශ්\u200dරී ලංකා", ["අපේ", "ශ්\u200dරී", "ලංකා"]),
        ("हिन्\u200dदी में किताब", ["हिन्\u200dदी", "में", "किताब"]),
        ("അവന്\u200d വന്നു", ["അവന്\u200d", "വന്നു"]),
    ],
)
def test_joiners_stay_in_words_of_scripts_that_need_them(text, expected):
    assert words_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ﬁrst oﬃce ﬂoor", "first office floor"),
        ("ＡＢＣ ｆｕｌｌ１", "abc full1"),
        ("ｶﾞﾗｽ", "ガラス"),
        ("𝐛𝐨𝐥𝐝 𝒾𝓉𝒶𝓁𝒾𝒸", "bold italic"),
        ("word¹ area² note⁽³⁾", "word area note"),
        ("H₂O", "h2o"),
        ("Henry Ⅷ", "henry viii"),
        ("µm μm", "μm μm"),
        ("cheﬅ ﷲ", "chest الله"),
        ("½cup", "cup"),
        ("ㅋㅋㅋ น้ำ", "ㅋㅋㅋ น้ำ"),
    ],
)
def test_compatibility_forms_become_the_usual_letters(text, expected):
    assert words_of(text) == expected.split()


@pytest.mark.parametrize("text", ["İstanbul", "I\u0307stanbul", "istanbul", "ISTANBUL"])
def test_dotted_capital_i_leaves_no_combining_dot(text):
    assert words_of(text) == ["istanbul"]


@pytest.mark.parametrize("apostrophe", "'’ʼ‘")
def test_apostrophes_inside_cyrillic_words_are_letters(apostrophe):
    assert words_of(f"п{apostrophe}ять і об{apostrophe}єкт") == ["п'ять", "і", "об'єкт"]
    assert words_of(f"{apostrophe}так{apostrophe}") == ["так"]
    for tokenizer in ("tweet", "toktok", "treebank", "wordpunct", "whitespace"):
        assert words_of(f"п{apostrophe}ять", tokenizer=tokenizer) == ["п'ять"], tokenizer


def test_apostrophes_split_words_in_latin_script():
    for apostrophe in "'’ʼ":
        assert words_of(f"don{apostrophe}t") == ["don", "t"]
        assert words_of(f"l{apostrophe}été") == (["lʼété"] if apostrophe == "ʼ" else ["l", "été"])


@pytest.mark.parametrize("dot", "·•∙⋅‧")
def test_middle_dots_stay_in_catalan_words(dot):
    assert words_of(f"col{dot}lecció IL{dot}LUSIÓ") == ["col·lecció", "il·lusió"]
    assert words_of(f"music{dot}art {dot} item") == ["music", "art", "item"]


def test_the_single_letter_with_a_middle_dot_is_folded():
    assert words_of("coŀlecció") == ["col·lecció"]


def test_hebrew_acronyms_are_whole():
    assert words_of('צה"ל צה״ל ג\'ירפה "שלום"') == ["צה״ל", "צה״ל", "ג׳ירפה", "שלום"]


def test_scripts_without_spaces_are_split_from_others():
    assert words_of("使用Python编程") == ["使用", "python", "编程"]
    assert words_of("東京タワーに行く。") == ["東京タワーに行く"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Die Straße über Ärger", "die straße über ärger"),
        ("Съешь ещё этих французских булок", "съешь ещё этих французских булок"),
        ("Îmi plăcea ţara", "îmi plăcea ţara"),
        ("ΟΔΥΣΣΕΥΣ και", "οδυσσευς και"),
        ("ქართული ენა", "ქართული ენა"),
        ("한국어를 공부합니다", "한국어를 공부합니다"),
        ("tiếng Việt", "tiếng việt"),
    ],
)
def test_words_of_other_languages_are_whole(text, expected):
    assert words_of(text) == expected.split()


class TestOptions:
    def test_strip_accents_keeps_letters_that_are_other_letters(self):
        text = "Café naïve Ångström ήλιος за́мок йод ёлка हिन्दी"
        assert words_of(text, strip_accents=True) == [
            "cafe",
            "naive",
            "angstrom",
            "ηλιος",
            "замок",
            "йод",
            "ёлка",
            "हिन्दी",
        ]

    def test_stop_words_lose_their_accents_too(self):
        assert words_of("été ete eté", strip_accents=True, stop_words=("été",)) == []

    def test_join_hyphens_joins_words_at_line_ends_only(self):
        text = "re-\nsearch and well-known cli\u2010\r\n  mate - \n and 10-\n20 x-\n"
        assert words_of(text, join_hyphens=True) == ["research", "and", "well", "known", "climate", "and", "x"]
        assert words_of(text)[:2] == ["re", "search"]

    @pytest.mark.parametrize("emoji", ["🐭", "❤️", "👩\u200d💻", "🇩🇪", "👍🏽"])
    def test_emoji_have_any_length(self, emoji):
        rules = TokenRules(tokenizer="tweet", min_length=3)
        assert tokenize(f"nice {emoji} ok {emoji}", rules) == ["nice", *2 * [emoji.replace("\ufe0f", "")]]

    def test_both_forms_of_a_heart_are_one_word(self):
        for tokenizer in ("tweet", "toktok", "whitespace"):
            assert len(set(words_of("❤ ❤️", tokenizer=tokenizer))) == 1

    def test_the_whitespace_tokenizer_removes_punctuation_around_words(self):
        assert words_of('"good," (fine). C++ #tag don\'t x_y', tokenizer="whitespace") == [
            "good", "fine", "c++", "#tag", "don't", "x_y"
        ]  # fmt: skip


class TestVersion1:
    """Models of the first version split texts as they did when they were trained."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("3rd b2b a 1a 12ab34 CO₂", ["rd", "b2b", "ab34", "co₂"]),
            ("İstanbul", ["i\u0307stanbul"]),
            ("re\u00adsearch ﬁrst", ["re", "search", "ﬁrst"]),
            ("п'ять使用", ["ять使用"]),
        ],
    )
    def test_words(self, text, expected):
        assert tokenize(text, VERSION_1) == expected
        tokenizer = Tokenizer(VERSION_1)
        for kind in (FastTokenReader, TokenReader):
            index = TokenIndex(tokenizer)
            kind(tokenizer, index).read([text])
            assert sorted(index.words) == sorted(expected)

    def test_rules_without_a_version_are_of_version_1(self):
        keys = "token_pattern lowercase min_length stop_words stop_words_name stemmer tokenizer"
        saved = VERSION_1.to_json()
        assert TokenRules.from_json({key: saved[key] for key in keys.split()}) == VERSION_1

    @given(prose)
    def test_random_text(self, text):
        composed = unicodedata.normalize("NFC", text).lower()
        assert tokenize(text, VERSION_1) == [
            word for word in regex.findall(TOKEN_PATTERN_V1, composed) if len(word) > 1
        ]


class TestStopWordsOfTokenizers:
    LINES = (
        "I don't think it's good, we'll see",
        "I don't know, it's cats",
        "we can't see cats, I don't",
        "we'll see dogs, it’s fine",
        "I'm sure it's dogs, don’t",
    )

    EXPECTED = frozenset(("cats", "dogs", "fine", "good", "know", "sure", "think"))

    @pytest.mark.parametrize(
        "rules",
        [
            {},
            *({"tokenizer": name} for name in ("tweet", "treebank", "whitespace", "toktok", "wordpunct")),
            {"token_pattern": "[a-z']+"},
            {"token_pattern": r"\w+(?:['’]\w+)?"},
            {"token_pattern": r"(?u)\b\w\w+\b"},
        ],
        ids=str,
    )
    def test_contractions_are_dropped_however_they_are_split(self, rules):
        words = {word for line in self.LINES for word in tokenize(line, TokenRules(**rules))}
        assert words == self.EXPECTED

    @pytest.mark.parametrize("tokenizer", [None, "tweet", "treebank", "whitespace"])
    def test_an_own_list_works_with_every_tokenizer(self, tokenizer):
        rules = TokenRules(tokenizer=tokenizer, stop_words=("don't", "it's", "we'll", "can't", "i'm", "i", "we", "see"))
        words = {word for line in self.LINES for word in tokenize(line, rules)}
        assert words == self.EXPECTED

    def test_a_list_with_curly_apostrophes_works_too(self):
        assert tokenize("don't don’t", TokenRules(tokenizer="tweet", stop_words=("don’t",))) == []

    def test_content_words_are_not_stop_words(self):
        content = "amount bill call computer cry describe find fire interest mill move name sincere system thick thin"
        assert not {*content.split()} & {*english_stop_words()}


def test_a_number_in_the_middle_of_a_word_stays():
    assert words_of("covid19 b2b") == ["covid19", "b2b"]


@given(st.text(alphabet=st.characters(codec="utf-8")))
@example("e\u00ad\u0301")
@example("İ\u0307")
@example("ﷺ")
def test_words_do_not_depend_on_the_normal_form(text):
    assert words_of(unicodedata.normalize("NFD", text)) == words_of(unicodedata.normalize("NFC", text))


@given(prose)
def test_words_split_into_themselves(text):
    for word in words_of(text):
        assert words_of(word) == [word]


@pytest.mark.parametrize(
    ("text", "word"), [("Işık", "ışık"), ("ILIK", "ılık"), ("İSTANBUL", "istanbul"), ("ISI", "ısı")]
)
def test_turkish_capitals_keep_their_letter(text, word):
    assert Tokenizer(TokenRules(stop_words=(), dotless_i=True))(text) == [word]
    assert make_token_reader(TokenRules(stop_words=(), dotless_i=True)).tokenizer(text) == [word]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--stop-words", "turkish"), "ışık"),
        (("--stop-words", "tr,en"), "ışık"),
        (("--stop-words", "english"), "işık"),
        (("--stop-words", "none", "--dotless-i"), "ışık"),
        (("--stop-words", "turkish", "--no-dotless-i"), "işık"),
    ],
)
def test_turkish_stop_words_imply_turkish_lower_case(tmp_path, options, word):
    (tmp_path / "texts.txt").write_text("Işık ve gölge\nIşık yandı\n", encoding="utf-8")
    limits = ("--min-df", "1", "--max-df", "1.0")
    run("corpus", "build", tmp_path / "texts.txt", *limits, *options, "--out", tmp_path / "o")
    assert word in (tmp_path / "o" / "vocabulary.txt").read_text(encoding="utf-8").split()
