import math
from dataclasses import astuple

import numpy as np
import pytest
import torch
from exact import exact_elbo, exact_log_likelihood, random_network
from scipy.sparse import csr_array, vstack

from docnvil.analysis import chunking
from docnvil.analysis.null_models import unigram_perplexity
from docnvil.analysis.perplexity import document_bounds, perplexity
from docnvil.batches import sparse_counts
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.belief_network import BeliefNetwork, ModelConfig

WORDS = 6


@pytest.fixture
def counts() -> csr_array:
    dense = np.random.default_rng(0).integers(0, 4, size=(9, WORDS))
    dense[4] = 0
    return csr_array(dense)


@pytest.fixture
def network() -> BeliefNetwork:
    return random_network(WORDS, (3, 2), scale=0.5)


def test_uniform_model_has_the_vocabulary_for_perplexity(counts):
    found = perplexity(BeliefNetwork(ModelConfig(WORDS, (3,))).double(), counts, n_samples=2)
    assert found.perplexity_per_document == pytest.approx(WORDS, rel=1e-15)
    assert found.perplexity_per_word == pytest.approx(WORDS, rel=1e-15)
    assert found.kl == 0


def test_single_precision_means_the_same_but_for_rounding(counts, monkeypatch):
    uniform = BeliefNetwork(ModelConfig(WORDS, (3,)))
    assert perplexity(uniform, counts).perplexity_per_document == pytest.approx(WORDS, rel=1e-6)
    network = random_network(WORDS, (3, 2), scale=0.5).float()
    whole = document_bounds(network, counts).log_likelihood
    monkeypatch.setattr(chunking, "MAX_LOGITS", 1)
    assert document_bounds(network, counts).log_likelihood == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("bound", ["elbo", "importance"])
@pytest.mark.parametrize("n_samples", [1, 10, 25])
def test_samples_in_several_lots_are_the_same_samples(network, counts, bound, n_samples, monkeypatch):
    whole = document_bounds(network, counts, bound=bound, n_samples=n_samples).log_likelihood
    monkeypatch.setattr(chunking, "MAX_LOGITS", 4 * WORDS)  # four samples of one document
    pieces = document_bounds(network, counts, bound=bound, n_samples=n_samples).log_likelihood
    assert pieces == pytest.approx(whole, rel=1e-13)


def test_a_million_samples_are_never_alive_together(network, counts, monkeypatch):
    """The largest lot that q is asked for does not grow with the number of samples."""
    asked = []
    sample = network.recognition.sample
    monkeypatch.setattr(chunking, "MAX_LOGITS", 1000 * WORDS)
    monkeypatch.setattr(
        network.recognition, "sample", lambda counts, n, g: asked.append(n * len(counts)) or sample(counts, n, g)
    )
    perplexity(network, counts[:2], bound="importance", n_samples=100_000)
    assert sum(asked) == 200_000
    assert max(asked) <= 1000


@pytest.mark.parametrize("bound", ["elbo", "importance"])
def test_estimates_meet_the_enumerated_values(counts, bound):
    network = random_network(WORDS, (3, 2), scale=0.3)
    tensors = sparse_counts(counts, torch.device("cpu"), torch.float64)
    exact = {"elbo": exact_elbo, "importance": exact_log_likelihood}[bound](network, tensors).detach().numpy()
    exact[4] = 0  # the probability of an empty document is known, whatever q makes of it
    found = document_bounds(network, counts, bound=bound, n_samples=20_000)
    assert found.log_likelihood == pytest.approx(exact, abs=0.05)


def test_bounds_are_ordered(network, counts):
    tensors = sparse_counts(counts, torch.device("cpu"), torch.float64)
    likelihood = exact_log_likelihood(network, tensors).sum().item()
    elbo, loose, tight = (
        perplexity(network, counts, bound=bound, n_samples=n).log_likelihood
        for bound, n in (("elbo", 50), ("importance", 50), ("importance", 5000))
    )
    assert elbo < loose <= tight + 0.05
    assert tight < likelihood + 0.05


def test_parts_add_up(network, counts):
    found = perplexity(network, counts)
    assert found.reconstruction - found.kl == pytest.approx(found.log_likelihood)
    assert found.documents + found.empty_documents == 9
    assert found.empty_documents == 1
    assert found.tokens == counts.sum()
    bounds = document_bounds(network, counts)
    filled = bounds.lengths > 0
    assert found.perplexity_per_document == pytest.approx(
        math.exp(-np.mean(bounds.log_likelihood[filled] / bounds.lengths[filled]))
    )
    assert found.perplexity_per_word == pytest.approx(math.exp(-bounds.log_likelihood.sum() / counts.sum()))


def test_a_documents_value_depends_on_nothing_but_the_document(network, counts, monkeypatch):
    whole = document_bounds(network, counts).log_likelihood
    order = np.random.default_rng(1).permutation(9)
    assert document_bounds(network, counts[order]).log_likelihood == pytest.approx(whole[order], rel=1e-14)
    assert document_bounds(network, counts[[7]]).log_likelihood == pytest.approx(whole[[7]], rel=1e-14)
    monkeypatch.setattr(chunking, "MAX_LOGITS", 1)  # a document a batch
    assert document_bounds(network, counts).log_likelihood == pytest.approx(whole, rel=1e-14)


def test_values_are_additive(network, counts):
    parts = [perplexity(network, part).log_likelihood for part in (counts[:3], counts[3:])]
    assert sum(parts) == pytest.approx(perplexity(network, counts).log_likelihood, rel=1e-12)


def test_empty_documents_change_nothing(network, counts):
    with_empty = csr_array(vstack([counts, csr_array((3, WORDS), dtype=counts.dtype)]))
    few, many = perplexity(network, counts), perplexity(network, with_empty)
    assert many.perplexity_per_document == pytest.approx(few.perplexity_per_document, rel=1e-12)
    assert many.empty_documents == few.empty_documents + 3


def test_seeds_matter_and_repeat(network, counts):
    first, again, other = (perplexity(network, counts, seed=seed) for seed in (0, 0, 1))
    assert astuple(first) == astuple(again)
    assert first.log_likelihood != other.log_likelihood


def test_unigram_perplexity_is_the_cross_entropy():
    found = unigram_perplexity(np.array([3.0, 1.0]), csr_array(np.array([[1, 1], [0, 0]])), pseudo_count=0)
    assert found.perplexity_per_word == pytest.approx(1 / math.sqrt(0.75 * 0.25))
    assert found.empty_documents == 1


def test_wrong_width_is_refused(network, counts):
    with pytest.raises(VocabularyError, match=r"5 columns.* 6 words"):
        perplexity(network, counts[:, :5])


def test_nothing_to_predict_is_refused(network):
    with pytest.raises(CorpusError, match="nothing to predict"):
        perplexity(network, csr_array((3, WORDS), dtype=np.int64))


@pytest.mark.parametrize("options", [{"n_samples": 0}, {"bound": "exactly"}, {"bound": "annealed", "temperatures": 0}])
def test_impossible_estimators_are_refused(network, counts, options):
    with pytest.raises(ConfigurationError):
        perplexity(network, counts, **options)
