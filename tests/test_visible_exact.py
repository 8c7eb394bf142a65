"""The softmax and the Bernoulli layer against mpmath, for wide logits and counts."""

import mpmath
import pytest
import torch

from docnvil.model.distributions import Bits, SoftmaxWords
from docnvil.model.sparse import SparseCounts

COUNTS = ([1], [1, 2, 3], [1, 1000, 4097], [10**6, 1], [10**8, 7, 2**20], [2**33, 1], [2**53, 2**40, 1])
SCALES = (1e-6, 0.1, 1.0, 30.0, 80.0)
V, K = 6, 3


def layer(scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    samples = torch.tensor([[[1.0, 0.0, 1.0]]])
    return samples, torch.randn(V, K, generator=generator) * scale, torch.randn(V, generator=generator) * scale


def logits_of(samples, weight, bias) -> list[mpmath.mpf]:
    mpmath.mp.dps = 60
    h = [mpmath.mpf(each) for each in samples[0, 0].tolist()]
    rows = zip(weight.tolist(), bias.tolist(), strict=True)
    return [mpmath.fsum(mpmath.mpf(w) * x for w, x in zip(row, h, strict=True)) + mpmath.mpf(b) for row, b in rows]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("counts", COUNTS, ids=str)
@pytest.mark.parametrize("first", [0, 3])
def test_softmax(scale, counts, first):
    samples, weight, bias = layer(scale)
    words = [(first + number) % V for number in range(len(counts))]
    values = torch.tensor(counts, dtype=torch.float32)
    x = SparseCounts(torch.tensor(words), values, torch.tensor([0, len(words)]), vocabulary_size=V)
    logits = logits_of(samples, weight, bias)
    log_z = mpmath.log(mpmath.fsum(map(mpmath.exp, logits)))
    expected = float(mpmath.fsum(int(c) * (logits[w] - log_z) for w, c in zip(words, values.tolist(), strict=True)))
    found = SoftmaxWords(samples, weight, bias).log_prob(x).item()
    if max(counts) > 4096:
        assert found == pytest.approx(expected, rel=2e-7, abs=1e-6)
    else:  # single precision of the two sums
        size = sum(counts) * (max(map(abs, map(float, logits))) + abs(float(log_z)) + 1)
        assert found == pytest.approx(expected, rel=1e-6, abs=8 * 1.2e-7 * size)


def test_one_word_of_a_concentrated_softmax_does_not_cancel():
    weight, bias = torch.zeros(2, 1), torch.tensor([12.0, 0.0])
    x = SparseCounts(torch.tensor([0]), torch.tensor([1e8]), torch.tensor([0, 1]), vocabulary_size=2)
    expected = -1e8 * float(mpmath.log1p(mpmath.exp(-12)))
    assert SoftmaxWords(torch.zeros(1, 1, 1), weight, bias).log_prob(x).item() == pytest.approx(expected, rel=1e-6)


def test_gradients_of_large_counts_are_those_of_double_precision():
    samples, weight, bias = layer(1.0)
    x = SparseCounts(torch.tensor([0, 4]), torch.tensor([1e7, 3.0]), torch.tensor([0, 2]), vocabulary_size=V)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        parameters = [each.detach().to(dtype, copy=True).requires_grad_() for each in (weight, bias)]
        counts = x if dtype == torch.float32 else x.double()
        SoftmaxWords(samples.to(dtype), *parameters).log_prob(counts).sum().backward()
        gradients.append([each.grad.double() for each in parameters])
    for single, double in zip(*gradients, strict=True):
        torch.testing.assert_close(single, double, rtol=1e-6, atol=1e-6 * 1e7)


@pytest.mark.parametrize("scale", SCALES)
def test_bits(scale):
    samples, weight, bias = layer(scale)
    x = SparseCounts(torch.tensor([1, 3, 5]), torch.ones(3), torch.tensor([0, 3]), vocabulary_size=V)
    logits = logits_of(samples, weight, bias)
    terms = [(a if v in (1, 3, 5) else 0) - mpmath.log1p(mpmath.exp(a)) for v, a in enumerate(logits)]
    size = sum(abs(float(a)) for a in logits) + 1
    found = Bits(samples, weight, bias).log_prob(x).item()
    assert found == pytest.approx(float(mpmath.fsum(terms)), rel=1e-6, abs=8 * 1.2e-7 * size)
