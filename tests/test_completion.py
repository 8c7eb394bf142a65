import numpy as np
import pytest
import torch
from exact import joint_terms, random_network
from scipy.sparse import csr_array

from docnvil.analysis.completion import evaluate_completion, evaluate_predictor, predict_words, split_words
from docnvil.batches import sparse_counts
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError

WORDS = 6


@pytest.fixture
def parts() -> tuple[csr_array, csr_array]:
    generator = np.random.default_rng(0)
    observed, predicted = (generator.integers(0, 3, size=(8, WORDS)) for _ in range(2))
    observed[2] = 0
    predicted[5] = 0
    return csr_array(observed), csr_array(predicted)


@pytest.mark.parametrize("units", [(4,), (3, 2)])
def test_predictions_meet_the_enumerated_posterior(parts, units):
    network, observed = random_network(WORDS, units, scale=0.4), parts[0]
    log_p, _, codes = joint_terms(network, sparse_counts(observed, torch.device("cpu"), torch.float64))
    posterior = torch.softmax(sum(log_p), 0)  # [M, B]
    expected = (posterior[..., None] * network.generative.visible_distribution(codes).mean).sum(0).detach().numpy()
    found = predict_words(network, observed, n_samples=5000)
    assert found == pytest.approx(expected, abs=0.01)
    assert found.sum(1) == pytest.approx(1)


def test_figures_follow_from_the_predictions(parts):
    network = random_network(WORDS, (3,), scale=0.4)
    found = evaluate_completion(network, *parts).summarize()
    observed, predicted = parts
    nats = (predicted.toarray() * np.log(predict_words(network, observed))).sum(1)
    lengths = predicted.toarray().sum(1)
    assert found.log_likelihood == pytest.approx(nats.sum())
    assert found.perplexity_per_word == pytest.approx(np.exp(-nats.sum() / lengths.sum()))
    filled = lengths > 0
    assert found.perplexity_per_document == pytest.approx(np.exp(-np.mean(nats[filled] / lengths[filled])))
    assert (found.documents, found.skipped, found.tokens) == (7, 1, lengths.sum())


def test_batches_and_order_change_nothing(parts):
    network = random_network(WORDS, (3,), scale=0.4)
    turned = [part[::-1] for part in parts]
    whole, reversed_ = (evaluate_completion(network, *each).summarize() for each in (parts, turned))
    assert whole.log_likelihood == pytest.approx(reversed_.log_likelihood, rel=1e-12)
    single = evaluate_predictor(lambda counts: predict_words(network, counts), *parts, batch_size=1).summarize()
    assert single.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)


def test_words_are_split_and_none_is_lost():
    counts = csr_array(np.random.default_rng(0).poisson(3, size=(200, 30)))
    observed, predicted = split_words(counts, 0.25, np.random.default_rng(1))
    assert np.array_equal((observed + predicted).toarray(), counts.toarray())
    assert predicted.sum() / counts.sum() == pytest.approx(0.25, abs=0.01)
    assert observed.data.min() > 0
    assert predicted.data.min() > 0


def test_impossible_parts_are_refused(parts):
    network, (observed, predicted) = random_network(WORDS, (3,)), parts
    with pytest.raises(CorpusError, match="same documents, row by row"):
        evaluate_completion(network, observed, predicted[:5])
    with pytest.raises(VocabularyError, match="same documents, row by row"):
        evaluate_completion(network, observed, predicted[:, :5])
    with pytest.raises(VocabularyError, match="vocabulary has 6 words"):
        evaluate_completion(network, observed[:, :5], predicted[:, :5])
    with pytest.raises(CorpusError, match="nothing to predict"):
        evaluate_completion(network, observed, csr_array(observed.shape, dtype=np.int64))
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        split_words(observed, 1.0, np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match="1 or more samples"):
        evaluate_completion(network, observed, predicted, n_samples=0)
