"""Invented and changed files for every reader: each gives a message or a result, within limits of time and memory.

One try is a block of inputs for one reader, in a forked child: a crash of the child counts as a failure, too. The block
and the number of an input determine its bytes.
"""

import gc
import json
import math
import os
import pickle
import random
import resource
import signal
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torture.registry import Outcome, Try

if TYPE_CHECKING:
    from torture.arena import Arena
    from torture.readers import Reader

BLOCK = 500  # inputs per try
SECONDS = 5  # of processor time per input
MEMORY = 2 << 30  # bytes of addresses beyond those of the parent
RESIDENT = 512 << 10  # KiB that the resident memory of a block may grow
N_INPUTS = 1_000_000  # at least


class TooSlowError(Exception):
    """An input takes longer than `SECONDS`."""


def tries(arena: "Arena") -> Iterator[Try]:
    """Yield the blocks of all readers; the weight of a reader says how many it gets."""
    from torture.readers import make_readers

    readers = make_readers(arena)
    total = sum(reader.weight for reader in readers)
    for share in range(100):  # all readers get their turn early
        for reader in readers:
            n_blocks = math.ceil(N_INPUTS / BLOCK * reader.weight / total)
            for number in range(n_blocks * share // 100, n_blocks * (share + 1) // 100):
                yield Try(f"{reader.name} {number}", partial(attack, arena, reader, number, BLOCK))


def quick_tries(arena: "Arena", n_inputs: int) -> Iterator[Try]:
    """Yield one block of a few inputs for each reader."""
    from torture.readers import make_readers

    for reader in make_readers(arena):
        yield Try(f"{reader.name} 0", partial(attack, arena, reader, 0, n_inputs))


def attack(arena: "Arena", reader: "Reader", number: int, n_inputs: int) -> Outcome:
    """Read the inputs of a block in a child."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        os.close(receive)
        status = 1
        try:
            result = _read_inputs(arena, reader, number, n_inputs)
            with os.fdopen(send, "wb") as pipe:
                pickle.dump(result, pipe)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        content = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        last = (arena.folder / "last-input").read_text()
        return Outcome("failed", n_inputs, 1, detail=f"status {status} in {last}")
    results, failures = pickle.loads(content)
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(results.items()))
    kinds = "read and refused" if len(results) > 1 else counted.split(" ", 1)[1]
    return Outcome(kinds if not failures else "failed", n_inputs, len(failures), detail="\n".join(failures[:5]))


def _read_inputs(arena: "Arena", reader: "Reader", number: int, n_inputs: int) -> tuple[Counter[str], list[str]]:
    warnings.simplefilter("ignore")
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (until the child ends)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    signal.signal(signal.SIGVTALRM, _stop)
    gc.freeze()
    results: Counter[str] = Counter()
    failures = []
    last = (arena.folder / "last-input").open("w")
    for index in range(n_inputs):
        seed = f"{arena.seed} {reader.name} {number} {index}"
        last.seek(0)
        last.write(f"{seed:<80}")
        last.flush()
        content = reader.invent(random.Random(seed))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kind, detail = _read(reader, content)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        if grown > RESIDENT:
            kind, detail = "too large", f"{grown >> 10} MiB for {len(content):,} bytes"
        results[kind] += 1
        if kind not in ("read", "refused"):
            failures.append(f"{seed}: {kind}: {detail}")
    return results, failures


def _read(reader: "Reader", content: bytes) -> tuple[str, str]:
    from docnvil.errors import DocnvilError

    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        reader.read(content)
        return "read", ""
    except DocnvilError:  # also `OutOfMemoryError`: pyarrow allocates what a file declares
        return "refused", ""
    except TooSlowError:
        return "too slow", f"more than {SECONDS} s for {len(content):,} bytes"
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {str(error)[:200]} in {last.name}, {Path(last.filename).name}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _stop(*_: object) -> None:
    raise TooSlowError


def main() -> None:
    """Show one input again: `PYTHONPATH=tests python -m torture.fuzz "0 csv 3 17"`, with the text of the failure."""
    import tempfile

    from torture.arena import Arena
    from torture.readers import make_readers

    seed = sys.argv[1]
    name = " ".join(seed.split()[1:-2])
    with tempfile.TemporaryDirectory() as folder:
        arena = Arena(Path(folder), int(seed.split()[0]))
        reader = next(each for each in make_readers(arena) if each.name == name)
        content = reader.invent(random.Random(seed))
        print(json.dumps(content[:2000].decode("latin-1")))
        reader.read(content)


if __name__ == "__main__":
    main()
