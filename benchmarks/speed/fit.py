"""Training time of topic models from several packages, and how well each predicts held-out words.

Data: 20 Newsgroups, 2,000 words, with the completion split of the corpus; 50 units or topics. Each model is trained in
its own process with the same number of threads. docnvil is trained by the default recipe, fully and for two epochs; the
others with the settings of `docnvil compare`; gensim's `LdaMulticore` with as many workers as threads, and as many
passes as `LdaModel`.

    python benchmarks/speed/fit.py          4 minutes on two cores; writes benchmarks/results/fit.json
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import run_script, save_results

from docnvil import DocNVIL
from docnvil.analysis.completion import evaluate_predictor
from docnvil.comparison.adapters import adapt_topic_model
from docnvil.comparison.peers import GENSIM_PASSES, PEERS
from docnvil.runtime.process import tune_malloc

COMMAND = "python benchmarks/speed/fit.py"
UNITS = 50
SEED = 0


def fit_docnvil(counts: csr_array, epochs: int | None) -> Any:
    """Train by the default recipe."""
    tune_malloc()  # as `docnvil fit` does
    return adapt_topic_model(DocNVIL(UNITS, epochs=epochs, device="cpu", random_state=SEED).fit(counts))


def fit_gensim_multicore(counts: csr_array, threads: int) -> Any:
    """Fit gensim's LDA in several processes, where it cannot learn alpha."""
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
    return adapt_topic_model(model, seed=SEED)


MODELS: dict[str, Callable[[csr_array, int], Any]] = {
    "docnvil": lambda counts, threads: fit_docnvil(counts, None),
    "docnvil, 2 epochs": lambda counts, threads: fit_docnvil(counts, 2),
    "scikit-learn LDA": lambda counts, threads: PEERS["sklearn-lda"].fit(counts, UNITS, SEED, threads),
    "gensim LdaModel": lambda counts, threads: PEERS["gensim-lda"].fit(counts, UNITS, SEED, threads),
    "gensim LdaMulticore": fit_gensim_multicore,
    "tomotopy LDA": lambda counts, threads: PEERS["tomotopy-lda"].fit(counts, UNITS, SEED, threads),
}


def fit_here(name: str, threads: int) -> dict[str, float]:
    """Fit one model in this process; return its seconds and its completion perplexity."""
    torch.set_num_threads(threads)
    counts, _ = ng20.load()
    MODELS[name](counts[:200], threads)  # imports are not timed
    start = time.perf_counter()
    model = MODELS[name](counts, threads)
    seconds = time.perf_counter() - start
    completion = evaluate_predictor(model.predict, *ng20.load_completion(), batch_size=500)
    return {"seconds": round(seconds, 2), "completion_per_word": completion.summarize().perplexity_per_word}


@click.command()
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Threads of every model.")
@click.option("--model", type=click.Choice(list(MODELS)), hidden=True, help="Fit this model in this process.")
def main(threads: int, model: str | None) -> None:
    """Time the training of topic models; write benchmarks/results/fit.json."""
    if model is not None:
        click.echo(json.dumps(fit_here(model, threads)))
        return
    models: dict[str, dict[str, float]] = {}
    for name in MODELS:
        models[name] = run_script(__file__, "--model", name, "--threads", threads)
        models[name]["times_docnvil"] = round(models[name]["seconds"] / models["docnvil"]["seconds"], 2)
        click.echo(f"{name}: {models[name]}", err=True)
    save_results("fit", COMMAND, {"units": UNITS, "seed": SEED, "threads": threads, "models": models})


if __name__ == "__main__":
    main()
