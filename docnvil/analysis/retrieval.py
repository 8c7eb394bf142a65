"""Evaluation of unit probabilities by document labels: retrieval and classification.

Each test document is a query. The training documents are ranked by the similarity of their unit probabilities, and
those with the query's label are relevant.

Axes: Q queries, N documents, K units, R cutoffs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.unit_probabilities import binary_codes
from docnvil.errors import ConfigurationError, CorpusError, counted

MAX_SIMILARITIES = 2_000_000  # of the Q N similarities, how many exist at once: 16 MB

# From the queries `[q, K]` and the documents `[N, K]` to similarities `[q, N]`; greater is more similar.
Similarity = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Retrieval:
    """Precision and recall at R cutoffs, the numbers of documents retrieved, averaged over queries.

    The number of queries whose label no document has is `skipped`; they are not in the averages.
    """

    retrieved: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    queries: int
    skipped: int


@dataclass(frozen=True)
class Classification:
    """How well a logistic regression on unit probabilities predicts the labels of test documents.

    `most_frequent` is the accuracy of always predicting the most frequent label of training.
    """

    accuracy: float
    macro_f1: float
    most_frequent: float


def hamming(queries: NDArray[np.floating], documents: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return minus the number of units in which queries `[Q, K]` and documents `[N, K]` differ, `[Q, N]`.

    A unit is on if its probability is above 1/2.

    Source: Salakhutdinov & Hinton (2009), *Semantic hashing*, section 4.

    Example:
        >>> hamming(np.array([[0.9, 0.2]]), np.array([[0.6, 0.4], [0.1, 0.4]]))
        array([[ 0., -1.]])
    """
    queries, documents = (np.where(binary_codes(each), 1.0, -1.0) for each in (queries, documents))
    return (queries @ documents.T - queries.shape[1]) / 2


def cosine(queries: NDArray[np.floating], documents: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the cosine between queries `[Q, K]` and documents `[N, K]`, `[Q, N]`; 0 for vectors of zeros.

    Source: Salakhutdinov & Hinton (2009), *Replicated softmax*, section 5.2.
    """
    tiny = np.finfo(float).tiny
    queries, documents = (
        each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), tiny) for each in (queries, documents)
    )
    return queries @ documents.T


def retrieve(
    probabilities: NDArray[np.floating],
    labels: NDArray[Any],
    query_probabilities: NDArray[np.floating],
    query_labels: NDArray[Any],
    *,
    similarity: Similarity,
    retrieved: Sequence[int],
) -> Retrieval:
    """Rank the documents `[N, K]` for each query, `[Q, K]`, and count how many of the first ones have its label.

    Documents with equal similarity have no order, so the counts are means over all orders, as in McSherry & Najork
    (2008), *Computing information retrieval performance measures efficiently in the presence of tied scores*.

    Raises:
        CorpusError: there are more or fewer labels than documents, or no query has the label of a document.
        ConfigurationError: a cutoff is below 1 or above N.

    Example:
        Two documents with the query's label and one with another, all equally similar:

        >>> labels, options = np.array(["sea", "sea", "food"]), {"similarity": hamming, "retrieved": [1, 3]}
        >>> result = retrieve(np.ones((3, 2)), labels, np.ones((1, 2)), labels[:1], **options)
        >>> [round(value, 3) for value in (*result.precision, *result.recall)]
        [0.667, 0.667, 0.333, 1.0]
    """
    probabilities, query_probabilities = _checked(probabilities, labels, query_probabilities, query_labels)
    n_documents = len(probabilities)
    cutoffs = np.array(retrieved)
    if not len(cutoffs) or cutoffs.min() < 1 or cutoffs.max() > n_documents:
        raise ConfigurationError(f"retrieved is {cutoffs.tolist()}. Give numbers of documents from 1 to {n_documents}.")
    distinct, label = np.unique(labels, return_inverse=True)
    query_label = np.searchsorted(distinct, query_labels).clip(max=len(distinct) - 1)
    evaluated = np.flatnonzero(distinct[query_label] == query_labels)
    if not len(evaluated):
        raise CorpusError("No document has the label of any query. Check that both use the same labels.")
    n_relevant = np.bincount(label)[query_label]  # [Q]
    precision, recall = np.zeros((2, len(cutoffs)))
    chunk_size = max(1, MAX_SIMILARITIES // n_documents)
    for start in range(0, len(evaluated), chunk_size):
        chunk = evaluated[start : start + chunk_size]
        for query, similarities in zip(chunk, similarity(query_probabilities[chunk], probabilities), strict=True):
            relevant = _expected_relevant(similarities, label == query_label[query], cutoffs)
            precision += relevant / cutoffs
            recall += relevant / n_relevant[query]
    return Retrieval(
        retrieved=tuple(cutoffs.tolist()),
        precision=tuple((precision / len(evaluated)).tolist()),
        recall=tuple((recall / len(evaluated)).tolist()),
        queries=len(evaluated),
        skipped=len(query_labels) - len(evaluated),
    )


def classify(
    probabilities: NDArray[np.floating],
    labels: NDArray[Any],
    test_probabilities: NDArray[np.floating],
    test_labels: NDArray[Any],
) -> Classification:
    """Fit scikit-learn's logistic regression on standardized unit probabilities, and evaluate it on test documents.

    Raises:
        CorpusError: there are more or fewer labels than documents, or all training labels are the same.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities, test_probabilities = _checked(probabilities, labels, test_probabilities, test_labels)
    distinct, frequencies = np.unique(labels, return_counts=True)
    if len(distinct) < 2:
        raise CorpusError(f"All training documents have the label {distinct[0]}. Give documents of two or more labels.")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(probabilities, labels)
    predicted = classifier.predict(test_probabilities)
    return Classification(
        accuracy=float(accuracy_score(test_labels, predicted)),
        macro_f1=float(f1_score(test_labels, predicted, average="macro", zero_division=0)),
        most_frequent=float(np.mean(test_labels == distinct[frequencies.argmax()])),
    )


def _checked(
    train: NDArray[np.floating], train_labels: NDArray[Any], test: NDArray[np.floating], test_labels: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both arrays of probabilities in double precision, after checking that each row has a label."""
    for name, rows, labels in (("training", train, train_labels), ("test", test, test_labels)):
        if not len(rows):
            raise CorpusError(f"There are no {name} documents. Give at least one.")
        if len(rows) != len(labels):
            raise CorpusError(
                f"There are {counted(len(labels), 'label')} for {counted(len(rows), f'{name} document')}. Give one for"
                " each."
            )
    return train.astype(np.float64, copy=False), test.astype(np.float64, copy=False)


def _expected_relevant(
    similarities: NDArray[np.float64], relevant: NDArray[np.bool_], cutoffs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the expected number of relevant documents up to each cutoff, `[R]`, over all orders of ties.

    Within a group of ties the expected number grows linearly.
    """
    order = np.argsort(-similarities)
    similarities = similarities[order]
    last_of_ties = np.flatnonzero(np.append(similarities[1:] != similarities[:-1], True))
    n_relevant = relevant[order].cumsum()[last_of_ties]
    return np.interp(cutoffs, np.append(0, last_of_ties + 1), np.append(0, n_relevant))
