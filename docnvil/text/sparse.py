"""Count matrices, `[N, V]`: SciPy sparse arrays in canonical CSR form.

A matrix may be memory-mapped and larger than memory, so functions that read all of it work in chunks of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import coo_array, csr_array, csr_matrix

from docnvil.errors import CorpusError
from docnvil.runtime.mapped import check_mappings
from docnvil.text.matrices import as_entries, canonical

_INT32_MAX = 2**31 - 1
CSR = csr_array | csr_matrix
CHUNK_ENTRIES = 1 << 20  # stored counts per chunk of rows: 8 MB for each intermediate array


@dataclass(frozen=True, eq=False)
class SelectedRows:
    """Selected rows `[M]` of counts `[N, V]`, copied only when indexed, so that a memory-mapped corpus stays on disk.

    Example:
        >>> selected = SelectedRows(csr_array(np.array([[1, 0], [0, 2], [3, 3]])), np.array([2, 0]))
        >>> selected.shape, selected[1:].toarray().tolist()
        ((2, 2), [[1, 0]])
    """

    matrix: CSR
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of selected rows, and V."""
        return len(self.rows), self.matrix.shape[1]

    def __getitem__(self, rows: Any) -> csr_array:
        return self.matrix[self.rows[rows]]


CountRows = CSR | SelectedRows


def entries_per_row(counts: CountRows) -> NDArray[np.int64]:
    """Return the number of stored counts in each row, `[N]`."""
    if isinstance(counts, SelectedRows):
        return entries_per_row(counts.matrix)[counts.rows]
    return np.diff(counts.indptr)


def row_chunks(counts: CountRows) -> Iterator[csr_array]:
    """Yield consecutive chunks of rows with up to `CHUNK_ENTRIES` stored counts each, but at least one row."""
    for rows in chunk_slices(entries_per_row(counts)):
        chunk = counts[rows]
        check_mappings()
        yield chunk


def chunk_slices(entries: NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of items with up to `CHUNK_ENTRIES` stored counts, but at least one item; `entries` is `[N]`.

    Example:
        >>> list(chunk_slices(np.array([400_000, 600_000, 2_000_000, 5])))
        [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = np.cumsum(entries, dtype=np.int64)
    start = done = 0
    while start < len(ends):
        stop = max(start + 1, int(np.searchsorted(ends, done + CHUNK_ENTRIES, side="right")))
        yield slice(start, stop)
        start, done = stop, ends[stop - 1]


def as_counts(matrix: Any, *, where: str) -> csr_array:
    """Return counts `[N, V]` as CSR with sorted columns, no duplicate entries and no stored zeros.

    They are int32, or int64 if the total does not fit int32. The input is never modified, and a matrix that already has
    this form is not copied. The `CorpusError` for other values names the first invalid entry.

    Arguments:
        matrix: a SciPy sparse matrix or array, or anything that NumPy converts to a 2-D array.
        where: the start of error messages, such as the path of the file.

    Example:
        >>> as_counts([[0, 2], [1, 0]], where="The example").toarray().tolist()
        [[0, 2], [1, 0]]
    """
    entries = as_entries(matrix, where=where)
    _check_values(entries, where)
    counts = canonical(entries, where=where)
    total = counts.data.sum(dtype=np.float64)
    return _with_small_dtypes(counts, np.int32 if total <= _INT32_MAX else np.int64)


def take_columns(counts: csr_array, columns: NDArray[np.int64]) -> csr_array:
    """Return the given columns `[W]` of counts `[N, V]`, in that order, as `[N, W]`; -1 gives an empty column.

    Example:
        >>> take_columns(csr_array(np.array([[1, 2], [3, 4]])), np.array([1, -1])).toarray().tolist()
        [[2, 0], [4, 0]]
    """
    # With one more column, which is empty, -1 selects it.
    extended = csr_array((counts.data, counts.indices, counts.indptr), shape=(counts.shape[0], counts.shape[1] + 1))
    return extended.tocsc()[:, columns].tocsr()  # faster than by rows, whose columns must then be sorted


def row_sums(counts: CountRows, dtype: DTypeLike = np.int64) -> np.ndarray:
    """Return the sum of each row, `[N]`, in `dtype`."""
    sums = (np.asarray(chunk.sum(axis=1, dtype=dtype)).ravel() for chunk in row_chunks(counts))
    return np.concatenate([np.zeros(0, dtype), *sums])


def column_sums(counts: CountRows) -> NDArray[np.float64]:
    """Return the sum of each column, `[V]`."""
    sums = (np.asarray(chunk.sum(axis=0, dtype=np.float64)).ravel() for chunk in row_chunks(counts))
    return sum(sums, np.zeros(counts.shape[1]))


def document_frequencies(counts: CountRows) -> NDArray[np.int64]:
    """Return the number of documents that contain each word, `[V]`."""
    frequencies = (np.bincount(chunk.indices, minlength=counts.shape[1]) for chunk in row_chunks(counts))
    return sum(frequencies, np.zeros(counts.shape[1], dtype=np.int64))


def _check_values(counts: csr_array | coo_array, where: str) -> None:
    values = counts.data
    if values.dtype.kind == "i" and values.min(initial=0) >= 0:
        return
    invalid = ~(values >= 0)
    if values.dtype.kind == "f":
        invalid |= ~np.isfinite(values) | (values != np.floor(values))
    if invalid.any():
        first = int(invalid.argmax())
        row, column = (indices[first] for indices in counts.tocoo().coords)
        raise CorpusError(
            f"{where} contains {values[first]} in row {row}, column {column} (from 0). Counts are integers >= 0;"
            " pass the counts themselves, not weights computed from them."
        )


def _with_small_dtypes(counts: csr_array, dtype: type[np.signedinteger]) -> csr_array:
    """Return `counts` with values of `dtype` and, if they fit, int32 indices; arrays of these types are not copied."""
    index_dtype = np.int32 if max(counts.nnz, *counts.shape) <= _INT32_MAX else np.int64
    indices, indptr = (indices.astype(index_dtype, copy=False) for indices in (counts.indices, counts.indptr))
    return csr_array((counts.data.astype(dtype, copy=False), indices, indptr), shape=counts.shape)
