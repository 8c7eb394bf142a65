"""Edits of the units of a model, compared with enumeration, and what they do to every part of the model."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from exact import enumerate_samples, exact_log_likelihood, log_prob_terms, random_counts, random_network
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from test_model_checks import change_json, seal

import docnvil
from docnvil.analysis.topics import unit_statistics
from docnvil.errors import CheckpointError, ConfigurationError
from docnvil.estimator import DocNVIL
from docnvil.training.editing import edit_units
from docnvil.training.editing_network import grouped, regroup_units

VARIANTS = {
    "plain": {"units": (4,)},
    "autoregressive": {"units": (4,), "prior": "autoregressive", "posterior": "autoregressive"},
    "mixture": {"units": (4,), "prior": "mixture", "themes": 3},
    "uniform": {"units": (4,), "prior": "uniform"},
    "deep": {"units": (4, 2), "prior": "autoregressive", "posterior": "autoregressive"},
    "tanh": {"units": (4,), "recognition_hidden": (3,)},
    "centered": {"units": (4,), "recognition_input": "centered"},
    "burstiness": {"units": (4,), "observation": "dirichlet-multinomial", "recognition_input": "log1p"},
}
GROUPS = ((0,), (2,), (3,))


def network_of(name: str, seed: int = 0):
    settings = dict(VARIANTS[name])
    network = random_network(6, settings.pop("units"), seed=seed, **settings)
    if name == "centered":
        network.recognition.first.linear.mean.copy_(torch.arange(6.0) / 6)
    return network


def lifted(samples, groups, n_units: int, k: int):
    """Return the samples of a network before an edit in which the units of no group are off."""
    old = torch.zeros(*samples[0].shape[:2], n_units, dtype=torch.float64)
    for unit, group in enumerate(groups):
        old[..., group[0]] = samples[0][..., unit]
    return (old, *samples[1:])


@pytest.mark.parametrize("name", VARIANTS)
def test_dropping_holds_the_unit_off_exactly(name):
    """p(x | h), p(h_k | earlier units) and q(h | x) of the other units are those with the dropped unit at 0."""
    network, counts = network_of(name), random_counts(5, 6)
    new = regroup_units(network, GROUPS, None).network
    samples = enumerate_samples(new, 5)
    old = lifted(samples, GROUPS, 4, 1)
    (new_p, new_q), (old_p, old_q) = log_prob_terms(new, counts, samples), log_prob_terms(network, counts, old)
    assert torch.allclose(new_p[0], old_p[0])
    first_old = network.generative.distributions(old)[0]
    if name == "mixture":  # no conditional given earlier units; the marginal of the mixture over the dropped unit
        on = torch.cat([old[0][..., :1], torch.ones_like(old[0][..., :1]), old[0][..., 2:]], -1)
        expected = torch.logaddexp(first_old.log_prob(old[0]), first_old.log_prob(on))
        assert torch.allclose(new_p[1], expected)
    else:
        unit_is_off = first_old.conditional(old[0]).logits[..., 1]
        assert torch.allclose(new_p[1], old_p[1] + torch.nn.functional.softplus(unit_is_off))
    q_off = network.recognition.distributions(counts, old)[0].conditional(old[0]).logits[..., 1]
    assert torch.allclose(new_q[0], old_q[0] + torch.nn.functional.softplus(q_off))
    assert all(torch.allclose(a, b) for a, b in zip(new_p[2:] + new_q[1:], old_p[2:] + old_q[1:], strict=True))


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in ("autoregressive", "deep")])
@given(order=st.permutations(range(4)))
def test_another_order_of_independent_units_changes_no_probability(name, order):
    network, counts = network_of(name), random_counts(5, 6)
    new = regroup_units(network, tuple((unit,) for unit in order), None).network
    assert torch.allclose(exact_log_likelihood(new, counts), exact_log_likelihood(network, counts))
    samples = enumerate_samples(network, 5)
    old_q = network.recognition.log_prob_terms(counts, samples)[0]
    new_q = new.recognition.log_prob_terms(counts, (samples[0][..., list(order)], *samples[1:]))[0]
    assert torch.allclose(new_q, old_q)


def test_another_order_of_autoregressive_units_keeps_their_distribution():
    """The prior in a new order is fitted to samples of the old one: total variation under 2 %."""
    network = network_of("autoregressive")
    order = [2, 0, 3, 1]
    counts = csr_array(np.random.default_rng(0).poisson(1.0, (3000, 6)))
    new = regroup_units(network, tuple((unit,) for unit in order), counts).network
    samples = enumerate_samples(network, 1)
    before = network.generative.prior().log_prob(samples[0]).exp()
    after = new.generative.prior().log_prob(samples[0][..., order]).exp()
    assert (before - after).detach().abs().sum().item() / 2 < 0.02
    unchanged = regroup_units(network, tuple((unit,) for unit in range(4)), None).network
    same = zip(
        *(
            sum(log_prob_terms(each, random_counts(5, 6), enumerate_samples(each, 5)), ())
            for each in (network, unchanged)
        ),
        strict=True,
    )
    assert all(torch.equal(*pair) for pair in same)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_merged_unit_is_on_where_one_of_its_units_is_on(name):
    """The mean of each unit under the new p and q is that of the grouped old units."""
    network, groups = network_of(name), ((0,), (1, 3), (2,))
    counts = csr_array(np.random.default_rng(1).poisson(1.0, (4000, 6)))
    new = regroup_units(network, groups, counts).network
    samples, merged = enumerate_samples(network, 1), enumerate_samples(new, 1)
    old = sum(network.generative.log_prob_terms(random_counts(1, 6), samples)[1:]).exp()[:, 0]
    after = sum(new.generative.log_prob_terms(random_counts(1, 6), merged)[1:]).exp()[:, 0]
    expected = old.detach().numpy() @ grouped(samples[0][:, 0].numpy(), groups)
    tolerance = 0.03 if name != "uniform" else 1.0  # a uniform prior stays uniform
    assert after.detach().numpy() @ merged[0][:, 0].numpy() == pytest.approx(expected, abs=tolerance)
    from docnvil.analysis.unit_probabilities import unit_probabilities

    before = unit_probabilities(network, counts, n_samples=64)[:, :4]
    found = unit_probabilities(new, counts, n_samples=64)[:, :3]
    assert found.mean(0)[[0, 2]] == pytest.approx(before.mean(0)[[0, 2]], abs=0.02)
    if network.config.posterior == "factorial":
        assert found.mean(0)[1] == pytest.approx(grouped(before, groups).mean(0)[1], abs=0.01)


@pytest.fixture(scope="module")
def model(block_counts):
    settings = {"posterior": "factorial", "prior": "factorial"}
    fitted = DocNVIL(n_components=5, epochs=60, batch_size=10, random_state=0, **settings).fit(block_counts).model_
    return replace(fitted, unit_names=("zero", None, "two", None, None))


def test_every_part_follows_the_units(model, block_counts):
    edited = docnvil.drop_units(docnvil.reorder_units(model, [4, 2, 0, 1, 3]), [2])
    kept = [4, 2, 1, 3]
    assert edited.unit_names == (None, "two", None, None)
    assert edited.network.config.units == (4,)
    for name in ("documents_on", "activity", "information"):
        assert getattr(edited.statistics, name) == pytest.approx(getattr(model.statistics, name)[kept])
    assert [topic.words for topic in edited.topics()] == [model.topics()[unit].words for unit in kept]
    assert edited.transform(block_counts) == pytest.approx(model.transform(block_counts)[:, kept], abs=1e-6)
    assert [edit["edit"] for edit in edited.edits] == ["order", "drop"]
    assert "edited after training" in edited.warnings[-1]
    assert sum("edited" in each for each in edited.warnings) == 1
    assert not model.edits
    assert model.network.config.units == (5,)


def test_statistics_of_a_merged_unit_are_close_to_a_recount(model, block_counts):
    merged = docnvil.merge_units(model, [1, 3])
    recount = unit_statistics(merged.network, csr_array(block_counts))
    assert merged.statistics.activity == pytest.approx(recount.activity, abs=0.1 * len(block_counts))
    assert np.abs(merged.statistics.documents_on - recount.documents_on).max() < 0.15 * len(block_counts)
    assert merged.statistics.information[1] == pytest.approx(recount.information[1], abs=0.25)  # from sampled documents
    assert (merged.statistics.documents_on <= merged.statistics.document_frequency + 1e-9).all()


def test_edits_are_in_the_numbers_of_the_model_and_saved_with_it(model, tmp_path):
    steps = list(edit_units(model, merges=[[3, 1]], drops=[2, 0], order=[4, 3], names={1: "both", 4: "last"}))
    assert [step.network.config.units[0] for step in steps] == [4, 3, 2, 2, 2]
    last = steps[-1]
    assert last.unit_names == ("last", "both")
    docnvil.save(last, tmp_path / "model")
    loaded = docnvil.load(tmp_path / "model")
    assert loaded.edits == last.edits
    assert loaded.unit_names == last.unit_names
    assert [(edit["edit"], edit["units"], edit["units_after"]) for edit in loaded.edits] == [
        ("merge", [3, 1], 4),
        ("drop", [2], 3),
        ("drop", [0], 2),
        ("order", [4, 3], 2),
        ("name", [1, 4], 2),
    ]
    assert docnvil.rename_units(loaded, {0: None}).unit_names == (None, "both")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"merges": [[1, 1]]}, "Unit 1 cannot be merged with itself"),
        ({"merges": [[1]]}, "needs two or more units"),
        ({"merges": [[1, 2], [2, 3]]}, "Unit 2 would be merged twice"),
        ({"merges": [[1, 2]], "drops": [2]}, "Unit 2 would be both merged and dropped"),
        ({"drops": [1, 1]}, "Unit 1 would be dropped twice"),
        ({"drops": [5]}, "Unit 5 does not exist. The first layer has the units 0 to 4"),
        ({"drops": [-1]}, "Unit -1 does not exist"),
        ({"drops": ["x"]}, "Unit x does not exist"),
        ({"drops": range(5)}, "All units would be dropped"),
        ({"order": [0, 1, 2, 3]}, "leaves out unit 4"),
        ({"order": [0, 1, 2, 3, 4, 4]}, "has unit 4 twice"),
        ({"order": [0, 1, 2, 3, 4], "drops": [3]}, "has unit 3, which would be dropped"),
        ({"order": [0, 1, 2, 3, 4], "merges": [[3, 4]]}, "has unit 4 twice"),
        ({"names": {0: "two"}}, "both named 'two'"),
        ({"names": {0: "a\nb"}}, "control character"),
        ({"names": {0: "a"}, "drops": [0]}, "cannot be named"),
        ({"names": {0: "a", 1: "b"}, "merges": [[0, 1]]}, "names 'a' and 'b'"),
        ({}, "nothing to edit"),
    ],
)
def test_edits_that_are_not_possible_are_refused_before_work_begins(model, edit, message):
    with pytest.raises(ConfigurationError, match=message):
        edit_units(model, **edit)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [1],
        [{}],
        [{"edit": "sell", "units": [], "step": 1, "units_after": 4}],
        [{"edit": "drop", "units": [-1], "step": 1, "units_after": 4}],
        [{"edit": "drop", "units": [0], "step": 0, "units_after": 4}],
        [{"edit": "drop", "units": [0], "step": 1, "units_after": 5}],
        [{"edit": "name", "units": [0], "names": [3], "step": 1, "units_after": 4}],
        [{"edit": "drop", "units": [0], "step": 1, "units_after": 4, "change": {"elbo": "good"}}],
    ],
)
def test_damaged_edits_are_an_error_of_the_folder(model, tmp_path, value):
    docnvil.save(docnvil.drop_units(model, [0]), tmp_path / "model")
    assert json.loads((tmp_path / "model" / "model.json").read_text())["edits"][0]["units"] == [0]
    copy = shutil.copytree(tmp_path / "model", tmp_path / "copy")
    change_json(copy / "model.json", edits=value)
    seal(copy)
    with pytest.raises(CheckpointError, match="edit"):
        docnvil.load(copy)


def test_models_of_binary_vectors_can_be_edited():
    bits = csr_array((np.random.default_rng(0).random((200, 12)) < 0.3).astype(int))
    fitted = docnvil.fit(bits, docnvil.Settings("binary", units=(4,), epochs=3))
    merged = docnvil.merge_units(fitted, [0, 2])
    assert merged.network.config.units == (3,)
    assert np.isfinite(merged.score_samples(bits)).all()
