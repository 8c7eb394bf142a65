"""The default tokenizer on many texts at once, as fast as NumPy goes through bytes; what it finds is exactly the same.

A run is what stands between two ASCII characters that are neither letters nor digits. No token of the default pattern
reaches beyond its run, so equal runs hold equal tokens, and it is enough to take each distinct run apart once. Runs
are told apart without a Python object for each: the first 8 bytes of a run are one 64-bit key, and every 4 bytes more
make a key together with the number of what came before. Keys are looked up in tables that hold them whole: nothing
here is right only with high probability.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress
from string import digits

import numpy as np
from numpy.typing import NDArray

from docnvil.text.accumulator import DROPPED, TokenIndex, TokenReader
from docnvil.text.tokens import DEFAULT_TOKEN_PATTERN, Tokenizer

_HEAD, _TAIL = 8, 4  # bytes of a run's first key, and those that each further one adds
_LONGEST = 64  # bytes of a run that is remembered; longer ones hardly come back
_HEAD_MASKS = np.array([(1 << 8 * size) - 1 for size in range(_HEAD + 1)], dtype=np.uint64)
_UNSEEN, _SEVERAL = -3, -4  # columns of a run not yet taken apart, and of one that holds several tokens

_Keys = NDArray[np.uint64]
_Numbers = NDArray[np.int64]
_Places = NDArray[np.int32]  # rows and columns


def reader_of(tokenizer: Tokenizer, columns: TokenIndex) -> "RunReader | TokenReader":
    """Return what reads texts by a tokenizer's rules: the quick way for the default pattern, else token by token."""
    rules = tokenizer.rules
    quick = rules.token_pattern == DEFAULT_TOKEN_PATTERN and rules.tokenizer is None
    return RunReader(tokenizer, columns) if quick else TokenReader(tokenizer, columns)


