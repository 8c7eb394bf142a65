"""Small corpora, files with rows, and hypothesis strategies for tests of docnvil.text and docnvil.corpus."""

import csv
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.documents import Document
from docnvil.text.vocabulary import Vocabulary

# Words of documents on food, the sea and music.
SUBJECTS = (
    ("onion", "butter", "garlic", "sauce", "oven", "salt"),
    ("mast", "sail", "wind", "keel", "anchor", "tide"),
    ("piano", "violin", "flute", "drum", "song", "choir"),
)

prose = st.text()
# Any text that can be written on a line of UTF-8, including spaces, quotes and other scripts.
line = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff"), min_size=1, max_size=8)
anything = st.text(st.characters(codec="utf-8"), max_size=8)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write a JSON object per line, compressed if the name of the file ends in .gz, and return the path."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, of which cells may be longer than the limit of Python."""
    limit = csv.field_size_limit(1 << 20)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    finally:
        csv.field_size_limit(limit)


def documents(*texts: str) -> list[Document]:
    return [Document(str(number), text) for number, text in enumerate(texts, start=1)]


@st.composite
def matrices(draw: st.DrawFn, names: st.SearchStrategy[str] = line) -> DocumentTermMatrix:
    """Matrices of up to 6 documents and 6 words, including empty documents and words that do not occur."""
    ids = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    words = draw(st.lists(line, min_size=1, max_size=6, unique=True))
    values = st.integers(0, 3) | st.integers(0, 2**40)
    counts = draw(arrays(np.int64, (len(ids), len(words)), elements=values))
    return DocumentTermMatrix(counts, Vocabulary(words), tuple(ids))


def assert_same(left: DocumentTermMatrix, right: DocumentTermMatrix) -> None:
    assert left.vocabulary == right.vocabulary
    assert left.ids == right.ids
    assert left.counts.dtype == right.counts.dtype
    assert np.array_equal(left.counts.toarray(), right.counts.toarray())


def as_dicts(matrix: DocumentTermMatrix) -> list[dict[str, int]]:
    """Return one dictionary of word to count per document."""
    rows: Iterable[np.ndarray] = matrix.counts.toarray()
    return [{w: int(n) for w, n in zip(matrix.vocabulary, row, strict=True) if n} for row in rows]
