"""RLOO, VIMCO and reweighted wake-sleep against sums over every tuple of samples that q could draw."""

import pytest
import torch
from exact import (
    every_draw,
    exact_elbo,
    exact_gradient,
    expectation,
    joint_terms,
    random_counts,
    random_network,
    variance,
)
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.bounds import importance_weighted_bound
from docnvil.nvil.multisample import reweighted_wake_sleep, rloo, vimco
from docnvil.nvil.nvil import NVIL, nvil_surrogate

WORDS = 5
CHAINS = {"prior": "autoregressive", "posterior": "autoregressive"}
SHAPES = [((3,), {}), ((2, 1), {}), ((3,), CHAINS), ((2, 1), {**CHAINS, "observation": "dirichlet-multinomial"})]


@pytest.fixture
def document() -> SparseCounts:
    counts = random_counts(2, WORDS, seed=4)
    return SparseCounts(counts.indices, counts.values, counts.offsets[:2], WORDS)


def terms(
    network: BeliefNetwork, document: SparseCounts, samples: Samples
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    return network.generative.log_prob_terms(document, samples), network.recognition.log_prob_terms(document, samples)


def bound(network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    log_p, log_q = terms(network, document, samples)
    return importance_weighted_bound(sum(log_p), sum(log_q)).sum()


def assert_same(found: dict[str, Tensor], exact: dict[str, Tensor], part: str = "") -> None:
    for name, value in exact.items():
        if name.startswith(part):
            assert torch.allclose(found[name], value, atol=1e-8, rtol=0), name


@pytest.mark.parametrize(("units", "settings"), SHAPES)
def test_rloo_expects_the_gradient_of_the_bound(units, settings, document):
    network = random_network(WORDS, units, **settings)
    draws = every_draw(network, document, 2)
    found = expectation(network, draws, lambda samples: rloo(*terms(network, document, samples)).total)
    assert_same(found, exact_gradient(network, exact_elbo(network, document).sum()))


def test_rloo_is_nvil_with_that_baseline_and_nothing_else(document):
    network = random_network(WORDS, (3, 2))
    samples = network.recognition.sample(document, 4, torch.Generator().manual_seed(0))
    nvil = NVIL(2, baseline="leave-one-out", center=False, normalize=False, local=False).double()
    one = exact_gradient(network, rloo(*terms(network, document, samples)).total)
    other = exact_gradient(network, nvil(*terms(network, document, samples), [None, None]).total)
    assert_same(one, other)


@pytest.mark.parametrize(
    ("units", "settings", "n_samples"), [*((*shape, 2) for shape in SHAPES), ((2,), {}, 3), ((1, 1), CHAINS, 3)]
)
def test_vimco_expects_the_gradient_of_the_importance_weighted_bound(units, settings, n_samples, document):
    network = random_network(WORDS, units, **settings)
    draws = list(every_draw(network, document, n_samples))
    found = expectation(network, draws, lambda samples: vimco(*terms(network, document, samples)).total)
    objective = sum(probability * bound(network, document, samples) for probability, samples in draws)
    assert_same(found, exact_gradient(network, objective))


@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_reweighted_wake_sleep_gives_p_the_gradient_of_the_importance_weighted_bound(n_samples, document):
    network = random_network(WORDS, (2, 1) if n_samples < 3 else (2,))
    draws = list(every_draw(network, document, n_samples))
    found = expectation(network, draws, lambda samples: awake(network, document, samples))
    held = sum(probability.detach() * bound(network, document, samples) for probability, samples in draws)
    assert_same(found, exact_gradient(network, held), part="generative")


def test_reweighted_wake_sleep_brings_q_the_nearer_to_the_posterior_the_more_samples_it_weighs(document):
    """With one sample q learns nothing awake; with more, its mean nears the gradient of -KL(p(h | x) || q(h | x))."""
    network = random_network(WORDS, (2,))
    log_p, log_q, _ = joint_terms(network, document)
    posterior = torch.softmax(sum(log_p), 0).detach()
    exact = exact_gradient(network, (posterior * sum(log_q)).sum())
    distances = []
    for n_samples in (1, 2, 3, 4):
        found = expectation(
            network, every_draw(network, document, n_samples), lambda samples: awake(network, document, samples)
        )
        names = [name for name in exact if name.startswith("recognition")]
        if n_samples == 1:
            assert all(found[name].abs().max() < 1e-12 for name in names)
        distances.append(sum(((found[name] - exact[name]) ** 2).sum().item() for name in names))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.4 * distances[0]


def test_reweighted_wake_sleep_learns_q_from_dreams_as_wake_sleep_does():
    dreamed = torch.tensor([[-1.0, -2.0]], requires_grad=True)
    zero = [torch.zeros(2, 1)]
    reweighted_wake_sleep(zero, zero, [dreamed]).total.backward()
    assert dreamed.grad.tolist() == [[-1.0, -1.0]]


def awake(network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    return reweighted_wake_sleep(*terms(network, document, samples), [torch.zeros(1, 1, dtype=torch.float64)]).total


def test_rloo_varies_less_than_reinforce_with_as_many_samples(document):
    network = random_network(WORDS, (3,))
    weight = network.recognition.first.linear.weight
    draws = list(every_draw(network, document, 2))

    def reinforce(samples: Samples) -> Tensor:
        log_p, log_q = terms(network, document, samples)
        return nvil_surrogate(log_p, log_q, [sum(log_p) - sum(log_q)])

    without = variance(draws, reinforce, weight)
    assert variance(draws, lambda samples: rloo(*terms(network, document, samples)).total, weight) < without / 3


def test_vimco_varies_less_than_without_what_it_compares_with(document):
    network = random_network(WORDS, (3,))
    weight = network.recognition.first.linear.weight
    draws = list(every_draw(network, document, 2))

    def naive(samples: Samples) -> Tensor:
        log_p, log_q = terms(network, document, samples)
        found = importance_weighted_bound(sum(log_p), sum(log_q))
        return -(found.detach() * sum(log_q)).sum() - found.sum()

    without = variance(draws, naive, weight)
    assert variance(draws, lambda samples: vimco(*terms(network, document, samples)).total, weight) < without / 3
