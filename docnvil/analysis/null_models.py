"""Perplexities of models without units, which every model should improve on. All are exact.

There are two for words: the unigram model, and the model's own output layer without units. The second also
models how words recur in a document (burstiness), so what a model gains on it is the work of its units.
`docnvil.analysis.gain` evaluates that gain.

Axes: N documents, V words.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.concentration import fit_concentration
from docnvil.analysis.perplexity import DocumentBounds, Perplexity
from docnvil.errors import ConfigurationError, VocabularyError, counted
from docnvil.model.null_models import NullModel
from docnvil.model.visible import PSEUDO_COUNT, VisibleLayer, WordLayer
from docnvil.text.document_term_matrix import as_rows
from docnvil.text.sparse import CountRows, column_sums, row_chunks, row_sums


@dataclass(frozen=True)
class LayerWithoutUnits:
    """A model's output layer without units, and its figures on the validation documents of the training.

    Arguments:
        concentration: A, by maximum likelihood on the training documents; None if it is infinite, because words do not
            recur more often than independent ones, or if the layer has none.
        validation_bound: mean log p(x) of the validation documents, in nats per document; None if all are empty.
        validation_perplexity: their perplexity, averaged per document; None if all are empty.
    """

    concentration: float | None
    validation_bound: float | None
    validation_perplexity: float | None


def fit_without_units(
    visible: VisibleLayer | type[VisibleLayer], counts: CountRows, train: CountRows, validation: CountRows
) -> tuple[LayerWithoutUnits, DocumentBounds | None]:
    """Fit a visible layer without units; return it and log p(x) of the validation documents, None if all are empty.

    Arguments:
        visible: the layer.
        counts: `[N, V]`, all documents given for training, whose frequencies later evaluations use.
        train: `[M, V]`, those that the parameters were fitted to; only they give the frequencies for validation.
        validation: `[N', V]`, the documents that the best epoch was chosen by.
    """
    concentration = math.inf
    if visible.has_concentration:
        unigram = visible.null_model(column_sums(counts), counts.shape[0])
        concentration = fit_concentration(counts, np.exp(unigram.weight))
    bounds = bound = perplexity = None
    if visible.empty_is_data or row_sums(validation, np.float64).any():
        null_model = visible.without_units(column_sums(train), train.shape[0], concentration)
        bounds = null_model_bounds(visible, null_model, validation)
        result = bounds.summarize()
        bound, perplexity = result.log_likelihood / result.documents, result.perplexity_per_document
    return LayerWithoutUnits(concentration if math.isfinite(concentration) else None, bound, perplexity), bounds


def unigram_perplexity(
    word_frequency: NDArray[np.float64], test: Any, *, pseudo_count: float = PSEUDO_COUNT
) -> Perplexity:
    """Return the perplexity of the unigram model: p(w) is proportional to w's training frequency plus a pseudo-count.

    Arguments:
        word_frequency: `[V]`, how often each word occurs in the training documents.
        test: `[N, V]`, the documents to evaluate: a matrix or a `DocumentTermMatrix`.
        pseudo_count: added to each frequency, so that words absent from training have a probability above 0.

    Raises:
        CorpusError: no document has a word, or the test documents are not counts.
        VocabularyError: there is not one frequency per column.
        ConfigurationError: a frequency plus the pseudo-count is negative or not finite, or all are 0.

    Example:
        >>> from scipy.sparse import csr_array
        >>> unigram_perplexity(np.array([5.0, 5.0]), csr_array(np.array([[1, 3]]))).perplexity_per_word
        2.0
    """
    test, word_frequency = as_rows(test), np.asarray(word_frequency, dtype=np.float64)
    if word_frequency.shape != test.shape[1:]:
        raise VocabularyError(
            f"word_frequency has shape {word_frequency.shape}, and the test documents have"
            f" {counted(test.shape[1], 'word')}. Give one frequency per word."
        )
    weights = word_frequency + pseudo_count
    if not (np.isfinite(weights).all() and weights.min(initial=0) >= 0 and weights.sum() > 0):
        raise ConfigurationError(
            "word_frequency plus pseudo_count is negative, infinite or NaN for a word, or 0 for all. Give how often"
            " each word occurs."
        )
    return evaluate_null_model(WordLayer, WordLayer.null_model(word_frequency, pseudo_count=pseudo_count), test)


def evaluate_null_model(
    visible: VisibleLayer | type[VisibleLayer], null_model: NullModel, test: CountRows
) -> Perplexity:
    """Return the exact perplexity of a model without units on documents `[N, V]` of a layer's kind.

    Raises:
        CorpusError: no document has a word.
    """
    return null_model_bounds(visible, null_model, test).summarize()


def null_model_bounds(
    visible: VisibleLayer | type[VisibleLayer], null_model: NullModel, test: CountRows
) -> DocumentBounds:
    """Return the exact log p(x) of each document `[N, V]` under a model without units."""
    log_likelihood = np.concatenate([np.zeros(0), *map(null_model.log_prob, row_chunks(test))])
    lengths = visible.document_lengths(row_sums(test, np.float64), test.shape[1])
    return DocumentBounds(log_likelihood, log_likelihood, np.zeros_like(lengths), lengths, bound="exact")
