"""What a unit stands for, in words: from how the documents that switch it on differ from those that do not.

A unit's largest weights are a poor portrait. They favor rare words, whose weights nothing holds back. What a reader
wants are the words that are frequent where the unit is on and infrequent where it is off, as far as the unit's own
weight speaks for them.

Axes: N documents, B documents of a batch, V words, K units of the first layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.text.sparse import CountRows, column_sums, document_frequencies, row_entries

BATCH_SIZE = 4096
# Units that fall asleep in training carry weights of no size and less than 0.001 nats; the rarest real subject seen so
# far, on in one document of five hundred, carries 0.015.
DEAD_INFORMATION = 0.002
# Rules of thumb, set by what a reader would say of units trained on 20 Newsgroups: of two units about guns with a
# cosine of .61 each had something of its own, of two about God with .76 neither had.
DUPLICATE_COSINE = 0.7
GENERAL_SHARE = 0.1
GENERAL_RATIO = 3.0


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
        exclusivity: how far its words are its own, see `exclusivity`; not-a-number without words.
        duplicate_of: a live unit that says the same and tells more, see `duplicates`; None if there is none.
        general: whether its words say little because they come without it too, see `general_units`.
    """

    unit: int
    words: tuple[int, ...]
    scores: tuple[float, ...]
    share: float
    information: float
    dead: bool
    exclusivity: float = float("nan")
    duplicate_of: int | None = None
    general: bool = False


def unit_statistics(model: BeliefNetwork, counts: CountRows) -> UnitStatistics:
    """Go through a corpus once and gather what `topics` needs.

    Arguments:
        model: the belief network; counts: `[N, V]` CSR. Documents without words are passed over.
    """
    n_units = model.config.units[0]
    documents_on = np.zeros((n_units, counts.shape[1]))
    activity, entropy = np.zeros((2, n_units))
    empty_is_data = model.generative.visible.empty_is_data
    filled = np.arange(counts.shape[0]) if empty_is_data else np.flatnonzero(row_entries(counts))
    for start in range(0, len(filled), BATCH_SIZE):
        batch = counts[filled[start : start + BATCH_SIZE]]
        on = unit_probabilities(model, batch)[:, :n_units].astype(np.float64, copy=False)  # [B, K]
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
    p1, p0 = _shares(statistics)
    return p1 * np.log(p1 / p0) * np.maximum(weight.T, 0)


def exclusivity(statistics: UnitStatistics, word_lists: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return how far each unit's words are its own, the mean over them of p1_kw / sum_j p1_jw, `[K]`.

    p1_kw is the share of documents with word w where unit k is on; j runs over live units. A word that comes as often
    with every one of K units has 1/K, one that comes with a single unit has 1. Not-a-number without words.

    Source: Bischof & Airoldi (2012), *Summarizing topical content with word frequency and exclusivity*, section 3,
    with a document's having the word in the place of a topic's drawing it.

    Arguments:
        statistics: of the documents given to `fit`. word_lists: the column numbers of each unit's words.
    """
    p1, _ = _shares(statistics)
    of_all = p1[~statistics.dead].sum(0)
    return np.array(
        [
            float(np.mean(p1[unit, list(words)] / np.maximum(of_all, p1[unit])[list(words)])) if len(words) else np.nan
            for unit, words in enumerate(word_lists)
        ]
    )


def duplicates(statistics: UnitStatistics, scores: NDArray[np.float64]) -> list[int | None]:
    """Return for each unit a live unit that says the same and tells more of a document, None where there is none.

    Two live units say the same if the cosine of their scores over all words is 0.7 or more. The more informative of
    them stands, the other is its duplicate.

    Arguments:
        statistics: of the documents given to `fit`. scores: `[K, V]`, see `association`.

    Example:
        >>> told = np.array([0.5, 0.3, 0.4])
        >>> seen = np.zeros((3, 2)), np.zeros(2), np.zeros(2), np.zeros(3)
        >>> duplicates(UnitStatistics(*seen, told, 9), np.array([[2.0, 1.0], [2.0, 1.1], [0.0, 3.0]]))
        [None, 0, None]
    """
    length = np.linalg.norm(scores, axis=1, keepdims=True)
    directions = scores / np.maximum(length, np.finfo(float).tiny)
    cosines = directions @ directions.T  # [K, K]
    found: list[int | None] = [None] * len(scores)
    standing: list[int] = []
    for unit in np.argsort(-statistics.information, kind="stable").tolist():
        if statistics.dead[unit]:
            continue
        closest = max(standing, key=lambda other: cosines[unit, other], default=None)
        if closest is not None and cosines[unit, closest] >= DUPLICATE_COSINE:
            found[unit] = closest
        else:
            standing.append(unit)
    return found


def general_units(statistics: UnitStatistics, word_lists: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """Tell which units list words that say little ("writes article apr"), coming without the unit too, `[K]`.

    A unit is general if its words come in a tenth or more of the documents where it is off, on average, or if they come
    less than three times as often where it is on (the geometric mean of p1 / p0).

    Arguments:
        statistics: of the documents given to `fit`. word_lists: the column numbers of each unit's words.
    """
    p1, p0 = _shares(statistics)
    general = np.zeros(len(word_lists), dtype=bool)
    for unit, words in enumerate(map(list, word_lists)):
        if words and not statistics.dead[unit]:
            ratio = np.exp(np.mean(np.log(p1[unit, words] / p0[unit, words])))
            general[unit] = p0[unit, words].mean() >= GENERAL_SHARE or ratio < GENERAL_RATIO
    return general


def _shares(statistics: UnitStatistics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return p1 and p0, `[K, V]` each: the shares of documents with the word where the unit is on, and where off."""
    tiny = 1e-4  # a word never seen with the unit off counts as seen in a ten-thousandth of those documents
    off = statistics.n_documents - statistics.activity
    p1 = np.clip(statistics.documents_on / (statistics.activity[:, None] + 1), tiny, 1)
    p0 = np.clip((statistics.document_frequency - statistics.documents_on) / (off[:, None] + 1), tiny, 1)
    return p1, p0


def topics(model: BeliefNetwork, statistics: UnitStatistics, top_n: int = 10) -> list[Topic]:
    """Describe every unit of the first layer by its words, in the order of units.

    Arguments:
        model: the belief network; statistics: from `unit_statistics`; n_words: the length of the lists.
    """
    weight = model.generative.visible.weight.detach().double().cpu().numpy()
    scores = association(statistics, weight)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :top_n]
    best = [words[scores[unit, words] > 0] for unit, words in enumerate(ranked)]
    own, same, general = exclusivity(statistics, best), duplicates(statistics, scores), general_units(statistics, best)
    return [
        Topic(
            unit=unit,
            words=tuple(words.tolist()),
            scores=tuple(scores[unit, words].tolist()),
            share=float(statistics.activity[unit] / max(1, statistics.n_documents)),
            information=float(statistics.information[unit]),
            dead=bool(statistics.dead[unit]),
            exclusivity=float(own[unit]),
            duplicate_of=same[unit],
            general=bool(general[unit]),
        )
        for unit, words in enumerate(best)
    ]


def _entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of binary units, in nats."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return -p * np.log(p) - (1 - p) * np.log1p(-p)
