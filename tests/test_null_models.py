"""The output layer without units: its likelihood, its concentration, and how it is stored and reported."""

import json
import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from commands import run
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array, csr_matrix, load_npz, save_npz, vstack
from scipy.special import gammaln

import docnvil
from docnvil.analysis import concentration as solver
from docnvil.analysis.completion import CompletionScores, evaluate_predictor, split_words
from docnvil.analysis.concentration import count_histogram, fit_concentration
from docnvil.analysis.gain import MIN_DOCUMENTS, UnitsGain, units_gain
from docnvil.analysis.null_models import evaluate_null_model
from docnvil.model.null_models import DirichletMultinomialNullModel
from docnvil.model.visible import VISIBLE_LAYERS
from docnvil.runtime.randomness import stream
from docnvil.text.sparse import SelectedRows

DIRICHLET_MULTINOMIAL = VISIBLE_LAYERS["dirichlet-multinomial"]


def sample_bursty(n_documents: int, concentration: float, seed: int = 0, n_words: int = 30) -> csr_array:
    """Return documents of a Dirichlet-multinomial whose first words are the most frequent."""
    generator = np.random.default_rng(seed)
    probability = frequencies(n_words)
    mixtures = generator.dirichlet(concentration * probability, n_documents)
    return csr_array(generator.multinomial(generator.integers(1, 60, n_documents), mixtures))


def frequencies(n_words: int) -> np.ndarray:
    weights = 1 / np.arange(1, n_words + 1)
    return weights / weights.sum()


