"""DisARM and ARMS against sums over every group of samples that their copula allows, with its exact probabilities."""

from collections.abc import Iterator
from itertools import combinations, product

import pytest
import torch
from exact import every_draw, exact_elbo, exact_gradient, expectation, random_counts, random_network, variance
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.antithetic import antithetic_samples, correlation
from docnvil.nvil.multisample import rloo
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, sample_antithetic

WORDS = 5


@pytest.fixture
def document() -> SparseCounts:
    counts = random_counts(2, WORDS, seed=4)
    return SparseCounts(counts.indices, counts.values, counts.offsets[:2], WORDS)


def group_probabilities(p: float, group: int) -> dict[tuple[int, ...], float]:
    """The probability of each pattern of one unit's samples in a group.

    Shares d of a stick broken into n all exceed a, for the samples of a set A, with probability (1 - |A| a)^(n-1).
    """
    rare = min(p, 1 - p)
    edge = 1 - rare ** (1 / (group - 1))
    at_least = [max(0.0, 1 - size * edge) ** (group - 1) for size in range(group + 1)]
    found = {}
    for size in range(group + 1):
        exactly = sum(
            (-1) ** more * at_least[size + more] * sum(1 for _ in combinations(range(group - size), more))
            for more in range(group - size + 1)
        )
        for ones in combinations(range(group), size):
            pattern = [1 if sample in ones else 0 for sample in range(group)]
            found[tuple(bit if p <= 0.5 else 1 - bit for bit in pattern)] = max(
                0.0, exactly
            )  # rounding may leave a hair below zero
    return found


def layer_draws(logits: Tensor, group: int) -> Iterator[tuple[float, Tensor]]:
    """Every pattern of a layer's units, `[n, 1, K]`, for logits `[K]`."""
    patterns = [group_probabilities(p, group).items() for p in logits.detach().sigmoid().tolist()]
    for chosen in product(*patterns):
        probability = torch.tensor([each for _, each in chosen], dtype=torch.float64).prod().item()
        if probability > 0:
            yield probability, torch.tensor([pattern for pattern, _ in chosen], dtype=torch.float64).T[:, None]


def bits(n_units: int) -> list[Tensor]:
    return [torch.tensor(each, dtype=torch.float64) for each in product([0.0, 1.0], repeat=n_units)]


def one_layer_draws(network: BeliefNetwork, document: SparseCounts, group: int, groups: int = 1) -> list:
    logits = network.recognition.first(document).logits[0]
    draws = []
    for chosen in product(layer_draws(logits, group), repeat=groups):
        probability = torch.tensor([each for each, _ in chosen], dtype=torch.float64).prod()
        draws.append((probability, (torch.cat([samples for _, samples in chosen]),)))
    return draws


def two_layer_draws(network: BeliefNetwork, document: SparseCounts, group: int) -> list:
    """Two sets: pairs in the first layer with the second drawn freely; one first layer with pairs in the second."""
    first, second = network.recognition.first(document), network.recognition.layers[0]
    sets: list[list[tuple[float, Samples]]] = [[], []]
    for probability, lower in layer_draws(first.logits[0], group):
        for uppers in product(bits(network.config.units[1]), repeat=group):
            upper = torch.stack(uppers)[:, None]
            of_upper = second(lower).log_prob(upper).sum().exp().item()
            sets[0].append((probability * of_upper, (lower, upper)))
    for each in bits(network.config.units[0]):
        lower = each.expand(group, 1, -1)
        of_lower = first.log_prob(each[None, None]).exp().item()
        for probability, upper in layer_draws(second(each).logits, group):
            sets[1].append((of_lower * probability, (lower, upper)))
    return [
        (torch.tensor(one * other, dtype=torch.float64), tuple(map(torch.cat, zip(samples, others, strict=True))))
        for (one, samples), (other, others) in product(*sets)
    ]


def loss_of(name: str, network: BeliefNetwork, document: SparseCounts, samples: Samples) -> Tensor:
    estimator = GRADIENT_ESTIMATORS[name]
    log_p = network.generative.log_prob_terms(document, samples)
    log_q = network.recognition.log_prob_terms(document, samples)
    return estimator.losses(log_p, log_q, *estimator.inputs(network, document, samples, None)).total


def assert_is_elbo_gradient(name: str, network: BeliefNetwork, document: SparseCounts, draws: list) -> None:
    assert sum(probability for probability, _ in draws).item() == pytest.approx(1)
    found = expectation(network, draws, lambda samples: loss_of(name, network, document, samples))
    for parameter, exact in exact_gradient(network, exact_elbo(network, document).sum()).items():
        assert torch.allclose(found[parameter], exact, atol=1e-8, rtol=0), parameter


@pytest.mark.parametrize(
    ("name", "units", "group", "groups"),
    [("disarm", (3,), 2, 1), ("disarm", (2,), 2, 2), ("arms", (2,), 2, 1), ("arms", (2,), 3, 1), ("arms", (1,), 5, 1)],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_expected_gradient_is_the_enumerated_one(name, units, group, groups, seed, document):
    network = random_network(WORDS, units, seed=seed, prior="autoregressive")
    assert_is_elbo_gradient(name, network, document, one_layer_draws(network, document, group, groups))


@pytest.mark.parametrize("name", ["disarm", "arms"])
def test_expected_gradient_of_two_layers_is_the_enumerated_one(name, document):
    network = random_network(WORDS, (2, 1))
    assert_is_elbo_gradient(name, network, document, two_layer_draws(network, document, 2))


@pytest.mark.parametrize("group", [2, 3])
def test_antithetic_samples_vary_the_gradient_less_than_independent_ones(group, document):
    """DisARM for pairs, ARMS for three, beside RLOO with as many samples."""
    network = random_network(WORDS, (2,), scale=0.4)
    weight = network.recognition.first.linear.weight

    def independent(samples: Samples) -> Tensor:
        log_p = network.generative.log_prob_terms(document, samples)
        return rloo(log_p, network.recognition.log_prob_terms(document, samples)).total

    apart = variance(every_draw(network, document, group), independent, weight)
    draws = one_layer_draws(network, document, group)
    assert variance(draws, lambda samples: loss_of("arms", network, document, samples), weight) < apart


@pytest.mark.parametrize("group", [2, 3, 5])
def test_codes_follow_the_copula(group):
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


def test_correlation_of_units_that_are_almost_sure_is_a_number():
    found = correlation(torch.tensor([-200.0, -90.0, 90.0, 200.0]), 3)
    assert (found.abs() < 1e-12).all()


def test_samplers_share_what_lies_below_a_group_and_keep_the_marginals():
    network = random_network(WORDS, (3, 2))
    counts = random_counts(2, WORDS, seed=4)
    n_samples = 4000
    samples = sample_antithetic(network.recognition, counts, n_samples, torch.Generator().manual_seed(0), group=2)
    lower, upper = (layer.view(2, n_samples, 2, -1) for layer in samples)
    pairs = lower[1].unflatten(0, (-1, 2))
    assert torch.equal(pairs[:, 0], pairs[:, 1])
    free = network.recognition.sample(counts, 20_000, torch.Generator().manual_seed(1))
    for drawn, independent in zip((lower, upper), free, strict=True):
        for one_set in drawn:
            assert torch.allclose(one_set.mean(0), independent.mean(0), atol=0.04)
