"""Annealed importance sampling: Gibbs sweeps leave their distribution invariant, and weights are unbiased."""

import numpy as np
import pytest
import torch
from exact import enumerate_samples, exact_log_likelihood, joint_terms, random_network, sparse
from scipy.sparse import csr_array

from docnvil.analysis import chunking, gibbs
from docnvil.analysis.annealed import annealed_log_weights
from docnvil.analysis.gibbs import gibbs_sweep
from docnvil.analysis.perplexity import document_bounds
from docnvil.batches import sparse_counts
from docnvil.model.belief_network import BeliefNetwork
from docnvil.runtime.randomness import KeyedGenerator

WORDS = 6
KINDS = [
    {"units": (4,)},
    {"units": (3, 2)},
    {"units": (4,), "prior": "autoregressive", "posterior": "autoregressive"},
    {"units": (2, 2, 2), "posterior": "autoregressive", "observation": "dirichlet-multinomial"},
    {"units": (2, 2), "prior": "mixture", "themes": 3},
]


@pytest.fixture
def counts() -> csr_array:
    dense = np.random.default_rng(0).integers(0, 4, size=(7, WORDS))
    dense[4] = 0
    return csr_array(dense)


@pytest.fixture
def network() -> BeliefNetwork:
    return random_network(WORDS, (3, 2))


def tensors_of(counts: csr_array):
    return sparse_counts(counts, torch.device("cpu"), torch.float64)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_a_sweep_leaves_its_distribution_invariant(kind, beta):
    """The numbers of samples with each setting are proportional to f, before and after."""
    network = random_network(WORDS, **kind)
    counts = sparse(torch.tensor([[2.0, 0, 1, 1, 0, 3]], dtype=torch.float64))
    log_p, log_q, samples = joint_terms(network, counts)
    f = torch.softmax((1 - beta) * sum(log_q) + beta * sum(log_p), 0).detach()[:, 0]  # [M]
    copies = (f * 60_000).round().long()
    start = tuple(layer.repeat_interleave(copies, 0) for layer in samples)
    stop = gibbs_sweep(network, counts, start, beta, KeyedGenerator(0, torch.tensor([1])))
    digits = 2.0 ** torch.arange(sum(network.config.units))
    numbers, settings = (torch.cat(layers, -1)[:, 0] @ digits.double() for layers in (stop, samples))
    frequencies = torch.stack([(numbers == setting).double().mean() for setting in settings])
    assert frequencies == pytest.approx(f, abs=4 * (0.25 / 60_000) ** 0.5)
    assert any(not torch.equal(a, b) for a, b in zip(start, stop, strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_mean_weight_estimates_the_probability_of_the_document(counts, kind):
    network, tensors = random_network(WORDS, **kind), tensors_of(counts)
    generator = KeyedGenerator(0, torch.arange(7))
    samples = network.recognition.sample(tensors, 4000, generator)
    weights = annealed_log_weights(network, tensors, samples, 4, generator).exp()
    exact = exact_log_likelihood(network, tensors).exp().detach()
    error = (weights.mean(0) - exact) / (weights.std(0) / 4000**0.5)
    assert error.abs().max() < 4


def test_one_temperature_is_importance_weighting(network, counts):
    annealed, weighted = (
        document_bounds(network, counts, bound=bound, temperatures=1).log_likelihood
        for bound in ("annealed", "importance")
    )
    assert annealed == pytest.approx(weighted, rel=1e-12)


def test_the_annealed_bound_lies_between_the_importance_weighted_and_the_exact_one(counts):
    network = random_network(WORDS, (4, 3), scale=1.0)
    counts = csr_array(np.tile(counts.toarray() * 3, (20, 1)) + np.eye(140, WORDS, dtype=int))
    weighted, few, many, exact = (
        document_bounds(network, counts, **options).summarize().log_likelihood
        for options in (
            {"bound": "importance"},
            {"bound": "annealed", "temperatures": 5},
            {"bound": "annealed", "temperatures": 50},
            {"bound": "exact"},
        )
    )
    assert weighted < few < many < exact


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_documents_bound_depends_on_that_document_only(counts, kind, monkeypatch):
    network = random_network(WORDS, **kind)
    options = {"bound": "annealed", "temperatures": 4, "n_samples": 25}
    whole = document_bounds(network, counts, **options).log_likelihood
    assert document_bounds(network, counts[[5]], **options).log_likelihood == pytest.approx(whole[[5]], rel=1e-12)
    monkeypatch.setattr(chunking, "MAX_LOGITS", 7 * WORDS)
    assert document_bounds(network, counts, **options).log_likelihood == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("layer", ["SoftmaxLayer", "DirichletMultinomialLayer"])
def test_the_fast_path_of_a_layer_of_words_gives_the_same_samples(layer, counts, monkeypatch):
    observation = "softmax" if layer == "SoftmaxLayer" else "dirichlet-multinomial"
    network, tensors = random_network(WORDS, (5,), observation=observation), tensors_of(counts)
    start = tuple(units[:32] for units in enumerate_samples(network, 7))
    fast = gibbs_sweep(network, tensors, start, 0.7, KeyedGenerator(0, torch.arange(7)))
    monkeypatch.setattr(gibbs, layer, type(None))  # so that the general path is taken
    plain = gibbs_sweep(network, tensors, start, 0.7, KeyedGenerator(0, torch.arange(7)))
    assert torch.equal(fast[0], plain[0])
    assert not torch.equal(fast[0], start[0])
