"""How commands end: errors become messages on stderr, and signals an exit status.

Exit status: 0 success, 1 error, 2 wrong usage, 130 interrupted, 143 terminated.
"""

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from docnvil.commands.printing import note, readable
from docnvil.commands.suggestions import SuggestingGroup, with_suggestion
from docnvil.errors import DocnvilError, DocnvilNote, DocnvilWarning, is_out_of_memory, out_of_memory
from docnvil.runtime.cleanup import deleting_leftovers
from docnvil.runtime.disk import describe_full_disk, is_full_disk

INTERRUPTED = 130
TERMINATED = 143


class Termination(KeyboardInterrupt):
    """The signal SIGTERM, after which commands clean up as after Ctrl-C."""


class ErrorReportingGroup(SuggestingGroup):
    """A group whose commands report expected errors as messages, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and convert errors of docnvil and of the operating system to `click` errors."""
        try:
            with _handling_sigterm(), printing_warnings(), _raising_missed_interrupts(), deleting_leftovers():
                return super().invoke(ctx)
        except click.UsageError as error:
            if os.environ.get("RANK", "0") != "0":  # all processes get the same arguments; the main one reports
                ctx.exit(2)
            raise with_suggestion(error) from None
        except DocnvilError as error:
            raise _failure(error.command_line_message) from error
        except Termination:
            note("\nTerminated.")
            ctx.exit(TERMINATED)
        except KeyboardInterrupt:
            note("\nInterrupted.")
            ctx.exit(INTERRUPTED)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise _failure(
                out_of_memory(f"docnvil {ctx.invoked_subcommand} ran", error=error).command_line_message
            ) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output has closed it, as `head` does
                raise
            raise _failure(_message(error)) from error


def _failure(message: str) -> click.ClickException:
    return click.ClickException(readable(message))


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


@contextmanager
def _raising_missed_interrupts() -> Iterator[None]:
    """Raise an interrupt at the end that came in a finalizer, from which Python lets no exception out."""
    missed: list[type[BaseException]] = []
    show_others = sys.unraisablehook

    def show(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            missed.append(unraisable.exc_type)
        else:
            show_others(unraisable)

    sys.unraisablehook = show
    try:
        yield
    finally:
        sys.unraisablehook = show_others
    if missed:
        raise missed[0]


_REMEDIES = {
    errno.EACCES: "Check the permissions.",
    errno.EPERM: "Check the permissions.",
    errno.EROFS: "Choose a writable folder.",
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "A part of the path is a file; check the path.",
    errno.EISDIR: "Give the path of a file.",
    errno.EEXIST: "Choose another path.",
    errno.ELOOP: "Check the symbolic links of the path.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EINVAL: "Choose another path.",
    errno.EFBIG: "It is larger than this process may write; raise the limit with ulimit -f.",
    errno.EMFILE: "Too many files are open; raise the limit with ulimit -n.",
    errno.ENFILE: "Too many files are open on this machine; close other programs.",
    errno.EBUSY: "Close the program that uses it, and run the command again.",
    errno.EIO: "The disk may be damaged; check it, and run the command again.",
    errno.ESTALE: "Check the network disk, and run the command again.",
    errno.ETIMEDOUT: "Check the network, and run the command again.",
}


def _message(error: OSError) -> str:
    """Return what could not be done, the reason, and the remedy for this reason."""
    if is_full_disk(error):
        return describe_full_disk(error)
    reason = error.strerror or str(error)
    notes = [text for text in getattr(error, "__notes__", ()) if text.startswith("docnvil cannot ")]
    where = f"{notes[0] if notes else error.filename}: " if notes or error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "Check the path and the disk, and run the command again.")
    return f"{where}{reason}. {remedy}"


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
