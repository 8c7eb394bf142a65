import re
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from text_data import prose

from docnvil.errors import CheckpointError, ConfigurationError, CorpusError, MissingDependencyError
from docnvil.text.splitters import DEFAULT_TOKEN_PATTERN, NLTK_TOKENIZERS
from docnvil.text.stop_words import read_stop_words
from docnvil.text.tokens import Tokenizer, TokenRules, tokenize

NO_STOP_WORDS = TokenRules(stop_words=())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Python3 came in 2008, x_train in 1990s", ["python3", "came", "in", "train", "in"]),
        ("3rd b2b a 1a 12ab34", ["b2b"]),
        ("हिन्दी में किताब", ["हिन्दी", "में", "किताब"]),
        ("Cafe\u0301 CAFÉ", ["café", "café"]),
        ("Straße STRASSE", ["straße", "strasse"]),
        ("İstanbul ISPARTA", ["istanbul", "isparta"]),
        ("我爱 北京天安门。", ["我爱", "北京天安门"]),
        ("ΟΔΥΣΣΕΥΣ", ["οδυσσευς"]),
        ("x\u0301y", ["x\u0301y"]),
        ("", []),
        ("1990 ... \n\t", []),
    ],
)
def test_default_rules_split_texts_of_many_scripts(text, expected):
    assert tokenize(text, NO_STOP_WORDS) == expected


def test_pieces_of_contractions_are_stop_words():
    assert tokenize("I don't think they'll say we've won't isn't you're the", TokenRules()) == ["think", "say"]


def test_case_can_be_kept():
    rules = TokenRules(lowercase=False, stop_words=("The",))
    assert tokenize("The Cat the cat", rules) == ["Cat", "the", "cat"]


def test_stop_words_are_normalized_like_texts():
    assert tokenize("Café THE thé", TokenRules(stop_words=("Cafe\u0301", "The"))) == ["thé"]


def test_stop_words_and_short_tokens_are_dropped_before_stemming():
    rules = TokenRules(stop_words=("run",), min_length=4, stemmer="porter")
    assert tokenize("run running owned ties cats caresses", rules) == ["caress"]


@pytest.mark.parametrize(
    ("stemmer", "expected"), [("porter", "gener"), ("snowball-english", "general"), ("snowball-german", "generally")]
)
def test_stemmers_shorten_words(stemmer, expected):
    assert tokenize("generally", TokenRules(stemmer=stemmer)) == [expected]


@pytest.mark.parametrize("stemmer", ["snowball", "snowball-klingon", "lancaster", ""])
def test_unknown_stemmers_are_refused(stemmer):
    with pytest.raises(ConfigurationError, match="snowball-"):
        TokenRules(stemmer=stemmer)


def test_capture_group_is_the_token():
    assert tokenize("#cats #dogs mice", TokenRules(token_pattern=r"#(\w+)")) == ["cats", "dogs"]


@pytest.mark.parametrize("pattern", ["([a-z])+", "(ab|[a-z])+", "(a|b)+", "(a){2}", "(?x)(a)+ # a", "(?V1)(a)+?"])
def test_a_group_that_repeats_is_refused(pattern):
    with pytest.raises(ConfigurationError, match=r"repeats its capture group.*Write the group as"):
        TokenRules(token_pattern=pattern)


@pytest.mark.parametrize("pattern", ["([a-z]+)", "(?:x)+([a-z]*)", "(?x)x+(a|b|) # )", r"(\w)\w+|\w"])
def test_a_group_that_does_not_repeat_is_the_token(pattern):
    assert all(
        isinstance(token, str) for token in tokenize("xab x\u00e9 b", TokenRules(token_pattern=pattern, min_length=1))
    )


def test_empty_matches_are_not_words():
    assert tokenize("cats", TokenRules(token_pattern=r"x*")) == []


@pytest.mark.parametrize(("pattern", "message"), [("[a", "not a regular expression"), (r"(a)(b)", "2 capture groups")])
def test_invalid_patterns_are_refused(pattern, message):
    with pytest.raises(ConfigurationError, match=message):
        TokenRules(token_pattern=pattern)


@pytest.mark.parametrize("name", [name for name in NLTK_TOKENIZERS if name != "word"])
def test_nltk_tokenizers_drop_punctuation_and_numbers(name):
    assert tokenize("The cats -- saw 12 mice!! 🐭", TokenRules(tokenizer=name, min_length=1))[:2] == ["cats", "saw"]
    assert not {"--", "12", "!!"} & set(tokenize("cats -- saw 12 mice !!", TokenRules(tokenizer=name)))


def test_tweet_tokenizer_keeps_pictographs():
    assert tokenize("nice 🐭", TokenRules(tokenizer="tweet", min_length=1)) == ["nice", "🐭"]


def test_missing_nltk_data_is_named_with_its_download_command(monkeypatch):
    def missing(text):
        raise LookupError

    monkeypatch.setattr("nltk.tokenize.word_tokenize", missing)
    with pytest.raises(MissingDependencyError, match=r"python -m nltk.downloader punkt_tab"):
        Tokenizer(TokenRules(tokenizer="word"))


def test_unknown_tokenizer_is_refused():
    with pytest.raises(ConfigurationError, match="toktok"):
        TokenRules(tokenizer="spacy")


