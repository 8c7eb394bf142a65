"""Recover word counts from the weighted vectors in which RCV1 is distributed.

Lewis, Yang, Rose and Li (2004, section 7) give each document d as a unit vector of "ltc" weights

    w(d, t) = (1 + ln n(d, t)) ln(N / df(t)) / norm(d)

with n(d, t) the count of term t in d, and N and df(t) the number of training documents, of all and of those with t.
The training documents come first in `fetch_rcv1`, so ln(N / df) is known, and with it the ratios

    r(d, t) = w(d, t) / ln(N / df(t)) = (1 + ln n(d, t)) / norm(d).

If the smallest count of a document is m, all others follow: n(d, t) = exp((1 + ln m) r(d, t) / min r(d, .) - 1). Almost
always m is 1; otherwise the counts do not come out whole, and the smallest m for which they do is taken. That a wrong
assumption anywhere gives counts that are not whole numbers is also what makes the result trustworthy.

Only a document whose terms all occur equally often cannot be told from its multiples: it gets ones, and
`ambiguous_rows` finds it.
"""

import numpy as np
from scipy import sparse

from docnvil.errors import CorpusError

N_TRAINING = 23_149
LARGEST_MINIMUM = 50  # the largest m that is tried
# Relative error of a weight: float32 rounds to 6e-8; the files of LYRL2004 print float64 weights to about 15 digits.
PRECISION = {np.dtype(np.float32): 5e-7, np.dtype(np.float64): 1e-9}


def recover_counts(
    matrix: sparse.csr_array | sparse.csr_matrix,
    n_reference_rows: int = N_TRAINING,
    *,
    precision: float | None = None,
    rows_at_once: int = 50_000,
) -> sparse.csr_array:
    """Return the counts, as int32, behind ltc weights.

    Arguments:
        matrix: weights, [N, V], float32 or float64.
        n_reference_rows: how many rows, from the first, gave the document frequencies.
        precision: relative error of the weights; by default that of the matrix' type.
        rows_at_once: rows that are worked on together; bounds the memory and changes nothing else.

    Raises:
        CorpusError: the counts do not come out as whole numbers, so the weights are not what they are taken for.
    """
    matrix = sparse.csr_array(matrix)
    if precision is None:
        precision = PRECISION.get(matrix.dtype, PRECISION[np.dtype(np.float64)])
    idf = inverse_document_frequencies(matrix[:n_reference_rows])
    counts = np.empty(matrix.nnz, np.int32)
    for start in range(0, matrix.shape[0], rows_at_once):
        indptr = matrix.indptr[start : start + rows_at_once + 1].astype(np.int64)
        entries = slice(indptr[0], indptr[-1])
        terms = matrix.indices[entries]
        weights = matrix.data[entries].astype(np.float64)
        _check_weights(weights, idf[terms])
        counts[entries] = _whole_counts(weights / idf[terms], np.diff(indptr), precision, first_row=start)
    return sparse.csr_array((counts, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)


def ambiguous_rows(counts: sparse.csr_array) -> np.ndarray:
    """Return the rows in which every term occurs once: their true counts may be any multiple of these."""
    largest = counts.max(axis=1).toarray().ravel()
    return np.flatnonzero(largest == 1)


def inverse_document_frequencies(reference: sparse.csr_array) -> np.ndarray:
    """Return ln(N / df) for each term, infinite where a term occurs in no row: [V]."""
    df = np.bincount(reference.indices, minlength=reference.shape[1])
    with np.errstate(divide="ignore"):
        return np.log(reference.shape[0]) - np.log(df)


def _check_weights(weights: np.ndarray, idf: np.ndarray) -> None:
    if not np.isfinite(idf).all():
        raise CorpusError(
            "A term has a weight but occurs in none of the reference documents, so its document frequency is unknown."
            " Pass the training documents first, in the order of fetch_rcv1 without shuffling."
        )
    if (idf <= 0).any() or not (weights > 0).all():
        raise CorpusError(
            "A stored weight is not positive, or its term occurs in every reference document; no count can be had from"
            " it. Call eliminate_zeros() on the matrix, and check that it holds ltc weights."
        )


def _whole_counts(ratios: np.ndarray, lengths: np.ndarray, precision: float, *, first_row: int) -> np.ndarray:
    """Return the counts of consecutive documents of these lengths (in terms), whose ratios follow one another."""
    documents = np.repeat(np.arange(len(lengths)), lengths)
    smallest = np.full(len(lengths), np.inf)
    np.minimum.at(smallest, documents, ratios)
    relative = ratios / smallest[documents]  # 1 for the rarest terms of each document
    counts = np.zeros(len(ratios), np.int32)
    open_entries = np.arange(len(ratios))
    for minimum in range(1, LARGEST_MINIMUM + 1):
        guesses, whole = _guess(relative[open_entries], minimum, precision)
        failed = np.zeros(len(lengths), bool)
        failed[documents[open_entries[~whole]]] = True
        settled = ~failed[documents[open_entries]]
        counts[open_entries[settled]] = guesses[settled]
        open_entries = open_entries[~settled]
        if not len(open_entries):
            return counts
    row = documents[open_entries[0]]
    raise CorpusError(
        f"The counts of {len(np.unique(documents[open_entries])):,} documents do not come out as whole numbers; the"
        f" first is row {first_row + row:,}. These weights are not (1 + ln n) ln(N / df) / norm with df from the"
        " reference documents, or were rounded: check which rows come first, or pass a larger precision."
    )


def _guess(relative: np.ndarray, minimum: int, precision: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest whole counts if a document's smallest is `minimum`, and which of them are credible."""
    logarithms = (1 + np.log(minimum)) * relative  # 1 + ln n
    exact = np.exp(np.minimum(logarithms, 20.0) - 1)  # a count of more than 1e8 is no count
    nearest = np.rint(exact)
    # A relative error of the ratio, e, moves the count n by n (1 + ln n) e; both weights of the ratio have one. Where
    # that reaches a quarter, every number would look whole.
    allowed = 2 * precision * exact * logarithms
    return nearest.astype(np.int32), (np.abs(exact - nearest) <= allowed) & (allowed < 0.25)
