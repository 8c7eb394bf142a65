"""Train the models of Mnih & Gregor (2014) and evaluate them on the test data of the paper.

Data: binarized MNIST, 20 Newsgroups and RCV1, as the paper's tables. `rows.py` lists the models; each is one
`docnvil fit`, evaluated by the variational and the importance-weighted bound. RCV1 has to be brought: `--counts` is the
folder that corpora/rcv1/recipe.py writes with `--test 10000` from the token files of LYRL2004.

    python benchmarks/paper/train.py table1                       every row that has no results yet
    python benchmarks/paper/train.py table1 --rows sbn-200-nvil   one row
    python benchmarks/paper/train.py table3 --stop-after 60       one hour per row; the same command resumes
    python benchmarks/paper/train.py rcv1 --counts rcv1           the rows of RCV1

Minutes to hours per row on one core, days for all. Writes benchmarks/results/paper/TABLE/ROW.json, also for a row that
was stopped, marked as not finished. Models are written to --work and are not part of the repository. So are the results
of a trial: with other --epochs than the row's, or with --counts that are not those of RCV1.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import RESULTS, ROOT, shared_data
from paper.rows import IMAGES_HELD_OUT, SEED, TABLES, Row

from docnvil.analysis.perplexity import document_bounds
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.settings import ModelConfig
from docnvil.runtime.folders import replace_file
from docnvil.runtime.machine import machine
from docnvil.schema import from_saved
from docnvil.storage.checkpoints import checkpoint_path, read_checkpoint
from docnvil.storage.model_folder import load_model
from docnvil.text.documents import SourceOptions
from docnvil.training.records import EpochRecord, best_of

CURVE_POINTS = 200  # maximum number of points kept of a learning curve
BOUNDS = {
    "test": {"bound": "elbo", "n_samples": 10},
    "test_importance_weighted": {"bound": "importance", "n_samples": 100},
}
RCV1_DOCUMENTS = (794_414, 10_000)  # to train on, and to test


@dataclass(frozen=True)
class Progress:
    """A training so far.

    Arguments:
        model: network at the best epoch.
        history: one record per epoch.
        epoch_seconds: seconds of each epoch.
        finished: whether the training ended by itself.
        machine: the machine that trained it.
    """

    model: BeliefNetwork
    history: tuple[EpochRecord, ...]
    epoch_seconds: list[float]
    finished: bool
    machine: dict[str, Any]


@click.command()
@click.argument("table", type=click.Choice(list(TABLES)))
@click.option("--rows", help="Names of rows, separated by commas.  [default: all]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of a training.  [default: all cores]")
@click.option("--stop-after", type=float, help="Minutes after which a row is stopped, to be resumed later.")
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs, for a trial.  [default: those of the row]")
@click.option("--counts", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Counts of RCV1.")
@click.option("--work", type=click.Path(path_type=Path), default=ROOT / "paper-models", help="Folder for models.")
def main(
    table: str,
    rows: str | None,
    threads: int | None,
    stop_after: float | None,
    epochs: int | None,
    counts: Path | None,
    work: Path,
) -> None:
    """Train and evaluate the rows of TABLE; write benchmarks/results/paper/TABLE/ROW.json."""
    if (table == "rcv1") != (counts is not None):
        raise click.UsageError("The table rcv1, and no other, needs --counts, the folder of corpora/rcv1/recipe.py.")
    selected = None if rows is None else rows.split(",")
    names = [row.name for row in TABLES[table]]
    if unknown := set(selected or ()) - set(names):
        raise click.UsageError(f"{table} has no row {', '.join(sorted(unknown))}. Its rows are {', '.join(names)}.")
    torch.set_num_threads(threads or torch.get_num_threads())
    # A shell starts background processes with this signal ignored, and the trainings would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    source, test = training_source(table, counts), test_counts(table, counts)
    changed: list[str] = [] if epochs is None else ["--epochs", str(epochs)]
    if counts is not None:
        n_train = load_npz(counts / "train.npz").shape[0]
        if (n_train, test.shape[0]) != RCV1_DOCUMENTS:
            changed += ["--validation", str(n_train // 20)]
    results = work / table / "results" if changed else RESULTS / "paper" / table
    for row in TABLES[table]:
        if selected is None or row.name in selected:
            row = replace(row, options=(*row.options, *changed))
            measure(table, row, source, test, results / f"{row.name}.json", work / table, threads, stop_after)


def measure(
    table: str,
    row: Row,
    source: list[Any],
    test: csr_array,
    path: Path,
    work: Path,
    threads: int | None,
    stop_after: float | None,
) -> None:
    """Train a row, or resume its training, and write its results to `path`."""
    if path.exists() and json.loads(path.read_text())["finished"]:
        click.echo(f"{table} {row.name} is finished.", err=True)
        return
    click.echo(f"{table} {row.name}: docnvil fit {' '.join(row.options)}", err=True)
    work.mkdir(parents=True, exist_ok=True)
    model = work / row.name
    if not model.exists():
        options = [*row.options, "--seed", SEED, *(("--threads", threads) if threads else ())]
        options += ["--resume"] if checkpoint_path(model).exists() else []
        run_fit([*source, *options, "--out", model], stop_after)
    progress = read_finished(model) if model.exists() else read_interrupted(checkpoint_path(model))
    results = {**describe(row, source, progress), **evaluate(progress.model, test), "machine": progress.machine}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(results, indent=2) + "\n").encode())
    click.echo(f"{table} {row.name}{'' if progress.finished else ', stopped'}: {results['test']}", err=True)


def training_source(table: str, counts: Path | None) -> list[Any]:
    """Return the arguments of `docnvil fit` that name a table's training data."""
    if counts is not None:
        return [counts / "train.npz"]
    if table == "table3":
        return [ng20.paths()[0]]
    return [shared_data("mnist_binarized/mnist.npz"), "--array", "train", "--validation", IMAGES_HELD_OUT]


