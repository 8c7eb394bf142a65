"""Matrices as programs have them, `[N, V]`: dense or sparse in any format, of any type of numbers.

All matrices that users pass go through `as_entries`, which checks their form, and `canonical`, which adds up duplicate
entries in a type that is wide enough.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, issparse

from docnvil.errors import CorpusError, counted

TOTAL_LIMIT = 2**53  # from here on, float64 cannot represent every integer
_TYPES = (np.int32, np.int64, np.float32, np.float64)  # those that SciPy and torch both compute with


def as_entries(matrix: Any, *, where: str) -> csr_array | coo_array:
    """Return the entries of a matrix, which may contain duplicates and zeros, without a copy if they are in CSR.

    Values of other types become int32, int64, float32 or float64; True is 1.

    Arguments:
        matrix: a SciPy sparse matrix or array, or anything that NumPy converts to a 2-D array.
        where: the start of error messages, such as the path of the file.

    Raises:
        CorpusError: it is not a 2-D array of numbers, or an entry of a sparse matrix is outside it.
    """
    refuse_masked(matrix)
    matrix = matrix if issparse(matrix) else as_array(matrix, where=where)
    if matrix.dtype.kind == "c":
        raise CorpusError(f"{where} contains complex numbers. Give integers >= 0.")
    if matrix.ndim != 2 or matrix.dtype.kind not in "buif":
        raise CorpusError(
            f"{where} is not a 2-D array of numbers (shape {matrix.shape}, {matrix.dtype}). Give one row per document"
            " and one column per word."
        )
    if not issparse(matrix):
        places = matrix.nonzero()
        return coo_array((_converted(matrix[places]), places), shape=matrix.shape)
    if matrix.format in ("csr", "csc", "bsr"):
        _check_compressed(matrix, where)
    if matrix.format == "csr":
        stored = slice(int(matrix.indptr[-1]))
        arrays = _converted(matrix.data[stored]), matrix.indices[stored], matrix.indptr
        return csr_array(arrays, shape=matrix.shape)
    entries = matrix if matrix.format == "coo" else coo_array(matrix)
    _check_places(entries, where)
    return coo_array((_converted(entries.data), entries.coords), shape=entries.shape)


def canonical(entries: csr_array | coo_array, *, where: str) -> csr_array:
    """Return entries as CSR with sorted columns, without duplicates and stored zeros; they are copied if they have any.

    Duplicates are added in int64 or float64. The sums have the type of the entries if it represents them exactly.

    Raises:
        CorpusError: the total is 2^53 or more.

    Example:
        >>> entries = csr_array((np.full(3, 100, np.int8), [0, 0, 0], [0, 3]), shape=(1, 2))
        >>> canonical(as_entries(entries, where="The example"), where="The example").toarray().tolist()
        [[300, 0]]
    """
    total = float(entries.data.sum(dtype=np.float64))
    if total >= TOTAL_LIMIT:
        raise CorpusError(f"{where} has a total count of {total:g}, too large to be stored exactly. Check the values.")
    if entries.format == "csr" and entries.has_canonical_format and entries.data.all():
        return entries
    wide = csr_array(entries.astype(np.int64 if entries.dtype.kind == "i" else np.float64), copy=True)
    wide.sum_duplicates()
    wide.eliminate_zeros()
    counts = wide.astype(entries.dtype)
    return counts if np.array_equal(counts.data, wide.data) else wide


def as_array(matrix: Any, *, where: str) -> NDArray[Any]:
    """Return a dense matrix as a NumPy array; a `CorpusError` names the row if rows have different lengths."""
    try:
        array = np.asarray(matrix)
    except (TypeError, ValueError, RuntimeError) as error:
        lengths = [len(row) if hasattr(row, "__len__") else 1 for row in matrix] if isinstance(matrix, list) else []
        for row, length in enumerate(lengths):
            if length != lengths[0]:
                raise CorpusError(
                    f"{where} has {counted(lengths[0], 'value')} in row 0 and {length:,} in row {row} (from 0). Give"
                    " one value per word in each row."
                ) from None
        reason = (str(error).splitlines() or [""])[0]
        raise CorpusError(
            f"{where} cannot be converted to a NumPy array ({reason:.200}). Give one row per document and one column"
            " per word."
        ) from None
    if array.dtype.kind in "mM":  # NumPy and scikit-learn convert dates to numbers
        raise CorpusError(
            f"{where} is an array of dates or durations ({array.dtype}). Give how often each word occurs."
        )
    return array


def refuse_masked(source: Any) -> None:
    """Raise a `CorpusError` for a masked array, whose mask NumPy and SciPy ignore when they convert it."""
    if isinstance(source, np.ma.MaskedArray):
        raise CorpusError("The matrix is a masked array. Give counts without a mask, for instance matrix.filled(0).")


def _converted(values: NDArray[Any]) -> NDArray[Any]:
    """Return values in one of `_TYPES` that represents them, or in float64."""
    if values.dtype.isnative and values.dtype in _TYPES:
        return values
    if values.dtype.kind == "f":
        return values.astype(np.float32 if values.dtype.itemsize <= 4 else np.float64)
    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        values = np.minimum(values, 2**62)  # still too large, but not negative
    return values.astype(np.int32 if np.can_cast(values.dtype, np.int32) else np.int64)


def _check_compressed(matrix: Any, where: str) -> None:
    """Raise a `CorpusError` if the arrays of a CSR, CSC or BSR matrix contradict each other or its shape.

    SciPy checks less, and its routines in C read and write memory outside the arrays of such a matrix.
    """
    names = ("column", "row") if matrix.format == "csc" else ("row", "column")
    block = matrix.blocksize if matrix.format == "bsr" else (1, 1)
    n_lines, width = (size // step for size, step in zip(matrix.shape, block, strict=True))
    if matrix.format == "csc":
        n_lines, width = width, n_lines
    starts, indices, n_stored = matrix.indptr, matrix.indices, min(len(matrix.indices), len(matrix.data))
    fault = f"{where} is not a valid sparse matrix:"
    if starts.ndim != 1 or indices.ndim != 1 or starts.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        raise CorpusError(f"{fault} indptr and indices must be 1-D arrays of whole numbers. Build it again.")
    if len(starts) != n_lines + 1 or starts[0] != 0:
        raise CorpusError(
            f"{fault} indptr must have {counted(n_lines + 1, 'number')}, the first of them 0, for"
            f" {counted(n_lines, names[0])}. Build it again."
        )
    wrong = (starts[1:] < starts[:-1]) | (starts[1:] > n_stored)
    if wrong.any():
        line = int(wrong.argmax())
        raise CorpusError(
            f"{fault} {names[0]} {line} (from 0) has the entries {starts[line]} to {starts[line + 1]} of {n_stored}."
            " Build it again."
        )
    indices = indices[: starts[-1]]
    if len(indices) and not 0 <= indices.min() <= indices.max() < width:
        entry = int(((indices < 0) | (indices >= width)).argmax())
        line = int(np.searchsorted(starts, entry, side="right")) - 1
        raise CorpusError(
            f"{fault} {names[0]} {line} has an entry in {names[1]} {indices[entry]}, and the {names[1]}s are 0 to"
            f" {width - 1}. Build it again."
        )


def _check_places(entries: coo_array, where: str) -> None:
    """Raise a `CorpusError` if an entry is outside the matrix."""
    for name, numbers, size in zip(("row", "column"), entries.coords, entries.shape, strict=True):
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < size:
            entry = int(((numbers < 0) | (numbers >= size)).argmax())
            row, column = (int(each[entry]) for each in entries.coords)
            raise CorpusError(
                f"{where} is not a valid sparse matrix: it has an entry in row {row}, column {column}, and the {name}s"
                f" are 0 to {size - 1}. Build it again."
            )
