"""Faults at the k-th call of the operating system: an error, or the end of the process."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

KILLED = 9
CALLS = ("rename", "replace", "fsync", "open", "mkdir", "chmod")  # deletions ignore errors


class FaultCounter:
    """Calls `fault` in place of the call of that number, counting from 1, and makes all other calls.

    Arguments:
        number: the call that fails; 0 counts only.
        fault: raises an error, or ends the process.
    """

    def __init__(self, number: int, fault: Callable[[], None]) -> None:
        self.number, self.fault, self.count = number, fault, 0

    def wrap(self, function: Callable) -> Callable:
        def call(*arguments: object, **options: object) -> object:
            self.count += 1
            if self.count == self.number:
                self.fault()
            return function(*arguments, **options)

        return call


@contextmanager
def faults(
    number: int, fault: Callable[[], None] = lambda: None, calls: Sequence[str] = CALLS
) -> Iterator[FaultCounter]:
    counter = FaultCounter(number, fault)
    places = [*((os, name) for name in calls), *([(io, "open")] if "open" in calls else [])]
    originals = [getattr(place, name) for place, name in places]
    try:
        for (place, name), function in zip(places, originals, strict=True):
            setattr(place, name, counter.wrap(function))
        yield counter
    finally:
        for (place, name), function in zip(places, originals, strict=True):
            setattr(place, name, function)


def run_until_killed(number: int, work: Callable[[], None], calls: Sequence[str] = CALLS) -> bool:
    """Run `work` in a process that ends at the call of that number; return whether it got that far."""
    child = os.fork()
    if not child:
        status = 1
        try:
            with faults(number, lambda: os._exit(KILLED), calls):
                work()
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED)
    return status == KILLED
