"""Bounds on log p(x) against enumeration, and perplexities against their definitions."""

import math
from dataclasses import astuple

import numpy as np
import pytest
import torch
from exact import exact_elbo, exact_log_likelihood, random_network
from scipy.sparse import csr_array, vstack

from docnvil.analysis import chunking
from docnvil.analysis.null_models import unigram_perplexity
from docnvil.analysis.perplexity import document_bounds
from docnvil.batches import sparse_counts
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.settings import ModelConfig

WORDS = 6


@pytest.fixture
def counts() -> csr_array:
    dense = np.random.default_rng(0).integers(0, 4, size=(9, WORDS))
    dense[4] = 0
    return csr_array(dense)


@pytest.fixture
def network() -> BeliefNetwork:
    return random_network(WORDS, (3, 2), scale=0.5)


def test_perplexity_of_the_uniform_model_is_the_vocabulary_size(counts):
    result = document_bounds(BeliefNetwork(ModelConfig(WORDS, (3,))).double(), counts, n_samples=2).summarize()
    assert result.perplexity_per_document == pytest.approx(WORDS, rel=1e-15)
    assert result.perplexity_per_word == pytest.approx(WORDS, rel=1e-15)
    assert result.kl == 0


def test_single_precision_agrees_up_to_rounding(counts, monkeypatch):
    uniform = BeliefNetwork(ModelConfig(WORDS, (3,)))
    assert document_bounds(uniform, counts).summarize().perplexity_per_document == pytest.approx(WORDS, rel=1e-6)
    network = random_network(WORDS, (3, 2), scale=0.5).float()
    whole = document_bounds(network, counts).log_likelihood
    monkeypatch.setattr(chunking, "MAX_LOGITS", 1)
    assert document_bounds(network, counts).log_likelihood == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("bound", ["elbo", "importance"])
@pytest.mark.parametrize("n_samples", [1, 10, 25])
def test_samples_do_not_depend_on_the_size_of_chunks(network, counts, bound, n_samples, monkeypatch):
    whole = document_bounds(network, counts, bound=bound, n_samples=n_samples).log_likelihood
    monkeypatch.setattr(chunking, "MAX_LOGITS", 4 * WORDS)  # four samples of one document
    chunked = document_bounds(network, counts, bound=bound, n_samples=n_samples).log_likelihood
    assert chunked == pytest.approx(whole, rel=1e-13)


def test_memory_does_not_grow_with_the_number_of_samples(network, counts, monkeypatch):
    drawn = []  # samples of all documents, per call
    sample = network.recognition.sample
    monkeypatch.setattr(chunking, "MAX_LOGITS", 1000 * WORDS)
    monkeypatch.setattr(
        network.recognition, "sample", lambda counts, n, g: drawn.append(n * len(counts)) or sample(counts, n, g)
    )
    document_bounds(network, counts[:2], bound="importance", n_samples=100_000).summarize()
    assert sum(drawn) == 200_000
    assert max(drawn) <= 1000


@pytest.mark.parametrize("bound", ["elbo", "importance"])
def test_estimates_agree_with_enumeration(counts, bound):
    network = random_network(WORDS, (3, 2), scale=0.3)
    tensors = sparse_counts(counts, torch.device("cpu"), torch.float64)
    exact = {"elbo": exact_elbo, "importance": exact_log_likelihood}[bound](network, tensors).detach().numpy()
    exact[4] = 0  # the probability of an empty document is 1, and is not estimated
    bounds = document_bounds(network, counts, bound=bound, n_samples=20_000)
    assert bounds.log_likelihood == pytest.approx(exact, abs=0.05)


def test_bounds_are_ordered(network, counts):
    tensors = sparse_counts(counts, torch.device("cpu"), torch.float64)
    likelihood = exact_log_likelihood(network, tensors).sum().item()
    elbo, loose, tight = (
        document_bounds(network, counts, bound=bound, n_samples=n).summarize().log_likelihood
        for bound, n in (("elbo", 50), ("importance", 50), ("importance", 5000))
    )
    assert elbo < loose <= tight + 0.05
    assert tight < likelihood + 0.05


def test_perplexities_follow_from_the_bounds_of_documents(network, counts):
    result = document_bounds(network, counts).summarize()
    assert result.reconstruction - result.kl == pytest.approx(result.log_likelihood)
    assert (result.documents, result.empty_documents) == (8, 1)
    assert result.tokens == counts.sum()
    bounds = document_bounds(network, counts)
    filled = bounds.lengths > 0
    assert result.perplexity_per_document == pytest.approx(
        math.exp(-np.mean(bounds.log_likelihood[filled] / bounds.lengths[filled]))
    )
    assert result.perplexity_per_word == pytest.approx(math.exp(-bounds.log_likelihood.sum() / counts.sum()))


def test_a_documents_bound_depends_on_that_document_only(network, counts, monkeypatch):
    whole = document_bounds(network, counts).log_likelihood
    order = np.random.default_rng(1).permutation(9)
    assert document_bounds(network, counts[order]).log_likelihood == pytest.approx(whole[order], rel=1e-14)
    assert document_bounds(network, counts[[7]]).log_likelihood == pytest.approx(whole[[7]], rel=1e-14)
    monkeypatch.setattr(chunking, "MAX_LOGITS", 1)  # one document per batch
    assert document_bounds(network, counts).log_likelihood == pytest.approx(whole, rel=1e-14)


def test_log_likelihoods_of_two_parts_add_up(network, counts):
    halves = [document_bounds(network, half).summarize().log_likelihood for half in (counts[:3], counts[3:])]
    assert sum(halves) == pytest.approx(document_bounds(network, counts).summarize().log_likelihood, rel=1e-12)


def test_empty_documents_change_nothing(network, counts):
    with_empty = csr_array(vstack([counts, csr_array((3, WORDS), dtype=counts.dtype)]))
    few, many = document_bounds(network, counts).summarize(), document_bounds(network, with_empty).summarize()
    assert many.perplexity_per_document == pytest.approx(few.perplexity_per_document, rel=1e-12)
    assert many.empty_documents == few.empty_documents + 3


def test_equal_seeds_give_equal_results(network, counts):
    first, again, other = (document_bounds(network, counts, seed=seed).summarize() for seed in (0, 0, 1))
    assert astuple(first) == astuple(again)
    assert first.log_likelihood != other.log_likelihood


def test_unigram_perplexity_is_the_cross_entropy():
    result = unigram_perplexity(np.array([3.0, 1.0]), csr_array(np.array([[1, 1], [0, 0]])), pseudo_count=0)
    assert result.perplexity_per_word == pytest.approx(1 / math.sqrt(0.75 * 0.25))
    assert result.empty_documents == 1
    assert (result.bound, result.samples, result.temperatures) == ("exact", 0, 0)


def test_counts_of_another_width_raise_an_error(network, counts):
    with pytest.raises(VocabularyError, match=r"5 columns.* 6 words"):
        document_bounds(network, counts[:, :5]).summarize()


def test_a_corpus_without_words_raises_an_error(network):
    with pytest.raises(CorpusError, match="nothing to predict"):
        document_bounds(network, csr_array((3, WORDS), dtype=np.int64)).summarize()


@pytest.mark.parametrize("options", [{"n_samples": 0}, {"bound": "exactly"}, {"bound": "annealed", "temperatures": 0}])
def test_invalid_estimators_raise_an_error(network, counts, options):
    with pytest.raises(ConfigurationError):
        document_bounds(network, counts, **options).summarize()
