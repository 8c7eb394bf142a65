"""Batches of documents: rows of a document-term matrix become tensors on a device.

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
from docnvil.runtime.devices import free_bytes, to_device
from docnvil.runtime.mapped import check_mappings
from docnvil.runtime.randomness import mix
from docnvil.text.sparse import CountRows, chunk_slices, entries_per_row, row_chunks

# A full shuffle of a corpus larger than memory would read each document from another place of the disk.
SHUFFLE_WINDOW = 1 << 20  # documents that are shuffled together
SHUFFLE_CHUNK = 1 << 10  # consecutive documents that stay in the same window
ALL_ROWS = slice(None)
COLUMN_OFFSET = 0x9E3779B97F4A7C15 - (1 << 64)  # so that column 0 is not hashed to 0; the increment of SplitMix64


@dataclass(frozen=True)
class Batch:
    """The word counts of B documents on a device, and their keys for a `KeyedGenerator`, `[B]` int64."""

    counts: SparseCounts
    keys: Tensor


class BatchBuffer:
    """Tensors on a device into which batches of one shape are copied, for work that repeats on the same addresses.

    Batches have the same number of documents. Zeros that belong to no document follow their stored counts.

    Arguments:
        like: a batch with the number of documents, the device and the types; its counts know their lengths.
        n_stored: the number of stored counts, at least that of each batch.
        longest: a bound of the tokens of a document, or None.
    """

    def __init__(self, like: Batch, n_stored: int, longest: int | None) -> None:
        counts = like.counts
        # Not the counts themselves: what they compute once and keep would be that of the first batch.
        self._fields = {"vocabulary_size": counts.vocabulary_size, "largest": counts.largest, "longest": longest}
        self._indices, self._values = counts.indices.new_zeros(n_stored), counts.values.new_zeros(n_stored)
        self._offsets, self._lengths = torch.empty_like(counts.offsets), torch.empty_like(counts.lengths)
        self._keys = torch.empty_like(like.keys)

    def fill(self, batch: Batch) -> None:
        """Replace the batch."""
        counts, n_stored = batch.counts, len(batch.counts.indices)
        integers = [self._indices[:n_stored], self._offsets, self._keys]
        torch._foreach_copy_(integers, [counts.indices, counts.offsets, batch.keys])
        torch._foreach_copy_([self._values[:n_stored], self._lengths], [counts.values, counts.lengths])
        self._values[n_stored:].zero_()

    def batch(self) -> Batch:
        """Return the batch as it will be after the latest `fill`."""
        counts = SparseCounts(self._indices, self._values, self._offsets, **self._fields)
        vars(counts)["lengths"] = self._lengths
        return Batch(counts, self._keys)


def random_order(n_documents: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the row numbers 0 to N - 1 in random order, `[N]`, with few disk reads for a large corpus.

    Up to 2^20 documents (a million) are in uniformly random order. A larger corpus is cut into chunks of 1,024
    consecutive documents; the chunks are put in random order, and each window of 2^20 documents is then shuffled. So a
    window is read from about 1,000 places on the disk.
    """
    if n_documents <= SHUFFLE_WINDOW:
        return generator.permutation(n_documents)
    starts = SHUFFLE_CHUNK * generator.permutation(-(-n_documents // SHUFFLE_CHUNK))
    order = (starts[:, None] + np.arange(SHUFFLE_CHUNK)).ravel()
    order = order[order < n_documents]
    for start in range(0, n_documents, SHUFFLE_WINDOW):
        generator.shuffle(order[start : start + SHUFFLE_WINDOW])
    return order


def iterate_batches(
    counts: CountRows,
    batch_size: int,
    *,
    keys: NDArray[np.int64],
    device: torch.device,
    dtype: torch.dtype,
    order: Sequence[int] | NDArray[np.int64] | None = None,
    shard: slice = ALL_ROWS,
    device_counts: SparseCounts | None = None,
    lengths: NDArray[np.floating] | None = None,
) -> Iterator[Batch]:
    """Yield the documents in batches; the last one may be smaller.

    Arguments:
        counts: `[N, V]`, CSR or rows selected from it.
        batch_size: B.
        keys: `[N]`, the key of each document for its random draws.
        device: the device of the batches.
        dtype: the floating-point type of their counts.
        order: the row numbers in the order to yield them; by default from 0 to N - 1.
        shard: the rows of each batch that this process works on, possibly none; by default all.
        device_counts: all counts on the device, see `copy_to_device`; None copies each batch to it.
        lengths: the tokens of each document, `[N]`, with which batches know their longest; None if none needs it.

    Example:
        >>> counts = csr_array(np.array([[2, 0, 1], [0, 0, 0], [0, 3, 0]]))
        >>> cpu = {"device": torch.device("cpu"), "dtype": torch.float32}
        >>> batches = iterate_batches(counts, 2, keys=np.arange(3), order=[2, 1, 0], **cpu)
        >>> [batch.counts.lengths.tolist() for batch in batches]
        [[3.0, 0.0], [3.0]]
    """
    order = np.arange(counts.shape[0]) if order is None else np.asarray(order)
    batches = [order[start : start + batch_size][shard] for start in range(0, len(order), batch_size)]
    entries = entries_per_row(counts)
    # Rows are copied for several batches at once, which is faster; each batch is then a view.
    for chunk in chunk_slices(np.array([entries[rows].sum() for rows in batches], dtype=np.int64)):
        chunk_rows = np.concatenate(batches[chunk])
        offsets = np.concatenate([[0], entries[chunk_rows]]).cumsum()
        if device_counts is None:
            chunk_counts = sparse_counts(counts[chunk_rows], device, dtype)
        else:
            chunk_counts = device_counts.select(to_device(chunk_rows, device), int(offsets[-1]))
        if lengths is not None:
            _ = chunk_counts.lengths  # computed here, for all batches at once
        check_mappings()
        chunk_keys = to_device(keys[chunk_rows], device)
        stop = 0
        for rows in batches[chunk]:
            start, stop = stop, stop + len(rows)
            stored = slice(int(offsets[start]), int(offsets[stop]))
            longest = None if lengths is None else int(lengths[rows].max(initial=0))
            batch_counts = chunk_counts.rows(slice(start, stop), stored, longest)
            yield Batch(batch_counts, chunk_keys[start:stop])


def copy_to_device(counts: CountRows, device: torch.device, dtype: torch.dtype) -> SparseCounts | None:
    """Copy all counts to a GPU, with values of type `dtype`; return None if they need over half of its free memory."""
    entries = entries_per_row(counts)
    n_bytes = int(entries.sum(dtype=np.int64)) * (8 + dtype.itemsize) + 8 * (len(entries) + 1)
    if n_bytes > free_bytes(device) // 2:
        return None
    offsets = np.concatenate([[0], entries]).cumsum(dtype=np.int64)
    largest = 0.0
    indices = torch.empty(int(offsets[-1]), dtype=torch.int64, device=device)
    values = torch.empty(int(offsets[-1]), dtype=dtype, device=device)
    stop = 0
    for chunk in row_chunks(counts):
        tensors = sparse_counts(chunk, device, dtype)
        start, stop = stop, stop + len(tensors.indices)
        indices[start:stop], values[start:stop] = tensors.indices, tensors.values
        largest = None if largest is None or tensors.largest is None else max(largest, tensors.largest)
    return SparseCounts(indices, values, to_device(offsets, device), counts.shape[1], largest)


def sparse_counts(counts: csr_array | csr_matrix, device: torch.device, dtype: torch.dtype) -> SparseCounts:
    """Copy CSR counts to a device, with values of the given floating-point type."""
    return SparseCounts(
        to_device(counts.indices.astype(np.int64, copy=False), device),
        to_device(np.asarray(counts.data), device).to(dtype),
        to_device(counts.indptr.astype(np.int64, copy=False), device),
        counts.shape[1],
        None if device.type == "cpu" else float(counts.data.max(initial=0)),
    )


def content_keys(counts: CountRows) -> NDArray[np.int64]:
    """Return a key for each document, `[N]`: a hash of its words and their counts.

    Equal documents have equal keys, so the numbers drawn for a document do not depend on its row, on other documents or
    on the order in which its words are stored.

    Example:
        >>> keys = content_keys(csr_array(np.array([[2, 0, 1], [0, 3, 0], [2, 0, 1]])))
        >>> keys[0] == keys[2], keys[0] == keys[1]
        (np.True_, np.False_)
    """
    return np.concatenate([np.zeros(0, np.int64), *map(_hash_rows, row_chunks(counts))])


def _hash_rows(counts: csr_array) -> NDArray[np.int64]:
    """Return the sum over a row's words of a hash of column and count, `[N]`; int64 arithmetic wraps as required."""
    values = torch.from_numpy(np.asarray(counts.data).astype(np.float64))
    hashes = mix(mix(torch.from_numpy(counts.indices.astype(np.int64)) + COLUMN_OFFSET) ^ mix(values.view(torch.int64)))
    hashes[values == 0] = 0  # a stored zero is not a word
    sums = np.concatenate([np.zeros(1, np.int64), hashes.cumsum(0).numpy()])
    return sums[counts.indptr[1:]] - sums[counts.indptr[:-1]]
