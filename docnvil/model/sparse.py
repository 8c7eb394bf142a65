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
        n_words: V.

    Example:
        Two documents over three words: the first has word 0 twice and word 2 once, the second is empty.

        >>> x = SparseCounts(torch.tensor([0, 2]), torch.tensor([2.0, 1.0]), torch.tensor([0, 2, 2]), n_words=3)
        >>> x.lengths
        tensor([3., 0.])
        >>> x.matmul(torch.eye(3))
        tensor([[2., 0., 1.],
                [0., 0., 0.]])
    """

    indices: Tensor
    values: Tensor
    offsets: Tensor
    n_words: int

    @classmethod
    def from_dense(cls, rows: Tensor) -> "SparseCounts":
        """Keep what is not zero of `[B, V]`; for what has been drawn dense, a batch at a time."""
        documents, indices = rows.nonzero(as_tuple=True)
        starts = torch.arange(len(rows) + 1, device=rows.device)
        return cls(indices, rows[documents, indices], torch.searchsorted(documents, starts), rows.shape[1])

    def __len__(self) -> int:
        """Return B, the number of documents."""
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> Tensor:
        """Tokens of each document, `[B]`."""
        return self.sum_over_words(self.values[None])[0]

    @cached_property
    def documents(self) -> Tensor:
        """The document of each stored count, `[nnz]` int64."""
        return torch.repeat_interleave(torch.arange(len(self), device=self.offsets.device), self.offsets.diff())

    def sum_over_words(self, values: Tensor) -> Tensor:
        """Add up a number for each stored count, document by document, `[S, nnz] -> [S, B]`."""
        return values.new_zeros(len(values), len(self)).index_add(1, self.documents, values)

    def matmul(self, weight: Tensor) -> Tensor:
        """Multiply the counts by a dense matrix: x W, `[B, V] @ [V, K] -> [B, K]`, differentiable in W."""
        return functional.embedding_bag(
            self.indices, weight, self.offsets, mode="sum", per_sample_weights=self.values, include_last_offset=True
        )

    def log1p(self) -> "SparseCounts":
        """Replace each count x by log(1 + x); zeros stay zeros."""
        return replace(self, values=self.values.log1p())
