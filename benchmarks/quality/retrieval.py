"""Retrieval and classification with document codes, compared with tf-idf and latent semantic analysis.

Data: 20 Newsgroups, 2,000 words. Each of the 7,502 test documents is a query among the 11,284 training documents; a
retrieved document is correct if it is from the same newsgroup, as in Salakhutdinov & Hinton (2009). Reported: precision
and recall by number of documents retrieved, and the accuracy and macro F1 of a classifier on the codes.

    python benchmarks/quality/retrieval.py      4 minutes on two cores; writes benchmarks/results/retrieval.json
"""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_matrix

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import docnvil, save_results

from docnvil.analysis.retrieval import classify, cosine, retrieve

COMMAND = "python benchmarks/quality/retrieval.py"
RECIPES = ("default", "best")
RETRIEVED = (1, 10, 100)


def evaluate_codes(units: int, recipe: str, seed: int) -> dict[str, Any]:
    """Train docnvil and return the retrieval and classification measures of its codes."""
    train, test = ng20.paths()
    train_labels, test_labels = ng20.label_paths()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        docnvil("fit", train, "--units", units, "--recipe", recipe, "--seed", seed, "--out", model)
        labels = ("--train-labels", train_labels, "--test-labels", test_labels)
        return docnvil("retrieval", model, train, test, *labels, "--json").json


def evaluate_word_vectors(units: int, seed: int) -> dict[str, dict[str, Any]]:
    """Return the same measures of tf-idf vectors, and of their projection to `units` dimensions."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    counts = [csr_matrix(each) for each in ng20.load()]
    train_labels, test_labels = map(np.load, ng20.label_paths())
    weighting = TfidfTransformer(sublinear_tf=True).fit(counts[0])
    vectors = [weighting.transform(each) for each in counts]
    projection = TruncatedSVD(units, random_state=seed).fit(vectors[0])
    representations = {
        "tf-idf of all words": [each.toarray() for each in vectors],
        "latent semantic analysis": [projection.transform(each) for each in vectors],
    }
    results = {}
    for name, (train, test) in representations.items():
        retrieval = retrieve(train, train_labels, test, test_labels, similarity=cosine, retrieved=RETRIEVED)
        classification = classify(train, train_labels, test, test_labels)
        results[name] = {"retrieval": {"cosine": asdict(retrieval)}, "classification": asdict(classification)}
    return results


@click.command()
@click.option("--units", default=50, show_default=True, help="Units of the models, dimensions of the projection.")
@click.option("--seed", default=0, show_default=True, help="Seed of training and projection.")
def main(units: int, seed: int) -> None:
    """Measure retrieval and classification with codes; write benchmarks/results/retrieval.json."""
    representations = {f"recipe {recipe}": evaluate_codes(units, recipe, seed) for recipe in RECIPES}
    representations |= evaluate_word_vectors(units, seed)
    settings = {"corpus": ng20.CORPUS, "units": units, "seed": seed}
    save_results("retrieval", COMMAND, {**settings, "representations": representations})


if __name__ == "__main__":
    main()
