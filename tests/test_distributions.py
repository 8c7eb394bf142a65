import math
import subprocess
import sys
from collections.abc import Callable
from itertools import product

import pytest
import torch
from exact import random_counts, sparse
from torch import Tensor
from torch.autograd import gradcheck

from docnvil.model import distributions
from docnvil.model.distributions import (
    AutoregressiveBernoulli,
    Bernoulli,
    DirichletMultinomialWords,
    Words,
    bits_normaliser,
    log_normaliser,
    log_rising,
    log_word_probabilities,
)
from docnvil.model.sparse import SparseCounts
from docnvil.randomness import KeyedGenerator

FLOAT = torch.float64


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_bernoulli_probabilities_sum_to_one(generator):
    units = Bernoulli(3 * torch.randn(5, generator=generator, dtype=FLOAT))
    codes = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=FLOAT)] * 5)
    assert units.log_prob(codes).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_bernoulli_samples_follow_log_prob(generator):
    units = Bernoulli(torch.tensor([-4.0, -1.0, 0.0, 2.0]))
    mean = units.sample((200_000, 4), generator).mean(0)
    assert torch.allclose(mean, units.mean, atol=4 * 0.5 / math.sqrt(200_000))


@pytest.mark.parametrize("n_units", [1, 5, 11])
def test_chain_probabilities_sum_to_one(generator, n_units):
    chain = AutoregressiveBernoulli(
        *(torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((n_units,), (n_units, n_units)))
    )
    codes = torch.tensor(list(product([0.0, 1.0], repeat=n_units)), dtype=FLOAT)
    assert chain.log_prob(codes).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_chain_samples_follow_log_prob_across_blocks(generator):
    """Eleven units are more than a block of eight; every pair of units must hang together as enumerated."""
    chain = AutoregressiveBernoulli(torch.randn(11, generator=generator), torch.randn(11, 11, generator=generator))
    codes = torch.tensor(list(product([0.0, 1.0], repeat=11)))
    probability = chain.log_prob(codes).exp()
    drawn = chain.sample((4, 25_000, 11), generator).view(-1, 11)
    expected = codes.T @ (probability[:, None] * codes)
    assert torch.allclose(drawn.T @ drawn / len(drawn), expected, atol=0.01)


def test_a_chain_without_weights_draws_what_independent_units_draw():
    logits, keys = torch.linspace(-3, 3, 20), torch.arange(7)
    chain, free = AutoregressiveBernoulli(logits, torch.zeros(20, 20)), Bernoulli(logits)
    draws = [units.sample((3, 7, 20), KeyedGenerator(0, keys)) for units in (chain, free)]
    assert torch.equal(*draws)


def test_extreme_logits_stay_finite():
    units = Bernoulli(torch.tensor([-1e4, 1e4]))
    assert units.log_prob(torch.tensor([1.0, 0.0])).item() == -2e4
    assert units.log_prob(torch.tensor([0.0, 1.0])).item() == 0


def test_word_probabilities_sum_to_one(generator):
    words = Words(*(torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((2, 1, 3), (7, 3), (7,))))
    every_word = sparse(torch.eye(7, dtype=FLOAT))
    assert torch.allclose(words.log_prob(every_word).exp().sum(1), torch.ones(2, dtype=FLOAT))


def test_words_agree_with_the_dense_definition(generator):
    counts = random_counts(6, 7)
    words = Words(*(torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((4, 6, 3), (7, 3), (7,))))
    dense = counts.matmul(torch.eye(7, dtype=FLOAT))
    expected = (dense * torch.log_softmax(words.logits, -1)).sum(-1)
    assert torch.allclose(words.log_prob(counts), expected, atol=1e-12)
    assert not words.log_prob(counts)[:, -1].any()  # the empty document is certain


def test_drawn_words_follow_their_probabilities(generator):
    words = Words(*(torch.randn(shape, generator=generator) for shape in ((1, 3, 3), (7, 3), (7,))))
    drawn = words.sample(torch.tensor([0, 100_000, 5]), generator)
    assert drawn.lengths.tolist() == [0, 100_000, 5]
    counts = drawn.matmul(torch.eye(7))
    assert torch.allclose(counts[1] / 100_000, words.mean[0, 1], atol=0.01)
    assert len(drawn.indices) == (counts > 0).sum()  # each word of a document is stored once


def test_a_documents_words_do_not_depend_on_its_neighbours(generator):
    words = Words(*(torch.randn(shape, generator=generator) for shape in ((1, 3, 3), (7, 3), (7,))))
    lengths, keys = torch.tensor([4, 9, 2]), torch.tensor([11, 12, 13])
    together = words.sample(lengths, KeyedGenerator(0, keys)).matmul(torch.eye(7))
    last = Words(words.codes[:, 2:], words.weight, words.bias)
    assert torch.equal(last.sample(lengths[2:], KeyedGenerator(0, keys[2:])).matmul(torch.eye(7)), together[2:])


