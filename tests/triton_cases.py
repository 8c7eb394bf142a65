"""Triton's kernels compared with the formulas in torch, and compiled for a GPU, on a machine with or without one.

    TRITON_INTERPRET=1 python tests/triton_cases.py     compares all operations on the CPU
    python tests/triton_cases.py --device cuda          compares all operations on a GPU
    python tests/triton_cases.py --compile 80 90        compiles all kernels, for an A100 and an H100
    python tests/triton_cases.py --variants             checks that batches of other sizes use the same compiled kernels

All print one JSON object per case. tests/test_triton.py starts this script.
"""

import json
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import triton

from docnvil.runtime import device_formulas, device_operations, triton_functions, triton_kernels, triton_updates

B, K, V = 5, 7, 40
POINTERS = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int64: "*i64", torch.bfloat16: "*bf16"}


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
    lengths = lengths.repeat(-(-B // 5))[:B]
    words = [torch.rand((B, 300), generator=generator, dtype=torch.float64) for _ in range(2)]
    terms = [normal(S, B) for _ in range(5)]
    options: dict[str, list[tuple]] = {
        "keyed_uniform": [
            (torch.arange(B) * 2**60, -(2**62) - 5, seed, 2, S, K, dtype == torch.float64)
            for seed in (None, torch.tensor(2**61 + 1))
        ],
        "autoregressive_sample": [
            *((each, normal(K, K), uniform(S, B, K)) for each in (normal(K), normal(B, K))),
            (normal(B, 1, K), normal(K, K), uniform(B, B, K)),  # logits per sample, as many as one per document
            (normal(2, 1100), normal(1100, 1100).tril(-1090), uniform(1, 2, 1100)),  # several warps
        ],
        "autoregressive_sample_with_mean": [(normal(B, K), normal(K, K), uniform(S, B, K))],
        "bernoulli_log_prob": [
            (units, normal(K), None), (units, normal(B, K), normal(S, B, K)),
            (units[:, :1], normal(B, K), normal(S, 1, K)),  # every setting of the units, for each document
            (units, normal(K), normal(S, B, K).bfloat16()), (units, normal(B, K).bfloat16(), None),
        ],
        "bernoulli_gradient": [
            (normal(S, B), units, logits, second)
            for logits, second in ((normal(S, B, K), None), (normal(B, K), units), (normal(B, K).bfloat16(), units))
        ],
        "log_normalizer": [(logits,), (300 * normal(4, 3000),), (300 * normal(4, 2048),), (normal(V, 4).T,)],
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
        "sparse_product": [(*each.values(), normal(V, n)) for each in (counts, padded) for n in (K, 18, 200)],
        "sparse_outer": [(*each.values(), normal(B, n), V) for each in (counts, padded) for n in (K, 18, 200)],
        "cumulative_exponentials": [(logits,), (300 * normal(4, 3000),), (normal(V, 4).T,)],
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


def _copied(value: Any, device: str = "cpu") -> Any:
    if isinstance(value, list):
        return [_copied(each, device) for each in value]
    return value.clone().to(device) if isinstance(value, torch.Tensor) else value


def compare(name: str, device: str = "cpu") -> None:
    """Compare results and changed arguments in both precisions. Kernels get scalars in single precision."""
    for dtype, tolerance in ((torch.float64, 1e-7), (torch.float32, 1e-4)):
        for given in arguments(name, dtype):
            outcomes = []
            for module in (device_formulas, triton_kernels):
                copies = [_copied(value, device) for value in given]
                results = getattr(module, name)(*copies)
                results = results if isinstance(results, tuple) else () if results is None else (results,)
                outcomes.append([*results, *(each for each in copies if isinstance(each, torch.Tensor))])
            for expected, actual in zip(*outcomes, strict=True):
                assert (expected.dtype, expected.shape) == (actual.dtype, actual.shape)
                torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


class _Compiler:
    """Stands in for a kernel: compiles it with the types of the arguments for some architectures, without starting it.

    As on a GPU, integers of 1 become constants, and what is divisible by 16 is marked as such. `keys` has the types,
    marks and constants of all calls, for each of which Triton compiles the kernel.
    """

    def __init__(self, kernel: Any, architectures: list[int]) -> None:
        self._kernel, self._architectures, self.keys = kernel, architectures, set()

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        return self.compile

    def compile(self, *values: Any, **constants: Any) -> None:
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        options = {"num_warps": constants.pop("num_warps")} if "num_warps" in constants else {}
        signature, marks = {}, {}
        for place, (parameter, value) in enumerate(zip(self._kernel.params, values, strict=False)):
            name, is_tensor = parameter.name, isinstance(value, torch.Tensor)
            if is_tensor:
                assert value.is_contiguous(), name
                signature[name] = POINTERS[value.dtype]
            else:
                assert isinstance(value, int), name  # others would be rounded to single precision
                signature[name] = "i64" if not -(2**31) <= value < 2**31 else "i32"
            if value is not None and not is_tensor and value == 1 and not parameter.do_not_specialize:
                constants[name] = 1
                continue
            ignored = parameter.do_not_specialize_on_alignment if is_tensor else parameter.do_not_specialize
            if not ignored and (value.data_ptr() if is_tensor else value) % 16 == 0:
                marks[(place,)] = [["tt.divisibility", 16]]
        signature |= dict.fromkeys(constants, "constexpr")
        self.keys.add(str((signature, marks, constants, options)))
        for architecture in self._architectures:
            source = ASTSource(fn=self._kernel, signature=signature, constexprs=constants, attrs=marks)
            compiled = triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=options)
            assert compiled.asm["cubin"]


def compilers(architectures: list[int]) -> dict[str, _Compiler]:
    """Replace all kernels by compilers, and return these."""
    replaced = {}
    for module in (triton_functions, triton_updates):
        for name, kernel in list(vars(module).items()):
            if name.endswith("_kernel"):
                replaced[name] = _Compiler(kernel, architectures)
                setattr(module, name, replaced[name])
    return replaced


def compile_all(name: str) -> None:
    for dtype, n_samples in ((torch.float64, 3), (torch.float32, 1)):
        for given in arguments(name, dtype, n_samples):
            getattr(triton_kernels, name)(*given)


def compare_variants(name: str, kernels: dict[str, _Compiler]) -> None:
    """Batches with other numbers of documents and counts, at other addresses, need no other compiled kernels."""
    global B
    keys: list[list[set[str]]] = []
    for B in (5, 16, 17):
        keys.append([])
        for given in arguments(name, torch.float32):
            for kernel in kernels.values():
                kernel.keys.clear()
            getattr(triton_kernels, name)(*map(_moved if B == 16 else _copied, given))
            keys[-1].append(set().union(*(kernel.keys for kernel in kernels.values())))
    assert all(map(bool, keys[0]))
    assert keys[0] == keys[1] == keys[2], keys


def _moved(value: Any) -> Any:
    """Return a copy of a vector or number at an address that is not divisible by 16, as parts of tensors have it."""
    if not isinstance(value, torch.Tensor) or value.dim() > 1 or value.shape == (K,):
        return _copied(value)
    return torch.cat([value.reshape(-1)[:1], value.reshape(-1)])[1:].view(value.shape)


def main() -> None:
    check, options = compare, sys.argv[1:]
    if options[:1] == ["--device"]:
        check = partial(compare, device=options[1])
    if options[:1] == ["--compile"]:
        compilers([int(each) for each in options[1:] or ["90"]])
        check = compile_all
    if options[:1] == ["--variants"]:
        check = partial(compare_variants, kernels=compilers([]))
    for name in device_operations.SCHEMAS:
        error = None
        try:
            check(name)
        except Exception:
            error = traceback.format_exc()
        print(json.dumps({"case": name, "error": error}), flush=True)


if __name__ == "__main__":
    main()
