"""Purity and normalized mutual information against scikit-learn and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from docnvil.analysis.clustering import compare_clusters
from docnvil.errors import CorpusError


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=60))
def test_both_agree_with_scikit_learn(pairs):
    clusters, labels = np.array(pairs).T
    result = compare_clusters(clusters, labels)
    assert result.nmi == pytest.approx(normalized_mutual_info_score(labels, clusters), abs=1e-9)
    assert result.purity == pytest.approx(contingency_matrix(labels, clusters).max(axis=0).sum() / len(labels))
    assert (result.clusters, result.labels) == (len(set(clusters)), len(set(labels)))


def test_names_do_not_matter():
    labels = np.array(["a", "b", "b", "c"])
    assert compare_clusters(np.array([9, 2, 2, 5]), labels).nmi == pytest.approx(1)
    assert compare_clusters(np.array([9, 2, 2, 5]), labels).purity == pytest.approx(1)
    assert compare_clusters(np.array([1, 1, 1, 1]), labels).nmi == 0
    assert compare_clusters(np.array([1, 1, 1, 1]), labels).purity == 0.5


def test_missing_labels_are_an_error():
    with pytest.raises(CorpusError, match="2 labels for 3 documents"):
        compare_clusters(np.arange(3), np.arange(2))
    with pytest.raises(CorpusError, match="no documents"):
        compare_clusters(np.arange(0), np.arange(0))
