"""Options of the input are stored with corpora and models, and later files are read with them."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import run

import docnvil
from docnvil.corpus.loading import later_options
from docnvil.errors import DocnvilWarning
from docnvil.text.settings import SourceOptions

ROWS = [("wind sail sea", "oven salt dough")[n % 2] for n in range(30)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of a semicolon-separated file in latin-1, whose name does not say its format."""
    folder = tmp_path_factory.mktemp("recorded")
    for name, rows in (("train", ROWS), ("test", ROWS[:6])):
        table = ["key;title;body", *(f"d{n};t;café {text}" for n, text in enumerate(rows))]
        (folder / f"{name}.dat").write_text("\n".join(table) + "\n", encoding="latin-1")
    options = ["--format", "csv", "--encoding", "latin-1", "--text-column", "body", "--id-column", "key"]
    limits = ["--max-df", "1.0"]
    run("fit", folder / "train.dat", *options, *limits, "--units", 2, "--epochs", 2, "--out", folder / "model")
    run("corpus", "build", folder / "train.dat", *options, *limits, "--out", folder / "corpus")
    run("fit", folder / "corpus", "--units", 2, "--epochs", 2, "--out", folder / "model-of-corpus")
    return folder


def figures(*arguments: object) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json").stdout)


EXPECTED = {"format": "csv", "encoding": "latin-1", "text_column": "body", "id_column": "key", "suffix": ".dat"}


@pytest.mark.parametrize("model", ["model", "model-of-corpus"])
def test_later_files_are_read_like_the_training_file(folder, tmp_path, model):
    saved = json.loads((folder / model / "model.json").read_text(encoding="utf-8"))
    assert saved["reading"] == EXPECTED
    test = folder / "test.dat"
    result = figures("perplexity", folder / model, test)
    assert (result["documents"], result["tokens"], result["unknown_tokens"]) == (6, 24, 0)
    run("embed", folder / model, test, "--out", tmp_path / "e.csv")
    assert [line.split(",")[0] for line in (tmp_path / "e.csv").read_text().splitlines()[1:]] == [
        f"d{n}" for n in range(6)
    ]
    assert figures("completion", folder / model, test)["unknown_tokens"] == 0
    run("topics", folder / model, "--coherence", test)


def test_compare_reads_the_test_file_like_the_training_file(folder):
    arguments = ["--models", "sklearn-lda", "--components", 2]
    result = figures("compare", folder / "corpus", folder / "test.dat", *arguments)
    assert any(row["model"].startswith("sklearn-lda") for row in result["models"])
    run("compare", folder / "corpus", folder / "test.dat", *arguments, "--text-column", "absent", status=1)


def test_given_options_take_precedence(folder, tmp_path):
    (tmp_path / "other.dat").write_text("key;text\nx;wind sail\ny;café\n", encoding="utf-8")
    options = ["--text-column", "text", "--encoding", "utf-8"]
    result = figures("perplexity", folder / "model", tmp_path / "other.dat", *options)
    assert (result["documents"], result["tokens"], result["unknown_tokens"]) == (2, 3, 0)


def test_files_of_other_kinds_need_no_other_options(folder, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"key": "x", "body": "wind sail café"}\n', encoding="utf-8")
    assert figures("perplexity", folder / "model", tmp_path / "a.jsonl", "--encoding", "utf-8")["tokens"] == 3
    (tmp_path / "a.txt").write_text("wind sail\n", encoding="utf-8")
    assert figures("perplexity", folder / "model", tmp_path / "a.txt")["tokens"] == 2
    assert figures("perplexity", folder / "model", folder / "corpus")["documents"] == 30
    result = run("perplexity", folder / "model", tmp_path / "a.txt", "--text-column", "body")
    assert "--text-column has no effect on" in result.stderr


@pytest.mark.parametrize(
    ("recorded", "name", "options", "expected"),
    [
        ({"text_column": "body"}, "a.csv", {}, {"text_column": "body"}),
        ({"text_column": "body"}, "a.csv", {"text_column": "other"}, {"text_column": "other"}),
        ({"text_column": "body"}, "a.txt", {}, {}),
        ({"index_base": "0", "transpose": True}, "a.svm", {}, {"index_base": "0"}),
        ({"index_base": "0", "transpose": True}, "a.npz", {}, {"transpose": True}),
        ({"format": "tsv", "suffix": ".txt"}, "a.txt", {}, {"format": "tsv"}),
        ({"format": "tsv", "suffix": ".txt"}, "a.txt.gz", {}, {"format": "tsv"}),
        ({"format": "tsv", "suffix": ".txt"}, "a.csv", {}, {}),
        ({"format": "tsv", "suffix": ".train"}, "a.test", {}, {"format": "tsv"}),
        ({"format": "tsv", "suffix": ".txt"}, "a.txt", {"format": "lines"}, {"format": "lines"}),
        ({"of a newer version": 1}, "a.csv", {}, {}),
    ],
)
def test_recorded_options_are_for_the_formats_that_have_them(tmp_path, recorded, name, options, expected):
    (tmp_path / name).write_bytes(b"")
    later = later_options(tmp_path / name, recorded, SourceOptions(**options))
    assert later.non_default() == expected


def test_python_reads_later_frames_alike(folder):
    model = docnvil.load(folder / "model")
    assert model.transform([{"body": "wind sail", "key": 1}]).shape == (1, 2)
    with pytest.warns(DocnvilWarning, match="has no text"):
        model.transform([{"body": None, "key": 1}])
