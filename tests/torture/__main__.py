"""Run attacks: `PYTHONPATH=tests python -m torture [--attack NAME] [--tries N] [--seed N]`."""

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import click

from torture.registry import ATTACKS, BY_NAME, Attack, failure

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
    summaries, n_failures = {}, 0
    with tempfile.TemporaryDirectory(prefix="torture-", dir=folder_in_memory()) as scratch:
        arena = Arena(Path(scratch).resolve(), seed)
        for attack in [BY_NAME[name] for name in names] or ATTACKS:
            arena.n_tries = attack.n_quick if quick else n_tries
            summaries[attack.name] = run_attack(attack, arena, ledger, until)
            n_failures += summaries[attack.name]["failures"]
    delete_library()
    click.echo(json.dumps(summaries, indent=2))
    if write:
        from torture.results import write_results

        write_results(ledger, seed)
    sys.exit(1 if n_failures else 0)


def folder_in_memory() -> str | None:
    """Return a folder in memory if there is one; on a disk, tries take four times as long."""
    shared = Path("/dev/shm")
    has_space = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 1 << 30
    return str(shared) if has_space and "TMPDIR" not in os.environ else None


def run_attack(attack: Attack, arena: "Arena", folder: Path, until: float) -> dict:  # noqa: F821
    """Make the tries that have not been made, print failures, and return the summary of all tries of this run."""
    from torture.ledger import Ledger

    ledger, keys = Ledger(folder, attack.name, arena.seed), set()
    for number, each in enumerate(attack.tries(arena)):
        if time.monotonic() > until or number == arena.n_tries:
            break
        keys.add(each.key)
        if ledger.survived(each.key):
            continue
        start = time.perf_counter()
        try:
            outcome = each.run()
        except Exception:
            outcome = failure(traceback.format_exc())
        ledger.add(each.key, outcome, time.perf_counter() - start)
        if outcome.failures:
            click.echo(f"{attack.name}: {each.key}: {outcome.detail}", err=True)
    summary = ledger.summary(keys)
    click.echo(f"{attack.name}: {summary['tries']:,} tries, {summary['failures']:,} failed", err=True)
    return summary


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # faster for small tensors, and forked children need it
    main()
