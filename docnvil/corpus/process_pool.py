"""An executor that runs tasks in several processes of this machine.

`concurrent.futures.ProcessPoolExecutor` fails all remaining tasks when one of its processes dies (for lack of memory,
say), and cannot stop a running task. Here a new process repeats the task, and an interrupt ends all processes at once.
"""

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context, parent_process
from threading import Thread

from docnvil.corpus.executor import Task
from docnvil.errors import DocnvilWarning, WorkerError, warn
from docnvil.runtime.process import tune_malloc

MAX_CONSECUTIVE_DEATHS = 3


class ProcessPool:
    """Runs tasks in `n_workers` processes."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def run_all(self, function: Callable[..., None], tasks: Sequence[Task]) -> Iterator[int]:
        """See `Executor.run_all`."""
        waiting = list(reversed(tasks))
        workers = [_Worker(function, waiting.pop()) for _ in range(min(self.n_workers, len(tasks)))]
        n_done = n_deaths = 0
        try:
            while n_done < len(tasks):
                ready = connection.wait([worker.pipe for worker in workers])
                for worker in [worker for worker in workers if worker.pipe in ready]:
                    try:
                        error, messages = worker.pipe.recv()
                    except (EOFError, OSError):
                        n_deaths += 1
                        if n_deaths == MAX_CONSECUTIVE_DEATHS:
                            raise WorkerError(
                                f"Worker processes died {n_deaths} times in a row, with {len(tasks) - n_done} of"
                                f" {len(tasks)} tasks left; they may have run out of memory. Finished tasks are kept:"
                                " run the same command again with fewer --workers."
                            ) from None
                        worker.stop()
                        workers[workers.index(worker)] = _Worker(function, worker.task)
                        continue
                    for message in messages:
                        warn(message)
                    if error is not None:
                        raise error
                    n_done, n_deaths = n_done + 1, 0
                    yield n_done
                    if waiting:
                        worker.start_task(waiting.pop())
                    else:
                        worker.stop()
                        workers.remove(worker)
        finally:
            for worker in workers:
                worker.stop()


class _Worker:
    """A process that runs one task at a time, and sends its exception, or None, and its warnings through a pipe."""

    def __init__(self, function: Callable[..., None], task: Task) -> None:
        context = get_context("spawn")
        self.pipe, other_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(function, other_end), daemon=True)
        self._process.start()
        other_end.close()  # the process has the only copy, so the pipe closes when the process ends
        self.start_task(task)

    def start_task(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # if the process has died, the next recv raises EOFError
            self.pipe.send(task)

    def stop(self) -> None:
        """Kill the process, also in the middle of a task."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(function: Callable[..., None], pipe: connection.Connection) -> None:
    """Run the tasks that come through the pipe, in a worker process."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))  # without a traceback
    Thread(target=_exit_with_parent, daemon=True).start()
    tune_malloc()
    while True:
        try:
            task = pipe.recv()
        except EOFError:  # the parent has ended
            return
        failure = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DocnvilWarning)
            try:
                function(*task)
            except Exception as error:
                error.add_note(traceback.format_exc())  # pickling drops the traceback
                failure = error
        messages = [each.message for each in caught if isinstance(each.message, DocnvilWarning)]
        pipe.send((failure, [message.command_line_message for message in messages]))


def _exit_with_parent() -> None:
    connection.wait([parent_process().sentinel])
    os._exit(1)
