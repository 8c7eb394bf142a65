"""The sums that a likelihood needs: their values, their gradients, and what they hold in memory."""

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from docnvil.model import normalizers as normalizers
from docnvil.model.normalizers import bits_normalizer, log_normalizer, log_rising, log_word_probabilities
from docnvil.model.sparse import SparseCounts

FLOAT = torch.float64


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def randn(generator: torch.Generator, *shapes: tuple[int, ...]) -> list[Tensor]:
    return [torch.randn(shape, generator=generator, dtype=FLOAT, requires_grad=True) for shape in shapes]


def values_and_gradients(function: Callable[..., Tensor], arguments: list[Tensor]) -> list[Tensor]:
    value = function(*arguments)
    return [value, *torch.autograd.grad((value * torch.arange(value.numel()).view_as(value)).sum(), arguments)]


SHARED_BIAS, OWN_BIAS = ((2, 3, 4), (6, 4), (6,)), ((2, 3, 4), (6, 4), (3, 6))
NORMALIZERS = [(log_normalizer, SHARED_BIAS), (bits_normalizer, SHARED_BIAS), (bits_normalizer, OWN_BIAS)]


@pytest.mark.parametrize(("function", "shapes"), NORMALIZERS)
@pytest.mark.parametrize("alive", [1, 24, 1000])
def test_blocks_of_rows_give_the_same_values_and_gradients(generator, monkeypatch, function, shapes, alive):
    """Six rows of six words: one row a block, four (and two left over), or all in one."""
    arguments = randn(generator, *shapes)
    whole = values_and_gradients(function, arguments)
    monkeypatch.setattr(normalizers, "LOGITS_ALIVE", alive)
    assert gradcheck(function, arguments)
    for found, expected in zip(values_and_gradients(function, arguments), whole, strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("function", [log_normalizer, bits_normalizer, log_word_probabilities])
@pytest.mark.parametrize("alive", [200, 100_000])
def test_under_autocast_large_products_are_short_and_sums_are_not(generator, monkeypatch, function, alive):
    monkeypatch.setattr(normalizers, "LOGITS_ALIVE", alive)
    samples = (torch.rand(3, 20, 8, generator=generator) < 0.5).float()
    arguments = [samples, *(each.detach().float() for each in randn(generator, (50, 8), (50,)))]
    counts = SparseCounts(torch.arange(40) % 7, torch.ones(40), torch.arange(0, 41, 2), vocabulary_size=50)
    more = [counts] if function is log_word_probabilities else []

    def found(dtype: torch.dtype, *, autocast: bool) -> list[Tensor]:
        leaves = [each.to(dtype).requires_grad_() for each in arguments]
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = function(*leaves, *more)
        return [value, *torch.autograd.grad(value.mean(), leaves)]  # outside, as a training does

    exact, short = (found(torch.float32, autocast=autocast) for autocast in (False, True))
    for near, whole in zip(short, exact, strict=True):
        assert near.dtype == torch.float32
        assert not torch.equal(near, whole)
        assert (near - whole).norm() < 0.02 * whole.norm()
    doubles = (found(torch.float64, autocast=autocast) for autocast in (False, True))
    for one, other in zip(*doubles, strict=True):
        assert torch.equal(one, other)  # who asks for double precision has it


def test_blocks_that_are_kept_give_the_same_as_one(generator, monkeypatch):
    arguments = randn(generator, *SHARED_BIAS)
    whole = values_and_gradients(log_normalizer, arguments)
    monkeypatch.setattr(normalizers, "LOGITS_TOGETHER", 15)  # two rows of six words
    for found, expected in zip(values_and_gradients(log_normalizer, arguments), whole, strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


def test_a_normalizer_of_no_documents_is_empty_and_moves_nothing():
    for function, shapes in NORMALIZERS:
        samples, weight, bias = randn(torch.Generator(), (2, 0, 4), *shapes[1:])
        bias = bias[:0] if bias.dim() == 2 else bias
        value, _, of_weight, of_bias = values_and_gradients(function, [samples, weight, bias])
        assert value.shape == (2, 0)
        assert not of_weight.any()
        assert not of_bias.any()


SOME_WORDS = SparseCounts(torch.tensor([1, 5, 0, 1, 3]), torch.ones(5), torch.tensor([0, 2, 2, 5]), vocabulary_size=6)


@pytest.mark.parametrize("alive", [1, 24, 1000])
def test_word_probabilities_have_the_right_values_and_gradients(generator, monkeypatch, alive):
    """Three documents, one of them empty: one row a block, four (and two left over), or all in one."""
    arguments = randn(generator, *SHARED_BIAS)

    def dense(samples, weight, bias):
        return torch.log_softmax(samples @ weight.T + bias, -1)[:, SOME_WORDS.documents, SOME_WORDS.indices]

    def ours(*inputs):
        return log_word_probabilities(*inputs, SOME_WORDS)

    monkeypatch.setattr(normalizers, "LOGITS_ALIVE", alive)
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


@pytest.mark.parametrize("size", [1e-28, 1e-38, 1e-42, 3e-45])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1)])
def test_gradients_at_the_end_of_single_precision_are_numbers(generator, size, signs):
    shapes = ((1, 3, 4), (2000, 4), (2000,))
    arguments = [value.detach().float().requires_grad_() for value in randn(generator, *shapes)]
    value = log_word_probabilities(*arguments, replace(SOME_WORDS, vocabulary_size=2000))
    of_value = torch.zeros_like(value)
    of_value[:, :2] = size * torch.tensor(signs)
    for found in torch.autograd.grad(value, arguments, of_value):
        assert found.isfinite().all()
        assert found.abs().max() <= 100 * size