def urn(generator: torch.Generator, log_concentration: float = 1.0, n_samples: int = 2) -> DirichletMultinomialWords:
    parameters = (torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((n_samples, 1, 3), (3, 3), (3,)))
    return DirichletMultinomialWords(*parameters, torch.tensor(log_concentration, dtype=FLOAT))


def counts_of(*words: int) -> SparseCounts:
    return sparse(torch.bincount(torch.tensor(words, dtype=torch.int64), minlength=3).to(FLOAT)[None])


@pytest.mark.parametrize("length", [1, 2, 4])
def test_urn_probabilities_sum_to_one_over_word_sequences(generator, length):
    words = urn(generator)
    total = sum(words.log_prob(counts_of(*sequence)).exp() for sequence in product(range(3), repeat=length))
    assert torch.allclose(total, torch.ones(2, 1, dtype=FLOAT))


def test_documents_drawn_from_an_urn_follow_its_probabilities(generator):
    words, n_documents = urn(generator, n_samples=1), 40_000
    many = DirichletMultinomialWords(
        words.codes.expand(-1, n_documents, -1), words.weight, words.bias, words.log_concentration
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


def test_an_urns_words_do_not_depend_on_a_documents_neighbours(generator):
    words = urn(generator, n_samples=1)
    many = DirichletMultinomialWords(words.codes.expand(-1, 3, -1), words.weight, words.bias, words.log_concentration)
    lengths, keys = torch.tensor([4, 9, 2]), torch.tensor([11, 12, 13])
    together = many.sample(lengths, KeyedGenerator(0, keys)).matmul(torch.eye(3, dtype=FLOAT))
    alone = words.sample(lengths[2:], KeyedGenerator(0, keys[2:])).matmul(torch.eye(3, dtype=FLOAT))
    assert torch.equal(alone, together[2:])


def test_an_urn_predicts_what_its_probabilities_say(generator):
    words = urn(generator)
    before = words.log_prob(counts_of(0, 0, 2))
    predicted = words.predict(counts_of(0, 0, 2))
    for word in range(3):
        ratio = (words.log_prob(counts_of(0, 0, 2, word)) - before).exp()
        assert torch.allclose(predicted[..., word], ratio)


def test_a_great_urn_is_the_softmax(generator):
    great = urn(generator, log_concentration=18.0)
    plain = Words(great.codes, great.weight, great.bias)
    counts = counts_of(0, 0, 1, 2, 2, 2)
    assert torch.allclose(great.log_prob(counts), plain.log_prob(counts), atol=1e-5)
    assert torch.allclose(great.predict(counts), plain.predict(counts), atol=1e-6)


def test_an_urn_keeps_documents_apart(generator):
    words = urn(generator)
    dense = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 5.0, 1.0]], dtype=FLOAT)
    many = DirichletMultinomialWords(words.codes.expand(-1, 3, -1), words.weight, words.bias, words.log_concentration)
    together = many.log_prob(sparse(dense))
    for document in range(3):
        alone = words.log_prob(sparse(dense[[document]]))
        assert torch.allclose(together[:, [document]], alone)
        assert torch.allclose(many.predict(sparse(dense))[:, [document]], words.predict(sparse(dense[[document]])))
    assert not together[:, 1].any()


def randn(generator: torch.Generator, *shapes: tuple[int, ...]) -> list[Tensor]:
    return [torch.randn(shape, generator=generator, dtype=FLOAT, requires_grad=True) for shape in shapes]


def values_and_gradients(function: Callable[..., Tensor], arguments: list[Tensor]) -> list[Tensor]:
    value = function(*arguments)
    return [value, *torch.autograd.grad((value * torch.arange(value.numel()).view_as(value)).sum(), arguments)]


SHARED_BIAS, OWN_BIAS = ((2, 3, 4), (6, 4), (6,)), ((2, 3, 4), (6, 4), (3, 6))
NORMALISERS = [(log_normaliser, SHARED_BIAS), (bits_normaliser, SHARED_BIAS), (bits_normaliser, OWN_BIAS)]


