"""A corpus in a report: its size, its groups, its documents, and what the model makes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from docnvil.analysis.attribution import attribute
from docnvil.errors import CorpusError
from docnvil.report.columns import NO_GROUP, Groups, choose_dates, choose_labels
from docnvil.report.corpus_pass import CorpusStatistics, read_statistics
from docnvil.report.document_map import map_method
from docnvil.report.documents import MAX_DOCUMENTS, DocumentData, ReportSource, describe_documents
from docnvil.report.evaluation import Evaluation, evaluate
from docnvil.report.highlights import Highlighter, word_spans
from docnvil.report.units import REPRESENTATIVES, Representative, UnitDetails, describe_units
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.training.fitted_model import FittedModel

Step = Callable[[str], object]


@dataclass(frozen=True, eq=False)
class CorpusReport:
    """What the page says about a corpus.

    Arguments:
        matrix: its counts.
        statistics: the sums over its documents.
        labels: its documents by label, or None.
        dates: its documents by time, or None.
        units: the details of every unit.
        documents: the documents of the map and the list.
        evaluation: the model's figures on it, or on the documents of the test; None if there are no words.
        map_method: how the map was made.
        median_length: the median number of words of documents with words.
    """

    matrix: DocumentTermMatrix
    statistics: CorpusStatistics
    labels: Groups | None
    dates: Groups | None
    units: tuple[UnitDetails, ...]
    documents: DocumentData
    evaluation: Evaluation | None
    map_method: str
    median_length: float

    @property
    def n_shown(self) -> int:
        """The number of documents in the map and the list."""
        return len(self.statistics.sample)

    @property
    def is_sampled(self) -> bool:
        """Whether the map and the list leave out documents that have words."""
        return self.n_shown < self.statistics.n_documents

    @property
    def n_unknown_share(self) -> float:
        """The share of the tokens that are not in the model's vocabulary."""
        return self.matrix.n_unknown / max(1, self.matrix.n_unknown + self.matrix.n_tokens)


def describe_corpus(
    model: FittedModel,
    source: ReportSource,
    *,
    test: DocumentTermMatrix | None = None,
    by: str | None = None,
    over: str | None = None,
    max_documents: int = MAX_DOCUMENTS,
    method: str | None = None,
    seed: int = 0,
    step: Step = lambda name: None,
) -> CorpusReport:
    """Return what a page says about a corpus.

    Arguments:
        model: the model.
        source: the corpus.
        test: held-out documents for the perplexity; None takes the corpus itself.
        by: the metadata column of labels; None looks for one.
        over: the metadata column of dates; None looks for one.
        max_documents: documents in the map and the list; of a larger corpus, a sample is shown.
        method: how the map is made, see `docnvil.report.document_map`.
        seed: seed of the sample, the map and the evaluation.
        step: called with the name of each step when it begins.

    Raises:
        CorpusError: no document has a word of the vocabulary.
        ConfigurationError: a column does not exist, or has no labels or dates.
    """
    matrix = source.matrix
    dates = choose_dates(matrix.metadata, over)
    labels = choose_labels(matrix.metadata, by, besides=dates.column if dates else None)
    if labels is not None and dates is not None and labels.column == dates.column:
        dates = None  # --by with a column of dates
    lengths = matrix.lengths[~matrix.empty]
    if not len(lengths) and not model.network.generative.visible.empty_is_data:
        raise CorpusError("No document has a word of the vocabulary, so there is nothing to show. Check the corpus.")
    step("units of all documents")
    groupings = [each for each in (labels, dates) if each is not None]
    statistics = read_statistics(model, matrix.counts, groupings, max_documents=max_documents, seed=seed)
    step("perplexity")
    tested = matrix if test is None else test
    evaluation = evaluate(model, tested.counts, is_held_out=test is not None, seed=seed)
    step("map of documents")
    documents = describe_documents(model, source, statistics, labels, dates, method=method, seed=seed)
    step("representative documents")
    topics = model.topics(10)
    represent = _representation(model, source, statistics, labels)
    return CorpusReport(
        matrix=matrix,
        statistics=statistics,
        labels=labels,
        dates=dates,
        units=tuple(describe_units(model, topics, statistics, labels, dates, represent)),
        documents=documents,
        evaluation=evaluation,
        map_method=method or map_method(),
        median_length=float(np.median(lengths)) if len(lengths) else 0.0,
    )


def _representation(
    model: FittedModel, source: ReportSource, statistics: CorpusStatistics, labels: Groups | None
) -> Callable[[int, Sequence[int]], tuple[Representative, ...]]:
    """Return a function that gives the representative documents of a unit; all texts are read at once before."""
    contributions = _contributions(model, source.matrix, statistics)
    wanted = sorted({row for _, row in contributions})
    excerpts = dict(zip(wanted, source.excerpts(wanted), strict=True))
    texts = source.texts(wanted) or {}
    place_of = {row: place for place, row in enumerate(statistics.sample.tolist())}
    highlighter = Highlighter(Tokenizer(model.token_rules or TokenRules()), model.vocabulary)

    def represent(unit: int, rows: Sequence[int]) -> tuple[Representative, ...]:
        shown: dict[str, Representative] = {}
        for row in rows:
            excerpt, by_word = excerpts[row], contributions[unit, row]
            has_text = row in texts
            spans = highlighter.passage(texts[row], by_word) if has_text else word_spans(by_word, model.vocabulary)
            code = NO_GROUP if labels is None else int(labels.codes[row])
            group = labels.names[code] if labels is not None and code != NO_GROUP else ""
            found = Representative(excerpt.title or excerpt.id, group, spans, place_of.get(row))
            shown.setdefault("".join(span.text for span in spans), found)  # the same text again is left out
            if len(shown) == REPRESENTATIVES:
                break
        return tuple(shown.values())

    return represent


def _contributions(
    model: FittedModel, matrix: DocumentTermMatrix, statistics: CorpusStatistics
) -> dict[tuple[int, int], dict[int, float]]:
    """Return how much each word raises the logit of a unit, for each live unit and document that represents it."""
    units_of: dict[int, list[int]] = {}
    for unit, rows in enumerate(statistics.representatives):
        if not model.statistics.dead[unit]:
            for row in rows:
                units_of.setdefault(row, []).append(unit)
    wanted = sorted(units_of)
    if not wanted:
        return {}
    return {
        (unit, row): dict(zip(each.words.tolist(), each.word_terms[unit].tolist(), strict=True))
        for row, each in zip(wanted, attribute(model.network, matrix.counts[wanted]), strict=True)
        for unit in units_of[row]
    }
