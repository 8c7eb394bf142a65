"""64-bit hashes of names that are made of other names: the hash of "new_york" follows from those of "new" and "york".

A name with the bytes b_1 ... b_n in UTF-8 has the polynomial hash of Rabin and Karp, modulo 2^64:

    hash(name) = sum over i of (b_i + 1) * BASE^(n - i)

So the n-grams of texts are hashed without making their names, and an n-gram has the hash of its name. The hashes are
the same in every process. Equal names have equal hashes; the reverse is likely but not certain, so hashes only exclude.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from docnvil.text.ngrams import JOINER

Hashes = NDArray[np.uint64]

_BASE = 0x5851F42D4C957F2D  # odd, so that no byte is multiplied away
_MIXER = np.uint64(0x9E3779B97F4A7C15)  # spreads hashes over their top bits, as in `HashTable`
_MAX_VECTORIZED_BYTES = 64  # longer names are rare and hashed one at a time
_MODULUS = 1 << 64


@dataclass(frozen=True)
class NameHashes:
    """Hashes of names.

    Arguments:
        values: the hash of each name, `[W]`.
        powers: `BASE` to the number of bytes of each name, `[W]`.

    >>> words, ngrams = NameHashes.of(["new", "york"]), NameHashes.of(["new_york"])
    >>> bool(words.extend(words.values[:1], np.array([1])) == ngrams.values)
    True
    """

    values: Hashes
    powers: Hashes

    @classmethod
    def of(cls, names: Sequence[str]) -> Self:
        """Return the hashes of names."""
        encoded = [name.encode(errors="surrogatepass") for name in names]
        lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded))
        values, powers = np.zeros(len(encoded), dtype=np.uint64), np.ones(len(encoded), dtype=np.uint64)
        terms = np.frombuffer(b"".join(encoded), dtype=np.uint8).astype(np.uint64) + np.uint64(1)
        starts = np.cumsum(lengths) - lengths
        longer = np.flatnonzero((lengths > 0) & (lengths <= _MAX_VECTORIZED_BYTES))
        position = 0
        while len(longer):
            values[longer] = values[longer] * np.uint64(_BASE) + terms[starts[longer] + position]
            powers[longer] *= np.uint64(_BASE)
            position += 1
            longer = longer[lengths[longer] > position]
        for number in np.flatnonzero(lengths > _MAX_VECTORIZED_BYTES).tolist():
            value = 0
            for byte in encoded[number]:
                value = (value * _BASE + byte + 1) % _MODULUS
            values[number], powers[number] = value, pow(_BASE, len(encoded[number]), _MODULUS)
        return cls(values, powers)

    def extend(self, prefixes: Hashes, numbers: NDArray[np.integer]) -> Hashes:
        """Return the hashes of longer names: a prefix, the joiner, and the name with this number."""
        joined = prefixes * np.uint64(_BASE) + np.uint64(ord(JOINER) + 1)
        return joined * self.powers[numbers] + self.values[numbers]


def buckets_of(hashes: Hashes, bits: int) -> NDArray[np.int64]:
    """Return a number below 2^bits for each hash."""
    return (hashes * _MIXER >> np.uint64(64 - bits)).view(np.int64)
