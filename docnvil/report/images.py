"""Images for models of binary images: many small images on one sheet, as PNG.

Axes: N images, V pixels of an image, K units.
"""

import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

GAP = 2  # pixels between two images
SCALE = 2  # screen pixels per image pixel, in both directions


def sheet(images: NDArray[np.floating], shape: tuple[int, int], *, columns: int | None = None) -> NDArray[np.uint8]:
    """Return images in rows and columns on one sheet, `[height, width]`.

    Arguments:
        images: `[N, V]`, gray values from 0 (black) to 1 (white); others are clipped.
        shape: height and width of an image; their product is V.
        columns: images per row; by default such that the sheet is about square.

    Example:
        >>> sheet(np.ones((3, 4)), (2, 2)).shape  # 2 by 2 images of 4 by 4 screen pixels, with gaps
        (14, 14)
    """
    height, width = (side * SCALE for side in shape)
    columns = columns or max(1, math.ceil(math.sqrt(len(images))))
    rows = max(1, math.ceil(len(images) / columns))
    result = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP), 96, dtype=np.uint8)
    for number, image in enumerate(np.clip(images, 0, 1)):
        row, column = divmod(number, columns)
        top, left = row * (height + GAP) + GAP, column * (width + GAP) + GAP
        gray = np.rint(255 * image.reshape(shape)).astype(np.uint8)
        result[top : top + height, left : left + width] = gray.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    return result


def filters(weight: NDArray[np.floating], frequency: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the effect of each unit on the pixels as gray values, `[K, V]`: 0.5 for none, 0 or 1 for the strongest.

    The effect on pixel v, which is on with frequency f_v, is sigmoid(logit f_v + W_kv) - f_v. The weights themselves
    would show mostly the border of the image, where pixels are never on and weights are not constrained by data.

    Arguments:
        weight: `[K, V]`, one row per unit.
        frequency: `[V]`, how often each pixel is on, strictly between 0 and 1.

    Example:
        >>> filters(np.array([[0.0, np.log(3), -40.0]]), np.array([0.5, 0.5, 1e-6])).round(3)
        array([[0.5, 1. , 0.5]])
    """
    effect = 1 / (1 + (1 - frequency) / frequency * np.exp(-weight)) - frequency
    strongest = np.abs(effect).max(axis=1, keepdims=True)
    return 0.5 + 0.5 * effect / np.where(strongest == 0, 1, strongest)


def png(gray: NDArray[np.uint8]) -> bytes:
    """Return gray values, `[height, width]`, as a PNG file.

    Source: W3C (2003), *Portable Network Graphics*: 8-bit grayscale, lines without a filter.

    Example:
        >>> png(np.zeros((1, 1), np.uint8))[1:4]
        b'PNG'
    """
    height, width = gray.shape
    lines = np.hstack([np.zeros((height, 1), np.uint8), gray]).tobytes()  # the first byte of a line names its filter
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
