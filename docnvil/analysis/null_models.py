"""Perplexities of models without units, which every model should improve on. All are exact.

Axes: N documents, V words.
"""

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.perplexity import DocumentBounds, Perplexity
from docnvil.model.visible import PSEUDO_COUNT, NullModel, VisibleLayer, WordLayer
from docnvil.text.sparse import CountRows, row_chunks, row_sums


def null_perplexity(
    visible: VisibleLayer | type[VisibleLayer], column_sums: NDArray[np.float64], n_documents: int, test: CountRows
) -> Perplexity:
    """Return the perplexity of a visible layer's model without units: the unigram model, or independent bits.

    It is fitted to the number of training documents and to how often each word occurs, or each bit is set, in them.

    Raises:
        CorpusError: no document has a word.
    """
    return _evaluate(visible, visible.null_model(column_sums, n_documents), test)


def unigram_perplexity(
    word_frequency: NDArray[np.float64], test: CountRows, *, pseudo_count: float = PSEUDO_COUNT
) -> Perplexity:
    """Return the perplexity of the unigram model: p(w) is proportional to w's training frequency plus a pseudo-count.

    Arguments:
        word_frequency: `[V]`, how often each word occurs in the training documents.
        test: `[N, V]` CSR, the documents to evaluate.
        pseudo_count: added to each frequency, so that words absent from training have a probability above 0.

    Raises:
        CorpusError: no document has a word.

    Example:
        >>> from scipy.sparse import csr_array
        >>> unigram_perplexity(np.array([5.0, 5.0]), csr_array(np.array([[1, 3]]))).perplexity_per_word
        2.0
    """
    return _evaluate(WordLayer, WordLayer.null_model(word_frequency, pseudo_count=pseudo_count), test)


def _evaluate(visible: VisibleLayer | type[VisibleLayer], null_model: NullModel, test: CountRows) -> Perplexity:
    log_likelihood = np.concatenate([np.zeros(0), *map(null_model.log_prob, row_chunks(test))])
    lengths = visible.document_lengths(row_sums(test, np.float64), test.shape[1])
    return DocumentBounds(log_likelihood, log_likelihood, np.zeros_like(lengths), lengths, bound="exact").summarize()
