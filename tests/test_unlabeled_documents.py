"""Documents without the label column of the model's documents can be used with the model."""

import csv
from pathlib import Path

import pytest
from commands import run
from text_data import rows_of, write_jsonl

import docnvil
from docnvil.corpus.loading import later_options, load_document_term_matrix
from docnvil.errors import CorpusError, DocnvilNote
from docnvil.text.documents import read_documents
from docnvil.text.settings import SourceOptions

ROWS = [("sailing", "wind sail sea " * 4), ("baking", "oven salt dough " * 4)] * 30
LACKS = "has no column 'group', the --label-column of the model's documents, so it was read without labels."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of labeled documents, and new documents without labels."""
    folder = tmp_path_factory.mktemp("unlabeled")
    with (folder / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "group"), *((text, label) for label, text in ROWS)])
    with (folder / "new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "day"), *((text, str(n)) for n, (_, text) in enumerate(ROWS))])
    write_jsonl(folder / "new.jsonl", ({"text": text} for _, text in ROWS))
    limits = ("--max-df", "1.0", "--units", 2, "--epochs", 2)
    run("fit", folder / "train.csv", "--label-column", "group", *limits, "--out", folder / "model")
    return folder


COMMANDS = [
    ("embed", "--out", "OUT.csv"),
    ("embed", "--table", "--out", "OUT.csv"),
    ("perplexity",),
    ("completion",),
    ("explain", "--surprise"),
    ("search", "sail"),
    ("outliers",),
    ("report", "--out", "OUT.html"),
]


@pytest.mark.parametrize("name", ["new.csv", "new.jsonl"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_read_documents_without_the_label_of_the_model(folder, tmp_path, command, name):
    verb, *rest = (part.replace("OUT", str(tmp_path / "out")) for part in command)
    extra = ["--index", tmp_path / "index"] if verb == "search" else []
    arguments = [folder / "model", folder / name, *rest, *extra]
    result = run(verb, *arguments)
    assert result.stderr.count("Note: ") == 1
    assert result.stderr.count(f"Note: {folder / name} {LACKS}") == 1
    chosen = folder / name, "--label-column", "group"
    failed = run(verb, folder / "model", *chosen, *rest, *(["--rebuild", *extra] if extra else []), "--force", status=1)
    place = "" if name == "new.csv" else ", line 1"
    assert f"{folder / name}{place} has no column 'group' for the label." in failed.stderr
    assert "; choose one with --label-column, or read none with --label-column ''." in failed.stderr


def test_embeddings_without_labels_have_the_other_metadata(folder, tmp_path):
    run("embed", folder / "model", folder / "new.csv", "--out", tmp_path / "a.csv")
    without = run("embed", folder / "model", folder / "new.csv", "--label-column", "", "--out", tmp_path / "b.csv")
    assert "Note" not in without.stderr
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a.csv").read_text().startswith("id,day,unit0,unit1\n")


def test_labels_that_some_documents_lack_are_blank(folder, tmp_path):
    rows = [{"text": "wind sail"}, {"text": "oven", "group": "baking"}, {"text": "salt", "group": ["a", "list"]}]
    path = write_jsonl(tmp_path / "mixed.jsonl", rows)
    result = run("embed", folder / "model", path, "--out", tmp_path / "e.csv")
    assert (
        f"2 of the 3 documents of {path} have no 'group', the --label-column of the model's documents; their labels"
        " are blank."
    ) in result.stderr
    assert [row["group"] for row in rows_of(tmp_path / "e.csv")] == ["", "baking", ""]
    failed = run("retrieval", folder / "model", folder / "train.csv", path, status=1)
    assert f"{path}, line 1 has no column 'group' for the label." in failed.stderr


def test_retrieval_uses_the_label_of_the_model_and_needs_it(folder):
    train = folder / "train.csv"
    named = run("retrieval", folder / "model", train, train, "--label-column", "group")
    assert run("retrieval", folder / "model", train, train).stdout == named.stdout
    failed = run("retrieval", folder / "model", train, folder / "new.csv", status=1)
    assert f"{folder / 'new.csv'} has no column 'group' for the label." in failed.stderr
    none = run("retrieval", folder / "model", train, train, "--label-column", "", status=1)
    assert "The documents have no labels. Name their column" in none.stderr


def test_python_reads_later_documents_without_labels(folder):
    model = docnvil.load(folder / "model")
    options = later_options(folder / "new.csv", model.reading)
    with pytest.warns(DocnvilNote, match="has no column 'group'"):
        matrix = load_document_term_matrix(folder / "new.csv", options, vocabulary=model.vocabulary)
    assert list(matrix.metadata) == ["day"]
    assert matrix.reading == {"label_column": "group"}
    with pytest.raises(CorpusError, match=r"new.csv has no column 'group' for the label"):
        list(read_documents(folder / "new.csv", SourceOptions(label_column="group")))
