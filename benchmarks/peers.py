"""Other people's models, and the clusters that docnvil starts from, fitted on the same counts and timed."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.comparison.peers import PEERS, MixtureOfTopics
from docnvil.training.kmeans_init import cluster_profiles


@dataclass(frozen=True)
class FittedTopics:
    """Topics, the seconds it took to fit them, and whether they come with a way to read a document."""

    model: MixtureOfTopics
    seconds: float
    reads: bool = True


def fitted(name: str, counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Fit a peer of `docnvil.comparison.peers` with as many threads as there are cores."""
    return _timed(lambda: PEERS[name].fit(counts, n_topics, seed, os.cpu_count() or 1))


def clusters_alone(counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Return the clusters that docnvil's default recipe starts from, as if they were topics."""
    return _timed(lambda: MixtureOfTopics(_profiles(counts, n_topics, seed), _no_proportions), reads=False)


def _profiles(counts: csr_array, n_topics: int, seed: int) -> NDArray[np.float64]:
    profiles = cluster_profiles(counts, n_topics, np.random.default_rng([seed, 2])).astype(np.float64)
    background = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() + 0.5
    return np.exp(profiles) * background / background.sum()


def _no_proportions(counts: csr_array) -> NDArray[np.float64]:
    raise NotImplementedError("Clusters of documents say nothing of new ones.")


def _timed(fit: Callable[[], MixtureOfTopics], *, reads: bool = True) -> FittedTopics:
    started = time.perf_counter()
    model = fit()
    return FittedTopics(model, time.perf_counter() - started, reads)
