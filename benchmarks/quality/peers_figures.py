"""Perplexities that scikit-learn and gensim report, where the true value is known, and two ways to count C_V.

Data: 20 Newsgroups. LDA with one topic is the unigram model: log p(x) is a sum of word log-probabilities, whatever the
topic proportions. Each package is asked for the perplexity of such a model. C_V is computed with windows as gensim
counts them and as its paper defines them, on the same texts and words.

    python benchmarks/quality/peers_figures.py      1 minute on two cores; writes benchmarks/results/peers_figures.json
"""

import sys
import warnings
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import save_results
from peers import cluster_topics

from docnvil.analysis.coherence import c_v
from docnvil.text.counts import count_words, word_sequences
from docnvil.text.documents import read_documents

COMMAND = "python benchmarks/quality/peers_figures.py"
TEST_SIZES = (1, 60, 1000)  # and all test documents
TEXTS = 2000


def exact_per_word(topic: NDArray[np.float64], counts: csr_matrix) -> float:
    """Return the perplexity per word if every word is drawn from the one topic, `[V]`."""
    return float(np.exp(-(counts @ np.log(topic)).sum() / counts.sum()))


def check_scikit_learn(train: csr_matrix, test: csr_matrix) -> dict[str, Any]:
    """Return the perplexities that scikit-learn's one-topic LDA reports, and the exact ones."""
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(1, random_state=0).fit(train)
    topic = model.components_[0] / model.components_.sum()
    try:
        half_width = float(model.perplexity(test[:, : test.shape[1] // 2]))
    except ValueError:
        half_width = None
    return {
        "documents": [
            {
                "documents": size,
                "reported": float(model.perplexity(test[:size])),
                "exact": exact_per_word(topic, test[:size]),
            }
            for size in (*TEST_SIZES, test.shape[0])
        ],
        "reported_for_half_the_columns": half_width,
    }


def check_gensim(train: csr_matrix, test: csr_matrix) -> dict[str, Any]:
    """Return gensim's bound of a one-topic LDA, as a power of 2 and of e, and the exact perplexity."""
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaModel

    names = {word: str(word) for word in range(train.shape[1])}
    model = LdaModel(Sparse2Corpus(train.T.tocsc()), num_topics=1, id2word=names, random_state=0)
    bound = float(model.log_perplexity(list(Sparse2Corpus(test.T.tocsc()))))
    return {
        "bound": bound,
        "reported": 2**-bound,
        "exp_minus_bound": float(np.exp(-bound)),
        "exact": exact_per_word(model.get_topics()[0].astype(np.float64), test),
    }


def compare_c_v(seed: int = 0) -> dict[str, Any]:
    """Return C_V of the words of fifty clusters over raw posts, counted in both ways."""
    documents = list(islice(read_documents(ng20.raw_posts()), TEXTS))
    matrix = count_words(documents)
    lists = cluster_topics(csr_array(matrix.counts), 50, seed).model.words()
    texts = list(word_sequences(documents, None, matrix.vocabulary))
    like_gensim, as_the_paper = (c_v(lists, texts, like_gensim=like_gensim) for like_gensim in (True, False))
    return {
        "texts": TEXTS,
        "like_gensim": float(like_gensim.mean()),
        "as_the_paper": float(as_the_paper.mean()),
        "largest_difference": float(np.abs(like_gensim - as_the_paper).max()),
    }


@click.command()
def main() -> None:
    """Compare reported perplexities with exact ones; write benchmarks/results/peers_figures.json."""
    train, test = (csr_matrix(counts) for counts in ng20.load())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scikit-learn's perplexity overflows
        results = {
            "scikit_learn": check_scikit_learn(train, test),
            "gensim": check_gensim(train, test),
            "c_v": compare_c_v(),
        }
    save_results("peers_figures", COMMAND, results)


if __name__ == "__main__":
    main()
