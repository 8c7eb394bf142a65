"""Sweep: the rule of the suggestion, resumable and parallel trainings, and the command on real files."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from commands import run
from scipy.sparse import csr_array, save_npz

import docnvil
from docnvil.analysis.null_models import evaluate_null_model
from docnvil.comparison.sweep import Trial, run_trials, summarize_trials
from docnvil.errors import ConfigurationError, DocnvilWarning, OutputExistsError, TrainingError
from docnvil.report.sweep_plot import sweep_figure
from docnvil.training.settings import Settings

OPTIONS = {"epochs": 1, "batch_size": 40}


def trial(units, nats, seed=0, lengths=None, **scores):
    nats = np.asarray(nats, dtype=float)
    lengths = np.full(len(nats), 10.0) if lengths is None else lengths
    values = {"no_units_per_word": 99.0, "completion_per_word": 5.0, "npmi": 0.1, "diversity": 1.0, **scores}
    return Trial(units, seed, tuple((-nats).tolist()), tuple(lengths.tolist()), **values, live_units=units, seconds=1.0)


def noisy(generator, means, n=200, n_seeds=1, seed_noise=0.0):
    """Return trials whose documents differ much, and whose numbers of units differ in the mean by `means`."""
    shared = generator.normal(30, 8, n)
    return [
        trial(units, shared + mean + generator.normal(0, 1, n) + generator.normal(0, seed_noise or 1e-9), seed)
        for units, mean in means.items()
        for seed in range(n_seeds)
    ]


def test_the_smallest_number_not_worse_than_the_best_is_suggested():
    result = summarize_trials(noisy(np.random.default_rng(0), {5: 2.0, 10: 0.0, 20: 0.0, 40: 0.0, 80: 1.0}))
    assert (result.suggested, result.largest) == (10, 40)
    assert result.best in (10, 20, 40)
    assert [row.units for row in result.rows if row.as_good_as_best] == [10, 20, 40]


def test_differences_are_paired_by_document():
    """The documents differ by 8 nats, and a difference of 0.4 nats in all of them is still found."""
    rows = summarize_trials(noisy(np.random.default_rng(1), {5: 0.4, 10: 0.0}, n=400)).rows
    assert rows[0].low > 0
    assert rows[0].worse_by == pytest.approx(np.expm1(0.04), abs=0.02)
    assert (rows[1].worse_by, rows[1].low, rows[1].high) == (0, 0, 0)


def test_noise_between_seeds_widens_the_intervals():
    generator = np.random.default_rng(2)
    quiet, loud = (
        summarize_trials(noisy(generator, {5: 1.0, 10: 0.0}, n_seeds=3, seed_noise=noise)).rows[0] for noise in (0, 2.0)
    )
    assert loud.high - loud.low > 2 * (quiet.high - quiet.low)
    assert quiet.seeds == 3


def test_perplexities_are_those_of_the_mean_over_seeds():
    lengths = np.array([10.0, 20.0])
    row = summarize_trials([trial(5, [20, 60], 0, lengths), trial(5, [30, 40], 1, lengths)]).rows[0]
    assert row.perplexity_per_word == pytest.approx(np.exp((25 + 50) / 30))
    assert row.perplexity_per_document == pytest.approx(np.exp((2.5 + 2.5) / 2))


def test_scores_that_a_model_does_not_have_are_left_out():
    result = summarize_trials([trial(5, [20.0], completion_per_word=None, npmi=None), trial(5, [20.0], 1, npmi=0.3)])
    assert (result.rows[0].completion_per_word, result.rows[0].npmi) == (5.0, 0.3)


def without_units(trials, nats):
    """Return trials with these nats of each document under the layer without units."""
    nats = np.broadcast_to(np.asarray(nats, dtype=float), len(trials[0].lengths))
    per_word = float(np.exp(nats.sum() / sum(trials[0].lengths)))
    return [replace(t, no_units_log_likelihood=tuple((-nats).tolist()), no_units_per_word=per_word) for t in trials]


@pytest.mark.parametrize(
    ("other", "worse", "verdict", "advice"),
    [
        (5, 1.0, "nothing learned", "documents or more --epochs."),
        (5, 0.05, "not better", "documents or more --epochs."),
        (20, 1.0, "nothing learned", "documents, more --epochs or fewer --units."),
    ],
)
def test_no_number_is_suggested_if_none_is_better_than_no_units(other, worse, verdict, advice):
    trials = noisy(np.random.default_rng(3), {other: 1.5, 10: 0.0}, n_seeds=2)
    best = -np.mean([each.log_likelihood for each in trials if each.units == 10], axis=0)
    noise = np.random.default_rng(4).normal(0, 1, len(best))
    with pytest.warns(DocnvilWarning, match="without units, the same output layer reaches") as caught:
        result = summarize_trials(without_units(trials, best - worse + noise - noise.mean()))
    assert (result.suggested, result.largest, result.best) == (None, None, 10)
    assert result.no_units_verdict == verdict
    (text,) = result.warnings
    assert text.startswith(
        "The units have learned nothing" if verdict == "nothing learned" else "No gain from the units"
    )
    assert text.endswith(f" Use more {advice}")
    assert str(caught[0].message).endswith(f" Use more {advice.replace('--', '')}")
    figure = ET.fromstring(sweep_figure(result, {other: [1.0], 10: [1.0]}))
    assert "no number is better than no units" in figure.get("aria-label")


def test_a_number_that_is_worse_than_no_units_is_not_suggested():
    """Five units are as good as ten, within the interval, but only ten are better than none."""
    noise = np.random.default_rng(5).normal(0, 2, 200)
    trials = [trial(5, 30 + noise - noise.mean() + 0.1), trial(10, np.full(200, 30.0))]
    result = summarize_trials(without_units(trials, 30.05))
    assert [row.as_good_as_best for row in result.rows] == [True, True]
    assert (result.suggested, result.largest, result.no_units_verdict, result.warnings) == (10, 10, "better", ())


def test_results_of_earlier_versions_have_only_the_perplexity_without_units():
    trials = [trial(5, np.full(20, 30.0), no_units_per_word=15.0)]  # exp(3) is 20.1
    with pytest.warns(DocnvilWarning, match="No gain from the units"):
        result = summarize_trials(trials)
    assert (result.suggested, result.no_units_verdict) == (None, "not better")


def test_results_of_different_documents_are_not_compared():
    with pytest.raises(ConfigurationError, match="different held-out documents"):
        summarize_trials([trial(5, [1, 2]), trial(10, [1, 2, 3])])
    with pytest.raises(ConfigurationError, match="no results"):
        summarize_trials([])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two trainings of one epoch, in two processes at the same time, and what they were made from."""
    generator = np.random.default_rng(0)
    counts = generator.poisson(np.kron(np.eye(2), np.full((45, 6), 2.0)) + 0.1)
    matrix = docnvil.DocumentTermMatrix(
        csr_array(counts), docnvil.Vocabulary([f"w{n}x" for n in range(12)]), ("",) * 90
    )
    train, test = matrix.select(np.arange(90) % 5 > 0), matrix.select(np.arange(90) % 5 == 0)
    folder = tmp_path_factory.mktemp("sweep") / "results"
    settings = [Settings(units=(units,), seed=0, **OPTIONS) for units in (2, 3)]
    events = []
    run_trials(train, test, settings, folder, jobs=2, on_finish=lambda each, new: events.append((each.units, new)))
    assert sorted(events) == [(2, True), (3, True)]
    return train, test, settings, folder


