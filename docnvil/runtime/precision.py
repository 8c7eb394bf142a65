"""Floating-point precision and the library of large matrix products, chosen once at the entry point.

Sums over words and samples are in the parameters' dtype and sums over documents in double precision, whatever the
precision of the products. Evaluation always calculates in the parameters' dtype.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from threading import Lock
from typing import Literal

import torch

from docnvil.errors import ConfigurationError
from docnvil.runtime.choices import Precision
from docnvil.runtime.machine import processor

ProductLibrary = Literal["cublas", "onednn", "mkl", "blas"]


def check_precision(precision: Precision, device: torch.device) -> None:
    """Raise `ConfigurationError` if the device does not support the precision: tf32 on a CPU."""
    if precision == "tf32" and device.type != "cuda":
        raise ConfigurationError(
            f"The precision tf32 needs a CUDA device, but the device is {device.type}. Choose float32, float64 or bf16."
        )


def parameter_type(precision: Precision) -> torch.dtype:
    """Return the dtype of parameters, samples and gradients."""
    return torch.float64 if precision == "float64" else torch.float32


@contextmanager
def tf32_products(precision: Precision) -> Iterator[None]:
    """Let CUDA multiply float32 matrices in tf32 inside this context if the precision is "tf32" or "bf16"."""
    if precision not in ("tf32", "bf16"):
        yield
        return
    setting, name, value = torch.backends.cuda.matmul, "allow_tf32", True
    try:
        before = setting.allow_tf32
    except RuntimeError:  # the caller has used torch's newer setting, and torch refuses to mix them
        name, value = "fp32_precision", "tf32"
        before = setting.fp32_precision
    setattr(setting, name, value)
    try:
        yield
    finally:
        setattr(setting, name, before)


def likelihood_products(precision: Precision, device: torch.device) -> torch.autocast:
    """Return a context for the log-probabilities of p: with "bf16", their large products are in bf16."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def product_dtype(like: torch.Tensor) -> torch.dtype:
    """Return the dtype of large matrix products: autocast's, if it is enabled, for float32."""
    kind = like.device.type
    autocast = torch.is_autocast_enabled(kind) and like.dtype == torch.float32
    return torch.get_autocast_dtype(kind) if autocast else like.dtype


def onednn_products(device: torch.device) -> AbstractContextManager[None]:
    """Let oneDNN multiply float32 matrices on a CPU inside this context, where it is as exact as MKL and faster.

    torch uses Intel's MKL by default, which uses the widest instructions on Intel processors only; on others oneDNN
    takes half the time. torch's setting for oneDNN also allows it to round to bf16, so it is used only where a test
    product shows that it does not. The setting is global: enter this context at an entry point (training, evaluation),
    not inside the model. It includes the backward pass, and restores the previous setting.
    """
    return _ONEDNN if product_library(device) == "onednn" else nullcontext()


def product_library(device: torch.device) -> ProductLibrary:
    """Return the library that multiplies float32 matrices inside `onednn_products`, for the run record."""
    if device.type == "cuda":
        return "cublas"
    if _onednn_is_exact():
        return "onednn"
    return "mkl" if torch.backends.mkl.is_available() else "blas"


class _OneDNN(AbstractContextManager[None]):
    """Select oneDNN while at least one thread is inside; torch's setting applies to the whole process."""

    def __init__(self) -> None:
        self._lock, self._depth, self._before = Lock(), 0, ""

    def __enter__(self) -> None:
        with self._lock:
            if not self._depth:
                backend = torch.backends.mkldnn
                # Restoring an inherited value would set it explicitly, and it would no longer follow its parent.
                inherited = backend.matmul.fp32_precision == backend.fp32_precision
                self._before = "none" if inherited else backend.matmul.fp32_precision
                backend.matmul.fp32_precision = "bf16"
            self._depth += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth:
                torch.backends.mkldnn.matmul.fp32_precision = self._before


_ONEDNN = _OneDNN()


@cache
def _onednn_is_exact() -> bool:
    """Return whether oneDNN keeps float32 precision here, on a processor for which MKL is not optimized."""
    has_setting = hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision")  # since torch 2.9
    if not has_setting or "intel" in processor().lower():
        return False
    cpu = torch.device("cpu")  # explicit device and dtype, because the caller may have changed the defaults
    generator = torch.Generator(cpu).manual_seed(0)
    for shape in ((500, 50, 2000), (2000, 500, 50), (64, 200, 512)):
        left = torch.rand(shape[:2], generator=generator, dtype=torch.float32, device=cpu)
        right = torch.rand(shape[1:], generator=generator, dtype=torch.float32, device=cpu)
        with torch.autocast("cpu", enabled=False), _ONEDNN:
            products = left @ right, (right.T.contiguous() @ left.T.contiguous()).T, left @ right.T.contiguous().T
        exact = left.double() @ right.double()
        if any(((product - exact).abs() > 1e-5 * exact).any() for product in products):  # bf16: about 1e-3
            return False
    return True
