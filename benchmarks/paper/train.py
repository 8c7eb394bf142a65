"""Train the rows of the paper's tables, one by one, and keep what each came to.

    python benchmarks/paper/train.py table1                       every row that is not there yet
    python benchmarks/paper/train.py table1 --rows sbn-200-nvil   one of them
    python benchmarks/paper/train.py table3 --stop-after 60       each row for an hour; the same command goes on

Every row is one `docnvil fit`. A row that is interrupted goes on where it was left, a row that is done is not trained
again. Figures lie in benchmarks/results/paper/TABLE/ROW.json, those of a row put aside too, marked as not finished.
Models lie in --work and are not kept in the tree.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from safetensors import safe_open
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import RESULTS, ROOT, shared_data
from paper.rows import IMAGES_HELD_OUT, SEED, TABLES, Row

from docnvil.analysis.perplexity import perplexity
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.model.belief_network import BeliefNetwork, ModelConfig
from docnvil.runtime.folders import replace_file
from docnvil.runtime.machine import machine
from docnvil.storage.model_folder import load, unfinished_path
from docnvil.storage.tables import read_history
from docnvil.text.documents import SourceOptions
from docnvil.training.loop import EpochRecord, best_of

POINTS = 200  # of a learning curve, how many are kept at most


@dataclass(frozen=True)
class Reached:
    """How far a row has come: its network at the best epoch, a record an epoch, seconds an epoch."""

    model: BeliefNetwork
    history: tuple[EpochRecord, ...]
    epoch_seconds: list[float]
    finished: bool


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
    torch.set_num_threads(threads or torch.get_num_threads())
    # A shell starts what it puts in the background with this signal ignored, which trainings would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    if not model.exists():
        options = [*row.options, "--seed", SEED, *(("--threads", threads) if threads else ())]
        options += ["--resume"] if unfinished_path(model).exists() else []
        _fit([*_training_source(table), *options, "--out", model], stop_after)
    reached = _finished(model) if model.exists() else _put_aside(unfinished_path(model))
    figures = {**_trained(row, reached), **_judged(table, reached.model), "machine": machine()}
    replace_file(result, (json.dumps(figures, indent=2) + "\n").encode())
    click.echo(f"{table} {row.name}{'' if reached.finished else ', put aside'}: {figures['test']}", err=True)


def _training_source(table: str) -> list[Any]:
    if table == "table3":
        return [shared_data("ng20_sh2009/train.npz")]
    return [shared_data("mnist_binarized/mnist.npz"), "--array", "train", "--validation", IMAGES_HELD_OUT]


def _test(table: str) -> csr_array:
    if table == "table3":
        return load_document_term_matrix(shared_data("ng20_sh2009/test.npz")).counts
    return load_document_term_matrix(shared_data("mnist_binarized/mnist.npz"), SourceOptions(array="test")).counts


def _fit(arguments: list[Any], stop_after: float | None) -> None:
    """Run `docnvil fit`; after so many minutes interrupt it, as Ctrl-C would."""
    process = subprocess.Popen(
        [sys.executable, "-m", "docnvil", "fit", *map(str, arguments)], stdout=subprocess.DEVNULL
    )
    try:
        code = process.wait(None if stop_after is None else 60 * stop_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
        return
    if code:
        raise click.ClickException(f"docnvil fit ended with {code}.")


def _finished(path: Path) -> Reached:
    found = load(path)
    return Reached(found.model, found.history, found.run["epoch_seconds"], finished=True)


def _put_aside(path: Path) -> Reached:
    """Read the best parameters so far out of an unfinished training."""
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        names = [name for name in file.keys() if name.startswith("best.")]  # noqa: SIM118 (not a mapping)
        best = {name.removeprefix("best."): file.get_tensor(name) for name in names}
    model = BeliefNetwork(ModelConfig.from_json(json.loads(about["model"])))
    model.load_state_dict(best)
    return Reached(model, tuple(read_history(about["history"])), json.loads(about["epoch_seconds"]), finished=False)


def _trained(row: Row, reached: Reached) -> dict[str, Any]:
    seconds, curve = 0.0, []
    for record, took in zip(reached.history, reached.epoch_seconds, strict=True):
        seconds += took
        curve.append([record.epoch, record.updates, round(seconds, 1), round(record.validation_bound, 3)])
    every = max(1, -(-len(curve) // POINTS))
    last = reached.history[-1]
    return {
        "model": row.model,
        "units": row.units,
        "recipe": row.recipe,
        "trained_by": row.trained_by,
        "command": f"docnvil fit {' '.join(row.options)} --seed {SEED}",
        "paper": row.paper,
        "seed": SEED,
        "finished": reached.finished,
        "epochs": last.epoch,
        "updates": last.updates,
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "best_epoch": best_of(reached.history).epoch,
        "curve": {"columns": ["epoch", "updates", "seconds", "validation_bound"], "rows": curve[every - 1 :: every]},
    }


def _judged(table: str, model: BeliefNetwork) -> dict[str, Any]:
    test = _test(table)
    started = time.perf_counter()
    figures = {}
    for name, settings in {
        "test": {"bound": "elbo", "n_samples": 10},
        "test_importance_weighted": {"bound": "importance", "n_samples": 100},
    }.items():
        found = perplexity(model, test, **settings)
        figures[name] = {
            **settings,
            "perplexity_per_document": found.perplexity_per_document,
            "perplexity_per_word": found.perplexity_per_word,
            "negative_log_likelihood": -found.log_likelihood / found.documents,
        }
    return {**figures, "test_seconds": round(time.perf_counter() - started, 1)}


if __name__ == "__main__":
    main()
