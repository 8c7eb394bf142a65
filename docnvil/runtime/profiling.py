"""Where the time of training goes: seconds by the phases of an update, measured only if somebody asks."""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch

Phase = Literal[
    "drawing batches",
    "sampling q",
    "log p",
    "log q",
    "gradient surrogate",
    "backward",
    "optimizer",
    "validation",
]
Item = TypeVar("Item")
_NOTHING = nullcontext()


@dataclass(frozen=True)
class PhaseTime:
    """What a phase took.

    Arguments:
        phase: its name.
        seconds: in all. share: of all phases' seconds. ms_a_step: milliseconds a parameter update.
    """

    phase: Phase
    seconds: float
    share: float
    ms_a_step: float


class NoProfile:
    """Measures nothing, for next to nothing."""

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Return a context for a phase."""
        return _NOTHING

    def each(self, name: Phase, items: Iterable[Item]) -> Iterable[Item]:
        """Return the items, whose making is a phase."""
        return items


class Profile(NoProfile):
    """A stopwatch for the phases of training.

    Arguments:
        device: where the work is done; a GPU is waited for wherever a phase begins or ends.

    Example:
        >>> profile = Profile(torch.device("cpu"))
        >>> for batch in profile.each("drawing batches", range(3)):
        ...     with profile.phase("optimizer"):
        ...         pass
        >>> [row.phase for row in profile.table()], profile.steps
        (['drawing batches', 'optimizer'], 3)
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[Phase, float] = {}
        self.steps = 0  # updates so far, counted by their last phase

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Measure what is done inside; the time of an exception counts for nothing."""
        started = self._now()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + self._now() - started
        self.steps += name == "optimizer"

    def each(self, name: Phase, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, measuring how long each takes to make."""
        iterator, end = iter(items), object()
        while True:
            with self.phase(name):
                item = next(iterator, end)
            if item is end:
                return
            yield item

    def table(self) -> list[PhaseTime]:
        """Return a row for each phase there was, in the order in which an update goes through them."""
        whole = sum(self._seconds.values()) or 1.0
        return [
            PhaseTime(name, took, took / whole, 1e3 * took / max(1, self.steps))
            for name in get_args(Phase)
            if (took := self._seconds.get(name)) is not None
        ]

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()
