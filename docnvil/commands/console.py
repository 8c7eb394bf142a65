"""Console output of commands: results on stdout, progress and errors on stderr.

Exit status: 0 success, 1 error, 2 wrong usage, 130 interrupted, 143 terminated.
"""

import errno
import json
import math
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from docnvil.errors import DocnvilError, DocnvilNote, DocnvilWarning

INTERRUPTED = 130
TERMINATED = 143


class Termination(KeyboardInterrupt):
    """The signal SIGTERM, after which commands clean up as after Ctrl-C."""


class ErrorReportingGroup(click.Group):
    """A group whose commands report expected errors as messages, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and convert errors of docnvil and of the operating system to `click` errors."""
        try:
            with _handling_sigterm(), printing_warnings():
                return super().invoke(ctx)
        except click.UsageError:
            if os.environ.get("RANK", "0") != "0":  # all processes get the same arguments; the main one reports
                ctx.exit(2)
            raise
        except DocnvilError as error:
            raise click.ClickException(error.command_line_message) from error
        except Termination:
            click.echo("\nTerminated.", err=True)
            ctx.exit(TERMINATED)
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            raise click.ClickException(
                "Out of memory. Use fewer --samples or --units, or a smaller --batch-size or --vocabulary-size."
            ) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output has closed it, as `head` does
                raise
            raise click.ClickException(_message(error)) from error


@contextmanager
def _handling_sigterm() -> Iterator[None]:
    """Raise `Termination` on SIGTERM, except in processes of torchrun, which may wait for each other."""
    is_main_thread = threading.current_thread() is threading.main_thread()
    if not is_main_thread or "RANK" in os.environ or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def terminate(*_: object) -> None:
        raise Termination

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether the error reports a lack of memory; torch raises a plain `RuntimeError`."""
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _message(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    remedy = {
        errno.ENOSPC: "Free some space or write to another disk; no partial output remains.",
        errno.EACCES: "Check the permissions.",
        errno.EROFS: "Choose a writable folder.",
    }.get(error.errno, "Check the path and the free space of the disk.")
    return f"{where}{reason}. {remedy}"


def echo_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; NaN and infinite numbers become null, since JSON lacks them."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def echo_result(values: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print a result on stdout, as one JSON object or as text."""
    if as_json:
        echo_json(values)
    else:
        click.echo(text)


def note(text: str) -> None:
    """Print a line on stderr."""
    click.echo(text, err=True)


@contextmanager
def printing_warnings() -> Iterator[list[str]]:
    """Print each warning and note on stderr, once per message, and yield the list of these messages.

    Of several processes with the same input, only the main one prints.
    """
    messages: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", DocnvilWarning)
        show_others = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any) -> None:
            if not issubclass(category, DocnvilWarning):
                show_others(message, category, *place)
            elif (text := message.command_line_message) not in messages:
                messages.append(text)
                if os.environ.get("RANK", "0") == "0":
                    note(f"{'Note' if issubclass(category, DocnvilNote) else 'Warning'}: {text}")

        warnings.showwarning = show
        yield messages


def shows_progress() -> bool:
    """Return whether stderr is a terminal, where progress bars are shown."""
    return sys.stderr.isatty()
