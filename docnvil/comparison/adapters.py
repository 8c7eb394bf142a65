"""Adapters that give the topic models of several packages a common interface.

Packages differ in their input and in the order of their columns. scikit-learn takes `[N, V]` matrices; gensim takes
lists of (id, count) pairs (its `corpus2csc` gives the transpose) with columns in the order of its dictionary; tomotopy
takes lists of words and has its own order of columns. With an adapter, all take `[N, V]` counts in one order.

Axes: N documents, B documents of a batch, V vocabulary, K topics or units.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from scipy.special import rel_entr, softmax

from docnvil.analysis.completion import predict_words
from docnvil.analysis.concentration import fit_concentration
from docnvil.comparison.lda_inference import infer_proportions
from docnvil.errors import ConfigurationError, VocabularyError, counted
from docnvil.estimator import DocNVIL
from docnvil.model.null_models import NullModel
from docnvil.model.visible import DirichletMultinomialLayer
from docnvil.schema import check_whole
from docnvil.text.sparse import column_sums
from docnvil.training.fitted_model import FittedModel

Ranking = Literal["by relevance", "by probability"]

PSEUDO_COUNT = 0.01  # added to the count of each word in the unigram model; as in `unigram_perplexity`
TOMOTOPY_SWEEPS = 100  # Gibbs sweeps over a new document, tomotopy's default
NMF_SMOOTHING = 0.01  # uniform share of predictions: a probability of 0 would dominate the perplexity of a corpus


class TopicModel(Protocol):
    """A model that predicts words, encodes documents, and has topics."""

    @property
    def topics(self) -> NDArray[np.float64]:
        """Return the probability of each word in each topic, `[K, V]`."""

    def predict(self, counts: csr_array) -> NDArray[np.float64]:
        """Return the probability of each word to come next in each document, `[B, V]`; rows sum to 1."""

    def encode(self, counts: csr_array) -> NDArray[np.floating]:
        """Return a code for each document, `[N, K]`."""

    def words(self, top_n: int = 10) -> list[list[int]]:
        """Return the columns of each topic's top words, best first."""


@dataclass(frozen=True)
class MixtureOfTopics:
    """A model whose documents are mixtures of topics: p(w | x) = sum_k theta_k(x) p(w | k)."""

    topics: NDArray[np.float64]  # p(w | k), [K, V]; rows sum to 1
    mixture: Callable[[csr_array], NDArray[np.floating]]  # theta: counts [N, V] to proportions [N, K], rows sum to 1
    smoothing: float = 0.0  # weight of the uniform distribution in each prediction
    alpha: NDArray[np.float64] | None = None  # prior of theta, [K]: predictions then use `infer_proportions`

    def predict(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return p(w | x) for each document, `[B, V]`; the result is dense, so pass a batch."""
        mixed = self.proportions(counts) @ self.topics
        return (1 - self.smoothing) * mixed + self.smoothing / self.topics.shape[1]

    def proportions(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return the topic proportions of each document with which the model predicts best, `[N, K]`.

        For LDA, they are the means found by `infer_proportions`, and otherwise those of `encode`.
        """
        if self.alpha is None:
            return self.encode(counts).astype(np.float64)
        self._check_width(counts)
        return infer_proportions(csr_array(counts), self.topics, self.alpha)

    def encode(self, counts: csr_array | csr_matrix) -> NDArray[np.floating]:
        """Return the topic proportions of each document, `[N, K]`, by the inference of the model's package.

        Raises:
            VocabularyError: the counts and the topics have different numbers of columns.
        """
        self._check_width(counts)
        return self.mixture(csr_array(counts))

    def _check_width(self, counts: csr_array | csr_matrix) -> None:
        if counts.shape[1] != self.topics.shape[1]:
            raise VocabularyError(
                f"The counts have {counted(counts.shape[1], 'column')}, but the topics have"
                f" {counted(self.topics.shape[1], 'word')}. Pass documents as rows and words as columns, in the order"
                " that the model was fitted with."
            )

    def words(self, top_n: int = 10, ranking: Ranking = "by relevance") -> list[list[int]]:
        """Return the columns of each topic's top words, best first; only words with a positive score.

        Words are ranked by probability p(w | k), or by relevance p(w | k) log(p(w | k) / p(w)), where p(w) is the mean
        over topics; relevance prefers words that are specific to a topic.

        Example:
            >>> model = MixtureOfTopics(np.array([[0.6, 0.3, 0.1], [0.6, 0.1, 0.3]]), lambda counts: counts)
            >>> model.words(1, "by probability"), model.words(1, "by relevance")
            ([[0], [0]], [[1], [2]])
        """
        top_n = check_whole("top_n", top_n)
        scores = self.topics if ranking == "by probability" else rel_entr(self.topics, self.topics.mean(axis=0))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top_n]
        return [columns[scores[topic, columns] > 0].tolist() for topic, columns in enumerate(best)]


