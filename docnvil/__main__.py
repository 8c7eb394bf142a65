"""Entry point of the command line: `docnvil`, or `python -m docnvil`."""

import os
import sys

from docnvil.commands import main
from docnvil.errors import ConfigurationError
from docnvil.runtime.mapped import survive_truncation
from docnvil.runtime.process import configure_process, require_current_folder


def run() -> None:
    """Configure this process and run the command that its arguments name."""
    configure_process()
    survive_truncation()
    _check_streams()
    _check_current_folder()
    main(prog_name="docnvil")


def _check_streams() -> None:
    """Exit with status 1 if stdout is closed, because results would be lost; let a closed stderr lead nowhere.

    Otherwise, the next file that is opened would get the number of the closed stream, and the messages of C libraries.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    if sys.stdout is None:
        print("Error: Standard output is closed. Redirect it to a file or to /dev/null.", file=sys.stderr)
        sys.exit(1)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _check_current_folder() -> None:
    """Exit with status 1 if the current folder was deleted."""
    try:
        require_current_folder()
    except ConfigurationError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run()
