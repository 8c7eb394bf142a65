"""`docnvil embed --table` and `docnvil info`: the same table in all formats, and true descriptions."""

import json
import zipfile
from collections import defaultdict

import numpy as np
import pytest
from commands import run
from text_data import SUBJECTS, rows_of, write_jsonl

import docnvil
from docnvil.analysis.document_table import table_columns
from docnvil.commands.info import _model_lines
from docnvil.errors import CorpusError
from docnvil.storage import document_tables
from docnvil.storage.document_tables import write_table

FORMULAS = ("=1+1", "+cmd", "-2", "@SUM(A1)", '=HYPERLINK("http://x")')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(60):
        text = " ".join(generator.choice(SUBJECTS[number % 2], 12)) + " qqq"
        title = FORMULAS[number] if number < len(FORMULAS) else f"Title\x0b {number}"
        rows.append({"id": f"d{number}", "title": title, "words": "many", "text": text})
    rows.append({"id": "=empty", "title": "", "words": "", "text": "zebra"})
    write_jsonl(path / "corpus.jsonl", rows)
    options = ("--units", 2, "--epochs", 60, "--batch-size", 10, "--label-column", "words", "--max-df", "0.7")
    run("fit", path / "corpus.jsonl", *options, "--out", path / "model")
    return path


