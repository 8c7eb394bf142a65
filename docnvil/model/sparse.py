"""A batch of documents as sparse word counts on a device.

Axes: B documents of a batch, V words, K units; `nnz` is the number of (document, word) pairs with a count.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from docnvil.runtime.device_formulas import documents_of
from docnvil.runtime.device_operations import on_device, operations

LARGE_COUNT = 4096  # of one word in one document; texts have less


@dataclass(frozen=True)
class SparseCounts:
    """Word counts of B documents in compressed sparse row form (CSR).

    Arguments:
        indices: `[nnz]` int64, the word of each stored count.
        values: `[nnz]` floating point, the counts.
        offsets: `[B + 1]` int64, the start of each document in `indices` and `values`; the last is nnz, or on a device
            less if zeros that belong to no document follow.
        vocabulary_size: V.
        largest: a bound of the counts, if it is known without reading them from the device.
        longest: the tokens of the longest document, likewise.
        has_repeats: whether a word of a document can be stored in several counts, which add up.

    Example:
        Two documents over three words: the first has word 0 twice and word 2 once, the second is empty.

        >>> x = SparseCounts(torch.tensor([0, 2]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2, 2]), vocabulary_size=3)
        >>> x.lengths
        tensor([3., 0.])
        >>> x.matmul(torch.eye(3))
        tensor([[2., 0., 1.],
                [0., 0., 0.]])
    """

    indices: Tensor
    values: Tensor
    offsets: Tensor
    vocabulary_size: int
    largest: float | None = None
    longest: int | None = None
    has_repeats: bool = False

    @classmethod
    def from_dense(cls, rows: Tensor) -> "SparseCounts":
        """Return the nonzero entries of a dense batch, `[B, V]`."""
        documents, indices = rows.nonzero(as_tuple=True)
        starts = torch.arange(len(rows) + 1, device=rows.device)
        return cls(indices, rows[documents, indices], torch.searchsorted(documents, starts), rows.shape[1])

    def __len__(self) -> int:
        """Return B, the number of documents."""
        return len(self.offsets) - 1

    @classmethod
    def with_zeros(cls, rows: Tensor) -> "SparseCounts":
        """Return all entries of a dense batch, `[B, V]`, zeros too: their number is known without reading them."""
        n_documents, vocabulary_size = rows.shape
        words = torch.arange(vocabulary_size, device=rows.device).repeat(n_documents)
        offsets = torch.arange(n_documents + 1, device=rows.device) * vocabulary_size
        return cls(words, rows.reshape(-1), offsets, vocabulary_size)

    def rows(self, documents: slice, stored: slice, longest: int | None = None) -> "SparseCounts":
        """Return consecutive documents, from explicit start to stop, as views of the same counts.

        `stored` has their positions in `indices`. `offsets` has them too, but reading it synchronizes the device.
        `longest` is as in the class.

        Example:
            >>> x = SparseCounts(torch.tensor([0, 2, 1]), torch.ones(3), torch.tensor([0, 1, 3]), vocabulary_size=3)
            >>> x.rows(slice(1, 2), slice(1, 3)).indices
            tensor([2, 1])
        """
        offsets = self.offsets[documents.start : documents.stop + 1] - stored.start
        chosen = replace(
            self, indices=self.indices[stored], values=self.values[stored], offsets=offsets, longest=longest
        )
        if "lengths" in vars(self):  # computed for all of them at once
            vars(chosen)["lengths"] = self.lengths[documents]
        return chosen

    def select(self, rows: Tensor, n_stored: int) -> "SparseCounts":
        """Return a copy of some of the documents, `[N]` int64, in the given order.

        The number of their stored counts is given to avoid a device synchronization.

        Example:
            >>> x = SparseCounts(torch.tensor([0, 2, 1]), torch.ones(3), torch.tensor([0, 1, 3]), vocabulary_size=3)
            >>> selected = x.select(torch.tensor([1, 0]), 3)
            >>> selected.indices, selected.offsets
            (tensor([2, 1, 0]), tensor([0, 2, 3]))
        """
        starts = self.offsets[rows]
        offsets = functional.pad((self.offsets[rows + 1] - starts).cumsum(0), (1, 0))
        # The position of each count in this batch: its new position plus the shift of its document.
        shift = torch.repeat_interleave(starts - offsets[:-1], offsets.diff(), output_size=n_stored)
        positions = torch.arange(n_stored, device=rows.device) + shift
        return replace(
            self, indices=self.indices[positions], values=self.values[positions], offsets=offsets, longest=None
        )

    @cached_property
    def lengths(self) -> Tensor:
        """The number of tokens of each document, `[B]`."""
        return self.sum_over_words(self.values[None])[0]

    @cached_property
    def are_large(self) -> bool:
        """Whether a count is above `LARGE_COUNT`, for which sums need double precision; on a GPU, that is not known."""
        return self.values.device.type == "cpu" and bool((self.values > LARGE_COUNT).any())

    def double(self) -> "SparseCounts":
        """Return the counts in double precision."""
        return replace(self, values=self.values.double())

    @cached_property
    def documents(self) -> Tensor:
        """The document of each stored count, `[nnz]` int64."""
        if on_device(self.offsets):
            return documents_of(self.offsets, len(self.indices))
        numbers = torch.arange(len(self), device=self.offsets.device)
        return torch.repeat_interleave(numbers, self.offsets.diff(), output_size=len(self.indices))

    def sum_over_words(self, values: Tensor) -> Tensor:
        """Return the sum per document of one value per stored count, `[S, nnz] -> [S, B]`."""
        return values.new_zeros(len(values), len(self)).index_add(1, self.documents, values)

    def matmul(self, weight: Tensor) -> Tensor:
        """Return the product with a dense matrix, x W, `[B, V] @ [V, K] -> [B, K]`, differentiable in W."""
        return _SparseProduct.apply(self, weight)

    @cached_property
    def transposed(self) -> "SparseCounts":
        """The transposed counts, `[V, B]`, which all gradients of a batch share."""
        order = self.indices.argsort(stable=True)
        # torch.bincount would read the largest index first, which synchronizes the device.
        sizes = self.offsets.new_zeros(self.vocabulary_size + 1)
        offsets = sizes.index_add_(0, self.indices + 1, torch.ones_like(self.indices)).cumsum(0)
        return SparseCounts(self.documents[order], self.values[order], offsets, len(self))

    def log1p(self) -> "SparseCounts":
        """Return log(1 + x) of each count x; zeros stay zeros."""
        if not self.has_repeats:
            return replace(self, values=self.values.log1p(), largest=None)
        dense = self.values.new_zeros(len(self), self.vocabulary_size)
        return self.with_zeros(dense.index_put_((self.documents, self.indices), self.values, accumulate=True).log1p())


class _SparseProduct(torch.autograd.Function):
    """x W, whose gradient x^T g is a product of the same kind with the transposed counts."""

    @staticmethod
    def forward(ctx, counts: SparseCounts, weight: Tensor) -> Tensor:
        ctx.counts = counts
        return _sparse_product(counts, weight)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor]:
        if on_device(gradient):
            x, gradient = ctx.counts, gradient.contiguous()
            return None, operations().sparse_outer(x.indices, x.values, x.offsets, gradient, x.vocabulary_size)
        return None, _sparse_product(ctx.counts.transposed, gradient.contiguous())


def _sparse_product(counts: SparseCounts, weight: Tensor) -> Tensor:
    if on_device(weight):
        return operations().sparse_product(counts.indices, counts.values, counts.offsets, weight)
    return functional.embedding_bag(
        counts.indices, weight, counts.offsets, mode="sum", per_sample_weights=counts.values, include_last_offset=True
    )
