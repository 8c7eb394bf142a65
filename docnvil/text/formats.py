"""Readers and writers of count files: SciPy npz, Matrix Market, UCI, LDA-C and svmlight; all but npz also gzipped.

None of the formats has words or ids. They are in files next to the counts, one per line: `train.vocab.txt` and
`train.ids.txt` for `train.npz`; the words of UCI's `docword.kos.txt` are in `vocab.kos.txt`.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path

from scipy.sparse import load_npz, save_npz

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError
from docnvil.runtime.folders import replace_file
from docnvil.text.bits import read_bits
from docnvil.text.counts import DocumentTermMatrix
from docnvil.text.files import is_gzipped, open_text, replace_surrogates, translate_os_errors, write_bytes
from docnvil.text.line_formats import LINE_FORMATS, AnySparse, ReadCounts
from docnvil.text.settings import COUNT_FORMATS
from docnvil.text.vocabulary import Vocabulary


def read_counts(
    path: str | Path, format: str, *, vocabulary_path: Path | None = None, array: str | None = None
) -> DocumentTermMatrix:
    """Read a file of counts.

    The words are those of `vocabulary_path`, or else of the first of these files next to the counts:
    `<stem>.vocab.txt`, `vocab.<stem>.txt`, `vocabulary.txt`. Without any, they are `word0`, `word1` ... The ids are
    those of `<stem>.ids.txt`, or else row numbers from 1. Labels become the metadata column `label`.

    Arguments:
        path: the file.
        format: one of `COUNT_FORMATS`, or "bits" for binary vectors.
        vocabulary_path: a file with one word per line.
        array: the array to read from an `.npz` of binary vectors, if it has several.

    Raises:
        CorpusError: the file is missing, malformed or truncated, or does not contain counts.
        VocabularyError: the number of words differs from the number of columns.
    """
    path = Path(path)
    if format == "bits":
        words = vocabulary_path or _find_vocabulary(path)
        counts, labels = read_bits(path, array, width=None if words is None else len(Vocabulary.load(words)))
    else:
        read, _ = _get_reader_and_writer(format)
        counts, labels = read(path)
    vocabulary, counts = _load_vocabulary(path, format, counts, vocabulary_path)
    metadata = {} if labels is None else {"label": labels}
    return DocumentTermMatrix(counts, vocabulary, _load_ids(path, counts.shape[0]), metadata, source=str(path))


def write_counts(matrix: DocumentTermMatrix, path: str | Path, format: str) -> tuple[Path, ...]:
    r"""Write counts, and next to them their words and ids, so that `read_counts` returns the same matrix.

    Metadata is not written, except the column `label` to svmlight.

    Arguments:
        matrix: the counts.
        path: the file; gzipped if it ends in `.gz`.
        format: one of `COUNT_FORMATS`.

    Returns:
        The paths of the files written.

    Raises:
        CorpusError: an id is empty or contains a line break, or a label cannot be written to svmlight.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> matrix = DocumentTermMatrix([[2, 0], [0, 0]], Vocabulary(["cat", "mouse"]), ("a", "b"))
        >>> with TemporaryDirectory() as folder:
        ...     [written.name for written in write_counts(matrix, Path(folder, "pets.ldac"), "ldac")]
        ...     Path(folder, "pets.ldac").read_text()
        ['pets.ldac', 'pets.vocab.txt', 'pets.ids.txt']
        '1 0:2\n0\n'
    """
    _, write = _get_reader_and_writer(format)
    path = Path(path)
    for id in matrix.ids:
        if "\n" in id or "\r" in id or not id or replace_surrogates(id) != id:
            raise CorpusError(f"The id {id!r} cannot be written on a line of text. Write a prepared corpus instead.")
    vocabulary_path, ids_path = _vocabulary_paths(path)[format == "uci"], path.with_name(f"{_stem(path)}.ids.txt")
    with write_bytes(path) as file:
        write(file, matrix.counts, matrix.metadata.get("label"))
    matrix.vocabulary.save(vocabulary_path)
    replace_file(ids_path, "".join(f"{id}\n" for id in matrix.ids).encode("utf-8"))
    return path, vocabulary_path, ids_path


def _get_reader_and_writer(format: str) -> tuple[Callable[[Path], ReadCounts], Callable[..., None]]:
    if format not in _READERS_AND_WRITERS:
        raise ConfigurationError(f"{format!r} is not a count format. Choose one of {', '.join(COUNT_FORMATS)}.")
    return _READERS_AND_WRITERS[format]


def _stem(path: Path) -> str:
    return (path.with_suffix("") if is_gzipped(path) else path).stem


def _vocabulary_paths(path: Path) -> tuple[Path, Path, Path]:
    # Specific names come first, as `vocabulary.txt` may belong to another file in the folder.
    stem = _stem(path)
    uci_name = f"vocab.{stem.removeprefix('docword.')}.txt"
    return path.with_name(f"{stem}.vocab.txt"), path.with_name(uci_name), path.with_name("vocabulary.txt")


def _find_vocabulary(path: Path) -> Path | None:
    return next((file for file in _vocabulary_paths(path) if file.is_file()), None)


def _load_vocabulary(
    path: Path, format: str, counts: AnySparse, vocabulary_path: Path | None
) -> tuple[Vocabulary, AnySparse]:
    words_path = vocabulary_path or _find_vocabulary(path)
    n_columns = counts.shape[1]
    if words_path is None:
        if not n_columns:
            raise CorpusError(f"{path} has no words. Check the file, or pass --vocabulary.")
        return Vocabulary.numbered(n_columns), counts
    vocabulary = Vocabulary.load(words_path)
    # These formats do not state the number of words; without a vocabulary, it follows from the last word.
    if format in ("ldac", "svmlight") and n_columns < len(vocabulary):
        counts.resize(counts.shape[0], len(vocabulary))
    if counts.shape[1] != len(vocabulary):
        raise VocabularyError(
            f"{path} has {n_columns} words and {words_path} has {len(vocabulary)}. Pass the vocabulary of these counts"
            " with --vocabulary."
        )
    return vocabulary, counts


def _load_ids(path: Path, n_documents: int) -> tuple[str, ...]:
    file = path.with_name(f"{_stem(path)}.ids.txt")
    if not file.is_file():
        return tuple(str(number) for number in range(1, n_documents + 1))
    with open_text(file) as lines:
        ids = tuple(line.removesuffix("\n") for line in lines)
    if len(ids) != n_documents:
        raise CorpusError(
            f"{path} has {n_documents} documents and {file} has {len(ids)} ids. Remove {file.name} if it belongs to"
            f" another file, or download {path.name} again."
        )
    return ids


def _read_npz(path: Path) -> ReadCounts:
    with translate_os_errors(path):
        try:
            with path.open("rb") as file:
                matrix = load_npz(file)
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError):
            raise CorpusError(f"{path} is not a sparse matrix of scipy.sparse.save_npz. Write it again.") from None
    if matrix.ndim != 2:
        raise CorpusError(f"{path} has an array of shape {matrix.shape}. Write a matrix with one row per document.")
    return ReadCounts(matrix)


_READERS_AND_WRITERS = {"npz": (_read_npz, lambda file, counts, labels: save_npz(file, counts)), **LINE_FORMATS}
