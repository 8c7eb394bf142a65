"""A table of documents, one row each: id, metadata, top units with names and probabilities, and an excerpt.

Axes: N documents, K units of the first layer.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.model.belief_network import BeliefNetwork
from docnvil.schema import check_whole
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.excerpts import Excerpt, frequent_words
from docnvil.text.sparse import row_chunks

if TYPE_CHECKING:
    import pandas

TOP_UNITS = 3
MIN_PROBABILITY = 0.1  # of a listed unit

Row = tuple[Any, ...]


def table_columns(matrix: DocumentTermMatrix, top_units: int = TOP_UNITS) -> dict[str, type]:
    """Return the names of the columns and the types of their values.

    A metadata column with the name of another one gets the prefix "metadata_".

    Arguments:
        matrix: the documents.
        top_units: number of units per document.

    Example:
        >>> from docnvil.text.vocabulary import Vocabulary
        >>> matrix = DocumentTermMatrix([[1]], Vocabulary(["owl"]), ("a",), {"words": ("few",)})
        >>> list(table_columns(matrix, 1))[:6]
        ['id', 'title', 'metadata_words', 'words', 'unknown_words', 'top1_unit']
    """
    top_units = check_whole("top_units", top_units)
    last: dict[str, type] = {"words": int, "unknown_words": int}
    for number in range(1, top_units + 1):
        name = f"top{number}"  # not "unit1", which is the heading of unit 1 in other tables
        last |= {f"{name}_unit": int, f"{name}_name": str, f"{name}_probability": float}
    last["excerpt"] = str
    columns: dict[str, type] = {"id": str, "title": str}
    headings = metadata_headings(matrix.metadata, [*columns, *last])
    return {**columns, **dict.fromkeys(headings, str), **last}


def metadata_headings(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return the headings of the metadata columns; those that another column has get the prefix "metadata_".

    Arguments:
        names: the names of the metadata, which all differ.
        others: the headings of the other columns.

    Example:
        >>> metadata_headings(["id", "date", "metadata_id"], ["id"])
        ['metadata_metadata_id', 'date', 'metadata_id']
    """
    names, others = list(names), set(others)
    headings = [name for name in names if name not in others]
    taken = others.union(headings)
    result = []
    for name in names:
        heading = name
        while name in others and heading in taken:
            heading = f"metadata_{heading}"
        taken.add(heading)
        result.append(heading)
    return result


def table_rows(
    network: BeliefNetwork,
    labels: Sequence[str],
    matrix: DocumentTermMatrix,
    excerpts: Iterable[Excerpt] | None = None,
    top_units: int = TOP_UNITS,
) -> Iterator[Row]:
    """Yield the row of each document, with the columns of `table_columns`.

    Units with a probability below 0.1 are not listed; their cells are None.

    Arguments:
        network: the belief network.
        labels: what each unit of the first layer is called, `[K]`.
        matrix: the documents.
        excerpts: their titles and excerpts; None for their most frequent words.
        top_units: number of units per document.
    """
    n_units = network.config.units[0]
    lengths, unknown = matrix.lengths.tolist(), matrix.unknown_counts
    excerpts = _frequent_words(matrix) if excerpts is None else excerpts
    metadata = zip(*matrix.metadata.values(), strict=True) if matrix.metadata else ((),) * matrix.n_documents
    documents = zip(excerpts, metadata, strict=True)
    row = 0
    for chunk in row_chunks(matrix.counts):
        probabilities = unit_probabilities(network, chunk)[:, :n_units]
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_units].tolist()
        for values, units in zip(probabilities.tolist(), order, strict=True):
            excerpt, others = next(documents)
            cells: list[Any] = [excerpt.id, excerpt.title, *others, lengths[row]]
            cells.append(None if unknown is None else int(unknown[row]))
            for unit in units:
                listed = values[unit] >= MIN_PROBABILITY
                cells += [unit, labels[unit], round(values[unit], 6)] if listed else [None] * 3
            cells += [None] * (3 * (top_units - len(units)))
            yield (*cells, excerpt.text)
            row += 1


def document_table(
    network: BeliefNetwork,
    labels: Sequence[str],
    matrix: DocumentTermMatrix,
    excerpts: Iterable[Excerpt] | None = None,
    top_units: int = TOP_UNITS,
) -> "pandas.DataFrame":
    """Return one row per document as a data frame; the arguments are those of `table_rows`."""
    import pandas

    columns = table_columns(matrix, top_units)
    table = pandas.DataFrame(table_rows(network, labels, matrix, excerpts, top_units), columns=list(columns))
    whole = {name: "Int64" for name, kind in columns.items() if kind is int}  # may be missing
    return table.astype(whole)


def _frequent_words(matrix: DocumentTermMatrix) -> Iterator[Excerpt]:
    for row, name in enumerate(matrix.ids):
        yield Excerpt(name, "", " ".join(frequent_words(matrix, row)), is_text=False)