def test_min_length_must_be_positive():
    with pytest.raises(ConfigurationError, match="min_length is 0"):
        TokenRules(min_length=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stop_words", "english"),
        ("stop_words", ["the", 1]),
        ("stop_words", None),
        ("stop_words", {"the": 1}),
        ("strip", "urls"),
        ("phrases", "new_york"),
        ("ngrams", 2),
        ("ngrams", "1-2"),
        ("ngrams", (1, 2, 3)),
        ("ngrams", (1.0, 2)),
        ("min_length", "2"),
        ("min_length", True),
    ],
)
def test_values_of_other_types_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=f"{name} is "):
        TokenRules(**{name: value})


def test_lists_are_the_same_as_tuples():
    lists = TokenRules(stop_words=["a", "the"], strip=["urls"], phrases=["new_york"], ngrams=[1, 2])
    tuples = TokenRules(stop_words=("a", "the"), strip=("urls",), phrases=("new_york",), ngrams=(1, 2))
    assert lists == tuples
    assert TokenRules(stop_words={"the", "a"}) == TokenRules(stop_words=["a", "the"])


def test_stop_words_name_follows_from_the_stop_words():
    assert TokenRules().stop_words_name == "english"
    assert TokenRules(stop_words=()).stop_words_name == "none"
    assert TokenRules(stop_words=("a",)).stop_words_name == "custom"


class TestJson:
    def test_from_json_returns_what_to_json_saved(self):
        import json

        rules = TokenRules(stop_words=("der", "die"), stop_words_name="nltk:german", stemmer="snowball-german")
        assert TokenRules.from_json(json.loads(json.dumps(rules.to_json()))) == rules

    @pytest.mark.parametrize(
        "change",
        [
            {"min_length": "2"},
            {"min_length": True},
            {"lowercase": 1},
            {"stop_words": "the"},
            {"stop_words": [1]},
            {"stemmer": 3},
            {"color": "red"},
        ],
    )
    def test_values_of_another_type_and_unknown_keys_are_refused(self, change):
        with pytest.raises(CheckpointError):
            TokenRules.from_json(TokenRules().to_json() | change)

    @pytest.mark.parametrize("value", [{}, [], None, {"lowercase": True}])
    def test_missing_keys_are_refused(self, value):
        with pytest.raises(CheckpointError, match="token_pattern"):
            TokenRules.from_json(value)


class TestStopWords:
    def test_english_has_whole_words_and_pieces_of_contractions(self):
        words = read_stop_words("english")
        assert {"they", "the", "don", "didn", "ll", "ve", "re", "won"} <= set(words)

    def test_english_is_sorted_and_distinct(self):
        words = read_stop_words("english")
        assert list(words) == sorted(set(words))

    def test_english_differs_from_scikit_learns_as_the_page_says(self):
        page = (Path(__file__).parents[1] / "docs" / "words.md").read_text(encoding="utf-8")
        text = re.sub(r"\s+", " ", page).partition("Unlike scikit-learn's list")[2]
        counted, added, joined = (
            set(re.findall(r"[a-z]+", re.search(pattern, text)[1])) - {"and"}
            for pattern in (r"such as (.*?), so", r"lacks, such as (.*?), and contractions", r"apostrophe \((.*?)\)")
        )
        english = set(read_stop_words("english"))
        assert counted
        assert counted <= ENGLISH_STOP_WORDS - english
        assert added | joined <= english - ENGLISH_STOP_WORDS

    def test_none_is_empty(self):
        assert read_stop_words("none") == ()

    def test_file_with_one_word_per_line(self, tmp_path):
        path = tmp_path / "stop.txt"
        path.write_text("the\r\n\n über \nthe\n", encoding="utf-8")
        assert read_stop_words(str(path)) == ("the", "über")

    def test_missing_file_is_refused(self, tmp_path):
        with pytest.raises(CorpusError, match="nltk:<language>"):
            read_stop_words(str(tmp_path / "none.txt"))

    def test_missing_nltk_data_is_named_with_its_download_command(self, monkeypatch):
        def missing():
            raise LookupError

        monkeypatch.setattr("nltk.corpus.stopwords", SimpleNamespace(fileids=missing))
        with pytest.raises(MissingDependencyError, match=r"python -m nltk.downloader stopwords"):
            read_stop_words("nltk:german")

    def test_nltk_language(self, monkeypatch):
        lists = {"german": ["die", "der", "die"]}
        fake = SimpleNamespace(fileids=lambda: list(lists), words=lists.__getitem__)
        monkeypatch.setattr("nltk.corpus.stopwords", fake)
        assert read_stop_words("nltk:german") == ("der", "die")

    def test_unknown_nltk_language_is_refused(self, monkeypatch):
        monkeypatch.setattr("nltk.corpus.stopwords", SimpleNamespace(fileids=lambda: ["german"]))
        with pytest.raises(ConfigurationError, match="german"):
            read_stop_words("nltk:klingon")


@given(prose)
def test_fast_path_for_ascii_equals_the_default_pattern(text):
    ascii_text = text.encode("ascii", "ignore").decode()
    words = regex.findall(DEFAULT_TOKEN_PATTERN, ascii_text.lower())
    assert tokenize(ascii_text, NO_STOP_WORDS) == [word for word in words if len(word) > 1]


@given(prose)
def test_words_do_not_depend_on_unicode_normalization(text):
    assert tokenize(unicodedata.normalize("NFD", text), NO_STOP_WORDS) == tokenize(
        unicodedata.normalize("NFC", text), NO_STOP_WORDS
    )


@given(st.lists(prose, max_size=5))
def test_cached_words_equal_those_of_a_new_tokenizer(texts):
    rules = TokenRules(stemmer="porter")
    tokenizer = Tokenizer(rules)
    assert [tokenizer(text) for text in texts * 2] == [tokenize(text, rules) for text in texts * 2]
