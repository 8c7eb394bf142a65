"""Folders with one document per file: which files are documents, and what is left out."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePath

from docnvil.errors import CorpusError
from docnvil.runtime.folders import MANIFEST, kind_of_folder
from docnvil.text.compression import COMPRESSED_SUFFIXES
from docnvil.text.document import Document
from docnvil.text.extraction import EXTRACTED_SUFFIXES, UnreadableFileError, extract_text, html_to_text
from docnvil.text.file_kinds import is_markup
from docnvil.text.files import BinaryFileError, escape_surrogates, is_remote, open_text, replace_surrogates
from docnvil.text.limits import MAX_RECORD_BYTES, too_large
from docnvil.text.reading_report import ReadingReport, list_items
from docnvil.text.settings import SourceOptions
from docnvil.text.sgml import is_sgml, split_sgml

# Files that are text for a computer, but not a document of plain text; binary files are recognized by their content.
_OTHER_SUFFIXES = re.compile(
    "csv|tsv|tab|json|jsonl|ndjson|geojson|ipynb|xml|xsl|xsd|tei|rdf|owl|html|"
    "htm|xhtml|svg|yaml|yml|toml|ini|cfg|conf|bib|ris|enw|py|pyc|r|rmd|"
    "rdata|rds|js|ts|css|java|c|h|cpp|sh|bat|sql|db|sqlite|parquet|feather|"
    "arrow|npz|npy|mtx|svmlight|libsvm|pdf|doc|docx|odt|rtf|epub|xls|xlsx|"
    "ods|ppt|pptx|png|jpg|jpeg|gif|tif|tiff|bmp|webp|mp3|mp4|wav|avi|mov|"
    "zip|tar|tgz|7z|rar|pkl|pickle|log|lock|srt|vtt|ps"
)


def list_files(folder: Path, options: SourceOptions, report: ReadingReport) -> list[str]:
    """Return the paths of a folder's documents, relative to it, in the order in which they are read.

    Hidden files are ignored. The report names the files whose suffix is not of plain text, or that do not match
    `options.glob`; folders that docnvil wrote; and links and special files that are not read.

    Raises:
        CorpusError: the folder has no documents, cannot be read, or was written by docnvil.
    """
    if not folder.is_dir():
        raise CorpusError(f"There is no folder at {folder}. Check the path, or the --format.")
    if kind := kind_of_folder(folder):
        raise CorpusError(f"{folder} is a {kind} that docnvil wrote, not a folder of texts. Check the path.")
    unread = ReadingReport()
    visible = sorted(_remote_files(folder, unread) if is_remote(folder) else _local_files(folder, unread))
    report.merge(unread)
    if not visible:
        reasons = "".join(f" {message}" for message in unread.messages())
        raise CorpusError(f"The folder {folder} has no files. Put text files in it, or check the path.{reasons}")
    chosen = [name for name in visible if is_document_name(name, options)]
    kind = "left_out" if options.glob is None else "not_matched"
    if not chosen:
        if options.glob is not None:
            raise CorpusError(f"No file in {folder} matches {options.glob}. Choose another --glob.")
        raise CorpusError(
            f"The folder {folder} has no text files, but {list_items(visible)}. Give these files themselves, or choose"
            " the documents with --glob."
        )
    for name in sorted(set(visible).difference(chosen)):
        report.add(kind, name)
    return chosen


def is_document_name(name: str, options: SourceOptions) -> bool:
    """Return whether the path of a file in a folder, relative to it, is that of a document.

    Example:
        >>> [is_document_name(name, SourceOptions()) for name in ("a/b.txt", "a/b.csv", "a/.b.txt")]
        [True, False, False]
    """
    if any(part.startswith(".") for part in name.split("/")):
        return False
    if options.glob is None:
        return _may_be_text(name, options)
    return _matches(name, [pattern.strip() for pattern in options.glob.split(",")])


def _local_files(folder: Path, report: ReadingReport) -> Iterator[str]:
    """Yield the paths of the files below a folder that are not hidden, relative to it; the report names the others."""
    waiting = [("", os.fspath(folder))]
    while waiting:
        prefix, path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
            if any(entry.name == MANIFEST for entry in visible) and (kind := kind_of_folder(Path(path))):
                report.add("outputs", f"{prefix.rstrip('/')} (a {kind})")
                continue
            for entry in visible:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{prefix}{entry.name}/", entry.path))
                elif (kind := _kind_of_entry(entry)) == "file":
                    yield prefix + entry.name
                else:
                    report.add(kind, prefix + entry.name)
        except OSError as error:
            raise CorpusError(
                f"{error.filename or path} cannot be read ({error.strerror}). Check its permissions."
            ) from None


def _kind_of_entry(entry: os.DirEntry[str]) -> str:
    """Return "file", or the kind of event in a report for what is neither a file nor a folder."""
    if entry.is_file(follow_symlinks=False):  # known from the listing, without another system call
        return "file"
    try:
        status = entry.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise
        return "broken"
    if stat.S_ISREG(status.st_mode):
        return "file"
    return "linked" if stat.S_ISDIR(status.st_mode) else "special"


def _remote_files(folder: Path, report: ReadingReport) -> Iterator[str]:
    """Yield the paths of the files in object storage that are not hidden, without folders that docnvil wrote."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    kinds = {file.parent: kind_of_folder(file.parent) for file in files if file.name == MANIFEST}
    written = {place.relative_to(folder).as_posix(): kind for place, kind in kinds.items() if kind}
    for name, kind in sorted(written.items()):
        report.add("outputs", f"{name} (a {kind})")
    for file in files:
        path = file.relative_to(folder)
        is_written = any(parent.as_posix() in written for parent in path.parents)
        if not is_written and not any(part.startswith(".") for part in path.parts):
            yield path.as_posix()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a path matches one of the patterns; those without a slash apply to the name of the file."""
    return any(fnmatch(name if "/" in pattern else PurePath(name).name, pattern) for pattern in patterns)


def _may_be_text(name: str, options: SourceOptions) -> bool:
    stem, suffix = os.path.splitext(name.rpartition("/")[2].lower())
    if options.extract and suffix.removeprefix(".") in EXTRACTED_SUFFIXES:
        return True
    if suffix in COMPRESSED_SUFFIXES and suffix != ".zip":
        suffix = os.path.splitext(stem)[1]
    return not _OTHER_SUFFIXES.fullmatch(suffix.removeprefix("."))


def read_files(
    folder: Path, names: Iterable[str] | None, options: SourceOptions, report: ReadingReport
) -> Iterator[Document]:
    """Read files of a folder as documents; binary files and markup are left out, and named in the report.

    Arguments:
        folder: the folder.
        names: paths from `list_files`; None for all of them.
        options: the encoding and the files to read.
        report: what is left out is added to it.
    """
    for name in list_files(folder, options, report) if names is None else names:
        try:
            text = _read_text(folder / name, options, report)
        except (BinaryFileError, UnreadableFileError):
            report.add("left_out", name)
            continue
        name = escape_surrogates(name)
        label, _, rest = name.partition("/")
        metadata = {"label": label} if rest else {}
        if is_sgml(text[:1000]):
            report.add("sgml", name)
            for _, record in split_sgml(text.splitlines(keepends=True)):
                yield Document(f"{name}#{record['id']}", record["text"], metadata)
        elif options.glob is None and is_markup(text[:200].encode("utf-8", "replace")):
            report.add("left_out", name)
        else:
            yield Document(name, text, metadata)


def _read_text(path: Path, options: SourceOptions, report: ReadingReport) -> str:
    """Return the text of a file, extracted if the options say so."""
    suffix = _suffix(path.name) if options.extract else ""
    if suffix in ("pdf", "docx"):
        return replace_surrogates(extract_text(path))
    with open_text(path, encoding=options.encoding, errors=options.encoding_errors, report=report) as file:
        text = file.read(MAX_RECORD_BYTES + 1)
    if len(text) > MAX_RECORD_BYTES:
        raise too_large(path)
    return html_to_text(text) if suffix in EXTRACTED_SUFFIXES else text


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower().removeprefix(".")
