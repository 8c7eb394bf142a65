"""docnvil and LDA on corpora that no setting was tuned on: long and short documents, many and few.

Data: Daily Kos; raw posts of 20 Newsgroups with their headers, split by date; their subject lines; and 200 and 2,000 of
the posts. A fifth of the words of each test document is hidden and predicted. Nothing is chosen on test documents: the
recipes are the same for all corpora, and the cache of LDA is fitted to training documents.

    python benchmarks/quality/other_corpora.py      1 hour on two cores; writes benchmarks/results/other_corpora.json

Measured: the variational bound beside that of the same layer without units; completion beside the layer without units,
and beside LDA (tomotopy, 20 averaged states, expected proportions) without and with a cache; intervals of these
comparisons; topics; dead units. A row is one model on one corpus with one seed. Rows already measured with the same
recipe are kept, so the same command resumes.
"""

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import recipe_settings, resume_results, save_results
from evaluation_corpora import CORPORA, Corpus
from peers import VERSION, EvaluatedPeer, evaluate_peer

from docnvil.analysis.bootstrap import bootstrap_intervals
from docnvil.analysis.completion import CompletionScores, evaluate_completion, evaluate_predictor
from docnvil.analysis.null_models import evaluate_null_model
from docnvil.analysis.perplexity import document_bounds
from docnvil.comparison.adapters import null_model_of_words, unigram_model
from docnvil.comparison.peers import PEERS as PACKAGE_MODELS
from docnvil.comparison.runner import score_words
from docnvil.training.fit import fit
from docnvil.training.settings import Settings

COMMAND = "python benchmarks/quality/other_corpora.py"
NAMES = ("kos", "ng20_raw", "ng20_subjects", "ng20_200", "ng20_2000")
RECIPES = {"docnvil": "default", "docnvil-best": "best"}
PEERS = ("tomotopy-lda", "sklearn-lda")
MODELS = (*PEERS, *RECIPES)
REFERENCE = "tomotopy-lda"  # the LDA that docnvil is compared with


@click.command()
@click.option("--corpora", default=",".join(NAMES), show_default=True, help="Corpora, separated by commas.")
@click.option("--models", default=",".join(MODELS), show_default=True, help="Models, separated by commas.")
@click.option("--units", default=50, show_default=True, help="Units or topics of every model.")
@click.option("--seeds", default=3, show_default=True, help="Number of seeds: 0, 1, ...")
@click.option("--threads", default=2, show_default=True, help="Threads of docnvil.")
def main(corpora: str, models: str, units: int, seeds: int, threads: int) -> None:
    """Compare models on five corpora; write benchmarks/results/other_corpora.json."""
    torch.set_num_threads(threads)
    results = resume_results("other_corpora", {"units": units, "threads": threads}, {"corpora": {}})
    for name in corpora.split(","):
        rows = results["corpora"].get(name, {}).get("rows", [])
        done = {(row["model"], row["seed"]) for row in rows if _is_current(row)}
        wanted = [(model, seed) for seed in range(seeds) for model in models.split(",")]
        if all(each in done for each in wanted):
            continue
        corpus = CORPORA[name]()
        entry = results["corpora"][name] = {**describe(corpus), "rows": [row for row in rows if _is_current(row)]}
        for model, seed in wanted:
            if (model, seed) in done:
                continue
            evaluate = measure_peer if model in PEERS else measure_docnvil
            entry["rows"].append({"model": model, "seed": seed, **evaluate(model, corpus, units, seed)})
            save_results("other_corpora", COMMAND, results)
            click.echo(f"{name}: {entry['rows'][-1]}", err=True)


def describe(corpus: Corpus) -> dict[str, Any]:
    """Return the size of a corpus and the figures of the models without units."""
    train = csr_array(corpus.train.counts)
    null_models = {"unigram": unigram_model(train), "no_units": null_model_of_words(train)}
    scores = {
        name: evaluate_predictor(each.predict, corpus.observed, corpus.hidden) for name, each in null_models.items()
    }
    return {
        "train_documents": train.shape[0],
        "test_documents": corpus.observed.shape[0],
        "words": train.shape[1],
        "tokens_per_document": float(train.sum() / train.shape[0]),
        "hidden_tokens": int(corpus.hidden.sum()),
        **{name: _completion(each) for name, each in scores.items()},
    }


