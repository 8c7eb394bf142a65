import math
from itertools import product

import pytest
import torch
from exact import random_counts, sparse

from docnvil.model.distributions import AutoregressiveBernoulli, Bernoulli, DirichletMultinomialWords, SoftmaxWords
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.randomness import KeyedGenerator

FLOAT = torch.float64


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_bernoulli_probabilities_sum_to_one(generator):
    units = Bernoulli(3 * torch.randn(5, generator=generator, dtype=FLOAT))
    samples = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=FLOAT)] * 5)
    assert units.log_prob(samples).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_bernoulli_samples_follow_log_prob(generator):
    units = Bernoulli(torch.tensor([-4.0, -1.0, 0.0, 2.0]))
    mean = units.sample((200_000, 4), generator).mean(0)
    assert torch.allclose(mean, units.mean, atol=4 * 0.5 / math.sqrt(200_000))


@pytest.mark.parametrize("n_units", [1, 5, 11])
def test_autoregressive_probabilities_sum_to_one(generator, n_units):
    units = AutoregressiveBernoulli(
        *(torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((n_units,), (n_units, n_units)))
    )
    samples = torch.tensor(list(product([0.0, 1.0], repeat=n_units)), dtype=FLOAT)
    assert units.log_prob(samples).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_autoregressive_samples_follow_log_prob(generator):
    """Eleven units are more than one chunk of eight; every pair must have its enumerated probability."""
    units = AutoregressiveBernoulli(torch.randn(11, generator=generator), torch.randn(11, 11, generator=generator))
    samples = torch.tensor(list(product([0.0, 1.0], repeat=11)))
    probability = units.log_prob(samples).exp()
    drawn = units.sample((4, 25_000, 11), generator).view(-1, 11)
    expected = samples.T @ (probability[:, None] * samples)
    assert torch.allclose(drawn.T @ drawn / len(drawn), expected, atol=0.01)


def test_autoregressive_units_without_weights_give_the_samples_of_independent_units():
    logits, keys = torch.linspace(-3, 3, 20), torch.arange(7)
    autoregressive, independent = AutoregressiveBernoulli(logits, torch.zeros(20, 20)), Bernoulli(logits)
    samples = [units.sample((3, 7, 20), KeyedGenerator(0, keys)) for units in (autoregressive, independent)]
    assert torch.equal(*samples)


def test_log_prob_is_finite_for_extreme_logits():
    units = Bernoulli(torch.tensor([-1e4, 1e4]))
    assert units.log_prob(torch.tensor([1.0, 0.0])).item() == -2e4
    assert units.log_prob(torch.tensor([0.0, 1.0])).item() == 0


def test_word_probabilities_sum_to_one(generator):
    words = SoftmaxWords(*(torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((2, 1, 3), (7, 3), (7,))))
    every_word = sparse(torch.eye(7, dtype=FLOAT))
    assert torch.allclose(words.log_prob(every_word).exp().sum(1), torch.ones(2, dtype=FLOAT))


def test_log_prob_of_words_is_the_dense_definition(generator):
    counts = random_counts(6, 7)
    words = SoftmaxWords(*(torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((4, 6, 3), (7, 3), (7,))))
    dense = counts.matmul(torch.eye(7, dtype=FLOAT))
    expected = (dense * torch.log_softmax(words.logits, -1)).sum(-1)
    assert torch.allclose(words.log_prob(counts), expected, atol=1e-12)
    assert not words.log_prob(counts)[:, -1].any()  # the last document is empty


def test_sampled_words_follow_their_probabilities(generator):
    words = SoftmaxWords(*(torch.randn(shape, generator=generator) for shape in ((1, 3, 3), (7, 3), (7,))))
    drawn = words.sample(torch.tensor([0, 100_000, 5]), generator)
    assert drawn.lengths.tolist() == [0, 100_000, 5]
    counts = drawn.matmul(torch.eye(7))
    assert torch.allclose(counts[1] / 100_000, words.mean[0, 1], atol=0.01)
    assert len(drawn.indices) == (counts > 0).sum()  # each word of a document is stored once


def test_sampled_words_do_not_depend_on_other_documents(generator):
    words = SoftmaxWords(*(torch.randn(shape, generator=generator) for shape in ((1, 3, 3), (7, 3), (7,))))
    lengths, keys = torch.tensor([4, 9, 2]), torch.tensor([11, 12, 13])
    together = words.sample(lengths, KeyedGenerator(0, keys)).matmul(torch.eye(7))
    last = SoftmaxWords(words.samples[:, 2:], words.weight, words.bias)
    assert torch.equal(last.sample(lengths[2:], KeyedGenerator(0, keys[2:])).matmul(torch.eye(7)), together[2:])


