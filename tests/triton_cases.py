"""Triton's kernels compared with the formulas in torch, and compiled for a GPU, on a machine without one.

    TRITON_INTERPRET=1 python tests/triton_cases.py     compares all operations
    python tests/triton_cases.py --compile              compiles all kernels for an H100

Both print one JSON object per case. tests/test_triton.py starts this script.
"""

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import torch
import triton

from docnvil.runtime import device_formulas, device_operations, triton_functions, triton_kernels, triton_updates

B, K, V = 5, 7, 40


def _counts(generator: torch.Generator, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    dense = torch.poisson(torch.full((B, V), 0.5, dtype=dtype), generator) * (torch.arange(B) != 2)[:, None]
    documents, indices = dense.nonzero(as_tuple=True)
    offsets = torch.searchsorted(documents, torch.arange(B + 1))
    return {"indices": indices, "values": dense[documents, indices], "offsets": offsets}


def arguments(name: str, dtype: torch.dtype, S: int = 3) -> list[tuple]:
    """Return arguments of an operation, several times, as `torch.ops` gets them."""
    generator = torch.Generator().manual_seed(len(name))
    counts = _counts(generator, dtype)
    n_stored = len(counts["indices"])
    padded = {name: torch.cat([each, each.new_zeros(9)]) if len(each) == n_stored else each
              for name, each in counts.items()}  # fmt: skip
    factor = torch.tensor(0.75, dtype=torch.float64)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator, dtype=dtype)

    logits, rows = 2 * normal(S * B, V), normal(S * B)
    normalizers, slopes, units = torch.logsumexp(logits, 1), uniform(S, n_stored), (uniform(S, B, K) > 0.5).to(dtype)
    padded_slopes = torch.cat([slopes, slopes.new_zeros(S, 9)], 1)
    cumulative, lengths = uniform(B, V).double().cumsum(1), torch.tensor([0.0, 1.0, 5.0, 300.0, 7.5], dtype=dtype)
    words = [torch.rand((B, 300), generator=generator, dtype=torch.float64) for _ in range(2)]
    terms = [normal(S, B) for _ in range(5)]
    options: dict[str, list[tuple]] = {
        "keyed_uniform": [
            (torch.arange(B) * 2**60, -(2**62) - 5, seed, 2, S, K, dtype == torch.float64)
            for seed in (None, torch.tensor(2**61 + 1))
        ],
        "autoregressive_sample": [(each, normal(K, K), uniform(S, B, K)) for each in (normal(K), normal(B, K))],
        "autoregressive_sample_with_mean": [(normal(B, K), normal(K, K), uniform(S, B, K))],
        "bernoulli_log_prob": [
            (units, normal(K), None), (units, normal(B, K), normal(S, B, K)),
            (units[:, :1], normal(B, K), normal(S, 1, K)),  # every setting of the units, for each document
        ],
        "bernoulli_gradient": [
            (normal(S, B), units, logits, second) for logits, second in ((normal(S, B, K), None), (normal(B, K), units))
        ],
        "log_normalizer": [(logits,), (300 * normal(4, 3000),)],
        "words_log_prob": [
            (logits[first:], normalizers[first:], total, *each.values(), first, more)
            for total in (None, torch.tensor(3.0, dtype=dtype))
            for first, each, more in ((0, counts, slopes), (4, counts, slopes), (4, padded, padded_slopes))
        ],
        "words_gradient": [
            (logits[first:], normalizers[first:], rows[first:], rows[first:], more, each["indices"], each["offsets"],
             first)
            for first, each, more in ((0, counts, slopes), (4, counts, slopes), (4, padded, padded_slopes))
        ],
        "log_rising": [(8 * normal(S, n_stored), counts["values"] * 3), (normal(S, B), lengths)],
        "sparse_product": [(*each.values(), normal(V, n)) for each in (counts, padded) for n in (K, 200)],
        "sparse_outer": [(*each.values(), normal(B, K), V) for each in (counts, padded)],
        "sample_words": [
            (cumulative, lengths, words[0], *urn, dtype == torch.float64)
            for urn in ((None, None), (words[1], torch.tensor(2.0, dtype=dtype)))
        ],
        "nvil": [
            (terms[: n + 1], terms[n + 1 : 2 * n + 1], uniform(n), uniform(n), 0.8, loo, center, center, local, first)
            for n, loo, center, local, first in (
                (1, True, True, True, False), (2, True, True, True, True), (2, False, False, False, False)
            )
        ],
        "update_sums": [
            (normal(S, B), normal(S, B), [units, units[:, :, :2]], 0.25, each) for each in (None, factor)
        ],
        "add_penalties": [
            (normal(V, K), normal(V, K), strengths, 0.5, 0.1, each)
            for strengths in (None, uniform(V))
            for each in (None, factor)
        ],
    }  # fmt: skip
    return options[name]


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value.clone() if isinstance(value, torch.Tensor) else value


def compare(name: str) -> None:
    """Compare results and changed arguments in both precisions. Kernels get scalars in single precision."""
    for dtype, tolerance in ((torch.float64, 1e-7), (torch.float32, 1e-4)):
        for given in arguments(name, dtype):
            outcomes = []
            for module in (device_formulas, triton_kernels):
                copies = [_copied(value) for value in given]
                results = getattr(module, name)(*copies)
                results = results if isinstance(results, tuple) else () if results is None else (results,)
                outcomes.append([*results, *(each for each in copies if isinstance(each, torch.Tensor))])
            for expected, actual in zip(*outcomes, strict=True):
                assert (expected.dtype, expected.shape) == (actual.dtype, actual.shape)
                torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


class _Compiler:
    """Stands in for a kernel: compiles it for an H100 with the types of the arguments, and does not start it."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return self.compile

    def compile(self, *values: Any, **constants: Any) -> None:
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        pointers = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int64: "*i64"}
        signature = {}
        for name, value in zip(self._kernel.arg_names, values, strict=False):
            if isinstance(value, torch.Tensor):
                signature[name] = pointers[value.dtype]
            else:
                signature[name] = "fp32" if isinstance(value, float) else "i64" if abs(value) >= 2**31 else "i32"
        named = zip(self._kernel.arg_names, values, strict=False)
        ones = {name: 1 for name, value in named if isinstance(value, int) and value == 1}
        constants |= ones  # Triton makes integers of 1 constants
        signature |= dict.fromkeys(constants, "constexpr")
        source = ASTSource(fn=self._kernel, signature=signature, constexprs=constants)
        assert "ptx" in triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm


def compile_all(name: str) -> None:
    for dtype, n_samples in ((torch.float64, 3), (torch.float32, 1)):
        for given in arguments(name, dtype, n_samples):
            getattr(triton_kernels, name)(*given)


def main() -> None:
    check = compare
    if "--compile" in sys.argv:
        check = compile_all
        modules = (triton_functions, triton_updates)
        for module, name, kernel in [(each, *pair) for each in modules for pair in vars(each).items()]:
            if name.endswith("_kernel"):
                setattr(module, name, _Compiler(kernel))
    for name in device_operations.SCHEMAS:
        error = None
        try:
            check(name)
        except Exception:
            error = traceback.format_exc()
        print(json.dumps({"case": name, "error": error}), flush=True)


if __name__ == "__main__":
    main()
