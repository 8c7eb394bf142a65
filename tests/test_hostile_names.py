"""Ids, columns and file names that collide, or that a spreadsheet would run."""

import csv
import os
from pathlib import Path

import pytest
from commands import run
from text_data import rows_of, write_jsonl

from docnvil.corpus.reading import read_corpus
from docnvil.errors import CorpusError
from docnvil.storage.csv_files import csv_writer, guarding_formulas
from docnvil.text.documents import SourceOptions, read_documents

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-x", "@SUM(A1)", "\tx", "-12.5", "plain")
WORDS = ("mast sail wind keel", "onion salt oven flour")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {
            "id": FORMULAS[number % 7],
            "text": f"{WORDS[number % 2]} " * 3,
            "=h": FORMULAS[number % 7],
            "group": f"={number % 2}",
        }
        for number in range(84)
    ]
    return write_jsonl(tmp_path_factory.mktemp("texts") / "a.jsonl", rows)


@pytest.fixture(scope="module")
def model(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "model"
    run("fit", source, "--out", path, "--epochs", 60, "--units", 2)
    return path


def is_formula(cell: str) -> bool:
    return cell[:1] in ("=", "+", "-", "@", "\t", "\r") and cell != "-12.5"


@pytest.mark.parametrize(
    "command",
    [
        ("embed",),
        ("embed", "--table"),
        ("perplexity", "--samples", 2),
        ("explain",),
        ("outliers",),
        ("effects", "--by", "group", "--samples", 2, "--draws", 2),
        ("search", "--like", "plain"),
    ],
    ids=lambda command: " ".join(map(str, command[:2])),
)
def test_csv_safe_guards_every_text(source, model, tmp_path, command):
    name, *options = command
    plain, safe = tmp_path / "plain.csv", tmp_path / "safe.csv"
    index = ["--index", tmp_path / "index"] if name == "search" else []
    for path, more in ((plain, ()), (safe, ["--csv-safe"])):
        run(name, model, source, *options, *index, "--out", path, *more)
    with plain.open(newline="") as first, safe.open(newline="") as second:
        rows = list(zip(csv.reader(first), csv.reader(second), strict=True))
    cells = [pair for row in rows for pair in zip(*row, strict=True)]
    numbers = [before for before, after in cells if before == after]
    assert not [cell for cell in numbers if is_formula(cell) and not _is_number(cell)]
    changed = [(before, after) for before, after in cells if before != after]
    assert changed
    assert all(is_formula(before) and after == f"'{before}" for before, after in changed)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_guarding_ends_with_its_block(tmp_path):
    with (tmp_path / "a.csv").open("w", newline="") as file:
        with guarding_formulas():
            csv_writer(file).writerows([["=a", -1, None], ["b", -1.5, "1"]])
        csv_writer(file).writerow(["=a"])
    assert (tmp_path / "a.csv").read_text() == "'=a,-1,\nb,-1.5,1\n=a\n"


def test_a_workbook_has_no_formulas(source, model, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    run("embed", model, source, "--table", "--out", tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["documents"]
    cells = [cell for row in sheet.iter_rows() for cell in row]
    assert {cell.value for cell in cells} >= {"=cmd|' /C calc'!A0", "=h"}
    assert not [cell for cell in cells if cell.data_type == "f"]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "table.csv", "table.parquet"])
def test_metadata_whose_new_names_collide_keep_their_columns(model, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    columns = [
        "title",
        "top1_unit",
        "metadata_top1_unit",
        "metadata_metadata_top1_unit",
        "metadata_title",
        "theme",
        "words",
    ]
    rows = [
        {"id": str(number), "text": WORDS[0], **{each: f"{each} {number}" for each in columns}} for number in (0, 1)
    ]
    source = write_jsonl(tmp_path / "a.jsonl", rows)
    table = ["--table"] if name.startswith("table") else []
    run("embed", model, source, "--out", tmp_path / name, *table)
    if name.endswith("csv"):
        with (tmp_path / name).open(newline="") as file:
            header = next(csv.reader(file))
        row = rows_of(tmp_path / name)[1]
    else:
        import pyarrow.parquet

        content = pyarrow.parquet.read_table(tmp_path / name)
        header, row = content.column_names, content.to_pylist()[1]
    assert len(set(header)) == len(header)
    assert set(row.values()) >= {f"{each} 1" for each in columns}
    assert row["metadata_top1_unit"] == "metadata_top1_unit 1"


@pytest.mark.parametrize("format", ["parquet", "feather"])
def test_two_columns_of_the_same_name_are_refused(tmp_path, format):
    pyarrow, parquet, feather = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet", "pyarrow.feather"))
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    path = tmp_path / f"a.{format}"
    if format == "parquet":
        parquet.write_table(table, path)
    else:
        pyarrow.feather = feather
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(CorpusError, match=rf"a\.{format} has columns of the same name \(text\)"):
        list(read_documents(path))


@pytest.mark.parametrize("lines", ['{"text": "a", "text": "b"}\n', '[\n{"text": "a", "text": "b"}]'])
def test_two_values_of_a_key_are_refused(tmp_path, lines):
    (tmp_path / "a.json").write_text(lines)
    with pytest.raises(CorpusError, match="several values of 'text'"):
        list(read_documents(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text('{"text": "a", "text": "a"}')
    assert [each.text for each in read_documents(tmp_path / "a.json")] == ["a"]


def test_file_names_that_are_not_utf8_stay_different(tmp_path):
    folder = os.fsencode(tmp_path / "texts")
    os.mkdir(folder)
    try:
        for name in (b"caf\xe9.txt", b"caf\xe8.txt"):
            with open(os.path.join(folder, name), "w") as file:
                file.write("mast sail")
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    ids = [document.id for document in read_documents(tmp_path / "texts")]
    assert ids == ["caf\\udce8.txt", "caf\\udce9.txt"]
    run("corpus", "build", tmp_path / "texts", "--out", tmp_path / "corpus", "--min-df", 1, "--max-df", 1.0)
    assert [row["id"] for row in rows_of(tmp_path / "corpus" / "documents.csv")] == ids


def test_options_that_are_not_utf8_are_recorded(tmp_path):
    stop_words, folder = f"{tmp_path}/st\udce9p.txt", tmp_path / "texts"
    try:
        Path(stop_words).write_text("sail\n")
        folder.mkdir()
        (folder / "caf\udce9.txt").write_text("mast sail")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system has names in UTF-8 only")
    options = ("--min-df", 1, "--max-df", 1.0, "--stop-words", stop_words, "--glob", "caf\udce9*")
    result = run("corpus", "build", folder, *options, "--out", tmp_path / "corpus")
    assert result.exit_code == 0, result.output
    matrix = read_corpus(tmp_path / "corpus")
    assert (matrix.vocabulary.words, matrix.rules.stop_words_name) == (("mast",), stop_words)
    assert matrix.reading["glob"] == "caf\udce9*"
    assert "st\\udce9p.txt" in run("info", tmp_path / "corpus").stdout


def test_ids_with_lone_surrogates_stay_different(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "\\ud800", "text": "a"}\n{"id": "\\ud801", "text": "b"}\n')
    assert [each.id for each in read_documents(tmp_path / "a.jsonl", SourceOptions())] == ["\\ud800", "\\ud801"]


def test_a_name_of_a_missing_source_that_is_not_utf8_is_printed(tmp_path):
    run("info", f"{tmp_path}/caf\udce9", status=1, stderr="There is nothing at")
