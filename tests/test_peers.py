from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from docnvil import DocNVIL
from docnvil.analysis.completion import evaluate_predictor, predict_words
from docnvil.analysis.null_models import unigram_perplexity
from docnvil.comparison.adapters import NMF_SMOOTHING, MixtureOfTopics, TopicModel, adapt_topic_model, unigram_model
from docnvil.comparison.peers import PEERS, fit_tomotopy_lda
from docnvil.errors import ConfigurationError, VocabularyError

BLOCKS = ("mast sail wind keel tide", "oven salt flour onion butter", "lens star comet orbit moon")
NAMES = " ".join(BLOCKS).split()


@pytest.fixture(scope="module")
def counts(block_counts: np.ndarray) -> csr_array:
    return csr_array(block_counts)


@pytest.fixture(scope="module")
def gensim() -> Any:
    pytest.importorskip("gensim.models", reason="gensim is optional")
    return pytest.importorskip("gensim")


@pytest.fixture(scope="module")
def tomotopy() -> Any:
    return pytest.importorskip("tomotopy", reason="tomotopy is optional")


def documents(counts: csr_array) -> list[list[str]]:
    return [[NAMES[word] for word in np.repeat(np.arange(15), row)] for row in counts.toarray()]


def fit_docnvil(counts: csr_array, n_topics: int, seed: int, threads: int) -> TopicModel:
    return adapt_topic_model(DocNVIL(n_topics, epochs=40, batch_size=20, random_state=seed, device="cpu").fit(counts))


FITS: dict[str, Callable[..., TopicModel]] = {
    "docnvil": fit_docnvil,
    **{name: peer.fit for name, peer in PEERS.items()},
}


@pytest.fixture(scope="module", params=list(FITS))
def fitted(request: pytest.FixtureRequest, counts: csr_array) -> TopicModel:
    """Return each model in turn, fitted to three blocks of words."""
    name = request.param
    if name in PEERS:
        pytest.importorskip(PEERS[name].module, reason=f"{name} is optional")
    return FITS[name](counts, 3, 0, 1)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
class TestEveryModel:
    def test_predictions_and_topics_are_distributions(self, fitted):
        documents = csr_array(np.array([[9] * 5 + [0] * 10, [0] * 15, [1] * 15]))  # one block, no word, all words
        for probabilities in (fitted.predict(documents), fitted.topics):
            assert probabilities.shape == (3, 15)
            assert probabilities.min() >= 0
            assert probabilities.sum(1) == pytest.approx(1)
        assert fitted.predict(documents).min() > 0  # no word has probability 0
        assert fitted.encode(documents).shape == (3, 3)

    def test_words_of_the_documents_block_are_predicted(self, fitted, counts):
        completion = evaluate_predictor(fitted.predict, counts[:3], counts[:3]).summarize()
        assert completion.perplexity_per_word < 9  # 5 is optimal, 15 is the uniform model

    def test_topics_are_the_blocks(self, fitted):
        assert {frozenset(words) for words in fitted.words(5)} <= {
            frozenset(range(start, start + 5)) for start in (0, 5, 10)
        }

    def test_predictions_are_reproducible(self, fitted, counts):
        assert np.array_equal(fitted.predict(counts[:5]), fitted.predict(counts[:5]))

    def test_counts_of_another_width_are_an_error(self, fitted, counts):
        for wrong in (csr_array(counts.T), counts[:, :14]):
            with pytest.raises(VocabularyError, match="columns"):
                fitted.predict(wrong)


def test_predictions_of_a_mixture_are_smoothed_means_of_its_topics():
    mixture = MixtureOfTopics(np.array([[0.8, 0.2], [0.4, 0.6]]), lambda counts: np.array([[0.25, 0.75]]), 0.1)
    assert mixture.predict(csr_array(np.array([[3, 0]]))) == pytest.approx(np.array([[0.5, 0.5]]))
    unequal = MixtureOfTopics(mixture.topics, lambda counts: np.array([[1.0, 0.0]]), 0.1)
    assert unequal.predict(csr_array(np.array([[3, 0]]))) == pytest.approx(np.array([[0.77, 0.23]]))


def test_scikit_learn_adapters_agree_with_scikit_learn(counts):
    from sklearn.decomposition import NMF, LatentDirichletAllocation

    lda = LatentDirichletAllocation(3, random_state=0).fit(counts)
    adapted = adapt_topic_model(lda, NAMES)
    assert adapted.topics == pytest.approx(lda.components_ / lda.components_.sum(1, keepdims=True))
    assert adapted.encode(counts) == pytest.approx(lda.transform(counts))
    nmf = NMF(3, random_state=0).fit(counts.astype(np.float64))
    rebuilt = nmf.inverse_transform(nmf.transform(counts.astype(np.float64)))
    shares = rebuilt / rebuilt.sum(1, keepdims=True)
    smoothed = (1 - NMF_SMOOTHING) * shares + NMF_SMOOTHING / 15
    assert adapt_topic_model(nmf).predict(counts) == pytest.approx(smoothed, abs=1e-6)


