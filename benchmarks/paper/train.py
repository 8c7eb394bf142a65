"""Train the rows of the paper's tables, one by one, and keep what each came to.

    python benchmarks/paper/train.py table1                     every row that is not there yet
    python benchmarks/paper/train.py table1 --rows sbn-200-nvil one of them
    python benchmarks/paper/train.py table3 --stop-after 60     a part of a long row; the same command goes on

Every row is one `docnvil fit`. A row that is interrupted goes on where it was left, a row that is done is not trained
again; its figures lie in benchmarks/results/paper/TABLE/ROW.json. Models lie in --work and are not kept in the tree.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import RESULTS, ROOT, docnvil, shared_data
from paper.rows import IMAGES_HELD_OUT, SEED, TABLES, Row

from docnvil.checkpoint import load, unfinished_path
from docnvil.folders import replace_file
from docnvil.machine import machine

POINTS = 200  # of a learning curve, how many are kept at most


@click.command()
@click.argument("table", type=click.Choice(list(TABLES)))
@click.option("--rows", help="Names of rows with commas between.  [default: all]")
@click.option("--threads", type=click.IntRange(min=1), help="Processor threads.  [default: all cores]")
@click.option("--stop-after", type=float, help="Minutes after which a row is put aside, to go on from another time.")
@click.option("--work", type=click.Path(path_type=Path), default=ROOT / "paper-models", help="Where models go.")
def main(table: str, rows: str | None, threads: int | None, stop_after: float | None, work: Path) -> None:
    """Train rows of TABLE."""
    wanted = None if rows is None else rows.split(",")
    known = [row.name for row in TABLES[table]]
    if unknown := set(wanted or ()) - set(known):
        raise click.UsageError(f"{table} has no row {', '.join(sorted(unknown))}. It has {', '.join(known)}.")
    for row in TABLES[table]:
        if wanted is None or row.name in wanted:
            measure(table, row, work / table, threads, stop_after)


def measure(table: str, row: Row, work: Path, threads: int | None, stop_after: float | None) -> None:
    """Train a row, or go on with it, and write down its figures."""
    result = RESULTS / "paper" / table / f"{row.name}.json"
    if result.exists() and json.loads(result.read_text())["finished"]:
        click.echo(f"{table} {row.name} is done.", err=True)
        return
    click.echo(f"{table} {row.name}: docnvil fit {' '.join(row.options)}", err=True)
    work.mkdir(parents=True, exist_ok=True)
    model = work / row.name
    train, test = _data(table)
    if not model.exists():
        options = [*row.options, "--seed", SEED, *(("--threads", threads) if threads else ())]
        options += ["--resume"] if unfinished_path(model).exists() else []
        if not _fit([*train, *options, "--out", model], stop_after):
            click.echo(f"{table} {row.name} is put aside.", err=True)
            return
    figures = {**_trained(row, model), **_judged(table, model, test), "finished": True, "machine": machine()}
    replace_file(result, (json.dumps(figures, indent=2) + "\n").encode())
    click.echo(f"{table} {row.name}: {figures['test']}", err=True)


def _data(table: str) -> tuple[list[Any], list[Any]]:
    """Return what to learn from and what to judge by, as arguments of commands."""
    if table == "table3":
        return [shared_data("ng20_sh2009/train.npz")], [shared_data("ng20_sh2009/test.npz")]
    images = shared_data("mnist_binarized/mnist.npz")
    return [images, "--array", "train", "--validation", IMAGES_HELD_OUT], [images, "--array", "test"]


def _fit(arguments: list[Any], stop_after: float | None) -> bool:
    """Run `docnvil fit`; after so many minutes interrupt it, as Ctrl-C would, and say that it is not done."""
    process = subprocess.Popen(
        [sys.executable, "-m", "docnvil", "fit", *map(str, arguments)], stdout=subprocess.DEVNULL
    )
    try:
        code = process.wait(None if stop_after is None else 60 * stop_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
        return False
    if code:
        raise click.ClickException(f"docnvil fit ended with {code}.")
    return True


def _trained(row: Row, model: Path) -> dict[str, Any]:
    found = load(model)
    seconds, curve = 0.0, []
    for record, took in zip(found.history, found.run["epoch_seconds"], strict=True):
        seconds += took
        curve.append([record.epoch, record.updates, round(seconds, 1), round(record.validation_bound, 3)])
    every = max(1, -(-len(curve) // POINTS))
    last = found.history[-1]
    return {
        "model": row.model,
        "units": row.units,
        "recipe": row.recipe,
        "trained_by": row.trained_by,
        "command": f"docnvil fit {' '.join(row.options)} --seed {SEED}",
        "paper": row.paper,
        "seed": SEED,
        "epochs": last.epoch,
        "updates": last.updates,
        "seconds": round(seconds, 1),
        "threads": found.run["threads"],
        "best_epoch": max((record for record in found.history if record.best), key=lambda record: record.epoch).epoch,
        "curve": {"columns": ["epoch", "updates", "seconds", "validation_bound"], "rows": curve[every - 1 :: every]},
    }


def _judged(table: str, model: Path, test: list[Any]) -> dict[str, Any]:
    started = time.perf_counter()
    bound = docnvil("perplexity", model, *test, "--json").json
    tighter = docnvil("perplexity", model, *test, "--bound", "importance", "--samples", 100, "--json").json
    names = ("perplexity_per_document", "perplexity_per_word") if table == "table3" else ("negative_log_likelihood",)
    return {
        "test": {name: bound[name] for name in names},
        "test_importance_weighted_100": {name: tighter[name] for name in names},
        "test_seconds": round(time.perf_counter() - started, 1),
    }


if __name__ == "__main__":
    main()
