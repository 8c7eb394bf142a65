"""A cache of the document's own words, which gives any topic model the burstiness of a Dirichlet-multinomial layer.

Axes: N documents, B documents of a batch, V vocabulary, E held-out entries.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array

from docnvil.analysis.completion import MIN_PROBABILITY, Predictor, dense_batch_size, split_words
from docnvil.comparison.adapters import TopicModel
from docnvil.runtime.randomness import stream

MAX_DOCUMENTS = 2000  # training documents to fit the concentration to
DOCUMENT_SHARE = 0.2  # of the training documents; fewer if these are more than the maximum
WORD_SHARE = 0.2  # of their words is held out and predicted, as by `docnvil compare`
LOG_CONCENTRATIONS = np.linspace(math.log(1e-2), math.log(1e8), 70)


@dataclass(frozen=True)
class CachedTopics:
    """A topic model whose predictions are mixed with the words of the document.

    p(w | x) = (A p'(w | x) + x_w) / (A + L), where p' is the prediction of the topic model, x_w the count of the word,
    and L the number of tokens of the document. This is what a Dirichlet-multinomial layer predicts.
    """

    model: TopicModel
    concentration: float  # A; infinite: no cache

    @property
    def topics(self) -> NDArray[np.float64]:
        """Return the probability of each word in each topic, `[K, V]`."""
        return self.model.topics

    def predict(self, counts: csr_array) -> NDArray[np.float64]:
        """Return the probability of each word to come next in each document, `[B, V]`; rows sum to 1."""
        predicted = self.model.predict(counts)
        if math.isinf(self.concentration):
            return predicted
        lengths = np.asarray(counts.sum(axis=1, dtype=np.float64)).reshape(-1, 1)
        return (self.concentration * predicted + counts.toarray()) / (self.concentration + lengths)

    def encode(self, counts: csr_array) -> NDArray[np.floating]:
        """Return the model's code for each document, `[N, K]`."""
        return self.model.encode(counts)

    def words(self, top_n: int = 10) -> list[list[int]]:
        """Return the columns of each topic's top words, best first."""
        return self.model.words(top_n)


def add_cache(
    model: TopicModel, train: csr_array, fit: Callable[[csr_array], TopicModel], *, seed: int = 0
) -> CachedTopics:
    """Return a topic model with a cache whose concentration predicts held-out words of training documents best.

    Topics know the documents that they were fitted to, and would need no cache for them. Therefore another model is
    fitted to four fifths of the documents, and the concentration to its predictions for the rest.

    Arguments:
        model: the model, fitted to all of `train`.
        train: `[N, V]`.
        fit: fits a model like it to other documents.
        seed: of the choice of documents and words.
    """
    generator = stream(seed, "cache")
    order = generator.permutation(train.shape[0])
    n_held_out = min(MAX_DOCUMENTS, int(DOCUMENT_SHARE * train.shape[0]))
    if not n_held_out:
        return CachedTopics(model, math.inf)
    rest, held_out = np.sort(order[n_held_out:]), np.sort(order[:n_held_out])
    observed, hidden = split_words(csr_array(train[held_out]), WORD_SHARE, generator)
    return CachedTopics(model, fit_cache(fit(csr_array(train[rest])).predict, observed, hidden))


def fit_cache(predict: Predictor, observed: csr_array, held_out: csr_array) -> float:
    """Return the concentration A with which (A p + x_w) / (A + L) predicts held-out words best; infinite for no cache.

    Example:
        Half of the held-out words have been observed in their document, and half have not:

        >>> observed, held_out = csr_array(np.eye(4, dtype=int)), csr_array(np.eye(4, dtype=int)[[0, 1, 3, 2]])
        >>> round(fit_cache(lambda counts: np.full(counts.shape, 1 / 4), observed, held_out), 2)
        2.0
    """
    entries = [_held_out_entries(predict, observed[rows], held_out[rows]) for rows in _batches(*observed.shape)]
    probability, count, length, weight = (np.concatenate(each) for each in zip(*entries, strict=True))
    if not len(weight):
        return math.inf

    def loss(log_concentration: float) -> float:
        concentration = math.exp(log_concentration)
        mixed = (concentration * probability + count) / (concentration + length)
        return -float(weight @ np.log(np.maximum(mixed, MIN_PROBABILITY)))

    best = int(np.argmin([loss(point) for point in LOG_CONCENTRATIONS]))
    if best == len(LOG_CONCENTRATIONS) - 1:
        return math.inf
    bounds = LOG_CONCENTRATIONS[[max(0, best - 1), best + 1]]
    return math.exp(minimize_scalar(loss, bounds=tuple(bounds), method="bounded", options={"xatol": 1e-6}).x)


def _batches(n_documents: int, vocabulary_size: int) -> list[slice]:
    size = dense_batch_size(vocabulary_size)
    return [slice(start, start + size) for start in range(0, n_documents, size)]


def _held_out_entries(predict: Predictor, observed: csr_array, held_out: csr_array) -> tuple[NDArray[np.float64], ...]:
    """Return p(w | x), x_w, L and the number of held-out tokens of each stored entry of `held_out`, `[E]` each."""
    documents = np.repeat(np.arange(held_out.shape[0]), np.diff(held_out.indptr))
    lengths = np.asarray(observed.sum(axis=1, dtype=np.float64)).ravel()
    predicted = predict(csr_array(observed))[documents, held_out.indices]
    counts = observed.toarray()[documents, held_out.indices]
    weight = held_out.data.astype(np.float64)
    return predicted.astype(np.float64), counts.astype(np.float64), lengths[documents], weight
