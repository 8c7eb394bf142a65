"""Entry point of the command line: `docnvil`, or `python -m docnvil`."""

from docnvil.commands import main
from docnvil.runtime.process import configure_process


def run() -> None:
    """Configure this process and run the command that its arguments name."""
    configure_process()
    main(prog_name="docnvil")


if __name__ == "__main__":
    run()
