"""Readers and writers of count files: SciPy npz, Matrix Market, UCI, LDA-C, svmlight and tables.

Most of the formats have no words or ids. They are in files next to the counts, see `companion_files`.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scipy.sparse import load_npz, save_npz

from docnvil.errors import ConfigurationError, CorpusError, VocabularyError, translating_errors
from docnvil.runtime.publishing import writing_together
from docnvil.text.bits import check_declared_sizes, read_bits
from docnvil.text.companion_files import (
    check_words,
    find_vocabulary,
    ids_path,
    load_ids,
    vocabulary_paths,
    warn_of_missing_vocabulary,
)
from docnvil.text.document_term_matrix import DocumentTermMatrix, align_vocabulary, require_matrix
from docnvil.text.files import as_path, open_stored_bytes, replace_surrogates, translate_os_errors, write_bytes
from docnvil.text.line_formats import LINE_FORMATS, Numbering, ReadCounts
from docnvil.text.named_formats import has_words, read_dtm, read_word_pairs
from docnvil.text.settings import COUNT_FORMATS, NUMBERED_WORDS, SourceOptions
from docnvil.text.sparse import as_counts
from docnvil.text.vocabulary import Vocabulary, number_words


def read_counts(
    path: str | Path,
    format: str,
    *,
    vocabulary_path: str | Path | None = None,
    model_vocabulary: Vocabulary | None = None,
    **options: Any,
) -> DocumentTermMatrix:
    """Read a file of counts.

    The words are those in the file; or those of `vocabulary_path`; or those of the first of these files next to the
    counts: `<stem>.vocab.txt`, `vocab.<stem>.txt`, `<name>.vocab`, `vocabulary.txt` and others. Without any, they are
    `word0`, `word1` ..., and a `DocnvilWarning` lists the files. The ids are those in the file or in `<stem>.ids.txt`,
    or else row numbers from 1. Labels become the metadata column `label`.

    Arguments:
        path: the file.
        format: one of `COUNT_FORMATS`, or "bits" for binary vectors.
        vocabulary_path: a file with one word per line.
        model_vocabulary: the words of the model that the counts are for, used if the file has no vocabulary.
        options: other options of `SourceOptions`: `array`, `index_base`, `transpose`, and for tables `id_column`,
            `delimiter` and `encoding`.

    Raises:
        ConfigurationError: an option has no effect for the format.
        CorpusError: the file is missing, malformed or truncated, or does not contain counts.
        VocabularyError: the number of words differs from the number of columns.
    """
    path, source = as_path(path), SourceOptions(format, **options)
    source.refuse_idle(path, format)
    words_path = find_vocabulary(path) if vocabulary_path is None else Path(vocabulary_path)
    vocabulary = None if words_path is None else Vocabulary.load(words_path)
    read = _read(path, source, vocabulary or model_vocabulary)
    metadata = {} if read.labels is None else {"label": read.labels}
    reading: dict[str, Any] = {"transpose": True} if source.transpose else {}
    if read.index_base is not None:
        reading["index_base"] = str(read.index_base)
    if read.words is not None:
        try:
            own = Vocabulary(read.words)
        except VocabularyError as error:
            raise VocabularyError(f"{path}: {error.command_line_message}") from None
        ids = read.ids or load_ids(path, read.counts.shape)
        matrix = DocumentTermMatrix(read.counts, own, ids, metadata, reading=reading, source=str(path))
        return matrix if vocabulary_path is None else align_vocabulary(matrix, vocabulary or own)
    if vocabulary is None:
        vocabulary = _numbered_words(path, format, read.counts, model_vocabulary)
    else:
        states_width = format not in NUMBERED_WORDS["format"]
        checks = {"states_width": states_width, "is_part": model_vocabulary is not None}
        check_words(path, words_path, vocabulary, read.counts.shape, **checks)
        if not states_width:  # words after the last one that occurs have no columns yet
            read.counts.resize(read.counts.shape[0], len(vocabulary))
    ids = read.ids or load_ids(path, read.counts.shape)
    return DocumentTermMatrix(read.counts, vocabulary, ids, metadata, reading=reading, source=str(path))


def _read(path: Path, options: SourceOptions, vocabulary: Vocabulary | None) -> ReadCounts:
    """Read counts without their vocabulary, unless the file contains it."""
    width = None if vocabulary is None else len(vocabulary)
    if options.format == "bits":
        return read_bits(path, options.array, width=width)
    if options.format == "svmlight" and options.index_base == "auto" and has_words(path):
        return read_word_pairs(path)
    reader, _ = _get_reader_and_writer(options.format)
    read = reader(path, Numbering(options.index_base, width, options))
    return read._replace(counts=read.counts.T, words=read.ids, ids=read.words) if options.transpose else read


def _numbered_words(path: Path, format: str, counts: Any, model_vocabulary: Vocabulary | None) -> Vocabulary:
    """Return placeholders for the words of counts `[N, V]`, with a warning if names were to be expected."""
    if not counts.shape[1]:
        raise CorpusError(f"{path} has no words. Check the file, or pass --vocabulary.")
    if format != "bits" and not (model_vocabulary and model_vocabulary.is_numbered):
        warn_of_missing_vocabulary(path, counts.shape)
    return number_words(counts.shape[1], counts.nnz, str(path))


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
    require_matrix(matrix)
    _, write = _get_reader_and_writer(format)
    if write is None:
        raise ConfigurationError(f"docnvil reads {format!r} but does not write it. Choose npz or mtx.")
    path = Path(path)
    for id in matrix.ids:
        if "\n" in id or "\r" in id or not id or replace_surrogates(id) != id:
            raise CorpusError(f"The id {id!r} cannot be written on a line of text. Write a prepared corpus instead.")
    words_path, documents_path = vocabulary_paths(path)[format == "uci"], ids_path(path)
    with writing_together(path, words_path, documents_path) as (counts, words, documents):
        with write_bytes(counts) as file:
            write(file, matrix.counts, matrix.metadata.get("label"))
        matrix.vocabulary.save(words)
        documents.write_bytes("".join(f"{id}\n" for id in matrix.ids).encode("utf-8"))
    return path, words_path, documents_path


def _get_reader_and_writer(format: str) -> tuple[Callable[[Path, Numbering], ReadCounts], Callable[..., None] | None]:
    if format not in _READERS_AND_WRITERS:
        raise ConfigurationError(f"{format!r} is not a count format. Choose one of {', '.join(COUNT_FORMATS)}.")
    return _READERS_AND_WRITERS[format]


def _read_npz(path: Path, numbering: Numbering) -> ReadCounts:
    remedy = "Write it again with scipy.sparse.save_npz."
    with translate_os_errors(path), translating_errors(CorpusError, path, remedy), open_stored_bytes(path) as file:
        try:
            if not zipfile.is_zipfile(file):
                raise zipfile.BadZipFile
            check_declared_sizes(path, file)
            file.seek(0)
            matrix = load_npz(file)
        except CorpusError:
            raise
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError):
            raise CorpusError(f"{path} is not a sparse matrix of scipy.sparse.save_npz. Write it again.") from None
        if matrix.ndim == 2:
            matrix = as_counts(matrix, where=str(path))  # checks the indices before anything uses them
    if matrix.ndim != 2:
        raise CorpusError(f"{path} has an array of shape {matrix.shape}. Write a matrix with one row per document.")
    return ReadCounts(matrix)


_READERS_AND_WRITERS: dict[str, tuple[Callable[[Path, Numbering], ReadCounts], Callable[..., None] | None]] = {
    "npz": (_read_npz, lambda file, counts, labels: save_npz(file, counts)),
    **LINE_FORMATS,
    "dtm": (read_dtm, None),
}
