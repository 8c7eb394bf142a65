"""Every table that is written: embeddings, values of documents, topics, history. Each appears whole or not at all.

Axes: N documents, K units.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.nats import to_perplexity
from docnvil.analysis.topics import Topic
from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.runtime.folders import replace_file, replacing_file
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.loop import EpochRecord

LINE_END = "\r\n"  # RFC 4180's; with a plain one Python's writer would leave an id that holds a "\r" unquoted


def embedding_format(path: Path) -> str:
    """Return how embeddings are written to a path, by its suffix: "parquet", "npy", or else "csv".

    Raises:
        MissingDependencyError: it is Parquet and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise MissingDependencyError(
            f"Writing {path} needs pyarrow. Install it with pip install 'docnvil[parquet]', or write a .csv or .npy."
        )
    return suffix[1:] if suffix in (".parquet", ".npy") else "csv"


def ids_path(path: Path) -> Path:
    """Return where the ids of an `.npy` of embeddings stand, one a line: `codes.ids.txt` for `codes.npy`."""
    return path.with_suffix(".ids.txt")


def write_embeddings(
    path: Path,
    ids: Sequence[str],
    metadata: Mapping[str, Sequence[str]],
    n_units: int,
    parts: Iterable[NDArray[np.float64] | NDArray[np.int64]],
) -> None:
    """Write a row a document, in the form that `embedding_format` tells; what is in memory is one part at a time.

    CSV and Parquet hold its id, its metadata, and a column a unit. An `.npy` holds the embeddings alone, `[N, K]`, and
    the ids stand beside it, see `ids_path`. Numbers are float32 or, of codes, uint8; in CSV six significant digits.

    Arguments:
        path: the file. ids: N of them.
        metadata: by column name, N values each; one that is called like a column of ours gets "metadata_" before it.
        n_units: K.
        parts: the embeddings `[n, K]` of some documents after the other, N in all; probabilities, or codes as integers.

    Raises:
        CorpusError: an id has a line break in it, and ids were to be written a line each.
    """
    form = embedding_format(path)
    if form == "npy":
        _write_array(path, ids, n_units, parts)
        return
    units = [f"unit{unit}" for unit in range(n_units)]
    taken = {"id", *units}
    names = [f"metadata_{name}" if name in taken else name for name in metadata]
    if form == "parquet":
        _write_parquet(path, ["id", *names], [ids, *metadata.values()], units, parts)
        return
    with _csv_file(path, ["id", *names, *units]) as file:
        file.writelines(_rows_of_numbers(zip(ids, *metadata.values(), strict=True), parts))


def _rows_of_numbers(about: Iterable[tuple[str, ...]], parts: Iterable[NDArray[Any]]) -> Iterator[str]:
    """Yield lines of CSV: what is said about a row, quoted where it must be, and its numbers, which never need it.

    Numbers are written a row at a time, several times as fast as one by one.
    """
    texts: list[str] = []
    writer = csv.writer(_Lines(texts), lineterminator=LINE_END)
    about = iter(about)
    for part in parts:
        numbers = ("%d," if part.dtype.kind == "i" else "%.6g,") * part.shape[1]
        numbers = numbers.removesuffix(",") + LINE_END
        writer.writerows(islice(about, len(part)))
        for text, row in zip(texts, part.tolist(), strict=True):
            yield f"{text.removesuffix(LINE_END)},{numbers % tuple(row)}"
        texts.clear()
    if next(about, None) is not None:
        raise ValueError("There are more ids than embeddings.")


class _Lines:
    """A file for `csv.writer`, which writes a row at a time, that keeps each as a text."""

    def __init__(self, texts: list[str]) -> None:
        self.write = texts.append


def _write_array(path: Path, ids: Sequence[str], n_units: int, parts: Iterable[NDArray[Any]]) -> None:
    if broken := next((name for name in ids if "\n" in name or "\r" in name), None):
        raise CorpusError(f"The id {broken!r} has a line break, and ids are written a line each. Write a .csv.")
    with replacing_file(path) as draft:
        with draft.open("wb") as file:
            for number, part in enumerate(parts):
                if not number:
                    kind = _number_type(part)
                    shape = {"descr": kind.str, "fortran_order": False, "shape": (len(ids), n_units)}
                    np.lib.format.write_array_header_1_0(file, shape)
                file.write(np.ascontiguousarray(part, dtype=kind).data)
        replace_file(ids_path(path), "".join(f"{name}\n" for name in ids).encode())


