"""Attribution and surprise: which words keep units on when others are removed, and which word is foreign.

Data: test posts of 20 Newsgroups with ten distinct known words or more. For each unit that is on, the five words with
the largest contributions are removed, with all their occurrences, and the share of units that turn off is compared with
the removal of five random words of the same post. For the surprise, one word of each post is replaced by a word drawn
from the training frequencies, and the AUROC says how often it is more surprising than the post's own words.

    python benchmarks/quality/explain.py [--folder F]    4 minutes on one core; writes benchmarks/results/explain.json
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import save_results
from news_posts import SETTINGS, prepare

import docnvil
from docnvil.analysis.attribution import attribute
from docnvil.analysis.surprise import word_surprise
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.training.fitted_model import FittedModel

COMMAND = "python benchmarks/quality/explain.py"
MIN_WORDS = 10
REMOVED = 5


def measure_removal(model: FittedModel, counts: csr_array, rng: np.random.Generator) -> dict[str, Any]:
    """Return the share of units that turn off without their five top words, and without five random words."""
    units, reduced = [], {"top": [], "random": []}
    error = 0.0
    for row, each in enumerate(attribute(model.network, counts)):
        total = each.bias + each.word_terms.sum(1) + each.earlier_terms.sum(1)
        error = max(error, float(np.abs(total - each.logits).max()))
        document = csr_array(counts[[row]])
        for unit in each.units_on.tolist():
            units.append(unit)
            reduced["top"].append(without(document, each.top_causes(unit, REMOVED)))
            reduced["random"].append(without(document, rng.choice(document.nnz, REMOVED, replace=False)))
    shares = {}
    for name, documents in reduced.items():
        probabilities = unit_probabilities(model.network, csr_array(vstack(documents, format="csr")))
        shares[name] = round(float((probabilities[np.arange(len(units)), units] <= 0.5).mean()), 4)
    return {"units_on": len(units), "turned_off": shares, "largest_error_of_sum": error}


def without(document: csr_array, positions: NDArray[np.integer]) -> csr_array:
    """Return a document without some of its words."""
    result = document.copy()
    result.data[positions] = 0
    result.eliminate_zeros()
    return result


def measure_surprise(model: FittedModel, counts: csr_array, rng: np.random.Generator) -> dict[str, Any]:
    """Return the AUROC of a foreign word among the words of its post, by surprise and by rarity."""
    frequency = model.statistics.word_frequency
    probability = (frequency + 0.01) / (frequency + 0.01).sum()
    changed, foreign = [], []
    for row in range(counts.shape[0]):
        document = csr_array(counts[[row]]).tolil()
        present = np.flatnonzero(document.toarray()[0])
        new = rng.choice(len(probability), p=probability)
        while new in present:
            new = rng.choice(len(probability), p=probability)
        document[0, rng.choice(present)] = 0
        document[0, new] = 1
        changed.append(csr_array(document))
        foreign.append(new)
    matrix = csr_array(vstack(changed, format="csr"))
    matrix.sort_indices()
    values = list(word_surprise(model.network, matrix))
    scores: dict[str, list[float]] = {"surprise": [], "rarity": []}
    for row, nats in enumerate(values):
        columns = csr_array(matrix[[row]]).indices
        for name, measure in (("surprise", nats), ("rarity", -np.log(probability[columns]))):
            own, others = measure[columns == foreign[row]], measure[columns != foreign[row]]
            scores[name].append(float((own > others).mean() + (own == others).mean() / 2))
    return {"posts": len(values), "auroc": {name: round(float(np.mean(each)), 4) for name, each in scores.items()}}


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Folder to keep the posts and the model in.")
def main(folder: Path | None) -> None:
    """Measure attribution and surprise; write benchmarks/results/explain.json."""
    with tempfile.TemporaryDirectory() as temporary:
        posts = prepare(folder or Path(temporary))
        model = docnvil.load(posts.model, "cpu")
        test = load_document_term_matrix(posts.test, rules=model.token_rules, vocabulary=model.vocabulary)
    rng = np.random.default_rng(0)
    long = np.flatnonzero(np.diff(test.counts.indptr) >= MIN_WORDS)
    removal = measure_removal(model, csr_array(test.counts[np.sort(rng.choice(long, 2000, replace=False))]), rng)
    surprise = measure_surprise(model, csr_array(test.counts[np.sort(rng.choice(long, 300, replace=False))]), rng)
    results = {"settings": {**SETTINGS, "min_words": MIN_WORDS, "removed": REMOVED, "repetitions": 1}}
    results |= {"posts": 2000, "removal": removal, "surprise": surprise}
    click.echo(results)
    save_results("explain", COMMAND, results)


if __name__ == "__main__":
    main()
