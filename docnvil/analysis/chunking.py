"""Work in chunks that fit in memory: a model's batches of documents, and chunks of samples.

Axes: S samples, B documents of a batch, N documents, V words, K units.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from docnvil.batches import Batch, content_keys, iterate_batches
from docnvil.errors import VocabularyError, counted
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.generative import Samples
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.bounds import sum_terms
from docnvil.runtime.randomness import Generator
from docnvil.text.sparse import CountRows

MAX_LOGITS = 2_000_000  # of the S B V logits, how many exist at once on a CPU: 8 MB in single precision
GPU_LOGITS = 1 << 26  # on a GPU, for which few long kernels are better: 256 MB
CPU = torch.device("cpu")
SAMPLES_PER_CHUNK = 10  # samples of a document that are drawn together, if there are enough documents for a batch


def model_batches(model: BeliefNetwork, counts: CountRows, batch_size: int) -> Iterator[tuple[slice, Batch]]:
    """Yield the rows of each batch and the batch itself, with the model's device and dtype, in the order of the rows.

    Random draws are keyed by a document's contents, so they do not depend on the batch size or the order.

    Raises:
        VocabularyError: the counts and the model's vocabulary have different sizes.
    """
    if counts.shape[1] != model.config.vocabulary_size:
        raise VocabularyError(
            f"The counts have {counted(counts.shape[1], 'column')}, but the model's vocabulary has"
            f" {model.config.vocabulary_size:,} words. Count the documents with the model's vocabulary."
        )
    start = 0
    for batch in iterate_batches(counts, batch_size, keys=content_keys(counts), device=model.device, dtype=model.dtype):
        yield slice(start, start := start + len(batch.counts)), batch


def documents_per_batch(n_samples: int, vocabulary_size: int, device: torch.device = CPU) -> int:
    """Return the largest B with few enough logits `[S, B, V]` for a device, where S is at most `SAMPLES_PER_CHUNK`."""
    return max(1, _max_logits(device) // (min(n_samples, SAMPLES_PER_CHUNK) * vocabulary_size))


def sample_chunks(
    n_samples: int, n_documents: int, vocabulary_size: int, device: torch.device = CPU
) -> Iterator[slice]:
    """Cut S samples into chunks that have few enough logits `[S, B, V]` for a device; at least one sample each."""
    chunk_size = max(1, _max_logits(device) // max(1, n_documents * vocabulary_size))
    for start in range(0, n_samples, chunk_size):
        yield slice(start, min(start + chunk_size, n_samples))


def _max_logits(device: torch.device) -> int:
    return MAX_LOGITS if device.type == "cpu" else GPU_LOGITS


def log_probabilities(model: BeliefNetwork, counts: SparseCounts, samples: Samples) -> tuple[Tensor, Tensor, Tensor]:
    """Return log p(x | h1), log p(h) and log q(h | x), each `[S, B]`, in double precision.

    Works on chunks of samples, so that the logits `[S, B, V]` of all samples never exist at once.
    """
    chunks = []
    for chunk in sample_chunks(len(samples[0]), len(counts), counts.vocabulary_size, model.device):
        layers = tuple(layer[chunk] for layer in samples)
        log_visible, *log_units = (term.double() for term in model.generative.log_prob_terms(counts, layers))
        log_q = sum_terms(model.recognition.log_prob_terms(counts, layers)).double()
        chunks.append((log_visible, sum_terms(log_units), log_q))
    log_visible, log_prior, log_q = (torch.cat(terms) for terms in zip(*chunks, strict=True))
    return log_visible, log_prior, log_q


def importance_samples(
    model: BeliefNetwork, counts: SparseCounts, n_samples: int, generator: Generator
) -> tuple[Samples, Tensor]:
    """Draw h_s from q(h | x), layers `[S, B, K]`, with self-normalized weights proportional to p(x, h_s) / q(h_s | x).

    The weights, `[S, B]` in double precision, sum to 1 over the samples of a document.

    Source: Owen (2013), *Monte Carlo theory, methods and examples*, section 9.2 (self-normalized importance sampling).
    """
    samples = model.recognition.sample(counts, n_samples, generator)
    log_visible, log_prior, log_q = log_probabilities(model, counts, samples)
    return samples, torch.softmax(log_visible + log_prior - log_q, dim=0)
