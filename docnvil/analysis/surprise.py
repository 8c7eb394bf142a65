"""Surprise: how unexpected a word is after the rest of its document.

The surprise of word w is -log p(w | rest), where the rest is the document without one occurrence of w, and

    p(w | rest) = E_q(h | rest)[p(w | h, rest)].

With a Dirichlet-multinomial layer, p(w | h, rest) is (a_w + x_w - 1) / (A + L - 1), so a repeated word is expected.

Axes: S samples, B documents of a batch, n distinct words of a document, N documents, V words. Unit: nats.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from docnvil.analysis.chunking import documents_per_batch, model_batches
from docnvil.batches import Batch, sparse_counts
from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.normalizers import log_word_probabilities
from docnvil.runtime.randomness import KeyedGenerator, LatticeGenerator
from docnvil.text.sparse import CountRows, row_chunks


@torch.no_grad()
def word_surprise(
    model: BeliefNetwork, counts: CountRows, *, n_samples: int = 16, seed: int = 0
) -> Iterator[NDArray[np.float64]]:
    """Yield the surprise of the distinct words of each document, `[n]`, in the order of the columns; in nats.

    Arguments:
        model: the belief network.
        counts: `[N, V]`, with the model's vocabulary.
        n_samples: S, samples of the units per word.
        seed: seed of the samples.

    Raises:
        ConfigurationError: the model is not one of words.
    """
    if not model.generative.visible.supports_completion:
        raise ConfigurationError("The surprise of words needs a model of words, and this is a model of binary vectors.")
    batch_size = documents_per_batch(n_samples, counts.shape[1], model.device)
    for chunk in row_chunks(counts):
        for row in range(chunk.shape[0]):
            document = csr_array(chunk[[row]])
            if not document.nnz:
                yield np.zeros(0)
                continue
            rest = _without_one_occurrence(document)
            values = [
                _surprise(model, document, positions, batch, n_samples, seed)
                for positions, batch in model_batches(model, rest, batch_size)
            ]
            yield np.concatenate(values)


def _without_one_occurrence(document: csr_array) -> csr_array:
    """Return the document, `[1, V]`, less one occurrence of each of its words in turn, `[n, V]`."""
    n_words = document.nnz
    values = np.tile(document.data.astype(np.float64), (n_words, 1))
    np.fill_diagonal(values, document.data - 1)
    columns, starts = np.tile(document.indices, n_words), np.arange(n_words + 1) * n_words
    rest = csr_array((values.ravel(), columns, starts), shape=(n_words, document.shape[1]))
    rest.eliminate_zeros()
    return rest


def _surprise(
    model: BeliefNetwork, document: csr_array, positions: slice, batch: Batch, n_samples: int, seed: int
) -> NDArray[np.float64]:
    """Return the surprise of the words at `positions` of a document, given its rests, a batch of B."""
    visible = model.generative.visible
    n_words = len(batch.counts)
    one_each = csr_array(
        (np.ones(n_words), document.indices[positions], np.arange(n_words + 1)), shape=(n_words, document.shape[1])
    )
    targets = sparse_counts(one_each, model.device, model.dtype)
    log_mean = log_word_probabilities(
        _samples(model, batch, n_samples, seed), visible.weight, visible.bias, targets
    ).double()
    if visible.has_concentration:
        others = torch.from_numpy(document.data[positions].astype(np.float64) - 1).to(log_mean.device)
        total = visible.log_concentration.double().exp()
        log_mean = torch.log(total * log_mean.exp() + others) - torch.log(total + batch.counts.lengths.double())
    return (math.log(n_samples) - torch.logsumexp(log_mean, 0)).cpu().numpy()


def _samples(model: BeliefNetwork, batch: Batch, n_samples: int, seed: int) -> Tensor:
    """Return samples of the first layer given each rest, `[S, B, K]`; from the prior if a rest has no words."""
    if not batch.counts.lengths.any():  # the document has one token
        generator = KeyedGenerator(seed, torch.arange(n_samples, device=model.device))
        return model.generative.sample(n_samples, generator)[0].transpose(0, 1)
    return model.recognition.sample(batch.counts, n_samples, LatticeGenerator(seed, batch.keys))[0]