def test_counts(table: str, counts: Path | None) -> csr_array:
    """Return a table's test data, `[N, V]`."""
    if counts is not None:
        return load_document_term_matrix(counts / "test.npz").counts
    if table == "table3":
        return load_document_term_matrix(ng20.paths()[1]).counts
    return load_document_term_matrix(shared_data("mnist_binarized/mnist.npz"), SourceOptions(array="test")).counts


def run_fit(arguments: list[Any], stop_after: float | None) -> None:
    """Run `docnvil fit`, and interrupt it after this many minutes, as Ctrl-C would."""
    command = [sys.executable, "-m", "docnvil", "fit", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        status = process.wait(None if stop_after is None else 60 * stop_after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()
        return
    if status:
        raise click.ClickException(f"docnvil fit failed with exit status {status}; see above.")


def read_finished(path: Path) -> Progress:
    """Read the model folder of a finished training."""
    model = load_model(path)
    trained_on = {name: model.run.get(name) for name in ("device", "gpu", *machine())}
    return Progress(model.network, model.history, model.run["epoch_seconds"], finished=True, machine=trained_on)


def read_interrupted(path: Path) -> Progress:
    """Read the best parameters so far from the checkpoint of an interrupted training."""
    checkpoint = read_checkpoint(path)
    prefix = "best."
    best = {name.removeprefix(prefix): each for name, each in checkpoint.tensors.items() if name.startswith(prefix)}
    network = BeliefNetwork(from_saved(ModelConfig, checkpoint.model))
    network.load_state_dict(best)
    history, seconds = tuple(checkpoint.history), list(checkpoint.epoch_seconds)
    return Progress(network, history, seconds, finished=False, machine=machine())


def recorded_command(row: Row, source: list[Any]) -> str:
    """Return the command of a row, with the data without their folder."""
    data, *options = source
    return f"docnvil fit {Path(data).name} {' '.join(map(str, (*options, *row.options)))} --seed {SEED}"


def describe(row: Row, source: list[Any], progress: Progress) -> dict[str, Any]:
    """Return what was trained, for how long, and its learning curve."""
    seconds, points = 0.0, []
    for record, epoch_seconds in zip(progress.history, progress.epoch_seconds, strict=True):
        seconds += epoch_seconds
        points.append([record.epoch, record.updates, round(seconds, 1), round(record.validation_bound, 3)])
    step = max(1, -(-len(points) // CURVE_POINTS))
    last = progress.history[-1]
    return {
        "model": row.model,
        "units": row.units,
        "recipe": row.recipe,
        "trained_by": row.trained_by,
        "command": recorded_command(row, source),
        "paper": row.paper,
        "seed": SEED,
        "finished": progress.finished,
        "epochs": last.epoch,
        "updates": last.updates,
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "best_epoch": best_of(progress.history).epoch,
        "curve": {"columns": ["epoch", "updates", "seconds", "validation_bound"], "rows": points[step - 1 :: step]},
    }


def evaluate(model: BeliefNetwork, test: csr_array) -> dict[str, Any]:
    """Return a model's bounds on the test data, and the seconds it took to compute them."""
    start = time.perf_counter()
    results = {}
    for name, arguments in BOUNDS.items():
        summary = document_bounds(model, test, **arguments).summarize()
        results[name] = {
            **arguments,
            "perplexity_per_document": summary.perplexity_per_document,
            "perplexity_per_word": summary.perplexity_per_word,
            "negative_log_likelihood": -summary.log_likelihood / summary.documents,
        }
    return {**results, "test_seconds": round(time.perf_counter() - start, 1)}


if __name__ == "__main__":
    main()
