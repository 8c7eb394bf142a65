"""Comparison of models: each runs in its own process, and errors appear in its row."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from commands import run
from scipy.sparse import csr_array, save_npz
from text_data import rows_of

import docnvil
from docnvil import DocNVIL
from docnvil.analysis.completion import evaluate_completion, evaluate_predictor
from docnvil.analysis.concentration import fit_concentration
from docnvil.analysis.null_models import unigram_perplexity
from docnvil.comparison import runner
from docnvil.comparison.adapters import MixtureOfTopics
from docnvil.comparison.peers import PEERS
from docnvil.comparison.runner import (
    NO_UNITS,
    UNIGRAM,
    ComparisonResult,
    compare_models,
    model_names,
    score_topic_model,
)
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.corpus.writing import write_corpus
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.visible import DirichletMultinomialLayer
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, block_counts: np.ndarray) -> Path:
    """Training counts, two parts of test counts, a model with this vocabulary and one with another."""
    path = tmp_path_factory.mktemp("compared")
    counts = csr_array(block_counts)
    parts = {"train": counts[:60], "observed": counts[60:90], "hidden": counts[90:]}
    for name, part in parts.items():
        save_npz(path / f"{name}.npz", part)
    DocNVIL(3, epochs=2, device="cpu").fit(parts["train"]).save(path / "model")
    DocNVIL(3, epochs=2, device="cpu").fit(parts["train"][:, :10]).save(path / "narrow")
    return path


@pytest.fixture(scope="module")
def output(folder: Path) -> dict:
    """Return the output of the command, with gensim not installed."""
    models = f"sklearn-lda,gensim-lda,{folder / 'model'}"
    arguments = (folder / "train.npz", folder / "observed.npz", "--predict", folder / "hidden.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(runner.PEERS, "gensim-lda", SimpleNamespace(is_installed=False))
        out = folder / "table.csv"
        result = run("compare", *arguments, "--models", models, "--components", 3, "--seed", 5, "--out", out, "--json")
    summary = json.loads(result.stdout)
    return {**summary, "stderr": result.stderr, "rows": {row["model"]: row for row in summary["models"]}}


def test_word_frequencies_come_first_and_are_exact(output, block_counts):
    first = output["models"][0]
    assert first["model"] == UNIGRAM
    frequencies = block_counts[:60].sum(0).astype(float)
    expected = unigram_perplexity(frequencies, csr_array(block_counts[90:]))
    assert first["completion_per_word"] == pytest.approx(expected.perplexity_per_word)
    assert first["completion_per_document"] == pytest.approx(expected.perplexity_per_document)
    assert first["npmi"] is first["topics"] is first["documents_per_second"] is None


def test_the_layer_without_units_comes_second(output, block_counts):
    row = output["models"][1]
    assert row["model"] == NO_UNITS
    sums = block_counts[:60].sum(0).astype(float)
    concentration = fit_concentration(csr_array(block_counts[:60]), (sums + 0.01) / (sums + 0.01).sum())
    model = DirichletMultinomialLayer.without_units(sums, 60, concentration)
    parts = csr_array(block_counts[60:90]), csr_array(block_counts[90:])
    expected = evaluate_predictor(model.predict, *parts).summarize()
    assert row["completion_per_word"] == pytest.approx(expected.perplexity_per_word)
    assert row["completion_per_document"] == pytest.approx(expected.perplexity_per_document)
    assert row["topics"] is None


def test_models_with_units_have_a_verdict_and_references_have_none(output):
    verdicts = {row["model"]: row["no_units_verdict"] for row in output["models"] if row["error"] is None}
    assert verdicts.pop(UNIGRAM) is None
    assert verdicts.pop(NO_UNITS) is None
    assert verdicts
    without = next(row for row in output["models"] if row["model"] == NO_UNITS)
    for row in output["models"]:
        if row["model"] in verdicts:
            measures = ("completion_per_word", "completion_per_document")
            is_better = any(row[each] < without[each] for each in measures)
            assert (verdicts[row["model"]] == "better") == is_better


def test_a_model_of_another_package_has_a_second_row_with_a_cache(output):
    first, second = output["rows"]["sklearn-lda"], output["rows"]["sklearn-lda + cache"]
    assert "a cache of the document's words, A = " in second["settings"]
    same = ("npmi", "diversity", "topics", "training_seconds", "peak_mebibytes")
    assert all(first[name] == second[name] for name in same)
    assert "docnvil + cache" not in output["rows"]


def test_a_model_folder_is_loaded_and_scored(output, folder, block_counts):
    row = output["rows"][str(folder / "model")]
    model = DocNVIL.load(folder / "model")
    parts = csr_array(block_counts[60:90]), csr_array(block_counts[90:])
    expected = evaluate_completion(model.model_.network, *parts, seed=5).summarize()
    assert row["completion_per_word"] == pytest.approx(expected.perplexity_per_word, rel=1e-5)
    assert row["training_seconds"] is None
    assert row["settings"] == "loaded"


def test_a_fitted_peer_has_all_scores(output):
    row = output["rows"]["sklearn-lda"]
    assert row["completion_per_word"] < output["models"][0]["completion_per_word"]
    assert row["topics"] == 3
    assert -1 <= row["npmi"] <= 1
    assert 0 < row["diversity"] <= 1
    assert row["training_seconds"] > 0
    assert row["documents_per_second"] > 0
    assert row["peak_mebibytes"] > 20
    assert row["error"] is None
    assert "10 iterations" in row["settings"]


def test_a_peer_that_is_not_installed_has_an_error(output):
    row = output["rows"]["gensim-lda"]
    assert row["error"] == "not installed: pip install 'docnvil[peers]'"
    assert row["completion_per_word"] is None
    assert f"gensim-lda: {row['error']}" in output["stderr"]


def test_a_model_with_another_vocabulary_has_an_error(folder, tmp_path):
    write_corpus(load_document_term_matrix(folder / "train.npz"), tmp_path / "train")
    for part in ("observed", "hidden"):
        shutil.copy(folder / f"{part}.npz", tmp_path)
    task = {"model": str(folder / "narrow"), "n_components": 3, "seed": 0, "threads": 1}
    runner._write_results(tmp_path, task)
    (result,) = json.loads((tmp_path / "result.json").read_text())
    assert "15 columns, and the model has 10 words" in result["error"]


def test_the_table_is_also_written_as_csv(output, folder):
    rows = rows_of(folder / "table.csv")
    assert [row["model"] for row in rows] == [row["model"] for row in output["models"]]
    assert rows[0]["npmi"] == ""
    assert float(rows[2]["npmi"]) == output["models"][2]["npmi"]
    assert "sklearn-lda ..." in output["stderr"]
    assert (output["seed"], output["threads"], output["components"], output["hidden_tokens"]) == (5, 1, 3, 600)


def test_the_table_is_printed_as_text(monkeypatch, folder):
    scores = {"completion_per_word": 7.25, "npmi": 0.5, "topics": 3, "documents_per_second": 12345.6}
    rows = [
        ComparisonResult(UNIGRAM, "no topics", 15.0, 15.0),
        ComparisonResult(NO_UNITS, "", 7.5, 7.5),
        ComparisonResult("sklearn-lda", "quick", **scores, completion_per_document=7.0),
        ComparisonResult("gensim-lda", error="gone"),
        ComparisonResult("docnvil", "", 8.0, 8.0, no_units_verdict="nothing learned"),
        ComparisonResult("docnvil-best", "", 7.5, 7.5, no_units_verdict="not better"),
    ]
    monkeypatch.setattr(runner, "compare_models", lambda *arguments, **options: iter(rows))
    result = run(
        "compare", folder / "train.npz", folder / "observed.npz", status=1, stderr="gensim-lda", has_results=True
    )
    lines = result.stdout.splitlines()
    headings = "model per word per document NPMI diversity topics seconds per second MiB"
    assert lines[1].split() == headings.split()
    assert lines[4].split() == ["sklearn-lda", "7.2", "7.0", "0.500", "-", "3", "-", "12,346", "-"]
    assert lines[5].split() == ["gensim-lda", "gone"]
    assert "60 training documents, 30 test documents; 129 held-out words (20% of each test document)" in lines[9]
    assert "1 thread" in lines[9]
    assert lines[-3:-1] == [
        "sklearn-lda: quick",
        "docnvil has learned nothing: it predicts no better than the model without units.",
    ]
    assert lines[-1].startswith("docnvil-best predicts no better than the model without units, but the test documents")


@pytest.mark.parametrize(
    ("returncode", "stderr", "message"),
    [
        (-9, "", "ended by SIGKILL, perhaps for lack of memory"),
        (-6, "terminate called", "ended by SIGABRT"),
        (3, "a traceback\nno such thing\n", "ended with status 3: no such thing"),
        (3, "", "no error message"),
    ],
)
def test_a_process_that_dies_has_an_error(monkeypatch, tmp_path, returncode, stderr, message):
    (tmp_path / "result.json").write_text('[{"model": "the previous one"}]')
    process = subprocess.CompletedProcess([], returncode, stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: process)
    (row,) = runner._run_in_subprocess(tmp_path, {"model": "docnvil", "threads": 1})
    assert message in row.error
    assert row.completion_per_word is None


def test_a_process_has_the_checkout_and_the_number_of_threads_in_its_environment(monkeypatch, tmp_path):
    calls = []
    process = subprocess.CompletedProcess([], 1, stderr="")
    monkeypatch.setattr(subprocess, "run", lambda command, env, **options: (calls.append((command, env)), process)[1])
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    runner._run_in_subprocess(tmp_path, {"model": "docnvil", "threads": 3})
    ((command, environment),) = calls
    assert command[1:3] == ["-m", runner.__name__]
    checkout, *others = environment["PYTHONPATH"].split(os.pathsep)
    assert (Path(checkout) / "docnvil" / "__init__.py").samefile(docnvil.__file__)
    assert others == ["elsewhere"]
    threads = {environment[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")}
    assert threads == {"3"}


def test_docnvil_is_fitted_with_its_recipe_and_the_given_settings(folder):
    train = load_document_term_matrix(folder / "train.npz")
    fit, settings = runner._prepare("docnvil", train, {"n_components": 3, "seed": 5, "threads": 1})
    topics = fit()
    assert settings == "recipe default"
    assert (topics.n_samples, topics.seed) == (100, 5)
    assert topics.model.network.config.units == (3,)
    assert (topics.model.recipe, topics.model.training.seed) == ("default", 5)


def test_any_exception_becomes_an_error_in_the_row(monkeypatch, tmp_path):
    def fail(*arguments: object) -> ComparisonResult:
        raise ZeroDivisionError("by zero\nand more")

    monkeypatch.setattr(runner, "_measure", fail)
    runner._write_results(tmp_path, {"model": "sklearn-lda"})
    assert json.loads((tmp_path / "result.json").read_text())[0]["error"] == "ZeroDivisionError: by zero"


def test_a_model_that_fails_ends_in_an_error_after_the_results_of_the_others(folder, tmp_path):
    arguments = (folder / "train.npz", folder / "observed.npz", "--predict", folder / "hidden.npz")
    command = (*arguments, "--models", f"{folder / 'narrow'},{folder / 'model'}", "--out", tmp_path / "table.csv")
    message = f"{folder / 'narrow'} could not be evaluated; see the reason in the table."
    run("compare", *command, status=1, stderr=message, has_results=True)
    rows = {row["model"]: row for row in rows_of(tmp_path / "table.csv")}
    assert "10 words" in rows[str(folder / "narrow")]["error"]
    assert float(rows[str(folder / "model")]["completion_per_word"]) > 1


def test_invalid_input_raises_before_any_process_starts(monkeypatch, block_counts):
    monkeypatch.setattr(subprocess, "run", None)
    counts = csr_array(block_counts)
    train = DocumentTermMatrix(counts, Vocabulary.numbered(15), tuple(map(str, range(120))))
    with pytest.raises(CorpusError, match="nothing to predict"):
        next(compare_models(["docnvil"], train, counts, csr_array(counts.shape, dtype=int)))
    with pytest.raises(CorpusError, match="row by row"):
        next(compare_models(["docnvil"], train, counts, counts[:4]))
    with pytest.raises(VocabularyError, match="14 columns, but the topics have 15 words"):
        next(compare_models(["docnvil"], train, counts[:, :14], counts[:, :14]))
    with pytest.raises(ConfigurationError, match="'lsa' is neither a known model nor a model folder"):
        next(compare_models(["lsa"], train, counts, counts))


def test_wrong_options_are_reported_before_the_corpus_is_read(tmp_path):
    arguments = ("compare", tmp_path / "nowhere", tmp_path / "nowhere")
    run(*arguments, "--models", "docnvil,lda", status=1, stderr="'lda' is neither a known model nor a model folder")
    (tmp_path / "table.csv").write_text("precious")
    run(*arguments, "--out", tmp_path / "table.csv", status=1, stderr="already exists")


def test_the_help_names_every_model():
    text = "".join(run("compare", "--help").stdout.split())  # lines may break after hyphens
    for name in model_names():
        assert name in text
    assert set(PEERS) <= set(model_names())


def test_words_that_occur_in_no_document_are_left_out():
    """NPMI is undefined for them."""
    counts = csr_array(np.array([[1, 1, 0, 0], [2, 1, 0, 0], [0, 0, 3, 0]]))
    model = MixtureOfTopics(np.full((1, 4), 0.25), lambda documents: np.ones((documents.shape[0], 1)))
    scores = score_topic_model(model, counts, counts, counts, [[0, 1, 3], [3]])
    assert scores["completion_per_word"] == pytest.approx(4)
    assert scores["npmi"] == pytest.approx(1)
    assert scores["diversity"] == 1
    assert scores["topics"] == 1
