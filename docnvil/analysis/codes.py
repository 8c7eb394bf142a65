"""Latent codes: what the recognition network says of each document.

Axes: S samples, B documents of a batch, N documents, K units.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from docnvil.analysis.perplexity import check_width
from docnvil.batches import content_keys, iterate_batches
from docnvil.model.belief_network import BeliefNetwork
from docnvil.runtime.randomness import KeyedGenerator, LatticeGenerator
from docnvil.text.sparse import CountRows, row_entries

PROBABILITIES_IN_FLIGHT = 3_000_000  # of the S B K probabilities, how many are alive at once: 12 MB


@torch.no_grad()
def unit_probabilities(
    model: BeliefNetwork, counts: CountRows, *, n_samples: int = 16, seed: int = 0
) -> NDArray[np.float64]:
    """Return q(h_k = 1 | x) for each document and unit, `[N, K]`, all layers side by side from the document upward.

    A factorial first layer's probabilities are exact. Those of deeper layers, and of autoregressive ones, are means
    over samples of what they depend on, drawn evenly by a key of the document's own words: 16 samples of an
    autoregressive layer on 20 Newsgroups come within 0.006 of what 3,000 say (root mean square), as 50 independent ones
    would. A document without words gets the prior's probabilities: nothing is known of it.

    Arguments:
        model: the belief network; counts: `[N, V]` CSR.
        n_samples: S, where samples are needed; seed: for them.

    Raises:
        VocabularyError: counts of another width than the model's vocabulary.
    """
    check_width(model, counts)
    exact = len(model.config.units) == 1 and model.config.posterior == "factorial"
    n_samples = 1 if exact else n_samples
    batch_size = max(1, PROBABILITIES_IN_FLIGHT // (n_samples * sum(model.config.units)))
    probabilities, start = np.empty((counts.shape[0], sum(model.config.units))), 0
    for batch in iterate_batches(counts, batch_size, keys=content_keys(counts), device=model.device, dtype=model.dtype):
        generator = LatticeGenerator(seed, batch.keys)
        means = model.recognition.unit_means(batch.counts, n_samples, generator)
        probabilities[start : start + len(batch.counts)] = torch.cat(means, dim=1).double().cpu().numpy()
        start += len(batch.counts)
    empty = row_entries(counts) == 0
    if empty.any() and not model.config.is_binary:  # a vector of zeros says as much as any other
        probabilities[empty] = prior_probabilities(model)
    return probabilities


@torch.no_grad()
def prior_probabilities(model: BeliefNetwork, *, n_samples: int = 10_000, seed: int = 0) -> NDArray[np.float64]:
    """Return p(h_k = 1), `[K]`: exact for a factorial prior, means over samples of what they depend on for others."""
    if len(model.config.units) == 1 and model.config.prior == "factorial":
        return model.generative.prior().mean.double().cpu().numpy()
    codes = model.generative.sample(n_samples, KeyedGenerator(seed, torch.arange(n_samples, device=model.device)))
    layers = zip(model.generative.distributions(codes), codes, strict=True)
    means = [layer.conditional(code).mean.reshape(-1, code.shape[-1]).mean(0) for layer, code in layers]
    return torch.cat(means).double().cpu().numpy()
