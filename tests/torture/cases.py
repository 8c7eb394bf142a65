"""Commands that write, with their outputs before and after, and checks of what an attack left."""

import csv
import hashlib
import json
from pathlib import Path

from torture.arena import Arena, replace_tree, size_of, snapshot
from torture.forking import HANGS, Finished
from torture.registry import Outcome, failure
from torture.writing import WritingCommand

SIGKILL = -9
TEMPORARY = ("torchinductor", "openpyxl.")  # files of these packages; a process that is killed leaves them
STATES = ("absent", "old")  # of the output before the command: without it, or with that of other inputs


def case_of(arena: Arena, command: WritingCommand) -> "Case":
    """Return the case of a command, which all attacks share."""
    if command not in arena.cases:
        arena.cases[command] = Case(arena, command)
    return arena.cases[command]


class Case:
    """A command, and the files of its output: `old` from other inputs, and `new` as an undisturbed run writes them.

    Arguments:
        arena: where it runs.
        command: what runs.
    """

    def __init__(self, arena: Arena, command: WritingCommand) -> None:
        self.arena, self.command = arena, command
        self.out = arena.inputs.parent / "out"
        self._old_files = arena.folder / "old" / command.name.replace(" ", "-")
        self._verified: dict[str, str] = {}  # what is wrong after the second run, by the state of the disk
        self._inputs_before = snapshot(arena.inputs)
        replace_tree(None, self.out)
        arena.must_run(*self.arguments("old"))
        replace_tree(self.out, self._old_files)
        self.old = snapshot(self.out)
        replace_tree(None, self.out)
        arena.must_run(*self.arguments("new"))
        self.new = snapshot(self.out)
        self.uses, self.seconds = 0, 0.0  # measurements of the duration

    def arguments(self, version: str, state: str = "absent") -> list[str]:
        """Return the arguments for one version of the inputs, with those that replace the output in the state "old"."""
        replacing = self.command.replacing.split() * (state == "old")
        return [*self.command.arguments(self.arena.inputs / version, self.out), *replacing]

    def prepare(self, state: str) -> None:
        """Restore the output of a state, and delete everything else."""
        replace_tree(self._old_files if state == "old" else None, self.out)
        replace_tree(None, self.arena.temporary)

    def judge(self, state: str, finished: Finished, *, cause: str, statuses: tuple[int, ...]) -> Outcome:
        """Check the disk after an attack, run the command again, and return the outcome.

        Arguments:
            state: of the output before.
            finished: the command that was attacked.
            cause: the attack, for the result.
            statuses: exit statuses that are right besides 0.
        """
        old = self.old if state == "old" else {}
        after = snapshot(self.out)
        wrong = self._wrong_status(finished, statuses) or self._wrong_files(after, old, finished)
        wrong = wrong or self._wrong_after_second_run(state, after)
        if not wrong:
            return Outcome(f"{cause}: {'new' if self._is_complete(after) else 'old, continued'}")
        is_lost = not self._is_complete(snapshot(self.out))
        lost = sum(size_of(self._old_files, name) for name in old if after.get(name) != old[name]) if is_lost else 0
        return failure(f"{wrong} (status {finished.status})\n{finished.stderr[-1500:]}", bytes_lost=lost)

    def _is_complete(self, files: dict[str, str]) -> bool:
        return all(files.get(name) == digest for name, digest in self.new.items())

    def _wrong_status(self, finished: Finished, statuses: tuple[int, ...]) -> str:
        if finished.status == HANGS:
            return "it hangs"
        if finished.has_traceback:
            return "it prints a traceback"
        if finished.status not in (0, *statuses):
            return "its exit status is wrong"
        return "it fails without a message" if finished.status > 0 and not finished.stderr.strip() else ""

    def _wrong_files(self, after: dict[str, str], old: dict[str, str], finished: Finished) -> str:
        if snapshot(self.arena.inputs) != self._inputs_before:
            return "an input has changed"
        if finished.status == 0 and not self._is_complete(after):
            return "it succeeds without its complete output"
        for group in self.command.outputs:
            if self.command.is_incremental:
                files = {name: digest for name, digest in of_group(after, group).items() if not is_hidden(name)}
                if any(digest not in (old.get(name), self.new.get(name), "") for name, digest in files.items()):
                    return "a file is neither old nor new"
                continue
            now, before, then = (of_group(files, group) for files in (after, old, self.new))
            waits = finished.status < 0 and not of_group(after, group[:1])  # completed by the next run
            if now not in (before, then) and not waits and not self._shows_failure(group[0], finished):
                return f"{group[0]} is neither old nor new: {sorted(now)[:3]}"
        is_told = "could not be deleted" in finished.stderr  # and the second run must delete it
        if finished.status >= 0 and not is_told and (strays := self._strays(after)):
            return f"it leaves {strays[:2]}"
        return ""

    def _shows_failure(self, name: str, finished: Finished) -> bool:
        """Return whether a command has ended with an error and a table that says what failed."""
        if not self.command.shows_failures or finished.status != 1 or not (self.out / name).exists():
            return False
        with (self.out / name).open(encoding="utf-8", newline="") as file:
            return any(row["error"] for row in csv.DictReader(file))

    def _strays(self, files: dict[str, str]) -> list[str]:
        allowed = (
            *(name for group in self.command.outputs for name in group),
            self.command.unfinished,
            self.command.kept,
        )
        return [name for name in files if not is_in(name, allowed)]

    def _wrong_after_second_run(self, state: str, after: dict[str, str]) -> str:
        """Run the command again, and return what is wrong then. Disks in the same state are tried once."""
        key = hashlib.sha256(json.dumps([state, after], sort_keys=True).encode()).hexdigest()
        if key not in self._verified:
            self._verified[key] = self._second_run()
        return self._verified[key]

    def _second_run(self) -> str:
        arguments = self.arguments("new", "old")
        unfinished = self.out / self.command.unfinished
        resume = ["--resume"] * unfinished.is_file()
        finished = self.arena.run(*arguments, *resume)
        if finished.status and "so there is nothing to resume" in finished.stderr:
            finished = self.arena.run(*arguments)
        if finished.status:
            return f"the second run fails: {finished.stderr[-500:]}"
        now = snapshot(self.out)
        if now != self.new:
            different = sorted(name for name in {*now, *self.new} if now.get(name) != self.new.get(name))
            return f"the second run differs in {different[:2]}"
        left = [path for path in self.arena.temporary.iterdir() if not path.name.startswith(TEMPORARY)]
        return f"temporary files remain: {left}" if left else ""


def is_in(name: str, group: tuple[str, ...]) -> bool:
    """Return whether a file is one of a group, or below one that is a folder."""
    return any(name == each or name.startswith(f"{each}/") for each in group if each)


def of_group(files: dict[str, str], group: tuple[str, ...]) -> dict[str, str]:
    """Return the files of a group, see `is_in`."""
    return {name: digest for name, digest in files.items() if is_in(name, group)}


def is_hidden(name: str) -> bool:
    """Return whether the name of a file begins with a dot, as those of drafts and locks do."""
    return Path(name).name.startswith(".")
