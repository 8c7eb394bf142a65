"""The same bytes whatever the hash seed, threads, workers, shards, order of files, network and home folder."""

import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest

from torture.arena import Arena, replace_tree, snapshot
from torture.cases import Case, case_of
from torture.kills import SHARDS
from torture.registry import Outcome, Try, failure
from torture.writing import WRITING, WritingCommand

N_HASH_SEEDS = 5
IN_NEW_PROCESSES = ("corpus build", "fit", "report")
N_ORDERS = 30
FORKED = tuple(command for command in WRITING if command.max_tries is None)


def tries(arena: Arena) -> Iterator[Try]:
    """Yield one try of each kind after the other."""
    kinds = (offline, workers, shards, orders, threads, hash_seeds)
    for row in zip_longest(*(kind(arena) for kind in kinds)):
        yield from (each for each in row if each is not None)


def hash_seeds(arena: Arena) -> Iterator[Try]:
    """Yield new processes with other seeds of Python's hashes, without a network and a home folder."""
    for number in range(N_HASH_SEEDS):
        for command in sorted(WRITING, key=lambda command: command.name):
            if command.name in IN_NEW_PROCESSES:
                key = f"PYTHONHASHSEED={number}, no network, no home: {command.name}"
                yield Try(key, partial(run_in_new_process, arena, command, number))


def run_in_new_process(arena: Arena, command: WritingCommand, number: int) -> Outcome:
    """Run a command in a new process with another hash seed, and in its own network namespace if that is allowed."""
    case = case_of(arena, command)
    case.prepare("absent")
    words = [sys.executable, "-m", "docnvil", *case.arguments("new")]
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0:
        words = ["unshare", "-n", *words]
    environment = {**os.environ, "PYTHONHASHSEED": str(number), "HOME": os.devnull, "TMPDIR": str(arena.temporary)}
    process = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)
    return same_as(case, process.returncode, process.stderr, "new process: same")


def same_as(case: Case, status: int, stderr: str, result: str) -> Outcome:
    """Return whether a command has written what it wrote before."""
    if status:
        return failure(f"status {status}: {stderr[-1500:]}")
    now = snapshot(case.out)
    different = sorted(name for name in {*now, *case.new} if now.get(name) != case.new.get(name))
    return failure(f"different: {different[:3]}") if different else Outcome(result)


def offline(arena: Arena) -> Iterator[Try]:
    """Yield every command without sockets and without a home folder."""
    for command in FORKED:
        yield Try(f"no sockets, no home: {command.name}", partial(run_offline, arena, command))


def run_offline(arena: Arena, command: WritingCommand) -> Outcome:
    """Run a command whose sockets fail and whose home is not a folder."""
    case = case_of(arena, command)
    case.prepare("absent")
    finished = arena.run(*case.arguments("new"), before=block_sockets)
    return same_as(case, finished.status, finished.stderr, "offline: same")


def block_sockets() -> None:
    """Let every socket of this process fail, and its home be a file."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    socket.socket = socket.create_connection = refuse  # type: ignore[assignment, misc]
    os.environ["HOME"] = os.devnull


def workers(arena: Arena) -> Iterator[Try]:
    """Yield builds with several numbers of workers."""
    case = None
    for number in (1, 2, 3, 4):
        case = case or case_of(arena, SHARDS)
        yield Try(f"{number} workers", partial(build_with, case, ["--workers", str(number)], "workers: same"))


def build_with(case: Case, options: list[str], result: str) -> Outcome:
    """Run a command with more options."""
    case.prepare("absent")
    finished = case.arena.run(*case.arguments("new"), *options)
    return same_as(case, finished.status, finished.stderr, result)


def shards(arena: Arena) -> Iterator[Try]:
    """Yield builds of the same documents in several numbers of files."""
    for number in (1, 2, 3, 5, 7, 11, 30):
        yield Try(f"{number} shards", partial(build_shards, arena, number))


def build_shards(arena: Arena, number: int) -> Outcome:
    """Compare the corpus of one file with that of several files with the same documents."""
    lines = (arena.inputs / "new" / "posts.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    folder = arena.folder / "shards"
    replace_tree(None, folder)
    paths = [folder / f"{part:02d}.jsonl" for part in range(number)]
    for part, path in enumerate(paths):
        path.write_text("".join(lines[part * len(lines) // number : (part + 1) * len(lines) // number]))
    arena.must_run("corpus", "build", *paths, "--out", folder / "out" / "c")
    now, one = snapshot(folder / "out" / "c"), snapshot(arena.inputs / "new" / "corpus")
    different = sorted(name for name in {*now, *one} if now.get(name) != one.get(name))
    return failure(f"different: {different}") if different else Outcome("shards: same")


def orders(arena: Arena) -> Iterator[Try]:
    """Yield builds of folders whose files were made in several orders."""
    for number in range(N_ORDERS):
        yield Try(f"order of files {number}", partial(build_in_order, arena, arena.random(f"order {number}")))


def build_in_order(arena: Arena, generator: random.Random) -> Outcome:
    """Compare the corpus of a folder with that of a copy whose files were made in another order."""
    texts, folder = arena.inputs / "new" / "texts", arena.folder / "orders"
    corpora = []
    for number in range(2):
        replace_tree(None, folder)
        files = sorted(path for path in texts.rglob("*") if path.is_file())
        generator.shuffle(files)
        for path in files:
            copy = folder / "texts" / path.relative_to(texts)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        arena.must_run("corpus", "build", folder / "texts", "--out", arena.folder / f"ordered-{number}", "--force")
        corpora.append(snapshot(arena.folder / f"ordered-{number}"))
    return Outcome("order of files: same") if corpora[0] == corpora[1] else failure("another corpus")


def threads(arena: Arena) -> Iterator[Try]:
    """Yield trainings with several numbers of threads."""
    fit = next(command for command in WRITING if command.name == "fit")
    for number in (1, 2, 4):
        yield Try(f"{number} threads", partial(_fit_with_threads, arena, fit, number))


def _fit_with_threads(arena: Arena, fit: WritingCommand, number: int) -> Outcome:
    return build_with(case_of(arena, fit), ["--threads", str(number)], "threads: same")
