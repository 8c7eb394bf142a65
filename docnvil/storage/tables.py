"""Tables as files: embeddings, values per document, topics, training history. Every file is written atomically.

Axes: N documents, K units.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.document_table import metadata_headings
from docnvil.analysis.nats import to_perplexity
from docnvil.analysis.themes import Theme
from docnvil.analysis.topics import Topic
from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.runtime.arrays import save_array
from docnvil.runtime.folders import replacing_file
from docnvil.runtime.packages import is_installed
from docnvil.runtime.publishing import writing_together
from docnvil.storage.csv_files import FORMULA_STARTS, LINE_END, csv_lines, csv_writer
from docnvil.storage.suffixes import CSV, EMBEDDINGS, check_suffix
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.records import EpochRecord


def embedding_format(path: Path) -> str:
    """Return the format of an embedding file from its suffix: "parquet", "npy", or otherwise "csv".

    Raises:
        ConfigurationError: the suffix is that of another format.
        MissingDependencyError: the format is Parquet and pyarrow is not installed.
    """
    check_suffix(path, EMBEDDINGS)
    suffix = path.suffix.lower()
    if suffix == ".parquet" and not is_installed("pyarrow"):
        raise MissingDependencyError(
            f"Writing {path} needs pyarrow. Install it with pip install 'docnvil[parquet]', or write a .csv or .npy."
        )
    return suffix[1:] if suffix in (".parquet", ".npy") else "csv"


def ids_path(path: Path) -> Path:
    """Return the path of the ids of an `.npy` file, one per line: `codes.ids.txt` for `codes.npy`."""
    return path.with_suffix(".ids.txt")


def themes_path(path: Path) -> Path:
    """Return the path of the themes of an `.npy` file, an array of integers: `codes.themes.npy` for `codes.npy`."""
    return path.with_suffix(".themes.npy")


def write_embeddings(
    path: Path,
    ids: Sequence[str],
    metadata: Mapping[str, Sequence[str]],
    n_units: int,
    chunks: Iterable[NDArray[Any]],
    themes: NDArray[np.int64] | None = None,
    unit_names: Sequence[str | None] = (),
) -> None:
    """Write one row per document in the format of `embedding_format`, holding one chunk in memory at a time.

    The chunks are consecutive rows of the embeddings, `[n, K]` each: probabilities, written as float32 (six significant
    digits in CSV), or binary codes as integers, written as uint8. CSV and Parquet have the columns id, theme (if given,
    `[N]`; blank or null for a document without one, -1), metadata (with the prefix "metadata_" if another column has
    the name), and one per unit, see `unit_columns`. An `.npy` has the embeddings only, `[N, K]`; the ids are in
    `ids_path`, and the themes in `themes_path`, which is removed if there are none. The three are one output, see
    `docnvil.runtime.publishing`.

    Raises:
        CorpusError: the format is `.npy` and an id contains a line break.
    """
    form, chunks = embedding_format(path), _count_rows(chunks, len(ids))
    units = unit_columns(n_units, unit_names, taken=("id", "theme", *metadata))
    first = (
        {"id": ids}
        if themes is None
        else {"id": ids, "theme": [None if theme < 0 else theme for theme in themes.tolist()]}
    )
    names = [*first, *metadata_headings(metadata, [*first, *units])]
    if form == "npy":
        _write_npy(path, ids, n_units, chunks, themes)
    elif form == "parquet":
        kinds = ["string", "int32"][: len(first)] + ["string"] * len(metadata)
        labels = list(zip(names, kinds, [*first.values(), *metadata.values()], strict=True))
        _write_parquet(path, labels, units, chunks)
    else:
        with _writing_csv(path, [*names, *units]) as file:
            file.writelines(_csv_lines(zip(*first.values(), *metadata.values(), strict=True), chunks))


def unit_columns(n_units: int, names: Sequence[str | None] = (), taken: Iterable[str] = ()) -> list[str]:
    """Return the heading of each unit's column: its name if it is safe, else "unit3".

    A name is not safe if another column has it, in any capitalization, or if a spreadsheet would read it as a formula.

    Arguments:
        n_units: K, the units of all layers.
        names: the names of the first units, None for a unit without one.
        taken: the headings of other columns.

    Example:
        >>> unit_columns(4, ["space", "Group", "=1+1"], taken=["group"])
        ['space', 'unit1', 'unit2', 'unit3']
    """
    others = {name.casefold() for name in taken} | {f"metadata_{name}".casefold() for name in taken}
    columns = [f"unit{unit}" for unit in range(n_units)]
    for unit, name in enumerate(names):
        if name is not None and name.casefold() not in others and name[0] not in FORMULA_STARTS:
            columns[unit] = name
    return columns


def _count_rows(chunks: Iterable[NDArray[Any]], n_rows: int) -> Iterator[NDArray[Any]]:
    """Yield the chunks, and raise `ValueError` if they do not have `n_rows` rows in total."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total <= n_rows:
            yield chunk
    if total != n_rows:
        raise ValueError(f"There are {total:,} embeddings for {n_rows:,} ids. Pass one row per id.")


def _csv_lines(labels: Iterable[tuple[object, ...]], chunks: Iterable[NDArray[Any]]) -> Iterator[str]:
    """Yield CSV lines of labels, quoted where necessary, and numbers, which need no quotes.

    Numbers are formatted one row at a time, which is several times as fast as one at a time.
    """
    texts = csv_lines(labels)
    for chunk in chunks:
        numbers = ("%d," if chunk.dtype.kind == "i" else "%.6g,") * chunk.shape[1]
        numbers = numbers.removesuffix(",") + LINE_END
        for text, row in zip(islice(texts, len(chunk)), chunk.tolist(), strict=True):
            yield f"{text.removesuffix(LINE_END)},{numbers % tuple(row)}"


