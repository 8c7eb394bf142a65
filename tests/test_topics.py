"""Unit probabilities, the statistics of units and the words that describe them."""

import numpy as np
import pytest
import torch
from exact import joint_terms, random_network
from scipy.sparse import csr_array

from docnvil.analysis.topics import UnitStatistics, duplicates, exclusivity, general_units, topics, unit_statistics
from docnvil.analysis.unit_probabilities import prior_probabilities, unit_probabilities
from docnvil.batches import sparse_counts
from docnvil.estimator import DocNVIL


@pytest.fixture(scope="module")
def fitted(block_counts) -> DocNVIL:
    return DocNVIL(n_components=6, epochs=150, batch_size=20, l1=0, random_state=0).fit(block_counts)


def test_statistics_agree_with_their_definition(fitted, block_counts):
    counts = csr_array(block_counts)
    statistics = unit_statistics(fitted.model_.network, counts)
    on = unit_probabilities(fitted.model_.network, counts)
    assert statistics.documents_on == pytest.approx(on.T @ (block_counts > 0))
    assert statistics.document_frequency == pytest.approx((block_counts > 0).sum(0))
    assert statistics.activity == pytest.approx(on.sum(0))
    assert statistics.n_documents == len(block_counts)


def test_statistics_do_not_depend_on_batches_or_empty_documents(fitted, block_counts, monkeypatch):
    whole = unit_statistics(fitted.model_.network, csr_array(block_counts))
    monkeypatch.setattr("docnvil.analysis.topics.BATCH_SIZE", 7)
    batched = unit_statistics(fitted.model_.network, csr_array(np.vstack([block_counts, np.zeros((2, 15), dtype=int)])))
    for name in UnitStatistics.__dataclass_fields__:
        assert getattr(batched, name) == pytest.approx(getattr(whole, name)), name


