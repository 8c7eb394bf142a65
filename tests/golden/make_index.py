"""Write the golden search index of the current format: `python tests/golden/make_index.py tests/golden/index-1`.

Run it once for each new format, and never again: later versions of docnvil must open what this one wrote, or say that
the index has to be made again. The model is that of format-2.
"""

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docnvil.search.fingerprints import fingerprint_corpus
from docnvil.search.index import EXACT_LIMIT, SearchIndex, build_index, open_index
from docnvil.search.query import search_like, search_words
from docnvil.storage.model_folder import load_model
from docnvil.text.counts import count_words
from docnvil.text.documents import Document
from docnvil.text.excerpts import read_excerpts
from docnvil.text.settings import SourceOptions

MODEL = Path(__file__).parent / "format-2" / "model"
TEXTS = (
    "wind and sail, mast and anchor",
    "salt in the oven, flour and salt",
    "a caf\u00e9 by the sail",
    "",
    "salt wind",
)
QUERIES = ("sail", "salt and wind")


INDEXES = ("index", "index-with-codes")


def open_golden(folder: Path, name: str) -> SearchIndex:
    """Open an index of a folder."""
    return open_index(folder / name, load_model(MODEL, "cpu"), folder / "posts.jsonl", SourceOptions())


def answers_of(index: SearchIndex) -> dict[str, Any]:
    """Return what searches find, as JSON."""
    answers = {}
    for query in QUERIES:
        counts = count_words([query], rules=index.model.token_rules, vocabulary=index.model.vocabulary).counts
        answers[query] = [[each.row, each.id, each.title, each.score] for each in search_words(index, counts, 5)]
    answers["like 1"] = [[each.row, each.id, each.title, each.score] for each in search_like(index, 1, 3)]
    answers["excerpts"] = [asdict(index.excerpt(row)) for row in range(index.n_documents)]
    return answers


def make(folder: Path) -> None:
    """Write the posts, their index, and what it finds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    posts = folder / "posts.jsonl"
    rows = [{"id": f"{number}, \u00e9", "title": f"T{number}", "text": text} for number, text in enumerate(TEXTS)]
    posts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model = load_model(MODEL, "cpu")
    documents = [Document(row["id"], row["text"]) for row in rows]
    matrix = count_words(documents, rules=model.token_rules, vocabulary=model.vocabulary)
    corpus, answers = fingerprint_corpus(posts, SourceOptions()), {}
    for name, exact_limit in zip(INDEXES, (EXACT_LIMIT, 0), strict=True):
        excerpts = read_excerpts(posts, SourceOptions(), matrix)
        build_index(folder / name, model, matrix.counts, excerpts, corpus, exact_limit=exact_limit)
        answers[name] = answers_of(open_golden(folder, name))
    (folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
