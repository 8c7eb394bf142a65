"""Documents drawn from a model: what it believes text to look like, in any number.

Axes: N documents, B documents of a batch, V words.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.sparse import SparseCounts
from docnvil.runtime.randomness import KeyedGenerator, stream_seed
from docnvil.text.sparse import as_counts

DOCUMENTS_AT_ONCE = 4096  # whose units are drawn together, and that are handed on together
PLACES_IN_FLIGHT = 1_000_000  # of B (V + L) probabilities and words, how many are alive at once: 8 MB each time


@torch.no_grad()
def sample_documents(model: BeliefNetwork, lengths: NDArray[np.int64], *, seed: int = 0) -> Iterator[csr_array]:
    """Draw documents by ancestral sampling, the deepest units first: hn ~ p(hn), ..., h1 ~ p(h1 | h2), x ~ p(x | h1).

    A document depends on the seed, its place and its length, and on no other document: the first thousand of a million
    are those of a draw of a thousand, and a longer draw of the same document begins with the same words.

    Arguments:
        model: the belief network.
        lengths: `[N]`, how many words each document shall have.
        seed: of all draws.

    Returns:
        The counts, `[n, V]` CSR, some thousands of documents at a time.

    Raises:
        ConfigurationError: it is a model of binary vectors.

    Example:
        >>> from docnvil.model.belief_network import ModelConfig, build_model
        >>> network = build_model(ModelConfig(vocabulary_size=7, units=(3,)), torch.Generator().manual_seed(0))
        >>> [part.sum(axis=1).tolist() for part in sample_documents(network, np.array([4, 0, 9]))]
        [[4, 0, 9]]
    """
    if model.generative.visible.samples_are_images:
        raise ConfigurationError(
            "Documents are drawn from models of words, and this is one of binary vectors. Ask for docnvil draw."
        )
    for start in range(0, len(lengths), DOCUMENTS_AT_ONCE):
        yield _sample(
            model, torch.as_tensor(lengths[start : start + DOCUMENTS_AT_ONCE], dtype=torch.int64), start, seed
        )


def _sample(model: BeliefNetwork, lengths: torch.Tensor, first: int, seed: int) -> csr_array:
    """Draw the documents from the place `first` on."""
    lengths = lengths.to(model.device)
    keys = torch.arange(first, first + len(lengths), device=model.device)
    codes = model.generative.sample(len(keys), KeyedGenerator(stream_seed(seed, "sampled units"), keys))
    # Documents of like length are drawn together: each batch costs as much as if all were as long as its longest.
    by_length = torch.argsort(lengths, stable=True)
    parts, start = [], 0
    while start < len(by_length):
        longest_next = int(lengths[by_length[start]])
        size = max(1, PLACES_IN_FLIGHT // (model.config.vocabulary_size + longest_next))
        chosen = by_length[start : start + size]
        words = model.generative.visible_distribution(tuple(layer[:, chosen] for layer in codes))
        drawn = words.sample(lengths[chosen], KeyedGenerator(stream_seed(seed, "sampled words"), keys[chosen]))
        parts.append(drawn)
        start += size
    return _in_order(parts, np.argsort(by_length.cpu().numpy(), kind="stable"))


def _in_order(parts: list[SparseCounts], places: NDArray[np.int64]) -> csr_array:
    """Put batches of documents together, row n being the document at `places[n]` of them all."""
    lengths = np.concatenate([part.offsets.diff().cpu().numpy() for part in parts])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.concatenate([part.indices.cpu().numpy() for part in parts])
    values = np.concatenate([part.values.cpu().numpy() for part in parts])
    counts = csr_array((values.astype(np.int32), indices, starts), shape=(len(lengths), parts[0].vocabulary_size))
    return as_counts(counts[places], where="The sample")
