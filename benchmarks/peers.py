"""Topic models of other packages, and docnvil's starting clusters, fitted on the same counts, timed and evaluated.

`evaluate_peer` keeps its results in benchmarks/.peers/, so that all benchmarks together fit each model once per corpus.

Axes: N documents, V words, K topics.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.analysis.clustering import strongest_unit
from docnvil.analysis.completion import CompletionScores, evaluate_predictor
from docnvil.comparison.adapters import MixtureOfTopics
from docnvil.comparison.cache import add_cache
from docnvil.comparison.peers import PEERS
from docnvil.runtime.folders import replace_file
from docnvil.runtime.randomness import stream
from docnvil.training.kmeans_init import cluster_documents

KEPT = Path(__file__).parent / ".peers"
VERSION = 3  # of what is kept; raised when its meaning changes
RANKINGS = ("by probability", "by relevance")


@dataclass(frozen=True)
class FittedTopics:
    """Topics and the time it took to fit them.

    Arguments:
        model: the topics.
        seconds: fitting time.
    """

    model: MixtureOfTopics
    seconds: float


@dataclass(frozen=True)
class EvaluatedPeer:
    """What benchmarks need to know of another package's topic model.

    Arguments:
        seconds: fitting time.
        completion: scores of the held-out words of each document.
        cached: the same with a cache of the document's words, see `docnvil.comparison.cache`.
        concentration: A of the cache.
        words: the columns of each topic's ten top words, by ranking.
        clusters: `[N]`, the topic with the highest proportion in each test document.
    """

    seconds: float
    completion: CompletionScores
    cached: CompletionScores
    concentration: float
    words: Mapping[str, Sequence[Sequence[int]]]
    clusters: NDArray[np.int64]

    def measures(self) -> dict[str, float | None]:
        """Return the perplexities without and with the cache, and the fitting time."""
        plain, cached = self.completion.summarize(), self.cached.summarize()
        return {
            "fit_wall_seconds": round(self.seconds, 1),
            "completion_per_word": plain.perplexity_per_word,
            "completion_per_document": plain.perplexity_per_document,
            "cached_completion_per_word": cached.perplexity_per_word,
            "cached_completion_per_document": cached.perplexity_per_document,
            "cache_concentration": self.concentration if math.isfinite(self.concentration) else None,
        }


def fit_peer(name: str, counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Fit a model of `docnvil.comparison.peers` with as many threads as there are cores."""
    return _timed(lambda: PEERS[name].fit(counts, n_topics, seed, os.cpu_count() or 1))


def evaluate_peer(
    name: str, train: csr_array, observed: csr_array, hidden: csr_array, n_topics: int, seed: int
) -> EvaluatedPeer:
    """Fit and evaluate a model of `docnvil.comparison.peers`, or return what was kept of an earlier evaluation.

    Arguments:
        name: key of `PEERS`.
        train: `[M, V]`, the documents to fit the topics and the cache to.
        observed: `[N, V]`, the words of the test documents that the model sees.
        hidden: `[N, V]`, the words of the same documents to predict.
        n_topics: K.
        seed: seed of the model and of the cache.
    """
    path = KEPT / f"{_fingerprint(name, train, observed, hidden, n_topics, seed)}.npz"
    if path.exists():
        return _read(path)
    topics = fit_peer(name, train, n_topics, seed)
    cached = add_cache(topics.model, train, lambda part: fit_peer(name, part, n_topics, seed).model, seed=seed)
    result = EvaluatedPeer(
        seconds=topics.seconds,
        completion=evaluate_predictor(topics.model.predict, observed, hidden),
        cached=evaluate_predictor(cached.predict, observed, hidden),
        concentration=cached.concentration,
        words={ranking: topics.model.words(ranking=ranking) for ranking in RANKINGS},
        clusters=strongest_unit(topics.model.proportions(csr_array(observed + hidden))),
    )
    _write(path, result)
    return result


def cluster_topics(counts: csr_array, n_topics: int, seed: int) -> FittedTopics:
    """Return the clusters that docnvil's default recipe starts from as topics."""
    return _timed(lambda: MixtureOfTopics(_profiles(counts, n_topics, seed), _no_encoding))


def _profiles(counts: csr_array, n_topics: int, seed: int) -> NDArray[np.float64]:
    profiles = cluster_documents(counts, n_topics, stream(seed, "k-means")).profiles.astype(np.float64)
    background = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() + 0.5
    return np.exp(profiles) * background / background.sum()


def _no_encoding(counts: csr_array) -> NDArray[np.float64]:
    raise NotImplementedError("Clusters cannot encode documents.")


def _timed(fit: Callable[[], MixtureOfTopics]) -> FittedTopics:
    started = time.perf_counter()
    model = fit()
    return FittedTopics(model, time.perf_counter() - started)


def _fingerprint(name: str, *values: Any) -> str:
    """Return a SHA-256 of a model's name and settings, of the counts and of all other values."""
    digest = hashlib.sha256(f"{VERSION} {name} {PEERS[name].settings}".encode())
    for value in values:
        if isinstance(value, csr_array):
            digest.update(str(value.shape).encode())
            for part in (value.indptr, value.indices, value.data):
                digest.update(np.ascontiguousarray(part, dtype=np.int64))
        else:
            digest.update(f" {value}".encode())
    return digest.hexdigest()[:24]


def _write(path: Path, peer: EvaluatedPeer) -> None:
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft.npz")
    np.savez_compressed(
        draft,
        scalars=np.array([peer.seconds, peer.concentration]),
        log_likelihood=np.array([peer.completion.log_likelihood, peer.cached.log_likelihood]),
        lengths=peer.completion.lengths,
        words=np.array(json.dumps(peer.words)),
        clusters=peer.clusters,
    )
    replace_file(path, draft.read_bytes())
    draft.unlink()


def _read(path: Path) -> EvaluatedPeer:
    with np.load(path) as file:
        seconds, concentration = file["scalars"].tolist()
        completion, cached = (CompletionScores(each, file["lengths"]) for each in file["log_likelihood"])
        words = json.loads(str(file["words"]))
        return EvaluatedPeer(seconds, completion, cached, concentration, words, file["clusters"])
