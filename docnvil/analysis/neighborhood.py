"""The neighborhood of documents: how similar reference documents are to a document, and to each other.

Similarity is the cosine of tf-idf vectors. The neighbors of a foreign document are not similar to it. Those of a
mixture of two documents are about two subjects, so their units differ.

Axes: N documents, M reference documents, V words, K units of the first layer, k neighbors.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.text.tf_idf import tf_idf

N_NEIGHBORS = 30
MAX_SHARE = 0.1  # of the reference that are neighbors
SAME = 1 - 1e-6  # similarity of documents that are taken for copies, which are not neighbors
CHUNK = 512  # documents whose similarities to the reference exist at once

Values = NDArray[np.float64]


class Neighborhood:
    """Reference documents among which neighbors are found.

    Arguments:
        network: the belief network.
        idf: `[V]`, the weight of each word, above 0.
        reference: `[M, V]`.
    """

    NAMES = ("neighbor_similarity", "neighbor_agreement", "neighbor_contrast", "neighbor_spread")

    def __init__(self, network: BeliefNetwork, idf: Values, reference: csr_array) -> None:
        self._idf = idf
        self._vectors = tf_idf(reference, idf)
        units = unit_probabilities(network, reference)[:, : network.config.units[0]]
        self._units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-6)
        self._n_neighbors = max(2, min(N_NEIGHBORS, int(MAX_SHARE * len(units))))

    def features(self, counts: csr_array, sources: Sequence[NDArray[np.int64]] = ()) -> Values:
        """Return four features of documents, `[N, 4]`.

        These are the mean similarity of the k nearest reference documents, the mean cosine of the units of two
        neighbors, and the share and the size of the largest principal component of the neighbors' units.

        Arguments:
            counts: `[N, V]`.
            sources: `[N]` each, reference documents that are not neighbors because the document was made of them.
        """
        vectors = tf_idf(counts, self._idf)
        features = np.empty((counts.shape[0], len(self.NAMES)))
        for start in range(0, counts.shape[0], CHUNK):
            rows = slice(start, start + CHUNK)
            similarities = (vectors[rows] @ self._vectors.T).toarray()  # [n, M]
            similarities[similarities > SAME] = 0
            for source in sources:
                np.put_along_axis(similarities, source[rows, None], 0, axis=1)
            features[rows] = self._describe(similarities)
        return features

    def _describe(self, similarities: Values) -> Values:
        k = self._n_neighbors
        nearest = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        units = self._units[nearest]  # [n, k, K]
        mean = units.mean(axis=1, keepdims=True)
        centered = units - mean
        # The k x k products have the same largest eigenvalue as the covariance of the units.
        largest = np.linalg.eigvalsh(centered @ centered.transpose(0, 2, 1))[:, -1]
        total = np.maximum((centered**2).sum(axis=(1, 2)), 1e-9)
        similarity = np.take_along_axis(similarities, nearest, axis=1).mean(axis=1)
        return np.column_stack([similarity, (mean**2).sum(axis=(1, 2)), largest / total, largest])
