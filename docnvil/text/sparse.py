"""Counts as SciPy sparse arrays in one canonical form, whatever form they came in. Shapes are `[N, V]`.

Counts may be mapped from a disk and larger than memory: what goes through all of them does so block by block.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import coo_array, csr_array, csr_matrix, issparse

from docnvil.errors import CorpusError

_INT32_MAX = 2**31 - 1
_LARGEST_TOTAL = 2**53  # the largest whole number that a float64 still tells from its neighbors
ENTRIES_AT_ONCE = 1 << 20  # of all stored counts, how many are worked on together: 8 MB for each intermediate


class SelectedRows:
    """Some rows of a matrix, copied only where they are looked at: a split of a corpus on disk stays on the disk.

    Arguments:
        matrix: the counts. rows: the positions of those selected, `[N]`, in the order wanted.

    >>> some = SelectedRows(csr_array(np.array([[1, 0], [0, 2], [3, 3]])), np.array([2, 0]))
    >>> some.shape, some[1:].toarray().tolist()
    ((2, 2), [[1, 0]])
    """

    def __init__(self, matrix: csr_array | csr_matrix, rows: NDArray[np.int64]) -> None:
        self._matrix, self._rows = matrix, rows

    @property
    def shape(self) -> tuple[int, int]:
        """N and V."""
        return len(self._rows), self._matrix.shape[1]

    @property
    def entries(self) -> NDArray[np.int64]:
        """How many counts are stored of each row, `[N]`."""
        return row_entries(self._matrix)[self._rows]

    def __getitem__(self, rows: Any) -> csr_array:
        return self._matrix[self._rows[rows]]


CountRows = csr_array | csr_matrix | SelectedRows


def row_entries(counts: CountRows) -> NDArray[np.int64]:
    """Return how many counts are stored of each row, `[N]`."""
    return counts.entries if isinstance(counts, SelectedRows) else np.diff(counts.indptr)


def blocks(counts: CountRows) -> Iterator[csr_array]:
    """Yield the rows some at a time, in order, about a million stored counts together; at least one row each time.

    >>> [block.shape for block in blocks(csr_array(np.ones((5, 2), dtype=int)))]
    [(5, 2)]
    """
    for some in lots(row_entries(counts)):
        yield counts[some]


def lots(entries: NDArray[np.int64]) -> Iterator[slice]:
    """Cut things with so many stored counts each, `[N]`, into stretches of about a million together, or of one thing.

    >>> list(lots(np.array([400_000, 600_000, 2_000_000, 5])))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = np.cumsum(entries, dtype=np.int64)
    start = done = 0
    while start < len(ends):
        stop = max(start + 1, int(np.searchsorted(ends, done + ENTRIES_AT_ONCE, side="right")))
        yield slice(start, stop)
        start, done = stop, ends[stop - 1]


def as_counts(matrix: Any, *, where: str) -> csr_array:
    """Return a matrix of counts as CSR with sorted columns, no repeats, no stored zeros, of int32 if that is enough.

    The input is never changed; a matrix already in that form is not copied.

    Arguments:
        matrix: any SciPy sparse matrix or array, or anything NumPy reads as a table, `[N, V]`.
        where: what to call it in errors, for instance its file.

    Returns:
        The counts, `[N, V]`; int64 where a value or the total does not fit int32.

    Raises:
        CorpusError: it is not a table of whole numbers from 0; the first offending row, column and value are named.

    >>> as_counts([[0, 2], [1, 0]], where="The example").toarray().tolist()
    [[0, 2], [1, 0]]
    """
    counts = _as_csr(matrix, where)
    _require_counts(counts, where)
    total = float(counts.data.sum(dtype=np.float64))
    if total > _LARGEST_TOTAL:
        raise CorpusError(f"{where}: the counts add up to {total:g}, more than is counted exactly. Check the values.")
    if not counts.data.all():
        counts = counts.copy()
        counts.eliminate_zeros()
    return _compact(counts, np.int32 if total <= _INT32_MAX else np.int64)


def relabel_columns(counts: csr_array, columns: np.ndarray, width: int) -> csr_array:
    """Return `counts` with column j moved to `columns[j]`, or dropped where that is negative.

    Arguments:
        counts: the counts, `[N, V]`.
        columns: the new place of each column, `[V]`, distinct save the negative ones.
        width: how many columns there shall be.

    Returns:
        The counts, `[N, width]`, in canonical form.
    """
    data, indices, entries = [], [], []
    for block in blocks(counts):
        remap_columns = columns[block.indices]
        kept = remap_columns >= 0
        data.append(block.data[kept])
        indices.append(remap_columns[kept].astype(counts.indices.dtype))
        entries.append(np.diff(running_count(kept)[block.indptr]))
    starts = np.concatenate([[0], *entries]).cumsum()
    parts = (np.concatenate([counts.data[:0], *data]), np.concatenate([counts.indices[:0], *indices]), starts)
    relabeled = csr_array(parts, shape=(counts.shape[0], width))
    relabeled.sort_indices()
    return as_counts(relabeled, where="The counts")