def _write_npy(
    path: Path, ids: Sequence[str], n_units: int, chunks: Iterable[NDArray[Any]], themes: NDArray[np.int64] | None
) -> None:
    if invalid := next((name for name in ids if "\n" in name or "\r" in name), None):
        raise CorpusError(f"The id {invalid!r} contains a line break, but its file has one id per line. Write a .csv.")
    with writing_together(path, ids_path(path), themes_path(path)) as (codes, names, numbers):
        with codes.open("wb") as file:
            for number, chunk in enumerate(chunks):
                if not number:
                    dtype = _file_dtype(chunk)
                    header = {"descr": dtype.str, "fortran_order": False, "shape": (len(ids), n_units)}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(chunk, dtype=dtype).data)
        if themes is not None:
            save_array(numbers, themes)
        names.write_bytes("".join(f"{name}\n" for name in ids).encode())


def _write_parquet(
    path: Path,
    labels: Sequence[tuple[str, str, Sequence[Any]]],
    units: list[str],
    chunks: Iterable[NDArray[Any]],
) -> None:
    """Write labels, each with its heading, its type and its values, and then the units."""
    import pyarrow
    import pyarrow.parquet

    # A file instead of its name, since pyarrow takes only names in UTF-8.
    with replacing_file(path) as draft, draft.open("wb") as file, ExitStack() as stack:
        writer, start = None, 0
        for chunk in chunks:
            dtype = _file_dtype(chunk)
            if writer is None:
                types = [(name, getattr(pyarrow, kind)()) for name, kind, _ in labels]
                numbers = [(unit, pyarrow.from_numpy_dtype(dtype)) for unit in units]
                schema = pyarrow.schema([*types, *numbers])
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, schema))
            rows = slice(start, start + len(chunk))
            texts = [pyarrow.array(column[rows], getattr(pyarrow, kind)()) for _, kind, column in labels]
            values = [pyarrow.array(column) for column in np.ascontiguousarray(chunk.T, dtype=dtype)]
            writer.write_table(pyarrow.Table.from_arrays([*texts, *values], schema=schema))
            start += len(chunk)


def _file_dtype(chunk: NDArray[Any]) -> np.dtype[Any]:
    return np.dtype(np.uint8 if chunk.dtype.kind == "i" else "<f4")


def write_document_values(
    path: Path, ids: Sequence[str], lengths: NDArray[np.float64], nats: Mapping[str, NDArray[np.float64]]
) -> None:
    """Write one CSV row per document: id, words, the given values, perplexity, and 1 in "empty" if it has no words.

    "words" are the numbers of evaluated words, `lengths`; the given values, `nats`, are written with full precision and
    must include "log_likelihood". The perplexity is exp(-log_likelihood / words), and blank for empty documents.
    """
    rates = -nats["log_likelihood"] / np.where(lengths > 0, lengths, 1)
    perplexities = [f"{to_perplexity(rate):.6g}" if length else "" for rate, length in zip(rates, lengths, strict=True)]
    words = (f"{length:g}" if length % 1 else f"{length:.0f}" for length in lengths)
    columns = (ids, words, *(map(repr, values.tolist()) for values in nats.values()), perplexities)
    empty = (lengths == 0).astype(int).tolist()
    _write_csv(path, ["id", "words", *nats, "perplexity", "empty"], zip(*columns, empty, strict=True))


def write_topics(path: Path, topics: Iterable[Topic], vocabulary: Vocabulary) -> None:
    """Write one CSV row per unit: name, share of documents, information in nats, whether it is dead, words."""
    rows = []
    for topic in topics:
        words = " ".join(topic_words(topic, vocabulary))
        figures = f"{topic.share:.4f}", f"{topic.information:.4f}", int(topic.dead)
        rows.append((topic.unit, topic.name, *figures, words))
    _write_csv(path, ["unit", "name", "share", "information", "dead", "words"], rows)


def write_themes(path: Path, themes: Iterable[Theme], vocabulary: Vocabulary) -> None:
    """Write one CSV row per theme: share of documents that have it, the units that it raises, words."""
    rows = []
    for theme in themes:
        words = " ".join(topic_words(theme, vocabulary))
        rows.append((theme.theme, f"{theme.share:.4f}", " ".join(map(str, theme.units)), words))
    _write_csv(path, ["theme", "share", "units", "words"], rows)


def write_records(path: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Write one CSV row per record, with the fields of the first record; None is left blank."""
    _write_csv(path, list(records[0]), (record.values() for record in records))


def topic_words(topic: Topic | Theme, vocabulary: Vocabulary) -> list[str]:
    """Return the top words of a unit or theme, best first."""
    return [vocabulary[column] for column in topic.words]


def history_csv(history: Iterable[EpochRecord]) -> str:
    """Return the training history as CSV text, one row per epoch, with full precision."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(EpochRecord.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(record), "best": int(record.best)} for record in history)
    return text.getvalue()


def read_history(text: str) -> tuple[EpochRecord, ...]:
    """Return the training history from the CSV text of `history_csv`."""
    types = {name: field.type for name, field in EpochRecord.__dataclass_fields__.items()}
    return tuple(
        EpochRecord(**{name: bool(int(row[name])) if kind is bool else kind(row[name]) for name, kind in types.items()})
        for row in csv.DictReader(io.StringIO(text))
    )


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    with _writing_csv(path, header) as file:
        csv_writer(file).writerows(rows)


@contextmanager
def _writing_csv(path: Path, header: Sequence[str]) -> Iterator[TextIO]:
    """Open a CSV file for writing after its header; it appears at `path` if the block succeeds."""
    check_suffix(path, CSV)
    with replacing_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        csv_writer(file).writerow(header)
        yield file
