"""Models beside one another: each in a process of its own, and gaps that are named."""

import csv
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.sparse import csr_array, save_npz

from docnvil import DocNVIL
from docnvil.analysis.completion import evaluate_completion
from docnvil.analysis.null_models import unigram_perplexity
from docnvil.commands import main
from docnvil.comparison import runner as comparison
from docnvil.comparison.peers import PEERS, MixtureOfTopics
from docnvil.comparison.runner import UNIGRAM, ComparisonResult, compare, judge, model_names
from docnvil.corpus.loading import load_document_term_matrix, write_corpus
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.text.counts import DocumentTermMatrix
from docnvil.text.vocabulary import Vocabulary


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, block_counts: np.ndarray) -> Path:
    """Counts to learn from, two parts to judge by, a model of these words and one of other words."""
    folder = tmp_path_factory.mktemp("compared")
    counts = csr_array(block_counts)
    parts = {"train": counts[:60], "observed": counts[60:90], "hidden": counts[90:]}
    for name, part in parts.items():
        save_npz(folder / f"{name}.npz", part)
    DocNVIL(3, epochs=2, device="cpu").fit(parts["train"]).save(folder / "model")
    DocNVIL(3, epochs=2, device="cpu").fit(parts["train"][:, :10]).save(folder / "narrow")
    return folder


