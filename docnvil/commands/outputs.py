"""Checks of an output before work begins: it is not an input, and no other process writes it."""

from collections.abc import Sequence
from pathlib import Path

import click


def claim_output(out: Path, inputs: Sequence[Path | None] = (), *, others: Sequence[Path] = ()) -> None:
    """Lock an output until the command ends, and delete what killed processes left of it.

    Arguments:
        out: the file or folder that the command writes.
        inputs: what the command reads; None for options that are not given.
        others: further files or folders that the command writes.

    Raises:
        OutputExistsError: an output is an input or in a folder written by docnvil, or another process writes `out`.
    """
    from docnvil.runtime.disk import remove_abandoned_drafts
    from docnvil.runtime.folders import refuse_input_as_output
    from docnvil.runtime.locks import lock_output
    from docnvil.runtime.paths import resolve_output

    outputs = out, *others
    for path in outputs:
        refuse_input_as_output(path, [each for each in inputs if each is not None])
    outputs = tuple(map(resolve_output, outputs))
    click.get_current_context().with_resource(lock_output(out))
    for path in outputs:
        remove_abandoned_drafts(path.parent, path.name)
