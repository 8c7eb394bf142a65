"""Writing a prepared corpus documents by documents: memory holds those at hand, however many there will be."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array

import docnvil
from docnvil.runtime.folders import write_json, writing_folder
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary

FORMAT_VERSION = 1


class GrowingArray:
    """A one-dimensional `.npy` file that grows at its end; closed, it is what `np.save` would have written.

    Arguments:
        path: the file to make.
        dtype: the type of its numbers.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with GrowingArray(Path(folder, "a.npy"), np.int32) as array:
    ...         array.append(np.arange(2))
    ...         array.append(np.arange(3))
    ...     np.load(Path(folder, "a.npy")).tolist()
    [0, 1, 0, 1, 2]
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._length = 0
        self._write_header()

    def append(self, values: NDArray[np.integer]) -> None:
        """Write more numbers."""
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
        self._length += len(values)

    def _write_header(self) -> None:
        # NumPy leaves room in the header for a first axis that grows, so the last header fits where the first one was.
        self._file.seek(0)
        shape = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._length,)}
        np.lib.format.write_array_header_1_0(self._file, shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write_header()
        finally:
            self._file.close()


class CorpusWriter:
    """A corpus that is being written; `append` is all there is to do."""

    def __init__(
        self,
        starts: GrowingArray,
        columns: GrowingArray,
        counts: GrowingArray,
        table: TextIO,
        names: Sequence[str],
    ) -> None:
        self._starts, self._columns, self._counts, self._table = starts, columns, counts, table
        # Columns are told by place, so that metadata may be called "id" too; CRLF makes the writer quote both.
        self._documents = csv.writer(table, lineterminator="\r\n")
        self._documents.writerow(["id", *names])
        self._entries = 0
        self.n_documents = self.n_tokens = self.n_empty = 0
        starts.append(np.zeros(1, np.int64))

    def append(
        self, counts: csr_array, ids: Sequence[str], metadata: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Write more documents.

        Arguments:
            counts: theirs, `[n, V]`, as `as_counts` returns them.
            ids: n of them.
            metadata: the columns that were named at the start, in that order, n values each.
        """
        self.append_counts(np.diff(counts.indptr), counts.indices, counts.data)
        self._documents.writerows(zip(ids, *(metadata or {}).values(), strict=True))

    def append_counts(
        self, entries: NDArray[np.integer], columns: NDArray[np.integer], values: NDArray[np.integer]
    ) -> None:
        """Write the counts of more documents: how many distinct words each has, their columns, and the counts."""
        self._starts.append(self._entries + np.cumsum(entries, dtype=np.int64))
        self._columns.append(columns)
        self._counts.append(values)
        self._entries += len(columns)
        self.n_documents += len(entries)
        self.n_tokens += int(values.sum(dtype=np.int64))
        self.n_empty += int((entries == 0).sum())

    def append_rows(self, rows: str) -> None:
        """Write ids and metadata of more documents, as a `csv.writer` wrote them."""
        self._table.write(rows)


@contextmanager
def writing_corpus(
    path: Path,
    vocabulary: Vocabulary,
    rules: TokenRules | None = None,
    *,
    columns: Sequence[str] = (),
    dtype: DTypeLike = np.int32,
    force: bool = False,
) -> Iterator[CorpusWriter]:
    """Yield a writer to append documents to; on a clean exit the corpus stands at `path`, otherwise it vanishes.

    Arguments:
        path: the folder to make.
        vocabulary: the words of the columns, V. rules: how texts became words, or None for ready-made counts.
        columns: the names of the metadata.
        dtype: of the counts, int32 or int64.
        force: replace a folder of ours that already stands there.

    Raises:
        OutputExistsError: something stands at the path that may not be replaced.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with writing_corpus(Path(folder, "pets"), Vocabulary(["cat", "mouse"])) as corpus:
    ...         corpus.append(csr_array(np.array([[2, 0], [0, 0]])), ["a", "b"])
    ...         corpus.append(csr_array(np.array([[1, 1]])), ["c"])
    ...     np.load(Path(folder, "pets", "indptr.npy")).tolist()
    [0, 1, 1, 3]
    """
    with writing_folder(path, kind="corpus", force=force) as folder:
        with ExitStack() as stack:
            arrays = [
                stack.enter_context(GrowingArray(folder / f"{name}.npy", kind))
                for name, kind in (("indptr", np.int64), ("indices", np.int32), ("counts", dtype))
            ]
            table = stack.enter_context((folder / "documents.csv").open("w", encoding="utf-8", newline=""))
            corpus = CorpusWriter(*arrays, table, columns)
            yield corpus
        vocabulary.save(folder / "vocabulary.txt")
        description = {
            "format_version": FORMAT_VERSION,
            "docnvil": docnvil.__version__,
            "documents": corpus.n_documents,
            "words": len(vocabulary),
            "tokens": corpus.n_tokens,
            "empty_documents": corpus.n_empty,
            "rules": None if rules is None else rules.to_json(),
        }
        write_json(folder / "corpus.json", description)