def test_gensim_topics_are_in_the_order_of_the_vocabulary(gensim, counts):
    """Its dictionary numbers words in order of first occurrence, here backwards."""
    from gensim.corpora import Dictionary
    from gensim.models import LdaModel

    texts = [list(reversed(document)) for document in reversed(documents(counts))]
    dictionary = Dictionary(texts)
    bags = [dictionary.doc2bow(text) for text in texts]
    lda = LdaModel(bags, id2word=dictionary, num_topics=3, passes=5, random_state=0, dtype=np.float64)
    adapted = adapt_topic_model(lda, NAMES)
    ids = [dictionary.token2id[name] for name in NAMES]
    assert ids != list(range(15))
    assert adapted.topics == pytest.approx(lda.get_topics()[:, ids])
    before = lda.random_state
    codes = adapted.encode(counts[:4])
    assert lda.random_state is before
    for document, proportions in zip(documents(counts[:4]), codes, strict=True):
        theirs = dict(lda.get_document_topics(dictionary.doc2bow(document), minimum_probability=0))
        assert [theirs[topic] for topic in range(3)] == pytest.approx(proportions, abs=0.01)
    with pytest.raises(VocabularyError, match="has the word"):
        adapt_topic_model(lda, [*NAMES[:-1], "kelp"])
    with pytest.raises(VocabularyError, match="14 words, but the model has 15"):
        adapt_topic_model(lda, NAMES[:-1])


def test_tomotopy_topics_are_in_the_order_of_the_vocabulary(tomotopy, counts):
    """Its vocabulary has its own order."""
    lda = tomotopy.LDAModel(k=3, seed=0)
    for document in documents(counts):
        lda.add_doc(document)
    lda.train(100, workers=1)
    columns = [NAMES.index(name) for name in lda.used_vocabs]
    assert columns != list(range(15))
    adapted = adapt_topic_model(lda, NAMES)
    for topic in range(3):
        assert adapted.topics[topic, columns] == pytest.approx(lda.get_topic_word_dist(topic), abs=1e-6)
    theirs = [lda.make_doc(document) for document in documents(counts[:4])]
    lda.infer(theirs, workers=1)
    assert adapted.encode(counts[:4]) == pytest.approx(np.array([each.get_topic_dist() for each in theirs]), abs=0.05)
    with pytest.raises(VocabularyError, match="has the word"):
        adapt_topic_model(lda, NAMES[:-1])
    with pytest.raises(ConfigurationError, match="vocabulary"):
        adapt_topic_model(lda)


def test_unseen_words_and_empty_documents_work_with_tomotopy(tomotopy, counts):
    """An unseen word has the prior's probability; documents of unseen words, or of none, have the prior's code.

    tomotopy itself leaves unseen words out, and exits on empty documents.
    """
    unseen = csr_array(np.hstack([counts.toarray(), np.zeros((120, 1), dtype=int)]))
    adapted = fit_tomotopy_lda(unseen, 3, 0, 1)
    assert (adapted.topics[:, 15] > 0).all()
    assert (adapted.topics[:, 15] <= adapted.topics.min(axis=1)).all()
    documents = np.zeros((2, 16), dtype=int)
    documents[1, 15] = 3
    assert adapted.encode(csr_array(documents)) == pytest.approx(adapted.encode(csr_array(documents[[0, 0]])))


def test_docnvil_adapters_agree_with_docnvil(counts):
    model = DocNVIL(3, epochs=2, device="cpu").fit(counts)
    adapted = adapt_topic_model(model, seed=4)
    assert np.array_equal(adapted.predict(counts[:5]), predict_words(model.model_.network, counts[:5], seed=4))
    assert np.array_equal(adapted.encode(counts), model.transform(counts))


def test_the_unigram_model_agrees_with_the_unigram_perplexity(counts):
    completion = evaluate_predictor(unigram_model(counts).predict, counts[:20], counts[20:40]).summarize()
    expected = unigram_perplexity(np.asarray(counts.sum(axis=0), dtype=np.float64), counts[20:40])
    assert completion.perplexity_per_word == pytest.approx(expected.perplexity_per_word)
    assert completion.perplexity_per_document == pytest.approx(expected.perplexity_per_document)


def test_other_models_and_unfitted_models_are_errors(counts):
    from sklearn.decomposition import NMF, LatentDirichletAllocation, TruncatedSVD

    for unfitted in (DocNVIL(), LatentDirichletAllocation(), NMF()):
        with pytest.raises(ConfigurationError, match="is not fitted"):
            adapt_topic_model(unfitted)
    with pytest.raises(ConfigurationError, match="TruncatedSVD cannot be compared"):
        adapt_topic_model(TruncatedSVD().fit(counts))
    with pytest.raises(VocabularyError, match="2 words, but the model has 15"):
        adapt_topic_model(LatentDirichletAllocation(3).fit(counts), ["mast", "sail"])


def test_an_untrained_tomotopy_model_is_an_error(tomotopy):
    with pytest.raises(ConfigurationError, match="has no words"):
        adapt_topic_model(tomotopy.LDAModel(k=2), NAMES)
