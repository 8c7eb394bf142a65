"""Choice of the torch device, and its free memory."""

from typing import Any

import torch
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError


def choose_device(name: str) -> torch.device:
    """Return the device with this name; "auto" is a CUDA device if there is one, otherwise the CPU.

    Raises:
        ConfigurationError: the name is invalid, or this machine does not have the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise NotImplementedError
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigurationError(
            f"This machine has no device {name!r}. Choose 'auto', 'cpu', or, on a machine with a GPU, 'cuda'."
        ) from None
    return device


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a GPU in bytes; 0 for the CPU, which has no memory of its own."""
    return 0 if device.type == "cpu" else torch.get_device_module(device).mem_get_info(device)[0]


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return a tensor with the numbers of an array, on the CPU in the array's memory.

    Copies to a GPU start from pinned memory, so that the host does not wait for what the GPU is doing.
    """
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
