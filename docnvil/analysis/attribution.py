"""Attribution: which words of a document turn its units on.

The recognition logits of the first layer are linear in f(x), the transformed counts, given the units before them:

    logit_k = b_k + sum_w f(x_w) W_wk + sum_(j<k) L_kj h_j

So each term is the exact contribution of a word or of an earlier unit, and all terms add up to the logit. The earlier
units have the states of the document's binary code: on if q(h_j = 1 | x) > 1/2. With centered inputs, b_k includes the
part of the mean, so that it is the logit of a document without words.

With tanh layers in q, the logit is not linear in the counts. There, the contribution of a word is by how much the logit
falls when the word is left out, and what the words do together is `interaction`.

Axes: n distinct words of a document, N documents, V words, K units of the first layer. Logits are in nats.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.analysis.unit_names import check_unit
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.batches import sparse_counts
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.layers import WordSigmoidLayer
from docnvil.schema import check_whole
from docnvil.text.sparse import CountRows, row_chunks
from docnvil.text.vocabulary import Vocabulary

Logits = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Attribution:
    """The terms of the recognition logits of one document, for all units of the first layer.

    Arguments:
        words: the columns of its words, `[n]`.
        counts: how often each occurs, `[n]`.
        probabilities: q(h_k = 1 | x), `[K]`; those of the prior for a document without words.
        logits: the logit of each unit given the binary code of the earlier units, `[K]`.
        bias: the logit of each unit for a document without words and without earlier units, `[K]`.
        word_terms: the contribution of each word to each logit, `[K, n]`.
        earlier_terms: the contribution of unit j to the logit of unit k, `[K, K]`; 0 if q is factorial.
        interaction: what the words add together, `[K]`; 0 unless q has tanh layers.
        is_exact: whether the terms of the words are those of a sum; otherwise words are left out one at a time.
    """

    words: NDArray[np.int64]
    counts: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    logits: Logits
    bias: Logits
    word_terms: Logits
    earlier_terms: Logits
    interaction: Logits
    is_exact: bool

    @property
    def units_on(self) -> NDArray[np.int64]:
        """The units with a probability above 1/2, the most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return order[self.probabilities[order] > 0.5]

    def top_words(self, unit: int, top_n: int | None = None) -> NDArray[np.int64]:
        """Return positions in `words`, by the size of their contribution to a unit's logit; the largest first."""
        terms, top_n = self._terms_of(unit, top_n)
        return np.argsort(-np.abs(terms), kind="stable")[:top_n]

    def top_causes(self, unit: int, top_n: int | None = None) -> NDArray[np.int64]:
        """Return positions in `words` of those that raise a unit's logit; the largest contribution first."""
        terms, top_n = self._terms_of(unit, top_n)
        order = np.argsort(-terms, kind="stable")
        return order[terms[order] > 0][:top_n]

    def _terms_of(self, unit: int, top_n: int | None) -> tuple[Logits, int | None]:
        """Return the terms of a unit's logit, `[n]`, and how many to list, after checking both arguments."""
        check_unit(unit, len(self.word_terms))
        return self.word_terms[unit], None if top_n is None else check_whole("top_n", top_n)


@torch.no_grad()
def attribute(model: BeliefNetwork, counts: CountRows) -> Iterator[Attribution]:
    """Yield the attribution of each document, in the order of the rows `[N, V]`; a few documents are in memory at once.

    Arguments:
        model: the belief network.
        counts: `[N, V]`, with the model's vocabulary.

    Raises:
        VocabularyError: the counts and the model's vocabulary have different sizes.
    """
    first = copy.deepcopy(model.recognition.first).cpu().double()
    n_units = model.config.units[0]
    lateral = first.units.lateral
    lateral = np.zeros((n_units, n_units)) if lateral is None else lateral.tril(-1).numpy()
    empty = csr_array((1, counts.shape[1]), dtype=np.float64)
    bias = _input_logits(first, empty)[0]
    for chunk in row_chunks(counts):
        probabilities = unit_probabilities(model, chunk)[:, :n_units].astype(np.float64)
        codes = (probabilities > 0.5).astype(np.float64)
        for row in range(chunk.shape[0]):
            document = csr_array(chunk[[row]])
            inputs = _input_logits(first, document)[0]
            word_terms = _word_terms(first, document, inputs)
            earlier_terms = lateral * codes[row]
            yield Attribution(
                words=document.indices.astype(np.int64),
                counts=document.data.astype(np.float64),
                probabilities=probabilities[row],
                logits=inputs + earlier_terms.sum(1),
                bias=bias,
                word_terms=word_terms,
                earlier_terms=earlier_terms,
                interaction=inputs - bias - word_terms.sum(1) if first.deeper else np.zeros(n_units),
                is_exact=not first.deeper,
            )


