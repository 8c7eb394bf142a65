"""Agreement of clusters with labels: purity and normalized mutual information.

Axes: N documents, K units, C clusters, L labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import CorpusError


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

    Mutual information is divided by the arithmetic mean of the entropies, as scikit-learn does; the result is 1
    if there is a single cluster and a single label.

    Source: Manning, Raghavan & Schütze (2008), *Introduction to information retrieval*, section 16.3.

    Raises:
        CorpusError: there are no documents, or not as many labels as documents.

    Example:
        >>> result = compare_clusters(np.array([0, 0, 0, 1]), np.array(["sea", "sea", "food", "food"]))
        >>> result.purity, round(result.nmi, 3)
        (0.75, 0.344)
    """
    if not len(labels):
        raise CorpusError("There are no documents to compare clusters and labels of. Give at least one.")
    if len(clusters) != len(labels):
        raise CorpusError(f"There are {len(labels)} labels for {len(clusters)} documents. Give one for each.")
    (names, cluster), (label_names, label) = (np.unique(each, return_inverse=True) for each in (clusters, labels))
    joint = np.zeros((len(names), len(label_names)))
    np.add.at(joint, (cluster, label), 1 / len(labels))
    by_cluster, by_label = joint.sum(axis=1), joint.sum(axis=0)
    both = joint > 0
    information = float(joint[both] @ np.log(joint[both] / np.outer(by_cluster, by_label)[both]))
    entropy = float(-by_cluster @ np.log(by_cluster) - by_label @ np.log(by_label)) / 2
    nmi = 1.0 if joint.size == 1 else max(0.0, information / entropy)
    return Clustering(float(joint.max(axis=1).sum()), nmi, len(names), len(label_names), len(labels))


def strongest_unit(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the unit with the highest probability of each document, `[N, K] -> [N]`, as its cluster.

    Example:
        >>> strongest_unit(np.array([[0.1, 0.9, 0.3], [0.8, 0.1, 0.1]]))
        array([1, 0])
    """
    return probabilities.argmax(axis=1)
