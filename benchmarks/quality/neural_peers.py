"""docnvil compared with other packages' topic models and with two neural models, NVDM and ProdLDA.

Data: 20 Newsgroups as Salakhutdinov & Hinton (2009) prepared it, Daily Kos, and 20 Newsgroups as raw posts. Measured:
bounds, completion of held-out words, NPMI, diversity and training time. The learning rate and dropout of the neural
models are chosen with validation documents out of the training set.

    python benchmarks/quality/neural_peers.py   1 hour on one core; writes benchmarks/results/neural_peers.json

A row is one model on one corpus with one seed. Rows already in the file are not measured again, so the same command
resumes; `--again` measures all rows again.

Axes: N documents, V words.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import RESULTS, resume_results, save_results
from evaluation_corpora import CORPORA, Corpus
from neural_peers.gaussian import PREDICTION_SAMPLES, NeuralTopics, bounds
from neural_peers.training import NEURAL_PEERS, select_settings, settings_records, train

from docnvil.comparison.runner import compare_models, score_topic_model
from docnvil.runtime.machine import machine

COMMAND = "python benchmarks/quality/neural_peers.py"
MODELS = ("docnvil", "docnvil-best", "sklearn-lda", "gensim-lda", "tomotopy-lda", "sklearn-nmf")
SEEDS = {"ng20_sh2009": 3, "kos": 1, "ng20_raw": 1}


def measure_neural_peer(
    name: str, corpus: Corpus, units: int, seed: int, epochs: int, settings: dict[str, float] | None
) -> dict[str, Any]:
    """Train a neural model and return its measures.

    Arguments:
        name: key of `NEURAL_PEERS`.
        corpus: what it is trained and evaluated on.
        units: dimensions of its code.
        seed: of training and evaluation.
        epochs: maximum number of epochs.
        settings: learning rate and dropout, or None to choose them with validation documents.
    """
    counts = corpus.train.counts
    tried = []
    if settings is None:
        best, tried = select_settings(name, counts, units, seed, epochs)
    else:
        best = train(name, counts, units, seed, settings, epochs)
    test = csr_array(corpus.observed + corpus.hidden)
    bound = bounds(best.model, test).summarize()
    weighted = bounds(best.model, test, n_samples=PREDICTION_SAMPLES, importance_weighted=True).summarize()
    topics = NeuralTopics(best.model, seed)
    reference = csr_array(vstack([counts, test], format="csr"))
    return {
        "settings": dict(best.settings),
        "epoch": best.epoch,
        "epochs": best.epochs,
        "tried": settings_records(tried),
        "bound_per_document": bound.perplexity_per_document,
        "bound_per_word": bound.perplexity_per_word,
        "importance_weighted_per_document": weighted.perplexity_per_document,
        "importance_weighted_per_word": weighted.perplexity_per_word,
        **score_topic_model(topics, corpus.observed, corpus.hidden, reference, topics.words()),
        "training_seconds": best.seconds,
        "choosing_seconds": sum(each.seconds for each in tried),
    }


@click.command()
@click.option("--corpora", default=",".join(SEEDS), show_default=True, help="Corpora, separated by commas.")
@click.option(
    "--models", default=",".join((*NEURAL_PEERS, *MODELS)), show_default=True, help="Models, separated by commas."
)
@click.option("--units", default=50, show_default=True, help="Units or topics of every model.")
@click.option("--epochs", default=200, show_default=True, help="Maximum epochs of a neural model.")
@click.option("--documents", type=int, help="Use only the first documents, for a quick try.")
@click.option("--threads", default=1, show_default=True, help="Threads of every model.")
@click.option("--out", default="neural_peers", show_default=True, help="Name of the file in benchmarks/results.")
@click.option("--again", is_flag=True, help="Measure all rows again.")
def main(
    corpora: str,
    models: str,
    units: int,
    epochs: int,
    documents: int | None,
    threads: int,
    out: str,
    again: bool,
) -> None:
    """Measure every model on every corpus; write benchmarks/results/neural_peers.json."""
    torch.set_num_threads(threads)
    settings = {"units": units, "threads": threads, "epochs": epochs, "documents": documents}
    results = {**settings, "rows": [] if again else read_rows(out, settings)}
    rows = results["rows"]
    for name in corpora.split(","):
        corpus = CORPORA[name]().first(documents)
        for seed in range(SEEDS[name]):
            done = {row["model"] for row in rows if (row["corpus"], row["seed"]) == (name, seed)}
            missing = [model for model in models.split(",") if model not in done]
            for model in filter(NEURAL_PEERS.__contains__, missing):
                measures = measure_neural_peer(model, corpus, units, seed, epochs, chosen_settings(rows, name, model))
                add_row(results, {"corpus": name, "model": model, "seed": seed, **measures}, out)
            others = [model for model in missing if model not in NEURAL_PEERS]
            comparison = compare_models(
                others, corpus.train, corpus.observed, corpus.hidden, n_components=units, seed=seed, threads=threads
            )
            for row in comparison if others else ():
                if row.model not in done:
                    add_row(results, {"corpus": name, "seed": seed, **asdict(row)}, out)


def read_rows(out: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows measured so far; raise an error rather than overwrite rows with other settings."""
    rows = resume_results(out, settings, {"rows": []})["rows"]
    path = RESULTS / f"{out}.json"
    if path.exists() and not rows:
        raise click.ClickException(f"{path} was measured with other settings. Pass --again, or choose another --out.")
    return rows


def add_row(results: dict[str, Any], row: dict[str, Any], out: str) -> None:
    """Add a row, save all rows, and print the new one."""
    results["rows"].append({**row, "machine": machine()})
    save_results(out, COMMAND, results)
    click.echo(format_row(row))


def chosen_settings(rows: list[dict[str, Any]], corpus: str, model: str) -> dict[str, float] | None:
    """Return the settings chosen with the first seed, which the other seeds reuse, or None."""
    return next((row["settings"] for row in rows if (row["corpus"], row["model"]) == (corpus, model)), None)


def format_row(row: dict[str, Any]) -> str:
    """Return a line with the main measures of a row, or its error."""
    line = f"{row['corpus']}, {row['model']}, seed {row['seed']}: "
    if row.get("error"):
        return line + row["error"]
    line += f"completion {row['completion_per_word']:.1f} per word, {row['completion_per_document']:.1f} per document"
    if row["npmi"] is not None:
        line += f"; NPMI {row['npmi']:.3f}, diversity {row['diversity']:.3f}, {row['topics']} topics"
    if "bound_per_document" in row:
        line += (
            f"; bound {row['bound_per_document']:.1f} per document, {row['bound_per_word']:.1f} per word,"
            f" importance-weighted {row['importance_weighted_per_document']:.1f} per document"
        )
    return f"{line}; {row['training_seconds']:.0f} s"


if __name__ == "__main__":
    main()
