"""The sums that a log-likelihood needs, compared with plain torch: values, gradients and memory."""

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional

from docnvil.model import normalizers
from docnvil.model.normalizers import bits_normalizer, log_normalizer, log_word_probabilities
from docnvil.model.rising_factorials import log_rising
from docnvil.model.sparse import SparseCounts

FLOAT = torch.float64
# Three documents with 2, 0 and 3 words of 6.
WORDS = SparseCounts(torch.tensor([1, 5, 0, 1, 3]), torch.ones(5), torch.tensor([0, 2, 2, 5]), vocabulary_size=6)
SHARED_BIAS, BIAS_PER_VECTOR = ((2, 3, 4), (6, 4), (6,)), ((2, 3, 4), (6, 4), (3, 6))


def word_probabilities(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return log_word_probabilities(samples, weight, bias, replace(WORDS, vocabulary_size=len(weight)))


# The reference implementations: the same functions, with all logits at once and gradients from autograd.


def reference_log_normalizer(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.logsumexp(samples @ weight.T + bias, -1)


def reference_word_probabilities(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.log_softmax(samples @ weight.T + bias, -1)[:, WORDS.documents, WORDS.indices]


def reference_bits_normalizer(samples: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return functional.softplus(samples @ weight.T + bias).sum(-1)


def reference_log_rising(log_a: Tensor, counts: Tensor) -> Tensor:
    return torch.lgamma(log_a.exp() + counts) - torch.lgamma(log_a.exp())


NORMALIZERS = [
    pytest.param(log_normalizer, reference_log_normalizer, SHARED_BIAS, id="log-normalizer"),
    pytest.param(word_probabilities, reference_word_probabilities, SHARED_BIAS, id="word-probabilities"),
    pytest.param(bits_normalizer, reference_bits_normalizer, SHARED_BIAS, id="bits"),
    pytest.param(bits_normalizer, reference_bits_normalizer, BIAS_PER_VECTOR, id="bits-with-bias-per-vector"),
]
each_normalizer = pytest.mark.parametrize(("function", "reference", "shapes"), NORMALIZERS)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def randn(generator: torch.Generator, *shapes: tuple[int, ...], dtype: torch.dtype = FLOAT) -> list[Tensor]:
    return [torch.randn(shape, generator=generator, dtype=FLOAT).to(dtype).requires_grad_() for shape in shapes]


def values_and_gradients(function: Callable[..., Tensor], arguments: list[Tensor]) -> list[Tensor]:
    value = function(*arguments)
    weights = torch.linspace(-1, 2, value.numel(), dtype=value.dtype).view_as(value)
    return [value, *torch.autograd.grad((value * weights).sum(), arguments)]


def assert_same(function: Callable, reference: Callable, arguments: list[Tensor], tolerance: float) -> None:
    pairs = zip(values_and_gradients(function, arguments), values_and_gradients(reference, arguments), strict=True)
    for found, expected in pairs:
        assert found.dtype == expected.dtype
        assert torch.allclose(found, expected, atol=tolerance * max(1.0, expected.abs().max().item()), rtol=0)


@each_normalizer
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("n_samples", "n_units", "vocabulary_size"), [(2, 4, 6), (1, 1, 6), (5, 9, 700)])
def test_values_and_gradients_are_those_of_plain_torch(
    generator, function, reference, shapes, dtype, tolerance, n_samples, n_units, vocabulary_size
):
    bias_shape = (*shapes[2][:-1], vocabulary_size)
    sizes = ((n_samples, 3, n_units), (vocabulary_size, n_units), bias_shape)
    assert_same(function, reference, randn(generator, *sizes, dtype=dtype), tolerance)


@each_normalizer
@pytest.mark.parametrize("most", [1, 24, 1000])
def test_chunks_of_any_size_give_the_same_values_and_gradients(
    generator, monkeypatch, function, reference, shapes, most
):
    """Six rows of six words: one row per chunk, four (and two left over), or all six; only the last are kept."""
    monkeypatch.setattr(normalizers, "MAX_LOGITS", most)
    arguments = randn(generator, *shapes)
    assert gradcheck(function, arguments)
    assert_same(function, reference, arguments, 1e-13)


@each_normalizer
def test_chunks_that_are_kept_give_the_same_values_and_gradients(generator, monkeypatch, function, reference, shapes):
    monkeypatch.setattr(normalizers, "LOGITS_PER_CHUNK", 15)  # two rows of six words
    assert_same(function, reference, randn(generator, *shapes), 1e-13)


@each_normalizer
def test_only_the_needed_gradients_are_computed(generator, function, reference, shapes):
    arguments = randn(generator, *shapes)
    _, *expected = values_and_gradients(reference, arguments)
    for number, gradient in enumerate(expected):
        partly = [each if place == number else each.detach() for place, each in enumerate(arguments)]
        value = function(*partly)
        weights = torch.linspace(-1, 2, value.numel(), dtype=FLOAT).view_as(value)
        assert torch.allclose(torch.autograd.grad((value * weights).sum(), partly[number])[0], gradient, atol=1e-12)


@each_normalizer
def test_a_second_backward_pass_gives_the_same_gradients(generator, function, reference, shapes):
    arguments = randn(generator, *shapes)
    total = function(*arguments).square().sum()
    first = torch.autograd.grad(total, arguments, retain_graph=True)
    for once, again in zip(first, torch.autograd.grad(total, arguments), strict=True):
        assert torch.equal(once, again)


@each_normalizer
@pytest.mark.parametrize("most", [200, 100_000])
def test_autocast_shortens_products_but_not_sums(generator, monkeypatch, function, reference, shapes, most):
    monkeypatch.setattr(normalizers, "MAX_LOGITS", most)
    samples = (torch.rand(3, 3, 8, generator=generator) < 0.5).float()
    bias_shape = (*shapes[2][:-1], 50)
    arguments = [samples, *(each.detach() for each in randn(generator, (50, 8), bias_shape, dtype=torch.float32))]

    def value_and_gradients(dtype: torch.dtype, *, autocast: bool) -> list[Tensor]:
        leaves = [each.to(dtype).requires_grad_() for each in arguments]
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            value = function(*leaves)
        return [value, *torch.autograd.grad(value.mean(), leaves)]  # outside autocast, as in training

    exact, short = (value_and_gradients(torch.float32, autocast=autocast) for autocast in (False, True))
    for found, expected in zip(short, exact, strict=True):
        assert found.dtype == torch.float32
        assert not torch.equal(found, expected)
        assert (found - expected).norm() < 0.02 * expected.norm()
    doubles = (value_and_gradients(torch.float64, autocast=autocast) for autocast in (False, True))
    for found, expected in zip(*doubles, strict=True):
        assert torch.equal(found, expected)  # autocast does not shorten double precision


@each_normalizer
def test_a_batch_without_documents_gives_zero_gradients(function, reference, shapes):
    if function is word_probabilities:
        pytest.skip("it has no value per document")
    samples, weight, bias = randn(torch.Generator(), (2, 0, 4), *shapes[1:])
    bias = bias[:0] if bias.dim() == 2 else bias
    value, _, grad_weight, grad_bias = values_and_gradients(function, [samples, weight, bias])
    assert value.shape == (2, 0)
    assert not grad_weight.any()
    assert not grad_bias.any()


def test_gradients_of_word_probabilities_that_sum_to_zero_are_not_lost(generator):
    """The gradient of the row's log-sum-exp is then zero, and it is a divisor."""
    arguments = randn(generator, *SHARED_BIAS)
    opposite = torch.zeros(2, 5, dtype=FLOAT)
    opposite[:, :2] = torch.tensor([3.0, -3.0])
    found = torch.autograd.grad(word_probabilities(*arguments), arguments, opposite)
    expected = torch.autograd.grad(reference_word_probabilities(*arguments), arguments, opposite)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("size", [1e-28, 1e-38, 1e-42, 3e-45])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1)])
