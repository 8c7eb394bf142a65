"""What a report shows of each unit: words, related units, prevalence by group, representative documents.

Axes: K units of the first layer, V words, G groups.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.topics import Topic, UnitStatistics, association
from docnvil.report.columns import Groups
from docnvil.report.corpus_pass import CorpusStatistics
from docnvil.report.highlights import Span
from docnvil.training.fitted_model import FittedModel

LOWERED_WORDS = 8
RELATED_UNITS = 4
MIN_LIFT, MAX_LIFT = 1.5, 0.5  # pairs of units in between are not called related
MIN_TOGETHER = 5.0  # documents; rarer pairs are left to chance
REPRESENTATIVES = 3


@dataclass(frozen=True)
class Prevalence:
    """The share of the documents of a group that have a unit on.

    Arguments:
        name: the name of the group.
        share: between 0 and 1; NaN for a group without documents.
        documents: the documents of the group with words.
    """

    name: str
    share: float
    documents: int


@dataclass(frozen=True)
class Representative:
    """A document that represents a unit.

    Arguments:
        title: its title, or its id.
        group: its label, or "".
        spans: a passage with the words that speak for the unit.
        place: its place in the list of documents, or None if the sample leaves it out.
    """

    title: str
    group: str
    spans: tuple[Span, ...]
    place: int | None


@dataclass(frozen=True)
class RelatedUnit:
    """Another unit that is on more often, or less often, together with a unit than by chance.

    Arguments:
        unit: the number of the other unit.
        lift: P(both) / (P(one) P(other)).
    """

    unit: int
    lift: float


@dataclass(frozen=True)
class UnitDetails:
    """Everything that a report shows of a unit besides its `Topic`.

    Arguments:
        lowered: words that occur less often where the unit is on, the strongest first.
        share: the share of the documents of the report that have the unit on.
        together: units that are on more often together with it.
        apart: units that are on less often together with it.
        groups: its prevalence by label.
        periods: its prevalence by time.
        representatives: documents.
    """

    lowered: tuple[str, ...]
    share: float | None = None
    together: tuple[RelatedUnit, ...] = ()
    apart: tuple[RelatedUnit, ...] = ()
    groups: tuple[Prevalence, ...] = ()
    periods: tuple[Prevalence, ...] = ()
    representatives: tuple[Representative, ...] = ()


def lowered_words(model: FittedModel, top_n: int = LOWERED_WORDS) -> list[tuple[str, ...]]:
    """Return the words that each unit lowers, best first: frequent without it, rare with it, with a negative weight.

    The score is p0 log(p0 / p1) max(0, -W), that of `docnvil.analysis.topics.association` with on and off exchanged.
    """
    weight = model.network.generative.visible.weight.detach().double().cpu().numpy()
    scores = association(_exchange(model.statistics), -weight)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :top_n]
    return [
        tuple(model.vocabulary[word] for word in words[scores[unit, words] > 0].tolist())
        for unit, words in enumerate(ranked)
    ]


def describe_units(
    model: FittedModel,
    topics: Sequence[Topic],
    statistics: CorpusStatistics | None = None,
    labels: Groups | None = None,
    dates: Groups | None = None,
    represent: Callable[[int, Sequence[int]], tuple[Representative, ...]] | None = None,
) -> list[UnitDetails]:
    """Return the details of every unit, in the order of the units.

    Arguments:
        model: the model.
        topics: its topics.
        statistics: those of the corpus; None for a report without one.
        labels: the grouping of the statistics by label, if there is one.
        dates: their grouping by time, if there is one.
        represent: gives the representative documents of a unit from their rows.
    """
    details = [UnitDetails(lowered) for lowered in lowered_words(model)]
    if statistics is None:
        return details
    shares = statistics.on / max(1, statistics.n_documents)
    tables = dict(zip([each.column for each in (labels, dates) if each is not None], _tables(statistics), strict=True))
    for topic in topics:
        unit = topic.unit
        if topic.dead:
            continue
        together, apart = related_units(statistics, unit, model.statistics.dead)
        details[unit] = replace(
            details[unit],
            share=float(shares[unit]),
            together=together,
            apart=apart,
            groups=_prevalence(labels, tables, unit),
            periods=_prevalence(dates, tables, unit),
            representatives=() if represent is None else represent(unit, statistics.representatives[unit]),
        )
    return details


def related_units(
    statistics: CorpusStatistics, unit: int, dead: NDArray[np.bool_]
) -> tuple[tuple[RelatedUnit, ...], tuple[RelatedUnit, ...]]:
    """Return the live units that are on more often with a unit than by chance, and those that are on less often."""
    lift = statistics.lift[unit]
    expected = statistics.on[unit] * statistics.on / max(1, statistics.n_documents)
    others = ~dead & (np.arange(len(lift)) != unit)
    together = np.flatnonzero(others & (lift >= MIN_LIFT) & (statistics.together[unit] >= MIN_TOGETHER))
    apart = np.flatnonzero(others & (lift <= MAX_LIFT) & (expected >= 2 * MIN_TOGETHER))
    return tuple(
        tuple(
            RelatedUnit(int(other), float(lift[other]))
            for other in sorted(found, key=lambda each: sign * lift[each])[:RELATED_UNITS]
        )
        for found, sign in ((together, -1), (apart, 1))
    )


def _tables(statistics: CorpusStatistics) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    return list(zip(statistics.by_group, statistics.group_sizes, strict=True))


def _prevalence(groups: Groups | None, tables: Mapping[str, tuple], unit: int) -> tuple[Prevalence, ...]:
    if groups is None:
        return ()
    sums, sizes = tables[groups.column]
    return tuple(
        Prevalence(name, float(sums[place, unit] / size) if size else float("nan"), int(size))
        for place, (name, size) in enumerate(zip(groups.names, sizes, strict=True))
    )


def _exchange(statistics: UnitStatistics) -> UnitStatistics:
    """Return the statistics as if each unit were on where it is off."""
    return replace(
        statistics,
        documents_on=statistics.document_frequency - statistics.documents_on,
        activity=statistics.n_documents - statistics.activity,
    )
