"""Topic models of other packages, and docnvil's starting clusters, fitted on the same counts and timed."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.comparison.adapters import MixtureOfTopics
from docnvil.comparison.peers import PEERS
from docnvil.runtime.randomness import stream
from docnvil.training.kmeans_init import cluster_documents


@dataclass(frozen=True)
class FittedTopics:
    """Topics and the time it took to fit them.

    Arguments:
        model: the topics.
        seconds: fitting time.
        can_encode: whether the model can encode documents.
    """

    model: MixtureOfTopics
    seconds: float
    can_encode: bool = True


def fit_peer(name: str, counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Fit a model of `docnvil.comparison.peers` with as many threads as there are cores."""
    return _timed(lambda: PEERS[name].fit(counts, n_topics, seed, os.cpu_count() or 1))


def cluster_topics(counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Return the clusters that docnvil's default recipe starts from as topics."""
    return _timed(lambda: MixtureOfTopics(_profiles(counts, n_topics, seed), _no_encoding), can_encode=False)


def _profiles(counts: csr_array, n_topics: int, seed: int) -> NDArray[np.float64]:
    profiles = cluster_documents(counts, n_topics, stream(seed, "k-means")).profiles.astype(np.float64)
    background = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() + 0.5
    return np.exp(profiles) * background / background.sum()


def _no_encoding(counts: csr_array) -> NDArray[np.float64]:
    raise NotImplementedError("Clusters cannot encode documents.")


def _timed(fit: Callable[[], MixtureOfTopics], *, can_encode: bool = True) -> FittedTopics:
    started = time.perf_counter()
    model = fit()
    return FittedTopics(model, time.perf_counter() - started, can_encode)
