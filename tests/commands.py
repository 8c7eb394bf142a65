"""The docnvil command line, run in this process or started in another one."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from click.testing import CliRunner, Result

from docnvil.commands import main


def run(
    *arguments: object,
    status: int | tuple[int, ...] = 0,
    stderr: str | tuple[str, ...] = (),
    stdin: str | None = None,
    has_results: bool = False,
) -> Result:
    """Run a docnvil command in this process, and check how it ends.

    A command that fails must print nothing on stdout (see `has_results`), and a message on stderr that ends like a
    sentence or with a quoted name. An exception that it does not turn into a message is raised, and fails the test.

    Arguments:
        arguments: words after `docnvil`, converted to strings.
        status: one or more possible exit statuses.
        stderr: one or more expected parts of stderr, in which line breaks are spaces.
        stdin: text of stdin.
        has_results: whether a command that fails prints results, too: those of the models that could be evaluated.

    Returns:
        What the command has printed, as `stdout`, `stderr` and `output` (both).
    """
    words = [str(argument) for argument in arguments]
    result = CliRunner().invoke(main, words, input=stdin, catch_exceptions=False)
    report = f"docnvil {shlex.join(words)}\nended with exit status {result.exit_code} and printed:\n{result.output}"
    statuses = (status,) if isinstance(status, int) else status
    assert result.exit_code in statuses, f"{report}\nExpected exit status: {status}"
    printed = " ".join(result.stderr.split())
    for part in (stderr,) if isinstance(stderr, str) else stderr:
        assert part in printed, f"{report}\nNot in stderr: {part}"
    if result.exit_code:
        assert bool(result.stdout) == has_results, f"{report}\nExpected results on stdout: {has_results}"
        assert printed.endswith((".", "'", "?")), f"{report}\nThe message does not end like a sentence."
    return result


def start(*arguments: object, variables: Mapping[str, object] | None = None, **options: Any) -> subprocess.Popen[str]:
    """Start a docnvil command in a new process, with pipes for stdout and stderr.

    Arguments:
        arguments: words after `docnvil`, converted to strings.
        variables: environment variables to add, converted to strings.
        options: further arguments of `subprocess.Popen`.
    """
    command = [sys.executable, "-m", "docnvil", *map(str, arguments)]
    environment = os.environ | {name: str(value) for name, value in (variables or {}).items()}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes, **options)
