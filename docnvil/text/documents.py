"""Readers of documents: folders of text files, one document per line, JSON, CSV, TSV and binary tables.

Documents are read lazily, one at a time. Duplicate ids are kept, so a document is identified by its row.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from docnvil.errors import CorpusError
from docnvil.runtime.folders import is_folder_of_kind
from docnvil.text.bits import is_plain_archive
from docnvil.text.compression import COMPRESSED_SUFFIXES, uncompressed_name
from docnvil.text.document import Document
from docnvil.text.file_kinds import describe_binary
from docnvil.text.files import (
    FileChunk,
    as_path,
    exists,
    is_remote,
    open_text,
    read_head,
    resolve_encoding,
    split_at_lines,
    translate_os_errors,
)
from docnvil.text.json_records import is_json_array, read_json
from docnvil.text.mallet import read_mallet
from docnvil.text.reading_report import ReadingReport
from docnvil.text.record_documents import to_documents
from docnvil.text.separated import read_separated
from docnvil.text.settings import TEXT_FORMATS, WITH_ROWS, SourceOptions
from docnvil.text.sgml import is_sgml, read_sgml
from docnvil.text.tables import read_dataset, read_feather, read_parquet, read_workbook
from docnvil.text.text_folders import read_files

__all__ = ["TEXT_FORMATS", "Document", "SourceOptions", "detect_format", "read_chunk", "read_documents", "split_source"]

_SUFFIXES = {".txt": "lines", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_SUFFIXES |= {".tab": "tsv", ".xlsx": "xlsx", ".feather": "feather", ".arrow": "feather"}
_SUFFIXES |= {".sgm": "sgml", ".sgml": "sgml"}
_SUFFIXES |= {".parquet": "parquet", ".npz": "npz", ".npy": "bits", ".mtx": "mtx", ".mm": "mtx"}
_SUFFIXES |= {".ldac": "ldac", ".lda-c": "ldac", ".svmlight": "svmlight", ".svm": "svmlight", ".libsvm": "svmlight"}


_DATASET_FILES = ("dataset_info.json", "dataset_dict.json")  # of Hugging Face datasets

_JSON_OBJECT = re.compile(r'\s*\{\s*"[^"]*"\s*:')

_DEFAULTS = SourceOptions()


def detect_format(path: str | Path, options: SourceOptions = _DEFAULTS) -> str:
    """Return the format of a source: `options.format`, or else the one that its kind and name indicate.

    A folder is a prepared corpus, or one of OCTIS (it has `corpus.tsv` and `vocabulary.txt` or `metadata.json`), or one
    of Hugging Face datasets (it has `dataset_info.json`), or else a folder of text files. A file whose name starts with
    `docword` is in UCI format; other files are classified by their suffix, without that of a compressed file. An `.npz`
    without a sparse matrix has binary vectors.
    """
    if options.format != "auto":
        return options.format
    path = as_path(path)
    if not exists(path):
        raise CorpusError(f"There is nothing at {path}. Check the path.")
    if path.is_dir():
        # Without its manifest it is still a corpus, and reading it reports the missing file.
        is_corpus = is_folder_of_kind(path, "corpus") or (path / "corpus.json").is_file()
        if not is_corpus and _is_octis(path):
            return "octis"
        if not is_corpus and any((path / name).is_file() for name in _DATASET_FILES):
            return "dataset"
        return "corpus" if is_corpus else "folder"
    with translate_os_errors(path):
        name = PurePath(uncompressed_name(path)).name.lower()
    if name.startswith("docword"):
        return "uci"
    format = _SUFFIXES.get(Path(name).suffix)
    if format is None:
        kind = None if is_remote(path) else describe_binary(read_head(path))
        if kind is not None:
            raise CorpusError(f"{path} is {kind}, which docnvil does not read. Extract its text first.")
        raise CorpusError(
            f"The format of {path} is not clear from its name: docnvil reads folders, docword*.txt and"
            f" {', '.join(_SUFFIXES)}, also with {', '.join(COMPRESSED_SUFFIXES)}. Rename it, or pass --format."
        )
    if is_remote(path) and format not in TEXT_FORMATS:
        raise CorpusError(f"{path} contains counts, which are read only from local disks. Download it first.")
    return "bits" if format == "npz" and is_plain_archive(path) else format


def read_documents(
    path: str | Path, options: SourceOptions = _DEFAULTS, report: ReadingReport | None = None, **named: Any
) -> Iterator[Document]:
    r"""Read the documents of a source, lazily and in a stable order.

    Every text file of a folder is a document, except hidden files. Its id is its path in the folder, and its label is
    the first subfolder of that path. Files are sorted by path. In files with columns, the metadata is every column of
    plain values except the text and the id. A missing text gives an empty document, as does a blank line of a `.txt`.

    Arguments:
        path: a folder or file in one of `TEXT_FORMATS`.
        options: the columns and the encoding, and the format if the name does not indicate it.
        report: what is left out, replaced or assumed is added to it; None issues a `DocnvilWarning` at the end.
        named: single options by their names, such as `text_column="body"`.

    Raises:
        ConfigurationError: an unknown option.
        CorpusError: the source is missing, empty, malformed or in another encoding; a column is missing; a text is not
            a string. The message names the place and what to do.
        MissingDependencyError: the source is Parquet and pyarrow is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "notes.txt")
        ...     _ = path.write_text("a first note\nand a second\n")
        ...     [(document.id, document.text) for document in read_documents(path)]
        [('1', 'a first note'), ('2', 'and a second')]
    """
    path, options = as_path(path), options.changed(named)
    if report is not None:
        return _read(path, options, report)
    report = ReadingReport()
    return _warn_at_end(_read(path, options, report), report)


def _warn_at_end(documents: Iterator[Document], report: ReadingReport) -> Iterator[Document]:
    yield from documents
    report.warn()


def _read(path: Path, options: SourceOptions, report: ReadingReport) -> Iterator[Document]:
    format = detect_format(path, options)
    options.refuse_idle(path, format)
    match format:
        case "folder":
            return read_files(path, None, options, report)
        case "lines":
            return _read_lines(path, options, report)
        case "mallet":
            return read_mallet(path, options, report)
        case "jsonl":
            records = read_json(path, options, report)
        case "csv" | "tsv":
            records = read_separated(path, options, report, delimiter="," if format == "csv" else "\t")
        case "octis":
            report.remark(
                f"{path} is a folder of OCTIS: the columns of corpus.tsv are text, partition and label.", is_note=True
            )
            names = ("text", "partition", "label")
            records = read_separated(path / "corpus.tsv", options, report, delimiter="\t", names=names)
        case "parquet":
            records = read_parquet(path)
        case "feather":
            records = read_feather(path)
        case "dataset":
            records = read_dataset(path)
        case "xlsx":
            records = read_workbook(path, options, report)
        case "sgml":
            records = read_sgml(path, options, report)
        case _:
            raise CorpusError(f"{path} contains counts ({format}), not texts. Give a source of texts.")
    missing = "missing" if format in WITH_ROWS["format"] else "null"
    has_header = format not in ("jsonl", "sgml")
    return to_documents(path, records, options, report, missing=missing, has_header=has_header)


def split_source(
    path: Path, options: SourceOptions, size: int, report: ReadingReport
) -> tuple[list[FileChunk], SourceOptions] | None:
    """Split a file of lines or JSON lines into chunks of about `size` bytes, to be read by `read_chunk`.

    CSV is not split: its fields may contain line breaks, so the end of a row is found only by reading from the start.
    Return the chunks and the options to read each of them with, or None if the file cannot be split or fits one chunk.
    """
    format = detect_format(path, options)
    if format not in ("lines", "jsonl") or path.stat().st_size <= size:
        return None
    resolved = replace(options, encoding=resolve_encoding(path, options.encoding, ReadingReport()))
    if format == "jsonl" and is_json_array(path, resolved):
        return None
    with open_text(path, encoding=resolved.encoding, errors=resolved.encoding_errors, report=report):
        pass  # refuses a binary file, which the chunks would not recognize
    chunks = split_at_lines(path, encoding=resolved.encoding, size=size)
    if chunks is None or len(chunks) < 2:
        return None
    options.refuse_idle(path, format)
    resolve_encoding(path, options.encoding, report)
    if format == "jsonl" and options.id_column is None:
        # The first row of the file, not of the chunk, decides whether ids are row numbers.
        first = next(read_json(path, resolved, ReadingReport()), None)
        resolved = replace(resolved, id_column="id" if first is not None and "id" in first[1] else "")
    return chunks, resolved


def read_chunk(path: Path, chunk: FileChunk, options: SourceOptions, report: ReadingReport) -> Iterator[Document]:
    """Read the documents of one chunk of a file, see `split_source`, with the row numbers of the whole file."""
    if detect_format(path, options) == "lines":
        return _read_lines(path, options, report, chunk)
    return to_documents(path, read_json(path, options, report, chunk), options, report, rows_before=chunk.rows_before)


def _is_octis(folder: Path) -> bool:
    others = ("vocabulary.txt", "metadata.json")
    return (folder / "corpus.tsv").is_file() and any((folder / name).is_file() for name in others)


def _read_lines(
    path: Path, options: SourceOptions, report: ReadingReport, chunk: FileChunk | None = None
) -> Iterator[Document]:
    start = 1 if chunk is None else chunk.lines_before + 1
    with open_text(path, encoding=options.encoding, errors=options.encoding_errors, chunk=chunk, report=report) as file:
        for number, line in enumerate(file, start=start):
            if number == 1:
                _check_first_line(path, line, report)
            yield Document(str(number), line.removesuffix("\n"))


def _check_first_line(path: Path, line: str, report: ReadingReport) -> None:
    """Refuse documents between tags, and report a first line that looks like one of another format."""
    if is_sgml(line):
        raise CorpusError(f"{path} has documents between tags, not one per line. Pass --format sgml to read them.")
    if _JSON_OBJECT.match(line):
        report.remark(f"{path} looks like JSON lines, but was read as one text per line. Pass --format jsonl.")
    for delimiter, format in (("\t", "tsv"), (",", "csv"), (";", "csv"), ("|", "csv")):
        cells = [cell.strip("\"' \n").lower() for cell in line.split(delimiter)]
        if "text" in cells and len(cells) > 1 and not any(" " in cell for cell in cells):
            report.remark(f"{path} looks like a table, but was read as one text per line. Pass --format {format}.")
            return
    cells = line.split("\t")
    if len(cells) > 1 and any(" " in cell for cell in cells) and any(cell and " " not in cell for cell in cells[:-1]):
        report.remark(
            f"{path} has {len(cells):,} columns in its first line, and all were read as text. Pass --format tsv"
            " --no-header and the number of the text's column as --text-column; lines of MALLET need --format mallet."
        )
