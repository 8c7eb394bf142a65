"""Effects: coverage on units that are drawn, uncertainty of the codes, and the command on real files."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from commands import run
from exact import joint_terms, random_network, sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.stats import norm, t
from text_data import rows_of, write_jsonl

import docnvil
from docnvil.analysis.covariates import categories, dates
from docnvil.analysis.effects import OTHERS, TREND, estimate_effects
from docnvil.analysis.posterior import PosteriorSamples, UnitPosteriors, unit_posteriors
from docnvil.analysis.significance import adjust_p_values, score_test
from docnvil.errors import ConfigurationError, CorpusError

PRIOR = 0.3


def vague_posteriors(generator, share, precision=1.0, n_empty=0):
    """Draw a unit per entry of `share` and evidence y ~ N(+-precision, 1); return p(h | y) under the prior."""
    on = generator.random(share.shape) < share
    evidence = generator.normal(np.where(on, precision, -precision))
    odds = np.exp(2 * precision * evidence) * PRIOR / (1 - PRIOR)
    probabilities = (odds / (1 + odds)).astype(np.float32)
    n = len(probabilities)
    empty = np.arange(n) < n_empty
    return UnitPosteriors(probabilities, np.full(share.shape[1], PRIOR), np.full(n, 50.0), empty)


def coverage_of_two_groups(generator, n, shares, n_units=40):
    groups = np.arange(n) % 2
    posteriors = vague_posteriors(generator, np.repeat(np.array(shares)[groups, None], n_units, axis=1))
    return estimate_effects(posteriors, [categories("group", groups.astype(str))]).effects


def test_intervals_cover_the_difference_although_codes_are_uncertain():
    generator, truth = np.random.default_rng(0), 0.5 - 0.2
    rows = [coverage_of_two_groups(generator, 300, (0.5, 0.2)) for _ in range(25)]
    covered = np.mean([(each["low"] <= truth) & (truth <= each["high"]) for each in rows])
    assert 0.92 < covered < 0.98  # 1,000 intervals: two standard errors are 0.014
    estimates = np.concatenate([each["estimate"] for each in rows])
    assert abs(estimates.mean() - truth) < 0.01  # means of p(h | y) alone would give about half of the difference


def test_units_that_depend_on_each_other():
    """Two units of which at most one is on."""
    generator, states = np.random.default_rng(5), np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    model, groups = np.array([0.5, 0.25, 0.25]), np.array([[0.2, 0.6, 0.2], [0.6, 0.1, 0.3]])
    prior = states[generator.choice(3, 20_000, p=model)]
    estimates, covered = [], []
    for seed in range(30):
        group = np.arange(400) % 2
        state = (generator.random((400, 1)) > groups[group].cumsum(1)).sum(1)
        evidence = generator.normal(np.where(states[state] == 1, 0.8, -0.8))  # [N, 2]
        joint = model * np.exp(1.6 * evidence @ states.T)
        probabilities = (joint / joint.sum(1, keepdims=True)) @ states
        codes = np.broadcast_to(np.packbits(states.astype(bool), axis=1), (400, 3, 1))
        samples = PosteriorSamples(codes, np.log(joint).astype(np.float32), prior)
        posteriors = UnitPosteriors(
            probabilities.astype(np.float32), model @ states, np.full(400, 50.0), np.zeros(400, bool), samples
        )
        rows = estimate_effects(posteriors, [categories("group", group.astype(str))], seed=seed).effects
        truth = np.array([0.5, -0.1])
        estimates.append(rows["estimate"])
        covered.append((rows["low"] <= truth) & (truth <= rows["high"]))
    assert np.mean(estimates, axis=0) == pytest.approx([0.5, -0.1], abs=0.03)
    assert np.mean(covered) > 0.85  # 60 intervals: 0.95 less three standard errors of 0.03


def test_intervals_are_wider_than_with_known_codes():
    generator = np.random.default_rng(0)
    vague = coverage_of_two_groups(generator, 400, (0.5, 0.2))["standard_error"].mean()
    known = np.sqrt(0.25 / 200 + 0.16 / 200)
    assert 1.15 * known < vague < 2 * known


def test_sure_codes_give_the_textbook_interval():
    on = np.repeat([1, 0, 1, 0], [60, 40, 20, 80]).astype(np.float32)[:, None]
    posteriors = UnitPosteriors(on, np.array([0.4]), np.full(200, 50.0), np.zeros(200, bool))
    row = estimate_effects(posteriors, [categories("group", ["a"] * 100 + ["b"] * 100)]).effects.loc[0]
    assert row["estimate"] == pytest.approx(0.4, abs=0.01)
    assert row["standard_error"] == pytest.approx(np.sqrt(0.24 / 100 + 0.16 / 100), rel=0.02)
    assert row["high"] == pytest.approx(row["estimate"] + norm.ppf(0.975) * row["standard_error"])


def test_no_false_discoveries_in_permuted_groups():
    generator = np.random.default_rng(1)
    flagged = []
    for seed in range(40):
        posteriors = vague_posteriors(generator, np.full((200, 20), PRIOR))
        groups = categories("group", generator.integers(0, 3, 200).astype(str))
        flagged.append(estimate_effects(posteriors, [groups], n_draws=40, seed=seed).effects["significant"].any())
    assert np.mean(flagged) <= 0.15  # 0.05 expected, 2 of 40


def test_regression_separates_columns_that_go_together():
    """The unit depends on `first` only; `second` agrees with it in most documents."""
    generator = np.random.default_rng(2)
    first = generator.integers(0, 2, 3000)
    second = np.where(generator.random(3000) < 0.8, first, 1 - first)
    posteriors = vague_posteriors(generator, np.where(first == 1, 0.6, 0.2)[:, None], precision=1.5)
    columns = [categories("first", first.astype(str)), categories("second", second.astype(str))]
    alone = estimate_effects(posteriors, columns[1:]).effects.loc[0]
    rows = estimate_effects(posteriors, columns, references={"first": "0", "second": "0"}).effects
    assert alone["significant"]
    assert rows["estimate"].tolist() == pytest.approx([0.4, 0.0], abs=0.08)
    assert rows["significant"].tolist() == [True, False]


def test_trend_is_the_change_from_the_first_date_to_the_last():
    generator = np.random.default_rng(3)
    day = np.arange(2000)
    days = (np.datetime64("2020-01-01") + day).astype(str)
    posteriors = vague_posteriors(generator, (0.2 + 0.4 * day / 2000)[:, None], precision=2.0)
    result = estimate_effects(posteriors, over=dates("date", days, "year"))
    row = result.effects.loc[0]
    assert (row["value"], row["compared_with"]) == ("2020 to 2025", TREND)
    assert row["low"] < 0.4 < row["high"]
    assert result.prevalence["value"].tolist() == ["2020", "2021", "2022", "2023", "2024", "2025"]
    assert result.prevalence["documents"].sum() == 2000


def test_a_group_is_compared_with_all_others_or_with_the_reference():
    generator = np.random.default_rng(4)
    group = np.repeat(["a", "b", "c"], [500, 1000, 500])
    share = np.select([group == "a", group == "b"], [0.8, 0.2], 0.5)[:, None]
    posteriors = vague_posteriors(generator, share, precision=3.0)
    rows = estimate_effects(posteriors, [categories("group", group)]).effects
    assert rows["compared_with"].tolist() == [OTHERS] * 3
    assert rows["estimate"].tolist() == pytest.approx([0.8 - 0.3, 0.2 - 0.65, 0.5 - 0.4], abs=0.05)
    rows = estimate_effects(posteriors, [categories("group", group)], references={"group": "b"}).effects
    assert rows["value"].tolist() == ["a", "c"]
    assert rows["estimate"].tolist() == pytest.approx([0.6, 0.3], abs=0.06)


def test_missing_values_and_empty_documents_are_left_out():
    posteriors = vague_posteriors(np.random.default_rng(5), np.full((100, 2), 0.5), n_empty=10)
    group = ["x"] * 30 + [""] * 20 + ["y"] * 50
    result = estimate_effects(posteriors, [categories("group", group)])
    assert (result.n_documents, result.n_missing, result.n_empty) == (70, 20, 10)


@pytest.mark.parametrize("variables", ["by", "over", "both"])
def test_effects_of_no_unit_are_missing(variables):
    posteriors = UnitPosteriors(np.zeros((20, 2), np.float32), np.full(2, 0.01), np.full(20, 50.0), np.zeros(20, bool))
    by = [] if variables == "over" else [categories("group", list("ab") * 10)]
    over = None if variables == "by" else dates("date", [str(2000 + row // 4) for row in range(20)], "year")
    result = estimate_effects(posteriors, by, over)
    assert result.skipped_units == (0, 1)
    assert len(result.effects) == 2 * ((variables != "over") + (variables != "by"))
    assert result.effects["estimate"].isna().all()
    assert not result.effects["significant"].any()


def test_units_that_are_never_on_are_skipped():
    posteriors = vague_posteriors(np.random.default_rng(6), np.full((100, 2), 0.5))
    posteriors.probabilities[:, 1] = 0
    result = estimate_effects(posteriors, [categories("group", ["x", "y"] * 50)])
    assert result.skipped_units == (1,)
    assert result.effects["estimate"].isna().tolist() == [False, True]
    assert not result.effects["significant"].iloc[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing to compare"),
        ({"by": [("g", ["x"] * 40)]}, "have the same value, 'x',"),
        ({"by": [("g", [""] * 40)]}, "Only 0 of 40"),
        ({"by": [("g", ["x", "y"] * 20)], "references": {"g": "z"}}, "No document has 'z'"),
        ({"by": [("g", ["x", "y"] * 20)], "references": {"h": "z"}}, "not given with by"),
        ({"by": [("g", ["x", "y"] * 20), ("g", ["x", "y"] * 20)]}, "given twice"),
        ({"by": [("g", ["x", "y"] * 20), ("h", ["v", "w"] * 20)]}, "cannot be told apart"),
        ({"by": [("g", ["x", "y"] * 20)], "share": 1.5}, "share is 1.5"),
        ({"by": [("g", ["x", "y"] * 20)], "correction": "bonferroni"}, "correction is 'bonferroni'"),
        ({"by": [("g", ["x", "y"] * 20)], "n_draws": 1}, "n_draws is 1"),
    ],
)
def test_errors_say_what_is_wrong(arguments, message):
    posteriors = vague_posteriors(np.random.default_rng(0), np.full((40, 1), 0.5))
    by = [categories(*each) for each in arguments.pop("by", ())]
    with pytest.raises((ConfigurationError, CorpusError), match=message):
        estimate_effects(posteriors, by, **arguments)


def test_three_documents_are_too_few():
    posteriors = vague_posteriors(np.random.default_rng(0), np.full((3, 1), 0.5))
    with pytest.raises(CorpusError, match="Only 3 of 3"):
        estimate_effects(posteriors, [categories("g", ["x", "y", "x"])])


def test_too_many_categories():
    with pytest.raises(CorpusError, match="has 101 different values"):
        categories("id", [str(number) for number in range(101)])


@pytest.mark.parametrize(
    ("text", "bins", "expected"),
    [
        ("2024-05-31", "month", "2024-05"),
        ("2024", "year", "2024"),
        ("20240531", "day", "2024-05-31"),
        ("2024-05-31T23:59:59+02:00", "quarter", "2024-Q2"),
        ("Fri, 31 May 2024 12:00:00 GMT", "month", "2024-05"),
        ("2024-12-30", "week", "2025-W01"),
    ],
)
def test_dates_are_read(text, bins, expected):
    assert dates("date", [text, ""], bins).levels == (expected,)


def test_ambiguous_and_wrong_dates_are_refused():
    with pytest.raises(CorpusError, match=r'2 of 3 values in column \'date\' are not dates .*"05/06/2024", "soon"'):
        dates("date", ["05/06/2024", "2024-05-06", "soon"])
    assert dates("date", ["05/06/2024"], date_format="%d/%m/%Y").levels == ("2024-06",)
    with pytest.raises(ConfigurationError, match="bins is 'decade'"):
        dates("date", ["2024"], "decade")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_are_ordered(p_values):
    values = np.array(p_values)
    holm, fdr = (adjust_p_values(values, name) for name in ("holm", "benjamini-hochberg"))
    assert (holm >= fdr - 1e-12).all()
    assert (fdr >= values - 1e-12).all()
    assert (holm <= np.minimum(1, len(values) * values) + 1e-12).all()
    assert holm.min() == pytest.approx(min(1, len(values) * values.min()))


def test_p_values_are_those_of_permutations():
    """A skewed value in 12 of 60 documents: the share of permutations with a larger difference."""
    generator = np.random.default_rng(8)
    values, chosen = generator.beta(0.3, 1, 60), np.arange(60) < 12
    p_value = score_test(values[:, None], np.column_stack([np.ones(60), chosen]), [1])[0, 0]
    permuted = generator.permuted(np.tile(values, (20_000, 1)), axis=1)
    larger = abs(permuted[:, chosen].mean(1) - values.mean()) >= abs(values[chosen].mean() - values.mean())
    assert p_value == pytest.approx(larger.mean(), abs=0.02)


def test_p_values_of_columns_that_do_not_matter_are_uniform():
    """Units that are often on in some values of another column, so that documents have unequal variances."""
    generator, below = np.random.default_rng(9), []
    for _ in range(200):
        side = generator.random(300) < 0.3
        design = np.column_stack([np.ones(300), side, generator.random(300) < np.where(side, 0.8, 0.2)])
        units = generator.random((300, 10)) < np.where(side, 0.5, 0.05)[:, None]
        below.append(score_test(units.astype(np.float32), design, [2]) < 0.05)
    assert 0.03 < np.mean(below) < 0.06  # 2,000 p-values: two standard errors are 0.01


def test_p_values_do_not_depend_on_how_documents_are_divided(monkeypatch):
    generator = np.random.default_rng(10)
    values, design = generator.random((50, 3)), np.column_stack([np.ones(50), generator.random((50, 2))])
    expected = score_test(values, design, [1, 2])
    monkeypatch.setattr("docnvil.analysis.significance.CHUNK", 7)
    assert score_test(values, design, [1, 2]) == pytest.approx(expected, rel=1e-9)


def test_p_values_are_those_of_the_residuals_without_the_column():
    generator = np.random.default_rng(11)
    values, design = generator.random((80, 3)), np.column_stack([np.ones(80), generator.random((80, 3))])
    for column, p_values in zip((1, 3), score_test(values, design, [1, 3]), strict=True):
        others = np.delete(design, column, axis=1)
        z, r = (each - others @ np.linalg.lstsq(others, each)[0] for each in (design[:, [column]], values))
        variance = np.maximum((z**2).sum() * (r**2).sum(0), 80 * (z**2 * r**2).sum(0)) / 76
        assert p_values == pytest.approx(2 * t.sf(abs((z * r).sum(0)) / np.sqrt(variance), 76), rel=1e-9)


@pytest.mark.parametrize("settings", [{"units": (4,)}, {"units": (4,), "prior": "autoregressive"}, {"units": (3, 2)}])
def test_posteriors_are_those_of_enumeration(settings):
    """q has random weights, so that the importance weights have to do all the work."""
    network = random_network(6, scale=0.3, **settings)
    dense = np.array([[3, 0, 1, 0, 0, 2], [0, 2, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]])
    log_p, _, samples = joint_terms(network, sparse(torch.from_numpy(dense).double()))
    weights = torch.softmax(sum(log_p), 0)  # [M, B]
    expected = torch.einsum("mb,mbk->bk", weights, samples[0])
    result = unit_posteriors(network, csr_array(dense), n_samples=20_000)
    assert result.probabilities == pytest.approx(expected.detach().numpy(), abs=0.02)
    assert result.empty.tolist() == [False, False, True]
    assert result.prior == pytest.approx(expected[2].detach().numpy(), abs=0.01)


# --- the model's method and the command


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A model of two subjects, saved, and a file of documents with columns."""
    folder = tmp_path_factory.mktemp("effects")
    generator = np.random.default_rng(0)
    words = [["wind", "sail", "keel", "mast", "rope", "deck"], ["oven", "salt", "flour", "butter", "bake", "stir"]]
    records = []
    for number in range(160):
        subject = int(generator.random() < (0.8 if number % 2 else 0.2))
        text = " ".join(generator.choice(words[subject], 12))
        day = np.datetime64("2023-01-01") + number * 4
        records.append({"id": str(number), "text": text, "party": ["left", "right"][number % 2], "date": str(day)})
    path = write_jsonl(folder / "speeches.jsonl", records)
    matrix = docnvil.load_document_term_matrix(path)
    model = docnvil.fit(matrix, docnvil.Settings(units=(2,), epochs=40, batch_size=20, l1=0.0, sparsity=0.0))
    docnvil.save(model, folder / "model")
    return folder, model, matrix


