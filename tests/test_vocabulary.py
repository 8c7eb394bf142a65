import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_data import line

from docnvil.errors import ConfigurationError, VocabularyError
from docnvil.text.vocabulary import Vocabulary, build_vocabulary


def test_a_vocabulary_is_an_ordered_list():
    vocabulary = Vocabulary(iter(["b", "a", "c"]))
    assert vocabulary.words == tuple(vocabulary) == ("b", "a", "c")
    assert (len(vocabulary), vocabulary[1], vocabulary.index("c")) == (3, "a", 2)
    assert (vocabulary.get("a"), vocabulary.get("x"), vocabulary.get("x", -1)) == (1, None, -1)
    assert "a" in vocabulary
    assert "x" not in vocabulary
    with pytest.raises(VocabularyError, match="'x'"):
        vocabulary.index("x")


def test_equal_words_are_equal_vocabularies():
    assert Vocabulary(["a", "b"]) == Vocabulary(["a", "b"])
    assert hash(Vocabulary(["a", "b"])) == hash(Vocabulary(["a", "b"]))
    assert Vocabulary(["a", "b"]) != Vocabulary(["b", "a"])
    assert Vocabulary(["a"]) != ("a",)
    assert pickle.loads(pickle.dumps(Vocabulary(["a", "b"]))) == Vocabulary(["a", "b"])


def test_a_vocabulary_does_not_change():
    with pytest.raises(AttributeError):
        Vocabulary(["a"]).words = ("b",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no words"),
        (["a", "b", "a"], "'a' more than once"),
        (["a", ""], "Word 2 .* empty"),
        (["a\nb"], "Word 1"),
        (["a\r"], "Word 1"),
        (["\ufeffa"], "Word 1"),
        (["\ud800"], "Word 1"),
        ([1], "not a string"),
    ],
)
def test_bad_words_are_refused(words, message):
    with pytest.raises(VocabularyError, match=message):
        Vocabulary(words)


def test_numbered_columns():
    assert Vocabulary.numbered(3).words == ("word0", "word1", "word2")
    assert Vocabulary.numbered(3).is_numbered
    assert not Vocabulary(["word0", "word2"]).is_numbered


class TestFiles:
    @given(st.lists(line, min_size=1, unique=True))
    def test_words_come_back(self, tmp_path_factory, words):
        path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.txt"
        Vocabulary(words).save(path)
        assert Vocabulary.load(path).words == tuple(words)

    @pytest.mark.parametrize("content", [b"a\r\nb\r\n", b"a\nb", b"\xef\xbb\xbfa\nb\n"])
    def test_other_editors_files_are_read(self, tmp_path, content):
        (tmp_path / "v.txt").write_bytes(content)
        assert Vocabulary.load(tmp_path / "v.txt").words == ("a", "b")

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "no words"), (b"a\n\nb\n", "Word 2"), (b"a\na\n", "more than once"), (b"\xe9t\xe9\n", "byte 0xe9")],
    )
    def test_bad_files_are_named(self, tmp_path, content, message):
        (tmp_path / "v.txt").write_bytes(content)
        with pytest.raises(VocabularyError, match=rf"v\.txt.*{message}"):
            Vocabulary.load(tmp_path / "v.txt")

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(VocabularyError, match=r"v\.txt.*Check the path"):
            Vocabulary.load(tmp_path / "v.txt")


TERMS = {"rare": 1, "b": 5, "a": 5, "common": 20}
FOUND_IN = {"rare": 1, "b": 3, "a": 2, "common": 10}


class TestBuilding:
    @pytest.mark.parametrize(
        ("limits", "expected"),
        [
            ({}, ("common", "a", "b", "rare")),
            ({"size": 2}, ("common", "a")),
            ({"min_df": 2}, ("common", "a", "b")),
            ({"min_df": 0.25}, ("common", "b")),
            ({"max_df": 3}, ("a", "b", "rare")),
            ({"max_df": 0.25}, ("a", "rare")),
            ({"max_df": 1.0, "min_df": 0.0}, ("common", "a", "b", "rare")),
            ({"min_df": 2, "max_df": 0.5, "size": 1}, ("a",)),
        ],
    )
    def test_limits(self, limits, expected):
        assert build_vocabulary(TERMS, FOUND_IN, 10, **limits).words == expected

    @given(st.permutations(list(TERMS)))
    def test_the_order_of_words_is_stable(self, words):
        terms = {word: TERMS[word] for word in words}
        assert build_vocabulary(terms, FOUND_IN, 10).words == ("common", "a", "b", "rare")

    @pytest.mark.parametrize(
        "limits",
        [
            {"size": 0},
            {"size": 2.0},
            {"size": True},
            {"min_df": 0},
            {"min_df": 2.0},
            {"max_df": 1.5},
            {"max_df": -0.1},
            {"max_df": True},
            {"min_df": float("nan")},
        ],
    )
    def test_limits_out_of_range(self, limits):
        with pytest.raises(ConfigurationError):
            build_vocabulary(TERMS, FOUND_IN, 10, **limits)

    def test_the_limit_that_leaves_nothing_is_named(self):
        with pytest.raises(VocabularyError, match=r"None of the 4 words.*--min-df 11 removes 4.*lower it"):
            build_vocabulary(TERMS, FOUND_IN, 10, min_df=11)
        with pytest.raises(VocabularyError, match=r"--min-df 4 removes 3.*--max-df 0.5 removes 1"):
            build_vocabulary(TERMS, FOUND_IN, 10, min_df=4, max_df=0.5)
        with pytest.raises(VocabularyError, match="no words in the 10 documents"):
            build_vocabulary({}, {}, 10)
