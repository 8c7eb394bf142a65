"""Opening of local and remote files, plain or compressed; failures become a `CorpusError` that names the file."""

import codecs
import errno
import gzip
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from docnvil.errors import CorpusError, MissingDependencyError, out_of_memory
from docnvil.runtime.folders import replacing_file
from docnvil.runtime.paths import resolve
from docnvil.text.compression import DAMAGE_ERRORS, is_compressed, open_compressed
from docnvil.text.decoding import RepairedBytes, RepairingDecoder, describe_undecodable, survey_utf8
from docnvil.text.file_kinds import HEAD_BYTES, count_utf8_characters, describe_binary, guess_wide_encoding
from docnvil.text.limits import MAX_RECORD_BYTES, LineGuard, too_large
from docnvil.text.reading_report import ReadingReport

# Encodings, by Python's names, in which the byte 10 is always a line feed and a file needs no byte-order mark.
_BYTE_LINE_ENCODINGS = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d")

# Opening a pipe would wait for a writer.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CHECKED_BYTES = 1 << 24  # of a compressed binary file, to tell whether it is damaged

# The scheme of a URL has at least two letters; a single one is a Windows drive.
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def as_path(name: str | Path) -> Path:
    """Return a `Path`, or for a URL such as s3://bucket/posts/ an object with the same methods that reads from there.

    URLs are those of fsspec (https://filesystem-spec.readthedocs.io): object stores, web servers, archives.
    """
    if not isinstance(name, str) and not hasattr(name, "open"):
        raise CorpusError(
            f"A {type(name).__name__} is not a path. For texts and matrices in Python, use docnvil.count_words."
        )
    if not isinstance(name, str) or not _URL.match(name):
        return Path(name) if isinstance(name, str) else name
    try:
        from upath import UPath

        path = UPath(name)
        _ = path.fs  # imports the package that the scheme needs
    except ImportError as error:
        raise MissingDependencyError(
            f"Reading {name} needs another package ({error}). Install it; upath comes with 'docnvil[cluster]'."
        ) from None
    except ValueError as error:
        raise CorpusError(f"{name} is not a readable URL ({error}). Check the part before the colon.") from None
    return cast(Path, path)


def is_remote(path: Path) -> bool:
    """Return whether a path is a URL; see `as_path`."""
    return not isinstance(path, Path)


def exists(path: Path) -> bool:
    """Return whether there is a file or folder at a path or URL; refuse a link that leads to itself."""
    if not is_remote(path):
        resolve(path)
    with _translate_remote_errors(path):
        return path.exists()


def open_stored_bytes(path: Path) -> BinaryIO:
    """Open the bytes of a file without unpacking them.

    Raises:
        CorpusError: `path` is a pipe, a socket or a device, which can be read only once, or never ends.
    """
    if is_remote(path):
        with _translate_remote_errors(path):
            return cast(BinaryIO, path.open("rb"))
    try:
        descriptor = os.open(path, _READ_FLAGS)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _not_a_file(path) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise _not_a_file(path)


def _not_a_file(path: Path) -> CorpusError:
    return CorpusError(
        f"{path} is a pipe, a socket or a device, not a file. Copy its content to a file, or pass - to read standard"
        " input."
    )


@contextmanager
def _translate_remote_errors(path: Path) -> Iterator[None]:
    """Raise a `CorpusError` for any error of a remote store; each kind of store has its own classes of errors."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or not is_remote(path):
            raise
        raise CorpusError(f"{path} cannot be reached ({error}). Check the URL and your access to it.") from error


def is_gzipped(path: Path) -> bool:
    """Return whether the name of a file ends in `.gz`."""
    return path.suffix.lower() == ".gz"


class BinaryFileError(CorpusError):
    """A file is not text."""


@dataclass(frozen=True)
class FileChunk:
    """A byte range of a file that holds whole lines."""

    start: int
    stop: int  # the byte after the last one
    lines_before: int  # number of lines before `start`
    rows_before: int  # number of these lines that are not blank


@contextmanager
def open_text(
    path: Path,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    newline: str | None = None,
    chunk: FileChunk | None = None,
    report: ReadingReport | None = None,
) -> Iterator[TextIO]:
    """Open a text file, or one chunk of it, unpacking it if it is compressed; skip a UTF-8 byte-order mark.

    Arguments:
        path: the file.
        encoding: its encoding, or "auto" to detect it.
        errors: "strict", "replace" or "ignore" for bytes that are invalid in the encoding.
        newline: see `open`.
        chunk: the part of the file to open; None for all of it.
        report: invalid bytes and the detected encoding are added to it.

    Raises:
        CorpusError: the file cannot be read, is binary, or is not in this encoding; the message names the first invalid
            byte, and the encoding that is more probable.
    """
    report = ReadingReport() if report is None else report
    with translate_os_errors(path):
        encoding = resolve_encoding(path, encoding, report)
        may_have_mark = codecs.lookup(encoding).name == "utf-8" and (chunk is None or not chunk.start)
        codec = "utf-8-sig" if may_have_mark else encoding
        try:
            with open_bytes(path, chunk) as file:
                if chunk is None:
                    file = checked = _refuse_binary(path, file, encoding)
                    _check_encoding(path, checked.peek(HEAD_BYTES)[:HEAD_BYTES], encoding, report)
                if errors != "strict":
                    lines_before = 0 if chunk is None else chunk.lines_before

                    def on_invalid(invalid: bytes, offset: int, line: int) -> None:
                        report.add(errors, path, f"line {line}", len(invalid))

                    decoder = RepairingDecoder(codec, errors, on_invalid, lines_before)
                    file, codec = cast(BinaryIO, BufferedReader(RepairedBytes(file, decoder))), "utf-8"
                with TextIOWrapper(LineGuard(file, path), encoding=codec, newline=newline) as text:
                    yield text
        except UnicodeError as error:
            with open_bytes(path) as file:
                survey = survey_utf8(file)
            raise CorpusError(describe_undecodable(path, encoding, error, survey)) from None


def resolve_encoding(path: Path, encoding: str, report: ReadingReport) -> str:
    """Return the encoding, or for "auto" the one that fits the file; the report names it if it is not UTF-8."""
    if encoding != "auto":
        return encoding
    with open_bytes(path) as file:
        survey = survey_utf8(_refuse_binary(path, file, "utf-8"))
    guess = survey.guess
    if guess is None:
        raise CorpusError(f"No encoding fits {path}. Pass its --encoding, or --encoding-errors replace with utf-8.")
    if guess != "utf-8":
        report.add("encoding", path, f"as {guess}")
    return guess


def _check_encoding(path: Path, head: bytes, encoding: str, report: ReadingReport) -> None:
    """Refuse UTF-16 that is to be read in another encoding, and report UTF-8 that is."""
    name = codecs.lookup(encoding).name
    if name.startswith(("utf-16", "utf-32")):
        return
    if 0 in head and (wide := guess_wide_encoding(head)):
        reason = "byte-order mark says" if wide in ("utf-16", "utf-32") else "zero bytes say"
        raise CorpusError(f"{path} is not {encoding} (its {reason} {wide}). Pass --encoding {wide}.")
    is_single_byte = name.startswith(("iso8859", "cp125", "cp8", "koi8", "mac"))
    # A few characters of a multi-byte encoding may happen to be UTF-8.
    if not name.startswith("utf-8") and count_utf8_characters(head) >= (1 if is_single_byte else 8):
        report.add("utf8", path)


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked."""
    with open_bytes(path) as file:
        return file.read(HEAD_BYTES)


