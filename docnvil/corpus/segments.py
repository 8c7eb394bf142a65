"""Segments of a corpus that is being built, as they lie on the disk: documents counted together, over their own words.

A counted segment is a folder of

    entries.npy      how many distinct words each document has, `[N]`
    columns.npy      their columns, document by document, in no order that means anything
    values.npy       how often each occurs
    words.txt        the words that occur, in order; backslashes and line ends in them are escaped
    places.npy       the column of each of these words, `[W]`
    frequencies.npy  how often each occurs, and in how many documents, two numbers a word
    documents.csv    ids and metadata, a row a document, without a header
    marks.npy        8 bytes a document, which tell ids that come back, `[N]`
    segment.json     the names of the metadata

and an encoded one has `entries.npy`, `columns.npy` and `values.npy` over the vocabulary, each document's in order.
"""

import csv
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from io import StringIO
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from docnvil.corpus.writing import GrowingArray
from docnvil.runtime.folders import write_json
from docnvil.text.accumulator import Stretch, remap_columns
from docnvil.text.records import csv_rows
from docnvil.text.vocabulary import Vocabulary

FORMAT_VERSION = 2
RUNS_AT_ONCE = 64  # sorted files of words that are merged together
BYTES_OF_A_RUN = 1 << 16  # of each, in memory

# Words in order, and how often each occurs and in how many documents, [n, 2].
_Words = tuple[list[str], NDArray[np.int64]]


@dataclass(frozen=True)
class Segment:
    """Documents counted together.

    Arguments:
        counts: the counts of each, over columns of their own. words: the words that occur, in order.
        places: the column of each word. frequencies: how often each occurs, and in how many documents, `[W, 2]`.
        ids: the documents' ids, N. metadata: column to one value a document.
    """

    counts: Stretch
    words: Sequence[str]
    places: NDArray[np.integer]
    frequencies: NDArray[np.int64]
    ids: Sequence[str]
    metadata: Mapping[str, Sequence[str]]

    def save(self, folder: Path) -> None:
        """Write a counted segment into a folder, which is made."""
        folder.mkdir()
        save_counts(folder, self.counts)
        _write_words(folder, [(self.words, self.frequencies)])
        np.save(folder / "places.npy", self.places)
        with (folder / "documents.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\r\n").writerows(zip(self.ids, *self.metadata.values(), strict=True))
        np.save(folder / "marks.npy", np.array([_mark(name) for name in self.ids], dtype=np.int64))
        write_json(folder / "segment.json", {"metadata": list(self.metadata)})


def _mark(name: str) -> int:
    # Python's own hash of a string is another one in each process.
    return int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest(), "little", signed=True)


def save_counts(folder: Path, counts: Stretch) -> None:
    """Write the counts of documents into a folder."""
    for name, part in zip(("entries", "columns", "values"), counts, strict=True):
        np.save(folder / f"{name}.npy", part)


def load_counts(folder: Path) -> Stretch:
    """Read what `save_counts` wrote."""
    entries, columns, values = (np.load(folder / f"{name}.npy") for name in ("entries", "columns", "values"))
    return entries, columns, values


def encode(folder: Path, vocabulary: Vocabulary) -> Stretch:
    """Return the counts of a counted segment over a vocabulary."""
    with _open_words(folder) as file:
        words = _unescaped(file.read().split("\n")[:-1])
    places = np.load(folder / "places.npy")
    columns = np.full(int(places.max(initial=-1)) + 1, -1)
    columns[places] = vocabulary.columns_of(words)
    return remap_columns(*load_counts(folder), columns)


def n_documents_of(folder: Path) -> int:
    """Return how many documents a segment has."""
    return len(np.load(folder / "entries.npy", mmap_mode="r"))


def n_tokens_of(folder: Path) -> int:
    """Return how many words were counted in a segment."""
    return int(np.load(folder / "values.npy", mmap_mode="r").sum(dtype=np.int64))


def marks_of(folder: Path) -> NDArray[np.int64]:
    """Return 8 bytes for each document of a counted segment, the same for equal ids; others differ, or nearly all."""
    return np.load(folder / "marks.npy")


