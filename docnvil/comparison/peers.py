"""Other people's topic models on the same counts: fitted ones adapted to one face, and how each is fitted here.

Every package has its own idea of what a document is and what comes back. scikit-learn takes `[N, V]` matrices; gensim
takes lists of pairs (its `corpus2csc` gives the transpose), with columns in its dictionary's order; tomotopy takes
words and orders its vocabulary as it pleases. Seen through `adapt`, all take `[N, V]` counts in one order of columns.

Axes: N documents, B documents of a batch, V words, K topics or units.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from scipy.special import rel_entr, softmax

from docnvil.analysis.chunking import check_width
from docnvil.analysis.completion import predict_words
from docnvil.errors import ConfigurationError, VocabularyError
from docnvil.estimator import DocNVIL

Ranking = Literal["by relevance", "by probability"]

PSEUDO_COUNT = 0.01  # of each word, when word frequencies alone predict; as in `unigram_perplexity`
TOMOTOPY_ITERATIONS = 1000
TOMOTOPY_INFERENCE = 100  # sweeps over a new document, tomotopy's own default
GENSIM_PASSES = 10
# A factorization is no distribution over words: it may say that a word is impossible. A hundredth of its prediction is
# spread over all words evenly, so that one such word does not decide the perplexity of a corpus.
SPREAD_OF_FACTORIZATION = 0.01


class TopicModel(Protocol):
    """What can be compared: a model that predicts words, encodes documents, and has topics that words can be read off.

    Arguments:
        topics: `[K, V]`, the probability of every word in each topic.
    """

    @property
    def topics(self) -> NDArray[np.float64]: ...  # noqa: D102

    def predict(self, counts: csr_array) -> NDArray[np.float64]:
        """Return the probability of every next word of each document, `[B, V]`, rows adding up to 1."""

    def encode(self, counts: csr_array) -> NDArray[np.floating]:
        """Return a code for each document, `[N, K]`."""

    def words(self, top_n: int = 10) -> list[list[int]]:
        """Return the columns of each topic's best words, best first."""


