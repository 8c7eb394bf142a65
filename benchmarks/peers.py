"""Latent Dirichlet allocation as others fit it, on the same counts, with its topics' words.

Two rankings, as LDA's users know them: by probability p(w | k), and by relevance p(w | k) log(p(w | k) / p(w)), where
p(w) is the mean over topics, which favours words that are a topic's own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.clusters import cluster_profiles

WORDS = 10


@dataclass(frozen=True)
class FittedTopics:
    """Topics of a peer: `[K, V]` word probabilities, the seconds it took to fit them, and how it reads a document.

    `mixture` maps counts `[B, V]` to topic proportions `[B, K]`; None if there is no such thing.
    """

    name: str
    probabilities: NDArray[np.float64]
    seconds: float
    mixture: Callable[[csr_array], NDArray[np.float64]] | None = None

    def predict(self, counts: csr_array) -> NDArray[np.float64]:
        """Return the probability of every next word of each document, `[B, V]`."""
        return self.mixture(counts) @ self.probabilities

    def words(self, ranking: str) -> list[list[int]]:
        """Return the ten best words of each topic, "by probability" or "by relevance"."""
        p = self.probabilities
        scores = p if ranking == "by probability" else p * np.log(p / p.mean(axis=0))
        return np.argsort(-scores, axis=1, kind="stable")[:, :WORDS].tolist()


def scikit_learn_lda(counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Variational LDA of scikit-learn, at its defaults (batch, 10 iterations)."""
    from sklearn.decomposition import LatentDirichletAllocation

    started = time.perf_counter()
    model = LatentDirichletAllocation(n_topics, random_state=seed, n_jobs=None).fit(counts)
    seconds = time.perf_counter() - started
    probabilities = model.components_ / model.components_.sum(1, keepdims=True)
    return FittedTopics("scikit-learn LDA", probabilities, seconds, model.transform)


def clusters_alone(counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Return the clusters that docnvil's default recipe starts from, as if they were topics."""
    started = time.perf_counter()
    profiles = cluster_profiles(counts, n_topics, np.random.default_rng([seed, 2])).astype(np.float64)
    background = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() + 0.5
    probabilities = np.exp(profiles) * background / background.sum()
    return FittedTopics("clusters alone", probabilities, time.perf_counter() - started)


def tomotopy_lda(counts: csr_array, n_topics: int, seed: int, iterations: int = 1000) -> FittedTopics:
    """LDA of tomotopy by collapsed Gibbs sampling, 1000 iterations, on all cores."""
    import tomotopy

    started = time.perf_counter()
    model = tomotopy.LDAModel(k=n_topics, seed=seed)
    for words in _words_of(counts):
        if words:
            model.add_doc(words)
    model.train(iterations)
    seconds = time.perf_counter() - started
    columns = np.array([int(word) for word in model.used_vocabs])
    probabilities = np.full((n_topics, counts.shape[1]), 1e-12)
    for topic in range(n_topics):
        probabilities[topic, columns] = model.get_topic_word_dist(topic)

    def mixture(documents: csr_array) -> NDArray[np.float64]:
        made = [model.make_doc(words or ["0"]) for words in _words_of(documents)]
        model.infer(made, iterations=100)
        return np.array([document.get_topic_dist() for document in made])

    return FittedTopics("tomotopy LDA", probabilities, seconds, mixture)


def _words_of(counts: csr_array) -> list[list[str]]:
    """Spell documents out as lists of column numbers, which is the form that tomotopy reads."""
    bounds = zip(counts.indptr[:-1], counts.indptr[1:], strict=True)
    return [[str(word) for word in np.repeat(counts.indices[a:b], counts.data[a:b])] for a, b in bounds]
