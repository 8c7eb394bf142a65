"""What peers print for a perplexity, beside the truth, where the truth is known.

    python benchmarks/quality/peers_figures.py           writes benchmarks/results/peers_figures.json

LDA with a single topic is the unigram model: whatever a document's topic proportions are, its words are drawn from that
topic, and log p(x) is a sum of logarithms. So each package is asked for its figure on such a model. C_V is counted in
windows as gensim does and as the paper does, over the same texts and words.
"""

import sys
import warnings
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import keep, shared_data
from peers import clusters_alone

from docnvil.analysis.coherence import c_v
from docnvil.text.counts import count_words, word_sequences
from docnvil.text.documents import read_documents

COMMAND = "python benchmarks/quality/peers_figures.py"
DOCUMENTS = (1, 60, 1000)
TEXTS = 2000


def exact_per_word(words: NDArray[np.float64], counts: csr_matrix) -> float:
    """Perplexity per word of drawing every word from the one topic."""
    return float(np.exp(-(counts @ np.log(words)).sum() / counts.sum()))


def scikit_learn(train: csr_matrix, test: csr_matrix) -> dict[str, Any]:
    from sklearn.decomposition import LatentDirichletAllocation

    model = LatentDirichletAllocation(1, random_state=0).fit(train)
    words = model.components_[0] / model.components_.sum()
    narrow = test[:, : test.shape[1] // 2]
    try:
        of_narrow = float(model.perplexity(narrow))
    except ValueError:
        of_narrow = None
    return {
        "documents": [
            {
                "documents": number,
                "printed": float(model.perplexity(test[:number])),
                "exact": exact_per_word(words, test[:number]),
            }
            for number in (*DOCUMENTS, test.shape[0])
        ],
        "printed_for_half_the_columns": of_narrow,
    }


def gensim(train: csr_matrix, test: csr_matrix) -> dict[str, Any]:
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaModel

    names = {word: str(word) for word in range(train.shape[1])}
    model = LdaModel(Sparse2Corpus(train.T.tocsc()), num_topics=1, id2word=names, random_state=0)
    bound = float(model.log_perplexity(list(Sparse2Corpus(test.T.tocsc()))))
    return {
        "bound": bound,
        "printed": 2**-bound,
        "of_nats": float(np.exp(-bound)),
        "exact": exact_per_word(model.get_topics()[0].astype(np.float64), test),
    }


def windows(seed: int = 0) -> dict[str, Any]:
    """C_V of the words of fifty clusters, over raw posts."""
    documents = list(islice(read_documents(shared_data("ng20_raw/ng20_bydate.jsonl.gz")), TEXTS))
    matrix = count_words(documents)
    lists = clusters_alone(csr_array(matrix.counts), 50, seed).model.words()
    texts = list(word_sequences(documents, None, matrix.vocabulary))
    by_gensim, by_paper = (c_v(lists, texts, like_gensim=way) for way in (True, False))
    return {
        "texts": TEXTS,
        "like_gensim": float(by_gensim.mean()),
        "as_the_paper": float(by_paper.mean()),
        "largest_difference": float(np.abs(by_gensim - by_paper).max()),
    }


@click.command()
def main() -> None:
    train, test = (csr_matrix(load_npz(shared_data(f"ng20_sh2009/{part}.npz"))) for part in ("train", "test"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # their overflows; what they print is kept
        found = {
            "scikit_learn": scikit_learn(train, test),
            "gensim": gensim(train, test),
            "c_v": windows(),
        }
    keep("peers_figures", COMMAND, found)


if __name__ == "__main__":
    main()
