"""Write the golden corpus of the current format: `python tests/golden/make_corpus.py tests/golden/corpus-1`.

Run it once for each new format, and never again: later versions of docnvil must read what this one wrote.
"""

import json
import sys
from pathlib import Path
from typing import Any

from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus
from docnvil.text.counts import count_words
from docnvil.text.document import Document
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.vocabulary import Vocabulary

TEXTS = ("wind and sail, mast and anchor", "salt in the oven, flour and salt", "")


def make_corpus(folder: Path) -> DocumentTermMatrix:
    """Write a corpus, and read it."""
    documents = [Document(f"{number}, \u00e9", TEXTS[number % 3], {"group": f"g{number % 3}"}) for number in range(24)]
    vocabulary = Vocabulary(["anchor", "flour", "mast", "oven", "sail", "salt", "wind"])
    write_corpus(count_words(documents, vocabulary=vocabulary), folder)
    return read_corpus(folder)


def make_index(folder: Path, model: Any, corpus: DocumentTermMatrix, source: Path) -> None:
    """Write a search index of a corpus."""
    from docnvil.search import index
    from docnvil.text.excerpts import read_excerpts
    from docnvil.text.settings import SourceOptions

    excerpts = read_excerpts(source, SourceOptions(), corpus)
    index.make_index(folder, model, corpus.counts, excerpts, source, SourceOptions())


def answers_of(matrix: DocumentTermMatrix) -> dict[str, Any]:
    """Return what a corpus contains, as JSON."""
    return {
        "counts": matrix.counts.toarray().tolist(),
        "words": list(matrix.vocabulary),
        "ids": list(matrix.ids),
        "metadata": {name: list(values) for name, values in matrix.metadata.items()},
        "unknown": None if matrix.unknown_counts is None else matrix.unknown_counts.tolist(),
        "rules": None if matrix.rules is None else matrix.rules.to_json(),
    }


if __name__ == "__main__":
    path = Path(sys.argv[1])
    answers = answers_of(make_corpus(path))
    (path.parent / "corpus.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
