"""The command line from a checkout: `python cli.py fit corpus/`."""

from docnvil.commands import main

if __name__ == "__main__":
    main(prog_name="docnvil")
