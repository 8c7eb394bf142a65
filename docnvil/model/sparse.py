"""A batch of documents as sparse word counts on a device: what the softmax layer and the recognition network read.

Axes: B documents of a batch, V words, K units; `nnz` is the number of (document, word) pairs with a count.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class SparseCounts:
    """Word counts of B documents, row after row, never dense.

    Arguments:
        indices: `[nnz]` int64, the word of each stored count.
        values: `[nnz]` floating point, the counts.
        offsets: `[B + 1]` int64, where each document starts; the last is nnz.
        vocabulary_size: V.

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

    @classmethod
    def from_dense(cls, rows: Tensor) -> "SparseCounts":
        """Keep what is not zero of `[B, V]`; for what has been drawn dense, a batch at a time."""
        documents, indices = rows.nonzero(as_tuple=True)
        starts = torch.arange(len(rows) + 1, device=rows.device)
        return cls(indices, rows[documents, indices], torch.searchsorted(documents, starts), rows.shape[1])

    def __len__(self) -> int:
        """Return B, the number of documents."""
        return len(self.offsets) - 1

    def rows(self, some: slice, stored: slice) -> "SparseCounts":
        """Return a stretch of the documents, as views of the same counts.

        Arguments:
            some: which documents, from a first to a last. stored: the counts that are theirs, which `offsets` says
                too, but a device would have to be waited for.

        Example:
            >>> x = SparseCounts(torch.tensor([0, 2, 1]), torch.ones(3), torch.tensor([0, 1, 3]), vocabulary_size=3)
            >>> x.rows(slice(1, 2), slice(1, 3)).indices
            tensor([2, 1])
        """
        offsets = self.offsets[some.start : some.stop + 1] - stored.start
        return SparseCounts(self.indices[stored], self.values[stored], offsets, self.vocabulary_size)

    def select(self, rows: Tensor, n_stored: int) -> "SparseCounts":
        """Copy some of the documents, in the order given.

        Arguments:
            rows: `[N]` int64, which. n_stored: how many counts are theirs, for which a device would have to be waited.

        Example:
            >>> x = SparseCounts(torch.tensor([0, 2, 1]), torch.ones(3), torch.tensor([0, 1, 3]), vocabulary_size=3)
            >>> chosen = x.select(torch.tensor([1, 0]), 3)
            >>> chosen.indices, chosen.offsets
            (tensor([2, 1, 0]), tensor([0, 2, 3]))
        """
        starts = self.offsets[rows]
        offsets = functional.pad((self.offsets[rows + 1] - starts).cumsum(0), (1, 0))
        # Each stored count's place: its document's first one, and how far it is from where that document now begins.
        shift = torch.repeat_interleave(starts - offsets[:-1], offsets.diff(), output_size=n_stored)
        places = torch.arange(n_stored, device=rows.device) + shift
        return SparseCounts(self.indices[places], self.values[places], offsets, self.vocabulary_size)

    @cached_property
    def lengths(self) -> Tensor:
        """Tokens of each document, `[B]`."""
        return self.sum_over_words(self.values[None])[0]

    @cached_property
    def documents(self) -> Tensor:
        """The document of each stored count, `[nnz]` int64."""
        numbers = torch.arange(len(self), device=self.offsets.device)
        # Told how many there will be, a device need not be waited for.
        return torch.repeat_interleave(numbers, self.offsets.diff(), output_size=len(self.indices))

    def sum_over_words(self, values: Tensor) -> Tensor:
        """Add up a number for each stored count, document by document, `[S, nnz] -> [S, B]`."""
        return values.new_zeros(len(values), len(self)).index_add(1, self.documents, values)

    def matmul(self, weight: Tensor) -> Tensor:
        """Multiply the counts by a dense matrix: x W, `[B, V] @ [V, K] -> [B, K]`, differentiable in W."""
        return _Product.apply(self, weight)

    @cached_property
    def transposed(self) -> "SparseCounts":
        """The same counts word after word, `[V, B]`: sorted once for all the gradients of a batch."""
        order = self.indices.argsort(stable=True)
        # bincount would do as well, but looks at the largest index first, for which a device would have to be waited.
        sizes = self.offsets.new_zeros(self.vocabulary_size + 1)
        offsets = sizes.index_add_(0, self.indices + 1, torch.ones_like(self.indices)).cumsum(0)
        return SparseCounts(self.documents[order], self.values[order], offsets, len(self))

    def log1p(self) -> "SparseCounts":
        """Replace each count x by log(1 + x); zeros stay zeros."""
        return replace(self, values=self.values.log1p())


class _Product(torch.autograd.Function):
    """x W, whose gradient x^T g is the same kind of product, of the transposed counts."""

    @staticmethod
    def forward(ctx, counts: SparseCounts, weight: Tensor) -> Tensor:
        ctx.counts = counts
        return _product(counts, weight)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor]:
        return None, _product(ctx.counts.transposed, gradient.contiguous())


def _product(counts: SparseCounts, weight: Tensor) -> Tensor:
    return functional.embedding_bag(
        counts.indices, weight, counts.offsets, mode="sum", per_sample_weights=counts.values, include_last_offset=True
    )
