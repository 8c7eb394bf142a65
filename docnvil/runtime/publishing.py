"""Several files or folders that are one output, such as `codes.npy` and `codes.ids.txt`: all are new, or none is.

The rule: the first of them, the main one, exists only together with the others of its own run.

1. All are written to a draft, a folder beside the main output, and flushed to disk.
2. The draft is renamed to `.NAME.publishing`. That decides: from here on, the new output counts.
3. The old main output is moved away, then the other old ones; the new ones are moved into place, the main one last.
4. The folder is deleted.

An error in step 3 moves everything back. If the process is killed there, the main output may be missing, and the next
command that writes the same output first completes step 3, because all that it needs is in the folder.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from docnvil.errors import OutputExistsError
from docnvil.runtime.disk import (
    delete,
    drafting,
    fsync,
    fsync_tree,
    keep_permissions,
    make_folders,
    try_lock,
    warn_of_leftover,
)
from docnvil.runtime.output_names import naming_outputs
from docnvil.runtime.paths import require_one_file_system, resolve_output

_TARGETS = "targets.json"


class _Publication(NamedTuple):
    """One path to publish: its new content, its place, where its old content goes, and whether there is new content."""

    new: Path
    target: Path
    old: Path
    is_written: bool


@contextmanager
def writing_together(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each target; they become the targets if the block succeeds.

    Existing targets are replaced, and those whose temporary path was not written are removed.

    Arguments:
        targets: the paths; the first is the main one, which exists only together with the others of its own run.

    Raises:
        OutputExistsError: another process is publishing the same output, or the targets are on several file systems.
    """
    targets = tuple(map(resolve_output, targets))
    main = targets[0]
    complete_publication(*targets)
    with drafting(main, is_folder=True) as draft:
        paths = tuple(draft / str(number) / target.name for number, target in enumerate(targets))
        for path in paths:
            path.parent.mkdir()
        yield paths
        entries = [
            [os.path.relpath(target, main.parent), path.exists()] for target, path in zip(targets, paths, strict=True)
        ]
        (draft / _TARGETS).write_text(json.dumps(entries), encoding="utf-8")
        for target, path in zip(targets, paths, strict=True):
            if path.exists():
                keep_permissions(path, target)
        fsync_tree(draft)
        for target in targets:
            make_folders(target.parent)
        journal = _journal(main)
        try:
            draft.rename(journal)
            fsync(main.parent)
            _publish(_publications(journal))
            _end(journal, draft)
        except BaseException:
            with suppress(OSError):  # what cannot be moved back is completed by the next command
                _move_back(_publications(journal))
                journal.rename(draft)
            raise


@naming_outputs()
def complete_publication(*targets: Path) -> None:
    """Complete the publication of an output whose process was killed, if there is one.

    Arguments:
        targets: the paths that will be written, see `writing_together`.

    Raises:
        OutputExistsError: another process is publishing it now, something new is in the place of an output, or the
            targets are on several file systems.
    """
    main, *others = map(resolve_output, targets)
    require_one_file_system(main, others)
    journal = _journal(main)
    if not journal.is_dir():
        return
    descriptor = os.open(journal, os.O_RDONLY)
    try:
        if try_lock(descriptor) is False:
            raise OutputExistsError(f"Another process is writing {main}. Wait until it ends, or choose another --out.")
        if (journal / _TARGETS).is_file():
            _publish(_publications(journal))
        draft = journal.with_name(f".{main.name}.finished.part")
        delete(draft)
        journal.rename(draft)  # a partly deleted journal must not count
        delete(draft)
    finally:
        os.close(descriptor)


def _end(journal: Path, draft: Path) -> None:
    """Let the journal no longer count, which can then be deleted; the output is complete."""
    try:
        journal.rename(draft)
    except OSError as error:
        warn_of_leftover(journal, error)


def _journal(main: Path) -> Path:
    return main.with_name(f".{main.name}.publishing")


def _publications(journal: Path) -> list[_Publication]:
    entries = json.loads((journal / _TARGETS).read_text(encoding="utf-8"))
    return [
        _Publication(
            journal / str(number) / Path(name).name, journal.parent / name, journal / f"{number}.old", is_written
        )
        for number, (name, is_written) in enumerate(entries)
    ]


def _publish(publications: list[_Publication]) -> None:
    """Do what remains of step 3."""
    for new, target, old, is_written in publications:
        waits = os.path.lexists(new) or not is_written
        if not (waits and os.path.lexists(target)):
            continue
        if not os.path.lexists(old):
            target.rename(old)
        elif is_written:
            raise OutputExistsError(
                f"{target} was made after an interrupted run, whose result is in {new}. Move one of them away."
            )
    for new, target, *_ in (*publications[1:], publications[0]):
        fsync(target.parent)  # the main output comes after all other changes
        if os.path.lexists(new):
            new.rename(target)
        fsync(target.parent)


def _move_back(publications: list[_Publication]) -> None:
    """Undo step 3, in the reverse order."""
    for new, target, _, is_written in publications:
        if is_written and not os.path.lexists(new):
            target.rename(new)
    for _, target, old, _ in reversed(publications):
        if os.path.lexists(old):
            old.rename(target)