def test_a_trial_is_the_evaluation_of_the_model(finished):
    train, test, settings, folder = finished
    (result,) = run_trials(train, test, settings[:1], folder)
    model = docnvil.fit(train, settings[0])
    expected = model.evaluate(test, bound="importance", n_samples=100)
    assert -sum(result.log_likelihood) == pytest.approx(-expected.log_likelihood, rel=1e-5)
    assert sum(result.lengths) == expected.tokens
    without = evaluate_null_model(model.network.generative.visible, model.null_model(), csr_array(test.counts))
    assert result.no_units_per_word == pytest.approx(without.perplexity_per_word)
    assert sum(result.no_units_log_likelihood) == pytest.approx(without.log_likelihood)
    assert result.live_units == sum(not topic.dead for topic in model.topics())


def test_finished_trainings_are_not_repeated(finished):
    train, test, settings, folder = finished
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / ".units-2-seed-0.json.abcd1234.part").touch()  # of a process that was killed
    events = []
    run_trials(train, test, settings, folder, on_finish=lambda each, new: events.append(new))
    assert events == [False, False]
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert set(before) == {"units-2-seed-0.json", "units-3-seed-0.json"}


def test_results_of_other_documents_settings_or_samples_are_refused(finished, tmp_path):
    train, test, settings, folder = finished
    other = [Settings(units=(2,), seed=0, epochs=2, batch_size=40)]
    for arguments in ((train, test, other, folder), (test, train, settings, folder)):
        with pytest.raises(OutputExistsError, match="other documents or settings"):
            run_trials(*arguments)
    with pytest.raises(OutputExistsError, match="pass force"):
        run_trials(train, test, settings, folder, n_samples=5)
    damaged = tmp_path / "units-2-seed-0.json"
    damaged.write_text("{", encoding="utf-8")
    with pytest.raises(OutputExistsError, match="damaged"):
        run_trials(train, test, settings[:1], tmp_path)


