"""ProdLDA: a product of experts (topics are mixed before the softmax) with a Laplace-approximated Dirichlet prior.

Source: Srivastava & Sutton (2017), *Autoencoding variational inference for topic models*, sections 3 and 4. Two layers
of 100 softplus units, batch normalization of mean, log-variance and logits, dropout on the last hidden layer and on the
proportions, and a Dirichlet prior with alpha = 1, as in the authors' code.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from docnvil.model.layers import SparseLinear
from docnvil.model.sparse import SparseCounts
from neural_peers.gaussian import GaussianTopicModel

HIDDEN = 100
ALPHA = 1.0


class ProdLDA(GaussianTopicModel):
    """p(x | z) = softmax(norm(beta softmax(z))), where softmax(z) are the topic proportions.

    Arguments:
        vocabulary_size: V.
        n_topics: K.
        frequencies: `[V]`, unused, because batch normalization has its own bias.
        generator: for the initial weights.
        dropout: dropout probability of the last hidden layer and of the proportions.
    """

    def __init__(
        self, vocabulary_size: int, n_topics: int, frequencies: Tensor, generator: torch.Generator, dropout: float = 0.2
    ) -> None:
        # The variance of the Laplace approximation of a symmetric Dirichlet in the softmax basis (their equation 2).
        super().__init__(prior_variance=(1 - 2 / n_topics) / ALPHA + 1 / (n_topics * ALPHA))
        self.read = SparseLinear(vocabulary_size, HIDDEN, "log1p")
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.mean, self.log_variance = nn.Linear(HIDDEN, n_topics), nn.Linear(HIDDEN, n_topics)
        self.mean_norm, self.log_variance_norm = (nn.BatchNorm1d(n_topics) for _ in range(2))
        self.words = nn.Linear(n_topics, vocabulary_size, bias=False)
        self.words_norm = nn.BatchNorm1d(vocabulary_size)
        for layer in (self.read, self.hidden, self.mean, self.log_variance, self.words):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
        for layer in (self.read, self.hidden, self.mean, self.log_variance):
            nn.init.zeros_(layer.bias)
        for norm in (self.mean_norm, self.log_variance_norm, self.words_norm):
            norm.weight.requires_grad_(False)  # shifted but not scaled, as in the authors' code

    def posterior(self, counts: SparseCounts) -> Normal:
        """Return q(z | x), `[B, K]`."""
        hidden = self.dropout(softplus(self.hidden(softplus(self.read(counts)))))
        log_variance = self.log_variance_norm(self.log_variance(hidden))
        return Normal(self.mean_norm(self.mean(hidden)), torch.exp(0.5 * log_variance))

    def logits(self, codes: Tensor) -> Tensor:
        """Return the logits of words given codes, `[..., K] -> [..., V]`."""
        mixed = self.words(self.dropout(torch.softmax(codes, -1)))
        return self.words_norm(mixed.reshape(-1, mixed.shape[-1])).reshape(mixed.shape)

    @property
    def weight(self) -> Tensor:
        """Beta, `[K, V]`."""
        return self.words.weight.T
