"""DisARM and ARMS compared with sums over every group of samples, with exact probabilities from their copula."""

from collections.abc import Iterator
from itertools import combinations, product

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
    random_counts,
    random_network,
)
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.antithetic import antithetic_samples, correlation
from docnvil.nvil.multisample import rloo
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, sample_antithetic


def group_probabilities(p: float, group: int) -> dict[tuple[int, ...], float]:
    """Return the probability of each pattern of one unit's samples in a group.

    For a flat Dirichlet variable d over n samples and a set A of them, p(d_i > a for all i in A) = (1 - |A| a)^(n-1).
    """
    rare = min(p, 1 - p)
    edge = 1 - rare ** (1 / (group - 1))
    at_least = [max(0.0, 1 - size * edge) ** (group - 1) for size in range(group + 1)]
    probabilities = {}
    for size in range(group + 1):
        exactly = sum(
            (-1) ** more * at_least[size + more] * sum(1 for _ in combinations(range(group - size), more))
            for more in range(group - size + 1)
        )
        for ones in combinations(range(group), size):
            pattern = tuple((sample in ones) ^ (p > 0.5) for sample in range(group))
            probabilities[tuple(map(int, pattern))] = max(0.0, exactly)  # rounding can make it slightly negative
    return probabilities


def layer_draws(logits: Tensor, group: int) -> Iterator[tuple[float, Tensor]]:
    """Yield every pattern of a layer's units, `[n, 1, K]`, for logits `[K]`, with its probability."""
    patterns = [group_probabilities(p, group).items() for p in logits.detach().sigmoid().tolist()]
    for chosen in product(*patterns):
        probability = torch.tensor([each for _, each in chosen], dtype=torch.float64).prod().item()
        if probability > 0:
            yield probability, torch.tensor([pattern for pattern, _ in chosen], dtype=torch.float64).T[:, None]


def unit_settings(n_units: int) -> list[Tensor]:
    return [torch.tensor(each, dtype=torch.float64) for each in product([0.0, 1.0], repeat=n_units)]


def one_layer_draws(network: BeliefNetwork, document: SparseCounts, group: int, n_groups: int = 1) -> list:
    logits = network.recognition.first(document).logits[0]
    draws = []
    for chosen in product(layer_draws(logits, group), repeat=n_groups):
        probability = torch.tensor([each for each, _ in chosen], dtype=torch.float64).prod()
        draws.append((probability, (torch.cat([samples for _, samples in chosen]),)))
    return draws


def two_layer_draws(network: BeliefNetwork, document: SparseCounts, group: int) -> list:
    """Return the draws of two sets: groups in the first layer with an independent second, and the other way round."""
    first, second = network.recognition.first(document), network.recognition.layers[0]
    sets: list[list[tuple[float, Samples]]] = [[], []]
    for probability, lower in layer_draws(first.logits[0], group):
        for uppers in product(unit_settings(network.config.units[1]), repeat=group):
            upper = torch.stack(uppers)[:, None]
            upper_probability = second(lower).log_prob(upper).sum().exp().item()
            sets[0].append((probability * upper_probability, (lower, upper)))
    for setting in unit_settings(network.config.units[0]):
        lower = setting.expand(group, 1, -1)
        lower_probability = first.log_prob(setting[None, None]).exp().item()
        for probability, upper in layer_draws(second(setting).logits, group):
            sets[1].append((lower_probability * probability, (lower, upper)))
    return [
        (torch.tensor(one * other, dtype=torch.float64), tuple(map(torch.cat, zip(samples, others, strict=True))))
        for (one, samples), (other, others) in product(*sets)
    ]


