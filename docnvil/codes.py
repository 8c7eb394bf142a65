"""Latent codes: what the recognition network says of each document.

Axes: S samples, B documents of a batch, N documents, K units.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from docnvil.batches import content_keys, iterate_batches
from docnvil.evaluation.perplexity import check_width
from docnvil.model.belief_network import BeliefNetwork
from docnvil.randomness import KeyedGenerator

BATCH_SIZE = 1024


@torch.no_grad()
def unit_probabilities(
    model: BeliefNetwork, counts: csr_array | csr_matrix, *, n_samples: int = 100, seed: int = 0
) -> NDArray[np.float64]:
    """Return q(h_k = 1 | x) for each document and unit, `[N, K]`, all layers side by side from the document upward.

    The first layer's probabilities are exact. Deeper ones are means over samples of the layer below, drawn by a key of
    the document's own words. A document without words gets the prior's probabilities: nothing is known of it.

    Arguments:
        model: the belief network; counts: `[N, V]` CSR.
        n_samples: S, for layers above the first; seed: for their samples.

    Raises:
        VocabularyError: counts of another width than the model's vocabulary.
    """
    check_width(model, counts)
    parts = []
    for batch in iterate_batches(counts, BATCH_SIZE, keys=content_keys(counts), like=model.generative.prior.bias):
        means = [model.recognition.first(batch.counts).mean]
        if model.recognition.layers:
            codes = model.recognition.sample(batch.counts, n_samples, KeyedGenerator(seed, batch.keys))
            layers = zip(model.recognition.layers, codes, strict=False)
            means += [layer(below).mean.mean(0) for layer, below in layers]
        parts.append(torch.cat(means, dim=1).double().cpu().numpy())
    probabilities = np.concatenate(parts) if parts else np.zeros((0, sum(model.config.units)))
    probabilities[np.diff(counts.indptr) == 0] = prior_probabilities(model)
    return probabilities


@torch.no_grad()
def prior_probabilities(model: BeliefNetwork, *, n_samples: int = 10_000, seed: int = 0) -> NDArray[np.float64]:
    """Return p(h_k = 1), `[K]`: exact for the deepest layer, means over samples drawn downward for the others."""
    deepest = model.generative.prior().mean
    if not model.generative.layers:
        return deepest.double().cpu().numpy()
    generator = KeyedGenerator(seed, torch.arange(n_samples, device=model.device))
    codes = model.generative.sample(n_samples, generator)
    below = [layer(above).mean.mean((0, 1)) for layer, above in zip(model.generative.layers, codes[1:], strict=True)]
    return torch.cat([*below, deepest]).double().cpu().numpy()
