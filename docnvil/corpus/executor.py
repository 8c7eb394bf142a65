"""Executors call one function for many tasks: in this process, in several processes, or on a cluster."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

Task = tuple[Any, ...]  # the arguments of one call


class Executor(Protocol):
    """Calls a function for many tasks, in any order and possibly in parallel."""

    def run_all(self, function: Callable[..., None], tasks: Sequence[Task]) -> Iterator[int]:
        """Call `function(*task)` for every task; yield the number of finished tasks after each of them.

        Other processes must be able to import the function. It may run again for a task whose process has died.

        Raises:
            WorkerError: processes died repeatedly. Exceptions of `function` are raised unchanged.
        """


class SerialExecutor:
    """Runs the tasks in this process, one after the other."""

    def run_all(self, function: Callable[..., None], tasks: Sequence[Task]) -> Iterator[int]:
        """See `Executor.run_all`."""
        for n_done, task in enumerate(tasks, start=1):
            function(*task)
            yield n_done
