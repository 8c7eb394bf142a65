"""Documents sampled from a fitted model, about as long as those of its training corpus.

Axes: N documents, V words.
"""

import numpy as np
import torch
from scipy.sparse import csr_array, vstack

from docnvil.analysis.sampling import sample_documents
from docnvil.runtime.randomness import KeyedGenerator, stream, stream_seed
from docnvil.training.fitted_model import FittedModel

LENGTH_DEVIATION = 0.8  # of the logarithm of the number of tokens
MAX_LENGTH = 20  # times the mean number of tokens


@torch.no_grad()
def sample_like_corpus(model: FittedModel, n_documents: int, *, purpose: str, seed: int = 0) -> csr_array:
    """Return documents, or binary vectors, that are sampled from a model, `[N, V]`.

    The lengths of documents are log-normal around the mean length in the training corpus.

    Arguments:
        model: the fitted model.
        n_documents: N.
        purpose: a name for the random stream.
        seed: determines the documents.
    """
    network, corpus = model.network, model.corpus
    if network.generative.visible.empty_is_data:
        keys = torch.arange(n_documents, device=network.device)
        generator = KeyedGenerator(stream_seed(seed, f"vectors of {purpose}"), keys)
        bits = network.generative.visible_distribution(network.generative.sample(n_documents, generator)).units
        return csr_array(bits.sample(bits.logits.shape, generator)[0].cpu().numpy().astype(np.int64))
    mean = corpus["tokens"] / max(1, corpus["documents"] - corpus["empty_documents"])
    deviates = stream(seed, f"lengths of {purpose}").normal(size=n_documents)
    lengths = mean * np.exp(LENGTH_DEVIATION * deviates - LENGTH_DEVIATION**2 / 2)
    lengths = np.clip(np.rint(lengths), 1, MAX_LENGTH * max(1.0, mean)).astype(np.int64)
    chunks = list(sample_documents(network, lengths, seed=stream_seed(seed, f"documents of {purpose}")))
    if not chunks:
        return csr_array((0, network.config.vocabulary_size), dtype=np.int64)
    return csr_array(vstack(chunks, format="csr"))
