"""Can the units be read? Coherence and diversity of their word lists.

Axes: N documents, V words, K units, T words of a list.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

from docnvil.errors import CorpusError

EPSILON = 1e-12  # what gensim's CoherenceModel adds to joint probabilities, so that figures can be compared


def npmi(word_lists: Sequence[Sequence[int]], counts: csr_array | csr_matrix) -> NDArray[np.float64]:
    """Return each list's mean normalised pointwise mutual information over its pairs of words, `[K]`.

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
    words = np.unique(np.concatenate([np.asarray(words, dtype=np.int64) for words in word_lists]))
    position = {word: at for at, word in enumerate(words.tolist())}
    present = csr_array(counts)[:, words].astype(bool).astype(np.float64)
    together = (present.T @ present).toarray() / counts.shape[0]  # [T', T'], T' the distinct words listed
    alone = together.diagonal()
    if not alone.all():
        raise CorpusError(
            "A listed word occurs in none of the documents that coherence is counted in. Give it more documents."
        )
    joint = together + EPSILON
    association = np.log(joint / np.outer(alone, alone)) / np.maximum(-np.log(joint), EPSILON)
    return np.array([_mean_of_pairs(association, [position[word] for word in words]) for words in word_lists])


def diversity(word_lists: Sequence[Sequence[int]]) -> float:
    """Return the share of distinct words among all words listed.

    Source: Dieng, Ruiz & Blei (2020), *Topic modeling in embedding spaces*, section 6 ("topic diversity").

    Example:
        >>> diversity([[0, 1], [1, 2]])
        0.75
    """
    listed = [word for words in word_lists for word in words]
    return len(set(listed)) / len(listed) if listed else float("nan")


def _mean_of_pairs(association: NDArray[np.float64], words: Sequence[int]) -> float:
    upper = np.triu_indices(len(words), k=1)
    return float(association[np.ix_(words, words)][upper].mean()) if len(words) > 1 else float("nan")
