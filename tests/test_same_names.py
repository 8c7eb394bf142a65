"""Names whose accents are encoded in another way (NFC and NFD) are found; documents without a label are left out."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import run

import docnvil
from docnvil.text.normalization import find_name


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def write(path: Path, form: Any, labels: str = "éab") -> Path:
    rows = [
        {
            form("résumé"): f"{words} {words}",
            form("numéro"): form(f"é{number}"),
            form("état"): labels[number % len(labels)],
        }
        for number, words in enumerate(["sail wind", "oven salt"] * 12)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    train = write(folder / "train.jsonl", composed)
    columns = ("--text-column", "résumé", "--id-column", "numéro", "--label-column", "état")
    run("fit", train, *columns, "--max-df", 1.0, "--units", 2, "--epochs", 1, "--out", folder / "model")
    return folder / "model"


@pytest.mark.parametrize("form", [composed, decomposed])
def test_columns_are_found(tmp_path, form):
    path = write(tmp_path / "a.jsonl", form)
    for name in (composed, decomposed):
        columns = {"text_column": name("résumé"), "id_column": name("numéro"), "label_column": name("état")}
        matrix = docnvil.load_document_term_matrix(path, max_df=1.0, **columns)
        assert (matrix.ids[0], list(matrix.metadata)) == (form("é0"), [form("état")])


def test_other_letters_are_other_names():
    assert find_name("etat", ["état"]) is None


@pytest.mark.parametrize("form", [composed, decomposed])
def test_documents_columns_and_values_are_found(model, tmp_path, form):
    path = write(tmp_path / "new.jsonl", form)
    for name in (composed, decomposed):
        explained = json.loads(run("explain", model, path, "--id", name("é3"), "--json").stdout)
        assert [each["id"] for each in explained["documents"]] == [form("é3")]
        found = json.loads(run("search", model, path, "--like", name("é3"), "--json").stdout)
        assert form("é3") not in [each["id"] for each in found["results"]]
        compared = run("effects", model, path, "--by", name("état"), "--reference", name("état=é"), "--json")
        assert {each["compared_with"] for each in json.loads(compared.stdout)["effects"]} == {"é"}
        run("report", model, path, "--by", name("état"), "--out", tmp_path / "report.html", "--force")
        labeled = run("retrieval", model, path, path, "--label-column", name("état"), "--json")
        assert json.loads(labeled.stdout)["clustering"]["units"]["labels"] == 3


def test_documents_without_a_label_are_left_out_of_retrieval(model, tmp_path):
    some = write(tmp_path / "some.jsonl", composed, "ab")
    lines = some.read_text().splitlines(keepends=True)
    blank = [line.replace('"état": "a"', '"état": ""').replace('"état": "b"', '"état": null') for line in lines]
    known = tmp_path / "known.jsonl"
    known.write_text("".join(lines[:8]))
    some.write_text("".join(lines[:8] + blank[8:]))
    result = run("retrieval", model, some, known, "--json")
    expected = json.loads(run("retrieval", model, known, known, "--json").stdout)
    assert f"16 documents of {some} without a label are left out" in result.stderr
    assert json.loads(result.stdout) == {**expected, "unlabeled_documents": 16}
    numbers = np.where(np.arange(24) < 8, np.arange(24) % 2, np.nan)
    np.save(tmp_path / "some.npy", numbers)
    np.save(tmp_path / "known.npy", numbers[:8])
    files = ("--train-labels", tmp_path / "some.npy", "--test-labels", tmp_path / "known.npy")
    assert json.loads(run("retrieval", model, some, known, *files, "--json").stdout)["unlabeled_documents"] == 16
    some.write_text("".join(blank))
    run("retrieval", model, some, known, status=1, stderr=f"No document of {some} has a label")
