"""A full disk, an input/output error, or a kill at the k-th call of the system, for every k, in commands that write.

After the fault, every output must be the old one or the new one, complete, and no input may have changed. A failed
command must say why. Then the same command runs again without a fault: it must write what an undisturbed run writes,
and leave nothing else.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from torture.arena import Arena, replace_tree, size_of, snapshot
from torture.forking import HANGS, Finished
from torture.injection import FAULTS, KILL, Injector, has_library, make_injector
from torture.registry import Outcome, Try, failure
from torture.writing import WRITING, WritingCommand

SIGKILL = -9


def tries(arena: Arena) -> Iterator[Try]:
    """Yield a try for every command, state of the output, fault and call; a sample has a few of each command."""
    if not has_library():
        return
    injector = make_injector()
    n_each = None if arena.n_tries is None else max(1, arena.n_tries // len(WRITING))
    for command in WRITING:
        case = Case(arena, command, injector)
        numbers = {state: case.numbers(state) for state in ("absent", "old")}
        keys = [(state, name, number) for state in numbers for name in FAULTS for number in numbers[state]]
        limit = min(len(keys), *(n for n in (n_each, command.max_tries) if n is not None), len(keys))
        chosen = sorted(arena.random(f"faults {command.name}").sample(range(len(keys)), limit))
        for state, name, number in (keys[each] for each in chosen):
            yield Try(f"{command.name}, {state}, {name} at {number}", partial(case.attack, state, name, number))


class Case:
    """A command with its outputs before ("old") and after ("new").

    Arguments:
        arena: where it runs.
        command: what runs.
        injector: makes the faults.
    """

    def __init__(self, arena: Arena, command: WritingCommand, injector: Injector) -> None:
        self.arena, self.command, self.injector = arena, command, injector
        self.out = arena.inputs.parent / "out"
        self.old_files = arena.folder / "old" / command.name.replace(" ", "-")
        self.verified: dict[str, str] = {}  # what is wrong after the second run, by the state of the disk
        self.inputs_before = snapshot(arena.inputs)
        replace_tree(None, self.out)
        arena.must_run(*self.arguments("old"))
        replace_tree(self.out, self.old_files)
        self.old = snapshot(self.out)
        replace_tree(None, self.out)
        arena.must_run(*self.arguments("new"))
        self.new = snapshot(self.out)

    def arguments(self, version: str) -> list[str]:
        return [*self.command.arguments(self.arena.inputs / version, self.out)]

    def numbers(self, state: str) -> range:
        """Return the numbers of the calls of an undisturbed run."""
        self.prepare(state)
        with self.injector.armed(self.out.parent) as counter:
            finished = self.arena.run(*self.arguments("new"), *self.force(state))
        assert finished.status == 0, finished.stderr
        assert snapshot(self.out) == self.new, f"{self.command.name} is not deterministic"
        return range(1, counter.count + 1)

    def prepare(self, state: str) -> None:
        replace_tree(self.old_files if state == "old" else None, self.out)
        replace_tree(None, self.arena.temporary)

    def force(self, state: str) -> list[str]:
        return self.command.replacing.split() * (state == "old")

    def attack(self, state: str, fault: str, number: int) -> Outcome:
        """Run the command with a fault, check the disk, and run it again."""
        self.prepare(state)
        old = self.old if state == "old" else {}
        with self.injector.armed(self.out.parent, FAULTS[fault], number) as counter:
            finished = self.arena.run(*self.arguments("new"), *self.force(state))
        if not counter.fired:
            return Outcome("not reached", tries=0)
        after = snapshot(self.out)
        wrong = self.wrong_status(finished, FAULTS[fault]) or self.wrong_files(after, old, finished)
        result = "new" if self.is_complete(after) else "old or unfinished"
        wrong = wrong or self.wrong_after_second_run(state, after)
        if wrong:
            lost = sum(size_of(self.old_files, name) for name in old if after.get(name) != old[name])
            detail = f"{wrong} (call {counter.last.decode()}, status {finished.status})\n{finished.stderr[-1500:]}"
            return failure(detail, bytes_lost=0 if self.is_complete(snapshot(self.out)) else lost)
        return Outcome(f"{fault}: {result}")

    def is_complete(self, files: dict[str, str]) -> bool:
        return all(files.get(name) == digest for name, digest in self.new.items())

    def wrong_status(self, finished: Finished, fault: int) -> str:
        """Return what is wrong with the end of the command that met the fault."""
        if finished.status == HANGS:
            return "it hangs"
        if fault == KILL and finished.status == SIGKILL:
            return ""
        if finished.has_traceback:
            return "it prints a traceback"
        if finished.status not in (0, 1):
            return "its exit status is wrong"
        return "it fails without a message" if finished.status and not finished.stderr.strip() else ""

    def wrong_files(self, after: dict[str, str], old: dict[str, str], finished: Finished) -> str:
        """Return what is wrong with the files after the fault."""
        if snapshot(self.arena.inputs) != self.inputs_before:
            return "an input has changed"
        if finished.status == 0 and not self.is_complete(after):
            return "it succeeds without its complete output"
        for group in self.command.outputs:
            if self.command.is_incremental:
                files = {name: digest for name, digest in after.items() if is_in(name, group) and not is_hidden(name)}
                if any(digest not in (old.get(name), self.new.get(name), "") for name, digest in files.items()):
                    return "a file is neither old nor new"
                continue
            now, before, then = (of_group(files, group) for files in (after, old, self.new))
            waits = finished.status == SIGKILL and not of_group(after, group[:1])  # completed by the next run
            if now not in (before, then) and not waits:
                return f"{group[0]} is neither old nor new: {sorted(now)}"
        if finished.status != SIGKILL and (strays := self.strays(after)):
            return f"it leaves {strays}"
        return ""

    def strays(self, files: dict[str, str]) -> list[str]:
        allowed = (*(name for group in self.command.outputs for name in group), self.command.unfinished)
        return [name for name in files if not is_in(name, allowed)]

    def wrong_after_second_run(self, state: str, after: dict[str, str]) -> str:
        """Run the command again, and return what is wrong then. Disks in the same state are tried once."""
        key = hashlib.sha256(json.dumps([state, after], sort_keys=True).encode()).hexdigest()
        if key not in self.verified:
            self.verified[key] = self._second_run()
        return self.verified[key]

    def _second_run(self) -> str:
        resume = ["--resume"] * (bool(self.command.unfinished) and (self.out / self.command.unfinished).exists())
        finished = self.arena.run(*self.arguments("new"), *self.force("old"), *resume)
        if finished.status and "so there is nothing to resume" in finished.stderr:
            finished = self.arena.run(*self.arguments("new"), *self.force("old"))
        if finished.status:
            return f"the second run fails: {finished.stderr[-500:]}"
        now = snapshot(self.out)
        if now != self.new:
            different = sorted(name for name in {*now, *self.new} if now.get(name) != self.new.get(name))
            return f"the second run differs in {different}"
        if left := [path for path in self.arena.temporary.iterdir() if not path.name.startswith("torchinductor")]:
            return f"temporary files remain: {left}"
        return ""


def is_in(name: str, group: tuple[str, ...]) -> bool:
    """Return whether a file is one of a group, or below one that is a folder."""
    return any(name == each or name.startswith(f"{each}/") for each in group)


def of_group(files: dict[str, str], group: tuple[str, ...]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if is_in(name, group)}


def is_hidden(name: str) -> bool:
    return Path(name).name.startswith(".")
