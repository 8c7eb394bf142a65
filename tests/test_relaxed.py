"""MuProp against the enumerated gradient; the straight-through Gumbel estimator against it too, which it misses."""

import pytest
import torch
from exact import every_draw, exact_elbo, exact_gradient, expectation, random_counts, random_network, variance
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.nvil import nvil_surrogate
from docnvil.nvil.relaxed import straight_through_gumbel, straight_through_samples
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS

WORDS = 5


@pytest.fixture
def document() -> SparseCounts:
    counts = random_counts(2, WORDS, seed=4)
    return SparseCounts(counts.indices, counts.values, counts.offsets[:2], WORDS)


def muprop(network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    estimator = GRADIENT_ESTIMATORS["muprop"]
    log_p = network.generative.log_prob_terms(document, samples)
    log_q = network.recognition.log_prob_terms(document, samples)
    return estimator.losses(log_p, log_q, *estimator.inputs(network, document, samples, None)).total


@pytest.mark.parametrize("n_samples", [1, 2])
@pytest.mark.parametrize(
    ("units", "settings"),
    [
        ((3,), {}),
        ((2, 1), {}),
        ((1, 1, 1), {}),
        ((3,), {"prior": "autoregressive", "observation": "dirichlet-multinomial"}),
    ],
)
def test_muprop_expects_the_enumerated_gradient(units, settings, n_samples, document):
    network = random_network(WORDS, units, **settings)
    draws = every_draw(network, document, n_samples)
    found = expectation(network, draws, lambda samples: muprop(network, document, samples))
    for name, exact in exact_gradient(network, exact_elbo(network, document).sum()).items():
        assert torch.allclose(found[name], exact, atol=1e-8, rtol=0), name


def test_muprop_varies_less_than_reinforce(document):
    network = random_network(WORDS, (4,), scale=0.4)
    weight = network.recognition.first.linear.weight
    draws = list(every_draw(network, document, 1))

    def reinforce(samples: Samples) -> Tensor:
        log_p = network.generative.log_prob_terms(document, samples)
        log_q = network.recognition.log_prob_terms(document, samples)
        return nvil_surrogate(log_p, log_q, [sum(log_p) - sum(log_q)])

    without = variance(draws, reinforce, weight)
    assert variance(draws, lambda samples: muprop(network, document, samples), weight) < without / 3


def test_straight_through_units_are_zeros_and_ones_and_follow_their_logits():
    logits = torch.tensor([-2.0, 0.0, 1.0])
    uniforms = torch.rand((50_000, 3), generator=torch.Generator().manual_seed(0))
    samples = straight_through_samples(logits, uniforms, temperature=0.5)
    assert set(samples.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(samples.mean(0), logits.sigmoid(), atol=0.01)


def test_straight_through_gumbel_is_biased_for_q_and_not_for_p(document):
    """One unit, and its noise on a fine grid: what the mean over all noise comes to, but for the grid's error."""
    network = random_network(WORDS, (1,))
    steps = 20_000
    noise = ((torch.arange(steps, dtype=torch.float64) + 0.5) / steps).view(-1, 1, 1)
    samples = (straight_through_samples(network.recognition.first(document).logits.expand(steps, 1, 1), noise),)
    log_p = network.generative.log_prob_terms(document, samples)
    loss = straight_through_gumbel(log_p, network.recognition.log_prob_terms(document, samples)).total
    found = exact_gradient(network, -loss)
    exact = exact_gradient(network, exact_elbo(network, document).sum())
    q = "recognition.first.linear.bias"
    assert abs(found[q] - exact[q]) > 0.1 * abs(exact[q])
    for name, value in exact.items():
        if name.startswith("generative"):
            assert torch.allclose(found[name], value, atol=1e-3), name