@dataclass(frozen=True)
class BeliefNetworkTopics:
    """docnvil's own model with the interface of a `TopicModel`: codes are probabilities of units, not proportions."""

    model: FittedModel
    n_samples: int = 100  # per document, for predictions
    seed: int = 0  # of these samples

    @property
    def topics(self) -> NDArray[np.float64]:
        """Return p(w | only unit k is on) = softmax(b + W_k), `[K, V]`, for the K units of the first layer."""
        visible = self.model.network.generative.visible
        weight, bias = (each.detach().double().cpu().numpy() for each in (visible.weight, visible.bias))
        return softmax(weight.T + bias, axis=1)

    def predict(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return p(w | x) for each document, `[B, V]`; the result is dense, so pass a batch."""
        return predict_words(self.model.network, counts, n_samples=self.n_samples, seed=self.seed)

    def encode(self, counts: csr_array | csr_matrix) -> NDArray[np.floating]:
        """Return the probability that each unit is on, `[N, K]`."""
        return self.model.transform(counts)

    def words(self, top_n: int = 10) -> list[list[int]]:
        """Return the columns of the top words of each unit that is not dead, best first."""
        return [list(topic.words) for topic in self.model.topics(top_n) if not topic.dead]


def adapt_topic_model(
    model: Any, vocabulary: Iterable[str] | None = None, *, threads: int = 1, seed: int = 0
) -> TopicModel:
    """Return an adapter for a fitted model of docnvil, scikit-learn, gensim or tomotopy; the model is not changed.

    Arguments:
        model: a `FittedModel` or a fitted `DocNVIL`; scikit-learn's `LatentDirichletAllocation` or `NMF`; gensim's
            `LdaModel` or `LdaMulticore`; tomotopy's `LDAModel`.
        vocabulary: the words of the counts' columns, in order. Required for tomotopy. For gensim, the default is the
            order of its dictionary's ids.
        threads: threads for tomotopy's inference.
        seed: seed of random draws in predictions and codes.

    Raises:
        ConfigurationError: the model is of another class, or not fitted.
        VocabularyError: the vocabulary does not fit the model.

    Example:
        >>> from sklearn.decomposition import LatentDirichletAllocation
        >>> counts = csr_array(np.kron(np.eye(2, dtype=int), np.full((30, 3), 2)))  # two groups of words
        >>> lda = adapt_topic_model(LatentDirichletAllocation(2, random_state=0).fit(counts))
        >>> sorted(sorted(columns) for columns in lda.words(3))
        [[0, 1, 2], [3, 4, 5]]
    """
    package, name = type(model).__module__.partition(".")[0], type(model).__name__
    words = None if vocabulary is None else list(vocabulary)
    if isinstance(model, DocNVIL):
        _require_fitted(model, "model_")
        model = model.model_
    if isinstance(model, FittedModel):
        _check_size(words, len(model.vocabulary))
        return BeliefNetworkTopics(model, seed=seed)
    match package, name:
        case "sklearn", "LatentDirichletAllocation" | "NMF":
            _require_fitted(model, "components_")
            _check_size(words, model.components_.shape[1])
            if name == "NMF":
                return _adapt_nmf(model)
            alpha = np.full(len(model.components_), float(model.doc_topic_prior_))
            return MixtureOfTopics(normalize_rows(model.components_), model.transform, alpha=alpha)
        case "gensim", "LdaModel" | "LdaMulticore":
            return _adapt_gensim_lda(model, words, seed)
        case "tomotopy", "LDAModel":
            return _adapt_tomotopy_lda(model, words, threads)
    raise ConfigurationError(
        f"A {package}.{name} cannot be compared. Pass a fitted DocNVIL, scikit-learn's LatentDirichletAllocation or"
        " NMF, gensim's LdaModel, or tomotopy's LDAModel."
    )


def unigram_model(counts: csr_array) -> MixtureOfTopics:
    """Return the baseline of every comparison: the word frequencies of `[N, V]` counts, for every document."""
    frequencies = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() + PSEUDO_COUNT
    return MixtureOfTopics(normalize_rows(frequencies[None]), lambda documents: np.ones((documents.shape[0], 1)))


def null_model_of_words(counts: csr_array) -> NullModel:
    """Return a Dirichlet-multinomial without units, fitted to `[N, V]` counts: word frequencies and burstiness."""
    unigram = DirichletMultinomialLayer.null_model(column_sums(counts))
    concentration = fit_concentration(counts, np.exp(unigram.weight))
    return DirichletMultinomialLayer.without_units(column_sums(counts), counts.shape[0], concentration)


def word_lists(counts: csr_array, vocabulary: Sequence[str]) -> Iterator[list[str]]:
    """Yield each document as a list of words, each repeated as often as it is counted; tomotopy's input."""
    for start, stop in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        repeats = counts.data[start:stop].astype(np.int64)
        yield [vocabulary[column] for column in np.repeat(counts.indices[start:stop], repeats)]


def normalize_rows(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Divide each row by its sum; a row of zeros becomes uniform."""
    weights = np.asarray(weights, dtype=np.float64)
    totals = weights.sum(axis=1, keepdims=True)
    return np.where(totals > 0, weights / np.where(totals > 0, totals, 1), 1 / weights.shape[1])


def _adapt_nmf(model: Any) -> MixtureOfTopics:
    """Read X ~ W H as topics H / sum(H) with proportions W sum(H)."""
    sizes = model.components_.sum(axis=1, dtype=np.float64)

    def mixture(counts: csr_array) -> NDArray[np.float64]:
        return normalize_rows(model.transform(counts.astype(model.components_.dtype)) * sizes)

    return MixtureOfTopics(normalize_rows(model.components_), mixture, NMF_SMOOTHING)


def _adapt_gensim_lda(model: Any, vocabulary: list[str] | None, seed: int) -> MixtureOfTopics:
    from gensim.matutils import Sparse2Corpus

    topics_by_id = model.get_topics().astype(np.float64)  # [K, V] in the order of the dictionary's ids
    columns = np.arange(model.num_terms)  # of each id
    if vocabulary is not None:
        _check_size(vocabulary, model.num_terms)
        columns = _columns_of([model.id2word[number] for number in range(model.num_terms)], vocabulary)
    topics = np.empty_like(topics_by_id)
    topics[:, columns] = topics_by_id

    def mixture(counts: csr_array) -> NDArray[np.float64]:
        documents = list(Sparse2Corpus(csr_array(counts[:, columns]), documents_columns=False))
        # Inference starts at random values from the model's own generator; the same counts must give the same codes.
        generator, model.random_state = model.random_state, np.random.RandomState(seed)
        try:
            return normalize_rows(model.inference(documents)[0])
        finally:
            model.random_state = generator

    return MixtureOfTopics(topics, mixture, alpha=np.asarray(model.alpha, dtype=np.float64))


def _adapt_tomotopy_lda(model: Any, vocabulary: list[str] | None, threads: int) -> MixtureOfTopics:
    if vocabulary is None:
        raise ConfigurationError("tomotopy has its own order of words. Pass the words of the counts as vocabulary.")
    if not len(model.used_vocabs):
        raise ConfigurationError("This LDAModel of tomotopy has no words. Train it first.")
    columns = _columns_of(model.used_vocabs, vocabulary)
    # A word that is not in the training documents has the prior's weight, as if it had been counted 0 times.
    weights = np.full((model.k, len(vocabulary)), model.eta, dtype=np.float64)
    for topic in range(model.k):
        weights[topic, columns] = model.get_topic_word_dist(topic, normalize=False)
    is_used = np.isin(np.arange(len(vocabulary)), columns)
    prior = normalize_rows(np.asarray(model.alpha, dtype=np.float64)[None])

    def mixture(counts: csr_array) -> NDArray[np.float64]:
        proportions = np.repeat(prior, counts.shape[0], axis=0)
        texts = enumerate(word_lists(csr_array(counts.multiply(is_used)), vocabulary))
        documents = [(row, model.make_doc(words)) for row, words in texts if words]  # tomotopy exits on empty documents
        model.infer([document for _, document in documents], iterations=TOMOTOPY_SWEEPS, workers=threads)
        for row, document in documents:
            proportions[row] = document.get_topic_dist()
        return proportions

    return MixtureOfTopics(normalize_rows(weights), mixture, alpha=np.asarray(model.alpha, dtype=np.float64))


def _columns_of(words: Iterable[str], vocabulary: Sequence[str]) -> NDArray[np.int64]:
    """Return the column of each of the model's words."""
    columns = {word: column for column, word in enumerate(vocabulary)}
    try:
        return np.array([columns[word] for word in words], dtype=np.int64)
    except KeyError as error:
        raise VocabularyError(
            f"The model has the word {error}, which is not in the vocabulary. Pass the words that the model was"
            " fitted with."
        ) from None


def _check_size(words: list[str] | None, width: int) -> None:
    if words is not None and len(words) != width:
        raise VocabularyError(
            f"The vocabulary has {counted(len(words), 'word')}, but the model has {width:,}. Pass the words that it was"
            " fitted with."
        )


def _require_fitted(model: Any, attribute: str) -> None:
    if not hasattr(model, attribute):
        raise ConfigurationError(f"This {type(model).__name__} is not fitted. Fit it first.")
