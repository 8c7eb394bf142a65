"""Scores of outliers: planted foreign and mixed documents come first, and documents of all lengths are equal."""

import json

import numpy as np
import pytest
from commands import run
from scipy.sparse import csr_array, vstack
from sklearn.metrics import roc_auc_score
from text_data import rows_of, write_jsonl

import docnvil
from docnvil.analysis.neighborhood import Neighborhood
from docnvil.analysis.outliers import _regress
from docnvil.errors import ConfigurationError, CorpusError

WORDS = 60
SUBJECTS = 6


def documents(subjects, rng, words_per_subject=WORDS // SUBJECTS):
    """Return documents with ten words per subject, and a few of the others."""
    rows = []
    for chosen in subjects:
        weights = np.full(WORDS, 0.005)
        for subject in np.atleast_1d(chosen):
            weights[subject * words_per_subject : (subject + 1) * words_per_subject] = 1.0
        rows.append(rng.multinomial(rng.integers(15, 80), weights / weights.sum()))
    return csr_array(np.array(rows))


@pytest.fixture(scope="module")
def model():
    train = documents(np.arange(600) % SUBJECTS, np.random.default_rng(0))
    return docnvil.fit(train, docnvil.Settings(units=(SUBJECTS,), epochs=40, batch_size=20))


def test_planted_outliers_come_first(model):
    rng = np.random.default_rng(1)
    normal = documents(np.arange(300) % SUBJECTS, rng)
    mixed = documents([(row % 6, (row + 1 + row % 5) % 6) for row in range(30)], rng)
    foreign = csr_array(np.array([rng.multinomial(rng.integers(15, 80), np.full(WORDS, 1 / WORDS)) for _ in range(30)]))
    all_documents = csr_array(vstack([normal, mixed, foreign], format="csr"))
    scores = model.outliers(all_documents, documents(np.arange(300) % SUBJECTS, rng))
    for name, rows in (("mixed", slice(300, 330)), ("foreign", slice(330, 360)), ("score", slice(300, 360))):
        assert auroc(getattr(scores, name), rows) > (0.8 if name == "foreign" else 0.9), name
    contaminated = model.outliers(csr_array(all_documents[:330]))
    assert auroc(contaminated.mixed, slice(300, 330)) > 0.9
    assert auroc(contaminated.score, slice(300, 330)) > 0.9


def auroc(values, planted):
    is_outlier = np.repeat([0, 1], [300, planted.stop - planted.start])
    return roc_auc_score(is_outlier, np.concatenate([values[:300], values[planted]]))


def test_scores_of_normal_documents_do_not_depend_on_their_length(model):
    rng = np.random.default_rng(2)
    reference = documents(np.arange(600) % SUBJECTS, rng)
    normal = documents(np.arange(600) % SUBJECTS, rng)
    scores, lengths = model.outliers(normal, reference), normal.sum(axis=1)
    short = lengths < np.median(lengths)
    assert np.median(scores.foreign[short]) == pytest.approx(np.median(scores.foreign[~short]), abs=0.35)
    gaps = scores.gain - scores.expected_gain
    assert np.median(gaps[short]) == pytest.approx(np.median(gaps[~short]), abs=0.1)
    assert 0.02 < (scores.foreign > np.quantile(model.outliers(reference).foreign, 0.95)).mean() < 0.1


def test_scores_do_not_depend_on_the_order_of_the_documents(model):
    normal = documents(np.arange(100) % SUBJECTS, np.random.default_rng(3))
    order = np.random.default_rng(0).permutation(100)
    first, second = model.outliers(normal), model.outliers(csr_array(normal[order]), normal)
    assert second.foreign == pytest.approx(first.foreign[order], abs=1e-4)
    assert second.mixed == pytest.approx(first.mixed[order], abs=1e-3)


def test_short_documents_have_no_scores(model):
    normal = documents(np.arange(100) % SUBJECTS, np.random.default_rng(3)).toarray()
    normal[7] = 0
    normal[8] = 0
    normal[8, 3] = 9
    scores = model.outliers(csr_array(normal))
    assert np.flatnonzero(np.isnan(scores.score)).tolist() == [7, 8]
    assert np.flatnonzero(np.isnan(scores.gain)).tolist() == [7, 8]


def test_few_documents_are_refused(model):
    few = documents(np.arange(49) % SUBJECTS, np.random.default_rng(3))
    with pytest.raises(CorpusError, match="Only 49 documents"):
        model.outliers(few)
    enough = documents(np.arange(60) % SUBJECTS, np.random.default_rng(4))
    assert not np.isnan(model.outliers(few, enough).score).any()


def test_models_of_bits_are_refused():
    bits = (np.random.default_rng(0).random((60, 12)) < 0.5).astype(int)
    model = docnvil.fit(bits, docnvil.Settings(units=(2,), epochs=1, observation="bernoulli"))
    with pytest.raises(ConfigurationError, match="model of words"):
        model.outliers(bits)


def test_features_of_neighborhoods_are_those_of_their_definition(model):
    rng = np.random.default_rng(6)
    reference, new = documents(np.arange(60) % SUBJECTS, rng), documents([0, (1, 2)], rng)
    twice = csr_array(vstack([new, reference[[7]]], format="csr"))  # the last one is a copy, which is not a neighbor
    result = Neighborhood(model.network, np.ones(WORDS), reference).features(twice, [np.array([3, 4, 5])])
    vectors = [
        np.log(each.toarray(), where=each.toarray() > 0, out=np.full(each.shape, -1.0)) + 1
        for each in (twice, reference)
    ]
    vectors = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors]
    similarities = vectors[0] @ vectors[1].T
    similarities[[0, 1, 2, 2], [3, 4, 5, 7]] = 0
    units = model.transform(reference)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    for row, features in zip(similarities, result, strict=True):
        nearest = np.argsort(-row)[:6]
        pairs = units[nearest] @ units[nearest].T
        variances = np.linalg.svd(units[nearest] - units[nearest].mean(0), compute_uv=False) ** 2
        expected = [row[nearest].mean(), pairs.mean(), variances[0] / variances.sum(), variances[0]]
        assert features == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_regression_is_robust_and_standardizes():
    rng = np.random.default_rng(0)
    x = rng.uniform(2, 6, 2000)
    y = 1 + x - 0.1 * x**2 + rng.normal(size=2000) * np.exp(-0.3 * x)
    y[:100] -= 8
    fitted = _regress(x, y)
    z = fitted.standardize(x, y)[100:]
    assert fitted.predict(x) == pytest.approx(1 + x - 0.1 * x**2, abs=0.1)
    for part in (x[100:] < 4, x[100:] >= 4):
        assert np.median(np.abs(z[part])) == pytest.approx(0.6745, abs=0.12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    path = tmp_path_factory.mktemp("outliers")
    rng = np.random.default_rng(5)
    names = [f"{'abcdefghij'[word % 10]}{'klmnop'[word // 10]}x" for word in range(WORDS)]
    normal = documents(np.arange(200) % SUBJECTS, rng).toarray()
    strange = rng.multinomial(50, np.full(WORDS, 1 / WORDS))
    rows = []
    for number, row in enumerate([*normal, strange]):
        words = [names[word] for word in np.repeat(np.arange(WORDS), row)]
        unknown = ["qqq"] * (20 if number == 200 else 1)
        rows.append({"id": "strange" if number == 200 else f"d{number}", "text": " ".join([*words, *unknown])})
    rows.append({"id": "short", "text": names[0]})
    rows.append({"id": "foreign", "text": f"{names[0]} violin concerto violin solo"})
    write_jsonl(path / "corpus.jsonl", rows)
    (path / "words.txt").write_text("\n".join(names) + "\n")
    options = ("--units", SUBJECTS, "--epochs", 40, "--batch-size", 20, "--vocabulary", path / "words.txt")
    run("fit", path / "corpus.jsonl", *options, "--out", path / "model")
    return path


def test_command_lists_the_strange_document_first(folder, tmp_path):
    out = tmp_path / "scores.csv"
    arguments = ("outliers", folder / "model", folder / "corpus.jsonl", "--kind", "foreign")
    result = run(*arguments, "--json", "--top", 3, "--out", out)
    first, *others = json.loads(result.stdout)["documents"]
    assert first["id"] == "strange"
    assert first["unknown"] == pytest.approx(20 / 70)
    assert len(others) == 2
    assert "2 documents have fewer than ten known words and no score" in result.stderr
    assert 'More than half of the words are unknown in "foreign": look at' in result.stderr
    rows = {row["id"]: row for row in rows_of(out)}
    assert len(rows) == 203
    assert rows["short"]["score"] == ""
    assert float(rows["strange"]["foreign"]) == pytest.approx(first["foreign"], rel=1e-3)
    run(*arguments, "--out", out, status=1, stderr="already exists")
    text = run(*arguments).stdout
    assert "29% unknown words" in text


def test_command_with_a_small_reference_is_refused(folder, tmp_path):
    lines = (folder / "corpus.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "few.jsonl").write_text("".join(lines[:20]))
    arguments = ("outliers", folder / "model", folder / "corpus.jsonl", "--reference", tmp_path / "few.jsonl")
    run(*arguments, status=1, stderr=("Only 20 documents", "--reference"))
