"""Units drawn from a model or for documents, and how often they are on together.

Axes: N samples, K units of all layers, from the document upward.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from docnvil.analysis.chunking import model_batches
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.runtime.randomness import KeyedGenerator, stream_seed
from docnvil.text.sparse import CountRows, entries_per_row

PRIOR_SAMPLES = 20_000
SAMPLES_PER_DOCUMENT = 4
BATCH_SIZE = 1024


@torch.no_grad()
def prior_samples(model: BeliefNetwork, n_samples: int = PRIOR_SAMPLES, *, seed: int = 0) -> Samples:
    """Return samples of all layers from p(h), each `[1, N, K]`."""
    keys = torch.arange(n_samples, device=model.device)
    return model.generative.sample(n_samples, KeyedGenerator(stream_seed(seed, "sampled units"), keys))


@torch.no_grad()
def joint_probabilities(model: BeliefNetwork, counts: CountRows | None = None, *, seed: int = 0) -> NDArray[np.float64]:
    """Return the probability that two units are both on, `[K, K]`; the diagonal has that of each unit.

    Arguments:
        model: the belief network.
        counts: `[N, V]`, documents over which q(h | x) is averaged; those without words are left out. None for the
            model's prior, from 20,000 samples.
        seed: determines the samples.

    Raises:
        VocabularyError: the counts and the model's vocabulary have different sizes.
    """
    n_units = sum(model.config.units)
    total, n_samples = np.zeros((n_units, n_units)), 0
    if counts is None:
        samples = torch.cat(prior_samples(model, seed=seed), dim=-1)[0].double().cpu().numpy()
        return samples.T @ samples / len(samples)
    if not model.generative.visible.empty_is_data:
        counts = counts[np.flatnonzero(entries_per_row(counts))]
    for _, batch in model_batches(model, counts, BATCH_SIZE):
        layers = model.recognition.sample(batch.counts, SAMPLES_PER_DOCUMENT, KeyedGenerator(seed, batch.keys))
        samples = torch.cat(layers, dim=-1).double().cpu().numpy().reshape(-1, n_units)
        total += samples.T @ samples
        n_samples += len(samples)
    return total / max(1, n_samples)
