"""docnvil, topic models of other packages and neural peers on three corpora: completion, words, bounds, seconds.

    python benchmarks/quality/neural_peers.py             writes benchmarks/results/neural_peers.json, a row at a time

A row is one model on one corpus with one seed. Rows that the file already has are not measured again, so a run that
was stopped continues; `--again` measures everything again. Settings of the neural peers are chosen
on training documents.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.io import loadmat
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import RESULTS, keep, kept, shared_data
from neural_peers.gaussian import BOUND_SAMPLES, PREDICTION_SAMPLES, NeuralTopics, bounds
from neural_peers.training import NEURAL_PEERS, select_settings, settings_records, train

from docnvil.analysis.completion import split_words
from docnvil.comparison.runner import compare, judge
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.runtime.machine import machine
from docnvil.text.counts import DocumentTermMatrix, count_words, split_documents
from docnvil.text.documents import Document, read_documents

COMMAND = "python benchmarks/quality/neural_peers.py"
MODELS = ("docnvil", "docnvil-best", "sklearn-lda", "gensim-lda", "tomotopy-lda", "sklearn-nmf")
SEEDS = {"ng20_sh2009": 3, "kos": 1, "ng20_raw": 1}
SHARE = 0.2  # of a test document's words to hide, where no split comes with the corpus


@dataclass(frozen=True)
class Corpus:
    """Documents to learn from, and the two parts of those to judge by, `[N, V]` each."""

    train: DocumentTermMatrix
    observed: csr_array
    hidden: csr_array

    def first(self, documents: int | None) -> "Corpus":
        """Return as many of the training documents, and as many of the test documents; all if None."""
        some = slice(documents)
        return Corpus(self.train.select(some), self.observed[some], self.hidden[some])


def ng20_sh2009() -> Corpus:
    """Read 20 Newsgroups as the papers prepared it; the split of the test documents' words comes with it."""
    matrices = loadmat(shared_data("ng20_sh2009/20news_data.mat"))
    parts = (csr_array(matrices[name].T).astype(np.int32) for name in ("wordsHeldout", "wordsTest"))
    return Corpus(load_document_term_matrix(shared_data("ng20_sh2009/train.npz")), *parts)


def kos() -> Corpus:
    """Read the Daily Kos; a tenth of the entries is drawn to judge by."""
    train, test = split_documents(
        load_document_term_matrix(shared_data("kos/docword.kos.txt.gz")), 0.1, np.random.default_rng(0)
    )
    return Corpus(train, *split_words(test.counts, SHARE, np.random.default_rng(0)))


def ng20_raw() -> Corpus:
    """Read raw posts with their headers, split by date; words are chosen by the training posts."""

    def posts(split: str) -> Iterator[Document]:
        documents = read_documents(shared_data("ng20_raw/ng20_bydate.jsonl.gz"))
        return (document for document in documents if document.metadata["split"] == split)

    train = count_words(posts("train"))
    test = count_words(posts("test"), vocabulary=train.vocabulary)
    return Corpus(train, *split_words(test.counts, SHARE, np.random.default_rng(0)))


CORPORA: dict[str, Callable[[], Corpus]] = {"ng20_sh2009": ng20_sh2009, "kos": kos, "ng20_raw": ng20_raw}


def measure_neural_peer(
    name: str, corpus: Corpus, units: int, seed: int, epochs: int, chosen: dict | None
) -> dict[str, Any]:
    """Train a neural peer and return the figures of its row.

    Arguments:
        name: key of `NEURAL_PEERS`.
        corpus: training documents, and the two parts of the test documents.
        units: K.
        seed: seed of the split, the weights and the samples.
        epochs: maximum number of epochs.
        chosen: settings; None selects them on held-out training documents.
    """
    counts = corpus.train.counts
    tried = []
    if chosen is None:
        best, tried = select_settings(name, counts, units, seed, epochs)
    else:
        best = train(name, counts, units, seed, chosen, epochs)
    test = csr_array(corpus.observed + corpus.hidden)
    ours = bounds(best.model, test).summarize(bound="elbo", n_samples=BOUND_SAMPLES)
    tighter = bounds(best.model, test, n_samples=PREDICTION_SAMPLES, importance_weighted=True)
    tighter = tighter.summarize(bound="importance", n_samples=PREDICTION_SAMPLES)
    topics = NeuralTopics(best.model, seed)
    reference = csr_array(vstack([counts, test], format="csr"))
    return {
        "settings": dict(best.settings),
        "epoch": best.epoch,
        "epochs": best.epochs,
        "tried": settings_records(tried),
        "bound_per_document": ours.perplexity_per_document,
        "bound_per_word": ours.perplexity_per_word,
        "importance_weighted_per_document": tighter.perplexity_per_document,
        "importance_weighted_per_word": tighter.perplexity_per_word,
        **judge(topics, corpus.observed, corpus.hidden, reference, topics.words()),
        "training_seconds": best.seconds,
        "choosing_seconds": sum(each.seconds for each in tried),
    }


