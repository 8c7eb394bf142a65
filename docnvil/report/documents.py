"""The documents of a report: positions on the map, titles, excerpts and units, as data for the page's script.

Axes: N documents of the corpus, n documents of the sample, K units.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.report.columns import Groups
from docnvil.report.corpus_pass import CorpusStatistics, unit_weights
from docnvil.report.document_map import place_documents
from docnvil.report.payload import encode
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.excerpts import Excerpt, shorten
from docnvil.training.fitted_model import FittedModel

MAX_DOCUMENTS = 20_000
MAX_BYTES = 4_400_000  # of the data of all documents, so that the page stays under 5 MB
EXCERPT_LENGTHS = (300, 220, 160, 110, 70, 0)  # characters; the longest with which the data are small enough
TITLE_LENGTHS = (120, 120, 120, 90, 60, 40)
KEY_WORDS = 6
GRID = 9999  # positions are whole numbers up to this
ON = 0.5  # probability from which a unit counts as on


@dataclass(frozen=True, eq=False)
class ReportSource:
    """A corpus for a report, and how to read parts of its texts.

    Arguments:
        matrix: its counts, with the model's vocabulary.
        excerpts: returns the excerpts of rows, in ascending order of the rows.
        texts: returns the full texts of rows, or None if the source has no texts.
    """

    matrix: DocumentTermMatrix
    excerpts: Callable[[Sequence[int]], Iterable[Excerpt]]
    texts: Callable[[Sequence[int]], Mapping[int, str] | None]

    @classmethod
    def of_counts(cls, matrix: DocumentTermMatrix) -> "ReportSource":
        """Return the source of a matrix without texts, whose documents are shown by their most frequent words."""
        from docnvil.text.excerpts import frequent_words

        def excerpts(rows: Sequence[int]) -> Iterator[Excerpt]:
            return (Excerpt(matrix.ids[row], "", " ".join(frequent_words(matrix, row)), False) for row in rows)

        return cls(matrix, excerpts, lambda rows: None)


@dataclass(frozen=True, eq=False)
class DocumentData:
    """The documents of a page.

    Arguments:
        payload: all of them as encoded text, see `docnvil.report.payload`.
        titles: their titles, `[n]`.
        excerpt_length: the maximum length of an excerpt that the size of the page allows.
        are_texts: whether the excerpts come from texts, or else from counts.
    """

    payload: str
    titles: tuple[str, ...]
    excerpt_length: int
    are_texts: bool


def describe_documents(
    model: FittedModel,
    source: ReportSource,
    statistics: CorpusStatistics,
    labels: Groups | None,
    dates: Groups | None,
    *,
    method: str | None = None,
    seed: int = 0,
) -> DocumentData:
    """Return the sampled documents of a corpus as data for a page."""
    rows, matrix = statistics.sample, source.matrix
    excerpts = list(source.excerpts(rows.tolist()))
    titles = tuple(excerpt.title or excerpt.id for excerpt in excerpts)
    live = np.flatnonzero(~model.statistics.dead)
    positions = place_documents(_features(model, statistics, live), method=method, seed=seed)
    values: dict[str, object] = {
        "ids": shown_ids(excerpts, rows.tolist()),
        "x": np.rint(positions[:, 0] * GRID).astype(int).tolist(),
        "y": np.rint(positions[:, 1] * GRID).astype(int).tolist(),
        "units": _units_on(statistics.sample_probabilities, live),
        "main": statistics.sample_units.tolist(),
        "themes": None if statistics.sample_themes is None else statistics.sample_themes.tolist(),
        "labels": None if labels is None else labels.codes[rows].tolist(),
        "dates": None if dates is None else _days(dates, rows),
    }
    are_texts = any(excerpt.is_text for excerpt in excerpts)
    if are_texts:
        values["words"] = list(
            _key_words(matrix, rows, model.statistics.document_frequency, model.statistics.n_documents)
        )
    for length, title_length in zip(EXCERPT_LENGTHS, TITLE_LENGTHS, strict=True):
        values["titles"] = [shorten(title, title_length) for title in titles]
        values["texts"] = [_rest(excerpt, length) for excerpt in excerpts]
        payload = encode(values)
        if len(payload) <= MAX_BYTES:
            break
    return DocumentData(payload, titles, length, are_texts)


def shown_ids(excerpts: Sequence[Excerpt], rows: Sequence[int]) -> list[str] | None:
    """Return the ids of documents, or None if they are row numbers from 1, or are shown as the titles.

    Example:
        >>> [shown_ids([Excerpt(id, "Owls", "", True)], [0]) for id in ("1", "61525")]
        [None, ['61525']]
    """
    is_numbered = all(each.id == str(row + 1) for row, each in zip(rows, excerpts, strict=True))
    return None if is_numbered or not any(each.title for each in excerpts) else [each.id for each in excerpts]


def _rest(excerpt: Excerpt, length: int) -> str:
    """Return the excerpt without the title that it may start with."""
    text = excerpt.text
    title = excerpt.title.removesuffix("…").rstrip()
    if title and text.startswith(title) and not excerpt.title.endswith("…"):
        text = text[len(title) :].lstrip()
    elif title and text.startswith(title):
        text = "…" + text[len(title) :]
    return shorten(text, length) if length else ""


def _features(model: FittedModel, statistics: CorpusStatistics, live: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what the map compares: the probabilities of live units, rare ones weighted more, as in tf-idf."""
    if not len(live):
        return np.zeros((len(statistics.sample), 1), np.float32)
    return (statistics.sample_probabilities[:, live] * np.sqrt(unit_weights(model)[live])).astype(np.float32)


def _units_on(probabilities: NDArray[np.float32], live: NDArray[np.int64]) -> list[list[int]]:
    """Return for each document its live units that are on, and their probabilities in percent: [3, 98, 17, 61]."""
    lists = []
    for row in probabilities[:, live]:
        on = np.flatnonzero(row > ON)
        on = on[np.argsort(-row[on], kind="stable")]
        percent = np.clip(np.rint(100 * row[on]), 51, 100).astype(int)
        lists.append(np.column_stack([live[on], percent]).ravel().tolist())
    return lists


def _days(dates: Groups, rows: NDArray[np.int64]) -> list[int | None]:
    assert dates.values is not None
    return [None if np.isnan(value) else int(np.floor(value)) for value in dates.values[rows]]


def _key_words(
    matrix: DocumentTermMatrix, rows: NDArray[np.int64], frequency: NDArray[np.float64], n_documents: int
) -> Iterator[str]:
    """Yield the words with the largest tf-idf of each document."""
    rarity = np.log((n_documents + 1) / (frequency + 1))
    for start in range(0, len(rows), 4096):
        chunk: csr_array = matrix.counts[rows[start : start + 4096]]
        scores = np.log1p(chunk.data.astype(np.float64)) * rarity[chunk.indices]
        for first, last in zip(chunk.indptr[:-1], chunk.indptr[1:], strict=True):
            best = np.argsort(-scores[first:last], kind="stable")[:KEY_WORDS]
            yield " ".join(matrix.vocabulary[column] for column in chunk.indices[first:last][best].tolist())
