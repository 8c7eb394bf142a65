"""Commands at the same time: reads of what is replaced, several writers of one output, and a long-lived process."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from torture import forking
from torture.arena import Arena, replace_tree, snapshot
from torture.corruption import read_corpus, read_model
from torture.registry import Outcome, Try, failure
from torture.writing import WRITING, WritingCommand

READS_PER_TRY = 500
N_READ_TRIES = 10  # of each of models and corpora: 10,000 reads in all
N_PARALLEL = 10
N_WRITER_TRIES = 20
CYCLE_MINUTES = "TORTURE_CYCLE_MINUTES"
CYCLES_BEFORE = 10  # until caches are full
MAX_GROWTH = 4 << 20  # bytes; the memory of a process varies by some pages
TWO_WRITERS = ("fit", "corpus build", "edit", "embed npy", "report", "search")


def tries(arena: Arena) -> Iterator[Try]:
    """Yield all tries; a quick run has one of each kind."""
    n_reads, n_writers = (N_READ_TRIES, N_WRITER_TRIES) if arena.n_tries is None else (1, 1)
    for number in range(n_reads):
        yield Try(f"reads of a model that is replaced {number}", partial(read_while_replaced, arena, "model"))
        yield Try(f"reads of a corpus that is replaced {number}", partial(read_while_replaced, arena, "corpus"))
    yield Try(f"{N_PARALLEL} parallel embed", partial(embed_in_parallel, arena))
    for number in range(n_writers):
        for command in WRITING:
            if command.name in TWO_WRITERS:
                yield Try(f"two writers, {command.name} {number}", partial(two_writers, arena, command, number))
    minutes = float(os.environ.get(CYCLE_MINUTES, "10")) if arena.n_tries is None else 0
    yield Try(f"cycles of commands in one process for {minutes:g} minutes", partial(cycles, arena, minutes))


def read_while_replaced(arena: Arena, kind: str) -> Outcome:
    """Read a folder many times while another process replaces it by two versions in turn."""
    read = {"model": read_model, "corpus": read_corpus}[kind]
    versions = [arena.inputs / version / kind for version in ("new", "old")]
    digests = [read(version) for version in versions]
    shared = arena.folder / f"replaced-{kind}"
    replace_tree(versions[0], shared)
    log = arena.folder / "replacing"
    writer = forking.start(partial(replace_forever, versions, shared, kind), log)
    log_of_reader = arena.folder / "reading"
    try:
        reader = forking.start(partial(read_often, read, shared, digests), log_of_reader)
        finished = forking.wait(reader, log_of_reader, timeout=600)
    finally:
        os.kill(writer, 9)
        replaced = forking.wait(writer, log)
    if finished.status or "Traceback" in replaced.stderr:
        return failure(f"status {finished.status}: {finished.stderr[-1500:]}{replaced.stderr[-1500:]}")
    results, example = json.loads(finished.stdout)
    if set(results) < {"first version", "second version"}:
        return failure(f"the folder was not replaced while it was read: {results}")
    mixed = results.get("mixed", 0)
    main = f"{kind}: one version" if not mixed else f"{kind}: mixed"
    refused = results.get("refused", 0)
    detail = f"{results} {example}" if mixed or refused else ""
    return Outcome(main, READS_PER_TRY, failures=mixed + refused, detail=detail)


def replace_forever(versions: list[Path], shared: Path, kind: str) -> None:
    """Replace a folder by two others in turn, with the functions of docnvil."""
    from docnvil.corpus import reading, writing
    from docnvil.storage.model_folder import load_model, save_model

    if kind == "model":
        writers = [partial(save_model, load_model(version, "cpu"), shared, force=True) for version in versions]
    else:
        matrices = [reading.read_corpus(version) for version in versions]
        writers = [partial(writing.write_corpus, matrix, shared, force=True) for matrix in matrices]
    number = 1
    while True:
        writers[number % 2]()
        number += 1


def read_often(read: Callable[[Path], str], path: Path, digests: list[str]) -> None:
    """Read a folder many times, and print how often each version was found."""
    from docnvil.errors import DocnvilError

    names = dict(zip(digests, ("first version", "second version"), strict=True))
    results: Counter[str] = Counter()
    example = ""
    for _ in range(READS_PER_TRY):
        try:
            results[names.get(read(path), "mixed")] += 1
        except DocnvilError as error:
            results["refused"] += 1
            example = str(error)
    print(json.dumps([results, example]))


def embed_in_parallel(arena: Arena) -> Outcome:
    """Run one command ten times at once, each with its own output."""
    out = arena.inputs.parent / "out"
    replace_tree(None, out)
    arguments = ("embed", arena.inputs / "new" / "model", arena.inputs / "new" / "posts.jsonl", "--out")
    arena.must_run(*arguments, out / "alone.csv")
    logs = [arena.folder / f"parallel-{number}" for number in range(N_PARALLEL)]
    children = [
        forking.start(partial(forking.run_docnvil, (*arguments, out / f"{number}.csv")), log)
        for number, log in enumerate(logs)
    ]
    finished = [forking.wait(child, log) for child, log in zip(children, logs, strict=True)]
    files = snapshot(out)
    failures = sum(each.status != 0 for each in finished) + sum(
        files.get(f"{number}.csv") != files["alone.csv"] for number in range(N_PARALLEL)
    )
    if len(files) != N_PARALLEL + 1:
        return failure(f"there are other files: {sorted(files)}")
    return Outcome(
        "parallel: same", N_PARALLEL, failures, detail=" ".join(each.stderr for each in finished if each.status)
    )


def two_writers(arena: Arena, command: WritingCommand, number: int) -> Outcome:
    """Run a command with two inputs and one output at the same time, the second one a little later."""
    out = arena.inputs.parent / "out"
    expected = []
    for version in ("new", "old"):
        replace_tree(None, out)
        arena.must_run(*command.arguments(arena.inputs / version, out))
        expected.append(snapshot(out))
    replace_tree(None, out)
    logs = [arena.folder / f"writer-{version}" for version in ("new", "old")]
    children = []
    for version, log in zip(("new", "old"), logs, strict=True):
        arguments = [*command.arguments(arena.inputs / version, out), *command.replacing.split()]
        children.append(forking.start(partial(forking.run_docnvil, arguments), log))
        time.sleep(arena.random(f"two writers {command.name} {number}").random() * 0.05)
    finished = [forking.wait(child, log) for child, log in zip(children, logs, strict=True)]
    files = snapshot(out)
    for each in finished:
        is_told = each.status == 1 and "Another process is writing" in each.stderr
        if each.has_traceback or not (each.status == 0 or is_told):
            return failure(f"a writer ends with status {each.status}: {each.stderr[-1000:]}")
    winners = [one for one, each in zip(expected, finished, strict=True) if each.status == 0]
    if files not in winners:
        return failure(f"the output is not that of a writer that succeeded: {sorted(files)}")
    return Outcome("two writers: one told" if len(winners) == 1 else "two writers: one after the other")


def cycles(arena: Arena, minutes: float) -> Outcome:
    """Train, embed, evaluate and search again and again in one process; memory and file handles must not grow."""
    log = arena.folder / "cycles"
    out = arena.inputs.parent / "out"
    replace_tree(None, out)
    work = partial(run_cycles, arena.inputs / "new", out, minutes)
    finished = forking.wait(forking.start(work, log), log, timeout=60 * minutes + 300)
    if finished.status:
        return failure(f"status {finished.status}: {finished.stderr[-1500:]}")
    result = json.loads(finished.stdout.splitlines()[-1])
    failures = int(result["handles_last"] > result["handles_first"] or result["growth_bytes"] > MAX_GROWTH)
    return Outcome("cycles: flat memory and handles", result["cycles"], failures, detail=json.dumps(result))


def run_cycles(inputs: Path, out: Path, minutes: float) -> None:
    """Run cycles for a time, and print the memory and the file handles as JSON."""
    from docnvil.commands import main

    posts, model = inputs / "posts.jsonl", out / "m"
    commands: list[list[Any]] = [
        ["fit", posts, "--units", 2, "--epochs", 2, "--out", model, "--force"],
        ["embed", model, posts, "--out", out / "e.npy", "--force"],
        ["perplexity", model, posts],
        ["search", model, posts, "sail", "--index", out / "i", "--rebuild"],
    ]
    sizes: list[tuple[int, int]] = []
    until = time.monotonic() + 60 * minutes
    # One stream for all commands, and not click's `CliRunner`: click keeps what it makes for each stream.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        while time.monotonic() < until or len(sizes) < 2 * CYCLES_BEFORE:
            for arguments in commands:
                main.main([str(each) for each in arguments], standalone_mode=False)
            sizes.append((resident_bytes(), len(os.listdir("/proc/self/fd"))))
    middle = max(CYCLES_BEFORE, len(sizes) // 2)
    first, last = sizes[CYCLES_BEFORE:middle] or sizes[CYCLES_BEFORE:], sizes[middle:] or sizes[-1:]
    print(json.dumps({
        "cycles": len(sizes),
        "growth_bytes": max(size for size, _ in last) - max(size for size, _ in first),
        "resident_mebibytes": round(sizes[-1][0] / 2**20),
        "handles_first": first[0][1],
        "handles_last": last[-1][1],
    }))  # fmt: skip


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
