"""Recover word counts from the weighted vectors that RCV1 is distributed as.

Lewis, Yang, Rose and Li (2004, section 7) represent each document d by a unit vector of "ltc" weights

    w(d, t) = (1 + ln n(d, t)) ln(N / df(t)) / norm(d)

where n(d, t) is the count of term t in d, N the number of training documents, and df(t) the number of training
documents that contain t. `fetch_rcv1` lists the training documents first, so ln(N / df) can be computed, and with it

    r(d, t) = w(d, t) / ln(N / df(t)) = (1 + ln n(d, t)) / norm(d).

The smallest count m of a document determines its other counts:

    n(d, t) = exp((1 + ln m) r(d, t) / min_t r(d, t) - 1).

m is almost always 1. If m = 1 gives counts that are not integers, the smallest m that gives integers is used. The
integers also confirm the result, because wrong weights or document frequencies would not give any.

If all terms of a document occur equally often, its counts are determined only up to a factor. Such a document gets
ones, and `ambiguous_rows` lists it.
"""

import numpy as np
from scipy import sparse

from docnvil.errors import CorpusError

N_TRAINING = 23_149
MAX_SMALLEST_COUNT = 50  # the largest m that is tried
# Relative error of a weight: float32 rounds to 6e-8; the files of LYRL2004 print float64 weights to about 15 digits.
PRECISION = {np.dtype(np.float32): 5e-7, np.dtype(np.float64): 1e-9}


def recover_counts(
    matrix: sparse.csr_array | sparse.csr_matrix,
    n_reference_rows: int = N_TRAINING,
    *,
    precision: float | None = None,
    chunk_size: int = 50_000,
) -> sparse.csr_array:
    """Return the int32 counts that ltc weights were computed from.

    Arguments:
        matrix: weights, [N, V], float32 or float64.
        n_reference_rows: number of rows at the start that the document frequencies were computed from.
        precision: relative error of the weights, by default that of the matrix's type.
        chunk_size: number of rows processed at once; limits the memory and does not change the result.

    Raises:
        CorpusError: the counts are not integers, so the weights are not ltc weights with these frequencies.
    """
    matrix = sparse.csr_array(matrix)
    if precision is None:
        precision = PRECISION.get(matrix.dtype, PRECISION[np.dtype(np.float64)])
    idf = inverse_document_frequencies(matrix[:n_reference_rows])
    counts = np.empty(matrix.nnz, np.int32)
    for start in range(0, matrix.shape[0], chunk_size):
        indptr = matrix.indptr[start : start + chunk_size + 1].astype(np.int64)
        entries = slice(indptr[0], indptr[-1])
        terms = matrix.indices[entries]
        weights = matrix.data[entries].astype(np.float64)
        _check_weights(weights, idf[terms])
        counts[entries] = _integer_counts(weights / idf[terms], np.diff(indptr), precision, first_row=start)
    return sparse.csr_array((counts, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)


def ambiguous_rows(counts: sparse.csr_array) -> np.ndarray:
    """Return the rows in which every term occurs once; their true counts may be any multiple of that."""
    largest = counts.max(axis=1).toarray().ravel()
    return np.flatnonzero(largest == 1)


def inverse_document_frequencies(reference: sparse.csr_array) -> np.ndarray:
    """Return ln(N / df) of each term, [V]; infinite for a term that occurs in no row."""
    df = np.bincount(reference.indices, minlength=reference.shape[1])
    with np.errstate(divide="ignore"):
        return np.log(reference.shape[0]) - np.log(df)


def _check_weights(weights: np.ndarray, idf: np.ndarray) -> None:
    if not np.isfinite(idf).all():
        raise CorpusError(
            "A term with a weight does not occur in the reference documents, so its document frequency is unknown."
            " Pass the training documents first, in the order of fetch_rcv1 without shuffling."
        )
    if (idf <= 0).any() or not (weights > 0).all():
        raise CorpusError(
            "A stored weight is not positive, or its term occurs in every reference document, so its count cannot be"
            " recovered. Call eliminate_zeros() on the matrix, and check that it holds ltc weights."
        )


def _integer_counts(ratios: np.ndarray, lengths: np.ndarray, precision: float, *, first_row: int) -> np.ndarray:
    """Return the counts of consecutive documents.

    Arguments:
        ratios: r(d, t) of all documents, concatenated.
        lengths: number of distinct terms of each document.
        precision: relative error of a ratio.
        first_row: row of the first document, for the error message.
    """
    documents = np.repeat(np.arange(len(lengths)), lengths)
    smallest = np.full(len(lengths), np.inf)
    np.minimum.at(smallest, documents, ratios)
    relative = ratios / smallest[documents]  # 1 for the rarest terms of each document
    counts = np.zeros(len(ratios), np.int32)
    pending = np.arange(len(ratios))  # entries without a count
    for smallest_count in range(1, MAX_SMALLEST_COUNT + 1):
        candidates, is_integer = _candidate_counts(relative[pending], smallest_count, precision)
        failed = np.zeros(len(lengths), bool)
        failed[documents[pending[~is_integer]]] = True
        solved = ~failed[documents[pending]]
        counts[pending[solved]] = candidates[solved]
        pending = pending[~solved]
        if not len(pending):
            return counts
    row = documents[pending[0]]
    raise CorpusError(
        f"The counts of {len(np.unique(documents[pending])):,} documents, from row {first_row + row:,}, are not"
        " integers, so the weights are not (1 + ln n) ln(N / df) / norm with df from the reference documents, or were"
        " rounded. Check which rows come first, or pass a larger precision."
    )


def _candidate_counts(relative: np.ndarray, smallest_count: int, precision: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest integer counts, and which of them are integers within the precision.

    Arguments:
        relative: ratios divided by the smallest ratio of their document.
        smallest_count: assumed smallest count m of a document.
        precision: relative error of a ratio.
    """
    logarithms = (1 + np.log(smallest_count)) * relative  # 1 + ln n
    exact = np.exp(np.minimum(logarithms, 20.0) - 1)  # counts beyond 1e8 are not plausible
    nearest = np.rint(exact)
    # A relative error e of a ratio changes the count n by n (1 + ln n) e, and both weights in `relative` have one.
    # From a quarter on, almost any number would pass as an integer.
    tolerance = 2 * precision * exact * logarithms
    return nearest.astype(np.int32), (np.abs(exact - nearest) <= tolerance) & (tolerance < 0.25)
