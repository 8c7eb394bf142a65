"""Which device to work on, decided once, at the door; and what it has room for."""

import torch

from docnvil.errors import ConfigurationError


def choose_device(name: str) -> torch.device:
    """Return the device of this name; "auto" is a CUDA device if there is one, and the CPU otherwise.

    Raises:
        ConfigurationError: a name that torch does not know, or a device this machine does not have.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
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
            f"There is no device {name!r} on this machine. Choose 'auto', 'cpu', or 'cuda' where there is a GPU."
        ) from None
    return device


def free_bytes(device: torch.device) -> int:
    """Return how much memory of its own a device has to spare; a processor has none of its own.

    Example:
        >>> free_bytes(torch.device("cpu"))
        0
    """
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
