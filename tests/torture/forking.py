"""Commands in forked children of a process that has imported everything, so that a run takes no time to start."""

import gc
import multiprocessing
import os
import pkgutil
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from docnvil.runtime.cleanup import delete_leftovers

TIMEOUT = 120.0  # seconds after which a command counts as hanging
HANGS = 1000
# A signal that comes while Python forks is lost. Only workers here are forked; docnvil starts new processes.
IN_FORK = "Exception ignored in: <function _releaseLock"


class Finished(NamedTuple):
    """A command that has ended.

    Arguments:
        status: the exit status, minus the signal that ended it, or `HANGS`.
        stdout: what it printed.
        stderr: messages.
    """

    status: int
    stdout: str
    stderr: str

    @property
    def has_traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.stderr and IN_FORK not in self.stderr


def preload() -> None:
    """Import all of docnvil and its libraries, with one thread, and write a checkpoint after every epoch."""
    from docnvil.runtime.process import configure_process

    configure_process()
    import docnvil

    for module in pkgutil.walk_packages(docnvil.__path__, "docnvil."):
        needs_others = ("docnvil.corpus.dask_executor", "docnvil.runtime.triton_")  # Dask, Triton
        if not module.name.startswith(("docnvil.__main__", *needs_others)):
            import_module(module.name)
    for name in ("pyarrow.parquet", "pyarrow.csv", "sklearn.cluster", "sklearn.linear_model", "sklearn.manifold"):
        import_module(name)
    import torch

    from docnvil.commands import COMMANDS, main

    for name in COMMANDS:
        main.get_command(None, name)  # type: ignore[arg-type]
    torch.set_num_threads(1)
    # Workers are forked as well, which takes a hundredth of the time of new processes.
    sys.modules["docnvil.corpus.process_pool"].get_context = lambda _: multiprocessing.get_context("fork")
    sys.modules["docnvil.commands.fit"].SECONDS_BETWEEN_CHECKPOINTS = -1.0
    gc.collect()
    gc.freeze()


def run_and_list_modules(arguments: Sequence[object], path: Path) -> None:
    """Run a command, and write the names of the modules that it imports to a file, also if it fails."""
    before = set(sys.modules)
    try:
        run_docnvil(arguments)
    finally:
        path.write_text("\n".join(set(sys.modules) - before))


def import_listed(path: Path) -> None:
    """Import the modules that a file lists, so that later children need not."""
    for name in sorted(path.read_text().split()):
        with suppress(Exception):  # some modules cannot be imported on their own
            import_module(name)
    gc.collect()
    gc.freeze()


def run_docnvil(arguments: Sequence[object]) -> None:
    """Run a command of docnvil in this process, as `docnvil.__main__` does."""
    from docnvil.commands import main

    sys.argv = ["docnvil", *map(str, arguments)]
    main(prog_name="docnvil")


def start(work: Callable[[], None], log: Path, *, environment: dict[str, str] | None = None) -> int:
    """Start `work` in a forked child with its own process group, and return its process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        for number, name in ((1, "stdout"), (2, "stderr")):
            descriptor = os.open(f"{log}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.update(environment or {})
        import tempfile

        tempfile.tempdir = None
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
        status = 0
    except KeyboardInterrupt:  # before the command begins or after it ends
        print("Interrupted.", file=sys.stderr)
        status = 130
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        delete_leftovers()  # `os._exit` skips what a process does at its end
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                status = status or 120
        os._exit(status)


def wait(child: int, log: Path, timeout: float = TIMEOUT) -> Finished:
    """Wait for a started child, end what is left of its process group, and return what it printed."""
    descriptor = os.pidfd_open(child)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        hangs = not poll.poll(timeout * 1000)
    finally:
        os.close(descriptor)
    if hangs:
        os.killpg(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    end_group(child)
    texts = [Path(f"{log}.{name}").read_text(encoding="utf-8", errors="replace") for name in ("stdout", "stderr")]
    return Finished(HANGS if hangs else status, *texts)


def end_group(group: int) -> None:
    """Kill the workers that a killed command left, and wait until they are gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.002)
