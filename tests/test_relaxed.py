"""MuProp and the straight-through Gumbel estimator compared with the enumerated gradient; the latter is biased."""

import pytest
import torch
from exact import (
    VOCABULARY_SIZE,
    assert_gradients_equal,
    elbo_gradients,
    every_draw,
    expected_gradients,
    gradient_variance,
    log_prob_terms,
    parameter_gradients,
    random_network,
)
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.nvil import nvil_surrogate
from docnvil.nvil.relaxed import Expansion, straight_through_gumbel, straight_through_samples
from docnvil.nvil.relaxed import muprop as muprop_losses
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS


def muprop(network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    estimator = GRADIENT_ESTIMATORS["muprop"]
    terms = log_prob_terms(network, document, samples)
    return estimator.losses(*terms, *estimator.inputs(network, document, samples, None)).total


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
def test_mean_gradient_of_muprop_is_the_gradient_of_the_elbo(units, settings, n_samples, document):
    network = random_network(VOCABULARY_SIZE, units, **settings)
    draws = every_draw(network, document, n_samples)
    found = expected_gradients(network, draws, lambda samples: muprop(network, document, samples))
    assert_gradients_equal(found, elbo_gradients(network, document))


def test_muprop_has_less_variance_than_reinforce(document):
    network = random_network(VOCABULARY_SIZE, (4,), scale=0.4)
    weight = network.recognition.first.linear.weight
    draws = list(every_draw(network, document, 1))

    def reinforce(samples: Samples) -> Tensor:
        log_p, log_q = log_prob_terms(network, document, samples)
        return nvil_surrogate(log_p, log_q, [sum(log_p) - sum(log_q)])

    without = gradient_variance(draws, reinforce, weight)
    assert gradient_variance(draws, lambda samples: muprop(network, document, samples), weight) < without / 3


def test_residual_of_muprop_is_zero_for_a_linear_signal():
    """l(h) = 2 + 3 h_1 - h_2 is its own Taylor expansion around any mean."""
    samples = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])
    mean, slope = torch.tensor([[[0.25, 0.5]]]), torch.tensor([[[3.0, -1.0]]])
    signal = 2 + (samples * slope).sum(-1)
    expansion = Expansion(mean, 2 + (mean * slope).sum(-1), slope)
    (residual,) = muprop_losses([signal[:1]], [torch.zeros(1, 1)], [samples[:1]], [expansion]).residuals
    assert residual.tolist() == [[0]]


def test_straight_through_samples_are_binary_and_follow_their_logits():
    logits = torch.tensor([-2.0, 0.0, 1.0])
    uniforms = torch.rand((50_000, 3), generator=torch.Generator().manual_seed(0))
    samples = straight_through_samples(logits, uniforms, temperature=0.5)
    assert set(samples.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(samples.mean(0), logits.sigmoid(), atol=0.01)


def test_straight_through_gradients_are_those_of_the_relaxed_sigmoid():
    logits = torch.tensor([-2.0, 0.5], requires_grad=True)
    uniforms = torch.tensor([0.3, 0.8])
    straight_through_samples(logits, uniforms, temperature=0.5).sum().backward()
    soft = torch.sigmoid((logits.detach() + (uniforms / (1 - uniforms)).log()) / 0.5)
    assert torch.allclose(logits.grad, soft * (1 - soft) / 0.5)


def test_straight_through_gumbel_is_biased_for_q_and_unbiased_for_p(document):
    """For one unit, the mean over the noise is a sum over a fine grid."""
    network = random_network(VOCABULARY_SIZE, (1,))
    steps = 20_000
    noise = ((torch.arange(steps, dtype=torch.float64) + 0.5) / steps).view(-1, 1, 1)
    samples = (straight_through_samples(network.recognition.first(document).logits.expand(steps, 1, 1), noise),)
    loss = straight_through_gumbel(*log_prob_terms(network, document, samples)).total
    found, exact = parameter_gradients(network, -loss), elbo_gradients(network, document)
    q = "recognition.first.linear.bias"
    assert abs(found[q] - exact[q]) > 0.1 * abs(exact[q])
    for name, value in exact.items():
        if name.startswith("generative"):
            assert torch.allclose(found[name], value, atol=1e-3), name