@settings(deadline=None, max_examples=30)
@given(
    concentration=st.floats(0.01, 1e6),
    weights=st.lists(st.floats(0.01, 1), min_size=2, max_size=3),
    length=st.integers(1, 5),
)
def test_it_is_a_distribution_over_word_sequences(concentration, weights, length):
    model = DirichletMultinomialNullModel(np.array(weights) / sum(weights), concentration)
    n_words = len(weights)
    every = [np.bincount(words, minlength=n_words) for words in product(range(n_words), repeat=length)]
    assert np.exp(model.log_prob(csr_array(np.array(every)))).sum() == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(concentration=st.floats(0.01, 1e9), words=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_its_likelihood_is_the_product_of_its_predictions(concentration, words):
    model = DirichletMultinomialNullModel(frequencies(4), concentration)
    before = csr_array(np.array([np.bincount(words[:n], minlength=4) for n in range(len(words))]))
    predictions = model.predict(before)
    assert np.allclose(predictions.sum(axis=1), 1)
    document = csr_array(np.bincount(words, minlength=4)[None])
    nats = np.log(predictions[np.arange(len(words)), words]).sum()
    assert model.log_prob(document)[0] == pytest.approx(nats, rel=1e-9)


def test_large_counts_and_concentrations_keep_their_digits():
    counts = csr_array(np.array([[10**9, 10**6]]))
    for concentration in (1e-3, 1.0, 1e5, 1e12):
        model = DirichletMultinomialNullModel(np.array([0.5, 0.5]), concentration)
        predicted = (0.5 * concentration + 10**9) / (concentration + 10**9 + 10**6)
        one_more = csr_array(np.array([[10**9 + 1, 10**6]]))
        gained = model.log_prob(one_more)[0] - model.log_prob(counts)[0]
        assert gained == pytest.approx(math.log(predicted), abs=1e-5)


@pytest.mark.parametrize("concentration", [0.5, 20.0, 3000.0])
def test_the_concentration_is_the_maximum_found_by_brute_force(concentration):
    counts = sample_bursty(400, concentration)
    probability = (counts.sum(axis=0) + 0.01) / (counts.sum() + 0.3)

    def loss(log_concentration: float) -> float:
        total = math.exp(log_concentration)
        start, dense = total * probability, counts.toarray()
        terms = (gammaln(start + dense) - gammaln(start)).sum()
        return -terms - (gammaln(total) - gammaln(total + dense.sum(axis=1))).sum()

    expected = math.exp(minimize_scalar(loss, bounds=(-5, 20), method="bounded", options={"xatol": 1e-9}).x)
    fitted = fit_concentration(counts, probability)
    assert fitted == pytest.approx(expected, rel=1e-4)
    histogram = count_histogram(counts, probability)
    assert histogram.log_likelihood(fitted) == pytest.approx(-loss(math.log(fitted)), rel=1e-12)
    step = 1e-5 * fitted
    slope = (histogram.log_likelihood(1.3 * fitted + step) - histogram.log_likelihood(1.3 * fitted - step)) / (2 * step)
    assert histogram.gradient(1.3 * fitted) == pytest.approx(slope, rel=1e-3)
    if concentration < 100:  # the data say little about large values
        assert fitted == pytest.approx(concentration, rel=0.2)


def test_chunks_and_selected_rows_do_not_change_the_concentration(monkeypatch):
    counts = sample_bursty(300, 10.0)
    expected = fit_concentration(counts, frequencies(30))
    monkeypatch.setattr("docnvil.text.sparse.CHUNK_ENTRIES", 50)
    assert fit_concentration(counts, frequencies(30)) == pytest.approx(expected, rel=1e-12)
    shuffled = SelectedRows(counts, np.random.default_rng(0).permutation(300))
    assert fit_concentration(shuffled, frequencies(30)) == pytest.approx(expected, rel=1e-12)


def test_of_many_documents_evenly_spaced_ones_are_read(monkeypatch):
    counts = sample_bursty(300, 10.0)
    monkeypatch.setattr(solver, "MAX_DOCUMENTS", 100)
    assert count_histogram(counts, frequencies(30)).documents.sum() == 100
    assert fit_concentration(counts, frequencies(30)) == fit_concentration(counts[::3], frequencies(30))


@pytest.mark.parametrize(
    "counts",
    [
        np.ones((6, 8), dtype=int),
        np.eye(8, dtype=int),
        np.zeros((2, 8), dtype=int),
        np.zeros((0, 8), dtype=int),
        np.full((3, 8), 1000),
    ],
    ids=["each word once", "one word per document", "no words", "no documents", "even counts"],
)
def test_words_that_do_not_recur_have_an_infinite_concentration(counts):
    assert fit_concentration(csr_array(counts), np.full(8, 1 / 8)) == math.inf


def test_documents_of_one_repeated_word_have_the_smallest_concentration():
    assert fit_concentration(csr_array(9 * np.eye(8, dtype=int)), np.full(8, 1 / 8)) == solver.MIN_CONCENTRATION


def test_fractional_counts_are_accepted():
    counts = csr_array(np.array([[0.5, 2.5, 0.0], [3.0, 0.0, 0.25]]))
    assert 0 < fit_concentration(counts, np.full(3, 1 / 3)) < math.inf


def test_an_infinite_concentration_is_the_unigram_model():
    sums, test = np.array([3.0, 5.0, 0.0]), csr_array(np.array([[4, 0, 1]]))
    without = DIRICHLET_MULTINOMIAL.without_units(sums, 2, math.inf)
    assert without.log_prob(test) == pytest.approx(DIRICHLET_MULTINOMIAL.null_model(sums, 2).log_prob(test))
    nearly = DIRICHLET_MULTINOMIAL.without_units(sums, 2, 1e12)
    assert nearly.log_prob(test) == pytest.approx(without.log_prob(test), rel=1e-9)


@pytest.mark.parametrize("observation", ["softmax", "dirichlet-multinomial", "bernoulli"])
def test_a_model_folder_keeps_its_layer_without_units(observation, tmp_path):
    counts = sample_bursty(80, 5.0)
    if observation == "bernoulli":
        counts = csr_array(counts.astype(bool).astype(int))
    options = {"units": (2,), "epochs": 2, "observation": observation}
    model = docnvil.fit(counts[:60], docnvil.Settings(**options), validation=csr_matrix(counts[60:]))
    docnvil.save(model, tmp_path / "model")
    loaded = docnvil.load(tmp_path / "model")
    assert loaded.no_units == model.no_units
    stored = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))["no_units"]
    assert (stored["concentration"] is None) == (observation != "dirichlet-multinomial")
    log_prob = loaded.null_model().log_prob(counts[60:])
    expected = DIRICHLET_MULTINOMIAL.without_units(counts[:60].sum(axis=0), 60, model.no_units.concentration or 0)
    if observation == "dirichlet-multinomial":
        assert log_prob == pytest.approx(expected.log_prob(counts[60:]))
    assert model.no_units.validation_bound == pytest.approx(log_prob.mean())
    visible = model.network.generative.visible
    perplexity = evaluate_null_model(visible, visible.null_model(counts[:60].sum(axis=0), 60), counts[60:])
    if observation != "dirichlet-multinomial":
        assert model.no_units.validation_perplexity == pytest.approx(perplexity.perplexity_per_document)
    else:
        assert model.no_units.validation_perplexity < perplexity.perplexity_per_document


