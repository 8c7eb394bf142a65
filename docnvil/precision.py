"""How exactly to calculate, decided once, at the door: the type of the parameters, and of the great products.

Sums of probabilities over words and samples are in the parameters' type, and over documents in double precision,
whatever the products are in. Evaluation always calculates in the parameters' type.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from docnvil.errors import ConfigurationError

Precision = Literal["float32", "float64", "tf32", "bf16"]
ON_GPU_ONLY = ("tf32", "bf16")


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse short products where there is no hardware for them.

    Raises:
        ConfigurationError: tf32 or bf16 on a CPU.

    Example:
        >>> check_precision("float64", torch.device("cpu"))
    """
    if precision in ON_GPU_ONLY and device.type != "cuda":
        raise ConfigurationError(
            f"The precision {precision} is for CUDA devices, and training is to be on the {device.type}."
            " Choose float32 or float64, or a device that is a GPU."
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
    if precision not in ON_GPU_ONLY:
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def likelihood_products(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context in which p's log-probabilities are calculated: with bf16, its forward products are in that."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
