"""What a figure was measured on: processor, system, versions, memory, without the names of people or hosts.

And the one thing that is asked of the machine: not to take back at once what is freed at every step.
"""

import ctypes
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from docnvil import __version__


def machine() -> dict[str, str | int]:
    """Return processor, cores, system and the versions of what does the arithmetic.

    Example:
        >>> sorted(machine())
        ['cores', 'docnvil', 'numpy', 'processor', 'python', 'scikit-learn', 'scipy', 'system', 'torch']
    """
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "docnvil": __version__,
        **{name: _version(name) for name in ("numpy", "scipy", "scikit-learn", "torch")},
    }


def processor() -> str:
    """Return what the processor calls itself."""
    try:  # platform.processor() is empty on most Linux systems
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def tune_malloc() -> None:
    """Let this process keep up to 256 MB of what it frees, where the C library is glibc; elsewhere nothing changes.

    Each step of a training, each batch that is embedded and each lot of texts that is counted frees and takes arrays of
    the same sizes. Given back in between, every page of them is mapped and zeroed again by the system: up to a fifth of
    a step with 10,000 words and 200 units, a fifth of counting, and half of embedding. It is for a process to ask of
    itself, as the commands do.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl
        return
    trim_threshold, mmap_threshold = -1, -3  # malloc.h's names for them
    set_option(trim_threshold, 256 << 20)
    set_option(mmap_threshold, 32 << 20)  # the most that glibc takes


def peak_mebibytes() -> float:
    """Return the most memory that this process has held, in MiB.

    Linux's `ru_maxrss` would not do: it is handed down from the process that started this one if that held more.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import resource  # which Windows does not have

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / 2**20 if sys.platform == "darwin" else most / 1024
