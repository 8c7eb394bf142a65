"""Locks of outputs, so that a second command with the same output is told when it starts."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docnvil.errors import OutputExistsError
from docnvil.runtime.disk import delete, making_folders, try_lock

_holders: dict[Path, int] = {}  # the thread of this process that holds the lock of an output


@contextmanager
def lock_output(path: Path) -> Iterator[None]:
    """Hold the lock of an output, the file `.NAME.lock` beside it, while the block runs.

    The system releases the lock when its process ends, so the file of a killed process locks nothing.

    Raises:
        OutputExistsError: another process has the lock.
    """
    path = path.resolve()
    lock = path.with_name(f".{path.name}.lock")
    with making_folders(path.parent):
        descriptor = _open_and_lock(lock, path)
        _holders[path] = threading.get_ident()
        try:
            yield
        finally:
            del _holders[path]
            delete(lock)  # before it is released: who waits for it notices that the file is gone
            os.close(descriptor)


@contextmanager
def lock_unless_held(path: Path) -> Iterator[None]:
    """Hold the lock of an output while the block runs, unless this thread has it already, as commands do that save."""
    if _holders.get(path.resolve()) == threading.get_ident():
        yield
        return
    with lock_output(path):
        yield


def _open_and_lock(lock: Path, path: Path) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        if try_lock(descriptor) is False:
            os.close(descriptor)
            raise OutputExistsError(f"Another process is writing {path}. Wait until it ends, or choose another --out.")
        try:
            if os.path.samestat(os.fstat(descriptor), lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # the process that had it has deleted it in between
