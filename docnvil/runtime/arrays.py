"""Writing of NumPy arrays whose errors are those of the operating system."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from docnvil.runtime.mapped import watch_mapping


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an `.npy` file with the bytes of `numpy.save`.

    On a full disk, `numpy.save` says only "35452 requested and 29664 written", because it writes to files with C's
    `fwrite`. To other objects it writes with their method.
    """
    with path.open("wb") as file:
        np.save(_Writer(file), array, allow_pickle=False)


def map_array(path: Path) -> NDArray[Any]:
    """Return the memory-mapped array of an `.npy` file; see `docnvil.runtime.mapped` for files that become shorter."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    watch_mapping(array, path)
    return array


def map_bytes(path: Path) -> NDArray[np.uint8]:
    """Return the memory-mapped bytes of a file."""
    array = np.memmap(path, dtype=np.uint8, mode="r")
    watch_mapping(array, path)
    return array


class _Writer:
    """Only what `numpy.save` needs of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write
