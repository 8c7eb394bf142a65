"""Executors run one function for many tasks: here in this process, elsewhere in several processes or on a cluster."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Executor(Protocol):
    """Runs a function for many tasks, in any order and possibly in parallel."""

    def run_all(
        self,
        function: Callable[..., None],
        tasks: Sequence[tuple[Any, ...]],
        *,
        on_done: Callable[[int], None] = lambda n_done: None,
    ) -> None:
        """Call `function(*task)` for every task.

        Arguments:
            function: can be imported by other processes; it may run more than once for a task if a process dies.
            tasks: the arguments of each call.
            on_done: called after each task with the number of finished tasks.

        Raises:
            WorkerError: worker processes died repeatedly. Exceptions of `function` are raised as they are.
        """


class SerialExecutor:
    """Runs the tasks in this process, one after the other.

    >>> SerialExecutor().run_all(print, [("a", 1), ("b", 2)])
    a 1
    b 2
    """

    def run_all(
        self,
        function: Callable[..., None],
        tasks: Sequence[tuple[Any, ...]],
        *,
        on_done: Callable[[int], None] = lambda n_done: None,
    ) -> None:
        """Call `function(*task)` for every task; see `Executor.run_all`."""
        for n_done, task in enumerate(tasks, start=1):
            function(*task)
            on_done(n_done)
