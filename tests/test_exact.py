"""The exact log-likelihood against a plain sum over all settings of the units."""

from itertools import product

import numpy as np
import pytest
import torch
from exact import exact_elbo, exact_log_likelihood, random_network
from scipy.sparse import csr_array

from docnvil.analysis import exact as module
from docnvil.analysis.perplexity import document_bounds
from docnvil.batches import sparse_counts
from docnvil.errors import ConfigurationError

WORDS = 6
KINDS = [
    {"units": (5,)},
    {"units": (3, 2)},
    {"units": (4, 3, 2)},
    {"units": (5,), "prior": "autoregressive", "posterior": "autoregressive"},
    {"units": (3, 2), "posterior": "autoregressive", "observation": "dirichlet-multinomial"},
    {"units": (5,), "prior": "mixture", "themes": 3},
    {"units": (3, 2), "prior": "mixture", "themes": 4, "posterior": "autoregressive"},
]


@pytest.fixture
def counts() -> csr_array:
    dense = np.random.default_rng(0).integers(0, 4, size=(9, WORDS))
    dense[4] = 0
    return csr_array(dense)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("max_values", [1, 100, 2_000_000])
def test_the_log_likelihood_is_the_sum_over_all_settings(counts, kind, max_values, monkeypatch):
    monkeypatch.setattr(module, "MAX_VALUES", max_values)
    network = random_network(WORDS, **kind)
    tensors = sparse_counts(counts, torch.device("cpu"), torch.float64)
    filled = np.arange(9) != 4
    bounds = document_bounds(network, counts, bound="exact")
    expected = exact_log_likelihood(network, tensors).detach().numpy()
    assert bounds.log_likelihood == pytest.approx(expected * filled, rel=1e-12)
    elbo = exact_elbo(network, tensors).detach().numpy()
    assert bounds.reconstruction - bounds.kl == pytest.approx(elbo * filled, rel=1e-12)


@pytest.mark.parametrize("observation", ["bernoulli", "autoregressive-bernoulli"])
def test_probabilities_of_all_binary_vectors_sum_to_one(observation):
    vectors = np.array(list(product([0, 1], repeat=WORDS)))
    network = random_network(WORDS, (3, 2), observation=observation)
    exact, annealed = (
        document_bounds(network, csr_array(vectors), bound=bound, n_samples=400, temperatures=3)
        for bound in ("exact", "annealed")
    )
    assert np.exp(exact.log_likelihood).sum() == pytest.approx(1, rel=1e-12)
    assert np.exp(annealed.log_likelihood).sum() == pytest.approx(1, rel=0.05)


def test_probabilities_of_all_documents_of_a_length_sum_to_one():
    """All sequences of two words, including both orders of two different words."""
    pairs = [np.eye(WORDS, dtype=int)[i] + np.eye(WORDS, dtype=int)[j] for i in range(WORDS) for j in range(WORDS)]
    network = random_network(WORDS, (3, 2), observation="dirichlet-multinomial")
    bounds = document_bounds(network, csr_array(np.array(pairs)), bound="exact")
    assert np.exp(bounds.log_likelihood).sum() == pytest.approx(1, rel=1e-12)


def test_exact_bounds_do_not_depend_on_samples_or_batches(counts, monkeypatch):
    network = random_network(WORDS, (3, 2))
    whole = document_bounds(network, counts, bound="exact").summarize()
    assert whole.samples == whole.temperatures == 0
    monkeypatch.setattr("docnvil.analysis.perplexity.DOCUMENTS_PER_EXACT_BATCH", 2)
    batched = document_bounds(network, counts, bound="exact", n_samples=3, seed=5).summarize()
    assert batched.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-13)


def test_at_most_twenty_units_are_enumerated(counts):
    result = document_bounds(random_network(WORDS, (12, 8), scale=0.1), counts[:1], bound="exact").summarize()
    assert result.log_likelihood < 0
    with pytest.raises(ConfigurationError, match="at most 20 units, and the model has 21"):
        document_bounds(random_network(WORDS, (12, 9)), counts, bound="exact").summarize()
