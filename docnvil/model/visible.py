"""Visible layers: p(x | h1), and the properties of the data that depend on it.

`VISIBLE_LAYERS` maps the setting `observation` to a class; `model.generative.visible` is the layer of a network. Other
modules use their attributes and methods, and do not depend on the type of the layer.

Axes: S samples, B documents of a batch, N documents, V words or bits, K units. Unit: nats.
"""

import math
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from torch import Tensor, nn

from docnvil.errors import CorpusError
from docnvil.model.distributions import Bits, DirichletMultinomialWords, SoftmaxWords
from docnvil.model.null_models import DirichletMultinomialNullModel, IndependentNullModel, NullModel
from docnvil.model.settings import Observation

VisibleDistribution = SoftmaxWords | DirichletMultinomialWords | Bits
INITIAL_CONCENTRATION = 200.0  # A; close to the softmax layer, and training finds how bursty the words are
# The count added to each word for the initial bias; otherwise rare words would be expected too rarely. If one document
# at a time is left out, 1.4 to 2.3 predicts best in corpora of 200 to 11,000 documents.
SMOOTHING = 1.5
PSEUDO_COUNT = 0.01  # the count of a word that does not occur in the training documents, in the null model


class VisibleLayer(nn.Module):
    """A visible layer with logits W h + b; calling it with units returns p(x | h1)."""

    observation: ClassVar[Observation]  # the value of the setting that selects this layer
    name: ClassVar[str]  # the name of the distribution in reports
    document_noun: ClassVar[str]  # what a row of the data is called in messages
    word_noun: ClassVar[str]  # what a column of the data is called
    empty_is_data: ClassVar[bool]  # whether a row of zeros is data; an empty document is not, and is left out
    reports_perplexity: ClassVar[bool]  # whether evaluation reports perplexity, or else nats per document
    supports_completion: ClassVar[bool]  # whether the distribution has `predict`
    samples_are_images: ClassVar[bool]  # whether samples are shown as images, or else as words
    has_concentration: ClassVar[bool] = False  # whether words recur in a document, as `log_concentration` says

    def __init__(self, n_units: int, vocabulary_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocabulary_size, n_units))
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    @classmethod
    def check_counts(cls, counts: csr_array | csr_matrix) -> None:
        """Raise a CorpusError if the layer cannot model these counts, `[N, V]`."""

    @classmethod
    def document_lengths(cls, token_counts: NDArray[np.number], vocabulary_size: int) -> NDArray[np.float64]:
        """Return the number of draws of each document, `[N]`, from its number of tokens, `[N]`, and V."""
        raise NotImplementedError

    @classmethod
    def initial_bias(cls, column_sums: Tensor, n_documents: int) -> Tensor:
        """Return the bias, `[V]`, with which the layer without units predicts the frequencies of the training data.

        `column_sums`, `[V]`, says how often each word occurs, or each bit is set, in N documents of training data.
        """
        raise NotImplementedError

    @classmethod
    def null_model(cls, column_sums: NDArray[np.float64], n_documents: int) -> IndependentNullModel:
        """Return the model of independent words or bits; the arguments are those of `initial_bias`."""
        raise NotImplementedError

    @classmethod
    def without_units(
        cls, column_sums: NDArray[np.float64], n_documents: int, concentration: float = math.inf
    ) -> NullModel:
        """Return this layer without units, with the frequencies of the training data and a given concentration.

        Layers without a concentration are the model of independent words or bits.
        """
        return cls.null_model(column_sums, n_documents)


class WordLayer(VisibleLayer):
    """A visible layer over words, a document being a sequence of words."""

    document_noun, word_noun = "document", "word"
    empty_is_data = False
    reports_perplexity = True
    supports_completion = True
    samples_are_images = False

    @classmethod
    def document_lengths(cls, token_counts: NDArray[np.number], vocabulary_size: int) -> NDArray[np.float64]:
        """Return the number of tokens of each document, `[N]`."""
        return token_counts.astype(np.float64)

    @classmethod
    def initial_bias(cls, column_sums: Tensor, n_documents: int | None = None) -> Tensor:
        """Return b_w = log(f_w + 3/2) less its mean; words absent from training keep a probability above zero.

        Example:
            >>> WordLayer.initial_bias(torch.tensor([9.5, 9.5, 9.5]))
            tensor([0., 0., 0.])
        """
        bias = torch.log(column_sums + SMOOTHING)
        return bias - bias.mean()

    @classmethod
    def null_model(
        cls, column_sums: NDArray[np.float64], n_documents: int | None = None, pseudo_count: float = PSEUDO_COUNT
    ) -> IndependentNullModel:
        """Return the unigram model: p(w) is proportional to how often w occurs in training, plus a pseudo-count.

        Example:
            >>> WordLayer.null_model(np.array([5.0, 15.0]), pseudo_count=0).weight.round(3).tolist()
            [-1.386, -0.288]
        """
        frequencies = column_sums + pseudo_count
        return IndependentNullModel(np.log(frequencies / frequencies.sum()), 0.0)


