"""Running the same work on many things in several processes, of which any may die."""

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, Protocol

from docnvil.errors import WorkerError
from docnvil.runtime.process import tune_malloc

DEATHS_IN_A_ROW = 3  # without anything getting done in between


class Run(Protocol):
    """Whatever does the same work on many things, in any order and any number of places."""

    def __call__(
        self,
        work: Callable[..., None],
        tasks: Sequence[tuple[Any, ...]],
        *,
        on_done: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Call `work(*task)` for every task, maybe more than once, and `on_done` with the number done."""


def run_all(
    work: Callable[..., None],
    tasks: Sequence[tuple[Any, ...]],
    workers: int,
    *,
    on_done: Callable[[int], None] = lambda done: None,
) -> None:
    """Call `work(*task)` for every task, in any order, in as many processes as asked for.

    The task of a process that dies is given to a new one. So the work must be such that doing it again does no harm.
    (`concurrent.futures` gives up a whole pool for a death, and may close its own pipe while the death is being told.)

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
    waiting = list(reversed(tasks))
    crew = [_Worker(work, waiting.pop()) for _ in range(min(workers, len(tasks)))]
    done = deaths = 0
    try:
        while done < len(tasks):
            ready = connection.wait([worker.pipe for worker in crew])
            for worker in [worker for worker in crew if worker.pipe in ready]:
                try:
                    error = worker.pipe.recv()
                except (EOFError, OSError):
                    deaths += 1
                    if deaths == DEATHS_IN_A_ROW:
                        raise WorkerError(_given_up(deaths, len(tasks) - done, len(tasks))) from None
                    worker.end()
                    crew[crew.index(worker)] = _Worker(work, worker.task)
                    continue
                if error is not None:
                    raise error
                done, deaths = done + 1, 0
                on_done(done)
                if waiting:
                    worker.give(waiting.pop())
                else:
                    worker.end()
                    crew.remove(worker)
    finally:
        for worker in crew:
            worker.end()


def _given_up(deaths: int, left: int, tasks: int) -> str:
    return (
        f"Worker processes died {deaths} times in a row, with {left} of {tasks} parts left to do; memory"
        " may have run out. What is finished is kept: give the same command with fewer --workers."
    )


class _Worker:
    """A process that does one task at a time, and says through a pipe how each ended."""

    def __init__(self, work: Callable[..., None], task: tuple[Any, ...]) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(work, theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does
        self.give(task)

    def give(self, task: tuple[Any, ...]) -> None:
        self.task = task
        with suppress(OSError):  # of a process that is dead: reading from it will tell
            self.pipe.send(task)

    def end(self) -> None:
        """Stop the process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(work: Callable[..., None], pipe: connection.Connection) -> None:
    """Do the tasks that come through the pipe, and answer each with None or with what it raised."""
    _end_with_us()
    tune_malloc()
    while True:
        try:
            task = pipe.recv()
        except EOFError:  # nobody is left to work for
            return
        try:
            work(*task)
        except Exception as error:
            error.add_note(traceback.format_exc())  # the place in this process, which the other does not see
            pipe.send(error)
        else:
            pipe.send(None)


def _end_with_us() -> None:
    """Let a worker end without a word when it is interrupted, or when the process that started it is gone."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    connection.wait([parent_process().sentinel])
    os._exit(1)