def _word_terms(first: WordSigmoidLayer, document: csr_array, inputs: Logits) -> Logits:
    """Return the contribution of each word of a document, `[1, V]`, to its logits, `[K]`: `[K, n]`."""
    if not first.deeper:
        values = document.data.astype(np.float64)
        values = np.log1p(values) if first.linear.transform == "log1p" else values
        return first.linear.weight[torch.from_numpy(document.indices.astype(np.int64))].numpy().T * values
    n_words = document.nnz
    if not n_words:
        return np.zeros((len(inputs), 0))
    without = np.tile(document.data.astype(np.float64), (n_words, 1))
    np.fill_diagonal(without, 0)
    columns, starts = np.tile(document.indices, n_words), np.arange(n_words + 1) * n_words
    rows = csr_array((without.ravel(), columns, starts), shape=(n_words, document.shape[1]))
    return (inputs - _input_logits(first, rows)).T


def _input_logits(first: WordSigmoidLayer, counts: csr_array) -> Logits:
    """Return the logits of each document without those of earlier units, `[N, K]`."""
    return first(sparse_counts(counts, torch.device("cpu"), torch.float64)).logits.numpy()


def explanation_rows(
    attribution: Attribution, vocabulary: Vocabulary, labels: Sequence[str], top_n: int | None = None
) -> Iterator[dict[str, object]]:
    """Yield one row per unit that is on and term of its logit: words, earlier units, bias and interaction.

    The rows of a unit add up to its logit if all words are listed.

    Arguments:
        attribution: the terms of one document.
        vocabulary: the words of the columns.
        labels: what each unit is called, `[K]`.
        top_n: number of words per unit, those with the largest contributions; None for all.

    Example:
        >>> zeros, terms = np.zeros((2, 2)), np.array([[1.5, -0.5], [0.0, 0.0]])
        >>> logits, bias = np.array([0.8, -3.0]), np.array([-0.2, -3.0])
        >>> document = Attribution(np.array([0, 1]), np.ones(2), np.array([0.7, 0.1]), logits, bias, terms, zeros,
        ...     np.zeros(2), True)
        >>> rows = explanation_rows(document, Vocabulary(["owl", "cat"]), ["birds", "unit 1"])
        >>> [(row["label"], row["kind"], row["term"], row["contribution"]) for row in rows]
        [('birds', 'word', 'owl', 1.5), ('birds', 'word', 'cat', -0.5), ('birds', 'bias', '', -0.2)]
    """
    for unit in attribution.units_on.tolist():
        common = {
            "unit": unit,
            "label": labels[unit],
            "probability": float(attribution.probabilities[unit]),
            "logit": float(attribution.logits[unit]),
        }
        for position in attribution.top_words(unit, top_n).tolist():
            word, count = vocabulary[int(attribution.words[position])], float(attribution.counts[position])
            value = float(attribution.word_terms[unit, position])
            yield {**common, "kind": "word", "term": word, "count": count, "contribution": value}
        terms = attribution.earlier_terms[unit]
        for other in np.argsort(-np.abs(terms), kind="stable")[: np.count_nonzero(terms)].tolist():
            value = float(terms[other])
            yield {**common, "kind": "unit", "term": labels[other], "count": None, "contribution": value}
        yield {**common, "kind": "bias", "term": "", "count": None, "contribution": float(attribution.bias[unit])}
        if not attribution.is_exact:
            value = float(attribution.interaction[unit])
            yield {**common, "kind": "interaction", "term": "", "count": None, "contribution": value}