def test_units_list_the_words_of_one_subject_first(fitted):
    """Live units may represent the same subject, but none mixes words of two subjects."""
    live = [topic for topic in fitted.topics(top_n=5) if not topic.dead]
    assert len(live) >= 2
    for topic in live:
        assert len({word // 5 for word in topic.words}) == 1


def test_words_are_distinct_and_in_descending_order_of_their_scores(fitted):
    for topic in fitted.topics(top_n=15):
        assert len(set(topic.words)) == len(topic.words) < 15  # words of other subjects have a score of 0
        assert list(topic.scores) == sorted(topic.scores, reverse=True)
        assert all(score > 0 for score in topic.scores)


def test_a_unit_that_ignores_the_document_is_dead(fitted, block_counts):
    model = fitted.model_.network
    before = model.recognition.first.linear.weight.detach().clone()
    try:
        model.recognition.first.linear.weight.data[:, 0] = 0
        statistics = unit_statistics(model, csr_array(block_counts))
        assert statistics.dead[0]
        assert topics(model, statistics)[0].dead
    finally:
        model.recognition.first.linear.weight.data.copy_(before)


def test_an_empty_document_has_the_prior_probabilities(fitted, block_counts):
    with_empty = csr_array(np.vstack([block_counts[:1], np.zeros((1, 15), dtype=int)]))
    assert unit_probabilities(fitted.model_.network, with_empty)[1] == pytest.approx(
        prior_probabilities(fitted.model_.network)
    )


def test_all_layers_have_probabilities(block_counts):
    deep = DocNVIL(n_components=(4, 2), epochs=2, random_state=0).fit(block_counts)
    assert deep.transform(block_counts).shape == (120, 6)
    assert prior_probabilities(deep.model_.network).shape == (6,)


@pytest.mark.parametrize("units", [(3, 2), (4,)])
@pytest.mark.parametrize("posterior", ["factorial", "autoregressive"])
def test_unit_probabilities_agree_with_enumeration(posterior, units):
    network = random_network(6, units, scale=0.5, prior="autoregressive", posterior=posterior)
    counts = csr_array(np.random.default_rng(0).integers(0, 3, size=(4, 6)) + 1)
    _, log_q, samples = joint_terms(network, sparse_counts(counts, torch.device("cpu"), torch.float64))
    weights = sum(log_q).exp()[..., None]
    expected = torch.cat([(weights * layer).sum(0) for layer in samples], dim=1).detach().numpy()
    assert unit_probabilities(network, counts, n_samples=20_000) == pytest.approx(expected, abs=0.02)
    empty = sparse_counts(csr_array((1, 6), dtype=int), torch.device("cpu"), torch.float64)
    log_p, _, samples = joint_terms(network, empty)
    weights = sum(log_p).exp()[..., None]
    expected = torch.cat([(weights * layer).sum((0, 1)) for layer in samples]).detach().numpy()
    assert prior_probabilities(network) == pytest.approx(expected, abs=0.03)


def test_sampled_probabilities_depend_on_the_seed_and_the_number_of_samples():
    network = random_network(6, (3, 2), posterior="autoregressive")
    counts = csr_array(np.random.default_rng(0).integers(0, 3, size=(4, 6)) + 1)
    first, again = (unit_probabilities(network, counts) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, unit_probabilities(network, counts, seed=1))
    assert not np.array_equal(first, unit_probabilities(network, counts, n_samples=4))


@pytest.mark.parametrize("units", [(3,), (3, 2)])
def test_probabilities_have_the_dtype_of_the_model(units):
    counts = csr_array(np.array([[2, 0, 1], [0, 0, 0], [1, 3, 0]]))
    for dtype, expected in ((torch.float32, np.float32), (torch.float64, np.float64)):
        network = random_network(3, units).to(dtype)
        assert unit_probabilities(network, counts).dtype == expected
        assert prior_probabilities(network).dtype == expected


def statistics_of(on: list[list[float]], without: list[float], information: list[float]) -> UnitStatistics:
    """A thousand documents, a hundred with each unit on; `on` and `without` are shares of documents with each word.

    `without` are those where the first unit is off.
    """
    documents_on = np.array(on) * 101
    frequency = documents_on[0] + np.array(without) * 901
    activity = np.full(len(on), 100.0)
    return UnitStatistics(documents_on, frequency, frequency, activity, np.array(information), 1000)


def test_words_of_one_unit_are_exclusive_and_words_of_all_units_are_not():
    statistics = statistics_of([[0.5, 0.6, 0.3], [0.0, 0.6, 0.1], [0.0, 0.6, 0.9]], [0, 0.6, 0], [0.1, 0.1, 0.0])
    assert exclusivity(statistics, [[0], [1], []])[:2] == pytest.approx([1, 0.5], abs=1e-3)  # the third unit is dead
    assert exclusivity(statistics, [[0, 2], [1], []])[0] == pytest.approx((1 + 0.3 / 0.4) / 2, abs=1e-3)
    assert np.isnan(exclusivity(statistics, [[0], [1], []])[2])


def test_less_informative_units_with_the_same_scores_are_duplicates():
    scores = np.array([[3.0, 1, 0], [3, 1.2, 0], [0, 0, 1], [3, 0.9, 0], [3, 1, 0]])
    statistics = statistics_of([[0.1] * 3] * 5, [0.1] * 3, [0.2, 0.4, 0.1, 0.3, 0.0])
    assert duplicates(statistics, scores) == [1, None, None, 1, None]  # the last unit is dead


def test_words_that_are_common_without_the_unit_are_general():
    shares = [[0.4, 0.3, 0.02, 0.05]]
    assert general_units(statistics_of(shares, [0.15, 0.1, 0.01, 0.001], [0.1]), [[0, 1]]).all()  # common words
    assert general_units(statistics_of(shares, [0.15, 0.1, 0.01, 0.001], [0.1]), [[2]]).all()  # hardly more frequent
    assert not general_units(statistics_of(shares, [0.15, 0.1, 0.01, 0.001], [0.1]), [[3]]).any()
    assert not general_units(statistics_of(shares, [0.15, 0.1, 0.01, 0.001], [0.0]), [[0, 1]]).any()  # dead


def test_a_copied_unit_is_a_duplicate(fitted, block_counts):
    model = fitted.model_.network
    live = next(topic.unit for topic in fitted.topics() if not topic.dead)
    copy = (live + 1) % 6
    parameters = (
        model.generative.visible.weight.data.T,
        model.recognition.first.linear.weight.data.T,
        model.recognition.first.linear.bias.data,
    )
    before = [parameter[copy].clone() for parameter in parameters]
    try:
        for parameter in parameters:
            parameter[copy] = parameter[live]
        described = topics(model, unit_statistics(model, csr_array(block_counts)))
        assert any(described[unit].duplicate_of is not None for unit in (live, copy))
    finally:
        for parameter, value in zip(parameters, before, strict=True):
            parameter[copy] = value


def test_topics_describe_the_first_layer(block_counts):
    deep = DocNVIL(n_components=(4, 2), epochs=2, random_state=0).fit(block_counts)
    assert [topic.unit for topic in deep.topics()] == [0, 1, 2, 3]
