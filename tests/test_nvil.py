"""NVIL compared with the enumerated bound: its mean must be the exact gradient, and its variance must fall."""

import pytest
import torch
from exact import (
    VOCABULARY_SIZE,
    Gradients,
    assert_gradients_equal,
    elbo_gradients,
    every_draw,
    exact_elbo,
    expected_gradients,
    gradient_variance,
    log_prob_terms,
    random_network,
)
from torch import Tensor, nn

from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.layers import SparseLinear
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.baselines import InputDependentBaseline
from docnvil.nvil.nvil import NVIL
from docnvil.nvil.signals import (
    RunningMoments,
    add_sparsity_penalty,
    center,
    local_learning_signals,
    normalize,
    update_moments,
)


def make_nvil(units: tuple[int, ...], **options: object) -> NVIL:
    """Return NVIL with random baseline networks; it uses the previous moments, which makes it exactly unbiased."""
    networks = []
    if options.get("baseline", "learned") == "learned":
        torch.manual_seed(3)
        first = [SparseLinear(VOCABULARY_SIZE, 7), *(nn.Linear(below, 7) for below in units[:-1])]
        networks = [InputDependentBaseline(layer, 7) for layer in first]
        for parameter in (parameter for network in networks for parameter in network.parameters()):
            nn.init.normal_(parameter)
    return NVIL(len(units), networks=networks, moments_first=False, **options).double()


def loss_with_moments(
    network: BeliefNetwork,
    nvil: NVIL,
    document: SparseCounts,
    samples: Samples,
    mean: float = 0.7,
    variance: float = 6.25,
) -> Tensor:
    """Return the loss for samples, with the running moments set to given values."""
    nvil.means.fill_(mean)
    nvil.variances.fill_(variance)
    parents = network.recognition.parents(document, samples)
    return nvil(*log_prob_terms(network, document, samples), parents).total


def expected_nvil_gradients(
    network: BeliefNetwork, nvil: NVIL, document: SparseCounts, n_samples: int = 1
) -> Gradients:
    """Return the mean of NVIL's gradient over all samples that q could draw."""
    draws = every_draw(network, document, n_samples)
    return expected_gradients(network, draws, lambda samples: loss_with_moments(network, nvil, document, samples))


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("baseline", ["learned", "none"])
@pytest.mark.parametrize("units", [(4,), (3, 2), (2, 1, 1)])
def test_mean_gradient_is_the_gradient_of_the_elbo(units, baseline, center, local, document):
    network = random_network(VOCABULARY_SIZE, units)
    nvil = make_nvil(units, baseline=baseline, center=center, local=local, normalize=False)
    assert_gradients_equal(expected_nvil_gradients(network, nvil, document), elbo_gradients(network, document))


@pytest.mark.parametrize("observation", ["softmax", "dirichlet-multinomial"])
@pytest.mark.parametrize("units", [(4,), (3, 2)])
def test_mean_gradient_of_autoregressive_units_is_the_gradient_of_the_elbo(units, observation, document):
    settings = {"prior": "autoregressive", "posterior": "autoregressive", "observation": observation}
    network = random_network(VOCABULARY_SIZE, units, **settings)
    nvil = make_nvil(units, normalize=False)
    assert_gradients_equal(expected_nvil_gradients(network, nvil, document), elbo_gradients(network, document))


@pytest.mark.parametrize("n_samples", [2, 3])
@pytest.mark.parametrize("units", [(3,), (2, 1)])
def test_leave_one_out_baseline_is_unbiased(units, n_samples, document):
    network = random_network(VOCABULARY_SIZE, units)
    nvil = make_nvil(units, baseline="leave-one-out", normalize=False)
    found = expected_nvil_gradients(network, nvil, document, n_samples)
    assert_gradients_equal(found, elbo_gradients(network, document))


def test_normalization_scales_only_the_gradient_of_q(document):
    network = random_network(VOCABULARY_SIZE, (3,))
    found = expected_nvil_gradients(network, make_nvil((3,), baseline="none"), document)
    scaled = {name: value * (2.5 if "recognition" in name else 1) for name, value in found.items()}  # 2.5^2 = 6.25
    assert_gradients_equal(scaled, elbo_gradients(network, document))


@pytest.mark.parametrize(("variance", "divisor"), [(6.25, 2.5), (1.0, 1.0), (0.25, 1.0), (0.0, 1.0)])
def test_normalization_divides_by_at_least_one_nat(variance, divisor):
    moments = RunningMoments(torch.tensor(2.0), torch.tensor(variance))
    signal = torch.tensor([[3.0, -1.0]])
    assert torch.equal(normalize(signal, moments), signal / divisor)
    assert torch.equal(center(signal, moments), signal - 2)


