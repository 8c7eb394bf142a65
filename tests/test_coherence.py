"""NPMI, C_V and diversity against their definitions and gensim."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from docnvil.analysis import coherence as module
from docnvil.analysis.coherence import c_v, diversity, npmi, single_list_share
from docnvil.errors import CorpusError


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
    expected = models.CoherenceModel(
        topics=[[names[word] for word in words] for words in lists],
        texts=texts,
        dictionary=corpora.Dictionary([names]),
        coherence="c_npmi",
        window_size=10_000,
        processes=1,
    ).get_coherence_per_topic()
    assert npmi(lists, csr_array(counts)) == pytest.approx(expected, abs=1e-6)


def test_npmi_of_words_that_never_occur_together_is_as_the_page_says():
    """docs/evaluation.md gives the values for words in half, and in a thousandth, of the documents."""
    page = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", page)
    for share, described in ((0.5, "half of the documents"), (0.001, "a thousandth")):
        n_with = round(2000 * share)
        counts = np.zeros((2000, 2), dtype=int)
        counts[:n_with, 0] = counts[-n_with:, 1] = 1
        value = f"−{-npmi([[0, 1]], csr_array(counts))[0]:.2f}".rstrip("0")
        assert re.search(rf"{value} if each is in {described}", text), value


def test_npmi_of_words_that_always_or_never_occur_together():
    counts = csr_array(np.array([[1, 2, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]))
    always, never = npmi([[0, 1], [0, 2]], counts)
    assert always == pytest.approx(1)
    assert never < -0.9


def test_words_that_never_occur_together_score_higher_where_they_are_rare_unless_exact():
    """The usual formula adds 1e-12 to joint probabilities."""
    counts = np.zeros((1000, 4), dtype=int)
    counts[0, 0] = counts[1, 1] = 1  # rare
    counts[:500, 2] = counts[500:, 3] = 1  # frequent
    rare, frequent = npmi([[0, 1], [2, 3]], csr_array(counts))
    assert rare == pytest.approx(-0.5, abs=1e-9)
    assert frequent == pytest.approx(-0.95, abs=0.005)
    assert npmi([[0, 1], [2, 3]], csr_array(counts), exact=True).tolist() == [-1, -1]


def test_exact_npmi_differs_for_words_that_never_occur_together_only(counts):
    lists = [[0, 1, 2], [3, 4], [5, 6, 7]]
    assert npmi(lists, csr_array(counts), exact=True) == pytest.approx(npmi(lists, csr_array(counts)), abs=1e-9)
    everywhere = csr_array(np.ones((4, 2), dtype=int))
    assert npmi([[0, 1]], everywhere, exact=True) == 1
    counts[:, 3] = 0
    with pytest.raises(CorpusError, match="occurs in none"):
        npmi([[0, 3]], csr_array(counts), exact=True)


def test_npmi_does_not_depend_on_the_order_of_words(counts):
    assert npmi([[3, 1, 5]], csr_array(counts)) == pytest.approx(npmi([[5, 3, 1]], csr_array(counts)))


def test_npmi_of_absent_words_or_without_documents_raises_an_error(counts):
    counts[:, 3] = 0
    with pytest.raises(CorpusError, match="occurs in none"):
        npmi([[0, 3]], csr_array(counts))
    with pytest.raises(CorpusError, match="no documents"):
        npmi([[0, 1]], csr_array((0, 8)))


LISTS = [[0, 1, 2, 3], [4, 5, 6, 7], [7, 0], [3, 1, 5, 2, 6]]


@pytest.fixture
def texts() -> list[np.ndarray]:
    """Texts of 0 to 60 tokens, longer and shorter than a window, with repeated words; -1 is in no list."""
    generator = np.random.default_rng(0)
    return [generator.integers(-1, 9, size) for size in [0, 1, 60, *generator.integers(2, 60, 40)]]


def c_v_by_definition(lists: list[list[int]], texts: list[np.ndarray], window: int) -> list[float]:
    """C_V from the set of words of each window."""
    starts = ((text, start) for text in texts for start in range(max(1, len(text) - window + 1)))
    windows = [set(text[start : start + window].tolist()) for text, start in starts]
    present = np.array([[word in each for word in range(9)] for each in windows], dtype=float)
    shares = present.T @ present / len(windows)
    joint = shares + 1e-12
    association = np.log(joint / np.outer(shares.diagonal(), shares.diagonal())) / -np.log(joint)
    values = []
    for words in lists:
        vectors = association[np.ix_(words, words)]
        whole = vectors.sum(0)
        values.append(np.mean([v @ whole / np.linalg.norm(v) / np.linalg.norm(whole) for v in vectors]))
    return values


@pytest.mark.parametrize("window", [1, 2, 7, 30, 100])
@pytest.mark.parametrize("chunk_size", [1, 5, 1000])
def test_c_v_agrees_with_the_definition(texts, window, chunk_size, monkeypatch):
    monkeypatch.setattr(module, "TEXTS_PER_CHUNK", chunk_size)
    values = c_v(LISTS, iter(texts), window=window, like_gensim=False)
    assert values == pytest.approx(c_v_by_definition(LISTS, texts, window), abs=1e-9)


@pytest.mark.parametrize("window", [2, 7, 30, 110])
def test_c_v_agrees_with_gensim(texts, window):
    models = pytest.importorskip("gensim.models", reason="gensim is an optional peer")
    corpora = pytest.importorskip("gensim.corpora")
    names = [f"w{word}" for word in range(9)]
    expected = models.CoherenceModel(
        topics=[[names[word] for word in words] for words in LISTS],
        texts=[[f"w{word}" for word in text] for text in texts],
        dictionary=corpora.Dictionary([names]),
        coherence="c_v",
        window_size=window,
        processes=1,
    ).get_coherence_per_topic()
    assert c_v(LISTS, texts, window=window) == pytest.approx(expected, abs=1e-6)


def test_c_v_of_absent_words_or_without_texts_raises_an_error(texts):
    with pytest.raises(CorpusError, match="occurs in none"):
        c_v([[0, 99]], texts)
    with pytest.raises(CorpusError, match="no texts"):
        c_v([[0, 1]], [])


def test_lists_of_fewer_than_two_words_have_no_coherence(texts, counts):
    for lists in ([[0], []], [[], []]):
        assert np.isnan(c_v(lists, texts)).all()
        assert np.isnan(npmi(lists, csr_array(counts))).all()


def test_diversity_is_the_share_of_distinct_words():
    assert diversity([[1, 2], [3, 4]]) == 1
    assert diversity([[1, 2], [1, 2]]) == 0.5
    assert np.isnan(diversity([[], []]))


def test_words_of_several_lists_count_once_or_not_at_all():
    lists = [[1, 2], [2, 3], [2, 4]]
    assert diversity(lists) == pytest.approx(4 / 6)
    assert single_list_share(lists) == pytest.approx(3 / 6)
    assert single_list_share([[1, 2], [3]]) == 1
    assert np.isnan(single_list_share([[], []]))
