"""20 Newsgroups as Salakhutdinov & Hinton (2009) prepared it, and the measures that benchmarks take on it.

11,284 training and 7,502 test documents over 2,000 words. The corpus also splits the words of each test document into
observed words and words to predict (document completion).

Axes: N documents, V words.
"""

from collections.abc import Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
from common import docnvil, shared_data
from scipy.io import loadmat
from scipy.sparse import csr_array, load_npz, save_npz, vstack

from docnvil.analysis.coherence import diversity, npmi, single_list_share

CORPUS = "ng20_sh2009"
RAW_COLUMNS = ("--text-column", "text", "--id-column", "id", "--label-column", "group")


def raw_posts() -> Path:
    """Return the file of all raw posts with their headers; `RAW_COLUMNS` names its columns."""
    return shared_data("ng20_raw/ng20_bydate.jsonl.gz")


def paths() -> tuple[Path, Path]:
    """Return the files of the training and the test counts."""
    return shared_data(f"{CORPUS}/train.npz"), shared_data(f"{CORPUS}/test.npz")


def load() -> tuple[csr_array, csr_array]:
    """Return the training and the test counts, `[N, V]`."""
    train, test = (csr_array(load_npz(path)) for path in paths())
    return train, test


def load_all() -> csr_array:
    """Return the counts of all documents, in which NPMI counts co-occurrences."""
    return csr_array(vstack(load(), format="csr"))


def load_completion() -> tuple[csr_array, csr_array]:
    """Return the observed words of each test document and the words to predict, `[N, V]` each."""
    matrices = loadmat(shared_data(f"{CORPUS}/20news_data.mat"))
    observed, hidden = (csr_array(matrices[name].T).astype(np.int32) for name in ("wordsHeldout", "wordsTest"))
    return observed, hidden


def write_completion(folder: Path) -> tuple[Path, Path]:
    """Write the two matrices of `load_completion` for `docnvil completion` to read, and return their paths."""
    observed, hidden = folder / "observed.npz", folder / "hidden.npz"
    for path, counts in zip((observed, hidden), load_completion(), strict=True):
        save_npz(path, counts)
    copyfile(shared_data(f"{CORPUS}/vocabulary.txt"), folder / "vocabulary.txt")
    return observed, hidden


def evaluate_model(model: Path, completion: tuple[Path, Path], *, topics: bool = True) -> dict[str, Any]:
    """Evaluate a model folder with the commands of docnvil: variational bound, completion and topics.

    Arguments:
        model: folder written by `docnvil fit`.
        completion: files written by `write_completion`.
        topics: also measure the coherence and diversity of the topics.
    """
    train, test = paths()
    bound = docnvil("perplexity", model, test, "--json").json
    completed = docnvil("completion", model, completion[0], "--predict", completion[1], "--json").json
    measures = {
        "perplexity_per_document": bound["perplexity_per_document"],
        "perplexity_per_word": bound["perplexity_per_word"],
        "completion_per_word": completed["perplexity_per_word"],
        "completion_per_document": completed["perplexity_per_document"],
        "unigram_per_document": bound["unigram_perplexity_per_document"],
        "unigram_completion_per_word": completed["unigram_perplexity_per_word"],
        "unigram_completion_per_document": completed["unigram_perplexity_per_document"],
        "no_units_per_document": bound["no_units_perplexity_per_document"],
        "no_units_completion_per_word": completed["no_units_perplexity_per_word"],
        "no_units_completion_per_document": completed["no_units_perplexity_per_document"],
    }
    if topics:
        quality = docnvil("topics", model, "--coherence", train, "--coherence", test, "--json").json
        measures |= {name: quality[name] for name in ("npmi", "diversity", "single_list_share", "live_units")}
    return measures


def label_paths() -> tuple[Path, Path]:
    """Return the files of the newsgroup of each training and each test document."""
    return shared_data(f"{CORPUS}/labels_train.npy"), shared_data(f"{CORPUS}/labels_test.npy")


def group_names() -> list[str]:
    """Return the names of the newsgroups, in the order of their labels."""
    return shared_data(f"{CORPUS}/groups.txt").read_text(encoding="utf-8").split()


def evaluate_labels(model: Path) -> dict[str, float]:
    """Compare the units of a model folder with the newsgroups of the documents.

    Clusters are the most probable units of the test documents, or their themes with a mixture prior. Precision at 100
    is the share of the 100 training documents closest to a test document that are from its newsgroup.
    """
    train_labels, test_labels = label_paths()
    labels = ("--train-labels", train_labels, "--test-labels", test_labels)
    result = docnvil("retrieval", model, *paths(), *labels, "--json").json
    precision = {
        f"precision_at_100_{name}": each["precision"][each["retrieved"].index(100)]
        for name, each in result["retrieval"].items()
    }
    clustering = result["clustering"].get("themes", result["clustering"]["units"])
    return {"cluster_purity": clustering["purity"], "cluster_nmi": clustering["nmi"], **precision}


def evaluate_words(words: Sequence[Sequence[int]], reference: csr_array) -> dict[str, float]:
    """Return mean NPMI and diversity of lists of word columns, with co-occurrences counted in `reference`."""
    return {
        "npmi": float(np.mean(npmi(words, reference))),
        "diversity": diversity(words),
        "single_list_share": single_list_share(words),
    }
