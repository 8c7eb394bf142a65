"""The Dirichlet-multinomial likelihood and its gradients against mpmath, for counts from 1 to 2^53."""

import itertools

import mpmath
import pytest
import torch

from docnvil.model.rising_factorials import dirichlet_multinomial_log_prob, log_rising
from docnvil.model.sparse import SparseCounts

CONCENTRATIONS = (1e-8, 1e-3, 0.5, 1.0, 30.0, 255.0, 257.0, 1e4, 1e6, 1e8)
COUNTS = (1, 2, 63, 64, 65, 1000, 1025, 10**6, 2**33, 2**53)
DTYPES = {torch.float32: 1e-6, torch.float64: 2e-10}


def exact(log_a: torch.Tensor, log_total: torch.Tensor, counts: list[int]) -> tuple[float, list[float], float]:
    """Return the likelihood of a document and its derivatives by log a and log A."""
    mpmath.mp.dps = 60
    a = [mpmath.exp(mpmath.mpf(each.item())) for each in log_a]
    total, length = mpmath.exp(mpmath.mpf(log_total.item())), sum(counts)
    value = mpmath.loggamma(total) - mpmath.loggamma(total + length)
    value += sum(mpmath.loggamma(b + x) - mpmath.loggamma(b) for b, x in zip(a, counts, strict=True))
    slopes = [float(b * (mpmath.digamma(b + x) - mpmath.digamma(b))) for b, x in zip(a, counts, strict=True)]
    slope = total * (mpmath.digamma(total) - mpmath.digamma(total + length))
    return float(value), slopes, float(slope)


def assert_exact(shares: list[float], total: float, counts: list[int], dtype: torch.dtype) -> None:
    log_a = (torch.tensor([shares], dtype=torch.float64) * total).log().to(dtype).requires_grad_()
    log_total = torch.tensor(total, dtype=torch.float64).log().to(dtype).requires_grad_()
    values = torch.tensor(counts, dtype=dtype)
    x = SparseCounts(torch.arange(len(counts)), values, torch.tensor([0, len(counts)]), vocabulary_size=len(counts))
    value = dirichlet_multinomial_log_prob(log_a, log_total, x)
    slopes = torch.autograd.grad(value.sum(), (log_a, log_total))
    expected, expected_slopes, expected_slope = exact(log_a[0], log_total, [int(each) for each in values.double()])
    # Terms that cancel are known as exactly as their inputs: an error of log a changes the result by slope times it.
    rounding = 4 * torch.finfo(dtype).eps * (abs(expected_slope) if dtype == torch.float64 else 0)
    tolerance = DTYPES[dtype]
    if max(counts) <= 1024:  # ordinary counts, whose terms are summed in this dtype
        rounding += torch.finfo(dtype).eps * sum(abs(each) for each in (expected, *map(float, counts))) * 8
    assert value.item() == pytest.approx(expected, rel=tolerance, abs=tolerance + rounding)
    # digamma of torch has an error of some units of the last place in float32
    for found, wanted in zip(slopes[0][0].tolist(), expected_slopes, strict=True):
        assert found == pytest.approx(wanted, rel=2e-4 if dtype == torch.float32 else 1e-7, abs=1e-12)
    assert slopes[1].item() == pytest.approx(expected_slope, rel=1e-5 if dtype == torch.float32 else 1e-7, abs=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("total", CONCENTRATIONS)
def test_one_word_of_any_count(total, dtype):
    for count in COUNTS:
        assert_exact([0.25], total, [count], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("total", CONCENTRATIONS)
def test_words_of_very_different_counts(total, dtype):
    for counts in itertools.combinations((1, 3, 100, 2000, 10**6, 2**40), 3):
        assert_exact([0.5, 0.3, 0.1], total, list(counts), dtype)


def test_a_word_a_million_times_and_eight_billion_times():
    log_a, log_total = torch.tensor([[0.01]]).log(), torch.tensor(200.0).log()
    for count, offsets in ((10**6, [0, 1]), (2**33, [0, 1])):
        x = SparseCounts(torch.tensor([0]), torch.tensor([float(count)]), torch.tensor(offsets), vocabulary_size=2)
        expected, _, _ = exact(log_a[0], log_total, [count])
        assert expected < -1000
        assert dirichlet_multinomial_log_prob(log_a, log_total, x).item() == pytest.approx(expected, rel=1e-6)


def test_ordinary_documents_beside_large_ones_do_not_change():
    log_a = torch.linspace(-3, 6, 4)[None].repeat(2, 1)
    log_total = torch.tensor(5.0)
    values = torch.tensor([1.0, 7.0, 5e6, 2.0])
    both = SparseCounts(torch.tensor([0, 1, 0, 1]), values, torch.tensor([0, 2, 4, 4]), vocabulary_size=2)
    first = SparseCounts(torch.tensor([0, 1]), values[:2], torch.tensor([0, 2]), vocabulary_size=2)
    value = dirichlet_multinomial_log_prob(log_a, log_total, both)
    assert torch.equal(value[:, :1], dirichlet_multinomial_log_prob(log_a[:, :2], log_total, first))
    assert torch.equal(value[:, 2], torch.zeros(2))


@pytest.mark.parametrize("a", [255.0, 257.0, 1e4, 1e6, 1e8])
def test_large_concentrations_keep_the_precision_of_float32(a):
    log_a = torch.tensor([[a]]).log().requires_grad_()
    for count in (2, 5, 60):
        value = log_rising(log_a, torch.tensor([float(count)]))
        b = mpmath.exp(mpmath.mpf(log_a.item()))
        assert value.item() == pytest.approx(float(mpmath.loggamma(b + count) - mpmath.loggamma(b)), rel=2e-5)
        slope = float(b * (mpmath.digamma(b + count) - mpmath.digamma(b)))
        assert torch.autograd.grad(value.sum(), log_a)[0].item() == pytest.approx(slope, rel=1e-3)
