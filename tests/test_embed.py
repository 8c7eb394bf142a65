"""Each row that `docnvil embed` writes is the embedding of the document whose id it has."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_commands import rows_of, run

import docnvil
from docnvil.text import sparse

SUBJECTS = (["onion", "butter", "garlic", "sauce", "oven", "salt"], ["mast", "sail", "wind", "keel", "anchor", "tide"])


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
    lines = [json.dumps({"id": name, "text": text}) + "\n" for name, text in documents.items()]
    (path / "corpus.jsonl").write_text("".join(lines))
    options = ("--units", "4,3", "--epochs", 40, "--posterior", "autoregressive", "--sparsity", 0, "--batch-size", 10)
    assert run("fit", path / "corpus.jsonl", "--out", path / "model", *options).exit_code == 0
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
    assert run("embed", folder / "model", folder / "corpus.jsonl", "--kind", kind, "--out", out).exit_code == 0
    ids, embeddings = read_embeddings(out)
    assert ids == list(documents)
    for name, row in zip(ids, embeddings, strict=True):
        values = expected[name] if kind == "probabilities" else (expected[name] > 0.5).astype(int)
        assert row == pytest.approx(values, abs=2e-6), name


def test_a_prepared_corpus_has_the_same_embeddings(folder, tmp_path):
    assert run("corpus", "build", folder / "corpus.jsonl", "--out", tmp_path / "corpus").exit_code == 0
    for source, out in ((folder / "corpus.jsonl", "a.npy"), (tmp_path / "corpus", "b.npy")):
        assert run("embed", folder / "model", source, "--out", tmp_path / out).exit_code == 0
    first, second = (read_embeddings(tmp_path / name) for name in ("a.npy", "b.npy"))
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])