def test_gradients_near_the_smallest_float32_are_finite(generator, size, signs):
    arguments = randn(generator, (1, 3, 4), (2000, 4), (2000,), dtype=torch.float32)
    value = word_probabilities(*arguments)
    gradient = torch.zeros_like(value)
    gradient[:, :2] = size * torch.tensor(signs)
    for found in torch.autograd.grad(value, arguments, gradient):
        assert found.isfinite().all()
        assert found.abs().max() <= 100 * size


@pytest.mark.parametrize("function", [log_normalizer, reference_log_normalizer])
def test_large_logits_do_not_overflow(function):
    assert function(torch.ones(1, 1), torch.full((3, 1), 5000.0), torch.zeros(3)).item() == pytest.approx(
        5000 + math.log(3)
    )


def test_rising_factorials_are_those_of_plain_torch(generator):
    (log_a,) = randn(generator, (2, 4))
    counts = torch.tensor([1.0, 2.0, 0.25, 40.0], dtype=FLOAT)
    assert_same(
        lambda value: log_rising(value, counts), lambda value: reference_log_rising(value, counts), [log_a], 1e-12
    )
    assert gradcheck(lambda value: log_rising(value, counts), log_a)


def test_rising_factorials_are_accurate_near_zero():
    log_a = torch.tensor([[-110.0, -110.0]], requires_grad=True)
    value = log_rising(log_a, torch.tensor([1.0, 3.0]))
    assert torch.allclose(value, torch.tensor([[-110.0, -110.0 + math.log(2)]]))
    assert torch.equal(torch.autograd.grad(value.sum(), log_a)[0], torch.ones(1, 2))


PEAK = """
import resource
import torch
from docnvil.model import distributions, normalizers
from docnvil.model.sparse import SparseCounts

normalizers.MAX_LOGITS = 1 << 19
n_samples, n_documents, n_units, vocabulary_size = 8, 250, 10, 20_000  # 160 MB of logits, 2 MB of them at once
x = SparseCounts(torch.arange(n_documents), torch.ones(n_documents), torch.arange(n_documents + 1), vocabulary_size)
samples = torch.zeros(n_samples, n_documents, n_units)
weight = torch.zeros(vocabulary_size, n_units, requires_grad=True)
bias = torch.zeros(vocabulary_size, requires_grad=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for distribution in (
    distributions.SoftmaxWords(samples, weight, bias),
    distributions.DirichletMultinomialWords(samples, weight, bias, torch.zeros(())),
    distributions.Bits(samples, weight, bias),
):
    distribution.log_prob(x).sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_memory_is_that_of_one_chunk():
    """In a separate process, because the peak of memory is that of a whole process."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 80  # MiB; most of it is code that torch loads for the first backward pass
