"""Comparison of docnvil with topic models of other packages: each is fitted and scored in a process of its own.

All models are scored by document completion with the same code, because completion involves no bound (see
`docnvil.analysis.completion`). Each process has a peak memory of its own, and a model that fails or is killed does not
stop the others.

Axes: N documents, V vocabulary, K topics or units.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, load_npz, save_npz, vstack

from docnvil.analysis.chunking import documents_per_batch
from docnvil.analysis.coherence import diversity, npmi, single_list_share
from docnvil.analysis.completion import CompletionScores, Predictor, evaluate_predictor
from docnvil.analysis.gain import Verdict, units_gain
from docnvil.comparison.adapters import BeliefNetworkTopics, TopicModel, null_model_of_words, unigram_model
from docnvil.comparison.cache import add_cache
from docnvil.comparison.peers import PEERS
from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus
from docnvil.errors import ConfigurationError, DocnvilError
from docnvil.runtime.disk import scratch_folder
from docnvil.runtime.folders import is_folder_of_kind, replace_file
from docnvil.runtime.machine import peak_mebibytes
from docnvil.schema import check_whole
from docnvil.storage.model_folder import load_model
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.training.fit import fit
from docnvil.training.recipes import RECIPES
from docnvil.training.settings import Settings

UNIGRAM = "word frequencies"
NO_UNITS = "no units, Dirichlet-multinomial"
REFERENCES = {  # models without units, evaluated before all others in one process, and their descriptions
    UNIGRAM: "no topics",
    NO_UNITS: "no topics: word frequencies, and words that recur in a document",
}
CACHE = " + cache"  # after the name of a model of another package
DOCNVIL_RECIPES = {  # model name -> recipe, for the recipes of models of word counts
    ("docnvil" if name == "default" else f"docnvil-{name}"): name
    for name, recipe in RECIPES.items()
    if recipe.model.get("observation", "softmax") in ("softmax", "dirichlet-multinomial")
}
PREDICTION_SAMPLES = 100  # per document, for docnvil's models
TOP_N = 10  # words per topic, for NPMI and diversity


@dataclass(frozen=True)
class ComparisonResult:
    """Scores of one model; None where there is no score.

    Top words, for NPMI in training and test documents, are ranked by association in docnvil's models and by relevance
    in others. The peak memory is that of the model's process before scoring; the row of word frequencies shows how much
    of it Python, the packages and the counts need. With a cache, only completion differs.
    """

    model: str  # its name, or the path of its folder
    settings: str = ""  # how it was fitted
    completion_per_word: float | None = None  # exp(-sum log p(w | observed part) / number of held-out words)
    completion_per_document: float | None = None  # exp(-mean over documents of their mean log p(w | observed part))
    npmi: float | None = None  # mean over topics of the NPMI of their top words
    diversity: float | None = None  # share of distinct words among the top words of all topics
    single_list_share: float | None = None  # share of top words that are in one topic only
    topics: int | None = None  # number of topics that have top words; dead units have none
    training_seconds: float | None = None  # from the counts to the fitted model; None for a loaded model
    documents_per_second: float | None = None  # speed of encoding the test documents
    peak_mebibytes: float | None = None
    no_units_verdict: Verdict | None = None  # of its completion, compared with the layer without units
    error: str | None = None  # why there are no scores


def compare_models(
    models: Sequence[str],
    train: DocumentTermMatrix,
    observed: csr_array,
    hidden: csr_array,
    *,
    n_components: int = 50,
    seed: int = 0,
    threads: int = 1,
    on_start: Callable[[str], None] = lambda model: None,
) -> Iterator[ComparisonResult]:
    """Fit or load each model and yield its scores, after those of two models without units.

    A fitted model of another package has two results, the second with a cache, see `docnvil.comparison.cache`.

    Arguments:
        models: names from `model_names()`, or paths of model folders with the same vocabulary.
        train: training documents.
        observed: `[N, V]`, the words of the test documents that the models see.
        hidden: `[N, V]`, the words of the same documents to predict.
        n_components: K of every fitted model.
        seed: seed of every model.
        threads: threads of each process.
        on_start: called with the name of each model before its process starts.

    Raises:
        ConfigurationError: a name is neither a known model nor a model folder.
        VocabularyError: training and test documents have different numbers of columns.
        CorpusError: the two parts have different numbers of documents, or no word is held out.
    """
    n_components, threads = check_whole("n_components", n_components, 1), check_whole("threads", threads, 1)
    seed = check_whole("seed", seed)
    check_model_names(models)
    evaluate_predictor(unigram_model(train.counts).predict, observed, hidden)  # raises before anything is trained
    with scratch_folder() as folder:
        write_corpus(train, folder / "train")
        save_npz(folder / "observed.npz", observed, compressed=False)
        save_npz(folder / "hidden.npz", hidden, compressed=False)
        for model in (UNIGRAM, *dict.fromkeys(models)):
            on_start(model)
            task = {"model": model, "n_components": n_components, "seed": seed, "threads": threads}
            yield from _run_in_subprocess(folder, task)


def model_names() -> list[str]:
    """Return the names of all models that can be fitted.

    Example:
        >>> model_names()[:4]
        ['docnvil', 'docnvil-best', 'docnvil-themes', 'docnvil-large-batch']
    """
    return [*DOCNVIL_RECIPES, *PEERS]


def check_model_names(models: Sequence[str]) -> None:
    """Raise `ConfigurationError` for a name that is neither a known model nor the path of a model folder."""
    for model in models:
        if model not in model_names() and not is_folder_of_kind(Path(model), "model"):
            raise ConfigurationError(
                f"{model!r} is neither a known model nor a model folder. Choose {', '.join(model_names())}, or a folder"
                " written by docnvil fit."
            )


def score_topic_model(
    model: TopicModel,
    observed: csr_array,
    hidden: csr_array,
    reference: csr_array,
    word_lists: list[list[int]],
    without_units: CompletionScores | None = None,
) -> dict[str, Any]:
    """Return the scores of a `ComparisonResult`: completion, and those of `score_words`.

    `word_lists` has the columns of each topic's top words, and `reference`, `[N', V]`, the documents for NPMI. With the
    scores of the layer without units, the verdict of `docnvil.analysis.gain` is added.
    """
    completion = _score_completion(model.predict, observed, hidden)
    scores = {**_completion_values(completion), **score_words(word_lists, reference)}
    return {**scores, **_verdict(completion, without_units)}


def score_words(word_lists: list[list[int]], reference: csr_array) -> dict[str, float | int | None]:
    """Return mean NPMI, two kinds of diversity, and the number of topics, from the columns of topics' top words.

    NPMI counts words in the documents `reference`, `[N', V]`; words that occur in none of these are left out.
    """
    occurs = np.bincount(reference.indices, minlength=reference.shape[1]) > 0
    lists = [[column for column in columns if occurs[column]] for columns in word_lists]
    coherences = npmi(lists, reference)
    is_defined = ~np.isnan(coherences)
    return {
        "npmi": float(coherences[is_defined].mean()) if is_defined.any() else None,
        "diversity": diversity(lists) if any(lists) else None,
        "single_list_share": single_list_share(lists) if any(lists) else None,
        "topics": sum(map(bool, lists)),
    }


def _score_completion(predict: Predictor, observed: csr_array, hidden: csr_array) -> CompletionScores:
    batch_size = documents_per_batch(PREDICTION_SAMPLES, observed.shape[1])
    return evaluate_predictor(predict, observed, hidden, batch_size=batch_size)


def _completion_values(scores: CompletionScores) -> dict[str, float]:
    completion = scores.summarize()
    return {
        "completion_per_word": completion.perplexity_per_word,
        "completion_per_document": completion.perplexity_per_document,
    }


def _verdict(scores: CompletionScores, without_units: CompletionScores | None) -> dict[str, str]:
    return {} if without_units is None else {"no_units_verdict": units_gain(scores, without_units).verdict}


def _run_in_subprocess(folder: Path, task: dict[str, Any]) -> list[ComparisonResult]:
    """Run `_write_results` in a new process and return the results, or the reason why there are none."""
    model = task["model"]
    if model in PEERS and not PEERS[model].is_installed:
        return [ComparisonResult(model, error="not installed: pip install 'docnvil[peers]'")]
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(task["threads"])),
        # The package may be imported from a checkout without being installed.
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.getenv("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "docnvil.comparison.runner", str(folder), json.dumps(task)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.run(command, env=environment, text=True, **streams)
    if result.exists():
        return [ComparisonResult(**row) for row in json.loads(result.read_text(encoding="utf-8"))]
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        reason = ", perhaps for lack of memory" * (name == "SIGKILL")
        return [ComparisonResult(model, error=f"its process was ended by {name}{reason}")]
    last_line = (process.stderr.strip().splitlines() or ["no error message"])[-1]
    return [ComparisonResult(model, error=f"its process ended with status {process.returncode}: {last_line}")]


def _measure(folder: Path, task: dict[str, Any]) -> list[ComparisonResult]:
    """Fit or load one model, measure time and memory, and score it; runs in the model's own process."""
    torch.set_num_threads(task["threads"])
    train = read_corpus(folder / "train")
    observed, hidden = (csr_array(load_npz(folder / f"{part}.npz")) for part in ("observed", "hidden"))
    test = csr_array(observed + hidden)
    name = task["model"]
    if name == UNIGRAM:
        references = {each: _measure_reference(each, csr_array(train.counts), observed, hidden) for each in REFERENCES}
        _, without_units = references[NO_UNITS]
        np.savez(folder / "no_units.npz", **vars(without_units))
        return [result for result, _ in references.values()]
    fit, settings = _prepare(name, train, task)
    started = time.perf_counter()
    model = fit()
    fitted = time.perf_counter()
    model.encode(test)
    encoded = time.perf_counter()
    peak = peak_mebibytes()
    reference = csr_array(vstack([train.counts, test], format="csr"))
    without_units = CompletionScores(**np.load(folder / "no_units.npz")) if (folder / "no_units.npz").exists() else None
    result = ComparisonResult(
        model=name,
        settings=settings,
        training_seconds=fitted - started if name in model_names() else None,
        documents_per_second=test.shape[0] / (encoded - fitted),
        peak_mebibytes=peak,
        **score_topic_model(model, observed, hidden, reference, model.words(TOP_N), without_units),
    )
    if name not in PEERS:
        return [result]
    seed, counts = task["seed"], csr_array(train.counts)
    options = task["n_components"], seed, task["threads"]
    cached = add_cache(model, counts, lambda part: PEERS[name].fit(part, *options), seed=seed)
    settings = f"the same with a cache of the document's words, A = {cached.concentration:.4g}"
    scores = _score_completion(cached.predict, observed, hidden)
    values = {**_completion_values(scores), **_verdict(scores, without_units)}
    return [result, replace(result, model=name + CACHE, settings=settings, **values)]


def _measure_reference(
    name: str, train: csr_array, observed: csr_array, hidden: csr_array
) -> tuple[ComparisonResult, CompletionScores]:
    """Fit and score a model without units."""
    started = time.perf_counter()
    model = unigram_model(train) if name == UNIGRAM else null_model_of_words(train)
    seconds = time.perf_counter() - started
    peak = peak_mebibytes()
    scores = _score_completion(model.predict, observed, hidden)
    values = {"training_seconds": seconds, "peak_mebibytes": peak, **_completion_values(scores)}
    return ComparisonResult(name, REFERENCES[name], **values), scores


def _prepare(name: str, train: DocumentTermMatrix, task: dict[str, Any]) -> tuple[Callable[[], TopicModel], str]:
    """Import a model's package; return a function that fits or loads the model, and a description of its settings."""
    n_components, seed, threads = task["n_components"], task["seed"], task["threads"]
    if name in PEERS:
        peer = PEERS[name]
        import_module(peer.module)
        counts = csr_array(train.counts)
        return lambda: peer.fit(counts, n_components, seed, threads), peer.settings
    if name in DOCNVIL_RECIPES:
        recipe = DOCNVIL_RECIPES[name]
        settings = Settings(recipe, units=(n_components,), device="cpu", seed=seed)
        return lambda: BeliefNetworkTopics(fit(train, settings), PREDICTION_SAMPLES, seed), f"recipe {recipe}"

    def load() -> TopicModel:
        model = load_model(name, "cpu")
        model.checked(train)  # raises if the documents were counted with another vocabulary
        return BeliefNetworkTopics(model, PREDICTION_SAMPLES, seed)

    return load, "loaded"


def _write_results(folder: Path, task: dict[str, Any]) -> None:
    """Write the results of one model, or the error it raised, to `result.json`."""
    try:
        results = _measure(folder, task)
    except Exception as error:  # of docnvil or of any other package
        prefix = "" if isinstance(error, DocnvilError) else f"{type(error).__name__}: "
        results = [ComparisonResult(task["model"], error=f"{prefix}{error}".partition("\n")[0])]
    replace_file(folder / "result.json", json.dumps([asdict(result) for result in results]).encode())


if __name__ == "__main__":
    _write_results(Path(sys.argv[1]), json.loads(sys.argv[2]))
