"""How commands talk: results on stdout, progress and failures on stderr, failures as sentences.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

import errno
import json
import math
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from docnvil.errors import DocnvilError

INTERRUPTED = 130


class FailsInSentences(click.Group):
    """A group whose commands end foreseen failures with a sentence and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what docnvil foresees, and what the machine refuses, into `click` failures."""
        try:
            return super().invoke(ctx)
        except click.UsageError:
            if os.environ.get("RANK", "0") != "0":  # one of several processes given the same line: the first tells
                ctx.exit(2)
            raise
        except DocnvilError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            raise click.ClickException(
                "There is too little memory for this. Ask for fewer --samples or --units, a smaller --batch-size or"
                " --vocabulary-size."
            ) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output has left, which is no failure of ours
                raise
            raise click.ClickException(_sentence(error)) from error


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether this is Python's or torch's way of saying so; torch raises a plain `RuntimeError`."""
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    remedy = {
        errno.ENOSPC: "Free some space, or write elsewhere; nothing was left half-written.",
        errno.EACCES: "Check who may read and write there.",
        errno.EROFS: "Write to a folder that may be written.",
    }.get(error.errno, "Check the path, and that the disk has room.")
    return f"{where}{reason}. {remedy}"


def echo_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; what is no finite number is null, because JSON knows no other."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def note(text: str) -> None:
    """Print a line for the person at the screen, on stderr."""
    click.echo(text, err=True)


def shows_progress() -> bool:
    """Tell whether somebody is watching: progress bars are for terminals."""
    return sys.stderr.isatty()
