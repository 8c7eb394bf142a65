"""Names in errors of the system: that of an output rather than those of the temporary files beside it."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TEMPORARY = re.compile(r"\.(.+)\.(?:[0-9a-f]{8}\.part|finished\.part|publishing|replaced|lock)")
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


@contextmanager
def naming_outputs() -> Iterator[None]:
    """Let errors of the system name outputs, and folders that cannot be written, instead of temporary files.

    Example:
        >>> with naming_outputs():
        ...     raise OSError(errno.EIO, "Input/output error", "/models/.news.0a1b2c3d.part/vocabulary.txt")
        Traceback (most recent call last):
        ...
        OSError: [Errno 5] Input/output error: '/models/news/vocabulary.txt'
    """
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str | bytes | os.PathLike):
            path = Path(os.fsdecode(error.filename))
            if _TEMPORARY.fullmatch(path.name) and error.errno in _UNWRITABLE:
                error.filename = str(path.parent)
                error.add_note(f"docnvil cannot write in the folder {path.parent}")
            elif (name := output_of(path)) != path:
                error.filename = str(name)
        raise


def output_of(path: Path) -> Path:
    """Return the output that a temporary path becomes; other paths as they are.

    Example:
        >>> [output_of(Path(name)).as_posix() for name in ("a/.model.lock", "a/.x.npy.0a1b2c3d.part/1/x.ids.txt")]
        ['a/model', 'a/x.ids.txt']
    """
    parts = list(path.parts)
    for place, part in enumerate(parts):
        if match := _TEMPORARY.fullmatch(part):
            # Files that are published together are in numbered folders of one temporary folder.
            is_numbered = len(parts) > place + 2 and parts[place + 1].isdecimal()
            return Path(*parts[:place], *(parts[place + 2 :] if is_numbered else [match[1], *parts[place + 1 :]]))
    return path


@contextmanager
def naming_folder(folder: Path) -> Iterator[None]:
    """Add to errors of the system that a folder cannot be made."""
    try:
        yield
    except OSError as error:
        error.filename = str(folder)
        error.add_note(f"docnvil cannot make the folder {folder}")
        raise