def estimator_loss(name: str, network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    estimator = GRADIENT_ESTIMATORS[name]
    terms = log_prob_terms(network, document, samples)
    return estimator.losses(*terms, *estimator.inputs(network, document, samples, None)).total


def assert_mean_is_elbo_gradient(name: str, network: BeliefNetwork, document: SparseCounts, draws: list) -> None:
    assert sum(probability for probability, _ in draws).item() == pytest.approx(1)
    found = expected_gradients(network, draws, lambda samples: estimator_loss(name, network, document, samples))
    assert_gradients_equal(found, elbo_gradients(network, document))


@pytest.mark.parametrize(
    ("name", "units", "group", "n_groups"),
    [("disarm", (3,), 2, 1), ("disarm", (2,), 2, 2), ("arms", (2,), 2, 1), ("arms", (2,), 3, 1), ("arms", (1,), 5, 1)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_mean_gradient_is_the_gradient_of_the_elbo(name, units, group, n_groups, seed, document):
    network = random_network(VOCABULARY_SIZE, units, seed=seed, prior="autoregressive")
    assert_mean_is_elbo_gradient(name, network, document, one_layer_draws(network, document, group, n_groups))


@pytest.mark.parametrize("name", ["disarm", "arms"])
def test_mean_gradient_of_two_layers_is_the_gradient_of_the_elbo(name, document):
    network = random_network(VOCABULARY_SIZE, (2, 1))
    assert_mean_is_elbo_gradient(name, network, document, two_layer_draws(network, document, 2))


@pytest.mark.parametrize("group", [2, 3])
def test_antithetic_samples_give_less_variance_than_independent_ones(group, document):
    """DisARM for pairs and ARMS for groups of three, compared with RLOO with as many samples."""
    network = random_network(VOCABULARY_SIZE, (2,), scale=0.4)
    weight = network.recognition.first.linear.weight

    def rloo_loss(samples: Samples) -> Tensor:
        return rloo(*log_prob_terms(network, document, samples)).total

    independent = gradient_variance(every_draw(network, document, group), rloo_loss, weight)
    draws = one_layer_draws(network, document, group)
    antithetic = gradient_variance(draws, lambda samples: estimator_loss("arms", network, document, samples), weight)
    assert antithetic < independent


@pytest.mark.parametrize("group", [2, 3, 5])
def test_samples_follow_the_copula(group):
    logits = torch.tensor([-3.0, -0.4, 0.0, 1.2], dtype=torch.float64)
    n_groups = 40_000
    uniforms = torch.rand((group * n_groups, 1, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    samples = antithetic_samples(uniforms, logits, group).view(n_groups, group, 4)
    for unit, logit in enumerate(logits):
        probabilities = group_probabilities(logit.sigmoid().item(), group)
        for pattern, probability in probabilities.items():
            share = (samples[:, :, unit] == torch.tensor(pattern)).all(1).double().mean().item()
            assert share == pytest.approx(probability, abs=5 * (probability / n_groups) ** 0.5 + 1e-9)
        both = sum(probability for pattern, probability in probabilities.items() if pattern[0] == pattern[1] == 1)
        p = logit.sigmoid().item()
        assert correlation(logit, group).item() == pytest.approx((both - p * p) / (p * (1 - p)))


def test_correlation_is_finite_for_extreme_logits():
    found = correlation(torch.tensor([-200.0, -90.0, 90.0, 200.0]), 3)
    assert (found.abs() < 1e-12).all()


def test_groups_share_the_layers_below_and_keep_the_marginal_probabilities():
    network = random_network(VOCABULARY_SIZE, (3, 2))
    counts = random_counts(2, VOCABULARY_SIZE, seed=4)
    n_samples = 4000
    samples = sample_antithetic(network.recognition, counts, n_samples, torch.Generator().manual_seed(0), group=2)
    lower, upper = (layer.view(2, n_samples, 2, -1) for layer in samples)
    pairs = lower[1].unflatten(0, (-1, 2))
    assert torch.equal(pairs[:, 0], pairs[:, 1])
    independent = network.recognition.sample(counts, 20_000, torch.Generator().manual_seed(1))
    for layer, expected in zip((lower, upper), independent, strict=True):
        for one_set in layer:
            assert torch.allclose(one_set.mean(0), expected.mean(0), atol=0.04)
