"""log p(x) itself, by adding up all 2^K settings of the units: what every estimate is judged by.

Axes: M settings of the units stand where S samples stand elsewhere; B documents, V words, K units. Unit: nats.
"""

import torch
from torch import Tensor

from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts

MOST_UNITS = 20
NUMBERS_IN_FLIGHT = 2_000_000  # of the M B K products and M V logits, how many of each are alive at once


def exact_terms(model: BeliefNetwork, counts: SparseCounts) -> tuple[Tensor, Tensor, Tensor]:
    """Return log p(x), E_q[log p(x | h1)] and KL(q(h | x) || p(h)) of each document, `[B]` each, in double precision.

    log p(x) = log sum_h p(x, h) over the settings of all layers together. They are gone through lot by lot, so that
    memory does not grow with their number.

    Arguments:
        model: a belief network of at most 20 units in all. counts: B documents.

    Raises:
        ConfigurationError: more units than can be enumerated.

    Example:
        Two units that change nothing leave every word of four equally likely:

        >>> from docnvil.model.belief_network import ModelConfig
        >>> x = SparseCounts(torch.tensor([0, 2]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2]), vocabulary_size=4)
        >>> exact_terms(BeliefNetwork(ModelConfig(4, (2,))), x)[0].exp() * 4**3
        tensor([1.0000], dtype=torch.float64, grad_fn=<MulBackward0>)
    """
    n_units = sum(model.config.units)
    check_enumerable(n_units)
    # What a softmax layer makes of a setting is the same for all documents; other layers want a copy for each.
    n_copies = 1 if model.config.observation == "softmax" else len(counts)
    lot = max(1, NUMBERS_IN_FLIGHT // max(len(counts) * n_units, n_copies * counts.vocabulary_size, 1))
    log_likelihood = torch.full((len(counts),), -torch.inf, dtype=torch.float64, device=model.device)
    reconstruction, kl = torch.zeros(2, len(counts), dtype=torch.float64, device=model.device)
    for start in range(0, 2**n_units, lot):
        settings = torch.arange(start, min(start + lot, 2**n_units), device=model.device)
        samples = samples_numbered(settings, model.config.units, model.dtype)  # [M, 1, K] each
        samples = tuple(layer.expand(-1, n_copies, -1) for layer in samples)
        of_words, *of_units = (term.double() for term in model.generative.log_prob_terms(counts, samples))
        log_prior = sum(of_units)  # [M, 1] or [M, B]
        log_q = sum(term.double() for term in model.recognition.log_prob_terms(counts, samples))  # [M, B]
        log_likelihood = torch.logaddexp(log_likelihood, torch.logsumexp(of_words + log_prior, 0))
        reconstruction = reconstruction + (log_q.exp() * of_words).sum(0)
        kl = kl + (log_q.exp() * (log_q - log_prior)).sum(0)
    return log_likelihood, reconstruction, kl


def samples_numbered(settings: Tensor, units: tuple[int, ...], dtype: torch.dtype) -> Samples:
    """Return the codes whose units, from the document upward, are the binary digits of whole numbers.

    Arguments:
        settings: `[M]` int64. units: of each layer. dtype: of the codes, each `[M, 1, K]`.

    Example:
        >>> [layer.tolist() for layer in samples_numbered(torch.tensor([6]), (2, 1), torch.float32)]
        [[[[0.0, 1.0]]], [[[1.0]]]]
    """
    digits = (settings[:, None, None] >> torch.arange(sum(units), device=settings.device)) & 1
    return digits.to(dtype).split(units, dim=-1)


def check_enumerable(n_units: int) -> None:
    """Refuse more units than can be enumerated."""
    if n_units > MOST_UNITS:
        raise ConfigurationError(
            f"The exact likelihood adds up all settings of the units, and the model has {n_units} units where"
            f" {MOST_UNITS} are the most. Choose the bound 'annealed' or 'importance'."
        )
