"""Initialization of the first layer's units, and of themes, by k-means clusters of documents.

From a random start, binary units find dense codes that are hard to interpret, or stay inactive. Units that start at
clusters of documents stay close to topics that have a name, at no loss in the bound.

Axes: N documents, V vocabulary, K units.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.text.sparse import CountRows, entries_per_row
from docnvil.training.seed_words import SeedColumns

MAX_DOCUMENTS = 20_000  # for fifty clusters, a sample of this size is as good as all documents
ITERATIONS = 30
PRIOR_TOKENS = 300.0  # tokens of the corpus added to each cluster, which smooths small clusters
SEED_SHARE = 0.5  # weight of the seed words in the center of their cluster, relative to its documents
SEED_PROFILE = 4.0  # log p(w | k) / p(w) of a seed word, at least
PRIOR_DOCUMENTS = 10.0  # documents with the average units added to each cluster


@dataclass(frozen=True)
class Clusters:
    """Clusters of documents.

    Arguments:
        rows: `[M]`, the rows of the documents that were clustered, ascending.
        members: `[K, M]` of zeros and ones, the cluster of each of these documents.
        profiles: `[K, V]`, log p(w | k) / p(w) of each cluster and word; zeros for a cluster without documents.
    """

    rows: NDArray[np.int64]
    members: csr_array
    profiles: NDArray[np.float32]


def cluster_documents(
    counts: CountRows, n_clusters: int, generator: np.random.Generator, seeds: SeedColumns = ()
) -> Clusters:
    """Cluster documents by spherical k-means on log(1 + x) idf vectors of unit length.

    The initial centers are documents far from each other.

    Source: Dhillon & Modha (2001), *Concept decompositions for large sparse text data using clustering*.

    Arguments:
        counts: `[N, V]` CSR or selected rows of it; at most 20,000 documents are used.
        n_clusters: K.
        generator: for the choice of these documents and of the initial centers.
        seeds: the columns of the seed words of the first clusters. Their centers start at these words, not at a
            document, and keep a part of them.

    Example:
        >>> blocks = csr_array(np.kron(np.eye(2, dtype=int), np.full((30, 2), 9)))
        >>> clusters = cluster_documents(blocks, 2, np.random.default_rng(1))
        >>> sorted(np.sign(clusters.profiles).tolist())
        [[-1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, -1.0]]
    """
    rows = np.flatnonzero(entries_per_row(counts))
    if not len(rows):
        no_words = np.zeros((n_clusters, counts.shape[1]), dtype=np.float32)
        return Clusters(rows, csr_array((n_clusters, 0), dtype=np.float32), no_words)
    if len(rows) > MAX_DOCUMENTS:
        rows = np.sort(generator.choice(rows, MAX_DOCUMENTS, replace=False))
    sample = csr_array(counts[rows]).astype(np.float32)
    idf = _idf(sample)
    directions = _unit_length_tf_idf(sample, idf)  # [N, V], sparse
    anchors = _seed_directions(seeds, idf, n_clusters)  # [K, V], sparse
    centers = _initial_centers(directions, anchors[: len(seeds)], n_clusters, generator)  # [K, V]
    for _ in range(ITERATIONS):
        before = centers
        centers = _normalized((_membership(directions, centers) @ directions).toarray())
        if seeds:
            centers = _normalized(centers + SEED_SHARE * anchors)
        if np.array_equal(before, centers):
            break
    background = np.asarray(sample.sum(axis=0, dtype=np.float64)).ravel() + 0.5
    background /= background.sum()
    members = _membership(directions, centers)
    words = (members @ sample).toarray().astype(np.float64)
    smoothed = (words + PRIOR_TOKENS * background) / (words.sum(axis=1, keepdims=True) + PRIOR_TOKENS)
    profiles = np.log(smoothed / background).astype(np.float32)
    for unit, columns in enumerate(seeds):
        profiles[unit, columns] = np.maximum(profiles[unit, columns], SEED_PROFILE)
    return Clusters(rows, members, profiles)


def start_themes(model: BeliefNetwork, counts: CountRows, clusters: Clusters) -> None:
    """Set each component of a mixture prior to the units' mean probabilities in a cluster of documents, in place.

    The probabilities are those of the initial recognition network; the weight of the component is the cluster's share.
    """
    if not len(clusters.rows):
        return
    n_units = model.config.units[-1]
    on = unit_probabilities(model, counts[clusters.rows])[:, -n_units:].astype(np.float64)  # [M, K]
    sizes = clusters.members.sum(axis=1, dtype=np.float64)[:, None]  # [C, 1]
    means = (clusters.members @ on + PRIOR_DOCUMENTS * on.mean(axis=0)) / (sizes + PRIOR_DOCUMENTS)
    shares = (sizes[:, 0] + 1) / (sizes.sum() + len(sizes))
    prior = model.generative.prior
    prior.initialize_from(torch.from_numpy(means).to(prior.bias), torch.from_numpy(shares).to(prior.bias))


def _idf(counts: csr_array) -> NDArray[np.float32]:
    document_frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    return np.log((counts.shape[0] + 1) / (document_frequency + 1)).astype(np.float32)


def _unit_length_tf_idf(counts: csr_array, idf: NDArray[np.float32]) -> csr_array:
    weighted = csr_array((np.log1p(counts.data) * idf[counts.indices], counts.indices, counts.indptr), counts.shape)
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel()) + 1e-9
    return csr_array(diags_array(1 / lengths.astype(np.float32)) @ weighted)


def _seed_directions(seeds: SeedColumns, idf: NDArray[np.float32], n_clusters: int) -> csr_array:
    """Return the direction of each cluster's seed words, `[K, V]`; zeros for clusters without any."""
    rows = np.repeat(np.arange(len(seeds)), [len(columns) for columns in seeds])
    columns = np.array([column for columns in seeds for column in columns], dtype=np.int64)
    weights = np.maximum(idf[columns], 1e-3)
    lengths = np.sqrt(np.bincount(rows, weights**2, minlength=max(1, len(seeds))))
    return csr_array(((weights / lengths[rows]).astype(np.float32), (rows, columns)), shape=(n_clusters, len(idf)))


