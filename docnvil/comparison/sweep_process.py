"""One training of a sweep, run as a process of its own: python -m docnvil.comparison.sweep_process DATA TASK."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from scipy.sparse import csr_array, vstack

from docnvil.analysis.completion import evaluate_completion, split_words
from docnvil.analysis.null_models import null_model_bounds
from docnvil.analysis.perplexity import document_bounds
from docnvil.comparison.runner import TOP_N, score_words
from docnvil.comparison.sweep import Trial, write_trial
from docnvil.corpus.reading import read_corpus
from docnvil.errors import DocnvilError, DocnvilWarning
from docnvil.runtime.randomness import stream
from docnvil.training.fit import fit
from docnvil.training.fitted_model import FittedModel
from docnvil.training.settings import Settings

HELD_OUT_WORDS = 0.2  # share of each document's words to predict from the others
SPLIT_SEED = 0  # the same words are predicted by all models


def run_task(data: Path, task: dict[str, Any]) -> Trial:
    """Train and score a model on the corpora in `data`."""
    torch.set_num_threads(task["threads"])
    train, test = read_corpus(data / "train"), read_corpus(data / "test")
    key = task["key"]
    settings = Settings(key["recipe"], **key["settings"])
    model = fit(train, settings)
    network, counts = model.network, csr_array(test.counts)
    bounds = document_bounds(network, counts, bound="importance", n_samples=key["samples"])
    visible = network.generative.visible
    null_model = model.null_model()
    without = None
    if null_model is not None and visible.reports_perplexity:
        without = null_model_bounds(visible, null_model, counts)
    listed = model.topics(TOP_N)
    words = [list(topic.words) for topic in listed if not topic.dead]
    scores = score_words(words, csr_array(vstack([train.counts, counts], format="csr")))
    return Trial(
        units=network.config.units[0],
        seed=settings.seed,
        log_likelihood=tuple(bounds.log_likelihood.tolist()),
        lengths=tuple(bounds.lengths.tolist()),
        no_units_per_word=None if without is None else without.summarize().perplexity_per_word,
        no_units_log_likelihood=() if without is None else tuple(without.log_likelihood.tolist()),
        completion_per_word=_completion(model, counts),
        npmi=scores["npmi"],
        diversity=scores["diversity"],
        live_units=sum(not topic.dead for topic in listed),
        seconds=model.run["seconds"],
    )


def _completion(model: FittedModel, counts: csr_array) -> float | None:
    if not model.network.generative.visible.supports_completion:
        return None
    observed, hidden = split_words(counts, HELD_OUT_WORDS, stream(SPLIT_SEED, "sweep completion"))
    if not hidden.nnz:
        return None
    return evaluate_completion(model.network, observed, hidden).summarize().perplexity_per_word


def main(data: Path, task: dict[str, Any]) -> None:
    """Write the result of a task; an error is the last line on stderr."""
    warnings.simplefilter("ignore", DocnvilWarning)
    try:
        write_trial(task, run_task(data, task))
    except DocnvilError as error:
        sys.exit(error.command_line_message.replace("\n", " "))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
