"""Are the codes good for finding documents? Retrieval and classification from codes, judged by labels.

Each document of the test set is a query; the training documents are ranked by how near their codes are, and those with
the query's label are what should come first.

Axes: Q queries, N documents to find, K units, R numbers of retrieved documents.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError, CorpusError

SIMILARITIES_IN_FLIGHT = 2_000_000  # of the Q N similarities, how many are alive at once: 16 MB

# From codes of queries `[q, K]` and of documents `[N, K]` to similarities `[q, N]`; greater is nearer.
Similarity = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Retrieval:
    """How many of the nearest documents have the query's label, averaged over queries.

    Arguments:
        retrieved: `[R]`, numbers of documents retrieved, ascending.
        precision: `[R]`, the share of the retrieved documents that have the query's label.
        recall: `[R]`, the share of the documents with the query's label that are retrieved.
        queries: those judged. skipped: queries whose label no document has.
    """

    retrieved: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    queries: int
    skipped: int


@dataclass(frozen=True)
class Classification:
    """How well a logistic regression on codes tells the labels of test documents.

    Arguments:
        accuracy: share of documents given their own label. macro_f1: mean of F1 over labels.
        most_frequent: the accuracy of always giving the most frequent label of training.
    """

    accuracy: float
    macro_f1: float
    most_frequent: float


def hamming(queries: NDArray[np.float64], documents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return minus the number of units in which two codes differ, each unit being on if its probability is over 1/2.

    Source: Salakhutdinov & Hinton (2009), *Semantic hashing*, section 4.

    Example:
        >>> hamming(np.array([[0.9, 0.2]]), np.array([[0.6, 0.4], [0.1, 0.4]]))
        array([[ 0., -1.]])
    """
    queries, documents = (np.where(codes > 0.5, 1.0, -1.0) for codes in (queries, documents))
    return (queries @ documents.T - queries.shape[1]) / 2