def metadata_of(folder: Path) -> list[str]:
    """Return the names of a counted segment's metadata."""
    return json.loads((folder / "segment.json").read_text(encoding="utf-8"))["metadata"]


def documents_of(folder: Path, columns: Sequence[str]) -> str:
    """Return the rows of a counted segment's documents as CSV, with these columns of metadata after the ids."""
    names = metadata_of(folder)
    with (folder / "documents.csv").open(encoding="utf-8", newline="") as file:
        if names == list(columns):
            return file.read()
        rows = ((name, dict(zip(names, values, strict=True))) for name, *values in csv_rows(csv.reader(file)))
        text = StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(
            (name, *(metadata.get(column, "") for column in columns)) for name, metadata in rows
        )
        return text.getvalue()


def merged_words(segments: Iterable[Path], scratch: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the words of counted segments, each once, with how often it occurs and in how many documents.

    Memory holds some pages of `RUNS_AT_ONCE` segments, however many there are.

    Arguments:
        segments: their folders. scratch: a folder for files in between.
    """
    runs = list(segments)
    level = 0
    while len(runs) > RUNS_AT_ONCE:
        groups = [runs[start : start + RUNS_AT_ONCE] for start in range(0, len(runs), RUNS_AT_ONCE)]
        runs = [scratch / f"merged-{level}-{number}" for number in range(len(groups))]
        for group, run in zip(groups, runs, strict=True):
            run.mkdir(parents=True, exist_ok=True)
            _write_words(run, _merged(group))
        level += 1
    for words, frequencies in _merged(runs):
        yield from zip(words, *frequencies.T.tolist(), strict=True)


def _open_words(folder: Path, mode: str = "r") -> TextIO:
    # A word may have half of a surrogate pair in it, or a carriage return, and keeps it.
    return (folder / "words.txt").open(mode, encoding="utf-8", errors="surrogatepass", newline="\n")


def _write_words(folder: Path, table: Iterable[_Words]) -> None:
    with _open_words(folder, "w") as file, GrowingArray(folder / "frequencies.npy", np.int64) as numbers:
        for words, frequencies in table:
            text = "\n".join([*words, ""])
            if "\\" in text or text.count("\n") > len(words):
                text = "".join(f"{_escaped(word)}\n" for word in words)
            file.write(text)
            numbers.append(frequencies.ravel())


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(lines: list[str]) -> list[str]:
    if not any("\\" in line for line in lines):
        return lines
    return ["\\".join(part.replace("\\n", "\n") for part in line.split("\\\\")) for line in lines]


def _merged(runs: Sequence[Path]) -> Iterator[_Words]:
    """Yield the words of runs in order, some at a time, with their frequencies added up."""
    with ExitStack() as stack:
        files = [stack.enter_context(_open_words(run)) for run in runs]
        readers = [_reader(file, run) for file, run in zip(files, runs, strict=True)]
        waiting = [next(reader) for reader in readers]
        while any(words for words, _ in waiting):
            last = min(words[-1] for words, _ in waiting if words)  # up to here, no run has anything more to give
            found: dict[str, int] = {}
            ready = []
            for number, (words, frequencies) in enumerate(waiting):
                cut = bisect_right(words, last)
                ready.append(([found.setdefault(word, len(found)) for word in words[:cut]], frequencies[:cut]))
                waiting[number] = (words[cut:], frequencies[cut:]) if cut < len(words) else next(readers[number])
            total = np.zeros((len(found), 2), dtype=np.int64)
            for numbers, frequencies in ready:
                total[numbers] += frequencies  # no run has a word twice
            in_order = sorted(found)
            yield in_order, total[[found[word] for word in in_order]]


def _reader(file: TextIO, run: Path) -> Iterator[_Words]:
    """Yield the words of a run some at a time, and no words for ever when there are no more."""
    frequencies = np.load(run / "frequencies.npy", mmap_mode="r").reshape(-1, 2)
    done = 0
    while True:
        words = _unescaped([line[:-1] for line in file.readlines(BYTES_OF_A_RUN)])
        yield words, frequencies[done : done + len(words)]
        done += len(words)