@pytest.mark.parametrize(("function", "shapes"), NORMALISERS)
@pytest.mark.parametrize("alive", [1, 24, 1000])
def test_blocks_of_rows_give_the_same_values_and_gradients(generator, monkeypatch, function, shapes, alive):
    """Six rows of six words: one row a block, four (and two left over), or all in one."""
    arguments = randn(generator, *shapes)
    whole = values_and_gradients(function, arguments)
    monkeypatch.setattr(distributions, "LOGITS_ALIVE", alive)
    assert gradcheck(function, arguments)
    for found, expected in zip(values_and_gradients(function, arguments), whole, strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


def test_a_normaliser_of_no_documents_is_empty_and_moves_nothing():
    for function, shapes in NORMALISERS:
        codes, weight, bias = randn(torch.Generator(), (2, 0, 4), *shapes[1:])
        bias = bias[:0] if bias.dim() == 2 else bias
        value, _, of_weight, of_bias = values_and_gradients(function, [codes, weight, bias])
        assert value.shape == (2, 0)
        assert not of_weight.any()
        assert not of_bias.any()


SOME_WORDS = SparseCounts(torch.tensor([1, 5, 0, 1, 3]), torch.ones(5), torch.tensor([0, 2, 2, 5]), n_words=6)


@pytest.mark.parametrize("alive", [1, 24, 1000])
def test_word_probabilities_have_the_right_values_and_gradients(generator, monkeypatch, alive):
    """Three documents, one of them empty: one row a block, four (and two left over), or all in one."""
    arguments = randn(generator, *SHARED_BIAS)

    def dense(codes, weight, bias):
        return torch.log_softmax(codes @ weight.T + bias, -1)[:, SOME_WORDS.documents, SOME_WORDS.indices]

    def ours(*inputs):
        return log_word_probabilities(*inputs, SOME_WORDS)

    monkeypatch.setattr(distributions, "LOGITS_ALIVE", alive)
    assert gradcheck(ours, arguments)
    for found, expected in zip(
        values_and_gradients(ours, arguments), values_and_gradients(dense, arguments), strict=True
    ):
        assert torch.allclose(found, expected, atol=1e-12)


def test_gradients_that_add_up_to_nothing_still_move_word_probabilities(generator):
    arguments = randn(generator, *SHARED_BIAS)
    opposite = torch.zeros(2, 5, dtype=FLOAT)
    opposite[:, :2] = torch.tensor([3.0, -3.0])
    found = torch.autograd.grad(log_word_probabilities(*arguments, SOME_WORDS), arguments, opposite)
    logits = arguments[0] @ arguments[1].T + arguments[2]
    expected = torch.autograd.grad(3 * (logits[:, 0, 1] - logits[:, 0, 5]).sum(), arguments)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-9)


def test_rising_factorials_have_the_right_values_and_gradients(generator):
    (log_a,) = randn(generator, (2, 4))
    counts = torch.tensor([1.0, 2.0, 1.0, 40.0], dtype=FLOAT)
    expected = torch.lgamma(log_a.exp() + counts) - torch.lgamma(log_a.exp())
    assert torch.allclose(log_rising(log_a, counts), expected)
    assert gradcheck(lambda value: log_rising(value, counts), log_a)


def test_products_in_a_shorter_type_leave_sums_and_gradients_in_the_longer_one(generator):
    arguments = [value.detach().float().requires_grad_() for value in randn(generator, *SHARED_BIAS)]
    exact = values_and_gradients(log_normaliser, arguments)
    with torch.autocast("cpu", torch.bfloat16):
        near = values_and_gradients(log_normaliser, arguments)
    assert all(value.dtype == torch.float32 for value in near)
    for found, expected in zip(near, exact, strict=True):
        assert torch.allclose(found, expected, atol=0.05 * expected.abs().max().item())


PEAK = """
import resource, sys
import torch
from docnvil.model import distributions
from docnvil.model.sparse import SparseCounts

distributions.LOGITS_ALIVE = 1 << 19
n_samples, n_documents, n_units, n_words = 8, 250, 10, 20_000  # 160 MB of logits in all, 2 MB of them alive
x = SparseCounts(torch.arange(n_documents), torch.ones(n_documents), torch.arange(n_documents + 1), n_words)
codes = torch.zeros(n_samples, n_documents, n_units)
weight, bias = torch.zeros(n_words, n_units, requires_grad=True), torch.zeros(n_words, requires_grad=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for layer in (
    distributions.Words(codes, weight, bias),
    distributions.DirichletMultinomialWords(codes, weight, bias, torch.zeros(())),
    distributions.Bits(codes, weight, bias),
):
    layer.log_prob(x).sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_only_a_block_of_logits_is_ever_alive():
    """In a process of its own, because the peak of memory is the whole process's."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 80  # MiB; most of it is code that torch loads when it first runs backward


def test_log_normaliser_survives_huge_logits():
    value = log_normaliser(torch.ones(1, 1), torch.full((3, 1), 5000.0), torch.zeros(3))
    assert value.item() == pytest.approx(5000 + math.log(3))
