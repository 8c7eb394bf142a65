"""Where units may start: at clusters of documents, instead of at random.

Binary units that start at random find dense codes that explain words well and cannot be read, or never wake up. Started
at the subjects that a quick clustering finds, they stay near subjects a person can name, and lose nothing in the bound.

Axes: N documents, V words, K units.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from docnvil.text.sparse import CountRows, entries_per_row

MAX_DOCUMENTS = 20_000  # a sample of this size places fifty clusters as well as all documents would
ITERATIONS = 10
PRIOR_TOKENS = 300.0  # of the whole corpus's words added to each cluster, so that small ones claim little


def cluster_profiles(counts: CountRows, n_clusters: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Cluster documents and return how each cluster's words differ from the corpus, log p(w | k) / p(w), `[K, V]`.

    Spherical k-means on log(1 + x) idf vectors of unit length; a cluster without documents has a row of zeros.

    Source: Dhillon & Modha (2001), *Concept decompositions for large sparse text data using clustering*.

    Arguments:
        counts: `[N, V]` CSR, or rows selected of it; at most 20,000 of the documents are looked at.
        n_clusters: K.
        generator: draws those documents, and the first centers among them.

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
    """Put each document into the cluster of the nearest center, `[K, N]` of zeros and ones."""
    nearest = (directions @ centers.T).argmax(axis=1)
    n_documents = directions.shape[0]
    ones = np.ones(n_documents, dtype=np.float32)
    return csr_array((ones, (nearest, np.arange(n_documents))), shape=(len(centers), n_documents))
