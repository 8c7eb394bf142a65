"""How the cost grows: with documents, words, units, samples and the size of a batch.

    python benchmarks/speed/growth.py       writes benchmarks/results/growth.json

One thing is varied at a time around 2,000 words, 50 units, 5 samples and batches of 100, factorial and autoregressive;
a step is one update. Documents are varied in whole commands, an epoch each, with the memory of their process: the posts
of 20 Newsgroups, again and again, in a prepared corpus on the disk.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array, load_npz, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from chains import in_turn
from common import keep, shared_data
from step import updating, widened

from docnvil.corpus.loading import load_document_term_matrix, write_corpus
from docnvil.runtime.machine import peak_mebibytes
from docnvil.runtime.process import tune_malloc
from docnvil.text.counts import DocumentTermMatrix
from docnvil.training.loop import TrainingConfig

COMMAND = "python benchmarks/speed/growth.py"
AROUND = {"words": 2000, "units": 50, "samples": 5, "batch": 100}
VARIED = {
    "words": (500, 1000, 2000, 4000, 8000, 16_000, 32_000),
    "units": (12, 25, 50, 100, 200, 400),
    "samples": (2, 5, 10, 20, 40),
    "batch": (10, 20, 50, 100, 200, 400),
}
REPEATED = (1, 2, 4, 8, 16)
ROUNDS = 15


def step(counts: csr_array, *, words: int, units: int, samples: int, batch: int) -> dict[str, float]:
    """Return the milliseconds of an update, factorial and autoregressive."""
    fitting = widened(counts, words) if words > counts.shape[1] else csr_array(counts[:, :words])
    config = TrainingConfig(start="random", batch_size=batch, n_samples=samples)
    kinds = ("factorial", "autoregressive")
    took = in_turn(*(updating(fitting, units, config, kind) for kind in kinds), rounds=ROUNDS)
    return {f"{kind}_ms": round(1e3 * seconds, 3) for kind, seconds in zip(kinds, took, strict=True)}


def epoch(matrix: DocumentTermMatrix, times: int) -> dict[str, Any]:
    """Train for an epoch on the documents so many times over; return seconds and the process's peak of memory."""
    with tempfile.TemporaryDirectory() as name:
        corpus, model = Path(name, "corpus"), Path(name, "model")
        rows = range(times * matrix.counts.shape[0])
        many = vstack([matrix.counts] * times, format="csr")
        write_corpus(DocumentTermMatrix(csr_array(many), matrix.vocabulary, [str(row) for row in rows]), corpus)
        told = [sys.executable, __file__, "--train", str(corpus), "--out", str(model)]
        done = subprocess.run(told, check=True, stdout=subprocess.PIPE, text=True)
    seconds, private = map(float, done.stdout.split())
    return {"documents": len(rows), "epoch_seconds": round(seconds, 2), "peak_mebibytes": round(private)}


def train_here(corpus: Path, out: Path) -> None:
    """Train for an epoch from a corpus on the disk, and print seconds and peak of memory."""
    from click.testing import CliRunner

    from docnvil.commands import main as docnvil
    from docnvil.storage.model_folder import load

    options = ["--epochs", "1", "--validation", "1000", "--threads", "1", "--out", str(out)]
    CliRunner().invoke(docnvil, ["fit", str(corpus), *options], catch_exceptions=False)
    click.echo(f"{load(out).run['epoch_seconds'][0]} {peak_mebibytes()}")


@click.command()
@click.option("--train", "corpus", type=click.Path(path_type=Path), hidden=True)
@click.option("--out", type=click.Path(path_type=Path), hidden=True)
def main(corpus: Path | None, out: Path | None) -> None:
    """Time steps and epochs as things grow."""
    if corpus is not None:
        train_here(corpus, out)
        return
    tune_malloc()  # as `docnvil fit` does
    torch.set_num_threads(1)
    counts = csr_array(load_npz(shared_data("ng20_sh2009/train.npz")))
    steps: dict[str, list[dict[str, Any]]] = {}
    for name, values in VARIED.items():
        steps[name] = [{name: value, **step(counts, **{**AROUND, name: value})} for value in values]
        click.echo(steps[name], err=True)
    matrix = load_document_term_matrix(shared_data("ng20_sh2009/train.npz"))
    epochs = []
    for times in REPEATED:
        epochs.append(epoch(matrix, times))
        click.echo(epochs[-1], err=True)
    keep("growth", COMMAND, {"around": AROUND, "threads": 1, "steps": steps, "documents": epochs})


if __name__ == "__main__":
    main()