@pytest.fixture(scope="module")
def told(places: Path) -> dict:
    """A comparison as a user runs it, with gensim away."""
    models = f"sklearn-lda,gensim-lda,{places / 'model'}"
    arguments = (places / "train.npz", places / "observed.npz", "--predict", places / "hidden.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(comparison.PEERS, "gensim-lda", SimpleNamespace(installed=False))
        out = places / "table.csv"
        result = run(*arguments, "--models", models, "--components", 3, "--seed", 5, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    return {**found, "stderr": result.stderr, "rows": {row["model"]: row for row in found["models"]}}


def test_word_frequencies_come_first_and_are_exact(told, block_counts):
    first = told["models"][0]
    assert first["model"] == UNIGRAM
    frequencies = block_counts[:60].sum(0).astype(float)
    expected = unigram_perplexity(frequencies, csr_array(block_counts[90:]))
    assert first["completion_per_word"] == pytest.approx(expected.perplexity_per_word)
    assert first["completion_per_document"] == pytest.approx(expected.perplexity_per_document)
    assert first["npmi"] is first["topics"] is first["documents_per_second"] is None


def test_a_model_folder_is_judged_as_it_stands(told, places, block_counts):
    row = told["rows"][str(places / "model")]
    model = DocNVIL.load(places / "model")
    parts = csr_array(block_counts[60:90]), csr_array(block_counts[90:])
    expected = evaluate_completion(model.model_, *parts, seed=5).summarize()
    assert row["completion_per_word"] == pytest.approx(expected.perplexity_per_word, rel=1e-5)
    assert row["training_seconds"] is None
    assert row["settings"] == "loaded"


def test_a_peer_that_was_fitted_has_every_figure(told):
    row = told["rows"]["sklearn-lda"]
    assert row["completion_per_word"] < told["models"][0]["completion_per_word"]
    assert row["topics"] == 3
    assert -1 <= row["npmi"] <= 1
    assert 0 < row["diversity"] <= 1
    assert row["training_seconds"] > 0
    assert row["documents_per_second"] > 0
    assert row["peak_mebibytes"] > 20
    assert row["error"] is None
    assert "10 iterations" in row["settings"]


def test_a_peer_that_is_away_leaves_a_named_gap(told):
    row = told["rows"]["gensim-lda"]
    assert row["error"] == "not installed: pip install 'docnvil[peers]'"
    assert row["completion_per_word"] is None
    assert f"gensim-lda: {row['error']}" in told["stderr"]


def test_a_model_of_other_words_leaves_a_named_gap(places, tmp_path):
    write_corpus(load_document_term_matrix(places / "train.npz"), tmp_path / "train")
    for part in ("observed", "hidden"):
        shutil.copy(places / f"{part}.npz", tmp_path)
    task = {"model": str(places / "narrow"), "n_components": 3, "seed": 0, "threads": 1}
    comparison._answer(tmp_path, task)
    found = json.loads((tmp_path / "row.json").read_text())
    assert "15 columns, but the model's vocabulary has 10 words" in found["error"]


def test_the_table_is_kept_as_csv_and_said_on_stderr(told, places):
    with (places / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == [row["model"] for row in told["models"]]
    assert rows[0]["npmi"] == ""
    assert float(rows[1]["npmi"]) == told["models"][1]["npmi"]
    assert "sklearn-lda ..." in told["stderr"]
    assert (told["seed"], told["threads"], told["components"], told["hidden_tokens"]) == (5, 1, 3, 600)


def test_a_person_gets_a_table(monkeypatch, places):
    figures = {"completion_per_word": 7.25, "npmi": 0.5, "topics": 3, "documents_per_second": 12345.6}
    rows = [
        ComparisonResult(UNIGRAM, "no topics", 15.0, 15.0),
        ComparisonResult("sklearn-lda", "quick", **figures),
        ComparisonResult("gensim-lda", error="gone"),
    ]
    monkeypatch.setattr(comparison, "compare", lambda *arguments, **options: iter(rows))
    lines = run(places / "train.npz", places / "observed.npz").stdout.splitlines()
    heads = "model per word per document NPMI diversity topics seconds a second MiB"
    assert lines[1].split() == heads.split()
    assert lines[3].split() == ["sklearn-lda", "7.2", "-", "0.500", "-", "3", "-", "12,346", "-"]
    assert lines[4] == "gensim-lda        gone"
    assert "60 documents to learn from, 30 to judge by" in lines[6]
    assert "1 thread" in lines[6]
    assert lines[-1] == "sklearn-lda: quick"


@pytest.mark.parametrize(
    ("returncode", "stderr", "said"),
    [
        (-9, "", "ended by SIGKILL, perhaps for lack of memory"),
        (-6, "terminate called", "ended by SIGABRT"),
        (3, "much ado\nno such thing\n", "ended with status 3: no such thing"),
        (3, "", "it said nothing"),
    ],
)
def test_a_process_that_dies_leaves_a_named_gap(monkeypatch, tmp_path, returncode, stderr, said):
    done = subprocess.CompletedProcess([], returncode, stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: done)
    row = comparison._in_a_process_of_its_own(tmp_path, {"model": "docnvil", "threads": 1})
    assert said in row.error
    assert row.completion_per_word is None


def test_whatever_a_peer_raises_becomes_a_gap(monkeypatch, tmp_path):
    def fails(*arguments: object) -> ComparisonResult:
        raise ZeroDivisionError("by zero\nand more")

    monkeypatch.setattr(comparison, "_measure", fails)
    comparison._answer(tmp_path, {"model": "sklearn-lda"})
    assert json.loads((tmp_path / "row.json").read_text())["error"] == "ZeroDivisionError: by zero"


def test_what_cannot_be_scored_is_refused_before_anything_runs(monkeypatch, block_counts):
    monkeypatch.setattr(subprocess, "run", None)
    counts = csr_array(block_counts)
    train = DocumentTermMatrix(counts, Vocabulary.numbered(15), tuple(map(str, range(120))))
    with pytest.raises(CorpusError, match="nothing to predict"):
        next(compare(["docnvil"], train, counts, csr_array(counts.shape, dtype=int)))
    with pytest.raises(CorpusError, match="row by row"):
        next(compare(["docnvil"], train, counts, counts[:4]))
    with pytest.raises(VocabularyError, match="14 columns and the topics 15 words"):
        next(compare(["docnvil"], train, counts[:, :14], counts[:, :14]))
    with pytest.raises(ConfigurationError, match="'grandmother' is neither a model folder nor a known model"):
        next(compare(["grandmother"], train, counts, counts))


def test_slips_are_told_before_the_corpus_is_read(tmp_path):
    result = run(tmp_path / "nowhere", tmp_path / "nowhere", "--models", "docnvil,lda")
    assert result.exit_code == 1
    assert "'lda' is neither a model folder nor a known model" in result.stderr
    (tmp_path / "table.csv").write_text("precious")
    result = run(tmp_path / "nowhere", tmp_path / "nowhere", "--out", tmp_path / "table.csv")
    assert result.exit_code == 1
    assert "already exists" in result.stderr


def test_the_help_names_every_model_there_is():
    told = "".join(run("--help").stdout.split())  # lines may break behind hyphens
    for name in model_names():
        assert name in told
    assert set(PEERS) <= set(model_names())


def test_words_that_no_document_has_are_not_judged():
    """A topic's list may hold words that never occur; they are passed over, not refused."""
    counts = csr_array(np.array([[1, 1, 0, 0], [2, 1, 0, 0], [0, 0, 3, 0]]))
    model = MixtureOfTopics(np.full((1, 4), 0.25), lambda documents: np.ones((documents.shape[0], 1)))
    found = judge(model, counts, counts, counts, [[0, 1, 3], [3]])
    assert found["completion_per_word"] == pytest.approx(4)
    assert found["npmi"] == pytest.approx(1)
    assert found["diversity"] == 1
    assert found["topics"] == 1
