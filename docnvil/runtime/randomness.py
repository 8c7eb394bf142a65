"""Random streams named by their purpose, and uniform numbers keyed by what they are drawn for.

A random number depends on its purpose, never on when it is drawn: a document's sampled bound does not change with the
other documents of its batch, and training does not change with the number of processes. A purpose has a name, and
`stream` and `stream_seed` derive its stream from the name and the user's seed. `KeyedGenerator` computes each number
from a key (seed, document, call, sample, unit); its only state is the number of calls.

Axes: S samples, B documents of a batch, K units.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docnvil.runtime.device_operations import on_device, operations

_GOLDEN: Final = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the increment of SplitMix64
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1


def stream_seed(seed: int, name: str, *numbers: int) -> int:
    """Return the seed of a named random stream, for `torch.Generator.manual_seed` or `KeyedGenerator`.

    It is the first 63 bits of the SHA-256 of the JSON array `["name", seed, numbers...]`, so it is the same on every
    platform and in every Python version. Each purpose has a name of its own, such as "holdout"; `numbers` are what else
    the stream depends on, such as the epoch.

    Example:
        >>> stream_seed(0, "shuffle", 1)
        5467606701945799391
    """
    key = json.dumps([name, *map(int, (seed, *numbers))])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def stream(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """Return a NumPy generator at the start of a named random stream; the arguments are those of `stream_seed`.

    Example:
        >>> stream(0, "holdout").permutation(5)
        array([3, 4, 2, 1, 0])
    """
    return np.random.default_rng(stream_seed(seed, name, *numbers))


class KeyedGenerator:
    """A generator whose numbers are a function of a seed and of one key per document.

    The number for sample s and unit k of a document with key c, in the n-th call, is
    mix(mix(fold(seed, n) + c) + (s K + k) g), read as a binary fraction, with g the increment of SplitMix64.

    Source: Steele, Lea & Flood (2014), *Fast splittable pseudorandom number generators*, section 4 (SplitMix64).

    Arguments:
        seed: any integer; `stream_seed` makes one for a purpose. Or the `call_seeds` of one, on the device of the keys.
        keys: `[B]` int64, one key per document; numbers are made on their device.
        first_sample: the number of the first sample drawn, so that many samples can be drawn chunk by chunk.

    Example:
        >>> keys = torch.tensor([7, 8, 9])
        >>> all_three = KeyedGenerator(0, keys).uniform((2, 3, 4), torch.float32)
        >>> only_last = KeyedGenerator(0, keys[2:]).uniform((2, 1, 4), torch.float32)
        >>> bool((all_three[:, 2:] == only_last).all())
        True
    """

    def __init__(self, seed: int | Tensor, keys: Tensor, first_sample: int = 0) -> None:
        self._seed = seed
        self._keys = keys
        self._first_sample = first_sample
        self._calls = 0

    def uniform(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return numbers in [0, 1) of shape `[S, B, K]`, where B is the number of keys; each call gives new ones."""
        n_samples, n_documents, n_units = shape
        if n_documents != len(self._keys):
            raise ValueError(
                f"There are {len(self._keys):,} keys for {n_documents:,} documents. Pass one per document."
            )
        call, self._calls = self._calls, self._calls + 1
        seeds = (0, self._seed[call]) if isinstance(self._seed, Tensor) else (_signed(fold(self._seed, call)), None)
        if on_device(self._keys):
            is_double = dtype == torch.float64
            return operations().keyed_uniform(self._keys, *seeds, self._first_sample, n_samples, n_units, is_double)
        keys = self._keys if seeds[1] is None else self._keys + seeds[1]
        return keyed_numbers(keys, seeds[0], self._first_sample, shape, dtype)


def call_seeds(seed: int, n_calls: int) -> NDArray[np.int64]:
    """Return what a `KeyedGenerator` makes of its seed in each of its first calls, `[n]`.

    Work that a device repeats gets them in a tensor, because it would repeat the numbers of a Python seed.

    Example:
        >>> call_seeds(5, 2)
        array([ -371861127037631947, -2199044058265845030])
    """
    return np.array([_signed(fold(seed, call)) for call in range(n_calls)], dtype=np.int64)


