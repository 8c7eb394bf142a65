"""Run attacks: `PYTHONPATH=tests python -m torture [--attack NAME] [--tries N] [--seed N]`."""

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import click

from torture.registry import ATTACKS, BY_NAME, Attack, Try, failure

ROOT = Path(__file__).parents[2]


@click.command()
@click.option("--attack", "names", multiple=True, type=click.Choice(list(BY_NAME)), help="Attack; default all.")
@click.option("--tries", "n_tries", type=int, help="Number of tries of each attack, chosen by the seed; default all.")
@click.option("--quick", is_flag=True, help="The few tries of `make test`.")
@click.option("--minutes", type=float, help="Stop after this time; the same command then continues.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random choices.")
@click.option("--ledger", type=click.Path(path_type=Path), default=ROOT / "torture", help="Folder of finished tries.")
@click.option("--write", is_flag=True, help="Write benchmarks/results/reliability.json from all finished tries.")
def main(
    names: tuple[str, ...],
    n_tries: int | None,
    quick: bool,
    minutes: float | None,
    seed: int,
    ledger: Path,
    write: bool,
) -> None:
    """Attack docnvil, and print one JSON object with the number of tries, failures and bytes lost of each attack."""
    from torture.arena import Arena
    from torture.injection import delete_library, with_library

    with_library()
    until = time.monotonic() + 60 * minutes if minutes else float("inf")
    with tempfile.TemporaryDirectory(prefix="torture-", dir=folder_in_memory()) as scratch:
        arena = Arena(Path(scratch).resolve(), seed)
        sources = []
        for attack in [BY_NAME[name] for name in names] or ATTACKS:
            sources.append(Source(attack, arena, ledger, attack.n_quick if quick else n_tries))
        run_in_turn(sources, until)
    delete_library()
    summaries = {source.name: source.summary() for source in sources}
    click.echo(json.dumps(summaries, indent=2))
    if write:
        from torture.results import write_results

        write_results(ledger, seed)
    sys.exit(1 if any(summary["failures"] for summary in summaries.values()) else 0)


def folder_in_memory() -> str | None:
    """Return a folder in memory if there is one; on a disk, tries take four times as long."""
    shared = Path("/dev/shm")
    has_space = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 1 << 30
    return str(shared) if has_space and "TMPDIR" not in os.environ else None


class Source:
    """The tries of one attack that have not been made, and the time that they have taken.

    Arguments:
        attack: the attack.
        arena: where it is made.
        folder: of the ledgers.
        n_tries: the wanted number of tries; None for all.
    """

    def __init__(self, attack: Attack, arena: "Arena", folder: Path, n_tries: int | None) -> None:  # noqa: F821
        from torture.ledger import Ledger

        self.name, self.seconds = attack.name, 0.0
        self._arena, self._n_tries = arena, n_tries
        self._ledger, self._keys = Ledger(folder, attack.name, arena.seed), set()
        self._tries = self._prepared(attack.tries(arena))
        self._n_errors = 0

    def run_next(self) -> bool:
        """Make the next try that has not been made, print its failure, and return whether there was one."""
        start = time.perf_counter()
        self._arena.n_tries = self._n_tries
        for each in self._tries:
            if len(self._keys) == self._n_tries:
                return False
            self._keys.add(each.key)
            if self._ledger.survived(each.key):
                continue
            begin = time.perf_counter()
            try:
                outcome = each.run()
            except Exception:
                outcome = failure(traceback.format_exc())
            end = time.perf_counter()
            self._ledger.add(each.key, outcome, end - begin)
            self.seconds += end - start
            if outcome.failures:
                click.echo(f"{self.name}: {each.key}: {outcome.detail}", err=True)
            return True
        return False

    def _prepared(self, tries: Iterator[Try]) -> Iterator[Try]:
        """Yield the tries until one cannot be prepared."""
        try:
            yield from tries
        except Exception:
            self._n_errors += 1
            click.echo(f"{self.name}: {traceback.format_exc()}", err=True)

    def summary(self) -> dict:
        """Return the totals of the tries of this run, and of those that were made before."""
        summary = self._ledger.summary(self._keys)
        summary["failures"] += self._n_errors
        click.echo(f"{self.name}: {summary['tries']:,} tries, {summary['failures']:,} failed", err=True)
        return summary


def run_in_turn(sources: list[Source], until: float) -> None:
    """Make tries, always of the attack that has taken the least time, until there are no more or it is late."""
    waiting = list(sources)
    while waiting and time.monotonic() < until:
        source = min(waiting, key=lambda source: source.seconds)
        if not source.run_next():
            waiting.remove(source)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # faster for small tensors, and forked children need it
    main()
