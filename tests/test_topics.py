import numpy as np
import pytest
import torch
from exact import joint_terms, random_network
from scipy.sparse import csr_array

from docnvil.batches import sparse_counts
from docnvil.codes import prior_probabilities, unit_probabilities
from docnvil.estimator import DocNVIL
from docnvil.topics import UnitStatistics, topics, unit_statistics


@pytest.fixture(scope="module")
def fitted(block_counts) -> DocNVIL:
    return DocNVIL(n_components=6, epochs=150, batch_size=20, l1=0, random_state=0).fit(block_counts)


def test_statistics_agree_with_the_dense_definition(fitted, block_counts):
    counts = csr_array(block_counts)
    found = unit_statistics(fitted.model_, counts)
    on = unit_probabilities(fitted.model_, counts)
    assert found.documents_on == pytest.approx(on.T @ (block_counts > 0))
    assert found.document_frequency == pytest.approx((block_counts > 0).sum(0))
    assert found.activity == pytest.approx(on.sum(0))
    assert found.n_documents == len(block_counts)


def test_statistics_do_not_depend_on_batches_or_empty_documents(fitted, block_counts, monkeypatch):
    whole = unit_statistics(fitted.model_, csr_array(block_counts))
    monkeypatch.setattr("docnvil.topics.BATCH_SIZE", 7)
    pieces = unit_statistics(fitted.model_, csr_array(np.vstack([block_counts, np.zeros((2, 15), dtype=int)])))
    for name in UnitStatistics.__dataclass_fields__:
        assert getattr(pieces, name) == pytest.approx(getattr(whole, name)), name


def test_units_list_the_words_of_one_subject_first(fitted):
    """A unit may stand for one block or, by its absence, for the two others; it never mixes parts of blocks."""
    live = [topic for topic in fitted.topics(n_words=5) if not topic.dead]
    assert len(live) >= 2
    for topic in live:
        assert len({word // 5 for word in topic.words}) == 1


def test_scores_fall_and_words_are_distinct(fitted):
    for topic in fitted.topics(n_words=15):
        assert len(set(topic.words)) == len(topic.words) < 15  # words of other blocks do not speak for the unit
        assert list(topic.scores) == sorted(topic.scores, reverse=True)
        assert all(score > 0 for score in topic.scores)


def test_a_unit_that_ignores_the_document_is_dead(fitted, block_counts):
    model = fitted.model_
    before = model.recognition.first.linear.weight.detach().clone()
    try:
        model.recognition.first.linear.weight.data[:, 0] = 0
        statistics = unit_statistics(model, csr_array(block_counts))
        assert statistics.dead[0]
        assert topics(model, statistics)[0].dead
    finally:
        model.recognition.first.linear.weight.data.copy_(before)


def test_an_empty_document_has_the_priors_code(fitted, block_counts):
    with_empty = csr_array(np.vstack([block_counts[:1], np.zeros((1, 15), dtype=int)]))
    assert unit_probabilities(fitted.model_, with_empty)[1] == pytest.approx(prior_probabilities(fitted.model_))


def test_deeper_layers_come_side_by_side(block_counts):
    deep = DocNVIL(n_components=(4, 2), epochs=2, random_state=0).fit(block_counts)
    assert deep.transform(block_counts).shape == (120, 6)
    assert prior_probabilities(deep.model_).shape == (6,)


def test_probabilities_of_chains_agree_with_enumeration():
    network = random_network(6, (3, 2), scale=0.5, prior="autoregressive", posterior="autoregressive")
    counts = csr_array(np.random.default_rng(0).integers(0, 3, size=(4, 6)) + 1)
    _, log_q, codes = joint_terms(network, sparse_counts(counts, torch.empty(0, dtype=torch.float64)))
    weights = sum(log_q).exp()[..., None]
    expected = torch.cat([(weights * layer).sum(0) for layer in codes], dim=1).detach().numpy()
    assert unit_probabilities(network, counts, n_samples=20_000) == pytest.approx(expected, abs=0.02)
    empty = sparse_counts(csr_array((1, 6), dtype=int), torch.empty(0, dtype=torch.float64))
    log_p, _, codes = joint_terms(network, empty)
    weights = sum(log_p).exp()[..., None]
    expected = torch.cat([(weights * layer).sum((0, 1)) for layer in codes]).detach().numpy()
    assert prior_probabilities(network) == pytest.approx(expected, abs=0.03)


def test_layers_are_listed_from_the_document_upward(block_counts):
    deep = DocNVIL(n_components=(4, 2), epochs=2, random_state=0).fit(block_counts)
    assert [topic.unit for topic in deep.topics()] == [0, 1, 2, 3]
