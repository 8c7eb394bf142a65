"""Choose, among cleaned docstrings, the documents that say something of their own.

Documentation repeats itself: the same parameter is described in the same words in fifty functions, and a method of a
data frame is documented again as a method of a series. A topic model would spend topics on the copies, so:

1. a block that stands in more than `MAX_REPEATS` documents, word for word but for the name of the documented object,
   is cut from all of them;
2. a document of fewer than `MIN_WORDS` words is left out;
3. of two documents whose sets of words overlap by `MAX_OVERLAP` or more (size of the intersection over size of the
   union), the later one is left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

MAX_REPEATS = 5
MIN_WORDS = 20
MAX_OVERLAP = 0.8

_WORD = re.compile(r"[a-z][a-z0-9]+")


@dataclass(frozen=True)
class Entry:
    """The cleaned docstring of a public name, block by block."""

    package: str
    module: str
    name: str
    blocks: tuple[str, ...]

    @property
    def text(self) -> str:
        """The document: one block a line."""
        return "\n".join(self.blocks)


def select(entries: Sequence[Entry]) -> list[Entry]:
    """Apply the three rules; `entries` come in the order in which they are to be preferred, and stay in it."""
    entries = without_repeated_blocks(entries)
    entries = [entry for entry in entries if len(_words(entry.text)) >= MIN_WORDS]
    return without_near_copies(entries)


def without_repeated_blocks(entries: Sequence[Entry]) -> list[Entry]:
    """Cut the blocks that stand in more than `MAX_REPEATS` different documents."""
    keys = [tuple(_key(block, entry.name) for block in entry.blocks) for entry in entries]
    # Whole copies of a docstring count once: they are the business of the third rule, and not a reason to lose it.
    repeats = Counter(key for document in dict.fromkeys(keys) for key in set(document))
    return [
        Entry(entry.package, entry.module, entry.name, _kept(entry.blocks, document, repeats))
        for entry, document in zip(entries, keys, strict=True)
    ]


def without_near_copies(entries: Sequence[Entry], *, rows_at_once: int = 512) -> list[Entry]:
    """Leave out each document that overlaps by `MAX_OVERLAP` or more with an earlier one, be that kept or not."""
    if not entries:
        return []
    sets = _word_sets(entry.text for entry in entries)  # [N, V], ones and zeros
    sizes = sets.sum(axis=1)
    kept: list[Entry] = []
    for start in range(0, len(entries), rows_at_once):
        rows = slice(start, min(start + rows_at_once, len(entries)))
        common = (sets[rows] @ sets[: rows.stop].T).toarray()  # [rows, everything up to them]
        union = sizes[rows, None] + sizes[None, : rows.stop] - common
        earlier = np.tril(common >= MAX_OVERLAP * union, k=start - 1)
        kept += [entries[start + row] for row in np.flatnonzero(~earlier.any(axis=1))]
    return kept


def _kept(blocks: Iterable[str], keys: Iterable[str], repeats: Counter[str]) -> tuple[str, ...]:
    return tuple(block for block, key in zip(blocks, keys, strict=True) if repeats[key] <= MAX_REPEATS)


def _key(block: str, name: str) -> str:
    """Return the words of a block without the documented object's own name, which differs where all else is copied."""
    own = name.rpartition(".")[2]
    return " ".join(_words(re.sub(rf"\b{re.escape(own)}\b", " ", block)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _word_sets(texts: Iterable[str]) -> sparse.csr_array:
    columns: dict[str, int] = {}
    rows = [[columns.setdefault(word, len(columns)) for word in dict.fromkeys(_words(text))] for text in texts]
    indices = np.array([column for row in rows for column in row], dtype=np.int64)
    indptr = np.cumsum([0, *map(len, rows)])
    return sparse.csr_array((np.ones(len(indices), np.int32), indices, indptr), shape=(len(rows), len(columns)))
