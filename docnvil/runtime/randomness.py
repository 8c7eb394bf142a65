"""Uniform numbers from a generator that is handed over: torch's own, or one keyed by what is drawn.

A drawn number should depend on what it is for, never on when it was drawn: a document's sampled bound must not change
with its neighbors in a batch, and training must not change with the number of processes. `KeyedGenerator` therefore
computes each number from a key (the seed, the epoch, the document, the call, the sample, the unit) by the SplitMix64
mixing function, and keeps no state but a count of calls.

Axes: S samples, B documents of a batch, K units.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

_GOLDEN: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the increment of SplitMix64
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1


class KeyedGenerator:
    """A generator whose numbers are a function of a seed and one key a document.

    The number for sample s and unit k of a document with key c, in the n-th call, is
    mix(mix(mix(seed, n) + c) + s K + k), read as a binary fraction.

    Source: Steele, Lea & Flood (2014), *Fast splittable pseudorandom number generators*, section 4 (SplitMix64).

    Arguments:
        seed: any integer; see `fold` to make one of several.
        keys: `[B]` int64, one key a document; their device is where numbers are made.
        first_sample: the number of the first sample drawn, so that many samples can be drawn lot by lot.

    Example:
        >>> keys = torch.tensor([7, 8, 9])
        >>> all_three = KeyedGenerator(0, keys).uniform((2, 3, 4), torch.float32)
        >>> only_last = KeyedGenerator(0, keys[2:]).uniform((2, 1, 4), torch.float32)
        >>> bool((all_three[:, 2:] == only_last).all())
        True
    """

    def __init__(self, seed: int, keys: Tensor, first_sample: int = 0) -> None:
        self._seed = seed
        self._keys = keys
        self._first_sample = first_sample
        self._calls = 0

    def uniform(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return numbers in [0, 1) of shape `[S, B, K]`, B being the number of keys; each call gives fresh ones."""
        n_samples, n_documents, n_units = shape
        if n_documents != len(self._keys):
            raise ValueError(f"{n_documents} documents are asked for and {len(self._keys)} keys are held.")
        stream = _signed(fold(self._seed, self._calls))
        self._calls += 1
        start = _mix(self._keys + stream)  # [B]
        counter = torch.arange(n_samples * n_units, device=self._keys.device)
        counter.add_(self._first_sample * n_units).mul_(_signed(_GOLDEN))
        state = start[:, None] + counter.view(n_samples, 1, n_units)  # [S, B, K]
        bits = 24 if dtype == torch.float32 else 53  # what the mantissa holds exactly
        # The last step of the mix turns the lower 33 bits only, which single precision does not read.
        mixed = _half_mixed(state) if bits == 24 else _mix(state)
        return _shift(mixed, 64 - bits).to(dtype).mul_(2.0**-bits)


class LatticeGenerator(KeyedGenerator):
    """A keyed generator whose S samples of a document lie evenly: each unit's numbers are one in every S-th part of 1.

    Sample s of unit k has frac(v_k + s m_k / S), with v_k as `KeyedGenerator` draws it for one sample and m_k drawn
    among the numbers that have no divisor in common with S: a rank-1 lattice, shifted at random. Each sample by itself
    is as random as any, so means over them are unbiased; they vary less than those of independent samples.

    Source: Cranley & Patterson (1976), *Randomization of number theoretic methods for multiple integration*.

    Example:
        >>> drawn = LatticeGenerator(0, torch.tensor([7])).uniform((4, 1, 1), torch.float64).flatten().sort().values
        >>> drawn.diff()
        tensor([0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """

    def uniform(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return numbers in [0, 1) of shape `[S, B, K]`, B being the number of keys; each call gives fresh ones."""
        n_samples, n_documents, n_units = shape
        choice = torch.Generator().manual_seed(fold(self._seed, self._calls) >> 1)
        shift = super().uniform((1, n_documents, n_units), dtype)
        coprime = torch.tensor([m for m in range(1, n_samples + 1) if math.gcd(m, n_samples) == 1])
        multiple = coprime[torch.randint(len(coprime), (n_units,), generator=choice)]
        step = torch.arange(n_samples) * multiple[:, None] % n_samples / n_samples  # [K, S]
        # A unit after another in memory, as chains read them.
        numbers = shift[0].T.contiguous()[:, None] + step[:, :, None].to(shift)  # [K, S, B]
        return numbers.frac_().permute(1, 2, 0)


Generator = torch.Generator | KeyedGenerator


def uniform(shape: Sequence[int], generator: Generator, like: Tensor) -> Tensor:
    """Draw numbers in [0, 1) from either kind of generator, with the type and device of `like`."""
    if isinstance(generator, KeyedGenerator):
        return generator.uniform(shape, like.dtype)
    return torch.rand(tuple(shape), generator=generator, dtype=like.dtype, device=like.device)


def fold(*integers: int) -> int:
    """Mix integers into one of 64 bits; a different order gives a different result.

    Example:
        >>> fold(1, 2) == fold(2, 1)
        False
    """
    state = 0
    for integer in integers:
        state = (state + integer + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * _FIRST) & _MASK
        state = ((state ^ (state >> 27)) * _SECOND) & _MASK
        state ^= state >> 31
    return state


def _mix(state: Tensor) -> Tensor:
    """Scramble 64-bit integers one to one (the finaliser of SplitMix64); int64 products wrap as they should."""
    state = _half_mixed(state)
    return state.bitwise_xor_(_shift(state, 31))


def _half_mixed(state: Tensor) -> Tensor:
    """Scramble as `_mix` does but for its last step."""
    state = _shift(state, 30).bitwise_xor_(state).mul_(_signed(_FIRST))
    return state.bitwise_xor_(_shift(state, 27)).mul_(_signed(_SECOND))


def _shift(state: Tensor, places: int) -> Tensor:
    """Shift right filling with zeros; torch's own shift repeats the sign bit."""
    return (state >> places).bitwise_and_((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
