"""Coherence and diversity of the units' word lists: measures of how interpretable they are.

Axes: N documents, V words, K units, T words of a list, D distinct words of all lists.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.errors import CorpusError, VocabularyError
from docnvil.schema import check_whole
from docnvil.text.document_term_matrix import as_rows

EPSILON = 1e-12  # added to joint probabilities, as in gensim's CoherenceModel, so that results are comparable
WINDOW = 110  # tokens of a C_V window, as in Röder, Both & Hinneburg (2015) and in gensim
TEXTS_PER_CHUNK = 1000


def npmi(word_lists: Sequence[Sequence[int]], counts: Any, *, exact: bool = False) -> NDArray[np.float64]:
    """Return the mean normalized pointwise mutual information of each list over its pairs of words, `[K]`.

    NPMI(v, w) = log(p(v, w) / (p(v) p(w))) / -log p(v, w), where p is the share of documents that contain the word, or
    both words. It is 1 for two words that always occur together, and 0 for independent ones. For words that never occur
    together its limit is -1. gensim, and the literature after it, add 1e-12 to joint probabilities instead, which gives
    log(1e-12 / (p(v) p(w))) / -log 1e-12: -0.95 for two words in half of the documents each, but -0.5 for two in a
    thousandth. Lists of rare words thus score better than they would with `exact`.

    Source: Bouma (2009), *Normalized (pointwise) mutual information in collocation extraction*; over whole documents as
    in gensim's `c_npmi`.

    Arguments:
        word_lists: the column numbers of each unit's words, `[K][T]`; a list of fewer than two words has NaN.
        counts: `[N, V]`, the documents in which co-occurrences are counted: a matrix or a `DocumentTermMatrix`.
        exact: words that never occur together have -1, and nothing is added to joint probabilities.

    Raises:
        CorpusError: there are no documents, or a listed word occurs in none of them.
        VocabularyError: a listed word is not a column.

    Example:
        >>> counts = csr_array(np.array([[1, 1, 0], [2, 1, 0], [0, 0, 3], [0, 0, 1]]))
        >>> npmi([[0, 1], [0, 2]], counts).round(3)
        array([ 1.  , -0.95])
        >>> npmi([[0, 1], [0, 2]], counts, exact=True).round(3)
        array([ 1., -1.])
    """
    if not any(len(words) for words in word_lists):
        return np.full(len(word_lists), np.nan)
    counts = as_rows(counts)
    if not counts.shape[0]:
        raise CorpusError("There are no documents in which to count co-occurrences. Give a corpus with documents.")
    distinct = _distinct_words(word_lists, counts.shape[1])
    present = counts[:, distinct].astype(bool).astype(np.float64)
    associate = _exact_association if exact else _association
    association = associate((present.T @ present).toarray() / counts.shape[0])  # [D, D]
    return np.array([_pair_mean(association, np.searchsorted(distinct, words)) for words in word_lists])


def c_v(
    word_lists: Sequence[Sequence[int]],
    texts: Iterable[NDArray[np.integer]],
    *,
    window: int = WINDOW,
    like_gensim: bool = True,
) -> NDArray[np.float64]:
    """Return the C_V coherence of each list, `[K]`: how similar the contexts of its words are.

    A word's context vector has its NPMI with each word of the list, including itself, counted over all windows of 110
    consecutive tokens. C_V is the mean over words of the cosine between a word's vector and the sum of all vectors. A
    text shorter than the window is one window.

    gensim's `c_v`, which most papers report, counts windows differently from the paper: when the first occurrence of a
    word leaves the sliding window, the word counts as absent, even if the window contains it again.

    Source: Röder, Both & Hinneburg (2015), *Exploring the space of topic coherence measures*, table 8, C_V.

    Arguments:
        word_lists: the column numbers of each unit's words, `[K][T]`; a list of fewer than two words has NaN.
        texts: the tokens of each text in order, as column numbers; any negative number for words outside the
            vocabulary. They are read once.
        window: the number of tokens of a window.
        like_gensim: count windows as gensim does, to compare with published results; otherwise as in the paper.

    Raises:
        CorpusError: there are no texts, or a listed word occurs in none of them.
        VocabularyError: a listed word is not a column.

    Example:
        >>> texts = [np.array([0, 1, 4, 4]), np.array([1, 0, 4, 4]), np.array([2, 4, 4, 4]), np.array([3, 4, 4, 4])]
        >>> c_v([[0, 1], [2, 3]], texts).round(2)
        array([1.  , 0.05])
    """
    if not any(len(words) for words in word_lists):
        return np.full(len(word_lists), np.nan)
    window = check_whole("window", window, 1)
    distinct = _distinct_words(word_lists)
    joint, n_windows = np.zeros((len(distinct), len(distinct))), 0
    remaining = iter(texts)
    while chunk := list(islice(remaining, TEXTS_PER_CHUNK)):
        chunk_joint, chunk_windows = _count_windows(chunk, distinct, window, like_gensim=like_gensim)
        joint += chunk_joint
        n_windows += chunk_windows
    if not n_windows:
        raise CorpusError("There are no texts in which to count co-occurrences. Give a corpus with texts.")
    association = _association(joint / n_windows)
    return np.array([_mean_cosine(association, np.searchsorted(distinct, words)) for words in word_lists])


def diversity(word_lists: Sequence[Sequence[int]]) -> float:
    """Return the number of distinct words divided by the number of all listed words; NaN if no word is listed.

    A second definition of topic diversity is `single_list_share`, which is lower.

    Source: Dieng, Ruiz & Blei (2020), *Topic modeling in embedding spaces*, section 6 ("topic diversity").

    Example:
        >>> diversity([[0, 1], [1, 2]])
        0.75
    """
    listed = [word for words in word_lists for word in words]
    return len(set(listed)) / len(listed) if listed else float("nan")


def single_list_share(word_lists: Sequence[Sequence[int]]) -> float:
    """Return the share of all listed words that are in one list only; NaN if no word is listed.

    This too is called topic diversity. A word in two lists counts once in `diversity`, and not at all here.

    Source: Wu et al. (2023), *Effective neural topic modeling with embedding clustering regularization*, section 4.1.

    Example:
        >>> single_list_share([[0, 1], [1, 2]])
        0.5
    """
    listed = [word for words in word_lists for word in words]
    _, times = np.unique(listed, return_counts=True)
    return int((times == 1).sum()) / len(listed) if listed else float("nan")


def _distinct_words(word_lists: Sequence[Sequence[int]], vocabulary_size: int | None = None) -> NDArray[np.int64]:
    """Return the distinct columns in the lists; a `VocabularyError` names one that is not a column."""
    most = np.inf if vocabulary_size is None else vocabulary_size
    for word in (word for words in word_lists for word in words):
        if not isinstance(word, int | np.integer) or not 0 <= word < most:
            columns = "0 or more" if vocabulary_size is None else f"0 to {vocabulary_size - 1}"
            raise VocabularyError(f"{word!r} is listed as a word. Give the numbers of columns, {columns}.")
    return np.unique(np.concatenate([np.asarray(words, dtype=np.int64) for words in word_lists]))


def _association(joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return NPMI of each pair, `[D, D]`, from the shares of documents or windows that contain both words."""
    marginal = joint.diagonal()
    _check_marginals(joint)
    joint = joint + EPSILON
    return np.log(joint / np.outer(marginal, marginal)) / np.maximum(-np.log(joint), EPSILON)