def cosine(queries: NDArray[np.float64], documents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of the angle between units' probabilities; 0 where there are none.

    Source: Salakhutdinov & Hinton (2009), *Replicated softmax*, section 5.2.
    """
    tiny = np.finfo(float).tiny
    queries, documents = (
        codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), tiny) for codes in (queries, documents)
    )
    return queries @ documents.T


def retrieve(
    codes: NDArray[np.float64],
    labels: NDArray[Any],
    query_codes: NDArray[np.float64],
    query_labels: NDArray[Any],
    *,
    similarity: Similarity,
    retrieved: Sequence[int] | None = None,
) -> Retrieval:
    """Rank documents for every query, and see how many of the first ones share its label.

    Documents that are equally near come in no order: what is counted is the mean over all orders they could come in,
    which matters for Hamming distances, of which there are K + 1 only.

    Source: McSherry & Najork (2008), *Computing information retrieval performance measures efficiently in the presence
    of tied scores*, section 3.

    Arguments:
        codes: `[N, K]`; labels: `[N]`; of the documents to find. query_codes: `[Q, K]`; query_labels: `[Q]`.
        similarity: `hamming` or `cosine`, or one of your own.
        retrieved: numbers of documents to look at; None for 1, 2, 4, ... and N.

    Raises:
        CorpusError: labels of another number than codes, or no query whose label any document has.
        ConfigurationError: a number of documents below 1 or beyond N.

    Example:
        Two documents of the query's label and one of another, all equally near:

        >>> codes, labels = np.ones((3, 2)), np.array(["sea", "sea", "food"])
        >>> found = retrieve(codes, labels, codes[:1], labels[:1], similarity=hamming, retrieved=[1, 3])
        >>> [round(value, 3) for value in (*found.precision, *found.recall)]
        [0.667, 0.667, 0.333, 1.0]
    """
    check_labels(codes, labels, query_codes, query_labels)
    n_documents = len(codes)
    numbers = np.array(retrieved if retrieved is not None else powers_of_two(n_documents))
    if not len(numbers) or numbers.min() < 1 or numbers.max() > n_documents:
        raise ConfigurationError(
            f"From 1 to {n_documents} documents can be retrieved of {n_documents}, and {numbers.tolist()} were asked"
            " for. Ask for numbers in that range."
        )
    known, label = np.unique(labels, return_inverse=True)
    place = np.searchsorted(known, query_labels).clip(max=len(known) - 1)
    judged = np.flatnonzero(known[place] == query_labels)
    if not len(judged):
        raise CorpusError("No document has the label of any query. Check that both bear labels of the same kind.")
    n_relevant = np.bincount(label)[place]  # [Q]
    precision, recall = np.zeros((2, len(numbers)))
    lot = max(1, SIMILARITIES_IN_FLIGHT // n_documents)
    for start in range(0, len(judged), lot):
        some = judged[start : start + lot]
        for query, nearness in zip(some, similarity(query_codes[some], codes), strict=True):
            found = _expected_relevant(nearness, label == place[query], numbers)
            precision += found / numbers
            recall += found / n_relevant[query]
    return Retrieval(
        retrieved=tuple(numbers.tolist()),
        precision=tuple((precision / len(judged)).tolist()),
        recall=tuple((recall / len(judged)).tolist()),
        queries=len(judged),
        skipped=len(query_labels) - len(judged),
    )


def classify(
    codes: NDArray[np.float64],
    labels: NDArray[Any],
    test_codes: NDArray[np.float64],
    test_labels: NDArray[Any],
) -> Classification:
    """Train scikit-learn's logistic regression on codes, each unit brought to unit variance, and judge it on others.

    Arguments:
        codes: `[N, K]`; labels: `[N]`; to learn from. test_codes: `[Q, K]`; test_labels: `[Q]`; to judge by.

    Raises:
        CorpusError: labels of another number than codes, or of one kind only.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    check_labels(codes, labels, test_codes, test_labels)
    known, numbers = np.unique(labels, return_counts=True)
    if len(known) < 2:
        raise CorpusError(
            f"All documents to learn from have the label {known[0]}. Give documents of two labels or more."
        )
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(codes, labels)
    guessed = classifier.predict(test_codes)
    return Classification(
        accuracy=float(accuracy_score(test_labels, guessed)),
        macro_f1=float(f1_score(test_labels, guessed, average="macro", zero_division=0)),
        most_frequent=float(np.mean(test_labels == known[numbers.argmax()])),
    )


def powers_of_two(most: int) -> list[int]:
    """Return 1, 2, 4, ... as far as `most`, and `most`.

    Example:
        >>> powers_of_two(9)
        [1, 2, 4, 8, 9]
    """
    return sorted({*(2**power for power in range(most.bit_length())), most})


def check_labels(
    codes: NDArray[np.float64], labels: NDArray[Any], other_codes: NDArray[np.float64], other_labels: NDArray[Any]
) -> None:
    """Refuse labels that are not one a document, and documents that are none."""
    for what, ours, theirs in (("find", codes, labels), ("judge by", other_codes, other_labels)):
        if not len(ours):
            raise CorpusError(f"There are no documents to {what}. Give some.")
        if len(ours) != len(theirs):
            raise CorpusError(f"There are {len(theirs)} labels for the {len(ours)} documents to {what}. Give each one.")


def _expected_relevant(
    nearness: NDArray[np.float64], relevant: NDArray[np.bool_], numbers: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how many relevant documents are expected among the first ones, `[R]`.

    Of documents that are equally near, every order is as likely as any other: the expected number of relevant ones
    grows evenly from the first of them to the last.
    """
    order = np.argsort(-nearness)
    nearness = nearness[order]
    last = np.flatnonzero(np.append(nearness[1:] != nearness[:-1], True))  # of each group that is equally near
    relevant_so_far = relevant[order].cumsum()[last]
    return np.interp(numbers, np.append(0, last + 1), np.append(0, relevant_so_far))