def _write_parquet(
    path: Path,
    names: Sequence[str],
    columns: Sequence[Sequence[str]],
    units: Sequence[str],
    parts: Iterable[NDArray[Any]],
) -> None:
    import pyarrow
    import pyarrow.parquet

    with replacing_file(path) as draft, ExitStack() as stack:
        writer, start = None, 0
        for part in parts:
            kind = _number_type(part)
            if writer is None:
                texts = [(name, pyarrow.string()) for name in names]
                numbers = [(unit, pyarrow.from_numpy_dtype(kind)) for unit in units]
                schema = pyarrow.schema([*texts, *numbers])
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(draft, schema))
            told = [pyarrow.array(column[start : start + len(part)], pyarrow.string()) for column in columns]
            values = [pyarrow.array(column) for column in np.ascontiguousarray(part.T, dtype=kind)]
            writer.write_table(pyarrow.Table.from_arrays([*told, *values], schema=schema))
            start += len(part)


def _number_type(part: NDArray[Any]) -> np.dtype[Any]:
    return np.dtype(np.uint8 if part.dtype.kind == "i" else "<f4")


def write_document_values(
    path: Path,
    ids: Sequence[str],
    words: NDArray[np.float64],
    nats: Mapping[str, NDArray[np.float64]],
) -> None:
    """Write a row a document: its id, its words, its nats by name, its perplexity, and whether it is empty.

    The perplexity is exp(-log_likelihood / words). An empty document has none: its place is left blank, and the column
    "empty" says 1.

    Arguments:
        path: the CSV file. ids: N of them. words: `[N]`, how many of each document are judged.
        nats: `[N]` each by column name, "log_likelihood" among them; written in full.
    """
    rates = -nats["log_likelihood"] / np.where(words > 0, words, 1)
    perplexities = [f"{to_perplexity(rate):.6g}" if length else "" for rate, length in zip(rates, words, strict=True)]
    lengths = (f"{length:g}" if length % 1 else f"{length:.0f}" for length in words)
    columns = (ids, lengths, *(map(repr, values.tolist()) for values in nats.values()), perplexities)
    empty = (words == 0).astype(int).tolist()
    _write(path, ["id", "words", *nats, "perplexity", "empty"], zip(*columns, empty, strict=True))


def write_topics(path: Path, topics: Iterable[Topic], vocabulary: Vocabulary) -> None:
    """Write a row a unit: its number, the share of documents that switch it on, its information in nats, its words."""
    rows = (
        (
            topic.unit,
            f"{topic.share:.4f}",
            f"{topic.information:.4f}",
            int(topic.dead),
            " ".join(words_of(topic, vocabulary)),
        )
        for topic in topics
    )
    _write(path, ["unit", "share", "information", "dead", "words"], rows)


def write_records(path: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Write a row a record, all with the fields of the first; what is None is left empty."""
    _write(path, list(records[0]), (record.values() for record in records))


def words_of(topic: Topic, vocabulary: Vocabulary) -> list[str]:
    """Return a unit's words, best first."""
    return [vocabulary[word] for word in topic.words]


def history_csv(history: Iterable[EpochRecord]) -> str:
    """Return the training history as CSV text, a row an epoch, numbers in full so that they read back the same."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(EpochRecord.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**asdict(record), "best": int(record.best)} for record in history)
    return text.getvalue()


def read_history(text: str) -> tuple[EpochRecord, ...]:
    """Read what `history_csv` wrote."""
    types = {name: field.type for name, field in EpochRecord.__dataclass_fields__.items()}
    return tuple(
        EpochRecord(**{name: bool(int(row[name])) if kind is bool else kind(row[name]) for name, kind in types.items()})
        for row in csv.DictReader(io.StringIO(text))
    )


def _write(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    with _csv_file(path, header) as file:
        csv.writer(file, lineterminator=LINE_END).writerows(rows)


@contextmanager
def _csv_file(path: Path, header: Sequence[str]) -> Iterator[TextIO]:
    """Open a CSV file that begins with a header, and is there when all of it is written."""
    with replacing_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=LINE_END).writerow(header)
        yield file
