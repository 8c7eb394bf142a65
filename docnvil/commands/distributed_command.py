"""Commands that torchrun starts in several processes: only the main process prints."""

import os
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import wraps
from typing import Any


def by_all_processes(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the group of processes that it was started in, and each process its own device.

    The output of all but the main process is discarded; an error in any of them is printed once.
    """

    @wraps(command)
    def run(*, device: str, **options: Any) -> None:
        from docnvil.runtime.distributed import exit_now, local_device, process_group

        with process_group() as processes, ExitStack() as stack:
            if not processes.is_main:
                null = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(redirect_stdout(null))
                stack.enter_context(redirect_stderr(null))
            command(device=local_device(device), processes=processes, **options)
        exit_now()

    return run
