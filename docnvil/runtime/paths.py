"""Paths that users give: resolved, or refused with a message before work begins."""

import os
from collections.abc import Sequence
from pathlib import Path

from docnvil.errors import ConfigurationError, OutputExistsError


def resolve(path: str | Path) -> Path:
    """Return an absolute path without symbolic links; missing folders and files stay in it.

    Raises:
        ConfigurationError: a symbolic link leads to itself, or there is a null character in the path.

    Example:
        >>> resolve(Path("/models/../models/news")).as_posix()
        '/models/news'
    """
    try:
        resolved = Path(path).resolve()
        if not os.path.islink(resolved):
            return resolved
    except RuntimeError:  # a loop, before Python 3.13; later, the link itself is returned
        pass
    except ValueError:
        raise ConfigurationError(f"The path {str(path)!r} has a null character. Choose another path.") from None
    raise ConfigurationError(f"{path} is a symbolic link that leads to itself. Delete it, or choose another path.")


def resolve_output(path: str | Path) -> Path:
    """Return the resolved path of a file or folder to write, which has a name and a parent.

    Raises:
        OutputExistsError: it is the root folder.
        ConfigurationError: as `resolve`.
    """
    resolved = resolve(path)
    if not resolved.name:
        raise OutputExistsError(f"{path} is not a name for an output. Choose another --out.")
    return resolved


def require_one_file_system(main: Path, others: Sequence[Path]) -> None:
    """Raise `OutputExistsError` if outputs that are renamed together are on several file systems.

    Arguments:
        main: the resolved path of the main output.
        others: those of the other outputs.
    """
    for other in others:
        if _device_of(other) != _device_of(main):
            raise OutputExistsError(
                f"{other} and {main} are on two file systems, so they cannot be written in one step. Choose another"
                " --out, or delete the symbolic link if one of them is a link."
            )


def _device_of(path: Path) -> int:
    """Return the number of the file system of the folder in which a path is made."""
    return next(folder for folder in path.parents if folder.is_dir()).stat().st_dev
