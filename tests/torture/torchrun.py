"""Trainings with several processes: one of them is killed, or torchrun gets a signal.

If a process is killed, torchrun starts all of them again, and the model must be the same. If torchrun gets a signal, a
checkpoint remains or nothing, and the same command, with --resume if there is a checkpoint, must write the same model.
The processes of a new torchrun take seconds to start; most tries have forked processes in its place.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from torture import forking
from torture.arena import Arena, replace_tree, snapshot
from torture.cases import is_hidden
from torture.forking import Finished
from torture.registry import Outcome, Try, failure

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
N_RANK_KILLS = 3
N_OF_TORCHRUN = 4  # of each signal
N_OF_FORKED = 20  # of each signal
N_RANKS = 2
NOTHING_TO_RESUME = "so there is nothing to resume"


def tries(arena: Arena) -> Iterator[Try]:
    """Yield signals to torchrun and kills of its processes, unless tries must be quick, and signals to forked ones."""
    references: dict[str, dict[str, str]] = {}
    kinds = [("torchrun", run_torchrun, N_OF_TORCHRUN)] if arena.n_tries is None else []
    for kind, run, n_of_each in (*kinds, ("forked ranks", run_forked, N_OF_FORKED)):
        for number in range(n_of_each):
            for name in SIGNALS:
                yield Try(f"{kind}, {name} {number}", partial(interrupt, arena, name, number, references, run))
    for number in range(N_RANK_KILLS if kinds else 0):
        yield Try(f"rank of torchrun {number}", partial(kill_rank, arena, number, references))


def interrupt(
    arena: Arena, name: str, number: int, references: dict[str, dict[str, str]], run: Callable[..., Finished]
) -> Outcome:
    """Send a signal to a training at a random time, check what it leaves, and run it again."""
    kind = {run_forked: "forked ranks", run_torchrun: "torchrun"}[run]
    reference = reference_of(arena, references, kind, run)
    out = prepare(arena)
    generator = arena.random(f"{kind} {name} {number}")
    finished = run(arena, out, partial(send_after_checkpoint, SIGNALS[name], generator, out))
    if any('File "' in line and "/docnvil/" in line for line in finished.stderr.splitlines()):  # not that of torchrun
        return failure(f"it prints a traceback (status {finished.status}): {finished.stderr[-1500:]}")
    if finished.status == forking.HANGS:
        return failure("processes are left")
    files = {file: digest for file, digest in snapshot(out).items() if not is_hidden(file.split("/")[0])}
    checkpoint = files.pop("m.unfinished", None)
    if files not in ({}, reference):
        different = sorted(file for file in {*files, *reference} if files.get(file) != reference.get(file))
        return failure(f"the model is neither complete nor absent (status {finished.status}): {different}")
    resume = ["--resume"] if checkpoint else []
    again = run(arena, out, None, *resume)
    if again.status and NOTHING_TO_RESUME not in again.stderr and not (files and "already exists" in again.stderr):
        return failure(f"the second run fails (status {again.status}): {again.stderr[:2500]}")
    now = snapshot(out)
    if files:  # only --force makes it again
        now = {file: digest for file, digest in now.items() if file in reference}
    if now != reference:
        different = sorted(file for file in {*now, *reference} if now.get(file) != reference.get(file))
        return failure(f"the second run differs in {different[:3]}")
    left = "new" if files else "checkpoint, continued" if checkpoint else "nothing, repeated"
    return Outcome(f"{kind}, {name}: {left}")


def kill_rank(arena: Arena, number: int, references: dict[str, dict[str, str]]) -> Outcome:
    """Kill one process of torchrun after the first checkpoint, and compare with an undisturbed training."""
    reference = reference_of(arena, references, "torchrun", run_torchrun)
    out, generator = prepare(arena), arena.random(f"rank {number}")
    finished = run_torchrun(arena, out, partial(kill_after_checkpoint, generator, out))
    files = snapshot(out)
    if finished.status or files != reference:
        return failure(f"status {finished.status}, other files: {sorted(files)}\n{finished.stderr[-1500:]}")
    return Outcome("rank killed, restarted")


def reference_of(
    arena: Arena, references: dict[str, dict[str, str]], kind: str, run: Callable[..., Finished]
) -> dict[str, str]:
    """Return the files of an undisturbed training, which is made once."""
    if kind not in references:
        out = prepare(arena)
        finished = run(arena, out, None)
        if finished.status:
            raise RuntimeError(finished.stderr[-2000:])
        references[kind] = snapshot(out)
        if hidden := [file for file in references[kind] if is_hidden(file)]:
            raise RuntimeError(f"an undisturbed training leaves {hidden}")
    return references[kind]


def prepare(arena: Arena) -> Path:
    """Return the folder of the output, which is empty."""
    out = arena.inputs.parent / "ranks"
    replace_tree(None, out)
    return out


def send_after_checkpoint(number: int, generator: random.Random, out: Path, *processes: int) -> None:
    """Send a signal to processes soon after the first checkpoint, or before in a third of the tries."""
    early = generator.random() < 1 / 3
    wait_for_checkpoint(out, processes[0], generator.uniform(0, 3) if early else 60)
    time.sleep(0 if early else generator.random() * generator.choice((0.1, 1)))
    for process in processes:
        os.kill(process, number)


def kill_after_checkpoint(generator: random.Random, out: Path, process: int) -> None:
    """Kill a child of a process soon after the first checkpoint."""
    wait_for_checkpoint(out, process, 60)
    time.sleep(generator.random())
    children = children_of(process)
    if children:
        os.kill(generator.choice(children), signal.SIGKILL)


def wait_for_checkpoint(out: Path, process: int, seconds: float) -> None:
    """Wait until there is a checkpoint, the process ends, or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (out / "m.unfinished").exists() and is_alive(process):
        time.sleep(0.005)


