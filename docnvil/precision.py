"""How exactly to calculate, decided once, at the door: the type of the parameters, and of the great products.

Sums of probabilities over words and samples are in the parameters' type, and over documents in double precision,
whatever the products are in. Evaluation always calculates in the parameters' type.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import torch

from docnvil.errors import ConfigurationError
from docnvil.machine import processor

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
        with _onednn():
            yield
    else:
        yield


@contextmanager
def _onednn() -> Iterator[None]:
    settings = torch.backends.mkldnn.matmul
    before, settings.fp32_precision = settings.fp32_precision, "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before


@cache
def _onednn_is_better() -> bool:
    """Tell whether oneDNN, allowed to round to bf16, does not do so here, on a processor that MKL does not favour."""
    # torch has the setting since 2.9.
    settable = hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision")
    if not settable or "intel" in processor().lower():
        return False
    generator = torch.Generator().manual_seed(0)
    for shape in ((500, 50, 2000), (2000, 500, 50), (64, 200, 512)):
        left = torch.rand(shape[:2], generator=generator)
        right = torch.rand(shape[1:], generator=generator)
        with _onednn():
            found = left @ right
        exact = left.double() @ right.double()
        if ((found - exact).abs() > 1e-5 * exact).any():  # bf16 would be out by some 1e-3
            return False
    return True
