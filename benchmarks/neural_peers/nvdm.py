"""NVDM, the neural variational document model: Gaussian codes and a softmax over words.

Source: Miao, Yu & Blunsom (2016), *Neural variational inference for text processing*, sections 3 and 5. The recognition
network has two layers of 500 ReLU units. The authors alternate updates of the two networks; here both are updated
together, and the bias of the softmax starts at the word frequencies.
"""

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from docnvil.model.layers import SparseLinear
from docnvil.model.sparse import SparseCounts
from neural_peers.gaussian import GaussianTopicModel

HIDDEN = 500


class NVDM(GaussianTopicModel):
    """p(x | z) = softmax(R z + b) with z standard normal.

    Arguments:
        vocabulary_size: V.
        n_topics: K.
        frequencies: `[V]`, counts of the words in the training documents.
        generator: for the initial weights.
        dropout: dropout probability of the last hidden layer.
    """

    def __init__(
        self, vocabulary_size: int, n_topics: int, frequencies: Tensor, generator: torch.Generator, dropout: float = 0.0
    ) -> None:
        super().__init__(prior_variance=1.0)
        self.read = SparseLinear(vocabulary_size, HIDDEN, "log1p")  # raw counts would give long documents huge codes
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.mean, self.log_variance = nn.Linear(HIDDEN, n_topics), nn.Linear(HIDDEN, n_topics)
        self.words = nn.Linear(n_topics, vocabulary_size)
        for layer in (self.read, self.hidden, self.mean, self.words):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.log_variance.weight)  # as the authors initialize it
        nn.init.zeros_(self.log_variance.bias)
        with torch.no_grad():
            self.words.bias.copy_(((frequencies + 0.01) / (frequencies + 0.01).sum()).log())

    def posterior(self, counts: SparseCounts) -> Normal:
        """Return q(z | x), `[B, K]`."""
        hidden = self.dropout(torch.relu(self.hidden(torch.relu(self.read(counts)))))
        return Normal(self.mean(hidden), torch.exp(0.5 * self.log_variance(hidden)))

    def logits(self, codes: Tensor) -> Tensor:
        """Return the logits of words given codes, `[..., K] -> [..., V]`."""
        return self.words(codes)

    @property
    def weight(self) -> Tensor:
        """R, `[K, V]`."""
        return self.words.weight.T
