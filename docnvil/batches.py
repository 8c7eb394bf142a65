"""The one bridge from counts to tensors: rows of a document-term matrix become batches on a device.

Axes: N documents, B documents of a batch, V words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from torch import Tensor

from docnvil.model.sparse import SparseCounts
from docnvil.runtime.devices import free_bytes
from docnvil.text.sparse import CountRows, blocks, lots, row_entries

EVERY = slice(None)
# Shuffled as one, a corpus larger than memory would be read a page here and a page there.
SHUFFLED_TOGETHER = 1 << 20  # documents
CONSECUTIVE = 1 << 10  # documents
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Batch:
    """Some documents on a device.

    Arguments:
        counts: their words.
        keys: `[B]` int64, what a `KeyedGenerator` draws for each document from.
    """

    counts: SparseCounts
    keys: Tensor


def shuffled(n_documents: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows 0 to N - 1 in random order, `[N]`; those of a large corpus so that it can be read from a disk.

    Up to a million documents (2^20), every order is as likely as any other. More are cut into stretches of 1,024, whose
    order is random; as many stretches as make a million documents are then shuffled together, document by document. A
    million documents at a time are thus read from a thousand places.

    Example:
        >>> shuffled(5, np.random.default_rng(0)).tolist()
        [2, 4, 3, 0, 1]
    """
    if n_documents <= SHUFFLED_TOGETHER:
        return random.permutation(n_documents)
    starts = CONSECUTIVE * random.permutation(-(-n_documents // CONSECUTIVE))
    order = (starts[:, None] + np.arange(CONSECUTIVE)).ravel()
    order = order[order < n_documents]
    for start in range(0, n_documents, SHUFFLED_TOGETHER):
        random.shuffle(order[start : start + SHUFFLED_TOGETHER])
    return order


def iterate_batches(
    matrix: CountRows,
    batch_size: int,
    *,
    keys: NDArray[np.int64],
    device: torch.device,
    dtype: torch.dtype,
    order: Sequence[int] | NDArray[np.int64] | None = None,
    share: slice = EVERY,
    held: SparseCounts | None = None,
) -> Iterator[Batch]:
    """Cut documents into batches, the last one possibly smaller.

    Arguments:
        matrix: `[N, V]` counts, CSR or rows selected of it.
        batch_size: B.
        keys: `[N]`, each document's key for keyed draws.
        device: the device of the batches.
        dtype: the floating-point type of their counts.
        order: row numbers in the order wanted; by default as they stand.
        share: which documents of each batch are wanted, when others see to the rest; there may be none.
        held: the counts of the whole matrix on the device, see `device_counts`; None copies those wanted to it.

    Example:
        >>> matrix = csr_array(np.array([[2, 0, 1], [0, 0, 0], [0, 3, 0]]))
        >>> cpu = {"device": torch.device("cpu"), "dtype": torch.float32}
        >>> batches = iterate_batches(matrix, 2, keys=np.arange(3), order=[2, 1, 0], **cpu)
        >>> [batch.counts.lengths.tolist() for batch in batches]
        [[3.0, 0.0], [3.0]]
    """
    rows = np.arange(matrix.shape[0]) if order is None else np.asarray(order)
    chosen = [rows[start : start + batch_size][share] for start in range(0, len(rows), batch_size)]
    entries = row_entries(matrix)
    # Rows are looked up and copied for many batches at once, each of which is then a view.
    for lot in lots(np.array([entries[batch].sum() for batch in chosen], dtype=np.int64)):
        together = np.concatenate(chosen[lot])
        starts = np.concatenate([[0], entries[together]]).cumsum()
        if held is None:
            counts = sparse_counts(matrix[together], device, dtype)
        else:
            counts = held.select(torch.from_numpy(together).to(device), int(starts[-1]))
        its_keys = torch.from_numpy(keys[together]).to(device)
        start = 0
        for batch in chosen[lot]:
            own = slice(start, start := start + len(batch))
            yield Batch(counts.rows(own, slice(int(starts[own.start]), int(starts[own.stop]))), its_keys[own])


def device_counts(matrix: CountRows, device: torch.device, dtype: torch.dtype) -> SparseCounts | None:
    """Copy all counts to a GPU, if half of its free memory holds them; None if they are to be streamed.

    Arguments:
        matrix: `[N, V]` counts.
        device: where to copy them.
        dtype: their floating-point type.

    Example:
        >>> device_counts(csr_array(np.eye(2)), torch.device("cpu"), torch.float32) is None  # a CPU needs no copy
        True
    """
    entries = row_entries(matrix)
    n_bytes = int(entries.sum(dtype=np.int64)) * (8 + dtype.itemsize) + 8 * (len(entries) + 1)
    if n_bytes > free_bytes(device) // 2:
        return None
    ends = np.concatenate([[0], entries]).cumsum(dtype=np.int64)
    indices = torch.empty(int(ends[-1]), dtype=torch.int64, device=device)
    values = torch.empty(int(ends[-1]), dtype=dtype, device=device)
    done = 0
    for block in blocks(matrix):
        some = sparse_counts(block, device, dtype)
        own = slice(done, done := done + len(some.indices))
        indices[own], values[own] = some.indices, some.values
    return SparseCounts(indices, values, torch.from_numpy(ends).to(device), matrix.shape[1])


def sparse_counts(matrix: csr_array | csr_matrix, device: torch.device, dtype: torch.dtype) -> SparseCounts:
    """Copy CSR counts to a device, with values of the given floating-point type."""
    return SparseCounts(
        torch.from_numpy(matrix.indices.astype(np.int64, copy=False)).to(device),
        torch.from_numpy(np.asarray(matrix.data)).to(device, dtype),
        torch.from_numpy(matrix.indptr.astype(np.int64, copy=False)).to(device),
        matrix.shape[1],
    )


def content_keys(matrix: CountRows) -> NDArray[np.int64]:
    """Return a key for each document made of its words and counts alone, `[N]`.

    Equal documents get equal keys wherever they stand, so that what is drawn for one never depends on its row, its
    neighbors, or the order in which its words are stored.

    Example:
        >>> keys = content_keys(csr_array(np.array([[2, 0, 1], [0, 3, 0], [2, 0, 1]])))
        >>> keys[0] == keys[2], keys[0] == keys[1]
        (np.True_, np.False_)
    """
    return np.concatenate([np.zeros(0, np.int64), *map(_content_keys, blocks(matrix))])


def _content_keys(matrix: csr_array) -> NDArray[np.int64]:
    with np.errstate(over="ignore"):  # 64-bit arithmetic that wraps around is the point of a hash
        bits = np.asarray(matrix.data).astype(np.float64).view(np.uint64)
        pairs = _mix(_mix(matrix.indices.astype(np.uint64) + _GOLDEN) ^ _mix(bits))
        pairs[matrix.data == 0] = 0  # a zero that happens to be stored is no word
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(pairs, dtype=np.uint64)])
        return (sums[matrix.indptr[1:]] - sums[matrix.indptr[:-1]]).view(np.int64)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers one to one, as `docnvil.runtime.randomness` does, on NumPy arrays."""
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
