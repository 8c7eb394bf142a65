"""Agreement of clusters with labels: purity and normalized mutual information.

Axes: N documents, K units, C clusters, L labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import CorpusError, counted


@dataclass(frozen=True)
class Clustering:
    """How well clusters of documents agree with their labels.

    Arguments:
        purity: the share of documents that have the most frequent label of their cluster.
        nmi: mutual information of cluster and label, divided by the mean of their two entropies.
        clusters: C, the clusters with at least one document; purity rises with their number.
        labels: L, the distinct labels.
        documents: N.
    """

    purity: float
    nmi: float
    clusters: int
    labels: int
    documents: int


def compare_clusters(clusters: NDArray[Any], labels: NDArray[Any]) -> Clustering:
    """Return purity and normalized mutual information of the cluster and the label of each document, `[N]` each.

    Mutual information is divided by the arithmetic mean of the entropies; the result is 1 if there is a single cluster
    and a single label.

    Source: Manning, Raghavan & Schütze (2008), *Introduction to information retrieval*, section 16.3.

    Raises:
        CorpusError: there are no documents, or not as many labels as documents.

    Example:
        >>> result = compare_clusters(np.array([0, 0, 0, 1]), np.array(["sea", "sea", "food", "food"]))
        >>> result.purity, round(result.nmi, 3)
        (0.75, 0.344)
    """
    from sklearn.metrics import normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    if not len(labels):
        raise CorpusError("There are no documents to compare clusters and labels of. Give at least one.")
    if len(clusters) != len(labels):
        raise CorpusError(
            f"There are {counted(len(labels), 'label')} for {counted(len(clusters), 'document')}. Give one for each."
        )
    joint = contingency_matrix(clusters, labels)  # [C, L]
    purity = float(joint.max(axis=1).sum() / len(labels))
    nmi = float(normalized_mutual_info_score(labels, clusters))
    return Clustering(purity, nmi, *joint.shape, documents=len(labels))


def strongest_unit(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the unit with the highest probability of each document, `[N, K] -> [N]`, as its cluster.

    Example:
        >>> strongest_unit(np.array([[0.1, 0.9, 0.3], [0.8, 0.1, 0.1]]))
        array([1, 0])
    """
    return probabilities.argmax(axis=1)