def keyed_numbers(keys: Tensor, call_seed: int, first_sample: int, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return the numbers of one call of a `KeyedGenerator`, `[S, B, K]`."""
    n_samples, _, n_units = shape
    start = mix(keys + call_seed)  # [B]
    counter = torch.arange(n_samples * n_units, device=keys.device)
    counter.add_(first_sample * n_units).mul_(_signed(_GOLDEN))
    state = start[:, None] + counter.view(n_samples, 1, n_units)  # [S, B, K]
    bits = 24 if dtype == torch.float32 else 53  # the size of the mantissa
    # The last step of the mix changes the lower 33 bits only, which single precision does not use.
    mixed = _mix_upper_bits(state) if bits == 24 else mix(state)
    return _shift_right(mixed, 64 - bits).to(dtype).mul_(2.0**-bits)


class LatticeGenerator(KeyedGenerator):
    """A keyed generator whose S samples per document are evenly spaced: each unit has one in every S-th part of [0, 1).

    Sample s of unit k is frac(v_k + s m_k / S), with v_k as `KeyedGenerator` draws it for one sample and m_k drawn
    among the integers coprime to S: a randomly shifted rank-1 lattice. Each sample alone is uniform, so means over
    samples are unbiased; their variance is lower than with independent samples.

    Source: Cranley & Patterson (1976), *Randomization of number theoretic methods for multiple integration*.
    """

    def uniform(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return numbers in [0, 1) of shape `[S, B, K]`, where B is the number of keys; each call gives new ones."""
        n_samples, n_documents, n_units = shape
        generator = torch.Generator().manual_seed(fold(self._seed, self._calls) >> 1)
        shift = super().uniform((1, n_documents, n_units), dtype)
        coprime = torch.tensor([m for m in range(1, n_samples + 1) if math.gcd(m, n_samples) == 1])
        multiplier = coprime[torch.randint(len(coprime), (n_units,), generator=generator)]
        step = torch.arange(n_samples) * multiplier[:, None] % n_samples / n_samples  # [K, S]
        # Units come first in memory, the order in which autoregressive layers read them.
        numbers = shift[0].T.contiguous()[:, None] + step[:, :, None].to(shift)  # [K, S, B]
        return numbers.frac_().permute(1, 2, 0)


Generator = torch.Generator | KeyedGenerator


def uniform(shape: Sequence[int], generator: Generator, like: Tensor) -> Tensor:
    """Draw numbers in [0, 1) from either kind of generator, with the dtype and device of `like`."""
    if isinstance(generator, KeyedGenerator):
        return generator.uniform(shape, like.dtype)
    return torch.rand(tuple(shape), generator=generator, dtype=like.dtype, device=like.device)


def fold(*integers: int) -> int:
    """Mix integers into one of 64 bits; their order matters. Seeds for a purpose come from `stream_seed` instead."""
    state = 0
    for integer in integers:
        state = (state + integer + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * _FIRST) & _MASK
        state = ((state ^ (state >> 27)) * _SECOND) & _MASK
        state ^= state >> 31
    return state


def mix(state: Tensor) -> Tensor:
    """Apply SplitMix64's finalizer, a bijection of 64-bit integers; int64 products wrap as required."""
    state = _mix_upper_bits(state)
    return state.bitwise_xor_(_shift_right(state, 31))


def _mix_upper_bits(state: Tensor) -> Tensor:
    """Apply `mix` without its last step."""
    state = _shift_right(state, 30).bitwise_xor_(state).mul_(_signed(_FIRST))
    return state.bitwise_xor_(_shift_right(state, 27)).mul_(_signed(_SECOND))


def _shift_right(state: Tensor, places: int) -> Tensor:
    """Shift right and fill with zeros; torch's own shift repeats the sign bit."""
    return (state >> places).bitwise_and_((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
