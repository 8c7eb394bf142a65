"""The one place that prints: results on stdout, messages on stderr, without control characters of the data."""

import json
import math
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import click

# All control characters but the tab and the line feed: an id such as "\x1b[2J" would clear the terminal.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_names: dict[str, str] = {}


def escape_controls(text: str) -> str:
    r"""Return a text with control characters written as `\u001b`, as in JSON; tabs and line feeds are kept.

    Example:
        >>> print(escape_controls("a red \x1b[31mword"))
        a red \u001b[31mword
    """
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def readable(text: str) -> str:
    """Return a message for people: without control characters, and with the names of `call_in_messages`."""
    for path, name in sorted(_names.items(), reverse=True):  # "stdin.txt.search" before "stdin.txt"
        text = text.replace(path, name)
    return escape_controls(text)


@contextmanager
def call_in_messages(names: Mapping[Path, str]) -> Iterator[None]:
    """Let messages call paths by other names, such as a temporary copy by what it is a copy of."""
    added = {str(path): name for path, name in names.items()}
    _names.update(added)
    try:
        yield
    finally:
        for path in added:
            del _names[path]


def shell_word(path: Path) -> str:
    r"""Return a path as a shell reads it, with all bytes that stdout cannot print as escapes.

    Example:
        >>> print(shell_word(Path("my model")), shell_word(Path("-n")), shell_word(Path("a\tb\udcff")))
        'my model' ./-n $'a\x09b\xff'
    """
    name = f"./{path}" if str(path).startswith("-") else str(path)
    if name.isprintable() and _printable(name, sys.stdout) == name:
        return shlex.quote(name)
    escaped = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "'\\" else f"\\x{byte:02x}" for byte in os.fsencode(name)
    )
    return f"$'{''.join(escaped)}'"


def echo(text: object = "") -> None:
    """Print a text on stdout.

    Raises:
        OSError: it cannot be written, for example because the disk is full or the reader of a pipe has closed it.
    """
    try:
        click.echo(_printable(str(text), sys.stdout))
    except OSError as error:
        _discard_stdout()
        error.filename = error.filename or "standard output"
        raise


def note(text: object) -> None:
    """Print a line on stderr, as far as that is possible."""
    with suppress(OSError):
        click.echo(_printable(str(text), sys.stderr), err=True)


def echo_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout; NaN and infinite numbers become null, since JSON lacks them."""
    is_ascii = not _is_utf8(sys.stdout)
    echo(json.dumps(_finite(value), indent=2, ensure_ascii=is_ascii, allow_nan=False))


def echo_result(values: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print a result on stdout, as one JSON object or as text."""
    if as_json:
        echo_json(values)
    else:
        echo(text)


def _printable(text: str, stream: TextIO | None) -> str:
    """Return a text that a stream can print: without control characters, and in the encoding of the stream."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return readable(text).encode(encoding, "backslashreplace").decode(encoding)


def _is_utf8(stream: TextIO | None) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


def _discard_stdout() -> None:
    """Let stdout lead nowhere, so that what is left in its buffer does not fail again when Python exits."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shows_progress() -> bool:
    """Return whether stderr is a terminal, where progress bars are shown."""
    return sys.stderr.isatty()
