"""How commands talk: results on stdout, progress and failures on stderr, failures as sentences.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

import errno
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from docnvil.errors import DocnvilError, OutputExistsError

INTERRUPTED = 130


class FailsInSentences(click.Group):
    """A group whose commands end foreseen failures with a sentence and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what docnvil foresees, and what the machine refuses, into `click` failures."""
        try:
            return super().invoke(ctx)
        except DocnvilError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except MemoryError as error:
            raise click.ClickException(
                "The machine has too little memory for this. Choose a smaller --vocabulary-size or --batch-size."
            ) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output has left, which is no failure of ours
                raise
            raise click.ClickException(_sentence(error)) from error


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    remedy = {
        errno.ENOSPC: "Free some space, or write elsewhere; nothing was left half-written.",
        errno.EACCES: "Check who may read and write there.",
        errno.EROFS: "Write to a folder that may be written.",
    }.get(error.errno, "Check the path and the disk.")
    return f"{where}{reason}. {remedy}"


def echo_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Print a line for the person at the screen, on stderr."""
    click.echo(text, err=True)


def refuse_existing_file(path: Path, *, force: bool) -> None:
    """Raise unless a file may be written at `path`."""
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder, and a file is to be written. Give a file name to --out.")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} already exists. Pass --force to replace it, or choose another --out.")


def shows_progress() -> bool:
    """Tell whether somebody is watching: progress bars are for terminals."""
    return sys.stderr.isatty()
