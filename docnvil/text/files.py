"""Opening files of text, plain or gzipped, so that whatever goes wrong is told in the user's terms."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from docnvil.errors import CorpusError, MissingDependencyError
from docnvil.runtime.folders import replacing_file

# Python's names of encodings in which the byte 10 is a line feed and nothing else, and no mark begins a file.
_LINES_BY_BYTES = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d")


# A scheme has two letters at least: a single one is a drive of Windows.
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def as_path(name: str | Path) -> Path:
    """Return the path of a name; for an address such as s3://bucket/posts/ one that reads from there.

    Addresses are those of fsspec (https://filesystem-spec.readthedocs.io): object stores, web servers, archives. What
    comes back for them has the methods of a `Path` and is none.

    Raises:
        MissingDependencyError: what the scheme needs is not installed.
        CorpusError: nothing is known of the scheme.

    >>> as_path("posts/a.txt")
    PosixPath('posts/a.txt')
    """
    if not isinstance(name, str) or not _ELSEWHERE.match(name):
        return Path(name) if isinstance(name, str) else name
    try:
        from upath import UPath
    except ImportError:
        raise MissingDependencyError(
            f"Reading {name} needs fsspec. Install it with pip install 'docnvil[cluster]'."
        ) from None
    try:
        path = UPath(name)
        _ = path.fs  # the package that the scheme needs is imported now
    except ImportError as error:
        raise MissingDependencyError(f"Reading {name} needs another package: {error}.") from None
    except ValueError as error:
        raise CorpusError(
            f"{name} is no address that can be read ({error}). Check the part before the colon."
        ) from None
    return cast(Path, path)


def is_remote(path: Path) -> bool:
    """Tell whether a path is an address, see `as_path`."""
    return not isinstance(path, Path)


def exists(path: Path) -> bool:
    """Tell whether there is anything at a path or an address."""
    with _reaching(path):
        return path.exists()


def _open_raw(path: Path) -> BinaryIO:
    """Open the bytes of a file as they stand."""
    with _reaching(path):
        return cast(BinaryIO, path.open("rb"))


@contextmanager
def _reaching(path: Path) -> Iterator[None]:
    """Turn what goes wrong on the way to an address into a `CorpusError`; each kind of store has errors of its own."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if not is_remote(path):
            raise
        raise CorpusError(f"{path} cannot be reached ({error}). Check the address and your access to it.") from error


def is_gzipped(path: Path) -> bool:
    """Tell by its name whether a file is gzipped."""
    return path.suffix.lower() == ".gz"


def plain_name(path: Path) -> str:
    """Return a file's name without the `.gz` it may end in.

    >>> plain_name(Path("news/train.jsonl.gz"))
    'train.jsonl'
    """
    return path.name[: -len(".gz")] if is_gzipped(path) else path.name


@contextmanager
def open_text(path: Path, *, encoding: str = "utf-8", newline: str | None = None) -> Iterator[TextIO]:
    """Open a text file, gzipped if its name ends in `.gz`; a UTF-8 byte-order mark is passed over.

    Raises:
        CorpusError: the file is missing, unreadable, not of this encoding (the byte and its offset are named), or a
            gzip stream that is cut short or damaged.
    """
    tolerant = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    with translate_os_errors(path):
        try:
            with open_bytes(path) as file, TextIOWrapper(file, encoding=tolerant, newline=newline) as text:
                yield text
        except UnicodeError as error:
            raise CorpusError(_undecodable(path, encoding, error)) from None


@dataclass(frozen=True)
class Part:
    """Some whole lines of a file: bytes from `start` to `stop`, after so many lines, of which so many are rows."""

    start: int
    stop: int
    lines: int
    rows: int


@contextmanager
def open_lines(path: Path, *, encoding: str, part: Part | None = None) -> Iterator[TextIO]:
    """Open a text file like `open_text`, or a part of one that is not gzipped, which memory must hold."""
    if part is None:
        with open_text(path, encoding=encoding) as file:
            yield file
        return
    with translate_os_errors(path):
        with _open_raw(path) as file:
            file.seek(part.start)
            content = file.read(part.stop - part.start)
        try:
            # Only the beginning of a file can be a byte-order mark.
            tolerant = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" and not part.start else encoding
            yield TextIOWrapper(BytesIO(content), encoding=tolerant)
        except UnicodeError as error:
            raise CorpusError(_undecodable(path, encoding, error)) from None


def cut_at_lines(path: Path, *, encoding: str, size: int) -> list[Part] | None:
    """Cut a text file into parts of about `size` bytes at ends of lines; a line with nothing but blanks is no row.

    Returns:
        The parts, in order; None for a file that is gzipped, or whose line ends cannot be told from its bytes: those of
        a wide encoding, and carriage returns that stand alone.
    """
    if is_gzipped(path) or not _LINES_BY_BYTES.fullmatch(codecs.lookup(encoding).name):
        return None
    parts = []
    start = stop = lines = rows = lines_before = rows_before = 0
    with translate_os_errors(path), _open_raw(path) as file:
        for line in file:
            if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
                return None
            stop += len(line)
            lines += 1
            rows += bool(line.decode(encoding, "replace").strip())
            if stop - start >= size:
                parts.append(Part(start, stop, lines_before, rows_before))
                start, lines_before, rows_before = stop, lines, rows
    return [*parts, Part(start, stop, lines_before, rows_before)] if stop > start else parts


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file of bytes, unpacked if its name ends in `.gz`; failures are told as by `open_text`."""
    with translate_os_errors(path), ExitStack() as opened:
        file = opened.enter_context(_open_raw(path))
        yield opened.enter_context(gzip.open(file, "rb")) if is_gzipped(path) else file


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's and gzip's complaints about `path` into a `CorpusError` that names it."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise CorpusError(f"There is nothing at {path}. Check the path.") from None
    except IsADirectoryError:
        raise CorpusError(f"{path} is a folder where a file is needed. Name a file in it.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorpusError(
            f"{path} cannot be unpacked ({error}): it was cut short or damaged. Fetch it again."
        ) from None
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error.strerror or error}). Check its permissions.") from None


@contextmanager
def write_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written, gzipped if its name ends in `.gz`; it takes the name `path` only when it is whole."""
    with replacing_file(path) as draft, draft.open("wb") as file:
        if is_gzipped(path):
            # No name and no time in the header: the same counts give the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        else:
            yield file


def replace_surrogates(text: str) -> str:
    r"""Return `text` with lone surrogates, which no file can hold, replaced by question marks.

    JSON escapes can spell them, and so can file names that are not UTF-8.

    >>> replace_surrogates("caf\ud800")
    'caf?'
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


_TRY_LATIN = "Pass --encoding latin-1 if that is its encoding."


def _undecodable(path: Path, encoding: str, error: UnicodeError) -> str:
    with open_bytes(path) as file:
        marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    remedy = "It begins as UTF-16 does: pass --encoding utf-16." if marked else _TRY_LATIN
    found = _first_undecodable_byte(path, encoding)
    if found is None:
        return f"{path} is not {encoding} ({error}). {remedy}"
    byte, offset = found
    return f"{path} is not {encoding} (byte 0x{byte:02x} at {offset}). {remedy}"


def _first_undecodable_byte(path: Path, encoding: str) -> tuple[int, int] | None:
    """Return the first offending byte and its offset; the file is read anew, since a stream counts from its buffer."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    with open_bytes(path) as file:
        while True:
            chunk = file.read(1 << 16)
            pending = len(cast(bytes, decoder.getstate()[0]))
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                return error.object[error.start], offset - pending + error.start
            except UnicodeError:
                return None
            if not chunk:
                return None
            offset += len(chunk)