class RunReader:
    """Reads texts as the columns of their tokens; a run is taken apart at its first occurrence.

    Arguments:
        tokenizer: of the default pattern, whatever its other rules.
        columns: token to column.

    >>> from docnvil.text.tokens import TokenRules
    >>> tokenizer = Tokenizer(TokenRules(stop_words=()))
    >>> columns = TokenIndex(tokenizer, None)
    >>> rows, found = RunReader(tokenizer, columns)(["A mouse, an owl", "", "3 OWLS: an owl."])
    >>> rows.tolist(), [list(columns.words)[column] if column >= 0 else "-" for column in found]
    ([0, 0, 0, 0, 2, 2, 2, 2], ['-', 'mouse', 'an', 'owl', '-', 'owls', 'an', 'owl'])
    """

    def __init__(self, tokenizer: Tokenizer, columns: TokenIndex) -> None:
        self._tokenizer, self._columns = tokenizer, columns
        self._letters = _letters(lowercase=tokenizer.rules.lowercase)
        self._heads, self._tails = _KeyTable(), _KeyTable()
        self._column_of_run = np.zeros(0, dtype=np.int32)
        self._several: dict[int, list[int]] = {}  # by the run's number

    @property
    def remembered(self) -> int:
        """How many distinct runs, or words if these are more, are kept with what they stand for."""
        return max(len(self._column_of_run), len(self._columns.words))

    def __call__(self, texts: Sequence[str]) -> tuple[_Places, _Places]:
        """Return the place of each token's text, and its column; the tokens of a text come in any order."""
        encoded = [self._encoded(text) for text in texts]
        # Eight bytes are read from any byte of a run on, out of two words that lie side by side.
        data = b"\n".join([b"", *encoded, bytes(2 * _HEAD)]).translate(self._letters)
        inside = np.frombuffer(data, dtype=np.uint8) != 0
        changes = np.zeros(len(data), dtype=bool)
        np.not_equal(inside[1:], inside[:-1], out=changes[1:])
        bounds = np.flatnonzero(changes)
        starts, lengths = bounds[::2].copy(), bounds[1::2] - bounds[::2]
        ends_of_texts = np.cumsum([len(text) + 1 for text in encoded])
        per_text = np.diff(np.searchsorted(starts, ends_of_texts, side="right"), prepend=0)
        rows = np.repeat(np.arange(len(texts), dtype=np.int32), per_text)

        if lengths.max(initial=0) <= _LONGEST:
            return self._look_up(data, starts, lengths, rows)
        short = lengths <= _LONGEST
        found = self._look_up(data, starts[short], lengths[short], rows[short])
        runs = (run.decode(errors="surrogatepass") for run in _cut(data, starts[~short], lengths[~short]))
        long = [self._columns.of(self._tokenizer.find(run)) for run in runs]
        return _with_several(*found, rows[~short], long)

    def _encoded(self, text: str) -> bytes:
        # Lower-casing all of ASCII is left to `translate`; case elsewhere depends on what stands around a letter.
        return text.encode() if text.isascii() else self._tokenizer.normalize(text).encode(errors="surrogatepass")

    def _look_up(self, data: bytes, starts: _Numbers, lengths: _Numbers, rows: _Places) -> tuple[_Places, _Places]:
        numbers = self._numbers(data, starts, lengths)
        if self._next_number > len(self._column_of_run):
            unseen = np.full(self._next_number - len(self._column_of_run), _UNSEEN, dtype=np.int32)
            self._column_of_run = np.concatenate([self._column_of_run, unseen])
        columns = self._column_of_run.take(numbers)
        new = np.flatnonzero(columns == _UNSEEN)
        if len(new):
            distinct, first = np.unique(numbers[new], return_index=True)
            self._learn(distinct, _cut(data, starts[new[first]], lengths[new[first]]))
            columns[new] = self._column_of_run[numbers[new]]
        several = columns == _SEVERAL
        if not several.any():
            return rows, columns
        apart = [self._several[number] for number in numbers[several].tolist()]
        return _with_several(rows[~several], columns[~several], rows[several], apart)

    def _numbers(self, data: bytes, starts: _Numbers, lengths: _Numbers) -> _Numbers:
        """Return a number for each run, the same for equal ones only."""
        keys = _eight_bytes(data, starts) & _HEAD_MASKS.take(np.minimum(lengths, _HEAD))
        numbers = self._heads.numbers(keys, self._next_number)
        longer = np.flatnonzero(lengths > _HEAD)
        done = _HEAD
        while len(longer):
            left = np.minimum(lengths[longer] - done, _TAIL)
            tails = _eight_bytes(data, starts[longer] + done) & _HEAD_MASKS[left]
            keys = numbers[longer].astype(np.uint64) << np.uint64(8 * _TAIL) | tails
            numbers[longer] = self._tails.numbers(keys, self._next_number)
            done += _TAIL
            longer = longer[lengths[longer] > done]
        return numbers

    @property
    def _next_number(self) -> int:
        return len(self._heads) + len(self._tails)

    def _learn(self, numbers: _Numbers, runs: Iterable[bytes]) -> None:
        """Remember what distinct runs stand for."""
        texts = b"\n".join(runs).decode(errors="surrogatepass").split("\n")
        plain = np.fromiter(map(str.isascii, texts), dtype=bool, count=len(texts))
        # What is left of a run of ASCII without the digits in front is its one token, or nothing.
        tokens = [text.lstrip(digits) for text in compress(texts, plain)]
        self._column_of_run[numbers[plain]] = self._columns.of(tokens)
        for number, text in zip(numbers[~plain].tolist(), compress(texts, ~plain), strict=True):
            columns = self._columns.of(self._tokenizer.find(text))
            if len(columns) > 1:
                self._several[number] = columns
            self._column_of_run[number] = _SEVERAL if len(columns) > 1 else columns[0] if columns else DROPPED