def test_validation_documents_do_not_contribute_to_their_own_figure():
    counts = np.zeros((40, 6), dtype=int)
    counts[:30, :3], counts[30:, 3:] = 2, 2  # the words of the validation documents do not occur in training
    options = docnvil.Settings(units=(2,), epochs=1, validation=0)
    model = docnvil.fit(csr_array(counts[:30]), options, validation=csr_array(counts[30:]))
    assert model.no_units.validation_perplexity > 1000


def verdict_on(gains: list[float] | np.ndarray, lengths: list[float] | float = 10.0) -> str:
    gains, nats = np.asarray(gains, dtype=float), np.random.default_rng(1).normal(-60, 20, len(gains))
    lengths = np.broadcast_to(np.asarray(lengths, dtype=float), gains.shape)
    return units_gain(CompletionScores(nats + gains, lengths), CompletionScores(nats, lengths)).verdict


def test_units_have_learned_nothing_only_with_evidence():
    """Differences are paired: the documents themselves differ by 20 nats."""
    noise = np.random.default_rng(0).normal(0, 1, 400)
    noise -= noise.mean()
    assert verdict_on(noise + 0.01) == "better"
    assert verdict_on(noise - 0.01) == "not better"
    assert verdict_on(noise - 0.03) == "not better"  # two standard errors are 0.1, and a thousandth of the nats 0.06
    assert verdict_on(noise - 0.05) == "nothing learned"
    assert verdict_on(np.full(MIN_DOCUMENTS, -0.001)) == "nothing learned"
    assert verdict_on(np.zeros(MIN_DOCUMENTS)) == "nothing learned"  # the same probabilities
    for n_documents in (1, 2, MIN_DOCUMENTS - 1):
        assert verdict_on(np.full(n_documents, -50.0)) == "not better"
        assert verdict_on(np.full(n_documents, 0.001)) == "better"


def test_a_model_that_is_better_per_word_or_per_document_is_better():
    lengths = [100.0] * 10 + [1.0] * 10
    assert verdict_on([20.0] * 10 + [-1.0] * 10, lengths) == "better"  # per word
    assert verdict_on([-20.0] * 10 + [1.0] * 10, lengths) == "better"  # per document
    assert verdict_on([-20.0] * 10 + [-1.0] * 10, lengths) == "nothing learned"
    assert verdict_on([*[-1.0] * 9, 8.0], [*[1.0] * 9, 0.0]) == "not better"  # an empty document is none


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.floats(0, 5))
def test_a_lower_likelihood_never_makes_the_verdict_better(gains, loss):
    order = ["nothing learned", "not better", "better"]
    assert order.index(verdict_on(np.array(gains) - loss)) <= order.index(verdict_on(gains))


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_model_without_a_likelihood_is_not_better(value):
    assert verdict_on([value] * 20) == "nothing learned"
    assert verdict_on([value] * 2) == "not better"


