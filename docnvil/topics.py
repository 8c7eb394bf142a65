"""What a unit stands for, in words: from how the documents that switch it on differ from those that do not.

A unit's largest weights are a poor portrait. They favour rare words, whose weights nothing holds back. What a reader
wants are the words that are frequent where the unit is on and infrequent where it is off, as far as the unit's own
weight speaks for them.

Axes: N documents, B documents of a batch, V words, K units of the first layer.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docnvil.codes import unit_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.text.sparse import Rows, column_sums, document_frequencies, row_entries

BATCH_SIZE = 4096
# Units that fall asleep in training carry weights of no size and less than 0.001 nats; the rarest real subject seen so
# far, on in one document of five hundred, carries 0.015.
DEAD_INFORMATION = 0.002


@dataclass(frozen=True)
class UnitStatistics:
    """How words and units of the first layer go together in a corpus, weighted by q(h_k = 1 | x).

    A trained model keeps those of all documents given to `fit`, the ones that chose the best epoch among them.

    Arguments:
        documents_on: `[K, V]`, the expected number of documents that have word w and unit k on.
        document_frequency: `[V]`, the number of documents that have word w.
        word_frequency: `[V]`, how often word w occurs in all, from which comes the unigram model's perplexity.
        activity: `[K]`, the expected number of documents with unit k on.
        information: `[K]`, mutual information of unit k and the document, in nats: the entropy of the unit over the
            corpus less its mean entropy given a document. Zero if the unit does the same whatever it reads.
        n_documents: N, documents with words; binary vectors all.
    """

    documents_on: NDArray[np.float64]
    document_frequency: NDArray[np.float64]
    word_frequency: NDArray[np.float64]
    activity: NDArray[np.float64]
    information: NDArray[np.float64]
    n_documents: int

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Units that tell less than 0.002 nats about a document, and so have no words worth reading, `[K]`."""
        return self.information < DEAD_INFORMATION


@dataclass(frozen=True)
class Topic:
    """A unit of the first layer as a reader sees it.

    Arguments:
        unit: its number, from 0.
        words: column numbers of its words, best first; fewer than asked for if no more speak for it.
        scores: of the same words, see `association`.
        share: the share of documents that switch it on.
        information: what it tells about a document, in nats.
        dead: whether that is too little to read anything into its words.
    """

    unit: int
    words: tuple[int, ...]
    scores: tuple[float, ...]
    share: float
    information: float
    dead: bool


def unit_statistics(model: BeliefNetwork, counts: Rows) -> UnitStatistics:
    """Go through a corpus once and gather what `topics` needs.

    Arguments:
        model: the belief network; counts: `[N, V]` CSR. Documents without words are passed over.
    """
    n_units = model.config.units[0]
    documents_on = np.zeros((n_units, counts.shape[1]))
    activity, entropy = np.zeros((2, n_units))
    filled = np.arange(counts.shape[0]) if model.config.is_binary else np.flatnonzero(row_entries(counts))
    for start in range(0, len(filled), BATCH_SIZE):
        batch = counts[filled[start : start + BATCH_SIZE]]
        on = unit_probabilities(model, batch)[:, :n_units]  # [B, K]
        documents_on += (batch.astype(bool).astype(np.float64).T @ on).T
        activity += on.sum(0)
        entropy += _entropy(on).sum(0)
    n_documents = max(1, len(filled))
    return UnitStatistics(
        documents_on=documents_on,
        document_frequency=document_frequencies(counts).astype(np.float64),
        word_frequency=column_sums(counts),
        activity=activity,
        information=np.maximum(_entropy(activity / n_documents) - entropy / n_documents, 0.0),
        n_documents=len(filled),
    )


def association(statistics: UnitStatistics, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score words by p1 log(p1 / p0) max(0, W): how much more often they come where a unit is on, `[K, V]`.

    p1 and p0 are the shares of documents with the word where the unit is on and where it is off, one document being
    added to each side so that a unit that is hardly ever on or off claims nothing.

    Arguments:
        statistics: of the documents given to `fit`. weight: `[V, K]`, the visible layer's weights.

    Example:
        One unit, on in 9 of 18 documents; the first word comes only with it, the second no more than without it:

        >>> seen = np.array([9.0, 8.0])
        >>> statistics = UnitStatistics(np.array([[9.0, 4.0]]), seen, seen, np.array([9.0]), np.ones(1), 18)
        >>> association(statistics, np.ones((2, 1))).round(2)
        array([[8.19, 0.  ]])
    """
    tiny = 1e-4  # a word never seen with the unit off counts as seen in a ten-thousandth of those documents
    off = statistics.n_documents - statistics.activity
    p1 = np.clip(statistics.documents_on / (statistics.activity[:, None] + 1), tiny, 1)
    p0 = np.clip((statistics.document_frequency - statistics.documents_on) / (off[:, None] + 1), tiny, 1)
    return p1 * np.log(p1 / p0) * np.maximum(weight.T, 0)


def topics(model: BeliefNetwork, statistics: UnitStatistics, n_words: int = 10) -> list[Topic]:
    """Describe every unit of the first layer by its words, in the order of units.

    Arguments:
        model: the belief network; statistics: from `unit_statistics`; n_words: the length of the lists.
    """
    weight = model.generative.visible.weight.detach().double().cpu().numpy()
    scores = association(statistics, weight)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :n_words]
    best = [words[scores[unit, words] > 0] for unit, words in enumerate(ranked)]
    return [
        Topic(
            unit=unit,
            words=tuple(words.tolist()),
            scores=tuple(scores[unit, words].tolist()),
            share=float(statistics.activity[unit] / max(1, statistics.n_documents)),
            information=float(statistics.information[unit]),
            dead=bool(statistics.dead[unit]),
        )
        for unit, words in enumerate(best)
    ]


def _entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of binary units, in nats."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return -p * np.log(p) - (1 - p) * np.log1p(-p)
