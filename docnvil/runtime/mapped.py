"""Memory-mapped files that become shorter while they are used: an error instead of wrong numbers or a crash.

The content behind the new end of a truncated file is lost. Within the last page, a mapping then has zeros; the system
answers a read of later pages with the signal SIGBUS, which ends the process. Two measures follow from this:

- `check_mappings` compares sizes, and is called for each chunk of rows that is read.
- `survive_truncation` installs a handler of SIGBUS for the command line. It maps empty pages in place of the missing
  ones, so that the read ends, and raises `MappedFileError` in the main thread before anything uses the result.
"""

import ctypes
import mmap
import signal
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from docnvil.errors import CheckpointError

_PROT_READ, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 1, 2, 16, 32  # of Linux


class _Mapping(NamedTuple):
    """A mapped file: its path, a weak reference to the mapping, where it is in memory, and its length in bytes."""

    path: Path
    reference: "weakref.ref[mmap.mmap]"
    address: int
    length: int


_mappings: list[_Mapping] = []
_shortened: set[str] = set()  # paths, for the message of an error that is raised asynchronously
_handlers: list[object] = []  # keeps the C callback alive


class MappedFileError(CheckpointError):
    """A memory-mapped file became shorter while it was used."""

    @property
    def command_line_message(self) -> str:
        """The message for users of the command line."""
        names = ", ".join(sorted(_shortened)) or "A file"
        return f"{names} became shorter while it was read. Restore its folder, or make it again, and do not change it."


def watch_mapping(array: Any, path: Path) -> None:
    """Check the size of the file behind an array of `numpy.memmap` from now on."""
    mapping = getattr(array, "_mmap", None)
    if mapping is None:
        return
    start = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    address = array.ctypes.data - (array.offset - start)
    if start == 0:
        _mappings[:] = [each for each in _mappings if each.reference() is not None]
        _mappings.append(_Mapping(path, weakref.ref(mapping), address, len(mapping)))


def check_mappings() -> None:
    """Raise `MappedFileError` if a mapped file is shorter than when it was mapped."""
    if _mappings and (shortened := _find_shortened()):
        _shortened.update(str(mapping.path) for mapping, _ in shortened)
        raise MappedFileError


def _find_shortened() -> list[tuple[_Mapping, int]]:
    """Return the mappings whose files are shorter now, with their sizes."""
    result = []
    for each in _mappings:
        mapping = each.reference()
        if mapping is not None and (size := mapping.size()) < each.length:
            result.append((each, size))
    return result


def survive_truncation() -> None:
    """Install the handler of SIGBUS on Linux, see the module. Only the entry point of a process should do that."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        map_pages = libc.mmap
    except (OSError, TypeError, AttributeError):
        return
    if not hasattr(signal, "SIGBUS") or not Path("/proc/self").exists():
        return
    pages = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    map_pages.argtypes, map_pages.restype = pages, ctypes.c_void_p
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p

    def on_fault(number: int) -> ctypes.py_object:
        """Map empty pages, and return the class of the error to raise, or NULL."""
        shortened = _find_shortened()
        flags = _MAP_PRIVATE | _MAP_ANONYMOUS | _MAP_FIXED
        for mapping, size in shortened:
            _shortened.add(str(mapping.path))
            first = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
            map_pages(mapping.address + first, mapping.length - first, _PROT_READ, flags, -1, 0)
        if shortened:
            return ctypes.py_object(MappedFileError)
        libc.signal(number, None)  # the default: the read is tried again, and ends the process
        return ctypes.py_object()

    # An error that is set by Python code would be raised in that code. Here the C function that sets it comes last: its
    # second argument, the number of the signal, is converted by `on_fault` first.
    converted = type("Fault", (), {"from_param": staticmethod(on_fault)})
    raise_later = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
    raise_later.argtypes = [ctypes.c_ulong, converted]
    main_thread = threading.main_thread().ident or 0
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(partial(raise_later, main_thread))
    _handlers.append(handler)
    libc.signal(signal.SIGBUS, ctypes.cast(handler, ctypes.c_void_p))