class _KeyTable:
    """Numbers of 64-bit keys other than 0, by open addressing: arrays are looked up in arrays."""

    def __init__(self) -> None:
        self._size = 0
        self._make_room(bits=12)

    def __len__(self) -> int:
        return self._size

    def numbers(self, keys: _Keys, next_number: int) -> _Numbers:
        """Return the number of each key; new keys get the numbers from `next_number` on."""
        numbers = self._find(keys)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            distinct, which = np.unique(keys[new], return_inverse=True)
            given = np.arange(next_number, next_number + len(distinct))
            self._add(distinct, given)
            numbers[new] = given[which]
        return numbers

    def _find(self, keys: _Keys) -> _Numbers:
        """Return the number of each key, -1 where it has none: it is in its slot, or in the next ones up to a gap."""
        slots = self._slots(keys)
        numbers = self._numbers.take(slots)
        others = np.flatnonzero(self._keys.take(slots) != keys)
        while len(others := others[numbers[others] >= 0]):
            after = self._after(slots[others])
            slots[others], numbers[others] = after, self._numbers[after]
            others = others[self._keys[after] != keys[others]]
        return numbers

    def _add(self, keys: _Keys, numbers: _Numbers) -> None:
        """Put distinct new keys into slots; at most half of these is ever taken."""
        self._size += len(keys)
        if 2 * self._size > len(self._keys):
            taken = self._numbers >= 0
            keys = np.concatenate([keys, self._keys[taken]])
            numbers = np.concatenate([numbers, self._numbers[taken]])
            self._make_room(bits=int(2 * self._size - 1).bit_length())
            # The last of several that want a slot gets it: what was met early, and comes often, is found at once.
            order = np.argsort(-numbers)
            keys, numbers = keys[order], numbers[order]
        slots, left = self._slots(keys), np.arange(len(keys))
        while len(left):
            wanted = slots[left]
            free = self._numbers[wanted] < 0
            self._numbers[wanted[free]] = numbers[left[free]]
            placed = self._numbers[wanted] == numbers[left]
            self._keys[wanted[placed]] = keys[left[placed]]
            left = left[~placed]
            slots[left] = self._after(slots[left])

    def _make_room(self, bits: int) -> None:
        self._shift = np.uint64(64 - bits)
        self._keys = np.zeros(1 << bits, dtype=np.uint64)
        self._numbers = np.full(1 << bits, -1)

    def _slots(self, keys: _Keys) -> _Numbers:
        # Fibonacci hashing (Knuth, The Art of Computer Programming, vol. 3, section 6.4): 2^64 over the golden ratio.
        products = keys * np.uint64(0x9E3779B97F4A7C15)
        products >>= self._shift
        return products.view(np.int64)

    def _after(self, slots: _Numbers) -> _Numbers:
        return (slots + 1) & (len(self._keys) - 1)


def _eight_bytes(data: bytes, starts: _Numbers) -> _Keys:
    """Return the 8 bytes from each place on, the first one lowest; 16 must follow the last place."""
    words = np.frombuffer(data, dtype="<u8", count=len(data) // 8)
    first = starts >> 3
    shift = ((starts & 7) << 3).view(np.uint64)
    found = words.take(first)
    found >>= shift
    # NumPy gives 0 for a shift by all 64 bits.
    found |= words.take(first + 1) << (np.uint64(64) - shift)
    return found


def _cut(data: bytes, starts: _Numbers, lengths: _Numbers) -> Iterator[bytes]:
    return (data[start:end] for start, end in zip(starts.tolist(), (starts + lengths).tolist(), strict=True))


def _letters(*, lowercase: bool) -> bytes:
    """Return what each byte becomes: 0 between runs; letters in lower case, if asked for; bytes beyond ASCII stay."""
    kept = [byte if byte >= 128 or chr(byte).isalnum() else 0 for byte in range(256)]
    return bytes(ord(chr(byte).lower()) if lowercase and byte < 128 else byte for byte in kept)


def _with_several(
    rows: _Places, columns: _Places, more_rows: _Places, more_columns: Sequence[Sequence[int]]
) -> tuple[_Places, _Places]:
    """Add runs of any number of tokens to tokens."""
    added = np.fromiter(chain.from_iterable(more_columns), dtype=np.int32)
    sizes = np.fromiter(map(len, more_columns), dtype=np.int64)
    return np.concatenate([rows, np.repeat(more_rows, sizes)]), np.concatenate([columns, added])
