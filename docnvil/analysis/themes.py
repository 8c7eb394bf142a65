"""Themes: the components of a mixture prior, of which each document gets one.

Axes: S samples, B documents of a batch, N documents, C themes, K units of the first layer, V words.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from docnvil.analysis.chunking import model_batches
from docnvil.analysis.topics import UnitStatistics, association
from docnvil.analysis.unit_probabilities import MAX_PROBABILITIES, unit_probabilities
from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.mixture import MixturePrior
from docnvil.runtime.randomness import LatticeGenerator
from docnvil.schema import check_whole
from docnvil.text.sparse import CountRows, entries_per_row

BATCH_SIZE = 4096
NO_THEME = -1  # of a document without words
RAISED_RATIO = 2.0  # a theme raises a unit that is on at least this many times as often as in all documents
RAISED_SHARE = 0.2  # and in at least this share of the theme's documents


@dataclass(frozen=True)
class ThemeStatistics:
    """How often themes, words and units occur together in a corpus.

    Arguments:
        documents_with_word: `[C, V]`, the number of documents of theme c that contain word w.
        units_on: `[C, K]`, the expected number of documents of theme c that have unit k on.
        documents: `[C]`, the number of documents of theme c.
    """

    documents_with_word: NDArray[np.float64]
    units_on: NDArray[np.float64]
    documents: NDArray[np.float64]


@dataclass(frozen=True)
class Theme:
    """The words that describe a theme, and the units that it raises.

    Arguments:
        theme: the number of the theme, from 0.
        words: the column numbers of its words, best first; fewer than requested if fewer have a positive score.
        scores: the scores of the same words, descending, p1 log(p1 / p0) as in `docnvil.analysis.topics.association`.
        share: the share of documents that have the theme.
        units: units of the first layer that are on at least twice as often as in all documents, and in a fifth or more
            of the theme's documents, the most frequent first.
        unused: whether no document has the theme.
    """

    theme: int
    words: tuple[int, ...]
    scores: tuple[float, ...]
    share: float
    units: tuple[int, ...]
    unused: bool


@torch.no_grad()
def theme_probabilities(
    model: BeliefNetwork, counts: CountRows, *, n_samples: int = 16, seed: int = 0
) -> NDArray[np.floating]:
    """Return E_q[p(c | h)], the probability of each theme given a document, `[N, C]`, in the model's dtype.

    p(c | h) is the posterior of the mixture's components given the deepest units; the mean is over samples of q, which
    form a lattice as in `unit_probabilities`. A document without words gets the weights of the mixture.

    Raises:
        ConfigurationError: the model's prior is not a mixture.
        VocabularyError: the counts and the model's vocabulary have different sizes.
    """
    prior = require_themes(model)()
    n_themes, n_units = prior.logits.shape
    batch_size = max(1, MAX_PROBABILITIES // (n_samples * max(n_themes, n_units)))
    probabilities = torch.empty((counts.shape[0], n_themes), dtype=model.dtype).numpy()
    for rows, batch in model_batches(model, counts, batch_size):
        samples = model.recognition.sample(batch.counts, n_samples, LatticeGenerator(seed, batch.keys))
        probabilities[rows] = prior.responsibilities(samples[-1]).mean(0).cpu().numpy()
    empty = entries_per_row(counts) == 0
    if empty.any() and not model.generative.visible.empty_is_data:
        probabilities[empty] = torch.softmax(prior.component_logits, -1).cpu().numpy()
    return probabilities


def assign_themes(model: BeliefNetwork, counts: CountRows) -> NDArray[np.int64]:
    """Return the most probable theme of each document, `[N]`, and -1 for a document without words.

    Raises:
        ConfigurationError: the model's prior is not a mixture.
    """
    themes = theme_probabilities(model, counts).argmax(1).astype(np.int64)
    if not model.generative.visible.empty_is_data:
        themes[entries_per_row(counts) == 0] = NO_THEME
    return themes


def theme_statistics(model: BeliefNetwork, counts: CountRows) -> ThemeStatistics:
    """Return the statistics of a corpus that `describe_themes` needs; skip documents without words."""
    n_themes, n_units = len(require_themes(model).bias), model.config.units[0]
    with_word, units_on = np.zeros((n_themes, counts.shape[1])), np.zeros((n_themes, n_units))
    documents = np.zeros(n_themes)
    empty_is_data = model.generative.visible.empty_is_data
    filled = np.arange(counts.shape[0]) if empty_is_data else np.flatnonzero(entries_per_row(counts))
    for start in range(0, len(filled), BATCH_SIZE):
        batch = counts[filled[start : start + BATCH_SIZE]]
        members = np.eye(n_themes)[theme_probabilities(model, batch).argmax(1)]  # [B, C] of zeros and ones
        with_word += (batch.astype(bool).astype(np.float64).T @ members).T
        units_on += members.T @ unit_probabilities(model, batch)[:, :n_units].astype(np.float64, copy=False)
        documents += members.sum(0)
    return ThemeStatistics(with_word, units_on, documents)


def describe_themes(statistics: ThemeStatistics, units: UnitStatistics, top_n: int = 10) -> list[Theme]:
    """Return every theme with at most `top_n` words, in the order of the components.

    Arguments:
        statistics: those of the themes.
        units: the statistics of the units in the same corpus; a theme raises live units only.
        top_n: words per theme.
    """
    top_n = check_whole("top_n", top_n)
    scores = _scores(statistics, units)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :top_n]
    n_documents = max(1, units.n_documents)
    on_share = statistics.units_on / np.maximum(statistics.documents, 1)[:, None]  # [C, K]
    raised = (on_share >= RAISED_RATIO * units.activity / n_documents) & (on_share >= RAISED_SHARE) & ~units.dead
    themes = []
    for theme, candidates in enumerate(ranked):
        unused = bool(statistics.documents[theme] == 0)
        words = candidates[scores[theme, candidates] > 0] if not unused else candidates[:0]
        order = np.argsort(-on_share[theme], kind="stable")
        themes.append(
            Theme(
                theme=theme,
                words=tuple(words.tolist()),
                scores=tuple(scores[theme, words].tolist()),
                share=float(statistics.documents[theme] / n_documents),
                units=() if unused else tuple(order[raised[theme, order]].tolist()),
                unused=unused,
            )
        )
    return themes


def require_themes(model: BeliefNetwork) -> MixturePrior:
    """Return the prior of a model with themes.

    Raises:
        ConfigurationError: it is not a mixture.
    """
    prior = model.generative.prior
    if not isinstance(prior, MixturePrior):
        raise ConfigurationError(
            f"The model has no themes, because its prior is {model.config.prior}. Train it with prior mixture."
        )
    return prior


def _scores(statistics: ThemeStatistics, units: UnitStatistics) -> NDArray[np.float64]:
    """Return the association of themes and words, `[C, V]`, as if a theme were a unit that is on in its documents."""
    as_units = UnitStatistics(
        documents_on=statistics.documents_with_word,
        document_frequency=units.document_frequency,
        word_frequency=units.word_frequency,
        activity=statistics.documents,
        information=np.zeros(len(statistics.documents)),
        n_documents=units.n_documents,
    )
    return association(as_units, np.ones((len(units.document_frequency), 1)))
