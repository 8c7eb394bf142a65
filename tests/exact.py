"""Exact answers for networks small enough to enumerate: sums over all 2^K settings of the units.

Axes: M = 2^K settings stand where S samples stand elsewhere; B documents; V words.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import product

import torch
from torch import Tensor

from docnvil.model.belief_network import BeliefNetwork, build_model
from docnvil.model.generative import Samples
from docnvil.model.settings import ModelConfig
from docnvil.model.sparse import SparseCounts


def random_network(
    vocabulary_size: int, units: tuple[int, ...], seed: int = 0, scale: float = 0.7, **settings: str
) -> BeliefNetwork:
    """A network in double precision with weights and biases far from their starting point."""
    network = build_model(ModelConfig(vocabulary_size, units, **settings), torch.Generator().manual_seed(seed)).double()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return network


def random_counts(n_documents: int, vocabulary_size: int, seed: int = 0) -> SparseCounts:
    """Documents of a few words; the last one is empty."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randint(0, 3, (n_documents, vocabulary_size), generator=generator, dtype=torch.float64)
    dense[-1] = 0
    return sparse(dense)


def sparse(dense: Tensor) -> SparseCounts:
    """The sparse form of a dense `[B, V]` matrix."""
    rows, columns = dense.nonzero(as_tuple=True)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=len(dense)).cumsum(0)])
    return SparseCounts(columns, dense[rows, columns], offsets, dense.shape[1])


def all_codes(network: BeliefNetwork, n_documents: int) -> Samples:
    """Every setting of all layers' units, each `[M, B, K]`."""
    units = network.config.units
    settings = torch.tensor(list(product([0.0, 1.0], repeat=sum(units))), dtype=network.dtype)  # [M, sum K]
    return tuple(part[:, None, :].expand(-1, n_documents, -1) for part in settings.split(units, dim=1))


def joint_terms(network: BeliefNetwork, counts: SparseCounts) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Samples]:
    """log p and log q terms of every setting, each `[M, B]`, with the settings."""
    samples = all_codes(network, len(counts))
    return (
        network.generative.log_prob_terms(counts, samples),
        network.recognition.log_prob_terms(counts, samples),
        samples,
    )


def exact_elbo(network: BeliefNetwork, counts: SparseCounts) -> Tensor:
    """E_q[log p(x, h) - log q(h | x)] by enumeration, `[B]`, differentiable in every parameter."""
    log_p, log_q, _ = joint_terms(network, counts)
    log_p, log_q = sum(log_p), sum(log_q)
    return (log_q.exp() * (log_p - log_q)).sum(0)


def exact_log_likelihood(network: BeliefNetwork, counts: SparseCounts) -> Tensor:
    """log p(x) by enumeration, `[B]`."""
    log_p, _, _ = joint_terms(network, counts)
    return torch.logsumexp(sum(log_p), 0)


Draws = Iterable[tuple[Tensor, Samples]]


def every_draw(network: BeliefNetwork, counts: SparseCounts, n_samples: int) -> Iterator[tuple[Tensor, Samples]]:
    """Every S-tuple of codes that q could draw for one document, with its probability, differentiable in q."""
    samples = all_codes(network, 1)
    probability = sum(network.recognition.log_prob_terms(counts, samples)).exp().squeeze(1)
    for chosen in product(range(len(probability)), repeat=n_samples):
        yield probability[list(chosen)].prod(), tuple(layer[list(chosen)] for layer in samples)


def expectation(network: BeliefNetwork, draws: Draws, loss: Callable[[Samples], Tensor]) -> dict[str, Tensor]:
    """The mean over draws of minus a loss's gradient, by parameter."""
    parameters = dict(network.named_parameters())
    surrogate = sum(probability.detach() * loss(samples) for probability, samples in draws)
    found = torch.autograd.grad(-surrogate, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, found, strict=True))


def variance(draws: Draws, loss: Callable[[Samples], Tensor], parameter: Tensor) -> float:
    """The variance over draws of a loss's gradient by one parameter, summed over its entries."""
    first = second = 0.0
    for probability, samples in draws:
        (gradient,) = torch.autograd.grad(loss(samples), parameter)
        first, second = first + probability.detach() * gradient, second + probability.detach() * gradient**2
    return (second - first**2).sum().item()


def exact_gradient(network: BeliefNetwork, objective: Tensor) -> dict[str, Tensor]:
    """The gradient of an enumerated objective, by parameter."""
    parameters = dict(network.named_parameters())
    found = torch.autograd.grad(objective, list(parameters.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(parameters, found, strict=True))