def running_count(mask: np.ndarray) -> np.ndarray:
    """Return how many of the first 0, 1, ... entries of a mask are true, one entry more than it has, int64.

    >>> running_count(np.array([True, False, True])).tolist()
    [0, 1, 1, 2]
    """
    # Bytes are summed ten times as fast as truth values.
    return np.concatenate(([0], np.cumsum(mask.view(np.int8), dtype=np.int64)))


def row_sums(counts: CountRows, dtype: DTypeLike = np.int64) -> np.ndarray:
    """Return the sum of each row, `[N]`, in `dtype`, whatever type the counts are of."""
    sums = (np.asarray(block.sum(axis=1, dtype=dtype)).ravel() for block in blocks(counts))
    return np.concatenate([np.zeros(0, dtype), *sums])


def column_sums(counts: CountRows) -> NDArray[np.float64]:
    """Return the sum of each column, `[V]`.

    >>> column_sums(csr_array(np.array([[1, 0], [2, 5]]))).tolist()
    [3.0, 5.0]
    """
    sums = (np.asarray(block.sum(axis=0, dtype=np.float64)).ravel() for block in blocks(counts))
    return sum(sums, np.zeros(counts.shape[1]))


def document_frequencies(counts: CountRows) -> NDArray[np.int64]:
    """Return how many counts are stored of each column, `[V]`: the documents that have the word.

    >>> document_frequencies(csr_array(np.array([[1, 0], [2, 5]]))).tolist()
    [2, 1]
    """
    width = counts.shape[1]
    frequencies = (np.bincount(block.indices, minlength=width) for block in blocks(counts))
    return sum(frequencies, np.zeros(width, dtype=np.int64))


def from_triples(rows: Any, columns: Any, values: Any, shape: tuple[int, int]) -> csr_array:
    """Return the counts whose entries are (row, column, value), as canonical CSR; repeated places are added up."""
    values, rows, columns = (np.asarray(part, dtype=np.int64) for part in (values, rows, columns))
    return as_counts(coo_array((values, (rows, columns)), shape=shape), where="The counts")


def _as_csr(matrix: Any, where: str) -> csr_array:
    """Return `matrix` as CSR, sorted and without repeats, sharing its memory if it is so already."""
    if not issparse(matrix):
        matrix = np.asarray(matrix)
    if matrix.ndim != 2 or not (np.issubdtype(matrix.dtype, np.number) or matrix.dtype == bool):
        raise CorpusError(
            f"{where} is no table of numbers (shape {matrix.shape}, {matrix.dtype}). Give one row a document and one"
            " column a word."
        )
    if issparse(matrix) and matrix.format == "csr":
        counts = csr_array((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
        _require_sound(counts, where)
        if counts.has_canonical_format:
            return counts
    else:
        # Widened first: entries of the same place are added up in this type, and small types would wrap around.
        counts = csr_array(_widened(matrix))
        _require_sound(counts, where)
    counts = _widened(counts).copy()
    counts.sum_duplicates()
    return counts


def _widened(matrix: Any) -> Any:
    whole = np.issubdtype(matrix.dtype, np.integer) or matrix.dtype == bool
    return matrix.astype(np.int64, copy=False) if whole else matrix


def _require_sound(counts: csr_array, where: str) -> None:
    """Refuse index arrays that point outside the matrix, as a damaged file can hold."""
    try:
        counts.check_format(full_check=True)
    except ValueError as error:
        raise CorpusError(f"{where} is not a sound sparse matrix ({error}). Write it again.") from None


def _require_counts(counts: csr_array, where: str) -> None:
    values = counts.data
    if np.issubdtype(values.dtype, np.complexfloating):
        raise CorpusError(f"{where} holds complex numbers. Give whole numbers from 0.")
    if np.issubdtype(values.dtype, np.unsignedinteger) or (values.dtype.kind == "i" and values.min(initial=0) >= 0):
        return
    bad = values < 0
    if np.issubdtype(values.dtype, np.floating):
        bad |= ~np.isfinite(values) | (values != np.floor(values))
    if bad.any():
        first = int(bad.argmax())
        row = int(np.searchsorted(counts.indptr, first, side="right")) - 1
        raise CorpusError(
            f"{where}: row {row}, column {counts.indices[first]} (from 0) holds {values[first]}. Counts are whole"
            " numbers from 0; pass the counts themselves, not weights made of them."
        )


def _compact(counts: csr_array, dtype: type[np.signedinteger]) -> csr_array:
    """Return `counts` with values of `dtype` and indices of int32 if they fit; what fits already is not copied."""
    small = max(counts.nnz, *counts.shape) <= _INT32_MAX
    index_dtype = np.int32 if small else np.int64
    parts = (
        counts.data.astype(dtype, copy=False),
        counts.indices.astype(index_dtype, copy=False),
        counts.indptr.astype(index_dtype, copy=False),
    )
    return csr_array(parts, shape=counts.shape)