def bursty_words(
    generator: torch.Generator, log_concentration: float = 1.0, n_samples: int = 2
) -> DirichletMultinomialWords:
    parameters = (torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((n_samples, 1, 3), (3, 3), (3,)))
    return DirichletMultinomialWords(*parameters, torch.tensor(log_concentration, dtype=FLOAT))


def counts_of(*words: int) -> SparseCounts:
    return sparse(torch.bincount(torch.tensor(words, dtype=torch.int64), minlength=3).to(FLOAT)[None])


@pytest.mark.parametrize("length", [1, 2, 4])
def test_dirichlet_multinomial_probabilities_sum_to_one_over_word_sequences(generator, length):
    words = bursty_words(generator)
    total = sum(words.log_prob(counts_of(*sequence)).exp() for sequence in product(range(3), repeat=length))
    assert torch.allclose(total, torch.ones(2, 1, dtype=FLOAT))


def test_dirichlet_multinomial_samples_follow_log_prob(generator):
    words, n_documents = bursty_words(generator, n_samples=1), 40_000
    many = DirichletMultinomialWords(
        words.samples.expand(-1, n_documents, -1), words.weight, words.bias, words.log_concentration
    )
    drawn = many.sample(torch.full((n_documents,), 4), generator).matmul(torch.eye(3, dtype=FLOAT))
    assert (drawn.sum(1) == 4).all()
    expected = dict.fromkeys(((a, b, 4 - a - b) for a in range(5) for b in range(5 - a)), 0.0)
    for sequence in product(range(3), repeat=4):
        counts = tuple(sequence.count(word) for word in range(3))
        expected[counts] += words.log_prob(counts_of(*sequence)).exp().item()
    for counts, probability in expected.items():
        share = (drawn == torch.tensor(counts)).all(1).double().mean().item()
        assert share == pytest.approx(probability, abs=5 * (probability / n_documents) ** 0.5)


def test_dirichlet_multinomial_samples_do_not_depend_on_other_documents(generator):
    words = bursty_words(generator, n_samples=1)
    many = DirichletMultinomialWords(words.samples.expand(-1, 3, -1), words.weight, words.bias, words.log_concentration)
    lengths, keys = torch.tensor([4, 9, 2]), torch.tensor([11, 12, 13])
    together = many.sample(lengths, KeyedGenerator(0, keys)).matmul(torch.eye(3, dtype=FLOAT))
    alone = words.sample(lengths[2:], KeyedGenerator(0, keys[2:])).matmul(torch.eye(3, dtype=FLOAT))
    assert torch.equal(alone, together[2:])


def test_dirichlet_multinomial_predictions_are_ratios_of_probabilities(generator):
    words = bursty_words(generator)
    before = words.log_prob(counts_of(0, 0, 2))
    predicted = words.predict(counts_of(0, 0, 2))
    for word in range(3):
        ratio = (words.log_prob(counts_of(0, 0, 2, word)) - before).exp()
        assert torch.allclose(predicted[..., word], ratio)


def test_dirichlet_multinomial_with_large_concentration_is_the_softmax(generator):
    limit = bursty_words(generator, log_concentration=18.0)
    plain = SoftmaxWords(limit.samples, limit.weight, limit.bias)
    counts = counts_of(0, 0, 1, 2, 2, 2)
    assert torch.allclose(limit.log_prob(counts), plain.log_prob(counts), atol=1e-5)
    assert torch.allclose(limit.predict(counts), plain.predict(counts), atol=1e-6)


def test_dirichlet_multinomial_documents_do_not_affect_each_other(generator):
    words = bursty_words(generator)
    dense = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 5.0, 1.0]], dtype=FLOAT)
    many = DirichletMultinomialWords(words.samples.expand(-1, 3, -1), words.weight, words.bias, words.log_concentration)
    together = many.log_prob(sparse(dense))
    for document in range(3):
        alone = words.log_prob(sparse(dense[[document]]))
        assert torch.allclose(together[:, [document]], alone)
        assert torch.allclose(many.predict(sparse(dense))[:, [document]], words.predict(sparse(dense[[document]])))
    assert not together[:, 1].any()
