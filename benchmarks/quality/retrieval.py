"""Do codes find documents of the same newsgroup? Precision beside words and beside latent semantic analysis.

    python benchmarks/quality/retrieval.py               writes benchmarks/results/retrieval.json

The 7,502 test documents of 20 Newsgroups are looked up among the 11,284 training documents, as Salakhutdinov & Hinton
(2009) did for Replicated Softmax.
"""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_matrix, load_npz

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import docnvil, keep, shared_data

from docnvil.analysis.retrieval import classify, cosine, retrieve

COMMAND = "python benchmarks/quality/retrieval.py"
RECIPES = ("default", "best")
RETRIEVED = (1, 10, 100)


def ours(units: int, recipe: str, seed: int) -> dict[str, Any]:
    train, test = (shared_data(f"ng20_sh2009/{part}.npz") for part in ("train", "test"))
    train_labels, test_labels = (shared_data(f"ng20_sh2009/labels_{part}.npy") for part in ("train", "test"))
    labels = ("--train-labels", train_labels, "--test-labels", test_labels)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        docnvil("fit", train, "--units", units, "--recipe", recipe, "--seed", seed, "--out", model)
        return docnvil("retrieval", model, train, test, *labels, "--json").json


def of_words(units: int, seed: int) -> dict[str, dict[str, Any]]:
    """Tf-idf vectors of all words, and their projection to as many dimensions as we have units."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    train, test = (csr_matrix(load_npz(shared_data(f"ng20_sh2009/{part}.npz"))) for part in ("train", "test"))
    labels, test_labels = (np.load(shared_data(f"ng20_sh2009/labels_{part}.npy")) for part in ("train", "test"))
    weighting = TfidfTransformer(sublinear_tf=True).fit(train)
    vectors = [weighting.transform(counts) for counts in (train, test)]
    projection = TruncatedSVD(units, random_state=seed).fit(vectors[0])
    found = {}
    for name, (codes, queries) in {
        "tf-idf of all words": [each.toarray() for each in vectors],
        "latent semantic analysis": [projection.transform(each) for each in vectors],
    }.items():
        by_cosine = retrieve(codes, labels, queries, test_labels, similarity=cosine, retrieved=RETRIEVED)
        told = classify(codes, labels, queries, test_labels)
        found[name] = {"retrieval": {"cosine": asdict(by_cosine)}, "classification": asdict(told)}
    return found


@click.command()
@click.option("--units", default=50, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(units: int, seed: int) -> None:
    found = {f"recipe {recipe}": ours(units, recipe, seed) for recipe in RECIPES}
    found |= of_words(units, seed)
    keep("retrieval", COMMAND, {"corpus": "ng20_sh2009", "units": units, "seed": seed, "found": found})


if __name__ == "__main__":
    main()
