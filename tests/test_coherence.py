import numpy as np
import pytest
from scipy.sparse import csr_array

from docnvil.errors import CorpusError
from docnvil.evaluation.coherence import diversity, npmi


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.7, size=(60, 8))


def test_npmi_agrees_with_the_definition(counts):
    present = counts > 0
    expected = []
    for first, second in ((0, 1), (0, 2), (1, 2)):
        alone = present[:, first].mean(), present[:, second].mean()
        joint = (present[:, first] & present[:, second]).mean()
        expected.append(np.log(joint / np.prod(alone)) / -np.log(joint))
    assert npmi([[0, 1, 2]], csr_array(counts))[0] == pytest.approx(np.mean(expected), abs=1e-9)


def test_npmi_agrees_with_gensim(counts):
    models = pytest.importorskip("gensim.models", reason="gensim is an optional peer")
    corpora = pytest.importorskip("gensim.corpora")
    names = [f"w{word}" for word in range(8)]
    texts = [[name for name, count in zip(names, row, strict=True) for _ in range(count)] for row in counts]
    lists = [[0, 1, 2, 3], [4, 5, 6, 7], [7, 0]]
    theirs = models.CoherenceModel(
        topics=[[names[word] for word in words] for words in lists],
        texts=texts,
        dictionary=corpora.Dictionary([names]),
        coherence="c_npmi",
        window_size=10_000,
        processes=1,
    ).get_coherence_per_topic()
    assert npmi(lists, csr_array(counts)) == pytest.approx(theirs, abs=1e-6)


def test_words_that_always_and_never_meet():
    counts = csr_array(np.array([[1, 2, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]))
    always, never = npmi([[0, 1], [0, 2]], counts)
    assert always == pytest.approx(1)
    assert never < -0.9


def test_order_of_words_changes_nothing(counts):
    assert npmi([[3, 1, 5]], csr_array(counts)) == pytest.approx(npmi([[5, 3, 1]], csr_array(counts)))


def test_unknown_words_and_no_documents_are_refused(counts):
    counts[:, 3] = 0
    with pytest.raises(CorpusError, match="occurs in none"):
        npmi([[0, 3]], csr_array(counts))
    with pytest.raises(CorpusError, match="no documents"):
        npmi([[0, 1]], csr_array((0, 8)))


def test_diversity_counts_distinct_words():
    assert diversity([[1, 2], [3, 4]]) == 1
    assert diversity([[1, 2], [1, 2]]) == 0.5
