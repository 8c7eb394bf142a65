"""Seconds per phase of a training update, measured on request."""

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
    "sampled documents",
    "neighbor codes",
    "backward",
    "optimizer",
    "validation",
]
Item = TypeVar("Item")


@dataclass(frozen=True)
class PhaseTime:
    """Time of one phase: total, share of all phases' time, and milliseconds per parameter update."""

    phase: Phase
    seconds: float
    share: float
    ms_per_step: float


class NoProfile:
    """A profile that measures nothing and costs almost nothing."""

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Return a context for the code of a phase."""
        return nullcontext()

    def each(self, name: Phase, items: Iterable[Item]) -> Iterable[Item]:
        """Return the items; computing them is a phase."""
        return items


class Profile(NoProfile):
    """A stopwatch for the phases of training on a device; a GPU is synchronized at the start and end of each phase."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[Phase, float] = {}
        self.steps = 0  # updates so far, counted by their last phase

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Measure the code inside; if it raises, its time is not counted."""
        started = self._now()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + self._now() - started
        self.steps += name == "optimizer"

    def each(self, name: Phase, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items and measure how long each takes to compute."""
        iterator, end = iter(items), object()
        while True:
            with self.phase(name):
                item = next(iterator, end)
            if item is end:
                return
            yield item

    def table(self) -> list[PhaseTime]:
        """Return one row per measured phase, in the order of an update."""
        total = sum(self._seconds.values()) or 1.0
        return [
            PhaseTime(name, seconds, seconds / total, 1e3 * seconds / max(1, self.steps))
            for name in get_args(Phase)
            if (seconds := self._seconds.get(name)) is not None
        ]

    def _now(self) -> float:
        if self._device.type != "cpu":
            torch.get_device_module(self._device).synchronize(self._device)
        return time.perf_counter()
