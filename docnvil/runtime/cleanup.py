"""Temporary files and folders of this process, which are deleted when a command or the process ends.

A signal raises an exception between any two instructions: also between making a file and the `try` that deletes it, or
while it is deleted. So a path is registered before it is made, and forgotten after it is gone. Code that makes a
temporary file deletes it as usual; what a signal has left is deleted at the end.
"""

import atexit
import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple


class _Leftover(NamedTuple):
    """How to delete a path, and the process and the thread that make it."""

    delete: Callable[[Path], object]
    process: int
    thread: int


_registered: dict[Path, _Leftover] = {}  # in the order in which they are made


def register_leftover(path: Path, delete: Callable[[Path], object]) -> None:
    """Let `delete(path)` be called at the end, unless the path is forgotten before. Call this before it is made."""
    _delete_at_exit()
    _registered[path] = _Leftover(delete, os.getpid(), threading.get_ident())


def forget_leftover(path: Path) -> None:
    """Forget a path that is deleted, or that another process has made; a folder is kept if another path is inside."""
    if not any(path in other.parents for other in _registered):
        _registered.pop(path, None)


@contextmanager
def deleting_leftovers() -> Iterator[None]:
    """Delete what this thread has registered in the block and not forgotten, when the block ends."""
    before = set(_registered)
    try:
        yield
    finally:
        delete_leftovers(before, threading.get_ident())


def delete_leftovers(kept: Collection[Path] = (), thread: int | None = None) -> None:
    """Delete what is registered, the newest first, except some paths and those of other threads."""
    for path, leftover in reversed(_registered.copy().items()):
        is_inherited = leftover.process != os.getpid()  # by a forked process; the parent still needs it
        if path in kept or is_inherited or thread not in (None, leftover.thread):
            continue
        with suppress(OSError):
            leftover.delete(path)
        _registered.pop(path, None)


@cache
def _delete_at_exit() -> None:
    atexit.register(delete_leftovers)
