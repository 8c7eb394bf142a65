import bz2
import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_data import line

from docnvil.errors import ConfigurationError, VocabularyError
from docnvil.text.vocabulary import Vocabulary, build_vocabulary


def test_words_keep_their_order():
    vocabulary = Vocabulary(iter(["b", "a", "c"]))
    assert vocabulary.words == tuple(vocabulary) == ("b", "a", "c")
    assert (len(vocabulary), vocabulary[1], vocabulary.index("c")) == (3, "a", 2)


def test_words_are_looked_up():
    vocabulary = Vocabulary(["b", "a"])
    assert "a" in vocabulary
    assert "x" not in vocabulary
    assert (vocabulary.get("a"), vocabulary.get("x"), vocabulary.get("x", -1)) == (1, None, -1)
    assert vocabulary.columns_of(["x", "a", "b"]).tolist() == [-1, 1, 0]


def test_index_of_an_unknown_word_is_an_error():
    with pytest.raises(VocabularyError, match="'x' is not in the vocabulary"):
        Vocabulary(["a"]).index("x")


def test_vocabularies_with_equal_words_in_equal_order_are_equal():
    assert Vocabulary(["a", "b"]) == Vocabulary(["a", "b"])
    assert hash(Vocabulary(["a", "b"])) == hash(Vocabulary(["a", "b"]))
    assert Vocabulary(["a", "b"]) != Vocabulary(["b", "a"])
    assert Vocabulary(["a"]) != ("a",)


def test_pickle_keeps_the_words():
    assert pickle.loads(pickle.dumps(Vocabulary(["a", "b"]))) == Vocabulary(["a", "b"])


def test_words_cannot_be_assigned():
    with pytest.raises(AttributeError):
        Vocabulary(["a"]).words = ("b",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no words"),
        (["a", "b", "a"], "'a' more than once"),
        (["a", ""], "Word 2 .* at least one character"),
        (["a\nb"], "Word 1"),
        (["a\r"], "Word 1"),
        (["\ufeffa"], "Word 1"),
        (["\ud800"], "Word 1"),
        ([1], "Word 1 .* is 1. Words are strings"),
        ("cat", "is 'cat'. Give a list of words"),
        (Path("words.txt"), "Give a list of words, or read a file"),
        ({"a", "b"}, "a set, which has no order"),
        ({"a": 0, "b": 2}, "columns of 2 words are not 0 to 1"),
        ({"a": 0.0}, "values are not columns"),
        ({"a": None}, "values are not columns"),
    ],
)
def test_invalid_words_are_refused(words, message):
    with pytest.raises(VocabularyError, match=message):
        Vocabulary(words)


def test_a_mapping_gives_the_columns():
    assert Vocabulary({"mouse": 1, "cat": np.int64(0)}).words == ("cat", "mouse")


def test_numbered_vocabulary_has_placeholders():
    assert Vocabulary.numbered(3).words == ("word0", "word1", "word2")
    assert Vocabulary.numbered(3).is_numbered
    assert not Vocabulary(["word0", "word2"]).is_numbered


class TestFiles:
    @given(st.lists(line, min_size=1, unique=True))
    def test_load_returns_the_saved_words(self, tmp_path_factory, words):
        path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.txt"
        Vocabulary(words).save(path)
        assert Vocabulary.load(path).words == tuple(words)

    @pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
    def test_damaged_files_are_named(self, tmp_path, suffix, pack):
        path, packed = tmp_path / f"v.txt{suffix}", pack(b"cat\ndog\n" * 50)
        for content in (packed[:-9], packed[:20] + b"\xff" * 20, b"cat\n"):
            path.write_bytes(content)
            with pytest.raises(VocabularyError, match=r"v\.txt\..* cannot be (unpacked|read) \((?!None)"):
                Vocabulary.load(path)

    @pytest.mark.parametrize("content", [b"a\r\nb\r\n", b"a\nb", b"\xef\xbb\xbfa\nb\n"])
    def test_line_ends_and_byte_order_marks_of_editors_are_ignored(self, tmp_path, content):
        (tmp_path / "v.txt").write_bytes(content)
        assert Vocabulary.load(tmp_path / "v.txt").words == ("a", "b")

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "no words"), (b"a\n\nb\n", "Word 2"), (b"a\na\n", "more than once"), (b"\xe9t\xe9\n", "byte 0xe9")],
    )
    def test_invalid_files_are_named(self, tmp_path, content, message):
        (tmp_path / "v.txt").write_bytes(content)
        with pytest.raises(VocabularyError, match=rf"v\.txt.*{message}"):
            Vocabulary.load(tmp_path / "v.txt")

    def test_missing_file_is_refused(self, tmp_path):
        with pytest.raises(VocabularyError, match=r"v\.txt.*Check the path"):
            Vocabulary.load(tmp_path / "v.txt")


TERMS = {"rare": 1, "b": 5, "a": 5, "common": 20}
DOCUMENTS = {"rare": 1, "b": 3, "a": 2, "common": 10}


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
    def test_words_within_the_limits_are_chosen(self, limits, expected):
        assert build_vocabulary(TERMS, DOCUMENTS, 10, **limits).words == expected

    @given(st.permutations(list(TERMS)))
    def test_order_does_not_depend_on_the_input_order(self, words):
        terms = {word: TERMS[word] for word in words}
        assert build_vocabulary(terms, DOCUMENTS, 10).words == ("common", "a", "b", "rare")

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
    def test_limits_out_of_range_are_refused(self, limits):
        with pytest.raises(ConfigurationError):
            build_vocabulary(TERMS, DOCUMENTS, 10, **limits)

    @pytest.mark.parametrize(
        ("limits", "message"),
        [
            ({"min_df": 11}, "No word is left, of 4 in 10 documents.*min_df 11 removes 4 .*lower it"),
            ({"min_df": 4, "max_df": 0.5}, "min_df 4 removes 3 .*max_df 0.5 removes 1 .*raise it"),
        ],
    )
    def test_limits_that_remove_all_words_are_named(self, limits, message):
        with pytest.raises(VocabularyError, match=message):
            build_vocabulary(TERMS, DOCUMENTS, 10, **limits)

    def test_documents_without_words_are_refused(self):
        with pytest.raises(VocabularyError, match="no words in 10 documents"):
            build_vocabulary({}, {}, 10)

    @given(data=st.data(), size=st.none() | st.integers(1, 6))
    def test_choosing_from_a_stream_gives_the_most_frequent_words(self, data, size):
        frequencies = data.draw(st.dictionaries(line, st.integers(1, 4), min_size=1))
        expected = sorted(frequencies, key=lambda word: (-frequencies[word], word))[:size]
        assert build_vocabulary(frequencies, frequencies, 10, size=size).words == tuple(expected)