@click.command()
@click.option("--corpora", default=",".join(CORPORA), show_default=True, help="Which, with commas.")
@click.option("--models", default=",".join((*NEURAL_PEERS, *MODELS)), show_default=True, help="Which, with commas.")
@click.option("--units", default=50, show_default=True)
@click.option("--epochs", default=200, show_default=True, help="Of a neural peer, at most.")
@click.option("--documents", type=int, help="Take only so many, to try this out.")
@click.option("--threads", default=1, show_default=True, help="Of every model.")
@click.option("--out", default="neural_peers", show_default=True, help="The name of the file in benchmarks/results.")
@click.option("--again", is_flag=True, help="Measure everything again.")
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
    torch.set_num_threads(threads)
    told = {"units": units, "threads": threads, "epochs": epochs, "documents": documents}
    rows = [] if again else _kept(out, told)
    for name in corpora.split(","):
        corpus = CORPORA[name]().first(documents)
        for seed in range(SEEDS[name]):
            done = {row["model"] for row in rows if (row["corpus"], row["seed"]) == (name, seed)}
            wanted = [model for model in models.split(",") if model not in done]
            for model in filter(NEURAL_PEERS.__contains__, wanted):
                figures = measure_neural_peer(model, corpus, units, seed, epochs, _chosen(rows, name, model))
                _add(rows, {"corpus": name, "model": model, "seed": seed, **figures}, out, told)
            others = [model for model in wanted if model not in NEURAL_PEERS]
            compared = compare(
                others, corpus.train, corpus.observed, corpus.hidden, n_components=units, seed=seed, threads=threads
            )
            for row in compared if others else ():
                if row.model not in done:
                    _add(rows, {"corpus": name, "seed": seed, **asdict(row)}, out, told)


def _add(rows: list[dict[str, Any]], row: dict[str, Any], out: str, told: dict[str, Any]) -> None:
    """Take up a row, keep all there are, and say what it holds."""
    rows.append({**row, "machine": machine()})
    keep(out, COMMAND, {**told, "rows": rows})
    click.echo(_line(row))


def _kept(out: str, told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows measured so far; those of other settings, hours of work, are not to be written over."""
    found = kept(out, told, {"rows": []})["rows"]
    path = RESULTS / f"{out}.json"
    if path.exists() and not found:
        raise click.ClickException(f"{path} was measured with other settings. Pass --again, or choose another --out.")
    return found


def _chosen(rows: list[dict[str, Any]], corpus: str, model: str) -> dict[str, float] | None:
    """Return what validation chose for the first seed, for the other seeds to use."""
    return next((row["settings"] for row in rows if (row["corpus"], row["model"]) == (corpus, model)), None)


def _line(row: dict[str, Any]) -> str:
    told = f"{row['corpus']}, {row['model']}, seed {row['seed']}: "
    if row.get("error"):
        return told + row["error"]
    told += f"completion {row['completion_per_word']:.1f} per word, {row['completion_per_document']:.1f} per document"
    if row["npmi"] is not None:
        told += f"; NPMI {row['npmi']:.3f}, diversity {row['diversity']:.3f}, {row['topics']} topics"
    if "bound_per_document" in row:
        told += (
            f"; bound {row['bound_per_document']:.1f} per document, {row['bound_per_word']:.1f} per word,"
            f" importance-weighted {row['importance_weighted_per_document']:.1f} per document"
        )
    return f"{told}; {row['training_seconds']:.0f} s"


if __name__ == "__main__":
    main()
