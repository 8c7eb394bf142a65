"""Predictions of held-out words against the enumerated posterior."""

import numpy as np
import pytest
import torch
from exact import joint_terms, random_network
from scipy.sparse import csr_array

from docnvil.analysis.completion import (
    CHAINS,
    evaluate_completion,
    evaluate_predictor,
    predict_words,
    resample,
    split_words,
)
from docnvil.batches import sparse_counts
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.runtime.randomness import KeyedGenerator

WORDS = 6


@pytest.fixture
def parts() -> tuple[csr_array, csr_array]:
    generator = np.random.default_rng(0)
    observed, held_out = (generator.integers(0, 3, size=(8, WORDS)) for _ in range(2))
    observed[2] = 0
    held_out[5] = 0
    return csr_array(observed), csr_array(held_out)


def exact_predictions(network: BeliefNetwork, observed: csr_array) -> np.ndarray:
    """Return p(w | x) from all settings of the units, `[B, V]`."""
    counts = sparse_counts(observed, torch.device("cpu"), torch.float64)
    log_p, _, samples = joint_terms(network, counts)
    posterior = torch.softmax(sum(log_p), 0)  # [M, B]
    return (
        (posterior[..., None] * network.generative.visible_distribution(samples).predict(counts))
        .sum(0)
        .detach()
        .numpy()
    )


@pytest.mark.parametrize("units", [(4,), (3, 2)])
def test_predictions_agree_with_the_enumerated_posterior(parts, units):
    network, observed = random_network(WORDS, units, scale=0.4), parts[0]
    expected = exact_predictions(network, observed)
    weighted = predict_words(network, observed, n_samples=5000, sweeps=0)
    assert weighted == pytest.approx(expected, abs=0.01)
    assert weighted.sum(1) == pytest.approx(1)
    moved = predict_words(network, observed, n_samples=3, sweeps=300)  # 20 chains from three samples
    assert moved == pytest.approx(expected, abs=0.02)
    assert moved.sum(1) == pytest.approx(1)


def test_sweeps_predict_long_documents_better_than_weighted_samples():
    network = random_network(40, (8,), scale=1.0, observation="dirichlet-multinomial")
    with torch.no_grad():
        units = network.generative.sample(60, torch.Generator().manual_seed(0))
        lengths = torch.full((60,), 300)
        words = network.generative.visible_distribution(units).sample(lengths, torch.Generator().manual_seed(1))
    counts = csr_array((words.values.numpy().astype(int), words.indices.numpy(), words.offsets.numpy()), shape=(60, 40))
    observed, held_out = split_words(counts, 0.3, np.random.default_rng(0))
    weighted, moved = (
        evaluate_completion(network, observed, held_out, n_samples=20, sweeps=sweeps).summarize().log_likelihood
        for sweeps in (0, 5)
    )
    exact = evaluate_predictor(lambda counts: exact_predictions(network, counts), observed, held_out)
    assert exact.summarize().log_likelihood - moved < 0.1 * (exact.summarize().log_likelihood - weighted)


def test_samples_are_chosen_as_often_as_their_weights_say():
    weights = torch.tensor([[0.5, 0.0], [0.26, 1.0], [0.24, 0.0]], dtype=torch.float64)
    samples = torch.arange(3.0)[:, None, None].expand(3, 2, 4)
    first = []
    for seed in range(200):
        (chosen,) = resample((samples,), weights, KeyedGenerator(seed, torch.arange(2)))
        assert chosen.shape == (CHAINS, 2, 4)
        numbers = chosen[..., 0].long()
        assert (numbers[:, 1] == 1).all()
        first.append(torch.bincount(numbers[:, 0], minlength=3))
    times = torch.stack(first).double()
    assert ((times - CHAINS * weights[:, 0]).abs() < 1).all()
    assert times.mean(0).tolist() == pytest.approx((CHAINS * weights[:, 0]).tolist(), abs=0.15)


def test_perplexities_follow_from_the_predictions(parts):
    network = random_network(WORDS, (3,), scale=0.4)
    scores = evaluate_completion(network, *parts)
    result = scores.summarize()
    observed, held_out = parts
    nats = (held_out.toarray() * np.log(predict_words(network, observed))).sum(1)
    lengths = held_out.toarray().sum(1)
    assert scores.log_likelihood == pytest.approx(nats)
    assert scores.lengths == pytest.approx(lengths)
    assert result.log_likelihood == pytest.approx(nats.sum())
    assert result.perplexity_per_word == pytest.approx(np.exp(-nats.sum() / lengths.sum()))
    filled = lengths > 0
    assert result.perplexity_per_document == pytest.approx(np.exp(-np.mean(nats[filled] / lengths[filled])))
    assert (result.documents, result.skipped, result.tokens) == (7, 1, lengths.sum())


def test_scores_do_not_depend_on_batches_or_order(parts):
    network = random_network(WORDS, (3,), scale=0.4)
    whole = evaluate_completion(network, *parts)
    in_reverse = evaluate_completion(network, *(part[::-1] for part in parts))
    assert in_reverse.log_likelihood[::-1] == pytest.approx(whole.log_likelihood, rel=1e-12)
    single = evaluate_predictor(lambda counts: predict_words(network, counts), *parts, batch_size=1)
    assert single.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-12)


def test_equal_seeds_give_equal_predictions(parts):
    network = random_network(WORDS, (3,))
    first, again, other = (predict_words(network, parts[0], n_samples=5, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_words_with_probability_zero_have_a_finite_cost():
    one_word = csr_array(np.array([[1, 0]]))
    scores = evaluate_predictor(lambda counts: np.array([[0.0, 1.0]]), one_word, one_word)
    assert scores.log_likelihood == pytest.approx([np.log(1e-300)])


def test_splits_keep_every_word():
    counts = csr_array(np.random.default_rng(0).poisson(3, size=(200, 30)))
    observed, held_out = split_words(counts, 0.25, np.random.default_rng(1))
    assert np.array_equal((observed + held_out).toarray(), counts.toarray())
    assert held_out.sum() / counts.sum() == pytest.approx(0.25, abs=0.01)
    assert observed.data.min() > 0
    assert held_out.data.min() > 0


def test_invalid_parts_raise_an_error(parts):
    network, (observed, held_out) = random_network(WORDS, (3,)), parts
    with pytest.raises(CorpusError, match="same documents, row by row"):
        evaluate_completion(network, observed, held_out[:5])
    with pytest.raises(VocabularyError, match="same documents, row by row"):
        evaluate_completion(network, observed, held_out[:, :5])
    with pytest.raises(VocabularyError, match="vocabulary has 6 words"):
        evaluate_completion(network, observed[:, :5], held_out[:, :5])
    with pytest.raises(CorpusError, match="nothing to predict"):
        evaluate_completion(network, observed, csr_array(observed.shape, dtype=np.int64))
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        split_words(observed, 1.0, np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match="n_samples is 0"):
        evaluate_completion(network, observed, held_out, n_samples=0)
    with pytest.raises(ConfigurationError, match="sweeps is -1"):
        evaluate_completion(network, observed, held_out, sweeps=-1)
