"""Settings of the whole process: how idle threads wait, and how much freed memory is kept; and its current folder.

The settings outlast any call, so only the entry point of a process makes them: the command line, or a worker process.
"""

import ctypes
import os

from docnvil.errors import ConfigurationError


def configure_process() -> None:
    """Make both settings; call this before torch is first imported, because OpenMP reads its settings only then."""
    limit_thread_spinning()
    tune_malloc()


def limit_thread_spinning() -> None:
    """Let idle OpenMP threads sleep after some microseconds, unless the user has set `OMP_WAIT_POLICY`.

    By default they spin much longer, which makes training five times as slow when one other program is busy. If they
    slept at once, a step would take half as long again, because it waits for its threads hundreds of times.
    GOMP_SPINCOUNT is read by GNU's OpenMP, which torch uses on Linux.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def tune_malloc() -> None:
    """Let this process keep up to 256 MB of freed memory for reuse, if its C library is glibc.

    Every training step, embedded batch and counted chunk of texts allocates arrays of the same sizes. If they were
    returned to the system in between, it would map and zero each page again, which takes a fifth of a step with 10,000
    words and 200 units, a fifth of counting, and half of embedding.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    mallopt(trim_threshold, 256 << 20)
    mallopt(mmap_threshold, 32 << 20)  # glibc's maximum


def require_current_folder() -> None:
    """Raise a `ConfigurationError` if the current folder was deleted: importing torch there ends the process."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise ConfigurationError("The current folder does not exist any more. Change to another one.") from None
