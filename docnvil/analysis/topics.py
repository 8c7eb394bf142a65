"""Topics: the words that describe each unit of the first layer.

A unit's largest weights describe it badly, because they favor rare words, whose weights few documents constrain. The
words listed here are frequent in documents where the unit is on and infrequent where it is off, and have a positive
weight.

Axes: N documents, B documents of a batch, V words, K units of the first layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.schema import check_whole
from docnvil.text.sparse import CountRows, column_sums, document_frequencies, entries_per_row

BATCH_SIZE = 4096
# Units that become inactive in training have weights close to 0 and less than 0.001 nats. The rarest interpretable unit
# seen so far, on in one document of 500, has 0.015 nats.
DEAD_INFORMATION = 0.002
# Chosen by reading units trained on 20 Newsgroups: two units about guns with a cosine of 0.61 each had words of their
# own, two about religion with 0.76 did not.
DUPLICATE_COSINE = 0.7
GENERAL_SHARE = 0.1
GENERAL_RATIO = 3.0
MIN_SHARE = 1e-4  # stands for the share of a word that never occurs without the unit, or with it


@dataclass(frozen=True)
class UnitStatistics:
    """How often words and units of the first layer occur together in a corpus, weighted by q(h_k = 1 | x).

    A trained model contains those of all documents given to `fit`, including the held-out ones.

    Arguments:
        documents_on: `[K, V]`, the expected number of documents that contain word w and have unit k on.
        document_frequency: `[V]`, the number of documents that contain word w.
        word_frequency: `[V]`, how often word w occurs in total; the null model needs it.
        activity: `[K]`, the expected number of documents that have unit k on.
        information: `[K]`, mutual information of unit k and the document, in nats: the entropy of the unit over the
            corpus less its mean entropy given a document. It is 0 if the unit ignores the document.
        n_documents: N, the documents with words; for binary vectors, all.
    """

    documents_on: NDArray[np.float64]
    document_frequency: NDArray[np.float64]
    word_frequency: NDArray[np.float64]
    activity: NDArray[np.float64]
    information: NDArray[np.float64]
    n_documents: int

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Whether each unit has too little information (less than 0.002 nats) for its words to mean anything, `[K]`."""
        return self.information < DEAD_INFORMATION


@dataclass(frozen=True)
class Topic:
    """The words that describe a unit of the first layer, with measures of how far to trust them.

    Arguments:
        unit: the number of the unit, from 0.
        words: the column numbers of its words, best first; fewer than requested if fewer have a positive score.
        scores: the scores of the same words, descending, see `association`.
        share: the expected share of documents that have the unit on, between 0 and 1.
        information: the mutual information of the unit and the document, in nats.
        dead: whether the information is below 0.002 nats, too little for the words to mean anything.
        exclusivity: the mean over its words of p1_kw / sum_j p1_jw, see `exclusivity`; NaN without words.
        duplicate_of: the number of a more informative unit with almost the same scores, see `duplicates`, or None.
        general: whether the words are common without the unit too, see `general_units`.
        name: the unit's name, or None; see `docnvil.analysis.unit_names`.
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
    name: str | None = None


def unit_statistics(model: BeliefNetwork, counts: CountRows) -> UnitStatistics:
    """Return the statistics of a corpus that `topics` needs, from one pass over it; skip documents without words."""
    n_units = model.config.units[0]
    documents_on = np.zeros((n_units, counts.shape[1]))
    activity, entropy = np.zeros((2, n_units))
    empty_is_data = model.generative.visible.empty_is_data
    filled = np.arange(counts.shape[0]) if empty_is_data else np.flatnonzero(entries_per_row(counts))
    for start in range(0, len(filled), BATCH_SIZE):
        batch = counts[filled[start : start + BATCH_SIZE]]
        on = unit_probabilities(model, batch)[:, :n_units].astype(np.float64, copy=False)  # [B, K]
        documents_on += (batch.astype(bool).astype(np.float64).T @ on).T
        activity += on.sum(0)
        entropy += binary_entropy(on).sum(0)
    n_documents = max(1, len(filled))
    return UnitStatistics(
        documents_on=documents_on,
        document_frequency=document_frequencies(counts).astype(np.float64),
        word_frequency=column_sums(counts),
        activity=activity,
        information=np.maximum(binary_entropy(activity / n_documents) - entropy / n_documents, 0.0),
        n_documents=len(filled),
    )


def topics(model: BeliefNetwork, statistics: UnitStatistics, top_n: int = 10) -> list[Topic]:
    """Return the topic of each unit of the first layer, with at most `top_n` words, in the order of the units."""
    top_n = check_whole("top_n", top_n)
    weight = model.generative.visible.weight.detach().double().cpu().numpy()
    scores = association(statistics, weight)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :top_n]
    word_lists = [words[scores[unit, words] > 0] for unit, words in enumerate(ranked)]
    exclusive = exclusivity(statistics, word_lists)
    duplicate_of = duplicates(statistics, scores)
    general = general_units(statistics, word_lists)
    return [
        Topic(
            unit=unit,
            words=tuple(words.tolist()),
            scores=tuple(scores[unit, words].tolist()),
            share=float(statistics.activity[unit] / max(1, statistics.n_documents)),
            information=float(statistics.information[unit]),
            dead=bool(statistics.dead[unit]),
            exclusivity=float(exclusive[unit]),
            duplicate_of=duplicate_of[unit],
            general=bool(general[unit]),
        )
        for unit, words in enumerate(word_lists)
    ]


def association(statistics: UnitStatistics, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the score p1 log(p1 / p0) max(0, W) of each unit and word, `[K, V]`, from the visible weights W, `[V, K]`.

    p1 and p0 are the shares of documents with the word where the unit is on and where it is off. One document without
    the word is added to each side, so that a unit that is almost never on, or off, has low scores.

    Example:
        A unit is on in 9 of 18 documents. The first word occurs only with it, the second as often without it:

        >>> frequency = np.array([9.0, 8.0])
        >>> statistics = UnitStatistics(np.array([[9.0, 4.0]]), frequency, frequency, np.array([9.0]), np.ones(1), 18)
        >>> association(statistics, np.ones((2, 1))).round(2)
        array([[8.19, 0.  ]])
    """
    p1, p0 = _word_shares(statistics)
    return p1 * np.log(p1 / p0) * np.maximum(weight.T, 0)


