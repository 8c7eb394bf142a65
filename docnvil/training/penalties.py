"""Penalties of training, on a scale that means the same for any corpus.

Axes: N documents, B documents of a batch, V words, K units. Unit: nats.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from docnvil.runtime.device_operations import operations
from docnvil.training.seed_words import SeedColumns
from docnvil.training.settings import TrainingConfig

# A document of this many tokens or more tells a unit from noise at the full penalty; a shorter one has fewer nats to
# gain from a unit, so the penalties on units shrink in proportion.
FULL_LENGTH = 50.0
# The prior on output weights counts once for the whole corpus. In fewer documents than this it would hide what they
# say: 800 documents of 20 Newsgroups are completed 3 % better with half of the prior, 200 documents 1 % with an eighth.
FULL_DOCUMENTS = 1500
SEED_TARGET = 2.0  # log-odds: a seed word is about seven times as frequent where its unit is on
SEED_TOKEN_SHARE = 0.2  # of a seed word's tokens, as how many the prior counts
CACHED_NUMBERS = 1 << 16  # 256 KB of numbers fit into a processor's cache


@dataclass(frozen=True)
class Penalties:
    """The strengths of the penalties for one corpus.

    Arguments:
        sparsity: nats per active unit of a document.
        l1: strength of the Laplace prior on each output weight, for the whole corpus.
        exclusivity: `[V]`, nats per document for each product of two units' positive weights of a word; None for none.
        n_documents: N; a batch adds its share of the gradient of the priors on weights.
        seeds: the prior on the weights of seed words; None without seed words.
    """

    sparsity: float
    l1: float
    exclusivity: Tensor | None
    n_documents: int
    seeds: "SeedPrior | None" = None

    @classmethod
    def of_corpus(
        cls,
        config: TrainingConfig,
        frequencies: NDArray[np.float64],
        n_documents: int,
        like: Tensor,
        seeds: SeedColumns = (),
    ) -> "Penalties":
        """Return the strengths for N training documents, with the device and number type of a tensor.

        `frequencies`, `[V]`, says how often each word occurs in them, and `seeds` which columns units start with.
        """
        n_tokens = max(1.0, float(frequencies.sum()))
        length = min(FULL_LENGTH, n_tokens / max(1, n_documents))
        scale = length / FULL_LENGTH
        exclusivity = None
        if config.exclusivity:
            exclusivity = torch.from_numpy(config.exclusivity * scale * length * frequencies / n_tokens).to(like)
        prior = SeedPrior.of_columns(seeds, frequencies, like) if seeds else None
        l1 = config.l1 * scale * min(1, n_documents / FULL_DOCUMENTS)
        return cls(config.sparsity * scale, l1, exclusivity, n_documents, prior)

    def add_gradient(self, weight: nn.Parameter, n_batch: int, penalty_scale: float | Tensor) -> None:
        """Add the gradient of the penalties on the output weights, `[V, K]`, for a batch of documents.

        The prior counts once per epoch, so a batch of B documents adds B / N of its gradient.
        """
        if self.seeds is not None:
            self.seeds.add_gradient(weight, penalty_scale * n_batch / self.n_documents)
        if not self.l1 and self.exclusivity is None:
            return
        if isinstance(penalty_scale, Tensor):  # on a device
            l1, factor = self.l1 * n_batch / self.n_documents, penalty_scale
            operations().add_penalties(weight.grad, weight.detach(), self.exclusivity, n_batch, l1, factor)
            return
        l1 = self.l1 * penalty_scale * n_batch / self.n_documents
        n_rows = max(1, CACHED_NUMBERS // weight.shape[1])
        gradients, values = weight.grad.split(n_rows), weight.detach().split(n_rows)
        strengths = [None] * len(values)
        if self.exclusivity is not None:
            strengths = (self.exclusivity * (penalty_scale * n_batch)).split(n_rows)
        for gradient, value, strength in zip(gradients, values, strengths, strict=True):
            if l1:
                gradient.add_(value.sign(), alpha=l1)
            if strength is not None:
                positive = value.clamp(min=0)
                others = positive.sum(1, keepdim=True) - positive
                gradient.add_(others.mul_(strength[:, None]).mul_(positive.sign_()))


@dataclass(frozen=True)
class SeedPrior:
    """A prior on the output weights of seed words: at least T = `SEED_TARGET` in the word's unit, and 0 in others.

    Its negative log density is strength / 2 max(0, T - W)^2 in the word's unit and strength / 2 max(0, W)^2 in other
    units. The strength is as if a share of the word's tokens had been seen in documents with the unit on.

    Arguments:
        columns: `[M]`, the columns of the seed words.
        units: `[M]`, the unit of each.
        strength: `[M]`, nats per squared unit of weight.
    """

    columns: Tensor
    units: Tensor
    strength: Tensor

    @classmethod
    def of_columns(cls, seeds: SeedColumns, frequencies: NDArray[np.float64], like: Tensor) -> "SeedPrior":
        """Return the prior for the columns of each unit's seed words, with the device and number type of a tensor."""
        columns = torch.tensor([column for unit in seeds for column in unit], device=like.device)
        units = torch.tensor([unit for unit, each in enumerate(seeds) for _ in each], device=like.device)
        strength = torch.from_numpy(SEED_TOKEN_SHARE * frequencies[columns.cpu().numpy()]).to(like)
        return cls(columns, units, strength)

    def add_gradient(self, weight: nn.Parameter, share: float | Tensor) -> None:
        """Add a share of the gradient to that of the output weights, `[V, K]`."""
        values = weight.detach()[self.columns]  # [M, K]
        gradient = values.clamp(min=0)
        rows = torch.arange(len(self.columns), device=values.device)
        gradient[rows, self.units] = (values[rows, self.units] - SEED_TARGET).clamp(max=0)
        weight.grad.index_add_(0, self.columns, gradient * (self.strength * share)[:, None])
