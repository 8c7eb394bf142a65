"""Writing of prepared corpora, chunk by chunk, so that a corpus can be larger than memory.

A prepared corpus is a folder of files that people and other programs can open:

    corpus.json       format version, sizes, token rules, and the options that the source was read with
    vocabulary.txt    one word per line, V lines
    documents.csv     id and metadata, one row per document
    indptr.npy        where the entries of each document begin, [N + 1], int64
    indices.npy       the columns of the entries, int32
    counts.npy        the counts of the entries, int32 or int64
    unknown.npy       the number of words of each document that are not in the vocabulary, [N], int64; only if the
                      vocabulary was not chosen from these documents
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array

import docnvil
from docnvil.runtime.folders import write_json, writing_folder
from docnvil.text.document_term_matrix import DocumentTermMatrix, require_matrix
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary

FORMAT_VERSION = 1


class ArrayWriter:
    """Writes a one-dimensional `.npy` file in pieces; the result has the same bytes as a file of `np.save`."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._length = 0
        self._write_header()

    def append(self, values: NDArray[np.integer]) -> None:
        """Write more numbers."""
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
        self._length += len(values)

    def close(self) -> None:
        """Write the final header, and close the file."""
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        # NumPy pads the header so that a larger first axis fits: the final header has the size of the first one.
        self._file.seek(0)
        shape = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self._length,)}
        np.lib.format.write_array_header_1_0(self._file, shape)


class CorpusWriter:
    """A corpus that is being written; `writing_corpus` makes one."""

    def __init__(self, arrays: Sequence[ArrayWriter], table: TextIO, metadata_names: Sequence[str]) -> None:
        self._indptr, self._indices, self._counts, *unknown = arrays
        self._unknown = unknown[0] if unknown else None
        self._table = table
        # Lines end in CRLF, because the csv module then quotes fields that contain either character.
        self._documents = csv.writer(table, lineterminator="\r\n")
        self._documents.writerow(["id", *metadata_names])
        self._n_entries = 0
        self.n_documents = self.n_tokens = self.n_empty = self.n_unknown = 0
        self._indptr.append(np.zeros(1, np.int64))

    def append(
        self, counts: csr_array, ids: Sequence[str], metadata: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Append n documents: counts `[n, V]` as `as_counts` returns them, and metadata in the order of their names."""
        self.append_counts(counts)
        self._documents.writerows(zip(ids, *(metadata or {}).values(), strict=True))

    def append_counts(self, counts: csr_array) -> None:
        """Append the counts of n documents, `[n, V]`, without their rows of the table."""
        row_entries = np.diff(counts.indptr)
        self._indptr.append(self._n_entries + np.cumsum(row_entries, dtype=np.int64))
        self._indices.append(counts.indices)
        self._counts.append(counts.data)
        self._n_entries += counts.nnz
        self.n_documents += counts.shape[0]
        self.n_tokens += int(counts.data.sum(dtype=np.int64))
        self.n_empty += int((row_entries == 0).sum())

    def append_unknown(self, unknown_counts: NDArray[np.int64]) -> None:
        """Append the numbers of unknown words of n documents, `[n]`, if the corpus has them."""
        if self._unknown is not None:
            self._unknown.append(unknown_counts)
            self.n_unknown += int(unknown_counts.sum())

    def append_table_rows(self, rows: str) -> None:
        """Append ids and metadata as text that a `csv.writer` with the same settings has written."""
        self._table.write(rows)


@contextmanager
def writing_corpus(
    path: Path,
    vocabulary: Vocabulary,
    rules: TokenRules | None = None,
    *,
    metadata_names: Sequence[str] = (),
    dtype: DTypeLike = np.int32,
    reading: Mapping[str, Any] | None = None,
    has_unknown: bool = False,
    force: bool = False,
) -> Iterator[CorpusWriter]:
    """Yield a writer; the folder appears at `path` when the block ends, and not at all if the block fails.

    The `rules` are None if the counts were not made from texts. `dtype` is the type of the counts, int32 or int64;
    `reading` has the options that the source was read with; `has_unknown` says whether unknown words are counted.

    Raises:
        OutputExistsError: there is something at `path` that must not be replaced.
    """
    with writing_folder(path, kind="corpus", force=force) as folder:
        with ExitStack() as stack:
            kinds = {"indptr": np.int64, "indices": np.int32, "counts": dtype}
            kinds |= {"unknown": np.int64} if has_unknown else {}
            arrays = [
                stack.enter_context(closing(ArrayWriter(folder / f"{name}.npy", kind))) for name, kind in kinds.items()
            ]
            table = stack.enter_context((folder / "documents.csv").open("w", encoding="utf-8", newline=""))
            writer = CorpusWriter(arrays, table, metadata_names)
            yield writer
        vocabulary.save(folder / "vocabulary.txt")
        description = {
            "format_version": FORMAT_VERSION,
            "docnvil": docnvil.__version__,
            "documents": writer.n_documents,
            "words": len(vocabulary),
            "tokens": writer.n_tokens,
            "empty_documents": writer.n_empty,
            "unknown_tokens": writer.n_unknown if has_unknown else None,
            "reading": dict(reading or {}),
            "rules": None if rules is None else rules.to_json(),
        }
        write_json(folder / "corpus.json", description)


def write_corpus(matrix: DocumentTermMatrix, path: str | Path, *, force: bool = False) -> None:
    """Write a matrix as a prepared corpus; `read_corpus` reads it.

    Arguments:
        matrix: the counts, with ids and metadata.
        path: the folder to create.
        force: whether to replace a corpus at `path`.

    Raises:
        OutputExistsError: there is something at `path` that must not be replaced.
    """
    require_matrix(matrix)
    unknown_counts = matrix.unknown_counts
    options = {"metadata_names": tuple(matrix.metadata), "dtype": matrix.counts.dtype, "reading": matrix.reading}
    options["has_unknown"] = unknown_counts is not None
    with writing_corpus(Path(path), matrix.vocabulary, matrix.rules, force=force, **options) as writer:
        writer.append(matrix.counts, matrix.ids, matrix.metadata)
        if unknown_counts is not None:
            writer.append_unknown(unknown_counts)
