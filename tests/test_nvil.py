"""NVIL against the gradient of the enumerated bound: the mean must be exact, the variance must fall."""

from itertools import product

import pytest
import torch
from exact import all_codes, exact_elbo, random_counts, random_network
from torch import Tensor, nn

from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.layers import SparseLinear
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.baselines import InputDependentBaseline
from docnvil.nvil.nvil import NVIL

WORDS = 5


def one_document() -> SparseCounts:
    counts = random_counts(2, WORDS, seed=4)
    return SparseCounts(counts.indices, counts.values, counts.offsets[:2], WORDS)


def gradient_with(units: tuple[int, ...], **options: object) -> NVIL:
    """NVIL with previous moments, which are exactly unbiased, frozen at values of some size."""
    networks = []
    if options.get("baseline", "learned") == "learned":
        torch.manual_seed(3)
        first = [SparseLinear(WORDS, 7), *(nn.Linear(below, 7) for below in units[:-1])]
        networks = [InputDependentBaseline(layer, 7) for layer in first]
        for parameter in (parameter for network in networks for parameter in network.parameters()):
            nn.init.normal_(parameter)
    return NVIL(len(units), networks=networks, moments_first=False, **options).double()


def frozen(gradient: NVIL, mean: float = 0.7, variance: float = 6.25) -> NVIL:
    gradient.means.fill_(mean)
    gradient.variances.fill_(variance)
    return gradient


def expected_gradient(network: BeliefNetwork, gradient: NVIL, counts: SparseCounts, n_samples: int) -> list[Tensor]:
    """Sum the estimate over all samples q could draw, times their probability."""
    samples = all_codes(network, 1)
    with torch.no_grad():
        probability = sum(network.recognition.log_prob_terms(counts, samples)).exp().squeeze(1)
    surrogate = 0.0
    for chosen in product(range(len(probability)), repeat=n_samples):
        drawn = tuple(layer[list(chosen)] for layer in samples)
        loss = estimate(network, frozen(gradient), counts, drawn)
        surrogate = surrogate + probability[list(chosen)].prod() * loss
    return list(torch.autograd.grad(-surrogate, list(network.parameters())))


def estimate(network: BeliefNetwork, gradient: NVIL, counts: SparseCounts, drawn: tuple[Tensor, ...]) -> Tensor:
    return gradient(
        network.generative.log_prob_terms(counts, drawn),
        network.recognition.log_prob_terms(counts, drawn),
        network.recognition.parents(counts, drawn),
    ).total


def exact_gradient(network: BeliefNetwork, counts: SparseCounts) -> list[Tensor]:
    return list(torch.autograd.grad(exact_elbo(network, counts).sum(), list(network.parameters())))


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("baseline", ["learned", "none"])
@pytest.mark.parametrize("units", [(4,), (3, 2), (2, 1, 1)])
def test_expected_gradient_is_the_enumerated_one(units, baseline, center, local):
    network, counts = random_network(WORDS, units), one_document()
    gradient = gradient_with(units, baseline=baseline, center=center, local=local, normalize=False)
    for estimated, exact in zip(
        expected_gradient(network, gradient, counts, 1), exact_gradient(network, counts), strict=True
    ):
        assert torch.allclose(estimated, exact, atol=1e-8, rtol=0)


@pytest.mark.parametrize("observation", ["softmax", "dirichlet-multinomial"])
@pytest.mark.parametrize("units", [(4,), (3, 2)])
def test_expected_gradient_of_chains_and_urns_is_the_enumerated_one(units, observation):
    network = random_network(WORDS, units, prior="autoregressive", posterior="autoregressive", observation=observation)
    gradient, counts = gradient_with(units, normalize=False), one_document()
    for estimated, exact in zip(
        expected_gradient(network, gradient, counts, 1), exact_gradient(network, counts), strict=True
    ):
        assert torch.allclose(estimated, exact, atol=1e-8, rtol=0)


@pytest.mark.parametrize("units", [(3,), (2, 1)])
def test_leave_one_out_is_unbiased_with_several_samples(units):
    network, counts = random_network(WORDS, units), one_document()
    gradient = gradient_with(units, baseline="leave-one-out", normalize=False)
    for n_samples in (2, 3):
        for estimated, exact in zip(
            expected_gradient(network, gradient, counts, n_samples), exact_gradient(network, counts), strict=True
        ):
            assert torch.allclose(estimated, exact, atol=1e-8, rtol=0)


def test_normalization_scales_the_recognition_gradient_alone():
    network, counts = random_network(WORDS, (3,)), one_document()
    gradient = gradient_with((3,), baseline="none")
    estimated = dict(
        zip(dict(network.named_parameters()), expected_gradient(network, gradient, counts, 1), strict=True)
    )
    exact = dict(zip(estimated, exact_gradient(network, counts), strict=True))
    for name, value in exact.items():
        scale = 2.5 if name.startswith("recognition") else 1.0  # the square root of the frozen variance
        assert torch.allclose(scale * estimated[name], value, atol=1e-8, rtol=0)


