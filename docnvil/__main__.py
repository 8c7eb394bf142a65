"""Run the commands as `python -m docnvil`."""

from docnvil.commands import main

if __name__ == "__main__":
    main(prog_name="docnvil")