@dataclass(frozen=True)
class MixtureOfTopics:
    """A model whose documents are mixtures of topics: p(w | x) = sum_k theta_k(x) p(w | k).

    Arguments:
        topics: p(w | k), `[K, V]`, rows adding up to 1.
        mixture: theta, maps counts `[N, V]` to proportions `[N, K]`, rows adding up to 1.
        spread: the share of each prediction that is spread over all words evenly.

    Example:
        >>> always_both = MixtureOfTopics(np.array([[0.8, 0.2], [0.4, 0.6]]), lambda counts: np.array([[0.5, 0.5]]))
        >>> always_both.predict(csr_array(np.array([[3, 0]]))).round(3)
        array([[0.6, 0.4]])
    """

    topics: NDArray[np.float64]
    mixture: Callable[[csr_array], NDArray[np.floating]]
    spread: float = 0.0

    def predict(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return p(w | x) for every next word of each document, `[B, V]`, dense: call it on a batch."""
        mixed = self.encode(counts).astype(np.float64) @ self.topics
        return (1 - self.spread) * mixed + self.spread / self.topics.shape[1]

    def encode(self, counts: csr_array | csr_matrix) -> NDArray[np.floating]:
        """Return the topics' proportions in each document, `[N, K]`.

        Raises:
            VocabularyError: counts of another width than the topics.
        """
        if counts.shape[1] != self.topics.shape[1]:
            raise VocabularyError(
                f"The counts have {counts.shape[1]} columns and the topics {self.topics.shape[1]} words. Give documents"
                " as rows and words as columns, in the order that the model was fitted with."
            )
        return self.mixture(csr_array(counts))

    def words(self, top_n: int = 10, ranking: Ranking = "by relevance") -> list[list[int]]:
        """Return the columns of each topic's best words, best first; fewer where no more speak for it.

        By probability p(w | k), or by relevance p(w | k) log(p(w | k) / p(w)), where p(w) is the mean over topics,
        which favors words that are a topic's own.

        Example:
            >>> fitted = MixtureOfTopics(np.array([[0.6, 0.3, 0.1], [0.6, 0.1, 0.3]]), lambda counts: counts)
            >>> fitted.words(1, "by probability"), fitted.words(1, "by relevance")
            ([[0], [0]], [[1], [2]])
        """
        scores = self.topics if ranking == "by probability" else rel_entr(self.topics, self.topics.mean(axis=0))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top_n]
        return [words[scores[topic, words] > 0].tolist() for topic, words in enumerate(best)]


@dataclass(frozen=True)
class BeliefNetworkTopics:
    """docnvil's own model with the same face: bits in place of proportions.

    Arguments:
        estimator: fitted. n_samples, seed: of its predictions, see `predict_words`.
    """

    estimator: DocNVIL
    n_samples: int = 100
    seed: int = 0

    @property
    def topics(self) -> NDArray[np.float64]:
        """p(w | only unit k is on) = softmax(b + W_k), `[K, V]`, K the units of the first layer."""
        bias = self.estimator.model_.generative.visible.bias.detach().double().cpu().numpy()
        return softmax(self.estimator.components_ + bias, axis=1)

    def predict(self, counts: csr_array | csr_matrix) -> NDArray[np.float64]:
        """Return p(w | x) for every next word of each document, `[B, V]`, dense: call it on a batch."""
        check_width(self.estimator.model_, counts)
        return predict_words(self.estimator.model_, counts, n_samples=self.n_samples, seed=self.seed)

    def encode(self, counts: csr_array | csr_matrix) -> NDArray[np.floating]:
        """Return the probability that each unit is on, `[N, K]`."""
        return self.estimator.transform(counts)

    def words(self, top_n: int = 10) -> list[list[int]]:
        """Return the columns of the best words of each unit that is not dead, best first."""
        return [list(topic.words) for topic in self.estimator.topics(top_n) if not topic.dead]


def adapt(model: Any, vocabulary: Iterable[str] | None = None, *, threads: int = 1, seed: int = 0) -> TopicModel:
    """Give a fitted model of docnvil, scikit-learn, gensim or tomotopy the face of a `TopicModel`.

    Arguments:
        model: a fitted `DocNVIL`; `LatentDirichletAllocation` or `NMF` of scikit-learn; `LdaModel` or `LdaMulticore` of
            gensim; `LDAModel` of tomotopy.
        vocabulary: the words of the columns of the counts that will be given. tomotopy needs it. For gensim it brings
            the columns in line with its dictionary; left out, columns are the dictionary's ids.
        threads: for tomotopy's inference, the one of them that takes a number.
        seed: of what is drawn to predict or to encode. Nothing in the model is changed.

    Raises:
        ConfigurationError: a model of another kind, or one that is not fitted.
        VocabularyError: a vocabulary that does not fit the model.

    Example:
        >>> from sklearn.decomposition import LatentDirichletAllocation
        >>> counts = csr_array(np.kron(np.eye(2, dtype=int), np.full((30, 3), 2)))  # two subjects
        >>> lda = adapt(LatentDirichletAllocation(2, random_state=0).fit(counts))
        >>> sorted(sorted(words) for words in lda.words(3))
        [[0, 1, 2], [3, 4, 5]]
    """
    kind = type(model).__module__.partition(".")[0], type(model).__name__
    words = None if vocabulary is None else list(vocabulary)
    if isinstance(model, DocNVIL):
        _require(model, "model_")
        _check_names(words, model.model_.config.vocabulary_size)
        return BeliefNetworkTopics(model, seed=seed)
    if kind == ("sklearn", "LatentDirichletAllocation"):
        _require(model, "components_")
        _check_names(words, model.components_.shape[1])
        return MixtureOfTopics(_shares(model.components_), model.transform)
    if kind == ("sklearn", "NMF"):
        _require(model, "components_")
        _check_names(words, model.components_.shape[1])
        return _factorization(model)
    if kind in (("gensim", "LdaModel"), ("gensim", "LdaMulticore")):
        return _gensim_lda(model, words, seed)
    if kind == ("tomotopy", "LDAModel"):
        return _tomotopy_lda(model, words, threads)
    raise ConfigurationError(
        f"A {'.'.join(kind)} cannot be compared. Give a fitted DocNVIL, scikit-learn's LatentDirichletAllocation or"
        " NMF, gensim's LdaModel, or tomotopy's LDAModel."
    )


def word_frequencies(counts: csr_array) -> MixtureOfTopics:
    """Return the model that knows how often words occur in `[N, V]` counts, and nothing else: what others must beat."""
    frequencies = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel() + PSEUDO_COUNT
    return MixtureOfTopics(_shares(frequencies[None]), lambda documents: np.ones((documents.shape[0], 1)))


@dataclass(frozen=True)
class Peer:
    """A model that can be fitted for comparison.

    Arguments:
        module: where the model is, in the package that must be installed. settings: how it is fitted, in words.
        fit: from counts `[N, V]`, K, a seed and a number of threads to the fitted model.
    """

    module: str
    settings: str
    fit: Callable[[csr_array, int, int, int], MixtureOfTopics]

    @property
    def installed(self) -> bool:
        """Whether its package is there; nothing is imported."""
        return find_spec(self.module.partition(".")[0]) is not None


def fit_scikit_learn_lda(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit scikit-learn's variational LDA at its defaults; its own parallelism is by processes and is not used."""
    from sklearn.decomposition import LatentDirichletAllocation

    return adapt(LatentDirichletAllocation(n_topics, random_state=seed).fit(counts))


def fit_scikit_learn_nmf(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit scikit-learn's non-negative factorization with the Kullback-Leibler loss, the one that is nearest to LDA."""
    from sklearn.decomposition import NMF

    loss = {"beta_loss": "kullback-leibler", "solver": "mu", "init": "nndsvda"}
    return adapt(NMF(n_topics, random_state=seed, **loss).fit(counts.astype(np.float64)))


def fit_gensim_lda(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit gensim's online variational LDA; one pass, its default, is too few for a corpus of thousands."""
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaModel

    numbers = {column: str(column) for column in range(counts.shape[1])}
    model = LdaModel(
        Sparse2Corpus(counts, documents_columns=False),
        id2word=numbers,  # without it the width would be that of the words seen
        num_topics=n_topics,
        passes=GENSIM_PASSES,
        alpha="auto",
        eval_every=None,
        random_state=seed,
    )
    return adapt(model, seed=seed)


def fit_tomotopy_lda(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit tomotopy's LDA by collapsed Gibbs sampling; with several threads a seed no longer settles its result."""
    import tomotopy

    model = tomotopy.LDAModel(k=n_topics, seed=seed)
    names = [str(column) for column in range(counts.shape[1])]
    for words in _spelled_out(counts, names):
        if words:  # an empty one would end the process
            model.add_doc(words)
    model.train(TOMOTOPY_ITERATIONS, workers=threads)
    return adapt(model, names, threads=threads)


PEERS: dict[str, Peer] = {
    "sklearn-lda": Peer(
        "sklearn.decomposition", "batch variational Bayes, 10 iterations (its defaults)", fit_scikit_learn_lda
    ),
    "sklearn-nmf": Peer(
        "sklearn.decomposition",
        f"Kullback-Leibler loss, 200 iterations at most; {SPREAD_OF_FACTORIZATION:.0%} of a prediction spread evenly",
        fit_scikit_learn_nmf,
    ),
    "gensim-lda": Peer(
        "gensim.models", f"online variational Bayes, {GENSIM_PASSES} passes, learned alpha", fit_gensim_lda
    ),
    "tomotopy-lda": Peer(
        "tomotopy", f"collapsed Gibbs sampling, {TOMOTOPY_ITERATIONS} iterations, learned alpha", fit_tomotopy_lda
    ),
}


def _factorization(model: Any) -> MixtureOfTopics:
    """Read X ~ W H as topics H / sum(H) in proportions W sum(H); a document that has no part in any has equal parts."""
    sizes = model.components_.sum(axis=1, dtype=np.float64)

    def mixture(counts: csr_array) -> NDArray[np.float64]:
        return _shares(model.transform(counts.astype(model.components_.dtype)) * sizes)

    return MixtureOfTopics(_shares(model.components_), mixture, SPREAD_OF_FACTORIZATION)


def _gensim_lda(model: Any, vocabulary: list[str] | None, seed: int) -> MixtureOfTopics:
    from gensim.matutils import Sparse2Corpus

    of_ids = model.get_topics().astype(np.float64)  # [K, V] in the order of the dictionary's ids
    columns = np.arange(model.num_terms)
    if vocabulary is not None:
        _check_names(vocabulary, model.num_terms)
        columns = _places(_words_in_order(model), vocabulary)
    topics = np.empty_like(of_ids)
    topics[:, columns] = of_ids

    def mixture(counts: csr_array) -> NDArray[np.float64]:
        documents = list(Sparse2Corpus(csr_array(counts[:, columns]), documents_columns=False))
        # Inference starts at random from the model's own generator: equal questions shall get equal answers.
        kept, model.random_state = model.random_state, np.random.RandomState(seed)
        try:
            return _shares(model.inference(documents)[0])
        finally:
            model.random_state = kept

    return MixtureOfTopics(topics, mixture)


def _words_in_order(model: Any) -> list[str]:
    return [model.id2word[number] for number in range(model.num_terms)]


def _tomotopy_lda(model: Any, vocabulary: list[str] | None, threads: int) -> MixtureOfTopics:
    if vocabulary is None:
        raise ConfigurationError(
            "tomotopy orders its words in its own way. Give adapt the words of the counts' columns as vocabulary."
        )
    if not len(model.used_vocabs):
        raise ConfigurationError("This LDAModel of tomotopy has learned no words. Train it first.")
    columns = _places(model.used_vocabs, vocabulary)
    # A word of the vocabulary that was never trained on has the prior's weight, as if it had been counted 0 times.
    weights = np.full((model.k, len(vocabulary)), model.eta, dtype=np.float64)
    for topic in range(model.k):
        weights[topic, columns] = model.get_topic_word_dist(topic, normalize=False)
    known = np.isin(np.arange(len(vocabulary)), columns)
    prior = _shares(np.asarray(model.alpha, dtype=np.float64)[None])

    def mixture(counts: csr_array) -> NDArray[np.float64]:
        proportions = np.repeat(prior, counts.shape[0], axis=0)
        spelled = list(enumerate(_spelled_out(csr_array(counts.multiply(known)), vocabulary)))
        filled = [(row, model.make_doc(words)) for row, words in spelled if words]  # an empty one ends the process
        model.infer([document for _, document in filled], iterations=TOMOTOPY_INFERENCE, workers=threads)
        for row, document in filled:
            proportions[row] = document.get_topic_dist()
        return proportions

    return MixtureOfTopics(_shares(weights), mixture)


def _spelled_out(counts: csr_array, vocabulary: Sequence[str]) -> Iterator[list[str]]:
    """Yield each document as a list of words, each as often as it is counted, which is the form that tomotopy reads."""
    for start, stop in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
        times = counts.data[start:stop].astype(np.int64)
        yield [vocabulary[column] for column in np.repeat(counts.indices[start:stop], times)]


def _shares(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Divide each row by its sum; a row of zeros becomes equal shares."""
    weights = np.asarray(weights, dtype=np.float64)
    totals = weights.sum(axis=1, keepdims=True)
    return np.where(totals > 0, weights / np.where(totals > 0, totals, 1), 1 / weights.shape[1])


def _places(words: Iterable[str], vocabulary: Sequence[str]) -> NDArray[np.int64]:
    """Return the column of each of the model's words."""
    columns = {word: column for column, word in enumerate(vocabulary)}
    words = list(words)
    if strange := next((word for word in words if word not in columns), None):
        raise VocabularyError(
            f"The model knows the word {strange!r}, which is not in the vocabulary given. Give the words that the model"
            " was fitted with."
        )
    return np.array([columns[word] for word in words], dtype=np.int64)


def _check_names(words: list[str] | None, width: int) -> None:
    if words is not None and len(words) != width:
        raise VocabularyError(
            f"The vocabulary has {len(words)} words and the model knows {width}. Give the words that it was fitted"
            " with."
        )


def _require(model: Any, attribute: str) -> None:
    if not hasattr(model, attribute):
        raise ConfigurationError(f"This {type(model).__name__} is not fitted. Fit it first.")
