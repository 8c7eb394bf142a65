"""Writing of NumPy arrays whose errors are those of the operating system."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an `.npy` file with the bytes of `numpy.save`.

    On a full disk, `numpy.save` says only "35452 requested and 29664 written", because it writes to files with C's
    `fwrite`. To other objects it writes with their method.
    """
    with path.open("wb") as file:
        np.save(_Writer(file), array, allow_pickle=False)


class _Writer:
    """Only what `numpy.save` needs of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write
