from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from docnvil import DocNVIL
from docnvil.analysis.completion import evaluate_predictor, predict_words
from docnvil.analysis.null_models import unigram_perplexity
from docnvil.comparison.peers import (
    PEERS,
    SPREAD_OF_FACTORIZATION,
    TopicModel,
    adapt,
    fit_tomotopy_lda,
    word_frequencies,
)
from docnvil.errors import ConfigurationError, VocabularyError

SUBJECTS = ("mast sail wind keel tide", "oven salt flour onion butter", "lens star comet orbit moon")
NAMES = " ".join(SUBJECTS).split()


@pytest.fixture(scope="module")
def counts(block_counts: np.ndarray) -> csr_array:
    return csr_array(block_counts)


@pytest.fixture(scope="module")
def gensim() -> Any:
    pytest.importorskip("gensim.models", reason="gensim is an optional peer")
    return pytest.importorskip("gensim")


@pytest.fixture(scope="module")
def tomotopy() -> Any:
    return pytest.importorskip("tomotopy", reason="tomotopy is an optional peer")


def documents(counts: csr_array) -> list[list[str]]:
    return [[NAMES[word] for word in np.repeat(np.arange(15), row)] for row in counts.toarray()]


def fit_docnvil(counts: csr_array, n_topics: int, seed: int, threads: int) -> TopicModel:
    return adapt(DocNVIL(n_topics, epochs=40, batch_size=20, random_state=seed, device="cpu").fit(counts))


FITS: dict[str, Callable[..., TopicModel]] = {
    "docnvil": fit_docnvil,
    **{name: peer.fit for name, peer in PEERS.items()},
}


@pytest.fixture(scope="module", params=list(FITS))
def fitted(request: pytest.FixtureRequest, counts: csr_array) -> TopicModel:
    """Every model that can be fitted, having read three subjects."""
    name = request.param
    if name in PEERS:
        pytest.importorskip(PEERS[name].module, reason=f"{name} is an optional peer")
    return FITS[name](counts, 3, 0, 1)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
class TestEveryModel:
    def test_predictions_and_topics_are_distributions(self, fitted):
        some = csr_array(np.array([[9] * 5 + [0] * 10, [0] * 15, [1] * 15]))  # one subject, nothing, everything
        for probabilities in (fitted.predict(some), fitted.topics):
            assert probabilities.shape == (3, 15)
            assert probabilities.min() >= 0
            assert probabilities.sum(1) == pytest.approx(1)
        assert fitted.predict(some).min() > 0  # no word is impossible
        assert fitted.encode(some).shape == (3, 3)

    def test_a_document_is_continued_with_words_of_its_subject(self, fitted, counts):
        found = evaluate_predictor(fitted.predict, counts[:3], counts[:3]).summarize()
        assert found.perplexity_per_word < 9  # 5 is the best there is, 15 knows nothing

    def test_subjects_are_read_off_the_topics(self, fitted):
        assert {frozenset(words) for words in fitted.words(5)} <= {frozenset(range(at, at + 5)) for at in (0, 5, 10)}

    def test_equal_questions_get_equal_answers(self, fitted, counts):
        assert np.array_equal(fitted.predict(counts[:5]), fitted.predict(counts[:5]))

    def test_other_widths_are_refused(self, fitted, counts):
        for wrong in (csr_array(counts.T), counts[:, :14]):
            with pytest.raises(VocabularyError, match="columns"):
                fitted.predict(wrong)


def test_scikit_learn_is_what_it_says_itself(counts):
    from sklearn.decomposition import NMF, LatentDirichletAllocation

    lda = LatentDirichletAllocation(3, random_state=0).fit(counts)
    proportions = lda.transform(counts) @ (lda.components_ / lda.components_.sum(1, keepdims=True))
    assert adapt(lda, NAMES).predict(counts) == pytest.approx(proportions)
    nmf = NMF(3, random_state=0).fit(counts.astype(np.float64))
    rebuilt = nmf.inverse_transform(nmf.transform(counts.astype(np.float64)))
    shares = rebuilt / rebuilt.sum(1, keepdims=True)
    spread = (1 - SPREAD_OF_FACTORIZATION) * shares + SPREAD_OF_FACTORIZATION / 15
    assert adapt(nmf).predict(counts) == pytest.approx(spread, abs=1e-6)


