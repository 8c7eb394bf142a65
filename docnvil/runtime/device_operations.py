"""Operations that are one kernel on a GPU, where torch would need many.

A training update does little arithmetic, and a GPU spends most of its time on starting kernels, about 5 microseconds
each. Therefore the parts of an update that torch composes from many small operations are operations of their own on
devices other than the CPU: `operations().NAME(...)`. Each has a formula in torch for devices without Triton and for
tests, `docnvil.runtime.device_formulas`, and a Triton kernel for CUDA, `docnvil.runtime.triton_kernels`. The CPU uses
neither.
"""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from docnvil.errors import first_line, warn
from docnvil.runtime.packages import is_installed

SCHEMAS = {
    "keyed_uniform": "(Tensor keys, int seed, Tensor? call_seed, int first_sample, int n_samples, int n_units,"
    " bool double) -> Tensor",
    "autoregressive_sample": "(Tensor logits, Tensor weight, Tensor uniforms) -> Tensor",
    "autoregressive_sample_with_mean": "(Tensor logits, Tensor weight, Tensor uniforms) -> (Tensor, Tensor)",
    "bernoulli_log_prob": "(Tensor value, Tensor logits, Tensor? conditional) -> Tensor",
    "bernoulli_gradient": "(Tensor gradient, Tensor value, Tensor logits, Tensor? conditional) -> Tensor",
    "log_normalizer": "(Tensor logits) -> Tensor",
    "words_log_prob": "(Tensor logits, Tensor log_normalizers, Tensor? log_total, Tensor indices, Tensor values,"
    " Tensor offsets, int first_row, Tensor(a!) slopes) -> Tensor",
    "words_gradient": "(Tensor(a!) logits, Tensor log_normalizers, Tensor slope_sums, Tensor gradient, Tensor slopes,"
    " Tensor indices, Tensor offsets, int first_row) -> ()",
    "log_rising": "(Tensor log_a, Tensor counts) -> (Tensor, Tensor)",
    "sparse_product": "(Tensor indices, Tensor values, Tensor offsets, Tensor weight) -> Tensor",
    "sparse_outer": "(Tensor indices, Tensor values, Tensor offsets, Tensor gradient, int vocabulary_size) -> Tensor",
    "cumulative_exponentials": "(Tensor logits) -> Tensor",
    "sample_words": "(Tensor cumulative, Tensor lengths, Tensor uniforms, Tensor? urn_uniforms, Tensor? log_total,"
    " bool double) -> (Tensor, Tensor)",
    "nvil": "(Tensor[] log_p, Tensor[] log_q, Tensor(a!) means, Tensor(b!) variances, float decay, bool leave_one_out,"
    " bool center, bool normalize, bool local, bool moments_first) -> (Tensor, Tensor, Tensor)",
    "update_sums": "(Tensor signal, Tensor residual, Tensor[] samples, float penalty, Tensor? factor) -> Tensor",
    "add_penalties": "(Tensor(a!) gradient, Tensor weight, Tensor? strengths, float scale, float l1,"
    " Tensor? factor) -> ()",
}


def on_device(tensor: Tensor) -> bool:
    """Return whether a tensor is on a device that these operations are for."""
    return tensor.device.type not in ("cpu", "meta")


def operations() -> Any:
    """Return the namespace with the operations, after registering them."""
    with _LOCK:  # torch refuses a second registration
        _register()
    return torch.ops.docnvil


@cache
def _register() -> torch.library.Library:
    """Register the operations, which exist as long as the library that is returned."""
    from docnvil.runtime import device_formulas

    library = torch.library.Library("docnvil", "DEF")
    for name, schema in SCHEMAS.items():
        library.define(name + schema)
        library.impl(name, getattr(device_formulas, name), "CompositeExplicitAutograd")
    kernels = _triton_kernels()
    for name in SCHEMAS if kernels else ():
        formula = getattr(device_formulas, name)
        library.impl(name, _with_fallback(name, getattr(kernels, name), formula), "CUDA")
    return library


_LOCK = Lock()
failed_kernels: set[str] = set()  # those that the formulas replace


def _triton_kernels() -> Any:
    """Return the module with the kernels for the GPU of this machine, or None without such a GPU or Triton."""
    if not torch.cuda.is_available() or torch.version.hip is not None or not is_installed("triton"):
        return None
    try:
        from docnvil.runtime import triton_kernels
    except Exception as error:  # of any kind: Triton is damaged, or does not fit this Python
        _warn_of_failure("any kernel", error)
        return None
    return triton_kernels


def _with_fallback(name: str, kernel: Callable[..., Any], formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that starts a kernel on the GPU of its tensors, or if that fails computes the formula."""

    def call(*arguments: Any) -> Any:
        if name not in failed_kernels:
            try:
                with torch.cuda.device(_first_tensor(arguments).device):
                    return kernel(*arguments)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # of any kind: Triton could not compile the kernel for this GPU
                if torch.cuda.is_current_stream_capturing():
                    raise  # it may run where no graph is recorded
                if not failed_kernels:  # others are likely to fail for the same reason
                    _warn_of_failure(f"the kernel {name}", error)
                failed_kernels.add(name)
        return formula(*arguments)

    return call


def _warn_of_failure(what: str, error: Exception) -> None:
    reason = first_line(error) or type(error).__name__
    warn(
        f"Triton cannot run {what} on this GPU ({reason[:300]}), so slower formulas replace kernels that fail. Triton"
        " needs a C compiler, Python's header files, and a folder that it may write to (TRITON_CACHE_DIR)."
    )


def _first_tensor(arguments: tuple[Any, ...]) -> Tensor:
    """Return the first tensor among arguments and lists of tensors."""
    first = arguments[0]
    return first[0] if isinstance(first, list | tuple) else first
