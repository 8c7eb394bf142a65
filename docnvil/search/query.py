"""Queries of a search index: documents for words, and documents like a document.

Both scores are a sum of a lexical and a model score:

    words:    cosine of tf-idf vectors + weight * mean over query words of log p(w | h) / p(w)
    a document:  cosine of tf-idf vectors + weight * cosine of weighted unit probabilities

Here h are the unit probabilities of each document in the place of its units, p(w) is the share of word w in the
training documents, and the weight of a unit is -log of the share of training documents that have it.

Up to 100,000 documents, all have an exact score. In larger corpora, 1,000 documents are preselected by the same sums
with binary codes, whose part is read from tables with one entry per value of 16 bits. A document as query preselects
by its words with the largest weights only.

Axes: N documents, V words, K units of the first layer.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError, counted
from docnvil.schema import check_whole
from docnvil.search.index import BITS, SearchIndex
from docnvil.text.tf_idf import tf_idf

# Compared with others on the training documents of 20 Newsgroups, see benchmarks/quality/search.py.
WORDS_WEIGHT = 0.3
LIKE_WEIGHT = 0.5
PRESELECTED = 1000
SAMPLED = 10_000  # scores from which a threshold is estimated
MAX_POSTINGS = 400_000  # entries that a document as query reads, in large corpora

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class SearchResult:
    """A document that was found.

    Arguments:
        row: its row in the corpus.
        id: its id.
        score: the sum by which results are ordered, `lexical + weight * model`.
        lexical: the cosine of tf-idf vectors.
        model: nats per query word, or the cosine of unit probabilities.
        title: its title.
        excerpt: the start of its text, or its most frequent words.
    """

    row: int
    id: str
    score: float
    lexical: float
    model: float
    title: str
    excerpt: str


def search_words(
    index: SearchIndex, query: csr_array, top_n: int = 10, *, weight: float = WORDS_WEIGHT
) -> list[SearchResult]:
    """Return the documents with the best scores for some words, best first.

    Arguments:
        index: the index.
        query: the counts of the words, `[1, V]`.
        top_n: maximum number of results.
        weight: weight of the model score; 0 ranks by tf-idf alone.

    Raises:
        CorpusError: the query has no word of the vocabulary.
        VocabularyError: the query is not one row of V words.
    """
    top_n, n_words = check_whole("top_n", top_n, 1), len(index.arrays["idf"])
    if query.shape != (1, n_words):
        raise VocabularyError(
            f"The query has shape {query.shape}. Give one row of the model's {counted(n_words, 'word')}."
        )
    with index.reading():
        return _search_words(index, query, top_n, weight)


def _search_words(index: SearchIndex, query: csr_array, top_n: int, weight: float) -> list[SearchResult]:
    if not query.nnz:
        raise CorpusError("No word of the query is in the model's vocabulary. Use other words.")
    vector = tf_idf(csr_array(query), index.arrays["idf"])
    lexical = _lexical(index, vector.indices, vector.data)
    W, bias = index.parameters
    shares = (query.data / query.data.sum()).astype(np.float32)
    units, constant = shares @ W[query.indices], float(shares @ bias[query.indices])

    def model_scores(rows: NDArray[np.int64] | slice) -> Scores:
        probabilities = index.arrays["probabilities"][rows].astype(np.float32)
        return probabilities @ units + constant - index.arrays["log_normalizers"][rows]

    if not index.has_codes:
        return _best(index, np.arange(index.n_documents), lexical, model_scores(slice(None)), weight, top_n)
    scores = _sum_over_codes(index, units * np.float32(weight))
    scores += lexical
    scores -= index.arrays["code_log_normalizers"] * np.float32(weight)
    rows = _largest(_without_empty(index, scores), PRESELECTED)
    return _best(index, rows, lexical[rows], model_scores(rows), weight, top_n)


def search_like(index: SearchIndex, row: int, top_n: int = 10, *, weight: float = LIKE_WEIGHT) -> list[SearchResult]:
    """Return the documents that are most similar to one of the corpus, best first and without itself.

    Arguments:
        index: the index.
        row: the row of the document.
        top_n: maximum number of results.
        weight: weight of the model score; 0 ranks by tf-idf alone.

    Raises:
        CorpusError: the document has no word of the vocabulary.
        ConfigurationError: the index does not have this row.
    """
    top_n, row = check_whole("top_n", top_n, 1), check_whole("row", row)
    if row >= index.n_documents:
        raise ConfigurationError(f"There is no row {row}. The index has the rows 0 to {index.n_documents - 1}.")
    with index.reading():
        return _search_like(index, row, top_n, weight)


def _search_like(index: SearchIndex, row: int, top_n: int, weight: float) -> list[SearchResult]:
    arrays = index.arrays
    stored = slice(int(arrays["indptr"][row]), int(arrays["indptr"][row + 1]))
    words, weights = np.array(arrays["words"][stored]), arrays["weights"][stored].astype(np.float32)
    if not len(words):
        raise CorpusError(
            f"The document {index.excerpt(row).id!r} has no word of the model's vocabulary. Choose another document."
        )
    unit_weights = index.unit_weights**2
    own = arrays["probabilities"][row].astype(np.float32) * unit_weights
    own /= max(float(arrays["norms"][row]), 1e-12)

    def cosines(rows: NDArray[np.int64] | slice) -> Scores:
        return arrays["probabilities"][rows].astype(np.float32) @ own / np.maximum(arrays["norms"][rows], 1e-12)

    if not index.has_codes:
        lexical = _lexical(index, words, weights)
        lexical[row] = -np.inf
        return _best(index, np.arange(index.n_documents), lexical, cosines(slice(None)), weight, top_n)
    order = np.argsort(-weights, kind="stable")
    entries = np.diff(arrays["postings_indptr"])[words[order]]
    few = order[: max(1, int(np.searchsorted(np.cumsum(entries), MAX_POSTINGS, side="right")))]
    scores = _lexical(index, words[few], weights[few])
    scores += _sum_over_codes(index, own * np.float32(weight)) / np.maximum(arrays["norms"], np.float32(1e-12))
    rows = _largest(_without_empty(index, scores), PRESELECTED)
    rows = rows[rows != row]
    return _best(index, rows, _exact_cosines(index, rows, words, weights), cosines(rows), weight, top_n)


def _lexical(index: SearchIndex, words: NDArray[np.integer], weights: NDArray[np.floating]) -> Scores:
    """Return the sum over words of the products of their weights in the query and in each document, `[N]`."""
    scores = np.zeros(index.n_documents, dtype=np.float32)
    starts, rows, values = (index.arrays[f"postings_{name}"] for name in ("indptr", "rows", "weights"))
    for word, weight in zip(words.tolist(), weights.tolist(), strict=True):
        postings = slice(int(starts[word]), int(starts[word + 1]))
        scores[rows[postings]] += values[postings].astype(np.float32) * np.float32(weight)
    return scores


def _exact_cosines(
    index: SearchIndex, rows: NDArray[np.int64], words: NDArray[np.integer], weights: NDArray[np.floating]
) -> Scores:
    """Return the product of the query's and some documents' weights, `[n]`."""
    query = np.zeros(len(index.arrays["idf"]), dtype=np.float32)
    query[words] = weights
    starts = index.arrays["indptr"]
    entries = starts[rows + 1] - starts[rows]
    ends = np.cumsum(entries)
    stored = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[rows] - (ends - entries), entries)
    products = query[index.arrays["words"][stored]] * index.arrays["weights"][stored].astype(np.float32)
    return np.bincount(np.repeat(np.arange(len(rows)), entries), products, minlength=len(rows)).astype(np.float32)


def _sum_over_codes(index: SearchIndex, values: NDArray[np.floating]) -> Scores:
    """Return the sum of the values, `[K]`, of the units that are on in each document, `[N]`."""
    codes = index.arrays["codes"]
    padded = np.zeros(len(codes) * BITS, dtype=np.float32)
    padded[: len(values)] = values
    total, part = np.zeros((2, index.n_documents), dtype=np.float32)
    for numbers, values_of_bits in zip(codes, padded.reshape(-1, BITS), strict=True):
        table = np.zeros(1, dtype=np.float32)
        for value in values_of_bits:
            table = np.concatenate([table, table + value])
        np.take(table, numbers, out=part, mode="clip")  # other modes copy `out`
        total += part
    return total


def _without_empty(index: SearchIndex, scores: Scores) -> Scores:
    scores[index.empty] = -np.inf
    return scores


def _largest(scores: Scores, top_n: int) -> NDArray[np.int64]:
    """Return the rows with the largest scores, in any order."""
    if top_n >= len(scores):
        return np.arange(len(scores))
    rows = np.arange(len(scores))
    if len(scores) > SAMPLED * 10:  # a threshold from a sample leaves few scores to sort
        sample = scores[:: len(scores) // SAMPLED]
        rank = max(0, len(sample) - 1 - int(1.5 * top_n * len(sample) / len(scores)) - 10)
        above = np.flatnonzero(scores > np.partition(sample, rank)[rank])
        rows = above if len(above) >= top_n else rows
    return rows[np.argpartition(scores[rows], len(rows) - top_n)[len(rows) - top_n :]]


def _best(
    index: SearchIndex, rows: NDArray[np.int64], lexical: Scores, model: Scores, weight: float, top_n: int
) -> list[SearchResult]:
    """Return the results with the best sums, without empty documents; equal ones in the order of the rows."""
    scores = lexical + np.float32(weight) * model
    scores[index.empty[rows]] = -np.inf
    chosen = _largest(scores, top_n)
    chosen = chosen[np.isfinite(scores[chosen])]
    results = []
    for place in sorted(chosen.tolist(), key=lambda place: (-scores[place], rows[place])):
        excerpt = index.excerpt(int(rows[place]))
        values = float(scores[place]), float(lexical[place]), float(model[place])
        results.append(SearchResult(int(rows[place]), excerpt.id, *values, excerpt.title, excerpt.text))
    return results
