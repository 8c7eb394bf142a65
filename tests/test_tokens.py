import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_data import prose

from docnvil.errors import CheckpointError, ConfigurationError, CorpusError, MissingDependencyError
from docnvil.text.tokens import NLTK_TOKENIZERS, Tokenizer, TokenRules, resolve_stop_words, tokenize

PLAIN = TokenRules(stop_words=())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Python3 came in 2008, x_train in 1990s", ["python3", "came", "in", "train", "in"]),
        ("3rd b2b a 1a 12ab34", ["rd", "b2b", "ab34"]),
        ("हिन्दी में किताब", ["हिन्दी", "में", "किताब"]),
        ("Cafe\u0301 CAFÉ", ["café", "café"]),
        ("Straße STRASSE", ["straße", "strasse"]),
        ("İstanbul ISPARTA", ["i\u0307stanbul", "isparta"]),
        ("我爱 北京天安门。", ["我爱", "北京天安门"]),
        ("ΟΔΥΣΣΕΥΣ", ["οδυσσευς"]),
        ("x\u0301y", ["x\u0301y"]),
        ("", []),
        ("1990 ... \n\t", []),
    ],
)
def test_words_of_many_scripts(text, expected):
    assert tokenize(text, PLAIN) == expected


def test_stop_words_leave_no_contractions():
    assert tokenize("I don't think they'll say we've won't isn't you're the", TokenRules()) == ["think", "say"]


def test_case_can_be_kept():
    rules = TokenRules(lowercase=False, stop_words=("The",))
    assert tokenize("The Cat the cat", rules) == ["Cat", "the", "cat"]


def test_stop_words_are_normalized_as_texts_are():
    assert tokenize("Café THE thé", TokenRules(stop_words=("Cafe\u0301", "The"))) == ["thé"]


def test_length_and_stop_words_are_judged_before_stemming():
    rules = TokenRules(stop_words=("run",), min_length=4, stemmer="porter")
    assert tokenize("run running owned ties cats caresses", rules) == ["caress"]


@pytest.mark.parametrize(
    ("stemmer", "expected"), [("porter", "gener"), ("snowball-english", "general"), ("snowball-german", "generally")]
)
def test_stemmers(stemmer, expected):
    assert tokenize("generally", TokenRules(stemmer=stemmer)) == [expected]


@pytest.mark.parametrize("stemmer", ["snowball", "snowball-klingon", "lancaster", ""])
def test_unknown_stemmers_are_refused(stemmer):
    with pytest.raises(ConfigurationError, match="snowball-"):
        TokenRules(stemmer=stemmer)


def test_a_group_is_the_token():
    assert tokenize("#cats #dogs mice", TokenRules(token_pattern=r"#(\w+)")) == ["cats", "dogs"]


def test_a_pattern_that_matches_nothing_gives_no_words():
    assert tokenize("cats", TokenRules(token_pattern=r"x*")) == []


@pytest.mark.parametrize(("pattern", "message"), [("[a", "no regular expression"), (r"(a)(b)", "2 capture groups")])
def test_bad_patterns_are_refused(pattern, message):
    with pytest.raises(ConfigurationError, match=message):
        TokenRules(token_pattern=pattern)


@pytest.mark.parametrize("name", [name for name in NLTK_TOKENIZERS if name != "word"])
def test_nltk_tokenizers_give_words_only(name):
    assert tokenize("The cats -- saw 12 mice!! 🐭", TokenRules(tokenizer=name, min_length=1))[:2] == ["cats", "saw"]
    assert not {"--", "12", "!!"} & set(tokenize("cats -- saw 12 mice !!", TokenRules(tokenizer=name)))


def test_tweets_keep_their_pictographs():
    assert tokenize("nice 🐭", TokenRules(tokenizer="tweet", min_length=1)) == ["nice", "🐭"]


def test_a_tokenizer_without_its_data_says_what_to_fetch(monkeypatch):
    def missing(text):
        raise LookupError

    monkeypatch.setattr("nltk.tokenize.word_tokenize", missing)
    with pytest.raises(MissingDependencyError, match=r"python -m nltk.downloader punkt_tab"):
        Tokenizer(TokenRules(tokenizer="word"))


def test_other_settings_are_checked():
    with pytest.raises(ConfigurationError, match="toktok"):
        TokenRules(tokenizer="spacy")
    with pytest.raises(ConfigurationError, match="1 or more"):
        TokenRules(min_length=0)


def test_rules_name_their_stop_words():
    assert TokenRules().stop_words_name == "english"
    assert TokenRules(stop_words=()).stop_words_name == "none"
    assert TokenRules(stop_words=("a",)).stop_words_name == "custom"


class TestJson:
    def test_rules_come_back(self):
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
    def test_other_things_do_not(self, change):
        with pytest.raises(CheckpointError):
            TokenRules.from_json(TokenRules().to_json() | change)

    @pytest.mark.parametrize("value", [{}, [], None, {"lowercase": True}])
    def test_nor_do_other_shapes(self, value):
        with pytest.raises(CheckpointError, match="token_pattern"):
            TokenRules.from_json(value)


class TestStopWords:
    def test_names(self):
        name, words = resolve_stop_words("english")
        assert name == "english"
        assert {"the", "don", "didn", "ll", "ve", "re", "won"} <= set(words)
        assert "they" in words
        assert list(words) == sorted(set(words))
        assert resolve_stop_words("none") == ("none", ())

    def test_a_file(self, tmp_path):
        path = tmp_path / "stop.txt"
        path.write_text("the\r\n\n über \nthe\n", encoding="utf-8")
        assert resolve_stop_words(str(path)) == (str(path), ("the", "über"))
        with pytest.raises(CorpusError, match="nltk:<language>"):
            resolve_stop_words(str(tmp_path / "none.txt"))

    def test_nltk_without_its_data_says_what_to_fetch(self, monkeypatch):
        def missing():
            raise LookupError

        monkeypatch.setattr("nltk.corpus.stopwords", SimpleNamespace(fileids=missing))
        with pytest.raises(MissingDependencyError, match=r"python -m nltk.downloader stopwords"):
            resolve_stop_words("nltk:german")

    def test_nltk_languages(self, monkeypatch):
        lists = {"german": ["die", "der", "die"]}
        fake = SimpleNamespace(fileids=lambda: list(lists), words=lists.__getitem__)
        monkeypatch.setattr("nltk.corpus.stopwords", fake)
        assert resolve_stop_words("nltk:german") == ("nltk:german", ("der", "die"))
        with pytest.raises(ConfigurationError, match="german"):
            resolve_stop_words("nltk:klingon")


@given(prose)
def test_the_short_way_for_ascii_is_the_pattern(text):
    import regex

    shown = text.encode("ascii", "ignore").decode()
    assert tokenize(shown, PLAIN) == regex.findall(r"\p{L}[\p{L}\p{M}\p{N}]+", shown.lower())


@given(prose)
def test_words_do_not_depend_on_how_accents_are_spelt(text):
    assert tokenize(unicodedata.normalize("NFD", text), PLAIN) == tokenize(unicodedata.normalize("NFC", text), PLAIN)


@given(st.lists(prose, max_size=5))
def test_a_tokenizer_remembers_nothing_but_words(texts):
    rules = TokenRules(stemmer="porter")
    tokenizer = Tokenizer(rules)
    assert [tokenizer(text) for text in texts * 2] == [tokenize(text, rules) for text in texts * 2]
