"""How the time of a step grows with words, units, samples and batch size, and of an epoch with documents.

Data: 20 Newsgroups, its columns selected or copied to vary the vocabulary, its documents repeated to vary their number.
One quantity is varied at a time around 2,000 words, 50 units, 5 samples and batches of 100; a step is one update, with
factorial and with autoregressive layers. An epoch is one `docnvil fit` on a prepared corpus on disk, with the peak
memory of its process.

    python benchmarks/speed/growth.py       4 minutes on one core; writes benchmarks/results/growth.json
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import median_seconds, run_script, save_results
from step import update_task, widen

from docnvil.corpus.loading import load_document_term_matrix
from docnvil.corpus.writing import write_corpus
from docnvil.runtime.machine import peak_mebibytes
from docnvil.runtime.process import tune_malloc
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.training.settings import TrainingConfig

COMMAND = "python benchmarks/speed/growth.py"
DEFAULTS = {"words": 2000, "units": 50, "samples": 5, "batch": 100}
VARIED = {
    "words": (500, 1000, 2000, 4000, 8000, 16_000, 32_000),
    "units": (12, 25, 50, 100, 200, 400),
    "samples": (2, 5, 10, 20, 40),
    "batch": (10, 20, 50, 100, 200, 400),
}
REPEATS = (1, 2, 4, 8, 16)  # of the documents
ROUNDS = 15
DEPENDENCES = ("factorial", "autoregressive")


def time_step(counts: csr_array, *, words: int, units: int, samples: int, batch: int) -> dict[str, float]:
    """Return the milliseconds of an update, with factorial and with autoregressive layers."""
    resized = widen(counts, words) if words > counts.shape[1] else csr_array(counts[:, :words])
    config = TrainingConfig(start="random", batch_size=batch, n_samples=samples)
    tasks = (update_task(resized, units, config, dependence) for dependence in DEPENDENCES)
    seconds = median_seconds(*tasks, rounds=ROUNDS)
    return {f"{name}_ms": round(1e3 * each, 3) for name, each in zip(DEPENDENCES, seconds, strict=True)}


def time_epoch(matrix: DocumentTermMatrix, repeats: int) -> dict[str, Any]:
    """Train for an epoch on the documents repeated; return the seconds and the peak memory of that process."""
    with tempfile.TemporaryDirectory() as name:
        corpus, model = Path(name, "corpus"), Path(name, "model")
        ids = [str(row) for row in range(repeats * matrix.counts.shape[0])]
        counts = csr_array(vstack([matrix.counts] * repeats, format="csr"))
        write_corpus(DocumentTermMatrix(counts, matrix.vocabulary, ids), corpus)
        return {"documents": len(ids), **run_script(__file__, "--corpus", corpus, "--out", model)}


def train_here(corpus: Path, out: Path) -> dict[str, float]:
    """Train for an epoch in this process, and return its seconds and the peak memory."""
    from click.testing import CliRunner

    from docnvil.commands import main as docnvil
    from docnvil.storage.model_folder import load

    options = ["--epochs", "1", "--validation", "1000", "--threads", "1", "--out", str(out)]
    CliRunner().invoke(docnvil, ["fit", str(corpus), *options], catch_exceptions=False)
    return {
        "epoch_seconds": round(load(out).run["epoch_seconds"][0], 2),
        "peak_mebibytes": round(peak_mebibytes()),
    }


@click.command()
@click.option("--corpus", type=click.Path(path_type=Path), hidden=True, help="Train on this corpus in this process.")
@click.option("--out", type=click.Path(path_type=Path), hidden=True, help="Folder of that model.")
def main(corpus: Path | None, out: Path | None) -> None:
    """Time steps and epochs of growing size; write benchmarks/results/growth.json."""
    if corpus is not None:
        click.echo(json.dumps(train_here(corpus, out)))
        return
    tune_malloc()  # as `docnvil fit` does
    torch.set_num_threads(1)
    counts, _ = ng20.load()
    steps: dict[str, list[dict[str, Any]]] = {}
    for name, values in VARIED.items():
        steps[name] = [{name: value, **time_step(counts, **{**DEFAULTS, name: value})} for value in values]
        click.echo(steps[name], err=True)
    matrix = load_document_term_matrix(ng20.paths()[0])
    epochs = []
    for repeats in REPEATS:
        epochs.append(time_epoch(matrix, repeats))
        click.echo(epochs[-1], err=True)
    save_results("growth", COMMAND, {"defaults": DEFAULTS, "threads": 1, "steps": steps, "documents": epochs})


if __name__ == "__main__":
    main()
