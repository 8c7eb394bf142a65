"""Themes: the posterior of the mixture's components, their statistics, and how commands and files show them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run
from exact import joint_terms, random_network
from scipy.sparse import csr_array
from text_data import rows_of, write_jsonl

import docnvil
from docnvil.analysis import themes as module
from docnvil.analysis.themes import ThemeStatistics, assign_themes, describe_themes, theme_probabilities
from docnvil.analysis.topics import UnitStatistics
from docnvil.batches import sparse_counts
from docnvil.errors import ConfigurationError
from docnvil.report.page import render

SUBJECTS = (["ship", "sail", "wind", "harbor"], ["bread", "salt", "oven", "flour"], ["goal", "team", "ball", "coach"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with `corpus.jsonl`, 90 documents of three subjects and an empty one, and a `model` of it."""
    path, generator = tmp_path_factory.mktemp("themes"), np.random.default_rng(0)
    rows = []
    for number in range(90):
        text = " ".join(generator.choice(SUBJECTS[number % 3], 12))
        rows.append({"id": f"d{number}", "text": text, "theme": "own"})
    write_jsonl(path / "corpus.jsonl", [*rows, {"id": "empty", "text": "", "theme": "own"}])
    options = ("--units", 4, "--prior", "mixture", "--themes", 3, "--epochs", 60, "--batch-size", 10, "--sparsity", 0)
    run("fit", path / "corpus.jsonl", "--out", path / "model", *options)
    return path


@pytest.fixture(scope="module")
def model(folder) -> docnvil.FittedModel:
    return docnvil.load(folder / "model")


@pytest.fixture(scope="module")
def matrix(folder, model) -> docnvil.DocumentTermMatrix:
    documents = docnvil.read_documents(folder / "corpus.jsonl")
    return docnvil.count_words(documents, rules=model.token_rules, vocabulary=model.vocabulary)


@pytest.mark.parametrize(("units", "posterior"), [((4,), "factorial"), ((3, 2), "autoregressive")])
def test_theme_probabilities_agree_with_enumeration(units, posterior):
    network = random_network(6, units, prior="mixture", themes=3, posterior=posterior)
    counts = csr_array(np.random.default_rng(0).integers(0, 3, size=(4, 6)) + 1)
    _, log_q, samples = joint_terms(network, sparse_counts(counts, torch.device("cpu"), torch.float64))
    given_units = network.generative.prior().responsibilities(samples[-1])  # [M, B, C]
    expected = (sum(log_q).exp()[..., None] * given_units).sum(0).detach().numpy()
    found = theme_probabilities(network, counts, n_samples=20_000)
    assert found == pytest.approx(expected, abs=0.01)
    assert found.sum(1) == pytest.approx(np.ones(4))
    assert assign_themes(network, counts).tolist() == theme_probabilities(network, counts).argmax(1).tolist()


def test_a_document_without_words_has_the_weights_of_the_mixture_and_no_theme():
    network = random_network(6, (3,), prior="mixture", themes=4)
    counts = csr_array(np.array([[1, 0, 2, 0, 0, 0], [0] * 6]))
    weights = network.generative.prior.component_logits.softmax(0).detach().numpy()
    assert theme_probabilities(network, counts)[1] == pytest.approx(weights)
    assert assign_themes(network, counts)[1] == -1


def test_themes_do_not_depend_on_batches(model, matrix, monkeypatch):
    whole = theme_probabilities(model.network, matrix.counts)
    monkeypatch.setattr(module, "MAX_PROBABILITIES", 500)
    assert theme_probabilities(model.network, matrix.counts) == pytest.approx(whole, abs=1e-6)


def test_each_subject_has_a_theme_of_its_own(model, matrix):
    themes = model.themes(matrix)
    assert themes[90] == -1
    assert [len(set(themes[subject:90:3])) for subject in range(3)] == [1, 1, 1]
    assert len(set(themes[:90])) == 3
    for subject, words in enumerate(SUBJECTS):
        theme = model.theme_topics(4)[themes[subject]]
        assert {model.vocabulary[word] for word in theme.words} == set(words)
        assert theme.share == pytest.approx(1 / 3)
        assert list(theme.scores) == sorted(theme.scores, reverse=True)


def test_statistics_agree_with_their_definition(model, matrix, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 7)
    counts = matrix.counts[:90]
    members, on = np.eye(3)[model.themes(counts)], model.transform(counts)
    statistics = module.theme_statistics(model.network, matrix.counts)
    assert statistics.documents == pytest.approx(members.sum(0))
    assert statistics.documents_with_word == pytest.approx(members.T @ (counts.toarray() > 0))
    assert statistics.units_on == pytest.approx(members.T @ on, abs=1e-4)
    for name, value in vars(model.theme_statistics).items():  # saved with the model
        assert value == pytest.approx(getattr(statistics, name), abs=1e-4)


