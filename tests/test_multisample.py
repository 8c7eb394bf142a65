"""RLOO, VIMCO and reweighted wake-sleep compared with sums over all samples that q could draw."""

import pytest
import torch
from exact import (
    VOCABULARY_SIZE,
    assert_gradients_equal,
    elbo_gradients,
    every_draw,
    expected_gradients,
    gradient_variance,
    joint_terms,
    log_prob_terms,
    parameter_gradients,
    random_network,
)
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.bounds import importance_weighted_bound
from docnvil.nvil.multisample import reweighted_wake_sleep, rloo, vimco
from docnvil.nvil.nvil import NVIL, nvil_surrogate

AUTOREGRESSIVE = {"prior": "autoregressive", "posterior": "autoregressive"}
NETWORKS = [
    ((3,), {}),
    ((2, 1), {}),
    ((3,), AUTOREGRESSIVE),
    ((2, 1), {**AUTOREGRESSIVE, "observation": "dirichlet-multinomial"}),
    ((2, 1), {"prior": "mixture", "themes": 2}),
]


def bound(network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    log_p, log_q = log_prob_terms(network, document, samples)
    return importance_weighted_bound(sum(log_p), sum(log_q)).sum()


def wake_loss(network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    """Reweighted wake-sleep without its sleep phase."""
    no_sleep = [torch.zeros(1, 1, dtype=torch.float64)]
    return reweighted_wake_sleep(*log_prob_terms(network, document, samples), no_sleep).total


@pytest.mark.parametrize(("units", "settings"), NETWORKS)
def test_mean_gradient_of_rloo_is_the_gradient_of_the_elbo(units, settings, document):
    network = random_network(VOCABULARY_SIZE, units, **settings)
    draws = every_draw(network, document, 2)
    found = expected_gradients(network, draws, lambda samples: rloo(*log_prob_terms(network, document, samples)).total)
    assert_gradients_equal(found, elbo_gradients(network, document))


def test_rloo_is_nvil_with_only_the_leave_one_out_baseline(document):
    network = random_network(VOCABULARY_SIZE, (3, 2))
    samples = network.recognition.sample(document, 4, torch.Generator().manual_seed(0))
    nvil = NVIL(2, baseline="leave-one-out", center=False, normalize=False, local=False).double()
    found = parameter_gradients(network, rloo(*log_prob_terms(network, document, samples)).total)
    expected = parameter_gradients(network, nvil(*log_prob_terms(network, document, samples), [None, None]).total)
    assert_gradients_equal(found, expected)


@pytest.mark.parametrize(
    ("units", "settings", "n_samples"),
    [*((*network, 2) for network in NETWORKS), ((2,), {}, 3), ((1, 1), AUTOREGRESSIVE, 3)],
)
def test_mean_gradient_of_vimco_is_the_gradient_of_the_importance_weighted_bound(units, settings, n_samples, document):
    network = random_network(VOCABULARY_SIZE, units, **settings)
    draws = list(every_draw(network, document, n_samples))
    found = expected_gradients(network, draws, lambda samples: vimco(*log_prob_terms(network, document, samples)).total)
    objective = sum(probability * bound(network, document, samples) for probability, samples in draws)
    assert_gradients_equal(found, parameter_gradients(network, objective))


@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_reweighted_wake_sleep_gives_p_the_gradient_of_the_importance_weighted_bound(n_samples, document):
    network = random_network(VOCABULARY_SIZE, (2, 1) if n_samples < 3 else (2,))
    draws = list(every_draw(network, document, n_samples))
    found = expected_gradients(network, draws, lambda samples: wake_loss(network, document, samples))
    objective = sum(probability.detach() * bound(network, document, samples) for probability, samples in draws)
    assert_gradients_equal(found, parameter_gradients(network, objective), prefix="generative")


def test_wake_phase_moves_q_closer_to_the_posterior_with_more_samples(document):
    """With one sample its mean gradient is zero; with more it approaches the gradient of -KL(p(h | x) || q(h | x))."""
    network = random_network(VOCABULARY_SIZE, (2,))
    log_p, log_q, _ = joint_terms(network, document)
    posterior = torch.softmax(sum(log_p), 0).detach()
    exact = parameter_gradients(network, (posterior * sum(log_q)).sum())
    distances = []
    for n_samples in (1, 2, 3, 4):
        draws = every_draw(network, document, n_samples)
        found = expected_gradients(network, draws, lambda samples: wake_loss(network, document, samples))
        names = [name for name in exact if name.startswith("recognition")]
        if n_samples == 1:
            assert all(found[name].abs().max() < 1e-12 for name in names)
        distances.append(sum(((found[name] - exact[name]) ** 2).sum().item() for name in names))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.4 * distances[0]


def test_sleep_phase_maximizes_log_q_of_model_samples():
    model_sample_log_q = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    zero = [torch.zeros(2, 1)]
    reweighted_wake_sleep(zero, zero, [model_sample_log_q]).total.backward()
    assert model_sample_log_q.grad.tolist() == [[-1.0, -1.0]]


def test_rloo_has_less_variance_than_reinforce_with_as_many_samples(document):
    network = random_network(VOCABULARY_SIZE, (3,))
    weight = network.recognition.first.linear.weight
    draws = list(every_draw(network, document, 2))

    def reinforce(samples: Samples) -> Tensor:
        log_p, log_q = log_prob_terms(network, document, samples)
        return nvil_surrogate(log_p, log_q, [sum(log_p) - sum(log_q)])

    without = gradient_variance(draws, reinforce, weight)
    found = gradient_variance(draws, lambda samples: rloo(*log_prob_terms(network, document, samples)).total, weight)
    assert found < without / 3


def test_vimco_has_less_variance_than_without_its_baseline(document):
    network = random_network(VOCABULARY_SIZE, (3,))
    weight = network.recognition.first.linear.weight
    draws = list(every_draw(network, document, 2))

    def without_baseline(samples: Samples) -> Tensor:
        log_p, log_q = log_prob_terms(network, document, samples)
        objective = importance_weighted_bound(sum(log_p), sum(log_q))
        return -(objective.detach() * sum(log_q)).sum() - objective.sum()

    without = gradient_variance(draws, without_baseline, weight)
    found = gradient_variance(draws, lambda samples: vimco(*log_prob_terms(network, document, samples)).total, weight)
    assert found < without / 3
