"""Names of units: what is allowed, that they are saved, and that every output that lists units shows them."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, save_npz
from test_model_checks import change_json, seal
from text_data import rows_of

import docnvil
from docnvil.analysis.unit_names import check_names
from docnvil.errors import CheckpointError, ConfigurationError
from docnvil.estimator import DocNVIL
from docnvil.report.page import render, render_overview
from docnvil.storage.tables import unit_columns

NAMES = ("space flight", None, "<b>&baseball")


@pytest.fixture(scope="module")
def named(block_counts):
    fitted = DocNVIL(n_components=3, epochs=40, batch_size=10, random_state=0).fit(block_counts).model_
    return replace(fitted, unit_names=NAMES)


@pytest.fixture(scope="module")
def folder(named, tmp_path_factory):
    path = tmp_path_factory.mktemp("named") / "model"
    docnvil.save(named, path)
    return path


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        (" space", "starts or ends with a space"),
        ("x" * 61, "has 61 characters"),
        ("a\nb", "control character"),
        ("a\x1b[31mb", "control character"),
        ("a\u202eb", "control character"),
        ("\ud800", "control character"),
        ("unit 2", "is the label of a unit without a name"),
        ("Unit_12", "is the label of a unit without a name"),
        (7, "is 7"),
    ],
)
def test_names_that_are_not_allowed(name, problem):
    with pytest.raises(ConfigurationError, match=problem):
        check_names([None, name], 2)


def test_names_are_unique_in_any_capitalization_and_one_per_unit():
    with pytest.raises(ConfigurationError, match="Units 0 and 2 are both named 'Space'"):
        check_names(["space", None, "Space"], 3)
    with pytest.raises(ConfigurationError, match="2 names for 3 units"):
        check_names(["a", "b"], 3)
    with pytest.raises(ConfigurationError, match="both named"):  # the same text in two Unicode forms
        check_names(["caf\u00e9", "cafe\u0301"], 2)


def test_labels(named):
    assert [named.unit_label(unit) for unit in range(3)] == ["space flight", "unit 1", "<b>&baseball"]
    assert replace(named, unit_names=()).unit_names == (None, None, None)


def test_names_are_saved_and_a_model_without_names_has_none_in_its_folder(named, folder, tmp_path):
    assert docnvil.load(folder).unit_names == NAMES
    docnvil.save(replace(named, unit_names=()), tmp_path / "plain")
    assert "unit_names" not in json.loads((tmp_path / "plain" / "model.json").read_text())
    assert docnvil.load(tmp_path / "plain").unit_names == (None, None, None)
    assert [row["name"] for row in rows_of(folder / "topics.csv")] == ["space flight", "", "<b>&baseball"]


@pytest.mark.parametrize(
    "value", [None, "abc", {}, ["a"], ["a", "A", None], ["a\nb", None, None], [1, 2, 3], [["a"], None, None]]
)
def test_damaged_names_are_an_error_of_the_folder(folder, tmp_path, value):
    copy = shutil.copytree(folder, tmp_path / "model")
    change_json(copy / "model.json", unit_names=value)
    seal(copy)
    with pytest.raises(CheckpointError, match="unit_names"):
        docnvil.load(copy)


def test_topics_show_names(folder):
    lines = run("topics", folder).stdout.splitlines()[1:]
    assert "space flight: " in lines[0]
    assert "<b>&baseball: " in lines[2]
    assert ":" not in lines[1]
    units = json.loads(run("topics", folder, "--json").stdout)["units"]
    assert tuple(unit["name"] for unit in units) == NAMES


def test_reports_show_names_as_text(named):
    live = [name for name, dead in zip(NAMES, named.statistics.dead, strict=True) if name and not dead]
    assert live
    for page in (render(named), render_overview(named)):
        assert all(name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in page for name in live)
        assert "<b>&baseball" not in page


def test_embeddings_have_names_as_columns(folder, tmp_path, block_counts):
    save_npz(tmp_path / "counts.npz", csr_array(block_counts))
    run("embed", folder, tmp_path / "counts.npz", "--out", tmp_path / "e.csv")
    with (tmp_path / "e.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["id", "space flight", "unit1", "<b>&baseball"]
    expected = docnvil.load(folder).transform(block_counts)
    assert np.array([row[1:] for row in rows], dtype=float) == pytest.approx(expected, abs=1e-5)


@given(
    names=st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=4),
    taken=st.lists(st.sampled_from(["id", "theme", "a", "A", "=", "group"]), max_size=3),
)
def test_columns_are_unique_and_no_formulas(names, taken):
    try:
        names = check_names(names, len(names))
    except ConfigurationError:
        return
    columns = unit_columns(6, names, ["id", *taken])
    others = {name.casefold() for name in ("id", *taken)}
    assert len({column.casefold() for column in columns} | others) == 6 + len(others)
    assert not any(column.startswith(("=", "+", "-", "@")) for column in columns)
    assert columns[4:] == ["unit4", "unit5"]
