"""Initialization of the first layer's units by k-means clusters of documents.

From a random start, binary units find dense codes that are hard to interpret, or stay inactive. Units that start at
clusters of documents stay close to topics that have a name, at no loss in the bound.

Axes: N documents, V vocabulary, K units.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from docnvil.text.sparse import CountRows, entries_per_row

MAX_DOCUMENTS = 20_000  # for fifty clusters, a sample of this size is as good as all documents
ITERATIONS = 10
PRIOR_TOKENS = 300.0  # tokens of the corpus added to each cluster, which smooths small clusters


def cluster_profiles(counts: CountRows, n_clusters: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Cluster documents and return log p(w | k) / p(w) of each cluster and word, `[K, V]`.

    Spherical k-means on log(1 + x) idf vectors of unit length; a cluster without documents has a row of zeros.

    Source: Dhillon & Modha (2001), *Concept decompositions for large sparse text data using clustering*.

    Arguments:
        counts: `[N, V]` CSR or selected rows of it; at most 20,000 documents are used.
        n_clusters: K.
        generator: for the choice of these documents and of the initial centers.

    Example:
        >>> blocks = csr_array(np.kron(np.eye(2, dtype=int), np.full((30, 2), 9)))
        >>> profiles = cluster_profiles(blocks, 2, np.random.default_rng(1))
        >>> sorted(np.sign(profiles).tolist())
        [[-1.0, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, -1.0]]
    """
    rows = np.flatnonzero(entries_per_row(counts))
    if not len(rows):
        return np.zeros((n_clusters, counts.shape[1]), dtype=np.float32)
    if len(rows) > MAX_DOCUMENTS:
        rows = np.sort(generator.choice(rows, MAX_DOCUMENTS, replace=False))
    sample = csr_array(counts[rows]).astype(np.float32)
    directions = _unit_length_tf_idf(sample)  # [N, V], sparse
    first = generator.choice(len(rows), n_clusters, replace=len(rows) < n_clusters)
    centers = directions[first].toarray()  # [K, V]
    for _ in range(ITERATIONS):
        centers = (_membership(directions, centers) @ directions).toarray()
        centers /= np.linalg.norm(centers, axis=1, keepdims=True) + 1e-9
    background = np.asarray(sample.sum(axis=0, dtype=np.float64)).ravel() + 0.5
    background /= background.sum()
    words = (_membership(directions, centers) @ sample).toarray().astype(np.float64)
    smoothed = (words + PRIOR_TOKENS * background) / (words.sum(axis=1, keepdims=True) + PRIOR_TOKENS)
    return np.log(smoothed / background).astype(np.float32)


def _unit_length_tf_idf(counts: csr_array) -> csr_array:
    document_frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log((counts.shape[0] + 1) / (document_frequency + 1)).astype(np.float32)
    weighted = csr_array((np.log1p(counts.data) * idf[counts.indices], counts.indices, counts.indptr), counts.shape)
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel()) + 1e-9
    return csr_array(diags_array(1 / lengths.astype(np.float32)) @ weighted)


def _membership(directions: csr_array, centers: NDArray[np.float32]) -> csr_array:
    """Return the assignment of each document to the nearest center, `[K, N]` of zeros and ones."""
    nearest = (directions @ centers.T).argmax(axis=1)
    n_documents = directions.shape[0]
    ones = np.ones(n_documents, dtype=np.float32)
    return csr_array((ones, (nearest, np.arange(n_documents))), shape=(len(centers), n_documents))
