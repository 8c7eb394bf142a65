"""Common base of the neural peers: topic models with Gaussian codes, p(z) p(x | z), and their variational bound.

    log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || p(z))

with q(z | x) a diagonal Gaussian and reparametrized samples, mean + deviation * noise (Kingma & Welling 2014).
Documents are the same sparse batches that docnvil trains on.

Axes: S samples, B documents of a batch, N documents, V vocabulary, K dimensions of the code. Unit: nats.
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
BOUND_SAMPLES = 20  # as in Miao et al. (2016)
PREDICTION_SAMPLES = 100  # as in docnvil's document completion
SAMPLES_PER_CHUNK = 10


class GaussianTopicModel(nn.Module):
    """Base class: subclasses define q(z | x) and the word logits given z.

    Arguments:
        prior_variance: variance of each dimension of p(z); its mean is zero.
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
        """Return the weight of each word in each code dimension, `[K, V]`, from which the authors read topics."""
        raise NotImplementedError

    @property
    def prior(self) -> Normal:
        """Return p(z), the same in every dimension."""
        return Normal(torch.zeros_like(self.prior_deviation), self.prior_deviation)

    def reconstruction(self, counts: SparseCounts, codes: Tensor) -> Tensor:
        """Return log p(x | z), `[S, B]`, without the multinomial coefficient, as in docnvil."""
        log_probability = torch.log_softmax(self.logits(codes), -1)  # [S, B, V]
        return counts.sum_over_words(log_probability[:, counts.documents, counts.indices] * counts.values)

    def kl(self, posterior: Normal) -> Tensor:
        """Return the exact KL(q(z | x) || p(z)), `[B]`."""
        return kl_divergence(posterior, self.prior).sum(-1)


def sample_posterior(posterior: Normal, n_samples: int, generator: torch.Generator) -> Tensor:
    """Draw reparametrized codes `[S, B, K]` from q(z | x)."""
    shape = (n_samples, *posterior.mean.shape)
    return posterior.mean + posterior.stddev * torch.randn(shape, generator=generator)


@dataclass(frozen=True)
class NeuralTopics:
    """Adapter that gives a trained neural peer the interface that `docnvil.comparison` expects.

    Arguments:
        model: trained model.
        seed: seed of the samples drawn for predictions.
    """

    model: GaussianTopicModel
    seed: int = 0

    @property
    def topics(self) -> NDArray[np.float64]:
        """Return the softmax of each dimension's weights, `[K, V]`."""
        return torch.softmax(self.model.weight.detach().double(), -1).numpy()

    @torch.no_grad()
    def encode(self, counts: csr_array) -> NDArray[np.floating]:
        """Return the mean of q(z | x), `[N, K]`."""
        batches = _batches(self.model, counts, BATCH_SIZE)
        return torch.cat([self.model.posterior(batch).mean for batch in batches]).numpy()

    @torch.no_grad()
    def predict(self, counts: csr_array) -> NDArray[np.float64]:
        """Return p(w | x), `[B, V]`: an importance-weighted mean over samples of q, as in docnvil."""
        (batch,) = _batches(self.model, counts, counts.shape[0])
        posterior = self.model.posterior(batch)
        codes = sample_posterior(posterior, PREDICTION_SAMPLES, torch.Generator().manual_seed(self.seed))
        log_p, log_q = _log_probabilities(self.model, batch, codes, posterior)
        weights = torch.softmax(log_p - log_q, 0)  # [S, B]
        mean = torch.zeros(counts.shape, dtype=torch.float64)
        for chunk, weight in zip(codes.split(SAMPLES_PER_CHUNK), weights.split(SAMPLES_PER_CHUNK), strict=True):
            mean += (weight[..., None] * torch.softmax(self.model.logits(chunk), -1)).sum(0)
        return mean.numpy()

    def words(self, top_n: int = 10) -> list[list[int]]:
        """Return the columns of the words with the largest weights, best first, as the authors list them."""
        return self.model.weight.detach().topk(top_n, -1).indices.tolist()


@torch.no_grad()
def bounds(
    model: GaussianTopicModel,
    counts: csr_array,
    *,
    n_samples: int = BOUND_SAMPLES,
    seed: int = 0,
    importance_weighted: bool = False,
) -> DocumentBounds:
    """Return a lower bound of log p(x) for each document: the ELBO, or the tighter importance-weighted bound.

    Arguments:
        model: trained model.
        counts: documents, `[N, V]`.
        n_samples: S, samples per document.
        seed: seed of the samples.
        importance_weighted: use the importance-weighted bound.
    """
    generator = torch.Generator().manual_seed(seed)
    chunks = []
    for batch in _batches(model, counts, BATCH_SIZE):
        posterior = model.posterior(batch)
        codes = sample_posterior(posterior, n_samples, generator)
        kl = model.kl(posterior).double()
        if importance_weighted:
            log_likelihood = importance_weighted_bound(*_log_probabilities(model, batch, codes, posterior))
            reconstruction = log_likelihood + kl
        else:
            terms = [model.reconstruction(batch, chunk).double() for chunk in codes.split(SAMPLES_PER_CHUNK)]
            reconstruction = torch.cat(terms).mean(0)
            log_likelihood = reconstruction - kl
        chunks.append(torch.stack([log_likelihood, reconstruction, kl]))
    nonempty = np.diff(counts.indptr) > 0
    lengths = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    bound = "importance" if importance_weighted else "elbo"
    return DocumentBounds(*(torch.cat(chunks, 1).numpy() * nonempty), lengths, bound, n_samples)


def _log_probabilities(
    model: GaussianTopicModel, counts: SparseCounts, codes: Tensor, posterior: Normal
) -> tuple[Tensor, Tensor]:
    """Return log p(x, z) and log q(z | x), `[S, B]`, in double precision, one chunk of samples at a time."""
    log_words = torch.cat([model.reconstruction(counts, chunk).double() for chunk in codes.split(SAMPLES_PER_CHUNK)])
    log_prior, log_q = (each.log_prob(codes).double().sum(-1) for each in (model.prior, posterior))
    return log_words + log_prior, log_q


def _batches(model: GaussianTopicModel, counts: csr_array, size: int) -> Iterator[SparseCounts]:
    if counts.shape[1] != model.weight.shape[1]:
        raise VocabularyError(
            f"The counts have {counts.shape[1]} columns, but the model has {model.weight.shape[1]} words."
        )
    keys = np.zeros(counts.shape[0], dtype=np.int64)  # no keyed random numbers are drawn
    like = model.prior_deviation
    for batch in iterate_batches(counts, size, keys=keys, device=like.device, dtype=like.dtype):
        yield batch.counts
