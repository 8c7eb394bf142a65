"""Tables as files: a CSV reader gets back what was written."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docnvil.storage.tables import write_embeddings

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


@pytest.mark.parametrize("ids", [["a"], ["a", "b", "c"]])
def test_a_wrong_number_of_ids_is_an_error(tmp_path, ids):
    with pytest.raises(ValueError, match=r"ids|zip"):
        write_embeddings(tmp_path / "e.csv", ids, {}, 3, [np.zeros((2, 3))])
    assert not list(tmp_path.iterdir())
