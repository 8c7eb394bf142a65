"""Binary vectors, images for instance: rows of a NumPy array of zeros and ones, packed eight to a byte or not."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from docnvil.errors import CorpusError
from docnvil.text.files import translate_os_errors
from docnvil.text.line_formats import ReadCounts

ROWS_AT_ONCE = 8192  # of a dense array, how many are unpacked at a time


def read_bits(path: Path, array: str | None = None, *, width: int | None = None) -> ReadCounts:
    """Read binary vectors from an array of `numpy.save` or `numpy.savez`.

    An array of bytes in which any is above one is taken to be packed, `numpy.packbits(rows, axis=1)`. Where the file
    also has an array `labels`, or `<array>_labels`, with a value a row, these become labels.

    Arguments:
        path: an `.npz` or `.npy` file.
        array: the name of the array in an `.npz`; not needed if it has one table only.
        width: V, the number of bits a vector; by default all that the array has room for.

    Returns:
        Ones where bits are set, `[N, V]`, and labels if there are any.

    Raises:
        CorpusError: there is no such array, or it is no table of zeros and ones.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(Path(folder, "bits.npz"), test=np.packbits([[1, 0, 1, 1], [0, 0, 0, 1]], axis=1))
    ...     read_bits(Path(folder, "bits.npz"), width=4).counts.toarray().tolist()
    [[1, 0, 1, 1], [0, 0, 0, 1]]
    """
    rows, labels = _arrays(path, array)
    packed = rows.dtype == np.uint8 and bool(rows.max(initial=0) > 1)
    room = rows.shape[1] * 8 if packed else rows.shape[1]
    width = room if width is None else width
    if not (room - 8 < width <= room if packed else width == room):
        raise CorpusError(f"{path} has vectors of {room} bits, and {width} are wanted. Check the array and the model.")
    if not packed and not ((rows == 0) | (rows == 1)).all():
        raise CorpusError(
            f"{path} holds other numbers than zeros and ones. Binarize it first, or store counts as a sparse matrix"
            " with scipy.sparse.save_npz."
        )
    parts = [csr_array((0, width), dtype=np.int32)]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        bits = np.unpackbits(some, axis=1)[:, :width] if packed else some
        parts.append(csr_array(bits.astype(np.int32)))
    return ReadCounts(csr_array(vstack(parts, format="csr")), labels)


def is_plain_archive(path: Path) -> bool:
    """Tell an `.npz` of plain arrays from one of `scipy.sparse.save_npz`, by the names of what it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not {"format.npy", "shape.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False  # whoever reads it as a sparse matrix will say what is wrong


def _arrays(path: Path, name: str | None) -> tuple[NDArray[np.generic], tuple[str, ...] | None]:
    with translate_os_errors(path):
        try:
            loaded = np.load(path, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                rows, labels = loaded, None
            else:
                with loaded:
                    name = _chosen(path, loaded, name)
                    rows = loaded[name]
                    found = next((each for each in (f"{name}_labels", "labels") if each in loaded.files), None)
                    labels = None if found is None else loaded[found]
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            if isinstance(error, CorpusError):
                raise
            raise CorpusError(
                f"{path} is not an array as numpy.save and numpy.savez write them. Write it again."
            ) from None
    if rows.ndim != 2 or rows.dtype.kind not in "buif":
        raise CorpusError(
            f"{path} holds an array of shape {rows.shape}; binary vectors are rows of a table of numbers."
        )
    if labels is None or labels.shape != (len(rows),):
        return rows, None
    return rows, tuple(str(each) for each in labels.tolist())


def _chosen(path: Path, archive: np.lib.npyio.NpzFile, name: str | None) -> str:
    tables = [each for each in archive.files if archive[each].ndim == 2]
    if name is None and len(tables) == 1:
        return tables[0]
    if name is None:
        raise CorpusError(f"{path} has {len(tables)} tables ({', '.join(tables)}). Choose one with --array.")
    if name not in archive.files:
        raise CorpusError(f"{path} has no array {name!r}. It has {', '.join(archive.files)}; choose one with --array.")
    return name