def test_rising_factorials_have_the_right_values_and_gradients(generator):
    (log_a,) = randn(generator, (2, 4))
    counts = torch.tensor([1.0, 2.0, 0.25, 40.0], dtype=FLOAT)
    expected = torch.lgamma(log_a.exp() + counts) - torch.lgamma(log_a.exp())
    assert torch.allclose(log_rising(log_a, counts), expected)
    assert gradcheck(lambda value: log_rising(value, counts), log_a)


def test_rising_factorials_of_next_to_nothing():
    log_a = torch.tensor([[-110.0, -110.0]], requires_grad=True)
    value = log_rising(log_a, torch.tensor([1.0, 3.0]))
    assert torch.allclose(value, torch.tensor([[-110.0, -110.0 + math.log(2)]]))
    assert torch.equal(torch.autograd.grad(value.sum(), log_a)[0], torch.ones(1, 2))


@pytest.mark.parametrize("function", [log_normalizer, lambda *inputs: log_word_probabilities(*inputs, SOME_WORDS)])
def test_products_in_a_shorter_type_leave_sums_and_gradients_in_the_longer_one(generator, function):
    arguments = [value.detach().float().requires_grad_() for value in randn(generator, *SHARED_BIAS)]
    exact = values_and_gradients(function, arguments)
    with torch.autocast("cpu", torch.bfloat16):
        near = values_and_gradients(function, arguments)
    assert all(value.dtype == torch.float32 for value in near)
    for found, expected in zip(near, exact, strict=True):
        assert torch.allclose(found, expected, atol=0.05 * expected.abs().max().item())


PEAK = """
import resource, sys
import torch
from docnvil.model import distributions
from docnvil.model import normalizers as normalizers
from docnvil.model.sparse import SparseCounts

normalizers.LOGITS_ALIVE = 1 << 19
n_samples, n_documents, n_units, n_words = 8, 250, 10, 20_000  # 160 MB of logits in all, 2 MB of them alive
x = SparseCounts(torch.arange(n_documents), torch.ones(n_documents), torch.arange(n_documents + 1), n_words)
codes = torch.zeros(n_samples, n_documents, n_units)
weight, bias = torch.zeros(n_words, n_units, requires_grad=True), torch.zeros(n_words, requires_grad=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for layer in (
    distributions.SoftmaxWords(codes, weight, bias),
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


def test_log_normalizer_survives_huge_logits():
    value = log_normalizer(torch.ones(1, 1), torch.full((3, 1), 5000.0), torch.zeros(3))
    assert value.item() == pytest.approx(5000 + math.log(3))