def test_what_is_said_about_the_gain():
    assert UnitsGain("better", 50).describe(10.0, 10.1) is None
    assert "The units have learned nothing: without units, " in UnitsGain("nothing learned", 50).describe(10.1, 10.1)
    for n_documents, text in (
        (1, "One document is"),
        (9, "9 documents are"),
        (5000, "5,000 documents are too little evidence"),
    ):
        told = UnitsGain("not better", n_documents).describe(10.2, 10.1)
        assert told.startswith("No gain from the units: without units, the same output layer reaches 10.1, and the")
        assert text in told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("without-units")
    generator = np.random.default_rng(0)
    subjects = np.kron(np.eye(2), np.full(6, 1 / 6))[np.arange(120) % 2]
    save_npz(folder / "subjects.npz", csr_array(generator.multinomial(15, subjects)))
    save_npz(folder / "noise.npz", csr_array(generator.multinomial(15, np.full((120, 12), 1 / 12))))
    for name, options in {"subjects": (), "noise": (), "softmax": ("--observation", "softmax")}.items():
        counts = folder / f"{name if name != 'softmax' else 'subjects'}.npz"
        units = ("--units", 2, "--epochs", 40, "--batch-size", 20)
        result = run("fit", counts, "--out", folder / name, *units, *options, "--json")
        (folder / f"{name}.json").write_text(result.stdout, encoding="utf-8")
    return folder


def test_perplexity_and_completion_print_them(folder):
    test = csr_array(load_npz(folder / "subjects.npz"))
    model = docnvil.load(folder / "subjects")
    null_model, visible = model.null_model(), model.network.generative.visible
    observed, held_out = split_words(test, 0.2, stream(0, "hidden words"))
    expected = {
        "perplexity": evaluate_null_model(visible, null_model, test),
        "completion": evaluate_predictor(null_model.predict, observed, held_out).summarize(),
    }
    for command, result in expected.items():
        values = json.loads(run(command, folder / "subjects", folder / "subjects.npz", "--json").stdout)
        text = run(command, folder / "subjects", folder / "subjects.npz").stdout
        for name in ("perplexity_per_document", "perplexity_per_word"):
            assert values[f"no_units_{name}"] == pytest.approx(getattr(result, name))
            assert f"(unigram model: {values[f'unigram_{name}']:.2f}" in text
            assert f"; same layer, no units: {values[f'no_units_{name}']:.2f})" in text
        assert values["perplexity_per_word"] < values["no_units_perplexity_per_word"]
        assert "learned nothing" not in text


def test_the_softmax_layer_without_units_is_the_unigram_model(folder):
    for command in ("perplexity", "completion"):
        arguments = (command, folder / "softmax", folder / "subjects.npz")
        values, text = json.loads(run(*arguments, "--json").stdout), run(*arguments).stdout
        assert values["no_units_perplexity_per_word"] == values["unigram_perplexity_per_word"]
        assert f"(unigram model: {values['unigram_perplexity_per_word']:.2f})" in text


def test_a_model_that_learned_nothing_is_told(folder):
    arguments = folder / "noise", folder / "noise.npz"
    assert json.loads(run("perplexity", *arguments, "--json").stdout)["no_units_verdict"] == "nothing learned"
    assert "The units have learned nothing" in run("perplexity", *arguments).stdout
    verdict = json.loads(run("completion", *arguments, "--json").stdout)["no_units_verdict"]
    sentences = {"nothing learned": "The units have learned nothing", "not better": "No gain from the units"}
    assert sentences[verdict] in run("completion", *arguments).stdout


