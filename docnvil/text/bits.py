"""Reader of binary vectors, such as images: rows of a NumPy array of zeros and ones, which may be packed into bytes."""

import math
import os
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from docnvil.errors import CorpusError, translating_errors
from docnvil.text.files import open_stored_bytes, translate_os_errors
from docnvil.text.line_formats import ReadCounts
from docnvil.text.reading_report import list_items
from docnvil.text.record_documents import cell_text

MAX_EXPANSION = 2000  # deflate reaches 1,032 at most, so a larger ratio is invented
CHUNK_ROWS = 8192  # rows of a dense array that are unpacked at a time


def read_bits(path: Path, array: str | None = None, *, width: int | None = None) -> ReadCounts:
    """Read binary vectors, as counts `[N, V]`, and their labels from a file that `numpy.save` or `numpy.savez` wrote.

    An array of bytes with values above 1 is taken as packed by `numpy.packbits(rows, axis=1)`. If the file also has an
    array `labels` or `<array>_labels` with one value per row, these become labels.

    Arguments:
        path: an `.npz` or `.npy` file.
        array: the name of the array in an `.npz`; not needed if only one array has two dimensions.
        width: V, the number of bits per vector; by default all bits of the array.

    Raises:
        CorpusError: the array is missing, or is not a 2-D array of zeros and ones.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.savez(Path(folder, "bits.npz"), test=np.packbits([[1, 0, 1, 1], [0, 0, 0, 1]], axis=1))
        ...     read_bits(Path(folder, "bits.npz"), width=4).counts.toarray().tolist()
        [[1, 0, 1, 1], [0, 0, 0, 1]]
    """
    rows, labels = _load_array(path, array)
    is_packed = rows.dtype == np.uint8 and bool(rows.max(initial=0) > 1)
    n_bits = rows.shape[1] * 8 if is_packed else rows.shape[1]
    width = n_bits if width is None else width
    if not (n_bits - 8 < width <= n_bits if is_packed else width == n_bits):
        raise CorpusError(f"{path} has vectors of {n_bits} bits, not {width}. Check the array and the model.")
    if not is_packed and not ((rows == 0) | (rows == 1)).all():
        raise CorpusError(
            f"{path} contains other numbers than zeros and ones. Binarize it first, or save counts as a sparse matrix"
            " with scipy.sparse.save_npz."
        )
    chunks = [csr_array((0, width), dtype=np.int32)]
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        bits = np.unpackbits(chunk, axis=1)[:, :width] if is_packed else chunk
        chunks.append(csr_array(bits.astype(np.int32)))
    return ReadCounts(csr_array(vstack(chunks, format="csr")), labels)


def is_plain_archive(path: Path) -> bool:
    """Return whether an `.npz` has plain arrays rather than a sparse matrix of `scipy.sparse.save_npz`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not {"format.npy", "shape.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False  # reading it as a sparse matrix reports the error


def _load_array(path: Path, name: str | None) -> tuple[NDArray[np.generic], tuple[str, ...] | None]:
    labels = None
    remedy = "Write it again with numpy.save or numpy.savez."
    with translate_os_errors(path), translating_errors(CorpusError, path, remedy), open_stored_bytes(path) as file:
        check_declared_sizes(path, file)
        file.seek(0)
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            rows = loaded
        else:
            with loaded:
                name = _choose_array(path, loaded, name)
                rows = loaded[name]
                labels = loaded.get(f"{name}_labels", loaded.get("labels"))
        if not isinstance(rows, np.ndarray):
            raise CorpusError(f"{path} has a member that is not an array. {remedy}")
    if rows.ndim != 2 or rows.dtype.kind not in "buif":
        raise CorpusError(f"{path} has an array of shape {rows.shape}. Binary vectors are the rows of a 2-D array.")
    has_labels = labels is not None and labels.shape == (len(rows),)
    if not has_labels:
        return rows, None
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    return rows, tuple(cell_text(label) or "" for label in labels.tolist())


def check_declared_sizes(path: Path, file: BinaryIO) -> None:
    """Refuse an `.npy` or `.npz` whose header declares more bytes than follow it, before memory is allocated for them.

    Arguments:
        path: the file, for the message.
        file: the same file, opened; its position changes.
    """
    if not zipfile.is_zipfile(file):
        file.seek(0)
        _check_declared_size(path, file, path.stat().st_size)
        return
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                if member.file_size > MAX_EXPANSION * max(member.compress_size, 1):
                    raise CorpusError(f"{path} expands more than {MAX_EXPANSION:,} times. Write it again.")
                with archive.open(member) as stream:
                    _check_declared_size(path, cast(BinaryIO, stream), member.file_size)


def _check_declared_size(path: Path, stream: BinaryIO, n_bytes: int) -> None:
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    declared = math.prod(shape) * dtype.itemsize
    if declared > n_bytes or any(size < 0 for size in shape):
        raise CorpusError(
            f"{path} declares an array of shape {shape}, {declared:,} bytes, but has only {n_bytes:,}: it is truncated"
            " or was changed. Write it again."
        )
    if declared > _memory_bytes():
        raise CorpusError(f"{path} has an array of {declared >> 30:,} GiB, more than this machine's memory. Split it.")


def _memory_bytes() -> float:
    """Return the size of the memory of this machine, or infinity if it is unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf


def _choose_array(path: Path, archive: np.lib.npyio.NpzFile, name: str | None) -> str:
    tables = [each for each in archive.files if archive[each].ndim == 2]
    if name is None and len(tables) == 1:
        return tables[0]
    if name is None:
        raise CorpusError(f"{path} has {len(tables)} 2-D arrays ({list_items(tables, 20)}). Choose one with --array.")
    if name not in archive.files:
        raise CorpusError(
            f"{path} has no array {name!r}. Its arrays are {list_items(archive.files, 20)}; choose one with --array."
        )
    return name
