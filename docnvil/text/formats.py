"""Ready-made counts in and out: SciPy npz, Matrix Market, UCI, LDA-C and svmlight; all but npz also gzipped.

None of them holds words or ids. These stand in files beside, one a line: for `train.npz`, `train.vocab.txt` and
`train.ids.txt`; UCI's `docword.kos.txt` has its words in `vocab.kos.txt`.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from scipy.sparse import csr_array

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.runtime.folders import replace_file
from docnvil.text.bits import read_bits
from docnvil.text.counts import DocumentTermMatrix
from docnvil.text.documents import COUNT_FORMATS
from docnvil.text.files import open_text, plain_name, replace_surrogates, translate_os_errors, write_bytes
from docnvil.text.line_formats import (
    ReadCounts,
    read_ldac,
    read_mtx,
    read_svmlight,
    read_uci,
    write_ldac,
    write_mtx,
    write_svmlight,
    write_uci,
)
from docnvil.text.sparse import as_counts
from docnvil.text.vocabulary import Vocabulary

# These do not say how many words there are; the vocabulary does, or else the last word that occurs.
_WITHOUT_WIDTH = ("ldac", "svmlight")


def read_counts(
    path: str | Path, format: str, *, vocabulary_path: Path | None = None, array: str | None = None
) -> DocumentTermMatrix:
    """Read ready-made counts.

    The words are those of `vocabulary_path`, else of the first of these beside the file: `<stem>.vocab.txt`,
    `vocab.<stem>.txt`, `vocabulary.txt`; without any, columns are called `word0`, `word1` ... The ids are those of
    `<stem>.ids.txt`, else rows are numbered from 1. Labels of svmlight become the metadata `label`.

    Arguments:
        path: the file.
        format: one of `COUNT_FORMATS`, or "bits" for binary vectors.
        vocabulary_path: a file with one word a line.
        array: which array of an `.npz` of binary vectors, where it has several.

    Returns:
        The counts.

    Raises:
        CorpusError: the file is missing, malformed or cut short, or holds something else than counts.
        VocabularyError: the vocabulary is not as wide as the counts; both files and numbers are named.
    """
    path = Path(path)
    if format == "bits":
        named = vocabulary_path or _find_vocabulary(path)
        counts, labels = read_bits(path, array, width=None if named is None else len(Vocabulary.load(named)))
    else:
        _require_format(format)
        counts, labels = _READERS[format](path)
    vocabulary, counts = _named(path, format, counts, vocabulary_path)
    metadata = {} if labels is None else {"label": labels}
    return DocumentTermMatrix(counts, vocabulary, _ids(path, counts.shape[0]), metadata)


def write_counts(matrix: DocumentTermMatrix, path: str | Path, format: str) -> tuple[Path, ...]:
    r"""Write counts, and beside them their words and ids, so that `read_counts` gives the same matrix back.

    The metadata is not written, save that the column `label` gives svmlight its labels.

    Arguments:
        matrix: the counts.
        path: the file; gzipped if it ends in `.gz`.
        format: one of `COUNT_FORMATS`.

    Returns:
        The files written.

    Raises:
        CorpusError: an id has a line break in it, or a label cannot be written to svmlight.

    >>> from tempfile import TemporaryDirectory
    >>> matrix = DocumentTermMatrix([[2, 0], [0, 0]], Vocabulary(["cat", "mouse"]), ("a", "b"))
    >>> with TemporaryDirectory() as folder:
    ...     [written.name for written in write_counts(matrix, Path(folder, "pets.ldac"), "ldac")]
    ...     Path(folder, "pets.ldac").read_text()
    ['pets.ldac', 'pets.vocab.txt', 'pets.ids.txt']
    '1 0:2\n0\n'
    """
    _require_format(format)
    path = Path(path)
    for name in matrix.ids:
        if "\n" in name or "\r" in name or not name or replace_surrogates(name) != name:
            raise CorpusError(f"The id {name!r} cannot stand on a line of text. Write a prepared corpus instead.")
    vocabulary_path, ids_path = _vocabulary_path(path, format), path.with_name(f"{_stem(path)}.ids.txt")
    with write_bytes(path) as file:
        _WRITERS[format](file, matrix.counts, matrix.metadata.get("label"))
    matrix.vocabulary.save(vocabulary_path)
    replace_file(ids_path, "".join(f"{name}\n" for name in matrix.ids).encode("utf-8"))
    return path, vocabulary_path, ids_path


def _require_format(format: str) -> None:
    if format not in COUNT_FORMATS:
        raise ConfigurationError(f"{format!r} is not a form of counts. Choose of {', '.join(COUNT_FORMATS)}.")


def _stem(path: Path) -> str:
    return Path(plain_name(path)).stem


def _vocabulary_path(path: Path, format: str) -> Path:
    stem = _stem(path)
    name = f"vocab.{stem.removeprefix('docword.')}.txt" if format == "uci" else f"{stem}.vocab.txt"
    return path.with_name(name)


def _find_vocabulary(path: Path) -> Path | None:
    # The names that belong to this file alone come first: a common `vocabulary.txt` may be another corpus's.
    stem = _stem(path)
    names = (f"{stem}.vocab.txt", f"vocab.{stem.removeprefix('docword.')}.txt", "vocabulary.txt")
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def _named(path: Path, format: str, counts: csr_array, vocabulary_path: Path | None) -> tuple[Vocabulary, csr_array]:
    found = vocabulary_path or _find_vocabulary(path)
    width = counts.shape[1]
    if found is None:
        if not width:
            raise CorpusError(f"{path} has no words. Check the file, or pass --vocabulary.")
        return Vocabulary.numbered(width), counts
    vocabulary = Vocabulary.load(found)
    if format in _WITHOUT_WIDTH and width < len(vocabulary):
        counts.resize(counts.shape[0], len(vocabulary))
    if counts.shape[1] != len(vocabulary):
        raise VocabularyError(
            f"{path} has {width} words and {found} has {len(vocabulary)}. Pass the vocabulary that belongs to the"
            " counts with --vocabulary."
        )
    return vocabulary, counts


def _ids(path: Path, n_documents: int) -> tuple[str, ...]:
    file = path.with_name(f"{_stem(path)}.ids.txt")
    if not file.is_file():
        return tuple(str(number) for number in range(1, n_documents + 1))
    with open_text(file) as lines:
        ids = tuple(line.removesuffix("\n") for line in lines)
    if len(ids) != n_documents:
        raise CorpusError(
            f"{path} has {n_documents} documents and {file} {len(ids)} ids. Remove {file.name} if it belongs to"
            f" something else, or fetch {path.name} again."
        )
    return ids


def _read_npz(path: Path) -> ReadCounts:
    from scipy.sparse import load_npz

    with translate_os_errors(path):
        try:
            with path.open("rb") as file:
                return ReadCounts(as_counts(load_npz(file), where=str(path)))
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            if isinstance(error, CorpusError):
                raise
            raise CorpusError(
                f"{path} is not a sparse matrix as scipy.sparse.save_npz writes them. Write it again."
            ) from None


def _write_npz(file: BinaryIO, counts: csr_array, labels: tuple[str, ...] | None) -> None:
    from scipy.sparse import save_npz

    save_npz(file, counts)


_READERS: dict[str, Callable[[Path], ReadCounts]] = {
    "npz": _read_npz,
    "mtx": read_mtx,
    "uci": read_uci,
    "ldac": read_ldac,
    "svmlight": read_svmlight,
}
_WRITERS: dict[str, Callable[[BinaryIO, csr_array, tuple[str, ...] | None], None]] = {
    "npz": _write_npz,
    "mtx": write_mtx,
    "uci": write_uci,
    "ldac": write_ldac,
    "svmlight": write_svmlight,
}