def test_a_document_of_two_words_is_no_evidence(folder, tmp_path):
    """The document has one word of each subject, which the model does not expect."""
    counts = np.zeros((1, 12), dtype=int)
    counts[0, [0, 11]] = 1
    save_npz(tmp_path / "two.npz", csr_array(counts))
    arguments = "perplexity", folder / "subjects", tmp_path / "two.npz"
    values, text = json.loads(run(*arguments, "--json").stdout), run(*arguments).stdout
    assert values["perplexity_per_word"] > values["no_units_perplexity_per_word"]
    assert values["no_units_verdict"] == "not better"
    assert "No gain from the units" in text
    assert "One document is too little evidence that they have learned nothing." in text


@pytest.mark.parametrize(("n_validation", "verdict"), [(100, "nothing learned"), (5, "not better")])
def test_fit_and_the_report_give_the_verdict_on_the_validation_documents(folder, tmp_path, n_validation, verdict):
    """The validation documents have both subjects, so the units that find one in each document predict them worse."""
    generator = np.random.default_rng(1)
    train = csr_array(vstack([load_npz(folder / "subjects.npz")] * 10, format="csr"))
    mixed = csr_array(generator.multinomial(15, np.full((n_validation, 12), 1 / 12)))
    options = {"units": (2,), "epochs": 1, "batch_size": 5, "learning_rate": 0.03, "schedule": "constant"}
    with pytest.warns(docnvil.DocnvilWarning, match="without units") as caught:
        model = docnvil.fit(train, docnvil.Settings(**options), validation=mixed)
    assert model.units_gain == UnitsGain(verdict, n_validation)
    opening = "The units have learned nothing" if verdict == "nothing learned" else "No gain from the units"
    assert [text for text in model.warnings if text.startswith(opening)]
    assert [each for each in caught if str(each.message).startswith(opening)]
    docnvil.save(model, tmp_path / "model")
    assert docnvil.load(tmp_path / "model").units_gain == model.units_gain
    run("report", tmp_path / "model", "--out", tmp_path / "page.html")
    assert f"<strong>{opening}</strong>" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("record", [None, "better", {}, {"verdict": "good", "documents": 3}, {"verdict": ["better"]}])
def test_a_run_record_of_another_kind_has_no_verdict(folder, record):
    model = docnvil.load(folder / "subjects")
    assert replace(model, run={**model.run, "units_gain": record}).units_gain is None


def test_a_good_model_has_no_such_warning(folder):
    good = docnvil.load(folder / "subjects")
    assert good.units_gain.verdict == "better"
    assert not [text for text in good.warnings if "without units" in text]


def test_fit_and_report_show_the_validation_figure(folder):
    values = json.loads((folder / "subjects.json").read_text(encoding="utf-8"))
    record = docnvil.load(folder / "subjects").no_units
    assert values["no_units_validation_bound"] == record.validation_bound
    assert values["no_units_validation_perplexity_per_document"] == record.validation_perplexity
    assert record.validation_perplexity > values["validation_perplexity_per_document"]
    fit = run("fit", folder / "subjects.npz", "--out", folder / "again", "--units", 2, "--epochs", 1)
    again = docnvil.load(folder / "again").no_units
    assert f"same layer, no units: {again.validation_perplexity:.1f})" in fit.stdout
    page = folder / "report.html"
    run("report", folder / "subjects", "--out", page)
    assert f"<dt>without units</dt><dd>{record.validation_perplexity:.1f}</dd>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["perplexity", "completion"])
def test_folders_of_earlier_versions_say_that_it_is_missing(command, tmp_path):
    model = Path(__file__).parent / "golden" / "format-2" / "model"
    old = docnvil.load(model)
    assert old.null_model() is None
    assert old.network.generative.visible.has_concentration
    save_npz(tmp_path / "counts.npz", csr_array(np.full((2, len(old.vocabulary)), 5)))
    result = run(command, model, tmp_path / "counts.npz", "--json")
    assert json.loads(result.stdout)["no_units_perplexity_per_word"] is None
    assert "did not fit its output layer without units" in result.stderr
