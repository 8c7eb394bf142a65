"""Precision of search: words and documents as queries, with tf-idf, the model, and both.

Data: 20 Newsgroups. A result is relevant if it is from the newsgroup that the query is about. The weights of the model
score are compared on the training posts, with twenty queries of their own; reported are twenty other queries, and test
posts as queries, among all other test posts.

    python benchmarks/quality/search.py [--folder F]    4 minutes on one core; writes benchmarks/results/search.json
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import save_results
from news_posts import LABEL, SETTINGS, prepare

import docnvil
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.search.index import SearchIndex, make_index
from docnvil.search.query import LIKE_WEIGHT, WORDS_WEIGHT, search_like, search_words
from docnvil.text.excerpts import read_excerpts
from docnvil.text.settings import SourceOptions

COMMAND = "python benchmarks/quality/search.py"
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1000.0)  # the first is tf-idf alone, the last practically the model
RETRIEVED = 10
LIKE_QUERIES = 1000
MIN_WORDS = 5  # of a document as query
TUNING_QUERIES = {
    "alt.atheism": "god exist argument",
    "comp.graphics": "jpeg gif viewer",
    "comp.os.ms-windows.misc": "dos windows memory",
    "comp.sys.ibm.pc.hardware": "scsi drive bus",
    "comp.sys.mac.hardware": "apple monitor powerbook",
    "comp.windows.x": "server display application window",
    "misc.forsale": "price condition sell",
    "rec.autos": "ford honda miles",
    "rec.motorcycles": "bmw bike rider",
    "rec.sport.baseball": "baseball hitter season",
    "rec.sport.hockey": "nhl team game penguins",
    "sci.crypt": "nsa wiretap privacy",
    "sci.electronics": "amplifier signal chip",
    "sci.med": "treatment symptoms medicine",
    "sci.space": "nasa moon satellite",
    "soc.religion.christian": "scripture holy faith lord",
    "talk.politics.guns": "nra handgun crime",
    "talk.politics.mideast": "turkish armenian genocide",
    "talk.politics.misc": "gay rights congress",
    "talk.religion.misc": "christians bible prophecy",
}
QUERIES = {
    "alt.atheism": "atheism morality belief",
    "comp.graphics": "polygon rendering image format",
    "comp.os.ms-windows.misc": "windows drivers fonts",
    "comp.sys.ibm.pc.hardware": "ide controller motherboard",
    "comp.sys.mac.hardware": "quadra centris nubus",
    "comp.windows.x": "motif widget xterm",
    "misc.forsale": "sale offer shipping",
    "rec.autos": "car dealer engine",
    "rec.motorcycles": "motorcycle helmet riding",
    "rec.sport.baseball": "pitcher innings braves",
    "rec.sport.hockey": "hockey playoffs goalie",
    "sci.crypt": "clipper encryption keys escrow",
    "sci.electronics": "circuit voltage resistor",
    "sci.med": "disease patients doctor",
    "sci.space": "orbit launch shuttle",
    "soc.religion.christian": "jesus christ church sin",
    "talk.politics.guns": "firearms gun weapons law",
    "talk.politics.mideast": "israel palestinians arab",
    "talk.politics.misc": "clinton taxes government jobs",
    "talk.religion.misc": "christian objective morality",
}


def measure(model: docnvil.FittedModel, source: Path, folder: Path, queries: Mapping[str, str]) -> dict[str, Any]:
    """Return the precision of both kinds of queries for each weight."""
    options = SourceOptions(label_column=LABEL)
    matrix = load_document_term_matrix(source, options, rules=model.token_rules, vocabulary=model.vocabulary)
    index = make_index(
        folder / source.stem, model, matrix.counts, read_excerpts(source, options, matrix), source, options
    )
    labels = np.array(matrix.metadata[LABEL])
    counted = docnvil.count_words(list(queries.values()), rules=model.token_rules, vocabulary=model.vocabulary)
    long = np.flatnonzero(np.diff(matrix.counts.indptr) >= MIN_WORDS)
    rows = np.sort(np.random.default_rng(0).choice(long, LIKE_QUERIES, replace=False)).tolist()
    return {
        "documents": matrix.n_documents,
        "words": {str(weight): _words(index, labels, counted, list(queries), weight) for weight in WEIGHTS},
        "like": {str(weight): _like(index, labels, rows, weight) for weight in WEIGHTS},
    }


def _words(index: SearchIndex, labels: Any, counted: Any, groups: Sequence[str], weight: float) -> float:
    found = (search_words(index, counted.counts[[row]], RETRIEVED, weight=weight) for row in range(len(groups)))
    return _precision(labels, found, groups)


def _like(index: SearchIndex, labels: Any, rows: Sequence[int], weight: float) -> float:
    found = (search_like(index, row, RETRIEVED, weight=weight) for row in rows)
    return _precision(labels, found, labels[rows])


def _precision(labels: Any, found: Any, wanted: Sequence[str]) -> float:
    """Return the mean share of relevant results."""
    shares = [
        np.mean([labels[each.row] == group for each in results]) for results, group in zip(found, wanted, strict=True)
    ]
    return round(float(np.mean(shares)), 4)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Folder to keep the posts and the model in.")
def main(folder: Path | None) -> None:
    """Measure the precision of search; write benchmarks/results/search.json."""
    with tempfile.TemporaryDirectory() as temporary:
        posts = prepare(folder or Path(temporary) / "posts")
        model = docnvil.load(posts.model, "cpu")
        tuning = measure(model, posts.train, Path(temporary), TUNING_QUERIES)
        test = measure(model, posts.test, Path(temporary), QUERIES)
    for kind, chosen in (("words", WORDS_WEIGHT), ("like", LIKE_WEIGHT)):
        best = max(tuning[kind], key=tuning[kind].get)
        click.echo(f"{kind}: best weight on training posts {best}, in use {chosen}; test {test[kind]}")
    settings = {
        **SETTINGS,
        "retrieved": RETRIEVED,
        "queries": len(QUERIES),
        "like_queries": LIKE_QUERIES,
        "repetitions": 1,
    }
    weights = {"words": WORDS_WEIGHT, "like": LIKE_WEIGHT}
    save_results("search", COMMAND, {"settings": settings, "weights": weights, "training": tuning, "test": test})


if __name__ == "__main__":
    main()