def _normalized(centers: NDArray[np.float32]) -> NDArray[np.float32]:
    return centers / (np.linalg.norm(centers, axis=1, keepdims=True) + np.float32(1e-9))


def _initial_centers(
    directions: csr_array, seeds: csr_array, n_centers: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Return the seeds and then rows that are far from each other and from the seeds, `[K, V]`.

    The probability of a row is proportional to its squared cosine distance from the nearest center so far.

    Source: Arthur & Vassilvitskii (2007), *k-means++: the advantages of careful seeding*.
    """
    drawn: list[int] = []
    nearest = np.full(directions.shape[0], -1.0)
    if seeds.shape[0]:
        nearest = np.maximum(nearest, (directions @ seeds.T).toarray().max(axis=1))
    elif n_centers:
        drawn.append(int(generator.integers(directions.shape[0])))
    while seeds.shape[0] + len(drawn) < n_centers:
        if drawn:
            cosines = (directions @ directions[drawn[-1:]].T).toarray()[:, 0]
            nearest = np.maximum(nearest, cosines)
        weights = np.clip(1 - nearest, 0, None) ** 2
        total = weights.sum()
        drawn.append(int(generator.choice(len(weights), p=weights / total if total > 0 else None)))
    return np.concatenate([seeds.toarray(), directions[np.array(drawn, dtype=np.int64)].toarray()])


def _membership(directions: csr_array, centers: NDArray[np.float32]) -> csr_array:
    """Return the assignment of each document to the nearest center, `[K, N]` of zeros and ones."""
    nearest = (directions @ centers.T).argmax(axis=1)
    n_documents = directions.shape[0]
    ones = np.ones(n_documents, dtype=np.float32)
    return csr_array((ones, (nearest, np.arange(n_documents))), shape=(len(centers), n_documents))