def test_gensim_words_find_their_columns(gensim, counts):
    """Its dictionary numbers words as they come, here backwards."""
    from gensim.corpora import Dictionary
    from gensim.models import LdaModel

    texts = [list(reversed(document)) for document in reversed(documents(counts))]
    dictionary = Dictionary(texts)
    bags = [dictionary.doc2bow(text) for text in texts]
    lda = LdaModel(bags, id2word=dictionary, num_topics=3, passes=5, random_state=0, dtype=np.float64)
    adapted = adapt(lda, NAMES)
    ids = [dictionary.token2id[name] for name in NAMES]
    assert ids != list(range(15))
    assert adapted.topics == pytest.approx(lda.get_topics()[:, ids])
    before = lda.random_state
    found = adapted.encode(counts[:4])
    assert lda.random_state is before
    for document, proportions in zip(documents(counts[:4]), found, strict=True):
        theirs = dict(lda.get_document_topics(dictionary.doc2bow(document), minimum_probability=0))
        assert [theirs[topic] for topic in range(3)] == pytest.approx(proportions, abs=0.01)
    with pytest.raises(VocabularyError, match="knows the word"):
        adapt(lda, [*NAMES[:-1], "kelp"])
    with pytest.raises(VocabularyError, match="14 words and the model knows 15"):
        adapt(lda, NAMES[:-1])


def test_tomotopy_words_find_their_columns(tomotopy, counts):
    """Its vocabulary comes in an order of its own."""
    lda = tomotopy.LDAModel(k=3, seed=0)
    for document in documents(counts):
        lda.add_doc(document)
    lda.train(100, workers=1)
    columns = [NAMES.index(name) for name in lda.used_vocabs]
    assert columns != list(range(15))
    adapted = adapt(lda, NAMES)
    for topic in range(3):
        assert adapted.topics[topic, columns] == pytest.approx(lda.get_topic_word_dist(topic), abs=1e-6)
    theirs = [lda.make_doc(document) for document in documents(counts[:4])]
    lda.infer(theirs, workers=1)
    assert adapted.encode(counts[:4]) == pytest.approx(np.array([each.get_topic_dist() for each in theirs]), abs=0.05)
    with pytest.raises(VocabularyError, match="knows the word"):
        adapt(lda, NAMES[:-1])
    with pytest.raises(ConfigurationError, match="vocabulary"):
        adapt(lda)


def test_words_and_documents_that_tomotopy_cannot_know(tomotopy, counts):
    """A word never trained on is as likely as the prior says; documents of such words, or none, have the prior's code.

    Given either, tomotopy itself ends the process or leaves the word out.
    """
    unseen = csr_array(np.hstack([counts.toarray(), np.zeros((120, 1), dtype=int)]))
    adapted = fit_tomotopy_lda(unseen, 3, 0, 1)
    assert (adapted.topics[:, 15] > 0).all()
    assert (adapted.topics[:, 15] <= adapted.topics.min(axis=1)).all()
    odd = np.zeros((2, 16), dtype=int)
    odd[1, 15] = 3
    assert adapted.encode(csr_array(odd)) == pytest.approx(adapted.encode(csr_array(odd[[0, 0]])))


def test_docnvil_predicts_as_its_completion_does(counts):
    model = DocNVIL(3, epochs=2, device="cpu").fit(counts)
    adapted = adapt(model, seed=4)
    assert np.array_equal(adapted.predict(counts[:5]), predict_words(model.model_, counts[:5], seed=4))
    assert np.array_equal(adapted.encode(counts), model.transform(counts))


def test_word_frequencies_are_the_unigram_model(counts):
    judged = evaluate_predictor(word_frequencies(counts).predict, counts[:20], counts[20:40]).summarize()
    found = unigram_perplexity(np.asarray(counts.sum(axis=0), dtype=np.float64), counts[20:40])
    assert judged.perplexity_per_word == pytest.approx(found.perplexity_per_word)
    assert judged.perplexity_per_document == pytest.approx(found.perplexity_per_document)


def test_models_that_cannot_be_compared_are_refused(counts):
    from sklearn.decomposition import NMF, LatentDirichletAllocation, TruncatedSVD

    for unfitted in (DocNVIL(), LatentDirichletAllocation(), NMF()):
        with pytest.raises(ConfigurationError, match="is not fitted"):
            adapt(unfitted)
    with pytest.raises(ConfigurationError, match="TruncatedSVD cannot be compared"):
        adapt(TruncatedSVD().fit(counts))
    with pytest.raises(VocabularyError, match="2 words and the model knows 15"):
        adapt(LatentDirichletAllocation(3).fit(counts), ["mast", "sail"])


def test_an_untrained_tomotopy_is_refused(tomotopy):
    with pytest.raises(ConfigurationError, match="has learned no words"):
        adapt(tomotopy.LDAModel(k=2), NAMES)
