"""`docnvil embed`: each row is the embedding of the document with its id, in all file formats."""

import os
from pathlib import Path

import numpy as np
import pytest
from commands import run
from text_data import SUBJECTS, rows_of, write_jsonl

import docnvil
from docnvil.text import sparse


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    """Sixty different documents by id, in random order, every seventh without words of the vocabulary."""
    generator = np.random.default_rng(0)
    texts = {}
    for number in generator.permutation(60).tolist():
        words = generator.choice(SUBJECTS[number % 2], generator.integers(3, 30))
        texts[f"document-{number:02d}"] = " ".join(words) if number % 7 else f"unknown{number}"
    return texts


@pytest.fixture(scope="module")
def folder(documents: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `corpus.jsonl` and a `model` of two layers, the first of them autoregressive in q."""
    path = tmp_path_factory.mktemp("embed")
    rows = ({"id": name, "text": text, "group": len(text)} for name, text in documents.items())
    write_jsonl(path / "corpus.jsonl", rows)
    options = ("--units", "4,3", "--epochs", 40, "--posterior", "autoregressive", "--sparsity", 0, "--batch-size", 10)
    run("fit", path / "corpus.jsonl", "--out", path / "model", *options)
    return path


@pytest.fixture(scope="module")
def expected(documents: dict[str, str], folder: Path) -> dict[str, np.ndarray]:
    """The embedding of each document by id, each computed on its own."""
    model = docnvil.load(folder / "model")
    options = {"rules": model.token_rules, "vocabulary": model.vocabulary}
    embeddings = {
        name: model.transform(docnvil.count_words([docnvil.Document(name, text)], **options))[0]
        for name, text in documents.items()
    }
    assert len({tuple(row.tolist()) for row in embeddings.values()}) > 45  # so that rows in another order are noticed
    assert len({tuple((row > 0.5).tolist()) for row in embeddings.values()}) > 1
    return embeddings


def read_embeddings(path: Path) -> tuple[list[str], np.ndarray]:
    if path.suffix == ".npy":
        return path.with_suffix(".ids.txt").read_text().splitlines(), np.load(path)
    if path.suffix == ".parquet":
        columns = pytest.importorskip("pyarrow.parquet").read_table(path).to_pydict()
        return columns["id"], np.array([columns[f"unit{unit}"] for unit in range(7)]).T
    rows = rows_of(path)
    return [row["id"] for row in rows], np.array([[float(row[f"unit{unit}"]) for unit in range(7)] for row in rows])


@pytest.mark.parametrize("suffix", ["csv", "npy", "parquet"])
@pytest.mark.parametrize("kind", ["probabilities", "codes"])
def test_each_row_is_the_embedding_of_its_document(folder, documents, expected, suffix, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(sparse, "CHUNK_ENTRIES", 40)  # about ten chunks
    out = tmp_path / f"embeddings.{suffix}"
    run("embed", folder / "model", folder / "corpus.jsonl", "--kind", kind, "--out", out)
    ids, embeddings = read_embeddings(out)
    assert ids == list(documents)
    for name, row in zip(ids, embeddings, strict=True):
        values = expected[name] if kind == "probabilities" else (expected[name] > 0.5).astype(int)
        assert row == pytest.approx(values, abs=2e-6), name


def test_a_prepared_corpus_has_the_same_embeddings(folder, tmp_path):
    run("corpus", "build", folder / "corpus.jsonl", "--out", tmp_path / "corpus")
    for source, out in ((folder / "corpus.jsonl", "a.npy"), (tmp_path / "corpus", "b.npy")):
        run("embed", folder / "model", source, "--out", tmp_path / out)
    first, second = (read_embeddings(tmp_path / name) for name in ("a.npy", "b.npy"))
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])


def test_all_formats_have_the_same_rows(folder, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for suffix in ("csv", "parquet", "npy"):
        out = tmp_path / f"e.{suffix}"
        run("embed", folder / "model", folder / "corpus.jsonl", "--out", out)
    table, parquet = pandas.read_csv(tmp_path / "e.csv", dtype={"id": str}), pandas.read_parquet(tmp_path / "e.parquet")
    units = [f"unit{unit}" for unit in range(7)]
    assert list(parquet) == list(table) == ["id", "group", *units]
    assert parquet[["id", "group"]].astype(str).equals(table[["id", "group"]].astype(str))
    array = np.load(tmp_path / "e.npy")
    assert array.dtype == np.float32
    assert np.array_equal(array, parquet[units])
    assert np.allclose(array, table[units], rtol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.csv", "e.ids.txt", "e.npy", "e.parquet"]


def test_output_that_cannot_be_written_fails_before_the_corpus_is_read(folder, tmp_path, monkeypatch):
    model, corpus = folder / "model", folder / "corpus.jsonl"
    (tmp_path / "e.ids.txt").write_text("existing")
    run("embed", model, corpus, "--out", tmp_path / "e.npy", status=1, stderr=("e.ids.txt already exists", "--force"))
    monkeypatch.setattr("docnvil.storage.tables.is_installed", lambda name: False)
    run("embed", model, corpus, "--out", tmp_path / "e.parquet", status=1, stderr="docnvil[parquet]")
    (tmp_path / "new.jsonl").write_text('{"id": "a\\nb", "text": "mouse"}\n')
    run("embed", model, tmp_path / "new.jsonl", "--out", tmp_path / "n.npy", status=1, stderr="line break")
    assert not (tmp_path / "n.npy").exists()


def test_duplicate_ids_are_reported_and_keep_their_rows(folder, tmp_path):
    write_jsonl(tmp_path / "new.jsonl", ({"id": name, "text": "mouse"} for name in "abcaa"))
    result = run("embed", folder / "model", tmp_path / "new.jsonl", "--out", tmp_path / "e.csv")
    assert "1 id occurs more than once (a); rows keep the order of the documents." in result.stderr
    assert "5 without known words have the prior probabilities" in result.stderr
    assert [row["id"] for row in rows_of(tmp_path / "e.csv")] == list("abcaa")


def test_ids_with_line_breaks_and_quotes_keep_their_rows(folder, tmp_path):
    rows = [{"id": "a\rb", "text": "mast sail", "note": "x" * 200_000}, {"id": 'c,"d"\n', "text": "salt", "note": ""}]
    write_jsonl(tmp_path / "odd.jsonl", rows)
    run("corpus", "build", tmp_path / "odd.jsonl", "--min-df", 1, "--out", tmp_path / "corpus")
    run("embed", folder / "model", tmp_path / "corpus", "--out", tmp_path / "e.csv")
    assert [row["id"] for row in rows_of(tmp_path / "e.csv")] == ["a\rb", 'c,"d"\n']


def test_documents_without_known_words_have_rows(folder, tmp_path):
    (tmp_path / "new.txt").write_text("नमस्ते दुनिया\n\n", encoding="utf-8")
    run("embed", folder / "model", tmp_path / "new.txt", "--out", tmp_path / "e.csv")
    assert len(rows_of(tmp_path / "e.csv")) == 2


def test_pipes_are_not_replaced_and_links_are_followed(folder, tmp_path):
    model, corpus = folder / "model", folder / "corpus.jsonl"
    os.mkfifo(tmp_path / "pipe")
    run("embed", model, corpus, "--out", tmp_path / "pipe", "--force", status=1, stderr="device or a pipe")
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    run("embed", model, corpus, "--out", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert len(rows_of(tmp_path / "target.csv")) == 60


def test_metadata_with_the_name_of_a_unit_is_renamed(folder, tmp_path):
    (tmp_path / "new.jsonl").write_text('{"text": "mast", "unit0": "mine", "label": [1]}\n')
    run("embed", folder / "model", tmp_path / "new.jsonl", "--out", tmp_path / "e.csv")
    assert rows_of(tmp_path / "e.csv")[0]["metadata_unit0"] == "mine"
    with_list = (
        "embed",
        folder / "model",
        tmp_path / "new.jsonl",
        "--label-column",
        "label",
        "--out",
        tmp_path / "f.csv",
    )
    run(*with_list, status=1, stderr="label")
