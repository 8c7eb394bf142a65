"""Choice of the torch device, and its free memory."""

import torch

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
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
