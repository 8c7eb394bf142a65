"""docnvil beside other people's models: each fitted and judged on the same counts, in a process of its own.

What is compared is document completion, because no bound enters it (see `docnvil.analysis.completion`): one piece of
code scores every model. A process of its own gives each model a peak of memory that is its own, and keeps one that
fails, or that the system kills, from taking the others along.

Axes: N documents, V words, K topics or units.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, load_npz, save_npz, vstack

from docnvil.analysis.chunking import check_width, documents_per_batch
from docnvil.analysis.coherence import diversity, npmi
from docnvil.analysis.completion import evaluate_predictor
from docnvil.comparison.peers import PEERS, BeliefNetworkTopics, TopicModel, word_frequencies
from docnvil.corpus.loading import read_corpus, write_corpus
from docnvil.errors import ConfigurationError, DocnvilError
from docnvil.estimator import DocNVIL
from docnvil.runtime.folders import is_folder_of_kind, write_json
from docnvil.runtime.machine import peak_mebibytes
from docnvil.text.counts import DocumentTermMatrix
from docnvil.training.recipes import RECIPES

UNIGRAM = "word frequencies"
OURS = {  # the recipes for counts of words
    ("docnvil" if name == "default" else f"docnvil-{name}"): name
    for name, recipe in RECIPES.items()
    if recipe.model.get("observation", "softmax") in ("softmax", "dirichlet-multinomial")
}
SAMPLES = 100  # of a belief network, for each prediction
WORDS = 10  # of a topic, for NPMI and diversity


@dataclass(frozen=True)
class ComparisonResult:
    """What became of one model. A figure that there is not is None.

    Arguments:
        model: its name, or the path of its folder. settings: how it was fitted, in words.
        completion_per_word: exp(-sum log p(w | observed part) / number of hidden words).
        completion_per_document: exp of minus the mean over documents of nats a hidden word.
        npmi: mean over topics of their ten words' NPMI in the documents of both parts together, and
        diversity: distinct words among them; by association for docnvil, by relevance for others.
        topics: how many have words to judge; dead units have none.
        training_seconds: from the counts to the fitted model; None for one that was loaded.
        documents_per_second: encoded, from counts to codes or proportions.
        peak_mebibytes: of its whole process, before it is scored. The row of word frequencies shows how much of it
            is Python, the packages that all load, and the counts.
        error: why there are no figures, a sentence; None if there are.
    """

    model: str
    settings: str = ""
    completion_per_word: float | None = None
    completion_per_document: float | None = None
    npmi: float | None = None
    diversity: float | None = None
    topics: int | None = None
    training_seconds: float | None = None
    documents_per_second: float | None = None
    peak_mebibytes: float | None = None
    error: str | None = None


def compare(
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
    """Fit or load each model and yield its row, the row of word frequencies first.

    Arguments:
        models: names of `model_names()`, or paths of model folders that `docnvil fit` wrote for the same words.
        train: the documents to learn from.
        observed, hidden: `[N, V]`, the two parts of the test documents: words to read, words to predict.
        n_components: K, for every model that is fitted. seed: handed to each.
        threads: of each process, for whatever in it can use several.
        on_start: called with the name of each model before its process starts.

    Raises:
        ConfigurationError: a name that is neither a known model nor a model folder.
        VocabularyError, CorpusError: parts that do not fit each other or the training documents.
    """
    check_names(models)
    # What cannot be scored shall be refused before anything is trained.
    evaluate_predictor(word_frequencies(train.counts).predict, observed, hidden)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(train, folder / "train")
        save_npz(folder / "observed.npz", observed, compressed=False)
        save_npz(folder / "hidden.npz", hidden, compressed=False)
        for model in (UNIGRAM, *dict.fromkeys(models)):
            on_start(model)
            task = {"model": model, "n_components": n_components, "seed": seed, "threads": threads}
            yield _in_a_process_of_its_own(folder, task)


def model_names() -> list[str]:
    """Return the names of all models that can be fitted here.

    Example:
        >>> model_names()
        ['docnvil', 'docnvil-best', 'docnvil-paper', 'sklearn-lda', 'sklearn-nmf', 'gensim-lda', 'tomotopy-lda']
    """
    return [*OURS, *PEERS]


def check_names(models: Sequence[str]) -> None:
    """Refuse what is neither the name of a model nor the path of a model folder."""
    for model in models:
        if model not in OURS and model not in PEERS and not is_folder_of_kind(Path(model), "model"):
            raise ConfigurationError(
                f"{model!r} is neither a model folder nor a known model. Choose of {', '.join(model_names())}, or give"
                " the path of a folder that docnvil fit wrote."
            )


def judge(
    model: TopicModel, observed: csr_array, hidden: csr_array, reference: csr_array, word_lists: list[list[int]]
) -> dict[str, float | int | None]:
    """Return the figures of a `ComparisonResult` that speak of quality.

    Arguments:
        model: fitted. observed, hidden: `[N, V]`, the two parts of the test documents.
        reference: `[N', V]`, the documents in which words occur together or not, for NPMI.
        word_lists: the columns of each topic's words. Words that no document of the reference has are passed over.
    """
    batch_size = documents_per_batch(SAMPLES, observed.shape[1])
    completed = evaluate_predictor(model.predict, observed, hidden, batch_size=batch_size).summarize()
    occurs = np.bincount(reference.indices, minlength=reference.shape[1]) > 0
    lists = [[word for word in words if occurs[word]] for words in word_lists]
    coherences = npmi(lists, reference)
    readable = ~np.isnan(coherences)
    return {
        "completion_per_word": completed.perplexity_per_word,
        "completion_per_document": completed.perplexity_per_document,
        "npmi": float(coherences[readable].mean()) if readable.any() else None,
        "diversity": diversity(lists) if any(lists) else None,
        "topics": sum(map(bool, lists)),
    }


def _in_a_process_of_its_own(folder: Path, task: dict[str, Any]) -> ComparisonResult:
    """Run one model in a new process, and say in its row if it does not come back with figures."""
    model = task["model"]
    if model in PEERS and not PEERS[model].installed:
        return ComparisonResult(model, error="not installed: pip install 'docnvil[peers]'")
    answer = folder / "row.json"
    answer.unlink(missing_ok=True)
    threads = str(task["threads"])
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads),
        # From a checkout the package is found by its place, not because it is installed.
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.getenv("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "docnvil.comparison.runner", str(folder), json.dumps(task)]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if answer.exists():
        return ComparisonResult(**json.loads(answer.read_text(encoding="utf-8")))
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return ComparisonResult(
            model, error=f"its process was ended by {name}" + (", perhaps for lack of memory" * (name == "SIGKILL"))
        )
    last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return ComparisonResult(model, error=f"its process ended with status {done.returncode}: {last[0]}")


def _measure(folder: Path, task: dict[str, Any]) -> ComparisonResult:
    """Fit or load one model, time it, weigh it, judge it: the work of a process of its own."""
    torch.set_num_threads(task["threads"])
    train = read_corpus(folder / "train")
    observed, hidden = (csr_array(load_npz(folder / f"{part}.npz")) for part in ("observed", "hidden"))
    test = csr_array(observed + hidden)
    name = task["model"]
    fit, settings = _how_to_get(name, train, task)
    started = time.perf_counter()
    model = fit()
    fitted = time.perf_counter()
    model.encode(test)
    encoded = time.perf_counter()
    peak = peak_mebibytes()
    reference = csr_array(vstack([train.counts, test], format="csr"))
    figures = judge(model, observed, hidden, reference, [] if name == UNIGRAM else model.words(WORDS))
    made_here = name == UNIGRAM or name in OURS or name in PEERS
    return ComparisonResult(
        model=name,
        settings=settings,
        training_seconds=fitted - started if made_here else None,
        documents_per_second=None if name == UNIGRAM else test.shape[0] / (encoded - fitted),
        peak_mebibytes=peak,
        **{**figures, "topics": None if name == UNIGRAM else figures["topics"]},
    )


def _how_to_get(name: str, train: DocumentTermMatrix, task: dict[str, Any]) -> tuple[Callable[[], TopicModel], str]:
    """Return what fits or loads a model, its packages imported already, and its settings in words."""
    n_components, seed, threads = task["n_components"], task["seed"], task["threads"]
    if name == UNIGRAM:
        return lambda: word_frequencies(train.counts), "no topics"
    if name in PEERS:
        peer = PEERS[name]
        import_module(peer.module)
        counts = csr_array(train.counts)
        return lambda: peer.fit(counts, n_components, seed, threads), peer.settings
    if name in OURS:
        estimator = DocNVIL(n_components, recipe=OURS[name], device="cpu", random_state=seed)
        return lambda: BeliefNetworkTopics(estimator.fit(train), SAMPLES, seed), f"recipe {OURS[name]}"

    def load() -> TopicModel:
        estimator = DocNVIL.load(name, "cpu")
        check_width(estimator.model_, train.counts)
        estimator.transform(train.select(slice(1)))  # refuses documents counted with other words
        return BeliefNetworkTopics(estimator, SAMPLES, seed)

    return load, "loaded"


def _answer(folder: Path, task: dict[str, Any]) -> None:
    try:
        row = _measure(folder, task)
    except DocnvilError as error:
        row = ComparisonResult(task["model"], error=str(error))
    except Exception as error:  # whatever a peer raises becomes a gap in the table
        row = ComparisonResult(task["model"], error=f"{type(error).__name__}: {error}".splitlines()[0])
    draft = folder / "row.part"
    write_json(draft, asdict(row))
    draft.replace(folder / "row.json")


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), json.loads(sys.argv[2]))
