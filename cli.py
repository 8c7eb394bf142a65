"""The command line from a checkout: `python cli.py fit corpus/`."""

from docnvil.__main__ import run

if __name__ == "__main__":
    run()
