"""Pictures of models of images: many small images on one sheet, as PNG.

Axes: N images, V pixels of an image.
"""

import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

GAP = 2  # pixels between two images
ENLARGED = 2  # screen pixels a side for each pixel


def sheet(images: NDArray[np.floating], shape: tuple[int, int], *, columns: int | None = None) -> NDArray[np.uint8]:
    """Lay images side by side, row after row, from 0 (black) to 1 (white).

    Arguments:
        images: `[N, V]`, gray values; what lies outside 0 to 1 is cut off.
        shape: height and width of an image; their product is V.
        columns: images a row; by default such that the sheet is about square.

    Example:
        >>> sheet(np.ones((3, 4)), (2, 2)).shape  # 2 by 2 places of 4 screen pixels a side, and gaps around them
        (14, 14)
    """
    height, width = (side * ENLARGED for side in shape)
    columns = columns or max(1, math.ceil(math.sqrt(len(images))))
    rows = max(1, math.ceil(len(images) / columns))
    page = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP), 96, dtype=np.uint8)
    for number, image in enumerate(np.clip(images, 0, 1)):
        row, column = divmod(number, columns)
        top, left = row * (height + GAP) + GAP, column * (width + GAP) + GAP
        gray = np.rint(255 * image.reshape(shape)).astype(np.uint8)
        page[top : top + height, left : left + width] = gray.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    return page


def filters(weight: NDArray[np.floating], frequency: NDArray[np.floating]) -> NDArray[np.floating]:
    """Show what each unit does to the pixels: a half for nothing, white for its strongest effect.

    The effect on pixel v, which is on with frequency f_v, is sigmoid(logit f_v + W_kv) - f_v. The weights themselves
    would show little but the rim, where pixels are never on and nothing holds weights back.

    Arguments:
        weight: `[K, V]`, a row a unit. frequency: `[V]`, how often each pixel is on, strictly between 0 and 1.

    Example:
        >>> filters(np.array([[0.0, np.log(3), -40.0]]), np.array([0.5, 0.5, 1e-6])).round(3)
        array([[0.5, 1. , 0.5]])
    """
    effect = 1 / (1 + (1 - frequency) / frequency * np.exp(-weight)) - frequency
    strongest = np.abs(effect).max(axis=1, keepdims=True)
    return 0.5 + 0.5 * effect / np.where(strongest == 0, 1, strongest)


def png(gray: NDArray[np.uint8]) -> bytes:
    """Encode gray values, `[height, width]`, as a PNG file.

    Source: W3C (2003), *Portable Network Graphics*: 8-bit grayscale, every line unfiltered.

    Example:
        >>> png(np.zeros((1, 1), np.uint8))[1:4]
        b'PNG'
    """
    height, width = gray.shape
    lines = np.hstack([np.zeros((height, 1), np.uint8), gray]).tobytes()  # each line starts with its filter, none
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
