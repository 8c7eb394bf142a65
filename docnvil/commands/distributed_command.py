"""A command that torchrun starts in several processes: one of them speaks, all of them work."""

import os
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import wraps
from typing import Any


def by_all_processes(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the `processes` of processes that it was started in, and each of them a device of its own.

    Only the first process is heard; what stops any of them is told once.
    """

    @wraps(command)
    def joining(*, device: str, **options: Any) -> None:
        from docnvil.runtime.distributed import exit_now, local_device, process_group

        with process_group() as processes, ExitStack() as hushed:
            if not processes.is_main:
                nowhere = hushed.enter_context(open(os.devnull, "w", encoding="utf-8"))
                hushed.enter_context(redirect_stdout(nowhere))
                hushed.enter_context(redirect_stderr(nowhere))
            command(device=local_device(device), processes=processes, **options)
        exit_now()

    return joining
