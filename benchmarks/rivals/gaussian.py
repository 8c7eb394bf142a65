"""What the neural rivals share: topic models with Gaussian codes, p(z) p(x | z), and their variational bound.

    log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || p(z))

with q(z | x) a diagonal Gaussian whose samples are mean + deviation x noise, so that gradients go through them
(Kingma & Welling 2014). Documents come as the sparse batches that docnvil itself trains on.

Axes: S samples, B documents of a batch, N documents, V words, K dimensions of the code. Unit: nats.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from docnvil.analysis.perplexity import DocumentBounds
from docnvil.batches import iterate_batches
from docnvil.errors import VocabularyError
from docnvil.model.sparse import SparseCounts
from docnvil.nvil.bounds import importance_weighted_bound

BATCH_SIZE = 100
SAMPLES_OF_BOUND = 20  # as Miao et al. (2016) evaluate
SAMPLES_OF_PREDICTION = 100  # as docnvil completes documents
SAMPLES_IN_FLIGHT = 10


class GaussianTopicModel(nn.Module):
    """A rival says what q(z | x) is and what the logits of words given z are; the rest follows.

    Arguments:
        prior_variance: of every dimension of p(z), whose mean is zero.
    """

    def __init__(self, prior_variance: float) -> None:
        super().__init__()
        self.register_buffer("prior_deviation", torch.tensor(math.sqrt(prior_variance)))

    def posterior(self, counts: SparseCounts) -> Normal:
        """Return q(z | x), `[B, K]`."""
        raise NotImplementedError

    def logits(self, codes: Tensor) -> Tensor:
        """Return the logits of words given codes, `[..., K] -> [..., V]`."""
        raise NotImplementedError

    @property
    def weight(self) -> Tensor:
        """How much each dimension of the code speaks for each word, `[K, V]`: what its authors read topics off."""
        raise NotImplementedError

    @property
    def prior(self) -> Normal:
        """p(z), alike in every dimension."""
        return Normal(torch.zeros_like(self.prior_deviation), self.prior_deviation)

    def reconstruction(self, counts: SparseCounts, codes: Tensor) -> Tensor:
        """Return log p(x | z), `[S, B]`, without the multinomial coefficient, as everywhere in docnvil."""
        log_probability = torch.log_softmax(self.logits(codes), -1)  # [S, B, V]
        return counts.sum_over_words(log_probability[:, counts.documents, counts.indices] * counts.values)

    def kl(self, posterior: Normal) -> Tensor:
        """Return KL(q(z | x) || p(z)), `[B]`, exactly."""
        return kl_divergence(posterior, self.prior).sum(-1)


def draw(posterior: Normal, n_samples: int, generator: torch.Generator) -> Tensor:
    """Draw codes `[S, B, K]` from q(z | x), differentiable in it."""
    shape = (n_samples, *posterior.mean.shape)
    return posterior.mean + posterior.stddev * torch.randn(shape, generator=generator)


@dataclass(frozen=True)
class RivalTopics:
    """A trained rival as `docnvil.comparison.runner` sees models.

    Arguments:
        model: trained. seed: of what is drawn to predict.
    """

    model: GaussianTopicModel
    seed: int = 0

    @property
    def topics(self) -> NDArray[np.float64]:
        """Each dimension's words: softmax of its weights, `[K, V]`."""
        return torch.softmax(self.model.weight.detach().double(), -1).numpy()

    @torch.no_grad()
    def encode(self, counts: csr_array) -> NDArray[np.floating]:
        """Return the mean of q(z | x), `[N, K]`."""
        batches = _batches(self.model, counts, BATCH_SIZE)
        return torch.cat([self.model.posterior(batch).mean for batch in batches]).numpy()

    @torch.no_grad()
    def predict(self, counts: csr_array) -> NDArray[np.float64]:
        """Return p(w | x), `[B, V]`: a mean over samples of q, weighted by importance, as docnvil's own predictions."""
        (batch,) = _batches(self.model, counts, counts.shape[0])
        posterior = self.model.posterior(batch)
        codes = draw(posterior, SAMPLES_OF_PREDICTION, torch.Generator().manual_seed(self.seed))
        log_p, log_q = _log_probabilities(self.model, batch, codes, posterior)
        weights = torch.softmax(log_p - log_q, 0)  # [S, B]
        mean = torch.zeros(counts.shape, dtype=torch.float64)
        for some, weight in zip(codes.split(SAMPLES_IN_FLIGHT), weights.split(SAMPLES_IN_FLIGHT), strict=True):
            mean += (weight[..., None] * torch.softmax(self.model.logits(some), -1)).sum(0)
        return mean.numpy()

    def words(self, vocabulary_size: int = 10) -> list[list[int]]:
        """Return the columns of the words of the largest weights, best first, as the rivals' authors list them."""
        return self.model.weight.detach().topk(vocabulary_size, -1).indices.tolist()


@torch.no_grad()
def bounds(
    model: GaussianTopicModel,
    counts: csr_array,
    *,
    n_samples: int = SAMPLES_OF_BOUND,
    seed: int = 0,
    tighter: bool = False,
) -> DocumentBounds:
    """Bound log p(x) of each document, by the rival's own bound, or `tighter` by the importance-weighted one."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for batch in _batches(model, counts, BATCH_SIZE):
        posterior = model.posterior(batch)
        codes = draw(posterior, n_samples, generator)
        kl = model.kl(posterior).double()
        if tighter:
            log_likelihood = importance_weighted_bound(*_log_probabilities(model, batch, codes, posterior))
            reconstruction = log_likelihood + kl
        else:
            some = (model.reconstruction(batch, part).double() for part in codes.split(SAMPLES_IN_FLIGHT))
            reconstruction = torch.cat(list(some)).mean(0)
            log_likelihood = reconstruction - kl
        parts.append(torch.stack([log_likelihood, reconstruction, kl]))
    filled = np.diff(counts.indptr) > 0
    lengths = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    return DocumentBounds(*(part * filled for part in torch.cat(parts, 1).numpy()), lengths)


def _log_probabilities(
    model: GaussianTopicModel, counts: SparseCounts, codes: Tensor, posterior: Normal
) -> tuple[Tensor, Tensor]:
    """Return log p(x, z) and log q(z | x), `[S, B]`, in double precision, some samples at a time."""
    of_words = torch.cat([model.reconstruction(counts, some).double() for some in codes.split(SAMPLES_IN_FLIGHT)])
    log_prior, log_q = (each.log_prob(codes).double().sum(-1) for each in (model.prior, posterior))
    return of_words + log_prior, log_q


def _batches(model: GaussianTopicModel, counts: csr_array, size: int) -> Iterator[SparseCounts]:
    if counts.shape[1] != model.weight.shape[1]:
        raise VocabularyError(f"The counts have {counts.shape[1]} columns and the rival {model.weight.shape[1]} words.")
    keys = np.zeros(counts.shape[0], dtype=np.int64)  # nothing keyed is drawn
    for batch in iterate_batches(
        counts, size, keys=keys, device=model.prior_deviation.device, dtype=model.prior_deviation.dtype
    ):
        yield batch.counts