def variance_of(network: BeliefNetwork, gradient: NVIL, parameter: Tensor, counts: SparseCounts) -> float:
    """The summed variance of the estimated gradient of one parameter, by enumeration."""
    samples = all_codes(network, 1)
    with torch.no_grad():
        probability = sum(network.recognition.log_prob_terms(counts, samples)).exp().squeeze(1)
    drawn = [tuple(layer[[setting]] for layer in samples) for setting in range(len(probability))]
    each = torch.stack(
        [torch.autograd.grad(estimate(network, gradient, counts, samples), parameter)[0] for samples in drawn]
    )
    weight = probability.view(-1, *[1] * parameter.dim())
    return ((weight * each**2).sum(0) - (weight * each).sum(0) ** 2).sum().item()


def test_local_signals_lower_the_variance_of_the_upper_layer():
    network, counts = random_network(WORDS, (3, 2)), one_document()
    weight = network.recognition.layers[0].weight
    options = {"baseline": "none", "center": False, "normalize": False}
    whole = variance_of(network, gradient_with((3, 2), local=False, **options), weight, counts)
    local = variance_of(network, gradient_with((3, 2), local=True, **options), weight, counts)
    assert local < whole / 3


def test_a_baseline_near_the_signal_lowers_the_variance():
    network, counts = random_network(WORDS, (4,)), one_document()
    weight = network.recognition.first.linear.weight
    gradient = gradient_with((4,), baseline="none", normalize=False)
    without = variance_of(network, frozen(gradient, mean=0.0), weight, counts)
    bound = exact_elbo(network, counts).item()
    gradient.center = True
    samples = all_codes(network, 1)
    probability = sum(network.recognition.log_prob_terms(counts, samples)).exp()
    assert (probability * 1.0).sum().item() == pytest.approx(1)
    centered = 0.0
    for setting in range(len(probability)):
        frozen(gradient, mean=bound)
        drawn = tuple(layer[[setting]] for layer in samples)
        estimated = torch.autograd.grad(estimate(network, gradient, counts, drawn), weight, retain_graph=True)[0]
        centered += probability[setting].item() * (estimated**2).sum().item()
    exact = dict(zip(dict(network.named_parameters()), exact_gradient(network, counts), strict=True))
    centered -= (exact["recognition.first.linear.weight"] ** 2).sum().item()
    assert centered < without / 3


def test_moments_follow_the_closed_form():
    gradient = NVIL(1, baseline="none").double()
    signals = [torch.tensor([[1.0, 3.0]]), torch.tensor([[5.0, 5.0]])]
    for signal in signals:
        gradient([signal.double(), torch.zeros(1, 2).double()], [torch.zeros(1, 2).double()], [None])
    assert gradient.means.item() == pytest.approx(0.8 * 0.2 * 2 + 0.2 * 5)
    assert gradient.variances.item() == pytest.approx(0.8 * 0.2 * 1)


def test_published_order_renews_the_moments_before_using_them():
    log_p, log_q = [torch.tensor([[10.0]]), torch.zeros(1, 1)], [torch.zeros(1, 1, requires_grad=True)]
    seen = []
    for moments_first in (True, False):
        gradient = NVIL(1, baseline="none", normalize=False, moments_first=moments_first)
        seen.append(-torch.autograd.grad(gradient(log_p, log_q, [None]).total, log_q[0])[0].item())
    assert seen == [pytest.approx(10 - 0.2 * 10), 10]


def test_a_learned_baseline_learns_the_signal():
    """The baseline network's own gradient pulls it towards the signal: it minimizes (l - C)^2."""
    counts = one_document()
    gradient = NVIL(1, networks=[InputDependentBaseline(SparseLinear(WORDS, 8), 8)], center=False, normalize=False)
    gradient.double()
    nn.init.normal_(gradient.networks[0].first.weight)
    optimizer = torch.optim.SGD(gradient.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = gradient(
            [torch.full((1, 1), -7.0).double(), torch.zeros(1, 1).double()], [torch.zeros(1, 1).double()], [counts]
        )
        loss.total.backward()
        optimizer.step()
    assert gradient.networks[0](counts).item() == pytest.approx(-7, abs=0.05)


def test_one_sample_cannot_leave_itself_out():
    gradient = NVIL(1, baseline="leave-one-out")
    with pytest.raises(ConfigurationError, match="at least 2"):
        gradient([torch.zeros(1, 2), torch.zeros(1, 2)], [torch.zeros(1, 2)], [None])


def test_networks_and_kind_must_fit():
    with pytest.raises(ConfigurationError, match="one network per layer"):
        NVIL(2, baseline="learned")
