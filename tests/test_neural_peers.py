"""Neural topic models of the benchmarks: bounds lie below the likelihood, predictions are distributions."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from docnvil.analysis.completion import evaluate_predictor
from docnvil.errors import VocabularyError

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from neural_peers.gaussian import NeuralTopics, bounds
from neural_peers.nvdm import NVDM
from neural_peers.training import NEURAL_PEERS, SETTINGS_GRID, select_settings, train


def small_model(name: str, n_topics: int, vocabulary_size: int = 6) -> torch.nn.Module:
    """Build a model with larger weights than the initial ones, in evaluation mode."""
    model = NEURAL_PEERS[name](
        vocabulary_size, n_topics, torch.ones(vocabulary_size), torch.Generator().manual_seed(1)
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return model


@pytest.fixture
def documents() -> csr_array:
    counts = np.random.default_rng(0).poisson(1.0, size=(7, 6))
    counts[3] = 0
    return csr_array(counts)


def test_bounds_are_below_the_likelihood_and_the_importance_weighted_one_reaches_it(documents):
    """A one-dimensional code is integrated numerically on a fine grid."""
    model = small_model("NVDM", 1)
    grid = torch.linspace(-8, 8, 4001)[:, None]
    with torch.no_grad():
        log_words = torch.log_softmax(model.logits(grid), -1).double()  # [grid, V]
    log_p = torch.from_numpy(documents.toarray()).double() @ log_words.T + model.prior.log_prob(grid[:, 0]).double()
    exact = (torch.logsumexp(log_p, 1) + np.log(16 / 4000)).numpy() * (documents.sum(axis=1) > 0)
    bound = bounds(model, documents, n_samples=2000)
    tighter = bounds(model, documents, n_samples=50_000, importance_weighted=True)
    assert (bound.log_likelihood <= exact + 0.02).all()
    assert tighter.log_likelihood == pytest.approx(exact, abs=0.05)
    assert bound.log_likelihood == pytest.approx(bound.reconstruction - bound.kl)
    assert bound.log_likelihood[3] == 0
    assert bound.lengths.tolist() == documents.sum(axis=1).tolist()


@pytest.mark.parametrize("name", NEURAL_PEERS)
def test_predictions_are_distributions_and_repeat(name, documents):
    topics = NeuralTopics(small_model(name, 3), seed=2)
    predicted = topics.predict(documents)
    assert predicted.shape == (7, 6)
    assert predicted.sum(1) == pytest.approx(1)
    assert np.array_equal(predicted, topics.predict(documents))
    assert topics.topics.sum(1) == pytest.approx(1)
    assert topics.encode(documents).shape == (7, 3)
    assert len(topics.words(4)) == 3
    with pytest.raises(VocabularyError, match="5 columns, but the model has 6 words"):
        topics.predict(documents[:, :5])


def test_a_posterior_equal_to_the_prior_has_zero_kl(documents):
    model = small_model("NVDM", 2)
    for layer in (model.mean, model.log_variance):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    assert bounds(model, documents).kl == pytest.approx(0)


@pytest.mark.parametrize("name", NEURAL_PEERS)
def test_training_finds_the_blocks_and_is_reproducible(name, block_counts):
    counts = csr_array(block_counts)
    settings = {"learning_rate": 0.02, "dropout": 0.0}
    trained = train(name, counts, 4, 0, settings, max_epochs=30)
    scores = evaluate_predictor(NeuralTopics(trained.model).predict, counts, counts)
    assert scores.summarize().perplexity_per_word < 10  # 5 is optimal, 15 is the uniform model
    brief = [train(name, counts, 4, 0, settings, max_epochs=2).validation_bound for _ in range(2)]
    assert brief[0] == brief[1]


def test_settings_are_chosen_by_the_validation_bound(block_counts):
    best, results = select_settings("ProdLDA", csr_array(block_counts), 4, 0, max_epochs=2)
    assert [each.settings for each in results] == list(SETTINGS_GRID["ProdLDA"])
    assert best.validation_bound == max(each.validation_bound for each in results)


def test_nvdm_starts_at_the_word_frequencies():
    frequencies = torch.tensor([3.0, 1.0, 0.0])
    model = NVDM(3, 2, frequencies, torch.Generator().manual_seed(0))
    start = torch.softmax(model.logits(torch.zeros(2)), -1)
    assert start.tolist() == pytest.approx([0.75, 0.25, 0.0], abs=0.01)
