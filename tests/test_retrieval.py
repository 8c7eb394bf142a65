"""Precision, recall and classification against plain counting."""

from itertools import permutations

import numpy as np
import pytest

from docnvil.analysis import retrieval as module
from docnvil.analysis.retrieval import classify, cosine, hamming, retrieve
from docnvil.errors import ConfigurationError, CorpusError

CUTOFFS = (1, 2, 4, 8, 16, 32, 40)


@pytest.fixture
def documents() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return (
        generator.random((40, 3)),
        generator.integers(0, 4, 40),
        generator.random((9, 3)),
        generator.integers(0, 4, 9),
    )


def test_precision_and_recall_without_ties(documents):
    probabilities, labels, query_probabilities, query_labels = documents
    result = retrieve(*documents, similarity=cosine, retrieved=[1, 5, 40])
    for index, number in enumerate((1, 5, 40)):
        precision, recall = [], []
        for query, label in zip(query_probabilities, query_labels, strict=True):
            cosines = probabilities @ query / np.linalg.norm(probabilities, axis=1) / np.linalg.norm(query)
            relevant = labels[np.argsort(-cosines)[:number]] == label
            precision.append(relevant.mean())
            recall.append(relevant.sum() / (labels == label).sum())
        assert result.precision[index] == pytest.approx(np.mean(precision))
        assert result.recall[index] == pytest.approx(np.mean(recall))


def test_ties_count_as_the_mean_over_their_orders():
    similarities, labels = np.array([2, 1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0, 1])
    orders = [order for order in permutations(range(6)) if (np.diff(similarities[list(order)]) <= 0).all()]
    cutoffs = np.arange(1, 7)
    expected = np.mean([[labels[list(order)][:n].sum() for n in cutoffs] for order in orders], axis=0)
    result = retrieve(
        np.zeros((6, 1)),
        labels,
        np.zeros((1, 1)),
        np.ones(1),
        similarity=lambda queries, documents: similarities[None],
        retrieved=cutoffs,
    )
    assert np.array(result.precision) * cutoffs == pytest.approx(expected)


def test_hamming_counts_the_units_that_differ(documents):
    probabilities, _, query_probabilities, _ = documents
    expected = ((query_probabilities > 0.5)[:, None] != (probabilities > 0.5)).sum(2)
    assert np.array_equal(-hamming(query_probabilities, probabilities), expected)


@pytest.mark.parametrize("similarity", [hamming, cosine])
def test_retrieval_does_not_depend_on_chunks_or_order(documents, similarity, monkeypatch):
    whole = retrieve(*documents, similarity=similarity, retrieved=CUTOFFS)
    assert whole.retrieved == CUTOFFS
    monkeypatch.setattr(module, "MAX_SIMILARITIES", 1)
    order = np.random.default_rng(1).permutation(40)
    reordered = retrieve(
        documents[0][order], documents[1][order], *documents[2:], similarity=similarity, retrieved=CUTOFFS
    )
    assert reordered.precision == pytest.approx(whole.precision)
    assert reordered.recall == pytest.approx(whole.recall)


def test_queries_whose_label_no_document_has_are_skipped(documents):
    probabilities, labels, query_probabilities, query_labels = documents
    more_queries = np.vstack([query_probabilities, query_probabilities[:2]])
    more_labels = np.append(query_labels, [9, -1])
    result = retrieve(probabilities, labels, more_queries, more_labels, similarity=cosine, retrieved=CUTOFFS)
    assert (result.queries, result.skipped) == (9, 2)
    assert result.precision == retrieve(*documents, similarity=cosine, retrieved=CUTOFFS).precision


def test_separable_labels_are_predicted():
    labels = np.arange(60) % 3
    probabilities = np.eye(3)[labels] * 0.8 + 0.1
    result = classify(probabilities, labels, probabilities[:31], labels[:31])
    assert (result.accuracy, result.macro_f1) == (1, 1)
    assert result.most_frequent == pytest.approx(11 / 31)


def test_single_precision_gives_the_same_results(documents):
    probabilities, labels, query_probabilities, query_labels = documents
    single = [probabilities.astype(np.float32), labels, query_probabilities.astype(np.float32), query_labels]
    double = [single[0].astype(np.float64), labels, single[2].astype(np.float64), query_labels]
    assert retrieve(*single, similarity=cosine, retrieved=CUTOFFS) == retrieve(
        *double, similarity=cosine, retrieved=CUTOFFS
    )
    assert classify(*single) == classify(*double)


def test_invalid_input_raises_an_error(documents):
    probabilities, labels, *queries = documents
    with pytest.raises(CorpusError, match="39 labels for 40 training documents"):
        retrieve(probabilities, labels[1:], *queries, similarity=cosine, retrieved=CUTOFFS)
    with pytest.raises(CorpusError, match="no test documents"):
        classify(probabilities, labels, queries[0][:0], queries[1][:0])
    with pytest.raises(CorpusError, match="label of any query"):
        retrieve(probabilities, labels, queries[0], queries[1] + 100, similarity=cosine, retrieved=CUTOFFS)
    with pytest.raises(CorpusError, match="two or more labels"):
        classify(probabilities, np.zeros(40), *queries)
    for cutoffs in ([0], [41], []):
        with pytest.raises(ConfigurationError, match="from 1 to 40"):
            retrieve(*documents, similarity=cosine, retrieved=cutoffs)