def test_a_theme_raises_units_that_are_on_more_often_than_usual():
    units = UnitStatistics(
        documents_on=np.zeros((3, 1)),
        document_frequency=np.zeros(1),
        word_frequency=np.zeros(1),
        activity=np.array([20.0, 60.0, 3.0]),
        information=np.ones(3),
        n_documents=100,
    )
    on = np.array([[9.0, 6.0, 1.0], [0.0, 0.0, 0.0]])  # of 10 documents, and of none
    themes = describe_themes(ThemeStatistics(np.zeros((2, 1)), on, np.array([10.0, 0.0])), units)
    assert themes[0].units == (0,)  # the second is on as often as usual, the third in a tenth of the documents
    assert not themes[0].unused
    assert (themes[1].unused, themes[1].units, themes[1].words) == (True, (), ())


def test_models_without_a_mixture_say_how_to_get_themes(block_counts):
    plain = docnvil.fit(block_counts, docnvil.Settings(units=(2,), epochs=1))
    for call in (lambda: plain.themes(block_counts), plain.theme_topics):
        with pytest.raises(ConfigurationError, match=r"prior is autoregressive\. Train it with prior mixture"):
            call()


def test_the_estimator_has_themes(matrix):
    options = {"prior": "mixture", "n_themes": 3, "epochs": 2}
    estimator = docnvil.DocNVIL(4, **options).fit(matrix)
    assert estimator.themes(matrix).tolist() == estimator.model_.themes(matrix).tolist()
    assert len(estimator.theme_topics()) == 3
    assert estimator.get_params()["n_themes"] == 3


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_embed_writes_the_theme_of_each_document(folder, model, matrix, tmp_path, suffix):
    out = tmp_path / f"e.{suffix}"
    run("embed", folder / "model", folder / "corpus.jsonl", "--out", out, stderr="3 of 3 themes")
    expected = [None if theme < 0 else theme for theme in model.themes(matrix).tolist()]
    if suffix == "csv":
        rows = rows_of(out)
        assert list(rows[0])[:4] == ["id", "theme", "metadata_theme", "unit0"]
        assert [int(row["theme"]) if row["theme"] else None for row in rows] == expected
    elif suffix == "parquet":
        table = pytest.importorskip("pyarrow.parquet").read_table(out)
        assert table.column_names[:4] == ["id", "theme", "metadata_theme", "unit0"]
        assert table["theme"].to_pylist() == expected
    else:
        assert np.load(out).shape == (91, 4)
        assert np.load(tmp_path / "e.themes.npy").tolist() == model.themes(matrix).tolist()
        run("embed", folder / "model", folder / "corpus.jsonl", "--out", out, status=1)
        (tmp_path / "e.npy").unlink()
        (tmp_path / "e.ids.txt").unlink()
        arguments = ("embed", folder / "model", folder / "corpus.jsonl", "--out", out)
        run(*arguments, status=1, stderr="e.themes.npy already exists")


def test_topics_lists_themes_after_units(folder, model):
    plain = run("topics", folder / "model", "--words", 4)
    heading, *lines = plain.stdout.split("\n\ntheme")[1].splitlines()
    assert heading == "   share  words (units that are on more often)"
    assert len(lines) == 3
    for line, theme in zip(lines, model.theme_topics(4), strict=True):
        assert line.split()[:2] == [str(theme.theme), f"{theme.share:.1%}"]
        assert " ".join(model.vocabulary[word] for word in theme.words) in line
    result = run("topics", folder / "model", "--coherence", folder / "corpus.jsonl", "--json")
    report = json.loads(result.stdout)
    assert [theme["theme"] for theme in report["themes"]] == [0, 1, 2]
    assert all(theme["npmi"] > 0 for theme in report["themes"])
    with_coherence = run("topics", folder / "model", "--coherence", folder / "corpus.jsonl")
    assert "over 3 used themes of 3" in with_coherence.stdout
    assert "\ntheme   share    NPMI  words" in with_coherence.stdout


def test_the_folder_and_the_report_list_themes(folder, model):
    rows = rows_of(folder / "model" / "themes.csv")
    assert [row["theme"] for row in rows] == ["0", "1", "2"]
    assert set(" ".join(row["words"] for row in rows).split()) == {word for words in SUBJECTS for word in words}
    page = render(model)
    assert page.count('<tr id="theme') == 3
    assert ">Themes</h2>" in page
