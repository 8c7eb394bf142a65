"""Description of the machine for run records and benchmarks: processor, versions, memory; no user or host names."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from docnvil import __version__


def machine() -> dict[str, str | int]:
    """Return the processor, cores, system, and the versions of the numerical packages."""
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "docnvil": __version__,
        **{name: _version(name) for name in ("numpy", "scipy", "scikit-learn", "torch")},
    }


def processor() -> str:
    """Return the model name of the processor."""
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


def peak_mebibytes() -> float:
    """Return the peak resident memory of this process, in MiB.

    On Linux `ru_maxrss` would be wrong: a child process inherits its parent's value if that is larger.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        import resource  # not available on Windows

        maximum = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return maximum / 2**20 if sys.platform == "darwin" else maximum / 1024
