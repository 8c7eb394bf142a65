"""SIGKILL, SIGTERM and SIGINT at random times, and kills of workers.

The same command, run again or with --resume, must then write what an undisturbed run writes.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from torture.arena import Arena, snapshot
from torture.cases import SIGKILL, STATES, Case, case_of
from torture.forking import Finished
from torture.registry import Outcome, Try, failure, in_turn
from torture.writing import WRITING, WritingCommand

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
STATUSES = {"SIGKILL": (SIGKILL,), "SIGTERM": (143, -15), "SIGINT": (130, 1, -2)}
N_OF_EACH = {"fit, 6 epochs": 200, "corpus build of shards": 200, "sweep": 10, "compare": 10}
N_OTHERS = 50
N_WORKER_KILLS = 200
N_PROCESSES = 3  # of each signal, in new processes instead of forked ones

SHARDS = WritingCommand(
    "corpus build of shards",
    "corpus build {in}/texts {in}/posts.jsonl {in}/more.jsonl --workers 2 --out {out}/c",
    (("c",),),
    kept="c.building",
)
FIT = WritingCommand(
    "fit, 6 epochs",
    "fit {in}/posts.jsonl --units 2 --epochs 6 --out {out}/m",
    (("m",),),
    unfinished="m.unfinished",
)
OTHERS = tuple(each for each in WRITING if each.name not in ("fit", "corpus build"))


def tries(arena: Arena) -> Iterator[Try]:
    """Yield the tries of all commands, one of each command after the other, so that few tries have all of them."""
    commands = (FIT, SHARDS, *(each for each in OTHERS if arena.n_tries is None or each.max_tries is None))
    makers = [*(partial(of_command, arena, command) for command in commands), partial(of_workers, arena)]
    if arena.n_tries is None:  # it takes minutes
        makers += [partial(of_processes, arena)]
    yield from in_turn(*makers)


def of_command(arena: Arena, command: WritingCommand) -> Iterator[Try]:
    """Yield signals at random times of a command."""
    case = case_of(arena, command)
    for number in range(N_OF_EACH.get(command.name, N_OTHERS)):
        for name in SIGNALS:
            state = STATES[arena.random(f"{command.name} {name} {number}").randrange(2)]
            yield Try(f"{command.name}, {state}, {name} {number}", partial(signal_once, case, state, name, number))


def signal_once(case: Case, state: str, name: str, number: int) -> Outcome:
    """Send a signal to a forked command and judge what it leaves.

    The time is drawn between 0 and 1.2 times the duration of an undisturbed run, which is measured here.
    """
    case.prepare(state)
    moment = case.arena.random(f"moment {case.command.name} {name} {number}").random() * 1.2 * duration(case, state)
    child = case.arena.start(*case.arguments("new", state))
    time.sleep(moment)
    os.kill(child, SIGNALS[name])
    finished = case.arena.wait(child)
    return case.judge(state, finished, cause=name, statuses=STATUSES[name])


def duration(case: Case, state: str) -> float:
    """Return the wall time of the last undisturbed run, measured every 20 calls, since other work changes it."""
    if case.uses % 20 == 0:
        start = time.perf_counter()
        case.arena.run(*case.arguments("new", state))
        case.seconds = time.perf_counter() - start
        case.prepare(state)
    case.uses += 1
    return case.seconds


def of_workers(arena: Arena) -> Iterator[Try]:
    """Yield kills of a worker process, after which the build itself must go on."""
    case = case_of(arena, SHARDS)
    for number in range(N_WORKER_KILLS):
        yield Try(f"worker of {SHARDS.name} {number}", partial(kill_worker, case, number))


def kill_worker(case: Case, number: int) -> Outcome:
    """Kill one worker of a build at a random time."""
    generator = case.arena.random(f"worker {number}")
    case.prepare("absent")
    moment = generator.random() * duration(case, "absent")
    build = case.arena.start(*case.arguments("new"))
    time.sleep(moment)
    was_killed = kill_a_child(build, generator)
    finished = case.arena.wait(build)
    if finished.status or snapshot(case.out) != case.new:
        return failure(f"the build fails after a kill of a worker (status {finished.status}): {finished.stderr}")
    return Outcome("worker killed" if was_killed else "no worker left", tries=int(was_killed))


def kill_a_child(process: int, generator: random.Random) -> bool:
    """Kill a child of a process, and return whether it had one."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        os.kill(int(generator.choice(children)), signal.SIGKILL)
    except (OSError, IndexError):
        return False
    return True


def of_processes(arena: Arena) -> Iterator[Try]:
    """Yield signals to a new process in place of a forked one."""
    case = case_of(arena, FIT)
    for number in range(N_PROCESSES):
        for name in SIGNALS:
            yield Try(f"new process of fit, {name} {number}", partial(signal_process, case, name, number))


def signal_process(case: Case, name: str, number: int) -> Outcome:
    """Send a signal to a new process after its first checkpoint, or at a random time before."""
    case.prepare("absent")
    process = subprocess.Popen(
        [sys.executable, "-m", "docnvil", *case.arguments("new")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + case.arena.random(f"process {name} {number}").uniform(0.5, 8)
    unfinished = case.out / case.command.unfinished
    while time.monotonic() < deadline and not unfinished.exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(SIGNALS[name])
    stdout, stderr = process.communicate(timeout=120)
    finished = Finished(process.returncode, stdout, stderr)
    statuses = (*STATUSES[name], 1) if "KeyboardInterrupt" in stderr else STATUSES[name]
    if "KeyboardInterrupt" in stderr:  # while Python imports the first modules
        finished = finished._replace(stderr="Interrupted.")
    return case.judge("absent", finished, cause=f"new process, {name}", statuses=statuses)
