"""Topic models of other packages, and how they are fitted for a comparison.

Axes: N documents, V vocabulary, K topics.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from docnvil.comparison.adapters import NMF_SMOOTHING, MixtureOfTopics, adapt_topic_model, word_lists
from docnvil.runtime.packages import is_installed

TOMOTOPY_ITERATIONS = 1000
TOMOTOPY_STATES = 20  # of the same chain, whose topics are averaged: one state alone predicts worse
ITERATIONS_BETWEEN_STATES = 10
GENSIM_PASSES = 10
INFERENCE = "predictions by CVB0"  # see `docnvil.comparison.lda_inference`


@dataclass(frozen=True)
class Peer:
    """A topic model of another package."""

    module: str  # its package must be installed
    settings: str  # how the model is fitted
    fit: Callable[[csr_array, int, int, int], MixtureOfTopics]  # from counts [N, V], K, a seed and a number of threads

    @property
    def is_installed(self) -> bool:
        """Whether its package is installed; nothing is imported."""
        return is_installed(self.module.partition(".")[0])


def fit_scikit_learn_lda(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit scikit-learn's variational LDA with its defaults, in one process (`n_jobs` would start others)."""
    from sklearn.decomposition import LatentDirichletAllocation

    return adapt_topic_model(LatentDirichletAllocation(n_topics, random_state=seed).fit(counts))


def fit_scikit_learn_nmf(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit scikit-learn's non-negative matrix factorization with the Kullback-Leibler loss, which is closest to LDA."""
    from sklearn.decomposition import NMF

    loss = {"beta_loss": "kullback-leibler", "solver": "mu", "init": "nndsvda"}
    return adapt_topic_model(NMF(n_topics, random_state=seed, **loss).fit(counts.astype(np.float64)))


def fit_gensim_lda(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit gensim's online variational LDA; its default of one pass is not enough for some thousand documents."""
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaModel

    model = LdaModel(
        Sparse2Corpus(counts, documents_columns=False),
        id2word={column: str(column) for column in range(counts.shape[1])},  # otherwise unseen words have no column
        num_topics=n_topics,
        passes=GENSIM_PASSES,
        alpha="auto",
        eval_every=None,
        random_state=seed,
    )
    return adapt_topic_model(model, seed=seed)


def fit_tomotopy_lda(counts: csr_array, n_topics: int, seed: int, threads: int) -> MixtureOfTopics:
    """Fit tomotopy's LDA by collapsed Gibbs sampling, and average the topics of 20 states of the chain.

    The result is reproducible with one thread only.
    """
    import tomotopy

    model = tomotopy.LDAModel(k=n_topics, seed=seed)
    names = [str(column) for column in range(counts.shape[1])]
    for words in filter(None, word_lists(counts, names)):  # tomotopy exits on empty documents
        model.add_doc(words)
    model.train(TOMOTOPY_ITERATIONS, workers=threads)
    states = []
    for _ in range(TOMOTOPY_STATES):
        model.train(ITERATIONS_BETWEEN_STATES, workers=threads)
        states.append(adapt_topic_model(model, names, threads=threads))
    topics, alpha = (np.mean([getattr(state, name) for state in states], axis=0) for name in ("topics", "alpha"))
    return replace(states[-1], topics=topics, alpha=alpha)


PEERS: dict[str, Peer] = {
    "sklearn-lda": Peer(
        "sklearn.decomposition",
        f"batch variational Bayes, 10 iterations (its defaults); {INFERENCE}",
        fit_scikit_learn_lda,
    ),
    "sklearn-nmf": Peer(
        "sklearn.decomposition",
        f"Kullback-Leibler loss, at most 200 iterations; {NMF_SMOOTHING:.0%} uniform smoothing of predictions",
        fit_scikit_learn_nmf,
    ),
    "gensim-lda": Peer(
        "gensim.models", f"online variational Bayes, {GENSIM_PASSES} passes, learned alpha; {INFERENCE}", fit_gensim_lda
    ),
    "tomotopy-lda": Peer(
        "tomotopy",
        f"collapsed Gibbs sampling, {TOMOTOPY_ITERATIONS} iterations, learned alpha; topics averaged over"
        f" {TOMOTOPY_STATES} later states; {INFERENCE}",
        fit_tomotopy_lda,
    ),
}
