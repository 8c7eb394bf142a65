"""Checks of the arrays of a search index: their types, and that their sizes fit each other.

Axes: N documents, V words, K units of the first layer, E entries of the tf-idf matrix.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import CheckpointError

BITS = 16  # of a number of codes.npy
REBUILD = "Build the index again with --rebuild."
DTYPES = {
    "document_offsets": "int64",
    "id_hashes": "uint64",
    "idf": "float32",
    "indptr": "int64",
    "words": "int32",
    "weights": "float16",
    "postings_indptr": "int64",
    "postings_rows": "int32",
    "postings_weights": "float16",
    "probabilities": "float16",
    "norms": "float32",
    "log_normalizers": "float32",
    "codes": "uint16",
    "code_log_normalizers": "float32",
}


def check_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], n_words: int, n_units: int) -> None:
    """Raise `CheckpointError` if an array has another type or shape than the others require.

    Arguments:
        path: the folder of the index.
        arrays: the arrays by name.
        n_words: V of the model.
        n_units: K of the model.
    """
    n, entries = len(np.atleast_1d(arrays["norms"])), _last(arrays["indptr"])
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("document_offsets", "indptr"), (n + 1,))
    shapes |= dict.fromkeys(("id_hashes", "norms", "log_normalizers", "code_log_normalizers"), (n,))
    shapes |= dict.fromkeys(("words", "weights", "postings_rows", "postings_weights"), (entries,))
    shapes |= {"idf": (n_words,), "postings_indptr": (n_words + 1,), "probabilities": (n, n_units)}
    shapes["codes"] = (-(-n_units // BITS), n)
    for name, array in arrays.items():
        if array.dtype != np.dtype(DTYPES[name]) or array.shape != shapes[name]:
            raise CheckpointError(
                f"{path / name}.npy has the shape {array.shape} of {array.dtype}, not {shapes[name]} of {DTYPES[name]}."
                f" {REBUILD}"
            )
    for name in ("indptr", "postings_indptr"):
        if arrays[name][0] != 0 or _last(arrays[name]) != entries or (np.diff(arrays[name]) < 0).any():
            raise CheckpointError(f"{path / name}.npy does not count up to {entries:,}. {REBUILD}")


def _last(array: NDArray[Any]) -> int:
    return int(array[-1]) if array.ndim == 1 and len(array) else -1
