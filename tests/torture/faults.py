"""A full disk, an input/output error, or a kill at the k-th call of the system, for every k, in commands that write.

After the fault, every output must be the old one or the new one, complete, and no input may have changed. A failed
command must say why. Then the same command runs again without a fault: it must write what an undisturbed run writes,
and leave nothing else.
"""

from collections.abc import Iterator
from functools import partial

from torture.arena import Arena, snapshot
from torture.cases import SIGKILL, STATES, Case, case_of
from torture.injection import AFFECTED, FAULTS, Injector, has_library, make_injector
from torture.registry import Outcome, Try, in_turn
from torture.writing import WRITING, WritingCommand


def tries(arena: Arena) -> Iterator[Try]:
    """Yield a try for every command, state of the output, fault and call; a sample has a few of each command."""
    if not has_library():
        return
    injector = make_injector()
    n_each = None if arena.n_tries is None else max(1, arena.n_tries // len(WRITING))
    commands = [command for command in WRITING if n_each is None or command.max_tries is None]  # others take seconds
    yield from in_turn(*(partial(of_command, arena, injector, command, n_each) for command in commands))


def of_command(arena: Arena, injector: Injector, command: WritingCommand, n_tries: int | None) -> Iterator[Try]:
    """Yield the faults of a command in random order, all of them or some."""
    case = case_of(arena, command)
    needs = {state: list_calls(case, injector, state) for state in STATES}
    keys = [
        (state, fault, number)
        for state in STATES
        for fault in FAULTS
        for number, need in enumerate(needs[state], start=1)
        if need & AFFECTED[fault]
    ]
    arena.random(f"faults {command.name}").shuffle(keys)
    limits = [n for n in (n_tries, command.max_tries) if n is not None]
    for state, fault, number in keys[: min(len(keys), *limits, 10**9)]:
        key = f"{command.name}, {state}, {fault} at {number}"
        yield Try(key, partial(attack, case, injector, state, fault, number))


def list_calls(case: Case, injector: Injector, state: str) -> list[int]:
    """Return what each call of an undisturbed run needs; it must write the same bytes as the run before."""
    case.prepare(state)
    with injector.armed(case.out.parent) as counter:
        finished = case.arena.run(*case.arguments("new", state))
    if finished.status or snapshot(case.out) != case.new:
        raise RuntimeError(f"{case.command.name} is not deterministic: {finished.stderr}")
    return list(counter.needs[1 : counter.count + 1])


def attack(case: Case, injector: Injector, state: str, fault: str, number: int) -> Outcome:
    """Run a command with a fault, and judge what it leaves."""
    case.prepare(state)
    with injector.armed(case.out.parent, FAULTS[fault], number) as counter:
        finished = case.arena.run(*case.arguments("new", state))
    if not counter.fired:
        return Outcome("not reached", tries=0)
    statuses = (1, SIGKILL) if fault == "kill" else (1,)
    return case.judge(state, finished, cause=fault, statuses=statuses)
