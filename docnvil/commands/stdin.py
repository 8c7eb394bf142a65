"""Documents on standard input: copied to a temporary file, since some commands read their source several times."""

import re
import shutil
import sys
from pathlib import Path

import click

from docnvil.commands.printing import call_in_messages, note

NAME = "-"
_HEAD_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_JSON = re.compile(rb'(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*"')  # an object, or an array of objects


def copy_stdin(context: click.Context, param: click.Parameter | None) -> Path:
    """Return the copy of standard input, which is deleted when the command ends; it is one parameter's value.

    Its name says that it has lines, or JSON lines if its first line is a JSON object, for `--format auto`.
    """
    root = context.find_root()
    if "docnvil.stdin" not in root.meta:
        if sys.stdin.isatty():
            raise click.UsageError("- stands for documents on standard input. Pipe them into the command.")
        from docnvil.runtime.disk import scratch_folder

        folder = root.with_resource(scratch_folder())
        stream = sys.stdin.buffer
        head = stream.read(_HEAD_BYTES)
        is_json = _JSON.match(head) is not None
        path = folder / ("stdin.jsonl" if is_json else "stdin.txt")
        path = path.with_name(path.name + ".gz") if head.startswith(_GZIP) else path
        names = {path: "Standard input", path.with_name(path.name + ".search"): "(temporary)"}
        root.with_resource(call_in_messages(names))
        with path.open("wb") as copy:
            copy.write(head)
            shutil.copyfileobj(stream, copy)
        if is_json:
            note("Standard input looks like JSON and is read so, unless --format says otherwise.")
        root.meta["docnvil.stdin"] = path, param
    path, reader = root.meta["docnvil.stdin"]
    if reader is not param:
        raise click.UsageError("- is given for two corpora, and standard input is only one. Give a file for the other.")
    return path
