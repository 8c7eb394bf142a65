"""Which optional packages are installed."""

from importlib.util import find_spec


def is_installed(package: str) -> bool:
    """Return whether a top-level package can be imported; nothing is imported.

    A folder with the name of a package, such as one in the current folder, is not a package if it has no code.

    Example:
        >>> is_installed("numpy"), is_installed("a_package_that_nobody_has")
        (True, False)
    """
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
