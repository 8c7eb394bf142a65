"""Exact results for networks that are small enough to enumerate: sums over all 2^K settings of the units.

Axes: M = 2^K settings in place of S samples; B documents; V words.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import torch
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork, build_model
from docnvil.model.generative import Samples
from docnvil.model.settings import ModelConfig
from docnvil.model.sparse import SparseCounts

VOCABULARY_SIZE = 5  # of most of these networks
Terms = tuple[Tensor, ...]
Gradients = dict[str, Tensor]


def random_network(
    vocabulary_size: int, units: tuple[int, ...], seed: int = 0, scale: float = 0.7, **settings: str | int
) -> BeliefNetwork:
    """Return a network in double precision with random weights and biases, far from their initial values."""
    network = build_model(ModelConfig(vocabulary_size, units, **settings), torch.Generator().manual_seed(seed)).double()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return network


def random_counts(n_documents: int, vocabulary_size: int, seed: int = 0) -> SparseCounts:
    """Return documents of a few words; the last one is empty."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randint(0, 3, (n_documents, vocabulary_size), generator=generator, dtype=torch.float64)
    dense[-1] = 0
    return sparse(dense)


def one_document(vocabulary_size: int = VOCABULARY_SIZE) -> SparseCounts:
    """Return one document of a few words."""
    counts = random_counts(2, vocabulary_size, seed=4)
    return SparseCounts(counts.indices, counts.values, counts.offsets[:2], vocabulary_size)


def sparse(dense: Tensor) -> SparseCounts:
    """Return the sparse form of a dense `[B, V]` matrix."""
    rows, columns = dense.nonzero(as_tuple=True)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=len(dense)).cumsum(0)])
    return SparseCounts(columns, dense[rows, columns], offsets, dense.shape[1])


def enumerate_samples(network: BeliefNetwork, n_documents: int) -> Samples:
    """Return every setting of the units of all layers, each `[M, B, K]`."""
    units = network.config.units
    settings = torch.tensor(list(product([0.0, 1.0], repeat=sum(units))), dtype=network.dtype)  # [M, sum K]
    return tuple(layer[:, None, :].expand(-1, n_documents, -1) for layer in settings.split(units, dim=1))


def log_prob_terms(network: BeliefNetwork, counts: SparseCounts, samples: Samples) -> tuple[Terms, Terms]:
    """Return the terms of log p and log q for given samples, each `[S, B]`."""
    return network.generative.log_prob_terms(counts, samples), network.recognition.log_prob_terms(counts, samples)


def joint_terms(network: BeliefNetwork, counts: SparseCounts) -> tuple[Terms, Terms, Samples]:
    """Return the terms of log p and log q for every setting of the units, each `[M, B]`, and the settings."""
    samples = enumerate_samples(network, len(counts))
    return *log_prob_terms(network, counts, samples), samples


def exact_elbo(network: BeliefNetwork, counts: SparseCounts) -> Tensor:
    """Return E_q[log p(x, h) - log q(h | x)], `[B]`, differentiable in every parameter."""
    log_p, log_q, _ = joint_terms(network, counts)
    log_p, log_q = sum(log_p), sum(log_q)
    return (log_q.exp() * (log_p - log_q)).sum(0)


def exact_log_likelihood(network: BeliefNetwork, counts: SparseCounts) -> Tensor:
    """Return log p(x), `[B]`."""
    log_p, _, _ = joint_terms(network, counts)
    return torch.logsumexp(sum(log_p), 0)


Draws = Iterable[tuple[Tensor, Samples]]


def every_draw(network: BeliefNetwork, counts: SparseCounts, n_samples: int) -> Iterator[tuple[Tensor, Samples]]:
    """Yield every S samples that q could draw for one document, with their probability, differentiable in q."""
    samples = enumerate_samples(network, 1)
    probability = sum(network.recognition.log_prob_terms(counts, samples)).exp().squeeze(1)
    for chosen in product(range(len(probability)), repeat=n_samples):
        yield probability[list(chosen)].prod(), tuple(layer[list(chosen)] for layer in samples)


def expected_gradients(network: BeliefNetwork, draws: Draws, loss: Callable[[Samples], Tensor]) -> Gradients:
    """Return minus the mean over draws of the gradient of a loss, by parameter."""
    return parameter_gradients(network, -sum(probability.detach() * loss(samples) for probability, samples in draws))


def gradient_variance(draws: Draws, loss: Callable[[Samples], Tensor], parameter: Tensor) -> float:
    """Return the variance over draws of the gradient of a loss by one parameter, summed over its entries."""
    first = second = 0.0
    for probability, samples in draws:
        (gradient,) = torch.autograd.grad(loss(samples), parameter)
        first, second = first + probability.detach() * gradient, second + probability.detach() * gradient**2
    return (second - first**2).sum().item()


def parameter_gradients(network: BeliefNetwork, objective: Tensor) -> Gradients:
    """Return the gradient of an objective, by parameter."""
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(objective, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, gradients, strict=True))


def elbo_gradients(network: BeliefNetwork, counts: SparseCounts) -> Gradients:
    """Return the gradient of the enumerated ELBO, summed over documents, by parameter."""
    return parameter_gradients(network, exact_elbo(network, counts).sum())


def assert_gradients_equal(found: Gradients, expected: Gradients, prefix: str = "") -> None:
    """Compare the gradients of the parameters whose names start with a prefix."""
    for name, value in expected.items():
        if name.startswith(prefix):
            assert torch.allclose(found[name], value, atol=1e-8, rtol=0), name