def test_method_and_command_agree(model_folder):
    folder, model, matrix = model_folder
    result = run("effects", folder / "model", folder / "speeches.jsonl", "--by", "party", "--json")
    values = json.loads(result.stdout)
    frame = model.effects(matrix, "party").effects
    assert [row["estimate"] for row in values["effects"]] == pytest.approx(frame["estimate"].tolist())
    assert frame["significant"].all()
    assert frame["estimate"].abs().tolist() == pytest.approx([0.6, 0.6], abs=0.25)
    assert values["n_documents"] == 160


def test_files_and_figure(model_folder, tmp_path):
    folder, *_ = model_folder
    files = "--out", tmp_path / "effects.csv", "--plot", tmp_path / "effects.svg"
    options = "--by", "party", "--over", "date", "--bins", "quarter"
    arguments = "effects", folder / "model", folder / "speeches.jsonl", *options
    result = run(*arguments, *files)
    assert "with the other columns held constant" in result.stdout
    assert [row["column"] for row in rows_of(tmp_path / "effects.csv")] == ["party", "date"] * 2
    quarters = {row["value"] for row in rows_of(tmp_path / "effects.prevalence.csv") if row["column"] == "date"}
    assert quarters == {f"{year}-Q{quarter}" for year in (2023, 2024) for quarter in (1, 2, 3, 4)} - {"2024-Q4"}
    figure = ET.fromstring((tmp_path / "effects.svg").read_text(encoding="utf-8"))
    assert figure.tag.endswith("svg")
    run(*arguments, *files, status=1, stderr="already exists")


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ((), "There is nothing to compare. Name a column with --by, or dates with --over.", 2),
        (("--by", "faction"), "no column 'faction'. Their columns are 'party', 'date'.", 1),
        (("--over", "party"), "160 of 160 values in column 'party' are not dates", 1),
        (("--by", "id"), "Column 'id' has the ids of the documents", 1),
        (("--by", "date"), "Column 'date' has 160 different values", 1),
        (("--by", "party", "--by", "party"), "Column 'party' is given twice", 1),
        (("--by", "party", "--reference", "left", "--by", "date"), "Write it like --reference party=left", 2),
        (("--by", "party", "--reference", "center"), "No document has 'center' in column 'party'", 1),
        (("--by", "party", "--reference", "date=left"), "not given with --by", 1),
    ],
)
def test_command_errors(model_folder, arguments, message, code):
    folder, *_ = model_folder
    run("effects", folder / "model", folder / "speeches.jsonl", *arguments, status=code, stderr=message)


def test_what_is_not_shown_is_said(model_folder):
    folder, *_ = model_folder
    arguments = "effects", folder / "model", folder / "speeches.jsonl", "--by", "party", "--reference", "right"
    first, all_rows = run(*arguments, "--top", 1), run(*arguments)
    assert "the largest 1 of 2; raise --top, or write all with --out." in first.stdout
    assert "raise --top" not in all_rows.stdout
    assert "party left, not right" in all_rows.stdout
    assert (
        "The prevalence in each quarter is in the files"
        in run(*arguments[:3], "--over", "date", "--bins", "quarter").stdout
    )


def test_counts_without_columns(model_folder):
    _, model, matrix = model_folder
    with pytest.raises(CorpusError, match="no column 'party', nor any other"):
        model.effects(matrix.counts, "party")