def read_table(path):
    if path.suffix == ".parquet":
        rows = pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()
        return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    if path.suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        header, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
        return [dict(zip(header, ("" if value is None else str(value) for value in row), strict=True)) for row in rows]
    return rows_of(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_tables_of_all_formats_have_the_documents(folder, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(document_tables, "ROWS_PER_GROUP", 7)
    out = tmp_path / f"documents.{suffix}"
    run("embed", folder / "model", folder / "corpus.jsonl", "--table", "--out", out)
    rows = read_table(out)
    assert len(rows) == 61
    model = docnvil.load(folder / "model")
    for number, row in enumerate(rows[:60]):
        assert row["id"] == f"d{number}"
        assert row["metadata_words"] == "many"
        assert row["excerpt"].split()[0] in SUBJECTS[number % 2]
        assert int(row["words"]) + int(row["unknown_words"]) == 13
        probabilities = model.transform([row["excerpt"]])[0]
        best = int(probabilities.argmax())
        if probabilities[best] >= 0.1:
            assert (int(row["top1_unit"]), row["top1_name"]) == (best, model.unit_label(best))
            assert float(row["top1_probability"]) == pytest.approx(probabilities[best], abs=1e-5)
    assert [row["title"] for row in rows[: len(FORMULAS)]] == list(FORMULAS)
    assert rows[60]["words"] == "0"


def test_workbooks_have_no_formulas(folder, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    out = tmp_path / "documents.xlsx"
    run("embed", folder / "model", folder / "corpus.jsonl", "--table", "--out", out)
    cells = [cell for row in openpyxl.load_workbook(out).active.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    starting = [cell for cell in cells if str(cell.value)[:1] in "=+-@" and cell.data_type == "s"]
    assert len([cell for cell in starting if cell.value in FORMULAS]) == 2 * len(FORMULAS)  # title and metadata_title
    assert all(cell.quotePrefix for cell in starting)


def test_the_same_documents_give_the_same_workbook(folder, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    contents = []
    for name in ("a.xlsx", "b.xlsx"):
        out = tmp_path / name
        run("embed", folder / "model", folder / "corpus.jsonl", "--table", "--out", out)
        contents.append(out.read_bytes())
        with zipfile.ZipFile(out) as archive:
            assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert openpyxl.load_workbook(out).properties.modified.year == 1980
    assert contents[0] == contents[1]


def test_data_frame_has_the_same_columns(folder):
    model = docnvil.load(folder / "model")
    matrix = docnvil.count_words(["mast sail", "zebra"], rules=model.token_rules, vocabulary=model.vocabulary)
    table = model.document_table(matrix)
    assert list(table.columns) == list(table_columns(matrix))
    assert [set(words.split()) for words in table["excerpt"]] == [{"mast", "sail"}, set()]
    assert table["unknown_words"].tolist() == [0, 1]
    assert model.document_table(matrix, top_units=1).shape == (2, 8)


def test_clashing_metadata_gets_a_prefix():
    names = {"top1_unit": ("x",), "id": ("y",), "metadata_id": ("z",), "unit7": ("v",)}
    matrix = docnvil.DocumentTermMatrix([[1]], docnvil.Vocabulary(["owl"]), ("a",), names)
    assert list(table_columns(matrix))[2:6] == ["metadata_top1_unit", "metadata_metadata_id", "metadata_id", "unit7"]
    assert table_columns(matrix)["unit7"] is str


def test_too_many_rows_for_a_worksheet_are_refused(tmp_path):
    pytest.importorskip("openpyxl")
    with pytest.raises(CorpusError, match="1,048,575 rows"):
        write_table(tmp_path / "a.xlsx", {"id": str}, [], 1_048_576)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--table", "--kind", "codes", "--out", "a.csv"), 2, "--kind has no effect"),
        (("--table", "--out", "a.npy"), 2, "numbers only"),
        (("--out", "a.xlsx"), 2, "Add --table"),
    ],
)
def test_command_refuses(folder, tmp_path, arguments, status, message):
    arguments = [tmp_path / each if "." in each else each for each in arguments]
    run("embed", folder / "model", folder / "corpus.jsonl", *arguments, status=status, stderr=message)


def test_info_of_a_model(folder):
    values = json.loads(run("info", folder / "model", "--json").stdout)
    assert (values["kind"], values["units"], values["words"]) == ("model", [2], 12)
    assert values["live_units"] + values["dead_units"] == 2
    text = run("info", folder / "model").stdout
    assert "2 units, recipe default" in text
    assert "stop words english" in text


@pytest.mark.parametrize(("n_duplicates", "text"), [(0, "0 duplicates"), (1, "1 duplicate"), (2, "2 duplicates")])
def test_info_counts_duplicates_in_the_right_form(n_duplicates, text):
    values = defaultdict(int, units=[3], corpus=defaultdict(int), duplicate_units=n_duplicates, warnings=[])
    values |= {"validation_perplexity_without_units": None, "token_rules": None}
    lines = dict(_model_lines(values))
    assert lines["units"] == f"0 live, 0 dead, {text}, 0 named"


def test_info_of_texts_and_of_a_corpus(folder, tmp_path):
    values = json.loads(run("info", folder / "corpus.jsonl", "--json").stdout)
    assert (values["kind"], values["format"], values["documents"]) == ("texts", "jsonl", 61)
    columns = {column["column"]: column for column in values["metadata"]}
    assert columns["words"] == {
        "column": "words",
        "distinct": 1,
        "more": False,
        "missing": 1,
        "frequent": {"many": 60},
    }
    run("corpus", "build", folder / "corpus.jsonl", "--max-df", 1.0, "--out", tmp_path / "corpus")
    values = json.loads(run("info", tmp_path / "corpus", "--json").stdout)
    assert (values["kind"], values["documents"], values["empty_documents"]) == ("corpus", 61, 1)
    assert {"word": "qqq", "count": 60} in values["frequent_words"]
    assert values["words_per_document"][-1] == 13
    assert "column words" in run("info", tmp_path / "corpus").stdout


def test_info_of_a_search_index(folder, tmp_path):
    index = tmp_path / "index"
    run("search", folder / "model", folder / "corpus.jsonl", SUBJECTS[0][0], "--index", index)
    values = json.loads(run("info", index, "--json").stdout)
    assert (values["kind"], values["documents"], values["words"]) == ("search index", 61, 12)
    assert values["bytes"] == sum(file.stat().st_size for file in index.iterdir())
    assert "61 documents" in run("info", index).stdout
    (index / "norms.npy").write_bytes(b"")
    run("info", index, status=1, stderr="norms.npy")


def test_info_of_nothing_is_refused(tmp_path):
    run("info", tmp_path / "nothing", status=1, stderr="nothing at")
