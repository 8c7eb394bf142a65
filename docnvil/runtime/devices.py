"""Choice of the torch device, its name and its free memory."""

from typing import Any

import torch
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError, first_line, warn


def choose_device(name: str) -> torch.device:
    """Return the device with this name; "auto" is a CUDA device if there is one that works, otherwise the CPU.

    Raises:
        ConfigurationError: the name is invalid, or this machine does not have the device or cannot use it.
    """
    if name == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        try:
            return _tested(torch.device("cuda"))
        except (RuntimeError, AssertionError) as error:
            warn(f"The GPU cannot be used ({first_line(error)}). The CPU is used instead.")
            return torch.device("cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise NotImplementedError
        return _tested(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if name.startswith("cuda") and torch.cuda.is_available():
            message = f"The device {name!r} cannot be used ({first_line(error)}). Choose another one, or 'cpu'."
        else:
            message = f"This machine has no device {name!r}. Choose 'auto', 'cpu', or, on a machine with a GPU, 'cuda'."
        raise ConfigurationError(message) from None


def _tested(device: torch.device) -> torch.device:
    """Return a device after computing something on it.

    A GPU can be there and be in use by others, or too old or too new for the kernels in this version of torch.
    """
    if device.type != "cpu":
        torch.ones(2, device=device).sum().item()
    return device


def gpu_name(device: torch.device) -> str | None:
    """Return what the maker calls a GPU; None for the CPU."""
    return None if device.type == "cpu" else torch.get_device_module(device).get_device_name(device)


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a GPU in bytes; 0 for the CPU, which has no memory of its own."""
    return 0 if device.type == "cpu" else torch.get_device_module(device).mem_get_info(device)[0]


def to_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return a tensor with the numbers of an array, on the CPU in the array's memory.

    Copies to a GPU start from pinned memory, so that the host does not wait for what the GPU is doing. torch uses that
    memory again only when the copy is done.
    """
    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    try:
        pinned = tensor.pin_memory()
    except RuntimeError:  # some systems, such as WSL, limit it; then the host waits
        pinned = tensor
    return pinned.to(device, non_blocking=True)