def _exact_association(joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return NPMI of each pair, `[D, D]`, as `_association` but with the limits where it has none.

    They are -1 for words that never occur together, and 1 for words that are in all documents.
    """
    association = np.where(joint >= 1, 1.0, -1.0)
    between = (joint > 0) & (joint < 1)
    _check_marginals(joint)
    independent = np.outer(joint.diagonal(), joint.diagonal())
    association[between] = np.log(joint[between] / independent[between]) / -np.log(joint[between])
    return association


def _check_marginals(joint: NDArray[np.float64]) -> None:
    if not joint.diagonal().all():
        raise CorpusError("A listed word occurs in none of the documents. Compute coherence on a larger corpus.")


def _count_windows(
    texts: Sequence[NDArray[np.integer]], distinct: NDArray[np.int64], window: int, *, like_gensim: bool
) -> tuple[NDArray[np.float64], int]:
    """Return the number of windows that contain both words of each pair, `[D, D]`, and the number of all windows.

    Each word is in some intervals of consecutive windows. Between two edges at which no interval starts or stops, all
    windows contain the same words; such a bin of windows is counted as one, weighted by its size.
    """
    word, start, stop, n_windows = _window_intervals(texts, distinct, window, like_gensim=like_gensim)
    edges = np.unique(np.concatenate([start, stop]))
    first_bin, last_bin = np.searchsorted(edges, start), np.searchsorted(edges, stop)
    n_bins = last_bin - first_bin  # of each interval
    bins = np.arange(n_bins.sum()) - np.repeat(n_bins.cumsum() - n_bins, n_bins) + np.repeat(first_bin, n_bins)
    shape = (max(1, len(edges)), len(distinct))
    present = csr_array((np.ones(len(bins)), (bins, np.repeat(word, n_bins))), shape=shape)
    sizes = np.append(np.diff(edges), 0)[: shape[0]]
    return (present.T @ present.multiply(sizes[:, None]).tocsr()).toarray(), n_windows


def _window_intervals(
    texts: Sequence[NDArray[np.integer]], distinct: NDArray[np.int64], window: int, *, like_gensim: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
    """Return the intervals of windows that contain a listed word, and the number of all windows.

    Windows are numbered through all texts. An interval is a word (its index in `distinct`), its first window and the
    window after its last one; the intervals of a word do not overlap.
    """
    lengths = np.array([len(text) for text in texts])
    n_windows = np.maximum(1, lengths - window + 1)  # of each text
    first_window = np.concatenate([[0], n_windows.cumsum()])
    tokens = np.concatenate(texts)
    text = np.repeat(np.arange(len(texts)), lengths)
    position = np.arange(len(tokens)) - np.repeat(lengths.cumsum() - lengths, lengths)  # of each token in its text
    word = np.searchsorted(distinct, tokens).clip(max=len(distinct) - 1)
    listed = distinct[word] == tokens
    word, text, position = word[listed], text[listed], position[listed]
    order = np.lexsort((position, word, text))
    word, text, position = word[order], text[order], position[order]

    start, stop = np.maximum(0, position - window + 1), position + 1  # the windows of the text with this token
    group = text * len(distinct) + word  # occurrences of the same word in the same text
    if like_gensim:  # the word is absent as soon as its first occurrence in the window leaves
        max_length = int(lengths.max()) + 1
        first_occurrence = np.searchsorted(group * max_length + position, group * max_length + start)
        stop = np.minimum(stop, position[first_occurrence] + 1)
    stop = np.minimum(stop, n_windows[text])
    repeated = np.flatnonzero(group[1:] == group[:-1]) + 1
    start[repeated] = np.maximum(start[repeated], stop[repeated - 1])  # an earlier occurrence has these windows
    kept = start < stop
    offset = first_window[text]
    return word[kept], (offset + start)[kept], (offset + stop)[kept], int(n_windows.sum())


def _mean_cosine(association: NDArray[np.float64], words: NDArray[np.intp]) -> float:
    if len(words) < 2:
        return float("nan")
    vectors = association[np.ix_(words, words)]
    whole = vectors.sum(0)
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(whole)
    return float(np.mean(vectors @ whole / np.maximum(norms, EPSILON)))


def _pair_mean(association: NDArray[np.float64], words: NDArray[np.intp]) -> float:
    upper = np.triu_indices(len(words), k=1)
    return float(association[np.ix_(words, words)][upper].mean()) if len(words) > 1 else float("nan")
