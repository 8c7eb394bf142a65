"""Shared fixtures and settings: real and small corpora, and one thread, which is faster for small tensors."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exact import one_document
from hypothesis import settings

from docnvil.model.sparse import SparseCounts

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for child processes

# Processes that a shell starts in the background ignore Ctrl-C, and so would the child processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# By default hypothesis fails examples that take over 0.2 s, which happens on a busy machine.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

SHARED_DATA = Path(os.environ.get("DOCNVIL_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function that returns the path of a real corpus, or skips the test if it is missing."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"{name} is not in {SHARED_DATA.resolve()}; set DOCNVIL_DATA to its folder.")
        return path.resolve()

    return find


@pytest.fixture(scope="session")
def block_counts() -> np.ndarray:
    """Forty documents on each of three subjects without common words, `[120, 15]`."""
    generator = np.random.default_rng(0)
    counts = np.zeros((120, 15), dtype=np.int64)
    for document in range(120):
        subject = document % 3
        counts[document, 5 * subject : 5 * subject + 5] = generator.multinomial(20, np.full(5, 0.2))
    return counts


@pytest.fixture
def document() -> SparseCounts:
    """One document, of which all samples of a small network can be enumerated."""
    return one_document()


@pytest.fixture
def text_folder(tmp_path: Path) -> Path:
    """A folder of sixty short texts, with one subfolder for each of two subjects."""
    subjects = {
        "cooking": ["simmer", "onion", "butter", "garlic", "sauce", "oven", "bake", "flour", "salt", "pepper", "stir"],
        "sailing": ["mast", "sail", "harbour", "wind", "keel", "anchor", "tide", "rope", "deck", "captain", "storm"],
    }
    generator = np.random.default_rng(0)
    for subject, words in subjects.items():
        folder = tmp_path / "texts" / subject
        folder.mkdir(parents=True)
        for number in range(30):
            text = " ".join(generator.choice(words, 25))
            (folder / f"{number:02d}.txt").write_text(f"The {text} and it.\n", encoding="utf-8")
    return tmp_path / "texts"
