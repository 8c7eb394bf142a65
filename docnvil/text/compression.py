"""Compressed files: `.gz`, `.bz2`, `.xz`, `.zst`, and `.zip` with a single file."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from contextlib import ExitStack
from io import BufferedReader, RawIOBase
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

from docnvil.errors import CorpusError, MissingDependencyError, translating_errors
from docnvil.text.reading_report import list_items

COMPRESSED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")

_DOWNLOAD = "It is truncated or damaged; download it again."
_BLOCK = 1 << 14  # bytes to unpack at once

#: What damaged or truncated files raise, besides `OSError` without a number.
DAMAGE_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def is_compressed(path: PurePath) -> bool:
    """Return whether the name of a file ends in one of `COMPRESSED_SUFFIXES`."""
    return path.suffix.lower() in COMPRESSED_SUFFIXES


def uncompressed_name(path: Path) -> str:
    """Return the name of the file that is compressed: the member of a `.zip`, else the name without the suffix."""
    if path.suffix.lower() == ".zip" and path.is_file():
        with path.open("rb") as file, ExitStack() as stack:
            return _only_member(path, stack.enter_context(_open_zip(path, file)))
    return path.stem if is_compressed(path) else path.name


def open_compressed(path: Path, file: BinaryIO, stack: ExitStack) -> BinaryIO:
    """Return a stream of the unpacked bytes of an open file, which `stack` closes; or the file if it is plain."""
    match path.suffix.lower():
        case ".gz":
            return cast(BinaryIO, stack.enter_context(gzip.open(file, "rb")))
        case ".bz2":
            return cast(BinaryIO, stack.enter_context(bz2.open(file, "rb")))
        case ".xz":
            return cast(BinaryIO, stack.enter_context(lzma.open(file, "rb")))
        case ".zst":
            return stack.enter_context(_open_zstandard(path, file))
        case ".zip":
            archive = stack.enter_context(_open_zip(path, file))
            name = _only_member(path, archive)
            with translating_errors(CorpusError, path, _DOWNLOAD):
                return cast(BinaryIO, stack.enter_context(archive.open(name)))
    return file


def _open_zstandard(path: Path, file: BinaryIO) -> Any:
    try:
        from zstandard import ZstdDecompressor, ZstdError
    except ImportError:
        raise MissingDependencyError(
            f"Unpacking {path} needs zstandard. Install it with pip install 'docnvil[zstd]'."
        ) from None
    return BufferedReader(_ZstandardReader(file, ZstdDecompressor(max_window_size=1 << 31), ZstdError))


class _ZstandardReader(RawIOBase):
    """A stream that unpacks all frames of a file; damage and a missing end raise `EOFError`, as for a gzipped file."""

    def __init__(self, file: BinaryIO, decompressor: Any, error: type[Exception]) -> None:
        self._file = file
        self._decompressor = decompressor
        self._error = error
        self._frame: Any = None  # None between two frames
        self._packed = self._unpacked = b""

    def readable(self) -> bool:
        """See `RawIOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `RawIOBase`."""
        while not self._unpacked:
            self._packed = self._packed or self._file.read(_BLOCK)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("the file ends within a frame")
                return 0
            self._frame = self._frame or self._decompressor.decompressobj()
            try:
                self._unpacked = self._frame.decompress(self._packed)
            except self._error as error:
                raise EOFError(str(error)) from None
            self._packed = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        size = min(len(buffer), len(self._unpacked))
        buffer[:size] = self._unpacked[:size]
        self._unpacked = self._unpacked[size:]
        return size


def _open_zip(path: Path, file: BinaryIO) -> zipfile.ZipFile:
    with translating_errors(CorpusError, path, _DOWNLOAD):
        return zipfile.ZipFile(file)


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    entries = [info for info in archive.infolist() if info.filename]
    members = [info for info in entries if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        names = list_items(info.filename for info in members) or "no file"
        raise CorpusError(
            f"{path} contains {len(members):,} files ({names}), not one. Unpack it and give a folder or file."
        )
    if members[0].flag_bits & 1:
        raise CorpusError(f"{path} is encrypted. Unpack it first.")
    return members[0].filename
