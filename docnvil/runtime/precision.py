"""How exactly to calculate, decided once, at the door: the type of the parameters, and of the great products.

Sums of probabilities over words and samples are in the parameters' type, and over documents in double precision,
whatever the products are in. Evaluation always calculates in the parameters' type.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Literal

import torch

from docnvil.errors import ConfigurationError
from docnvil.runtime.machine import processor

Precision = Literal["float32", "float64", "tf32", "bf16"]


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse tf32 where there is none.

    Raises:
        ConfigurationError: tf32 on a CPU.

    Example:
        >>> check_precision("float64", torch.device("cpu"))
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigurationError(
            f"The precision tf32 is for CUDA devices, and training is to be on the {device.type}."
            " Choose float32, float64 or bf16, or a device that is a GPU."
        )


def parameter_type(precision: Precision) -> torch.dtype:
    """Return the type of parameters, samples and gradients.

    Example:
        >>> parameter_type("tf32"), parameter_type("float64")
        (torch.float32, torch.float64)
    """
    return torch.float64 if precision == "float64" else torch.float32


@contextmanager
def matrix_products(precision: Precision) -> Iterator[None]:
    """Let CUDA multiply float32 matrices as tf32 while inside, if the precision allows it; bf16 includes it."""
    if precision not in ("tf32", "bf16"):
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def likelihood_products(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context in which p's log-probabilities are calculated: with bf16, their large products are in that."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def quick_products(device: torch.device) -> Iterator[None]:
    """Let oneDNN multiply large float32 matrices of a CPU while inside, where it is the quicker and as exact.

    torch leaves them to Intel's MKL, which keeps the widest instructions to Intel's own processors: on others oneDNN
    takes half the time. It is asked for by allowing it to round to bf16, and left alone where it would do so.
    """
    if device.type == "cpu" and _onednn_is_better():
        with _ONEDNN:
            yield
    else:
        yield


class _OneDNN:
    """Allows oneDNN to round while anybody is inside; the setting is the whole process's, whatever its threads do."""

    def __init__(self) -> None:
        self._lock, self._inside, self._before = Lock(), 0, ""

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                backend = torch.backends.mkldnn
                # What is only inherited must not be written down, or it would no longer follow what it came from.
                inherited = backend.matmul.fp32_precision == backend.fp32_precision
                self._before = "none" if inherited else backend.matmul.fp32_precision
                backend.matmul.fp32_precision = "bf16"
            self._inside += 1

    def __exit__(self, *failure: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                torch.backends.mkldnn.matmul.fp32_precision = self._before


_ONEDNN = _OneDNN()


@cache
def _onednn_is_better() -> bool:
    """Tell whether oneDNN, allowed to round to bf16, does not do so here, on a processor that MKL does not favor."""
    # torch has the setting since 2.9.
    settable = hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision")
    if not settable or "intel" in processor().lower():
        return False
    cpu = torch.device("cpu")  # whatever the caller's defaults are, and whether autocast is on
    generator = torch.Generator(cpu).manual_seed(0)
    for shape in ((500, 50, 2000), (2000, 500, 50), (64, 200, 512)):
        left, right = (
            torch.rand(part, generator=generator, dtype=torch.float32, device=cpu) for part in (shape[:2], shape[1:])
        )
        with torch.autocast("cpu", enabled=False), _ONEDNN:
            found = left @ right, (right.T.contiguous() @ left.T.contiguous()).T, left @ right.T.contiguous().T
        exact = left.double() @ right.double()
        if any(((each - exact).abs() > 1e-5 * exact).any() for each in found):  # bf16 would be out by some 1e-3
            return False
    return True
