"""The attacks, and what each of them provides.

An attack is a function in a module of this package, `tries(arena) -> Iterator[Try]`. To add one, write the module and
list it in `ATTACKS`. A try has a key, which is the same in every run with the same seed, and a function that attacks
once and returns an `Outcome`. An exception of that function counts as a failed try. One try may stand for many inputs,
such as all bits of a block of bytes; then the outcome counts them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torture.arena import Arena


@dataclass(frozen=True)
class Outcome:
    """What happened in one try.

    Arguments:
        result: a few words that are counted, such as "old", "new", "refused" or "same".
        tries: the number of inputs or events that the try stands for.
        failures: how many of them docnvil did not survive.
        bytes_lost: size of the user's files that cannot be recovered.
        detail: what failed, and how to see it again.
    """

    result: str
    tries: int = 1
    failures: int = 0
    bytes_lost: int = 0
    detail: str = ""


def failure(detail: str, *, bytes_lost: int = 0) -> Outcome:
    """Return the outcome of a single try that docnvil did not survive."""
    return Outcome("failed", failures=1, bytes_lost=bytes_lost, detail=detail)


@dataclass(frozen=True)
class Try:
    """One attack that can be made.

    Arguments:
        key: its name in the ledger.
        run: makes it.
    """

    key: str
    run: Callable[[], Outcome]


def in_turn(*makers: Callable[[], Iterator[Try]]) -> Iterator[Try]:
    """Yield one try of each source after the other."""
    for row in zip_longest(*(maker() for maker in makers)):
        yield from (each for each in row if each is not None)


@dataclass(frozen=True)
class Attack:
    """An attack of the registry.

    Arguments:
        name: its name on the command line and in the results.
        title: what it does, for the table of docs/reliability.md.
        module: the module of this package with its function `tries`.
        n_quick: the number of tries in `make test`.
    """

    name: str
    title: str
    module: str
    n_quick: int

    def tries(self, arena: "Arena") -> Iterator[Try]:
        """Yield the tries; `arena.n_tries` is the wanted number, None for all."""
        module, _, function = self.module.partition(":")
        yield from getattr(import_module(f"torture.{module}"), function or "tries")(arena)


ATTACKS = (
    Attack("faults", "Disk full, input/output error or kill at the k-th call of the system", "faults", 20),
    Attack("kills", "SIGKILL, SIGTERM or SIGINT at a random time; kills of workers", "kills", 12),
    Attack("torchrun", "The same for processes that train together, and for torchrun", "torchrun", 3),
    Attack("corruption", "Each truncation and flipped bit of models, corpora, trainings and indexes", "corruption", 24),
    Attack("concurrency", "Reads of what is replaced, several writers, long cycles of commands", "concurrency", 10),
    Attack("determinism", "Other hash seeds, threads, workers, shards, orders of files; no network", "determinism", 6),
    Attack("fuzz", "Changed and invented files for every reader", "fuzz", 3),
)
BY_NAME = {attack.name: attack for attack in ATTACKS}