def test_sparsity_penalty_is_in_the_term_of_the_units_own_layer():
    """Three layers with 1, 2 and 4 active units: a local signal has the penalties of its layer and the layers above."""
    samples = [torch.ones(1, 1, n_active) for n_active in (1, 2, 4)]
    log_p = [torch.tensor([[value]]) for value in (-10.0, -20.0, -30.0, -40.0)]
    penalized = add_sparsity_penalty(log_p, samples, 0.5)
    assert [term.item() for term in penalized] == [-10, -20.5, -31, -42]
    zeros = [torch.zeros(1, 1)] * 3
    pairs = zip(local_learning_signals(penalized, zeros), local_learning_signals(log_p, zeros), strict=True)
    assert [(with_penalty - without).item() for with_penalty, without in pairs] == [-3.5, -3.5, -3]
    assert add_sparsity_penalty(log_p, samples, 0.0) == tuple(log_p)


def test_local_signals_reduce_the_variance_of_the_upper_layer(document):
    network = random_network(VOCABULARY_SIZE, (3, 2))

    def variance(*, local: bool) -> float:
        nvil = make_nvil((3, 2), local=local, baseline="none", center=False, normalize=False)
        draws = every_draw(network, document, 1)
        weight = network.recognition.layers[0].weight
        return gradient_variance(draws, lambda samples: loss_with_moments(network, nvil, document, samples), weight)

    assert variance(local=True) < variance(local=False) / 3


def test_centering_near_the_mean_signal_reduces_the_variance(document):
    network = random_network(VOCABULARY_SIZE, (4,))
    nvil = make_nvil((4,), baseline="none", normalize=False)

    def variance(mean: float) -> float:
        draws = every_draw(network, document, 1)
        weight = network.recognition.first.linear.weight
        return gradient_variance(
            draws, lambda samples: loss_with_moments(network, nvil, document, samples, mean), weight
        )

    assert variance(exact_elbo(network, document).item()) < variance(0.0) / 3


def test_running_moments_follow_the_closed_form():
    nvil = NVIL(1, baseline="none").double()
    for signal in (torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 8.0]])):
        nvil([signal.double(), torch.zeros(1, 2).double()], [torch.zeros(1, 2).double()], [None])
    assert nvil.means.item() == pytest.approx(0.8 * 0.2 * 2 + 0.2 * 5)
    assert nvil.variances.item() == pytest.approx(0.8 * 0.2 * 1 + 0.2 * 9)


def test_moments_of_two_processes_are_those_of_the_whole_batch():
    halves = [torch.tensor([[4.0, 6.0]]), torch.tensor([[1.0]])]
    start = RunningMoments(torch.zeros(1), torch.zeros(1))
    other = torch.tensor([[1.0, 1.0, 0.0]])  # count, mean and variance of the second half
    found = update_moments(start, halves[:1], 0.8, gather=lambda moments: torch.stack([moments, other]))
    whole = update_moments(start, [torch.cat(halves, 1)], 0.8)
    assert torch.allclose(torch.stack(found), torch.stack(whole))


def test_the_published_order_updates_the_moments_before_using_them():
    log_p, log_q = [torch.tensor([[10.0]]), torch.zeros(1, 1)], [torch.zeros(1, 1, requires_grad=True)]
    signals = []
    for moments_first in (True, False):
        nvil = NVIL(1, baseline="none", normalize=False, moments_first=moments_first)
        signals.append(-torch.autograd.grad(nvil(log_p, log_q, [None]).total, log_q[0])[0].item())
    assert signals == [pytest.approx(10 - 0.2 * 10), 10]


def test_a_learned_baseline_learns_the_signal(document):
    """The gradient of the baseline network minimizes (l - C)^2."""
    nvil = NVIL(
        1, networks=[InputDependentBaseline(SparseLinear(VOCABULARY_SIZE, 8), 8)], center=False, normalize=False
    )
    nvil.double()
    nn.init.normal_(nvil.networks[0].first.weight)
    optimizer = torch.optim.SGD(nvil.parameters(), lr=0.05)
    zero = torch.zeros(1, 1).double()
    for _ in range(300):
        optimizer.zero_grad()
        nvil([zero - 7, zero], [zero], [document]).total.backward()
        optimizer.step()
    assert nvil.networks[0](document).item() == pytest.approx(-7, abs=0.05)


def test_the_gradient_of_a_baseline_is_summed_over_documents_and_averaged_over_samples():
    """Two samples of three documents, with signals of -7 and predictions of 0: -sum_b mean_s l grad C."""
    prediction = nn.Parameter(torch.zeros(3))
    network = nn.Identity()
    nvil = NVIL(1, networks=[network], center=False, normalize=False)
    zeros = torch.zeros(2, 3)
    nvil([zeros - 7, zeros], [zeros], [prediction]).total.backward()
    assert prediction.grad.tolist() == [7, 7, 7]


def test_leave_one_out_needs_two_samples():
    nvil = NVIL(1, baseline="leave-one-out")
    with pytest.raises(ConfigurationError, match="at least 2"):
        nvil([torch.zeros(1, 2), torch.zeros(1, 2)], [torch.zeros(1, 2)], [None])


def test_a_learned_baseline_needs_one_network_per_layer():
    with pytest.raises(ConfigurationError, match="one network per layer"):
        NVIL(2, baseline="learned")
