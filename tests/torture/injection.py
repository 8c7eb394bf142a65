"""Faults of the operating system at the k-th call below a folder, made by a library in C that is loaded by LD_PRELOAD.

A library sees the calls of Python, NumPy, safetensors and Arrow alike, and those of worker processes.
"""

import ctypes
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("fault_library.c")
STATE = "TORTURE_STATE"
COUNT, FULL, BROKEN, KILL = range(4)  # as in the source
FAULTS = {"disk full": FULL, "input/output error": BROKEN, "kill": KILL}
SPACE, WRITING, READING = 1, 2, 4
# Other calls cannot fail for lack of space, and a kill at a call that reads leaves what one at the next call leaves.
AFFECTED = {"disk full": SPACE, "input/output error": SPACE | WRITING | READING, "kill": WRITING}


class _State(ctypes.Structure):
    """The struct `state` of the library."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("armed", "fault", "number", "count", "fired", "attacker")),
        ("last", ctypes.c_char * 64),
        ("needs", ctypes.c_ubyte * 4096),
        ("folder", ctypes.c_char * 4096),
    )


def compiler() -> str | None:
    """Return the path of a C compiler."""
    return shutil.which("cc") or shutil.which("gcc")


def with_library() -> None:
    """Start this process again with the library, unless it has it or there is no C compiler.

    The folder of the library belongs to the process, and is deleted by `delete_library`.
    """
    if STATE in os.environ or compiler() is None or sys.platform != "linux":
        return
    folder = Path(tempfile.mkdtemp(prefix="torture-library-"))
    library, state = folder / "faults.so", folder / "state"
    subprocess.run([compiler(), "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
    state.write_bytes(bytes(ctypes.sizeof(_State)))
    environment = {**os.environ, "LD_PRELOAD": str(library), STATE: str(state)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def delete_library() -> None:
    """Delete the library of this process."""
    if STATE in os.environ:
        shutil.rmtree(Path(os.environ[STATE]).parent, ignore_errors=True)


def has_library() -> bool:
    """Return whether this process has the library."""
    return STATE in os.environ


@dataclass(frozen=True)
class Injector:
    """Counts calls, and makes one of them fail.

    Arguments:
        state: memory that is shared with the library.
    """

    state: _State

    @contextmanager
    def armed(self, folder: Path, fault: int = COUNT, number: int = 0) -> Iterator[_State]:
        """Let the call of that number below `folder` fail while the block runs; yield the count of calls."""
        state = self.state
        state.fault, state.number, state.count, state.fired, state.last = fault, number, 0, 0, b""
        state.folder, state.attacker = os.fsencode(folder), os.getpid()
        state.armed = 1
        try:
            yield state
        finally:
            state.armed = 0


def make_injector() -> Injector:
    """Map the state that the library of this process uses."""
    with open(os.environ[STATE], "r+b") as file:
        memory = mmap.mmap(file.fileno(), ctypes.sizeof(_State))
    return Injector(_State.from_buffer(memory))