def _refuse_binary(path: Path, file: BinaryIO, encoding: str) -> BufferedReader:
    """Return a stream of the same bytes if they are text."""
    stream = file if hasattr(file, "peek") else BufferedReader(cast(RawIOBase, file))
    kind = describe_binary(stream.peek(HEAD_BYTES)[:HEAD_BYTES], encoding)
    if kind is not None:
        if is_compressed(path):  # raises an error if the file is damaged near its start
            stream.read(_CHECKED_BYTES)
        raise BinaryFileError(f"{path} is {kind}, not text. Extract its text first, or leave the file out.")
    return cast(BufferedReader, stream)


def split_at_lines(path: Path, *, encoding: str, size: int) -> list[FileChunk] | None:
    """Split a text file at line ends into chunks of about `size` bytes.

    Return None if line ends cannot be found in the stored bytes: the file is compressed, the encoding uses more than
    one byte for a line feed, or a carriage return ends a line.
    """
    if is_compressed(path) or not _BYTE_LINE_ENCODINGS.fullmatch(codecs.lookup(encoding).name):
        return None
    chunks = []
    start = stop = lines = rows = lines_before = rows_before = 0
    with translate_os_errors(path), open_stored_bytes(path) as file:
        for line in iter(partial(file.readline, MAX_RECORD_BYTES), b""):
            if len(line) == MAX_RECORD_BYTES:
                raise too_large(path)
            if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
                return None
            stop += len(line)
            lines += 1
            rows += bool(line.decode(encoding, "replace").strip())
            if stop - start >= size:
                chunks.append(FileChunk(start, stop, lines_before, rows_before))
                start, lines_before, rows_before = stop, lines, rows
    return [*chunks, FileChunk(start, stop, lines_before, rows_before)] if stop > start else chunks


@contextmanager
def open_bytes(path: Path, chunk: FileChunk | None = None) -> Iterator[BinaryIO]:
    """Open a binary file, unpacking it if it is compressed, or one chunk of it, which is read into memory."""
    with translate_os_errors(path), ExitStack() as stack:
        file = stack.enter_context(open_stored_bytes(path))
        if chunk is not None:
            file.seek(chunk.start)
            yield BytesIO(file.read(chunk.stop - chunk.start))
        else:
            yield open_compressed(path, file, stack)


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Raise a `CorpusError` that names `path` in place of errors of the operating system and of unpacking."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise CorpusError(f"There is nothing at {path}. Check the path.") from None
    except IsADirectoryError:
        raise CorpusError(f"{path} is a folder, but a file is needed. Name a file in it.") from None
    except DAMAGE_ERRORS as error:
        raise _unpacking_error(path, error) from None
    except MemoryError as error:
        raise out_of_memory(f"reading {path}", error=error) from error
    except OSError as error:
        if error.errno is None and is_compressed(path):
            raise _unpacking_error(path, error) from None
        raise CorpusError(f"{path} cannot be read ({error.strerror or error}). Check its permissions.") from None


def _unpacking_error(path: Path, error: Exception) -> CorpusError:
    return CorpusError(f"{path} cannot be unpacked ({error}): it is truncated or damaged. Download it again.")


@contextmanager
def write_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file for writing, gzipped if its name ends in `.gz`; it appears at `path` once it is complete."""
    with replacing_file(path) as draft, draft.open("wb") as file:
        if is_gzipped(path):
            # Without a name and a time in the header, the same content gives the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        else:
            yield file


def escape_surrogates(text: str) -> str:
    r"""Return an id with lone surrogates written as `\udce9`, so that different ids stay different.

    Example:
        >>> print(escape_surrogates("caf\udce9.txt"))
        caf\udce9.txt
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def replace_surrogates(text: str) -> str:
    r"""Return `text` with question marks in place of lone surrogates, which cannot be written as UTF-8.

    They come from JSON escapes and from file names that are not UTF-8.

    Example:
        >>> replace_surrogates("caf\ud800")
        'caf?'
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