def exclusivity(statistics: UnitStatistics, word_lists: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return the mean over each unit's words of p1_kw / sum_j p1_jw, `[K]`: how far the words belong to it alone.

    p1_kw is the share of documents with word w where unit k is on; j runs over live units. The ratio is 1/K for a word
    that is as frequent with each of K units, and 1 for a word that occurs with one unit only.

    Source: Bischof & Airoldi (2012), *Summarizing topical content with word frequency and exclusivity*, section 3;
    here p1 takes the place of the probability that a topic generates the word. NaN for a unit without words.
    """
    p1, _ = _word_shares(statistics)
    ratios = p1 / np.maximum(p1[~statistics.dead].sum(0), p1)
    units = enumerate(map(list, word_lists))
    return np.array([ratios[unit, words].mean() if words else np.nan for unit, words in units])


def duplicates(statistics: UnitStatistics, scores: NDArray[np.float64]) -> list[int | None]:
    """Return for each unit a live, more informative unit with almost the same scores, or None.

    The scores `[K, V]`, see `association`, are almost the same if their cosine is 0.7 or more. Dead units have None.

    Example:
        >>> information = np.array([0.5, 0.3, 0.4])
        >>> statistics = UnitStatistics(np.zeros((3, 2)), np.zeros(2), np.zeros(2), np.zeros(3), information, 9)
        >>> duplicates(statistics, np.array([[2.0, 1.0], [2.0, 1.1], [0.0, 3.0]]))
        [None, 0, None]
    """
    norms = np.linalg.norm(scores, axis=1, keepdims=True)
    directions = scores / np.maximum(norms, np.finfo(float).tiny)
    cosines = directions @ directions.T  # [K, K]
    duplicate_of: list[int | None] = [None] * len(scores)
    originals: list[int] = []
    ranked = np.argsort(-statistics.information, kind="stable")
    for unit in ranked[~statistics.dead[ranked]].tolist():
        closest = max(originals, key=lambda other: cosines[unit, other], default=None)
        if closest is not None and cosines[unit, closest] >= DUPLICATE_COSINE:
            duplicate_of[unit] = closest
        else:
            originals.append(unit)
    return duplicate_of


def general_units(statistics: UnitStatistics, word_lists: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """Return whether each live unit's words ("writes article apr") are common without the unit too, `[K]`.

    They are if on average a tenth or more of the documents where the unit is off contain them, or if they are less than
    three times as frequent where it is on (geometric mean of p1 / p0).
    """
    p1, p0 = _word_shares(statistics)
    general = np.zeros(len(word_lists), dtype=bool)
    for unit, words in enumerate(map(list, word_lists)):
        if words and not statistics.dead[unit]:
            ratio = np.exp(np.mean(np.log(p1[unit, words] / p0[unit, words])))
            general[unit] = p0[unit, words].mean() >= GENERAL_SHARE or ratio < GENERAL_RATIO
    return general


def _word_shares(statistics: UnitStatistics) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return p1 and p0, `[K, V]` each: the share of documents with the word where the unit is on, and where off."""
    off = statistics.n_documents - statistics.activity
    p1 = np.clip(statistics.documents_on / (statistics.activity[:, None] + 1), MIN_SHARE, 1)
    p0 = np.clip((statistics.document_frequency - statistics.documents_on) / (off[:, None] + 1), MIN_SHARE, 1)
    return p1, p0


def binary_entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the entropy of binary units, in nats."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return -p * np.log(p) - (1 - p) * np.log1p(-p)
