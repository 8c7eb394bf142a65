"""Exact log p(x) by summing over all 2^K settings of the units; the reference for every estimate.

Axes: M settings of the units, in the place of S samples; B documents, V words, K units. Unit: nats.
"""

import torch
from torch import Tensor

from docnvil.errors import ConfigurationError, counted
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.model.visible import SoftmaxLayer

MAX_UNITS = 20
MAX_VALUES = 2_000_000  # of the M B K products and of the M V logits, how many exist at once


def exact_terms(model: BeliefNetwork, counts: SparseCounts) -> tuple[Tensor, Tensor, Tensor]:
    """Return log p(x), E_q[log p(x | h1)] and KL(q(h | x) || p(h)) of each document, `[B]` each, in double precision.

    log p(x) = log sum_h p(x, h), where h has the units of all layers. Works on chunks of settings, so that memory does
    not grow with their number.

    Raises:
        ConfigurationError: the model has more than 20 units in total, too many to enumerate.

    Example:
        With weights of zero, every word of four has the same probability:

        >>> from docnvil.model.settings import ModelConfig
        >>> x = SparseCounts(torch.tensor([0, 2]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2]), vocabulary_size=4)
        >>> exact_terms(BeliefNetwork(ModelConfig(4, (2,))), x)[0].exp() * 4**3
        tensor([1.0000], dtype=torch.float64, grad_fn=<MulBackward0>)
    """
    n_units = sum(model.config.units)
    if n_units > MAX_UNITS:
        raise ConfigurationError(
            f"The exact log-likelihood enumerates at most {counted(MAX_UNITS, 'unit')}, and the model has {n_units:,}."
            " Choose the bound 'annealed' or 'importance'."
        )
    # A softmax layer has the same logits for all documents; other layers need a copy of each setting per document.
    n_copies = 1 if isinstance(model.generative.visible, SoftmaxLayer) else len(counts)
    chunk_size = max(1, MAX_VALUES // max(len(counts) * n_units, n_copies * counts.vocabulary_size, 1))
    log_likelihood = torch.full((len(counts),), -torch.inf, dtype=torch.float64, device=model.device)
    reconstruction, kl = torch.zeros(2, len(counts), dtype=torch.float64, device=model.device)
    for start in range(0, 2**n_units, chunk_size):
        numbers = torch.arange(start, min(start + chunk_size, 2**n_units), device=model.device)
        samples = samples_from_numbers(numbers, model.config.units, model.dtype)  # [M, 1, K] each
        samples = tuple(layer.expand(-1, n_copies, -1) for layer in samples)
        log_visible, *log_units = (term.double() for term in model.generative.log_prob_terms(counts, samples))
        log_prior = sum(log_units)  # [M, 1] or [M, B]
        log_q = sum(term.double() for term in model.recognition.log_prob_terms(counts, samples))  # [M, B]
        log_likelihood = torch.logaddexp(log_likelihood, torch.logsumexp(log_visible + log_prior, 0))
        reconstruction = reconstruction + (log_q.exp() * log_visible).sum(0)
        kl = kl + (log_q.exp() * (log_q - log_prior)).sum(0)
    return log_likelihood, reconstruction, kl


def samples_from_numbers(numbers: Tensor, units: tuple[int, ...], dtype: torch.dtype) -> Samples:
    """Return the units of each layer, `[M, 1, K]`, from the binary digits of integers `[M]`, the lowest digit first.

    Example:
        >>> [layer.tolist() for layer in samples_from_numbers(torch.tensor([6]), (2, 1), torch.float32)]
        [[[[0.0, 1.0]]], [[[1.0]]]]
    """
    digits = (numbers[:, None, None] >> torch.arange(sum(units), device=numbers.device)) & 1
    return digits.to(dtype).split(units, dim=-1)
