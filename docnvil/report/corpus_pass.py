"""One pass over a corpus for its report: how often units are on, alone, together and by group, and in which documents.

Memory does not grow with documents times units: only sums are kept, and the rows of sampled documents.

Axes: N documents, n documents of a chunk, V words, K units of the first layer, G groups, R documents per unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.analysis.topics import association
from docnvil.report.columns import Groups
from docnvil.text.sparse import chunk_slices, entries_per_row
from docnvil.training.fitted_model import FittedModel

CANDIDATES = 8  # documents per unit of which a report shows the best different ones
TYPICAL_LENGTH = 25.0  # words; a shorter document speaks less for a unit than a longer one with the same words
SURE = 0.9  # probability of a unit in the documents that represent it


@dataclass(frozen=True, eq=False)
class CorpusStatistics:
    """What a report needs to know of all documents with words.

    Arguments:
        n_documents: the number of documents with words.
        on: `[K]`, the expected number of documents that have unit k on.
        together: `[K, K]`, the expected number that have both units on.
        by_group: for each grouping, `[G, K]`, the expected number of documents of group g that have unit k on.
        group_sizes: for each grouping, `[G]`, its documents with words.
        representatives: for each unit, up to R rows of documents whose words speak most for it, best first.
        sample: rows of the documents in the map and the list, ascending.
        sample_probabilities: `[n, K]`, q(h_k = 1 | x) of the sampled documents.
        sample_units: `[n]`, the unit for which the words of each sampled document speak most, -1 if no unit is on.
        sample_themes: `[n]`, the theme of each sampled document, or None if the model has no themes.
    """

    n_documents: int
    on: NDArray[np.float64]
    together: NDArray[np.float64]
    by_group: tuple[NDArray[np.float64], ...]
    group_sizes: tuple[NDArray[np.int64], ...]
    representatives: tuple[tuple[int, ...], ...]
    sample: NDArray[np.int64]
    sample_probabilities: NDArray[np.float32]
    sample_units: NDArray[np.int64]
    sample_themes: NDArray[np.int64] | None

    @property
    def lift(self) -> NDArray[np.float64]:
        """P(both) / (P(one) P(other)) of each pair of units, `[K, K]`: above 1 if they are on together more often."""
        expected = np.outer(self.on, self.on) / max(1, self.n_documents)
        return self.together / np.maximum(expected, 1e-12)


def read_statistics(
    model: FittedModel, counts: csr_array, groupings: Sequence[Groups] = (), *, max_documents: int, seed: int = 0
) -> CorpusStatistics:
    """Return the statistics of a corpus; documents without words are left out.

    Arguments:
        model: the model.
        counts: `[N, V]`, with the model's vocabulary.
        groupings: how documents are grouped.
        max_documents: the size of the sample; a corpus that is not larger is taken whole.
        seed: seed of the sample.
    """
    entries = entries_per_row(counts)
    filled = np.flatnonzero(entries) if not model.network.generative.visible.empty_is_data else np.arange(len(entries))
    sample = filled
    if len(filled) > max_documents:
        sample = np.sort(np.random.default_rng(seed).choice(filled, max_documents, replace=False))
    n_units = model.network.config.units[0]
    speaks, weight = unit_speech(model), unit_weights(model)
    on, together = np.zeros(n_units), np.zeros((n_units, n_units))
    by_group = [np.zeros((len(groups.names), n_units)) for groups in groupings]
    kept, main, themes = [], [], []
    best = _BestRows(n_units, CANDIDATES)
    for part in chunk_slices(entries[filled]):
        rows = filled[part]
        chunk = counts[rows]
        probabilities = model.transform(chunk)[:, :n_units].astype(np.float64)  # [n, K]
        on += probabilities.sum(0)
        together += probabilities.T @ probabilities
        for sums, groups in zip(by_group, groupings, strict=True):
            codes = groups.codes[rows]
            np.add.at(sums, codes[codes >= 0], probabilities[codes >= 0])
        evidence = speech_scores(chunk, speaks)
        best.add(rows, np.where(probabilities > SURE, evidence, -np.inf))
        chosen = np.isin(rows, sample, assume_unique=True)
        is_on = (probabilities > 0.5) & (weight > 0)
        strongest = np.where(is_on, evidence * weight, -np.inf).argmax(1)
        main.append(np.where(is_on.any(1), strongest, -1)[chosen])
        kept.append(probabilities[chosen].astype(np.float32))
        if model.has_themes:
            themes.append(model.themes(chunk)[chosen])
    return CorpusStatistics(
        n_documents=len(filled),
        on=on,
        together=together,
        by_group=tuple(by_group),
        group_sizes=tuple(_sizes(groups, filled) for groups in groupings),
        representatives=best.rows(),
        sample=sample,
        sample_probabilities=np.concatenate([np.zeros((0, n_units), np.float32), *kept]),
        sample_units=np.concatenate([np.zeros(0, np.int64), *main]),
        sample_themes=np.concatenate([np.zeros(0, np.int64), *themes]) if model.has_themes else None,
    )


def unit_speech(model: FittedModel) -> NDArray[np.float64]:
    """Return how strongly each word speaks for each unit, `[V, K]`, relative to the unit's strongest word."""
    weight = model.network.generative.visible.weight.detach().double().cpu().numpy()
    scores = association(model.statistics, weight).T  # [V, K]
    return scores / np.maximum(scores.max(0), 1e-12)


def unit_weights(model: FittedModel) -> NDArray[np.float64]:
    """Return how much each unit says about what a document is about, `[K]`, from the training documents.

    It is -log of the unit's share of documents, as in tf-idf; a tenth of it for a unit of general words, 0 if dead.
    """
    topics = model.topics()
    share = np.clip([topic.share for topic in topics], 1e-4, 0.99)
    general, dead = np.array([topic.general for topic in topics]), np.array([topic.dead for topic in topics])
    return np.where(dead, 0.0, -np.log(share) * np.where(general, 0.1, 1.0))


def speech_scores(counts: csr_array, speaks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much the words of each document speak for each unit, `[n, K]`, per word; repeated words count less."""
    damped = csr_array((np.log1p(counts.data.astype(np.float64)), counts.indices, counts.indptr), shape=counts.shape)
    lengths = np.asarray(damped.sum(1)).ravel()
    return (damped @ speaks) / (lengths + TYPICAL_LENGTH)[:, None]


def _sizes(groups: Groups, filled: NDArray[np.int64]) -> NDArray[np.int64]:
    codes = groups.codes[filled]
    return np.bincount(codes[codes >= 0], minlength=len(groups.names))


class _BestRows:
    """The rows with the largest scores of each unit, kept while chunks of documents pass."""

    def __init__(self, n_units: int, size: int) -> None:
        self._scores = np.full((n_units, size), -np.inf)
        self._rows = np.full((n_units, size), -1, dtype=np.int64)

    def add(self, rows: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Add the rows of a chunk, `[n]`, with their scores, `[n, K]`; -inf excludes a row."""
        size = self._scores.shape[1]
        scores = np.concatenate([self._scores, scores.T], axis=1)  # earlier rows first, so they win ties
        candidates = np.concatenate([self._rows, np.broadcast_to(rows, (len(scores), len(rows)))], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :size]
        self._scores = np.take_along_axis(scores, order, axis=1)
        self._rows = np.take_along_axis(candidates, order, axis=1)

    def rows(self) -> tuple[tuple[int, ...], ...]:
        """Return the rows of each unit, best first."""
        found = self._scores > -np.inf
        return tuple(tuple(rows[known].tolist()) for rows, known in zip(self._rows, found, strict=True))
