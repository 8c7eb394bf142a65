"""Select the docstrings that are not copies of others.

Documentation repeats itself: fifty functions describe the same parameter in the same words, and a method of a data
frame is documented again as a method of a series. A topic model would spend topics on these copies. Therefore:

1. a block that occurs in more than `MAX_REPEATS` documents, apart from the name of the documented object, is removed
   from all of them;
2. a document with fewer than `MIN_WORDS` words is dropped;
3. if the word sets of two documents overlap by `MAX_OVERLAP` or more (Jaccard index), the later document is dropped.
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
    """The cleaned docstring of a public name, as a sequence of blocks."""

    package: str
    module: str
    name: str
    blocks: tuple[str, ...]

    @property
    def text(self) -> str:
        """The document, one block per line."""
        return "\n".join(self.blocks)


def select(entries: Sequence[Entry]) -> list[Entry]:
    """Apply the three rules, keeping the order; of two copies the earlier one is kept."""
    entries = remove_repeated_blocks(entries)
    entries = [entry for entry in entries if len(_words(entry.text)) >= MIN_WORDS]
    return remove_near_copies(entries)


def remove_repeated_blocks(entries: Sequence[Entry]) -> list[Entry]:
    """Remove the blocks that occur in more than `MAX_REPEATS` different documents."""
    keys = [tuple(_key(block, entry.name) for block in entry.blocks) for entry in entries]
    # Identical docstrings count once: the third rule removes the copies, and the first one must not be lost.
    repeats = Counter(key for document in dict.fromkeys(keys) for key in set(document))
    return [
        Entry(entry.package, entry.module, entry.name, _rare_blocks(entry.blocks, document, repeats))
        for entry, document in zip(entries, keys, strict=True)
    ]


def remove_near_copies(entries: Sequence[Entry], *, chunk_size: int = 512) -> list[Entry]:
    """Drop each document that overlaps by `MAX_OVERLAP` or more with an earlier one, even if that one is dropped too.

    Arguments:
        entries: the documents, the preferred ones first.
        chunk_size: number of documents that are compared at once; limits the memory.
    """
    if not entries:
        return []
    sets = _word_sets(entry.text for entry in entries)  # [N, V], ones and zeros
    sizes = sets.sum(axis=1)
    selected: list[Entry] = []
    for start in range(0, len(entries), chunk_size):
        chunk = slice(start, min(start + chunk_size, len(entries)))
        common = (sets[chunk] @ sets[: chunk.stop].T).toarray()  # [documents of the chunk, documents up to its end]
        union = sizes[chunk, None] + sizes[None, : chunk.stop] - common
        is_copy = np.tril(common >= MAX_OVERLAP * union, k=start - 1).any(axis=1)
        selected += [entries[start + row] for row in np.flatnonzero(~is_copy)]
    return selected


def _rare_blocks(blocks: Iterable[str], keys: Iterable[str], repeats: Counter[str]) -> tuple[str, ...]:
    return tuple(block for block, key in zip(blocks, keys, strict=True) if repeats[key] <= MAX_REPEATS)


def _key(block: str, name: str) -> str:
    """Return the words of a block without the name of the documented object, so that copies have the same key."""
    object_name = name.rpartition(".")[2]
    return " ".join(_words(re.sub(rf"\b{re.escape(object_name)}\b", " ", block)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _word_sets(texts: Iterable[str]) -> sparse.csr_array:
    columns: dict[str, int] = {}
    rows = [[columns.setdefault(word, len(columns)) for word in dict.fromkeys(_words(text))] for text in texts]
    indices = np.array([column for row in rows for column in row], dtype=np.int64)
    indptr = np.cumsum([0, *map(len, rows)])
    return sparse.csr_array((np.ones(len(indices), np.int32), indices, indptr), shape=(len(rows), len(columns)))
