"""Locks of outputs, so that a second command with the same output is told when it starts."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path

from docnvil.errors import OutputExistsError
from docnvil.runtime.cleanup import forget_leftover, register_leftover
from docnvil.runtime.disk import delete, making_folders, try_lock
from docnvil.runtime.output_names import naming_outputs
from docnvil.runtime.paths import resolve, resolve_output

_holders: dict[Path, int] = {}  # the thread of this process that holds the lock of an output


@contextmanager
def lock_output(path: Path, option: str = "--out") -> Iterator[None]:
    """Hold the lock of an output, the file `.NAME.lock` beside it, while the block runs.

    The system releases the lock when its process ends, so the file of a killed process locks nothing.

    Arguments:
        path: the output.
        option: the option that names it, for the message.

    Raises:
        OutputExistsError: another process has the lock.
    """
    path = resolve_output(path)
    lock = path.with_name(f".{path.name}.lock")
    files: list[FileIO] = []  # the open lock file, which is closed if a signal comes before it is in the list
    with making_folders(path.parent):
        with naming_outputs():
            _open_and_lock(lock, path, files, option)
        try:
            _holders[path] = threading.get_ident()
            yield
        finally:
            _release(path, files, lock)
            forget_leftover(lock)


@contextmanager
def lock_unless_held(path: Path) -> Iterator[None]:
    """Hold the lock of an output while the block runs, unless this thread has it already, as commands do that save."""
    if _holders.get(resolve(path)) == threading.get_ident():
        yield
        return
    with lock_output(path):
        yield


def _open_and_lock(lock: Path, path: Path, files: list[FileIO], option: str) -> None:
    if _holders.get(path) is None:  # otherwise, another thread or block of this process deletes the file
        register_leftover(lock, partial(_release, path, files))
    while True:
        files[:] = [FileIO(lock, "ab")]
        if try_lock(files[0].fileno()) is False:
            files.pop().close()
            if _holders.get(path) is None:
                forget_leftover(lock)
            raise OutputExistsError(
                f"Another process is writing {path}. Wait until it ends, or choose another {option}."
            )
        if _is_at(lock, files[0]):
            return
        files.pop().close()  # the process that had it has deleted it in between


def _is_at(lock: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


def _release(path: Path, files: list[FileIO], lock: Path) -> None:
    """Delete the lock file, unless another process has it, and close it."""
    if files:
        _holders.pop(path, None)
    with suppress(FileNotFoundError):
        file = files[0] if files and not files[0].closed else FileIO(lock, "rb")
        with file:
            if try_lock(file.fileno()) is not False and _is_at(lock, file):
                delete(lock)  # before it is released: who waits for it notices that the file is gone
