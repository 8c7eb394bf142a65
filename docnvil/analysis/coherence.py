"""Can the units be read? Coherence and diversity of their word lists.

Axes: N documents, V words, K units, T words of a list.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from docnvil.errors import CorpusError

EPSILON = 1e-12  # what gensim's CoherenceModel adds to joint probabilities, so that figures can be compared
WINDOW = 110  # tokens, of C_V in Röder, Both & Hinneburg (2015) and in gensim
TEXTS_IN_FLIGHT = 1000


def npmi(word_lists: Sequence[Sequence[int]], counts: csr_array | csr_matrix) -> NDArray[np.float64]:
    """Return each list's mean normalized pointwise mutual information over its pairs of words, `[K]`.

    NPMI(v, w) = log(p(v, w) / (p(v) p(w))) / -log p(v, w), with p(.) the share of documents that have the word, or both
    words; a pair that never occurs together comes out near -1, one that always does at 1. Lists of fewer than two words
    give not-a-number.

    Source: Bouma (2009), *Normalized (pointwise) mutual information in collocation extraction*; over whole documents as
    in gensim's `c_npmi`, including its 1e-12 added to joint probabilities.

    Arguments:
        word_lists: the column numbers of each unit's words, `[K][T]`.
        counts: `[N, V]`, the documents in which co-occurrence is counted.

    Raises:
        CorpusError: no documents, or a listed word that occurs in none of them.

    Example:
        >>> together_and_apart = csr_array(np.array([[1, 1, 0], [2, 1, 0], [0, 0, 3], [0, 0, 1]]))
        >>> npmi([[0, 1], [0, 2]], together_and_apart).round(3)
        array([ 1.  , -0.95])
    """
    if not any(len(words) for words in word_lists):
        return np.full(len(word_lists), np.nan)
    if not counts.shape[0]:
        raise CorpusError("Coherence counts words that occur together, and there are no documents to count in.")
    listed = _distinct(word_lists)
    present = csr_array(counts)[:, listed].astype(bool).astype(np.float64)
    association = _association((present.T @ present).toarray() / counts.shape[0])  # [T', T'], T' distinct words
    return np.array([_mean_of_pairs(association, np.searchsorted(listed, words)) for words in word_lists])


def c_v(
    word_lists: Sequence[Sequence[int]],
    texts: Iterable[NDArray[np.integer]],
    *,
    window: int = WINDOW,
    like_gensim: bool = True,
) -> NDArray[np.float64]:
    """Return the C_V coherence of each list, `[K]`: how far its words keep the same company.

    A word's company is the vector of its NPMI with every word of its list, itself among them, counted over all windows
    of 110 successive tokens; C_V is the mean over words of the cosine between a word's vector and the sum of all. Lists
    of fewer than two words give not-a-number. A text shorter than the window is one window.

    Source: Röder, Both & Hinneburg (2015), *Exploring the space of topic coherence measures*, table 8, C_V.

    gensim's `c_v`, which the literature quotes, counts windows otherwise than the paper: as the window slides on, a
    word counts as gone when its first occurrence leaves, although others may still stand in the window.

    Arguments:
        word_lists: the column numbers of each unit's words, `[K][T]`.
        texts: each text's tokens in their order, as column numbers; below zero for a word that is in no list anyway.
            They are gone through once.
        window: tokens of a window.
        like_gensim: count windows as gensim does, to compare with published figures; otherwise as the paper does.

    Raises:
        CorpusError: no texts, or a listed word that occurs in none of them.

    Example:
        >>> texts = [np.array([0, 1, 4, 4]), np.array([1, 0, 4, 4]), np.array([2, 4, 4, 4]), np.array([3, 4, 4, 4])]
        >>> c_v([[0, 1], [2, 3]], texts).round(2)
        array([1.  , 0.05])
    """
    if not any(len(words) for words in word_lists):
        return np.full(len(word_lists), np.nan)
    listed = _distinct(word_lists)
    together, n_windows = np.zeros((len(listed), len(listed))), 0
    remaining = iter(texts)
    while some := list(islice(remaining, TEXTS_IN_FLIGHT)):
        counted, n_counted = _windows_together(some, listed, window, like_gensim=like_gensim)
        together += counted
        n_windows += n_counted
    if not n_windows:
        raise CorpusError("Coherence counts words that occur together, and there are no texts to count in.")
    association = _association(together / n_windows)
    return np.array([_mean_cosine(association, np.searchsorted(listed, words)) for words in word_lists])


def diversity(word_lists: Sequence[Sequence[int]]) -> float:
    """Return the share of distinct words among all words listed.

    Source: Dieng, Ruiz & Blei (2020), *Topic modeling in embedding spaces*, section 6 ("topic diversity").

    Example:
        >>> diversity([[0, 1], [1, 2]])
        0.75
    """
    listed = [word for words in word_lists for word in words]
    return len(set(listed)) / len(listed) if listed else float("nan")


def _distinct(word_lists: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([np.asarray(words, dtype=np.int64) for words in word_lists]))


def _association(together: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return NPMI of each pair, `[T', T']`, from the shares of documents or windows that have both words."""
    alone = together.diagonal()
    if not alone.all():
        raise CorpusError(
            "A listed word occurs in none of the documents that coherence is counted in. Give it more documents."
        )
    joint = together + EPSILON
    return np.log(joint / np.outer(alone, alone)) / np.maximum(-np.log(joint), EPSILON)