def measure_peer(name: str, corpus: Corpus, units: int, seed: int) -> dict[str, Any]:
    """Return the measures of another package's topic model, without and with a cache."""
    peer = _evaluated(name, corpus, units, seed)
    words = score_words(peer.words["by relevance"], _all_documents(corpus))
    return {**_settings(name), **peer.measures(), **words}


def measure_docnvil(name: str, corpus: Corpus, units: int, seed: int) -> dict[str, Any]:
    """Train docnvil by a recipe and return its measures, with intervals of the comparisons with other models."""
    test = corpus.test
    model = fit(corpus.train, Settings(RECIPES[name], units=(units,), seed=seed, device="cpu"))
    bounds = document_bounds(model.network, test, seed=seed)
    visible, null_model = model.network.generative.visible, model.null_model()
    no_units = null_model.log_prob(test)
    completion = evaluate_completion(model.network, corpus.observed, corpus.hidden, seed=seed)
    lda = _evaluated(REFERENCE, corpus, units, seed)
    null_completion = evaluate_predictor(null_model.predict, corpus.observed, corpus.hidden)
    others = {"no_units": null_completion, "lda": lda.completion, "lda_with_cache": lda.cached}
    topics = [topic for topic in model.topics() if not topic.dead]
    bound, null_bound = bounds.summarize(), evaluate_null_model(visible, null_model, test)
    return {
        **_settings(name),
        "bound_per_document": bound.perplexity_per_document,
        "bound_per_word": bound.perplexity_per_word,
        "no_units_per_document": null_bound.perplexity_per_document,
        "no_units_per_word": null_bound.perplexity_per_word,
        "bound_relative_to_no_units": _relative(bounds.log_likelihood, no_units, bounds.lengths),
        **_completion(completion),
        "completion_relative_to": {
            name: _relative(completion.log_likelihood, each.log_likelihood, completion.lengths)
            for name, each in others.items()
        },
        **score_words([list(topic.words) for topic in topics], _all_documents(corpus)),
        "live_units": len(topics),
        "epochs": len(model.history),
        "best_epoch": model.best.epoch,
        "fit_wall_seconds": round(model.run["seconds"], 1),
    }


def _settings(model: str) -> dict[str, Any]:
    """Return the entries of a row that must be equal to the current ones for the row to be kept."""
    if model in PEERS:
        return {"settings": PACKAGE_MODELS[model].settings, "version": VERSION}
    recipe = recipe_settings(RECIPES[model]).items()
    return {"settings": {name: list(value) if isinstance(value, tuple) else value for name, value in recipe}}


def _is_current(row: dict[str, Any]) -> bool:
    return all(row.get(name) == value for name, value in _settings(row["model"]).items())


def _evaluated(name: str, corpus: Corpus, units: int, seed: int) -> EvaluatedPeer:
    return evaluate_peer(name, csr_array(corpus.train.counts), corpus.observed, corpus.hidden, units, seed)


def _all_documents(corpus: Corpus) -> csr_array:
    return csr_array(vstack([corpus.train.counts, corpus.test], format="csr"))


def _completion(scores: CompletionScores) -> dict[str, float]:
    result = scores.summarize()
    return {
        "completion_per_word": result.perplexity_per_word,
        "completion_per_document": result.perplexity_per_document,
    }


def _relative(
    log_likelihood: NDArray[np.float64], other: NDArray[np.float64], lengths: NDArray[np.float64]
) -> dict[str, Any]:
    """Return a model's perplexity divided by another's on the same documents, per word and per document.

    The 0.95 intervals are of the ratio: both models are resampled with the same documents.
    """
    gain = log_likelihood - other
    intervals = bootstrap_intervals(gain, lengths)
    filled = lengths > 0
    return {
        "per_word": float(np.exp(-gain.sum() / lengths.sum())),
        "per_word_interval": intervals.perplexity_per_word,
        "per_document": float(np.exp(-np.mean(gain[filled] / lengths[filled]))),
        "per_document_interval": intervals.perplexity_per_document,
    }


if __name__ == "__main__":
    main()
