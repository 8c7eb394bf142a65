"""How long topic models of different packages are trained, and how well each then predicts held-out words.

    python benchmarks/speed/fit.py          writes benchmarks/results/fit.json

20 Newsgroups, 2,000 words, 50 units or topics, the split of words that comes with the corpus, each model in a process
of its own and on as many threads. Ours is trained by the default recipe, whole and for two epochs; theirs at the
settings of `docnvil compare`, gensim's `LdaMulticore` with as many workers and passes as `LdaModel` takes.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from scipy.io import loadmat
from scipy.sparse import csr_array, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import keep, shared_data

from docnvil import DocNVIL
from docnvil.analysis.completion import evaluate_predictor
from docnvil.comparison.peers import GENSIM_PASSES, PEERS, adapt
from docnvil.runtime.process import tune_malloc

COMMAND = "python benchmarks/speed/fit.py"
UNITS = 50
SEED = 0


def ours(counts: csr_array, epochs: int | None) -> Any:
    """Train by the default recipe."""
    tune_malloc()  # as `docnvil fit` does
    return adapt(DocNVIL(UNITS, epochs=epochs, device="cpu", random_state=SEED).fit(counts))


def several_workers(counts: csr_array, threads: int) -> Any:
    """Fit gensim's LDA in several processes; it learns no alpha there."""
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaMulticore

    model = LdaMulticore(
        Sparse2Corpus(counts, documents_columns=False),
        id2word={column: str(column) for column in range(counts.shape[1])},
        num_topics=UNITS,
        passes=GENSIM_PASSES,
        workers=threads,
        eval_every=None,
        random_state=SEED,
    )
    return adapt(model, seed=SEED)


WAYS: dict[str, Callable[[csr_array, int], Any]] = {
    "docnvil": lambda counts, threads: ours(counts, None),
    "docnvil, 2 epochs": lambda counts, threads: ours(counts, 2),
    "scikit-learn LDA": lambda counts, threads: PEERS["sklearn-lda"].fit(counts, UNITS, SEED, threads),
    "gensim LdaModel": lambda counts, threads: PEERS["gensim-lda"].fit(counts, UNITS, SEED, threads),
    "gensim LdaMulticore": several_workers,
    "tomotopy LDA": lambda counts, threads: PEERS["tomotopy-lda"].fit(counts, UNITS, SEED, threads),
}


def fit_here(way: str, threads: int) -> dict[str, float]:
    """Fit one model in this process; return its seconds and how well it completes documents."""
    torch.set_num_threads(threads)
    counts = csr_array(load_npz(shared_data("ng20_sh2009/train.npz")))
    WAYS[way](counts[:200], threads)  # what is imported is not timed
    started = time.perf_counter()
    model = WAYS[way](counts, threads)
    seconds = time.perf_counter() - started
    matrices = loadmat(shared_data("ng20_sh2009/20news_data.mat"))
    observed, hidden = (csr_array(matrices[name].T).astype("int32") for name in ("wordsHeldout", "wordsTest"))
    scores = evaluate_predictor(model.predict, observed, hidden, batch_size=500)
    return {"seconds": round(seconds, 2), "completion_per_word": scores.summarize().perplexity_per_word}


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Of every model.")
@click.option("--way", type=click.Choice(list(WAYS)), hidden=True)
def main(threads: int, way: str | None) -> None:
    """Time the training of topic models."""
    if way is not None:  # the process of one model
        click.echo(json.dumps(fit_here(way, threads)))
        return
    found: dict[str, dict[str, float]] = {}
    for name in WAYS:
        told = [sys.executable, __file__, "--way", name, "--threads", str(threads)]
        done = subprocess.run(told, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        found[name]["times_docnvil"] = round(found[name]["seconds"] / found["docnvil"]["seconds"], 2)
        click.echo(f"{name}: {found[name]}", err=True)
    keep("fit", COMMAND, {"units": UNITS, "seed": SEED, "threads": threads, "found": found})


if __name__ == "__main__":
    main()