def _windows_together(
    texts: Sequence[NDArray[np.integer]], listed: NDArray[np.int64], window: int, *, like_gensim: bool
) -> tuple[NDArray[np.float64], int]:
    """Count the windows that have both words of each pair, `[T', T']`, and all windows.

    Windows are numbered through all texts. A word stands in stretches of successive windows; between two numbers at
    which any stretch begins or ends nothing changes, so that such a run of windows is counted at once.
    """
    lengths = np.array([len(text) for text in texts])
    n_windows = np.maximum(1, lengths - window + 1)
    first_window = np.concatenate([[0], n_windows.cumsum()])
    tokens = np.concatenate(texts)
    text = np.repeat(np.arange(len(texts)), lengths)
    at = np.arange(len(tokens)) - np.repeat(lengths.cumsum() - lengths, lengths)  # each token's place in its text
    word = np.searchsorted(listed, tokens).clip(max=len(listed) - 1)
    wanted = listed[word] == tokens
    word, text, at = word[wanted], text[wanted], at[wanted]

    order = np.lexsort((at, word, text))
    word, text, at = word[order], text[order], at[order]
    start, stop = np.maximum(0, at - window + 1), at + 1  # of the windows that hold the token
    same = text * len(listed) + word  # occurrences of the same word in the same text
    if like_gensim:
        farthest = int(lengths.max()) + 1
        leaves_first = np.searchsorted(same * farthest + at, same * farthest + start)
        stop = np.minimum(stop, at[leaves_first] + 1)
    stop = np.minimum(stop, n_windows[text])
    again = np.flatnonzero(same[1:] == same[:-1]) + 1
    start[again] = np.maximum(start[again], stop[again - 1])  # an earlier occurrence has counted these
    kept = start < stop
    start, stop, word = (first_window[text] + start)[kept], (first_window[text] + stop)[kept], word[kept]

    edges = np.unique(np.concatenate([start, stop]))
    first, last = np.searchsorted(edges, start), np.searchsorted(edges, stop)
    runs = last - first  # each stretch covers these many runs
    run = np.arange(runs.sum()) - np.repeat(runs.cumsum() - runs, runs) + np.repeat(first, runs)
    shape = (max(1, len(edges)), len(listed))
    present = csr_array((np.ones(len(run)), (run, np.repeat(word, runs))), shape=shape)
    sizes = np.append(np.diff(edges), 0)[: shape[0]]
    return (present.T @ present.multiply(sizes[:, None]).tocsr()).toarray(), int(n_windows.sum())


def _mean_cosine(association: NDArray[np.float64], words: NDArray[np.intp]) -> float:
    if len(words) < 2:
        return float("nan")
    company = association[np.ix_(words, words)]
    of_all = company.sum(0)
    norms = np.linalg.norm(company, axis=1) * np.linalg.norm(of_all)
    return float(np.mean(company @ of_all / np.maximum(norms, EPSILON)))


def _mean_of_pairs(association: NDArray[np.float64], words: NDArray[np.intp]) -> float:
    upper = np.triu_indices(len(words), k=1)
    return float(association[np.ix_(words, words)][upper].mean()) if len(words) > 1 else float("nan")
