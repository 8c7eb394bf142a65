"""Checks of an output before work begins: it is not an input, and no other process writes it."""

from collections.abc import Sequence
from pathlib import Path

import click


def claim_output(out: Path, inputs: Sequence[Path] = (), *, drafts_of: Sequence[Path] = ()) -> None:
    """Lock an output until the command ends, and delete what killed processes left of it.

    Arguments:
        out: the file or folder that the command writes.
        inputs: what the command reads.
        drafts_of: other files that the command writes beside it.

    Raises:
        OutputExistsError: `out` is an input or in a folder written by docnvil, or another process is writing it.
    """
    from docnvil.runtime.disk import remove_abandoned_drafts
    from docnvil.runtime.folders import refuse_input_as_output
    from docnvil.runtime.locks import lock_output

    refuse_input_as_output(out, inputs)
    click.get_current_context().with_resource(lock_output(out))
    for path in (out.resolve(), *drafts_of):
        remove_abandoned_drafts(path.parent, path.name)
