"""Documents sampled from a model.

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

DOCUMENTS_PER_CHUNK = 4096  # documents whose units are sampled together, and that are yielded together
MAX_VALUES = 1_000_000  # of the B (V + L) probabilities and words, how many exist at once: 8 MB of each


@torch.no_grad()
def sample_documents(model: BeliefNetwork, lengths: NDArray[np.int64], *, seed: int = 0) -> Iterator[csr_array]:
    """Yield documents from ancestral sampling, deepest units first: hn ~ p(hn), ..., h1 ~ p(h1 | h2), x ~ p(x | h1).

    A document depends on the seed, its row and its length, and on no other document: a sample of a million documents
    starts with the sample of a thousand, and a longer document starts with the words of a shorter one. The counts of
    some thousands of documents are yielded at once, in the order of `lengths`.

    Raises:
        ConfigurationError: it is a model of binary vectors.

    Example:
        >>> from docnvil.model.belief_network import build_model
        >>> from docnvil.model.settings import ModelConfig
        >>> network = build_model(ModelConfig(vocabulary_size=7, units=(3,)), torch.Generator().manual_seed(0))
        >>> [chunk.sum(axis=1).tolist() for chunk in sample_documents(network, np.array([4, 0, 9]))]
        [[4, 0, 9]]
    """
    visible = model.generative.visible
    if visible.samples_are_images:
        raise ConfigurationError(
            f"The model's output layer is {visible.name}, which has no words to sample. Use docnvil draw."
        )
    for start in range(0, len(lengths), DOCUMENTS_PER_CHUNK):
        chunk = torch.as_tensor(lengths[start : start + DOCUMENTS_PER_CHUNK], dtype=torch.int64)
        yield _sample_chunk(model, chunk.to(model.device), start, seed)


def _sample_chunk(model: BeliefNetwork, lengths: torch.Tensor, first_row: int, seed: int) -> csr_array:
    """Sample the documents of consecutive rows."""
    keys = torch.arange(first_row, first_row + len(lengths), device=model.device)
    samples = model.generative.sample(len(keys), KeyedGenerator(stream_seed(seed, "sampled units"), keys))
    # Sorted by length, because a batch costs as much as if all of its documents had the length of the longest.
    order = torch.argsort(lengths, stable=True)
    batches, start = [], 0
    while start < len(order):
        batch_size = max(1, MAX_VALUES // (model.config.vocabulary_size + int(lengths[order[start]])))
        rows = order[start : start + batch_size]
        distribution = model.generative.visible_distribution(tuple(layer[:, rows] for layer in samples))
        generator = KeyedGenerator(stream_seed(seed, "sampled words"), keys[rows])
        batches.append(distribution.sample(lengths[rows], generator))
        start += batch_size
    rows = np.argsort(order.cpu().numpy(), kind="stable")
    return as_counts(_join(batches)[rows], where="The sample")


def _join(batches: list[SparseCounts]) -> csr_array:
    """Return the documents of all batches, in their order, as CSR."""
    entries = np.concatenate([batch.offsets.diff().cpu().numpy() for batch in batches])
    offsets = np.concatenate([[0], np.cumsum(entries)])
    indices = np.concatenate([batch.indices.cpu().numpy() for batch in batches])
    values = np.concatenate([batch.values.cpu().numpy() for batch in batches]).astype(np.int32)
    return csr_array((values, indices, offsets), shape=(len(entries), batches[0].vocabulary_size))
