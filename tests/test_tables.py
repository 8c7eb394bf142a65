"""Tables as files: a CSV reader gets back what was written."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docnvil.analysis.topics import Topic
from docnvil.storage.tables import write_document_values, write_embeddings, write_records, write_topics
from docnvil.text.vocabulary import Vocabulary

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(['"', "a,b", "a\nb", "\r\n"])


@pytest.mark.parametrize("kind", [np.float64, np.int64])
@given(rows=st.lists(st.tuples(anything, anything), min_size=1, max_size=7), cut=st.integers(0, 7))
def test_any_ids_and_metadata_can_be_read_back(tmp_path_factory, kind, rows, cut):
    path = tmp_path_factory.mktemp("tables") / "embeddings.csv"
    values = np.random.default_rng(0).random((len(rows), 3))
    numbers = values if kind is np.float64 else (values > 0.5).astype(kind)
    ids, groups = zip(*rows, strict=True)
    write_embeddings(path, ids, {"group": groups}, 3, [numbers[:cut], numbers[cut:]])
    with path.open(encoding="utf-8", newline="") as file:
        header, *actual = csv.reader(file)
    assert header == ["id", "group", "unit0", "unit1", "unit2"]
    assert [(row[0], row[1]) for row in actual] == rows
    expected = [[f"{value:.6g}" for value in row] for row in numbers.tolist()]
    assert [row[2:] for row in actual] == expected


@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet"])
@pytest.mark.parametrize("ids", [["a", "b"], ["a", "b", "c", "d"]])
def test_a_wrong_number_of_ids_is_an_error(tmp_path, ids, suffix):
    with pytest.raises(ValueError, match=f"3 embeddings for {len(ids)} ids"):
        write_embeddings(tmp_path / f"e.{suffix}", ids, {}, 3, [np.zeros((2, 3)), np.zeros((1, 3))])
    assert not list(tmp_path.iterdir())


def test_document_values_are_written_with_their_perplexity(tmp_path):
    """exp(10 / 5); the empty document has none, and fractional lengths are kept."""
    nats = {"log_likelihood": np.array([-10.0, 0.0, -1.0]), "kl": np.array([0.1, 0.0, 1 / 3])}
    write_document_values(tmp_path / "values.csv", ["a", "b", "c"], np.array([5.0, 0.0, 2.5]), nats)
    with (tmp_path / "values.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["id", "words", "log_likelihood", "kl", "perplexity", "empty"],
        ["a", "5", "-10.0", "0.1", "7.38906", "0"],
        ["b", "0", "0.0", "0.0", "", "1"],
        ["c", "2.5", "-1.0", "0.3333333333333333", "1.49182", "0"],
    ]


def test_topics_and_records_are_written_as_rows(tmp_path):
    topic = Topic(unit=3, words=(1, 0), scores=(2.0, 1.0), share=0.25, information=0.5, dead=False)
    write_topics(tmp_path / "topics.csv", [topic], Vocabulary(["oven", "salt"]))
    assert (tmp_path / "topics.csv").read_text().splitlines() == [
        "unit,name,share,information,dead,words",
        "3,,0.2500,0.5000,0,salt oven",
    ]
    write_records(tmp_path / "records.csv", [{"model": "lda", "npmi": None}, {"model": "nmf", "npmi": 0.5}])
    assert (tmp_path / "records.csv").read_text().splitlines() == ["model,npmi", "lda,", "nmf,0.5"]
