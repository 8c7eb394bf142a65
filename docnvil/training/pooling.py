"""Pooling of similar documents: p reconstructs a document together with others of its cluster.

A code that reconstructs a document's own words spends bits on what is particular to it. A code that reconstructs
documents of its cluster as well holds what they have in common, which is what a search by subject needs.

Source: Hansen et al. (2020), *Unsupervised semantic hashing with pairwise reconstruction*; there a document is paired
with one of its nearest neighbors, here with members of its k-means clusters, which takes time proportional to N.

Axes: N documents, B documents of a batch, V words, R clusterings.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from docnvil.runtime.randomness import KeyedGenerator, stream
from docnvil.text.sparse import CountRows
from docnvil.training.kmeans_init import assign_documents, cluster_documents

CLUSTERINGS = 6  # from different initial centers: documents near the border of one are inside another
CLUSTERS = 50
DOCUMENTS_PER_CLUSTER = 10  # on average, at least


@dataclass(frozen=True)
class Pools:
    """The clusters of documents from which others are drawn, for R clusterings with C clusters each.

    Arguments:
        counts: `[N, V]`, the documents.
        cluster: `[R, N]`, the cluster of each document.
        members: `[R, N]`, the rows of the documents sorted by cluster.
        first: `[R, C]`, where each cluster starts among the members.
        sizes: `[R, C]`, the number of documents in each cluster.
    """

    counts: CountRows
    cluster: NDArray[np.int64]
    members: NDArray[np.int64]
    first: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, counts: CountRows, seed: int) -> "Pools":
        """Cluster documents `[N, V]` in several ways."""
        n_clusters = max(1, min(CLUSTERS, counts.shape[0] // DOCUMENTS_PER_CLUSTER))
        found = []
        for number in range(CLUSTERINGS):
            clusters = cluster_documents(counts, n_clusters, stream(seed, "k-means of pools", number))
            found.append(assign_documents(counts, clusters))
        cluster = np.stack(found)
        sizes = np.stack([np.bincount(each, minlength=n_clusters) for each in cluster])
        members = np.argsort(cluster, axis=1, kind="stable")
        return cls(counts, cluster, members, sizes.cumsum(axis=1) - sizes, sizes)

    def draw(self, rows: NDArray[np.int64], uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return for each document in `rows` one of its cluster, `[B]`, chosen by two uniform numbers, `[B, 2]`.

        The first number chooses the clustering, and the second the member of the document's cluster.
        """
        clustering = (uniforms[:, 0] * len(self.cluster)).astype(np.int64)
        cluster = self.cluster[clustering, rows]
        position = (uniforms[:, 1] * self.sizes[clustering, cluster]).astype(np.int64)
        return self.members[clustering, self.first[clustering, cluster] + position]

    def pooled_counts(self, rows: Tensor, size: int, seed: int) -> csr_array:
        """Return the counts of documents in `rows`, `[B]` int64, plus those of `size` others of their clusters.

        The others depend on the seed and the row only. The result is `[B, V]`.
        """
        uniforms = KeyedGenerator(seed, rows).uniform((size, len(rows), 2), torch.float64).numpy()
        total = csr_array(self.counts[rows.numpy()])
        for each in uniforms:
            total = total + csr_array(self.counts[self.draw(rows.numpy(), each)])
        return total
