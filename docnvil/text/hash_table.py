"""A hash table in NumPy arrays, which looks up whole arrays of keys."""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Integers = NDArray[np.int64]


class HashTable:
    """Maps 64-bit keys, except 0, to numbers by open addressing with linear probing; looks up whole arrays of keys."""

    def __init__(self) -> None:
        self._size = 0
        self._allocate(bits=12)

    def __len__(self) -> int:
        return self._size

    def number_keys(self, keys: Keys, next_number: int) -> Integers:
        """Return the number of each key; new keys are added and numbered from `next_number`."""
        numbers = self._find(keys)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            distinct, inverse = np.unique(keys[new], return_inverse=True)
            new_numbers = np.arange(next_number, next_number + len(distinct))
            self._insert(distinct, new_numbers)
            numbers[new] = new_numbers[inverse]
        return numbers

    def _find(self, keys: Keys) -> Integers:
        """Return the number of each key, or -1; a key is in its slot or in one of the next slots before a free one."""
        slots = self._slots_of(keys)
        numbers = self._numbers.take(slots)
        pending = np.flatnonzero(self._keys.take(slots) != keys)
        while len(pending := pending[numbers[pending] >= 0]):
            next_slots = self._next(slots[pending])
            slots[pending], numbers[pending] = next_slots, self._numbers[next_slots]
            pending = pending[self._keys[next_slots] != keys[pending]]
        return numbers

    def _insert(self, keys: Keys, numbers: Integers) -> None:
        """Add distinct new keys; the table grows so that at most half of its slots are used."""
        self._size += len(keys)
        if 2 * self._size > len(self._keys):
            used = self._numbers >= 0
            keys = np.concatenate([keys, self._keys[used]])
            numbers = np.concatenate([numbers, self._numbers[used]])
            self._allocate(bits=int(2 * self._size - 1).bit_length())
            # When several keys compete for a slot, NumPy keeps the last one assigned. Let the oldest key win: keys that
            # were seen early tend to be frequent, and are then found at the first probe.
            order = np.argsort(-numbers)
            keys, numbers = keys[order], numbers[order]
        slots, pending = self._slots_of(keys), np.arange(len(keys))
        while len(pending):
            wanted = slots[pending]
            free = self._numbers[wanted] < 0
            self._numbers[wanted[free]] = numbers[pending[free]]
            placed = self._numbers[wanted] == numbers[pending]
            self._keys[wanted[placed]] = keys[pending[placed]]
            pending = pending[~placed]
            slots[pending] = self._next(slots[pending])

    def _allocate(self, bits: int) -> None:
        self._shift = np.uint64(64 - bits)
        self._keys = np.zeros(1 << bits, dtype=np.uint64)
        self._numbers = np.full(1 << bits, -1)

    def _slots_of(self, keys: Keys) -> Integers:
        # Fibonacci hashing (Knuth, The Art of Computer Programming, vol. 3, section 6.4): the factor is 2^64 divided by
        # the golden ratio, and the top bits of the product are the slot.
        return (keys * np.uint64(0x9E3779B97F4A7C15) >> self._shift).view(np.int64)

    def _next(self, slots: Integers) -> Integers:
        return (slots + 1) & (len(self._keys) - 1)