def arguments_of(arena: Arena, out: Path) -> list[str]:
    """Return the arguments of the training."""
    return ["fit", str(arena.inputs / "new" / "posts.jsonl"), "--units", "2", "--out", str(out / "m")]


def run_torchrun(arena: Arena, out: Path, disturb: Callable[..., None] | None, *more: str) -> Finished:
    """Train with torchrun, which may be disturbed, and wait until its processes have ended, too."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={N_RANKS}", "--max-restarts=3"]
    command += [f"--master-port={free_port()}", "-m", "docnvil", *arguments_of(arena, out), "--epochs", "300", *more]
    mark = f"TORTURE_RUN={time.monotonic_ns()}"
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "LD_PRELOAD": ""}
    environment |= dict([mark.split("=")])
    with (arena.folder / "torchrun").open("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        if disturb is not None:
            disturb(process.pid)
        status = process.wait(timeout=600)
        deadline = time.monotonic() + 300
        while (are_left := has_processes(mark)) and time.monotonic() < deadline:  # of a killed torchrun
            time.sleep(0.05)
        log.seek(0)
        return Finished(forking.HANGS if are_left else status, "", log.read())


def has_processes(mark: str) -> bool:
    """Return whether a process has this in its environment."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or belongs to another user
            if mark.encode() in path.read_bytes():
                return True
    return False


def run_forked(arena: Arena, out: Path, disturb: Callable[..., None] | None, *more: str) -> Finished:
    """Train with forked processes; a signal goes to both, as from torchrun or from the keyboard."""
    port = str(free_port())
    ranks = []
    for rank in range(N_RANKS):
        environment = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(N_RANKS)}
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo"}
        work = partial(forking.run_docnvil, [*arguments_of(arena, out), "--epochs", "40", *more])
        log = arena.folder / f"rank-{rank}"
        ranks.append((forking.start(work, log, environment=environment), log))
    if disturb is not None:
        disturb(*(child for child, _ in ranks))
    finished = [forking.wait(child, log) for child, log in ranks]
    statuses = [each.status for each in finished if each.status]
    return Finished(statuses[0] if statuses else 0, "", "".join(each.stderr for each in finished))


def children_of(process: int) -> list[int]:
    """Return the children of a process."""
    try:
        return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))
    except OSError:
        return []


def is_alive(process: int) -> bool:
    """Return whether a process runs, and is not a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