def test_a_failed_training_says_why(finished, tmp_path):
    train, test, *_ = finished
    wrong = [Settings(units=(2,), observation="bernoulli", **OPTIONS)]
    with pytest.raises(TrainingError, match=r"units-2-seed-0 ended with status 1: .* the same command continues"):
        run_trials(train, test, wrong, tmp_path)


# --- the command; it reads results that exist, so that nothing is trained


def test_command_prints_the_table_and_draws_the_figure(finished, tmp_path, monkeypatch):
    train, _, _, _ = finished
    save_npz(tmp_path / "counts.npz", train.counts)
    (tmp_path / "vocabulary.txt").write_text("\n".join(train.vocabulary), encoding="utf-8")
    from docnvil.comparison import sweep

    seen = []

    def fake(train, test, settings, folder, **options):
        seen.append((train, test, settings, options))
        return [trial(each.model_config(1).units[0], np.full(test.n_documents, 20.0), each.seed) for each in settings]

    monkeypatch.setattr(sweep, "run_trials", fake)
    counts = tmp_path / "counts.npz"
    arguments = "sweep", counts, "--units", "2,5", "--seeds", 2, "--held-out", 10, "--out", tmp_path / "out"
    result = run(*arguments, "--plot", tmp_path / "units.svg", "--jobs", 3, "--epochs", 7, "--bound-samples", 9)
    assert "Suggested: 2 units" in result.stdout
    assert "held out: 10 documents drawn at random (seed 0)" in result.stdout
    assert ET.fromstring((tmp_path / "units.svg").read_text(encoding="utf-8")).tag.endswith("svg")
    assert "No number" not in result.stdout
    train, test, settings, options = seen[0]
    assert (train.n_documents, test.n_documents) == (62, 10)
    assert [(each.model_config(1).units, each.seed) for each in settings] == [
        ((2,), 0),
        ((2,), 1),
        ((5,), 0),
        ((5,), 1),
    ]
    assert settings[0].training_config(100).epochs == 7
    assert (options["jobs"], options["n_samples"]) == (3, 9)
    values = json.loads(run(*arguments, "--json").stdout)
    assert (values["suggested"], values["largest"], len(values["trials"])) == (2, 5, 4)
    assert "log_likelihood" not in values["trials"][0]
    assert (values["warnings"], values["no_units_verdict"]) == ([], "better")


def test_command_says_that_no_number_is_better_than_no_units(finished, tmp_path, monkeypatch):
    train, *_ = finished
    save_npz(tmp_path / "counts.npz", train.counts)
    from docnvil.comparison import sweep

    def fake(train, test, settings, folder, **options):
        trials = [trial(each.model_config(1).units[0], np.full(test.n_documents, 20.0)) for each in settings]
        return without_units(trials, 19.0)

    monkeypatch.setattr(sweep, "run_trials", fake)
    counts = tmp_path / "counts.npz"
    arguments = "sweep", counts, "--units", "2,5", "--seeds", 1, "--held-out", 10, "--out", tmp_path / "out"
    result = run(*arguments)
    assert result.stdout.endswith("\nNo number of units is suggested, because none is better than no units.\n")
    advice = "without units, the same output layer reaches 6.7, and the model 7.4. Use more documents, more --epochs"
    assert f"Warning: The units have learned nothing: {advice}" in result.stderr
    values = json.loads(run(*arguments, "--json").stdout)
    assert (values["suggested"], values["largest"], values["no_units_verdict"]) == (None, None, "nothing learned")
    assert advice in values["warnings"][0]
    assert "no_units_log_likelihood" not in values["trials"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--units", "5,5"), "--units has a number twice"),
        (("--units", "0"), "a layer needs at least one unit"),
        (("--units", "many"), "'many' is not a number"),
        (("--seeds", "0"), "0 is not in the range"),
        (("--jobs", "0"), "0 is not in the range"),
    ],
)
def test_wrong_usage(tmp_path, arguments, message):
    save_npz(tmp_path / "counts.npz", csr_array(np.eye(5, dtype=int)))
    run("sweep", tmp_path / "counts.npz", *arguments, "--out", tmp_path / "out", status=2, stderr=message)


def test_an_output_that_is_a_file_is_kept(tmp_path):
    save_npz(tmp_path / "counts.npz", csr_array(np.eye(5, dtype=int)))
    (tmp_path / "out").write_text("mine")
    run("sweep", tmp_path / "counts.npz", "--out", tmp_path / "out", status=2)
    assert (tmp_path / "out").read_text() == "mine"
