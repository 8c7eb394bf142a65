from itertools import permutations

import numpy as np
import pytest

from docnvil.analysis import retrieval as module
from docnvil.analysis.retrieval import classify, cosine, hamming, retrieve
from docnvil.errors import ConfigurationError, CorpusError


@pytest.fixture
def documents() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return (
        generator.random((40, 3)),
        generator.integers(0, 4, 40),
        generator.random((9, 3)),
        generator.integers(0, 4, 9),
    )


def test_without_ties_it_is_plain_counting(documents):
    codes, labels, query_codes, query_labels = documents
    found = retrieve(*documents, similarity=cosine, retrieved=[1, 5, 40])
    for at, number in enumerate((1, 5, 40)):
        precision, recall = [], []
        for query, label in zip(query_codes, query_labels, strict=True):
            angles = codes @ query / np.linalg.norm(codes, axis=1) / np.linalg.norm(query)
            relevant = labels[np.argsort(-angles)[:number]] == label
            precision.append(relevant.mean())
            recall.append(relevant.sum() / (labels == label).sum())
        assert found.precision[at] == pytest.approx(np.mean(precision))
        assert found.recall[at] == pytest.approx(np.mean(recall))


def test_ties_count_as_the_mean_over_all_orders():
    nearness, labels = np.array([2, 1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0, 1])
    orders = [order for order in permutations(range(6)) if (np.diff(nearness[list(order)]) <= 0).all()]
    numbers = np.arange(1, 7)
    expected = np.mean([[labels[list(order)][:n].sum() for n in numbers] for order in orders], axis=0)
    found = retrieve(
        np.zeros((6, 1)),
        labels,
        np.zeros((1, 1)),
        np.ones(1),
        similarity=lambda q, d: nearness[None],
        retrieved=numbers,
    )
    assert np.array(found.precision) * numbers == pytest.approx(expected)


def test_hamming_counts_units_that_differ(documents):
    codes, _, query_codes, _ = documents
    expected = ((query_codes > 0.5)[:, None] != (codes > 0.5)).sum(2)
    assert np.array_equal(-hamming(query_codes, codes), expected)


@pytest.mark.parametrize("similarity", [hamming, cosine])
def test_memory_and_order_change_nothing(documents, similarity, monkeypatch):
    whole = retrieve(*documents, similarity=similarity)
    assert whole.retrieved == (1, 2, 4, 8, 16, 32, 40)
    monkeypatch.setattr(module, "MAX_SIMILARITIES", 1)
    order = np.random.default_rng(1).permutation(40)
    turned = retrieve(documents[0][order], documents[1][order], *documents[2:], similarity=similarity)
    assert turned.precision == pytest.approx(whole.precision)
    assert turned.recall == pytest.approx(whole.recall)


def test_queries_whose_label_no_document_has_are_skipped(documents):
    codes, labels, query_codes, query_labels = documents
    strange = np.append(query_labels, [9, -1])
    found = retrieve(codes, labels, np.vstack([query_codes, query_codes[:2]]), strange, similarity=cosine)
    assert (found.queries, found.skipped) == (9, 2)
    assert found.precision == retrieve(*documents, similarity=cosine).precision


def test_labels_that_show_in_codes_are_told():
    labels = np.arange(60) % 3
    codes = np.eye(3)[labels] * 0.8 + 0.1
    found = classify(codes, labels, codes[:31], labels[:31])
    assert (found.accuracy, found.macro_f1) == (1, 1)
    assert found.most_frequent == pytest.approx(11 / 31)


def test_impossible_questions_are_refused(documents):
    codes, labels, *queries = documents
    with pytest.raises(CorpusError, match="39 labels for 40 training documents"):
        retrieve(codes, labels[1:], *queries, similarity=cosine)
    with pytest.raises(CorpusError, match="no test documents"):
        classify(codes, labels, queries[0][:0], queries[1][:0])
    with pytest.raises(CorpusError, match="label of any query"):
        retrieve(codes, labels, queries[0], queries[1] + 100, similarity=cosine)
    with pytest.raises(CorpusError, match="two or more labels"):
        classify(codes, np.zeros(40), *queries)
    for numbers in ([0], [41], []):
        with pytest.raises(ConfigurationError, match="from 1 to 40"):
            retrieve(*documents, similarity=cosine, retrieved=numbers)