class SoftmaxLayer(WordLayer):
    """Words drawn independently from softmax(W h + b), with the same weights at all positions."""

    observation = "softmax"
    name = "softmax"

    def forward(self, samples: Tensor) -> SoftmaxWords:
        """Return p(x | h1) for units `[..., K]`."""
        return SoftmaxWords(samples, self.weight, self.bias)


class DirichletMultinomialLayer(WordLayer):
    """Words with burstiness, from a Dirichlet-multinomial with concentrations exp(s) softmax(W h + b)."""

    observation = "dirichlet-multinomial"
    name = "Dirichlet-multinomial"
    has_concentration = True

    def __init__(self, n_units: int, vocabulary_size: int) -> None:
        super().__init__(n_units, vocabulary_size)
        self.log_concentration = nn.Parameter(torch.tensor(INITIAL_CONCENTRATION).log())

    def forward(self, samples: Tensor) -> DirichletMultinomialWords:
        """Return p(x | h1) for units `[..., K]`."""
        return DirichletMultinomialWords(samples, self.weight, self.bias, self.log_concentration)

    @classmethod
    def without_units(
        cls, column_sums: NDArray[np.float64], n_documents: int, concentration: float = math.inf
    ) -> NullModel:
        """Return a Dirichlet-multinomial with the same concentrations for all documents; unigram if A is infinite.

        Example:
            >>> DirichletMultinomialLayer.without_units(np.array([5.0, 15.0]), 9, 8.0).probability.round(2)
            array([0.25, 0.75])
        """
        unigram = cls.null_model(column_sums, n_documents)
        if math.isinf(concentration):
            return unigram
        return DirichletMultinomialNullModel(np.exp(unigram.weight), concentration)


class BernoulliLayer(VisibleLayer):
    """Binary vectors: one logistic regression on the units per bit."""

    observation = "bernoulli"
    name = "Bernoulli"
    document_noun, word_noun = "vector", "bit"
    empty_is_data = True
    reports_perplexity = False
    supports_completion = False
    samples_are_images = True

    def forward(self, samples: Tensor) -> Bits:
        """Return p(x | h1) for units `[..., K]`."""
        return Bits(samples, self.weight, self.bias)

    @classmethod
    def check_counts(cls, counts: csr_array | csr_matrix) -> None:
        """Raise a CorpusError unless all counts, `[N, V]`, are zero or one."""
        others = counts.data[counts.data != 1]
        if len(others):
            raise CorpusError(
                f"A model of binary vectors needs zeros and ones, but there is a count of {others[0]}."
                " Binarize the counts, or use the observation 'softmax'."
            )

    @classmethod
    def document_lengths(cls, token_counts: NDArray[np.number], vocabulary_size: int) -> NDArray[np.float64]:
        """Return V for each vector, `[N]`."""
        return np.full(len(token_counts), float(vocabulary_size))

    @classmethod
    def initial_bias(cls, column_sums: Tensor, n_documents: int) -> Tensor:
        """Return b_v = log((n_v + 1/2) / (N - n_v + 1/2)); both values of a bit keep a probability above zero.

        Example:
            >>> BernoulliLayer.initial_bias(torch.tensor([5.0, 10.0]), 10).sigmoid()
            tensor([0.5000, 0.9545])
        """
        return torch.log((column_sums + 0.5) / (n_documents - column_sums + 0.5))

    @classmethod
    def null_model(cls, column_sums: NDArray[np.float64], n_documents: int) -> IndependentNullModel:
        """Return independent bits, each set as often as in training: log p(x) = x . b - sum_v log(1 + exp(b_v)).

        Example:
            >>> BernoulliLayer.null_model(np.array([5.0, 5.0]), 10).log_prob(csr_array(np.array([[0, 1]]))).round(3)
            array([-1.386])
        """
        logits = cls.initial_bias(torch.from_numpy(column_sums), n_documents).numpy()
        return IndependentNullModel(logits, -float(np.logaddexp(0, logits).sum()))


class AutoregressiveBernoulliLayer(BernoulliLayer):
    """Binary vectors in which each bit also depends on the bits before it, through lateral weights (DARN).

    Source: Gregor et al. (2014), *Deep autoregressive networks*, section 3.
    """

    observation = "autoregressive-bernoulli"
    name = "autoregressive Bernoulli"

    def __init__(self, n_units: int, vocabulary_size: int) -> None:
        super().__init__(n_units, vocabulary_size)
        self.lateral = nn.Parameter(torch.zeros(vocabulary_size, vocabulary_size))

    def forward(self, samples: Tensor) -> Bits:
        """Return p(x | h1) for units `[..., K]`."""
        return Bits(samples, self.weight, self.bias, self.lateral)


_LAYERS = (SoftmaxLayer, DirichletMultinomialLayer, BernoulliLayer, AutoregressiveBernoulliLayer)
VISIBLE_LAYERS: dict[str, type[VisibleLayer]] = {layer.observation: layer for layer in _LAYERS}
