"""Data frames of counts: their columns are matched by word, and a column of ids is not a word."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import docnvil
from docnvil.errors import CorpusError, DocnvilWarning, VocabularyError

COUNTS = {"cat": [2, 0, 1], "dog": [0, 3, 1]}
SETTINGS = docnvil.Settings(units=(2,), epochs=1)


def polars_frame(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


@pytest.mark.parametrize("make", [pd.DataFrame, polars_frame])
class TestCountWords:
    def test_columns_are_matched_by_word(self, make: Callable[..., Any]) -> None:
        matrix = docnvil.count_words(make(COUNTS), vocabulary=["owl", "dog", "cat"])
        assert matrix.vocabulary.words == ("owl", "dog", "cat")
        assert matrix.counts.toarray().tolist() == [[0, 0, 2], [0, 3, 0], [0, 1, 1]]
        assert docnvil.count_words(make(COUNTS), vocabulary=["dog"]).unknown_counts.tolist() == [2, 0, 1]

    def test_other_words_name_the_columns(self, make: Callable[..., Any]) -> None:
        matrix = docnvil.count_words(make(COUNTS), vocabulary=["Katze", "Hund"])
        assert (matrix.vocabulary.words, matrix.counts.toarray().tolist()) == (
            ("Katze", "Hund"),
            [[2, 0], [0, 3], [1, 1]],
        )

    def test_a_column_of_ids_is_no_word(self, make: Callable[..., Any]) -> None:
        matrix = docnvil.count_words(make({"cat": COUNTS["cat"], "nr": [7, 8, 9], "dog": [0, 3, 1]}), id_column="nr")
        assert (matrix.ids, matrix.vocabulary.words) == (("7", "8", "9"), ("cat", "dog"))
        assert matrix.counts.toarray().tolist() == [[2, 0], [0, 3], [1, 1]]
        with pytest.raises(CorpusError, match="no column 'doc'"):
            docnvil.count_words(make(COUNTS), id_column="doc")

    def test_a_first_column_with_a_name_for_ids_has_them(self, make: Callable[..., Any]) -> None:
        for name in ("id", "Unnamed: 0", "doc_id"):
            frame = make({name: [7, 8, 9], **COUNTS})
            with pytest.warns(DocnvilWarning, match=f"first column, '{name}', was read as the ids"):
                matrix = docnvil.count_words(frame)
            assert (matrix.ids, matrix.vocabulary.words) == (("7", "8", "9"), ("cat", "dog"))
        assert docnvil.count_words(make({"id": [1, 0, 2], **COUNTS}), id_column="").vocabulary.words[0] == "id"
        assert docnvil.count_words(make({"cat": [1, 2], "id": [3, 0]})).vocabulary.words == ("cat", "id")


def test_matrices_have_no_column_of_ids() -> None:
    with pytest.raises(CorpusError, match="there is no 'id'"):
        docnvil.count_words(np.eye(2), id_column="id")


def test_numbered_columns_have_no_words() -> None:
    assert docnvil.count_words(pd.DataFrame(np.eye(2, dtype=int))).vocabulary.is_numbered


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_missing_words_are_refused(missing: object) -> None:
    frame = pd.DataFrame([[2, 0], [0, 1]], columns=pd.Index(["cat", missing], dtype=object))
    for source, words in (
        (frame, None),
        (np.eye(2, dtype=int), ["cat", missing]),
        (["cat"], pd.Series(["cat", missing])),
    ):
        with pytest.raises(VocabularyError, match=r"Word 2 of the vocabulary is missing .*keep_default_na=False"):
            docnvil.count_words(source, vocabulary=words)


class TestTraining:
    FRAME = pd.DataFrame({word: values * 10 for word, values in COUNTS.items()})

    @pytest.mark.parametrize(
        "train",
        [
            lambda frame, words: docnvil.fit(frame, SETTINGS, vocabulary=words).vocabulary,
            lambda frame, words: docnvil.DocNVIL(2, epochs=1, vocabulary=words).fit(frame).vocabulary_,
        ],
    )
    def test_a_vocabulary_in_another_order_is_refused(self, train: Callable[..., Any]) -> None:
        with pytest.raises(VocabularyError, match="words in common, but not in the same order"):
            train(self.FRAME, ["dog", "cat"])
        assert train(self.FRAME, ["cat", "dog"]).words == ("cat", "dog")
        assert train(self.FRAME, ["Katze", "Hund"]).words == ("Katze", "Hund")
        with pytest.warns(DocnvilWarning, match="'id', is read as the counts of a word. If it has ids, drop it"):
            train(self.FRAME.reset_index(names="id"), None)


class TestIdsAndMetadata:
    @pytest.mark.parametrize(
        "make",
        [
            list,
            tuple,
            np.array,
            lambda values: pd.Series(values, index=[2, 0, 1]),
            lambda values: pytest.importorskip("polars").Series(values),
            pd.Index,
        ],
    )
    def test_they_are_strings_by_position(self, make: Callable[..., Any]) -> None:
        columns = {"label": make(["x", "y", "z"]), "year": make([1999.0, float("nan"), 2001.0])}
        matrix = docnvil.DocumentTermMatrix([[1], [2], [3]], docnvil.Vocabulary(["cat"]), make([7, 8, 9]), columns)
        assert tuple(matrix.ids) == ("7", "8", "9")
        assert {name: tuple(values) for name, values in matrix.metadata.items()} == {
            "label": ("x", "y", "z"),
            "year": ("1999", "", "2001"),
        }
        chosen = matrix.select([2, 0])
        assert (chosen.ids, chosen.metadata["label"]) == (("9", "7"), ("z", "x"))
        named = docnvil.DocumentTermMatrix([[1], [2]], docnvil.Vocabulary(["cat"]), make(["b", "a", "c"])[:2])
        assert named.select([1]).ids == ("a",)
