"""Running the same work on many things in several processes, of which any may die."""

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any

from docnvil.errors import WorkerError

DEATHS_IN_A_ROW = 3  # without anything getting done in between


def run_all(
    work: Callable[..., None],
    tasks: Sequence[tuple[Any, ...]],
    workers: int,
    *,
    on_done: Callable[[int], None] = lambda done: None,
) -> None:
    """Call `work(*task)` for every task, in any order, in as many processes as asked for.

    A process that dies takes the others of its pool along, and a new pool goes on with the tasks that are left. So the
    work must be such that doing it again does no harm.

    Arguments:
        work: a function that a new process can import. tasks: its arguments.
        workers: how many processes; with one the work is done in this one.
        on_done: called with the number of tasks done.

    Raises:
        WorkerError: processes died several times in a row. What `work` itself raises comes through.

    >>> run_all(print, [("a", 1), ("b", 2)], workers=1)
    a 1
    b 2
    """
    if workers == 1:
        for done, task in enumerate(tasks, start=1):
            work(*task)
            on_done(done)
        return
    left = dict(enumerate(tasks))
    deaths = 0
    while left and deaths < DEATHS_IN_A_ROW:
        pool = ProcessPoolExecutor(min(workers, len(left)), mp_context=get_context("spawn"), initializer=_end_with_us)
        try:
            numbers = {pool.submit(work, *task): number for number, task in left.items()}
            for future in as_completed(numbers):
                future.result()
                del left[numbers[future]]
                deaths = 0
                on_done(len(tasks) - len(left))
        except BrokenProcessPool:
            deaths += 1
        finally:
            pool.shutdown(cancel_futures=True)
    if left:
        raise WorkerError(
            f"Worker processes died {deaths} times in a row, with {len(left)} of {len(tasks)} parts left to do; memory"
            " may have run out. What is finished is kept: give the same command with fewer --workers."
        )


def _end_with_us() -> None:
    """Let a worker end without a word when it is interrupted, or when the process that started it is gone."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    connection.wait([parent_process().sentinel])
    os._exit(1)
