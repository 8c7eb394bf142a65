"""Atomic output: a folder or file is complete, or it does not exist.

Models and prepared corpora are folders of readable files. `writing_folder` fills a temporary folder next to the target,
adds `manifest.json` with the size and SHA-256 of every file, flushes all to disk, and then renames it; any earlier
failure leaves the target unchanged. `verify_folder` checks a folder against its manifest.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from docnvil.errors import CheckpointError, OutputExistsError, counted
from docnvil.runtime.cleanup import forget_leftover, register_leftover
from docnvil.runtime.disk import delete, drafting, exchange, fsync, fsync_tree, keep_permissions
from docnvil.runtime.output_names import naming_outputs
from docnvil.runtime.paths import resolve, resolve_output

Content = TypeVar("Content")

MANIFEST = "manifest.json"
READING_TRIES = 20  # of a folder that other processes replace


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_existing_file(path: Path, *, force: bool, option: str = "--out") -> None:
    """Raise `OutputExistsError` if a file must not be written at `path`, the value of an option.

    `force` allows replacing a file.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise OutputExistsError(f"{path} is {kind}, but the output is a file. Give a file name to {option}.")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} already exists. Pass --force to replace it, or choose another {option}.")


def refuse_output_in_folder(out: Path, option: str = "--out") -> None:
    """Raise `OutputExistsError` if `out`, the value of an option, is inside a folder that docnvil wrote."""
    for folder in resolve(out).parents:
        if kind := kind_of_folder(folder):
            raise OutputExistsError(f"{out} is inside the {kind} folder {folder}. Choose another {option}.")


def refuse_existing_folder(path: Path, *, kind: str, force: bool) -> None:
    """Raise `OutputExistsError` if a folder must not be written at `path`.

    `force` allows replacing an empty folder, or a folder of the same kind whose files are all listed in its manifest.
    This guards against deleting unrelated files.
    """
    if not path.exists():
        return
    if not force:
        raise OutputExistsError(f"{path} already exists. Pass --force to replace it, or choose another --out.")
    if path.is_dir() and not any(path.iterdir()):
        return
    if not is_folder_of_kind(path, kind):
        raise OutputExistsError(
            f"{path} is not a {kind} folder written by docnvil, so --force does not replace it. Choose another --out."
        )
    if unexpected_files := _files_in(path) - {MANIFEST, *_read_manifest(path, kind)["files"]}:
        raise OutputExistsError(
            f"{path} contains {min(unexpected_files)}, which docnvil did not write, so --force does not replace it."
            " Move that file away, or choose another --out."
        )


@contextmanager
def writing_folder(path: Path, *, kind: str, force: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder to fill; it becomes `path` if the block succeeds, and is deleted if it raises.

    Missing parents of `path` are created. The manifest stores the kind, such as "model" or "corpus".

    A replaced folder exchanges its name with the new one in one step. Where the system cannot do that, the old folder
    is renamed first; if the process is killed before the second rename, the next command that needs `path` undoes it.

    Raises:
        OutputExistsError: `path` exists and may not be replaced.
    """
    path = resolve_output(path)  # "." has no name and no parent
    restore_replaced(path)
    refuse_existing_folder(path, kind=kind, force=force)
    with drafting(path, is_folder=True, is_private=path.exists()) as draft:
        yield draft
        files = {
            name: {"bytes": (draft / name).stat().st_size, "sha256": sha256_of(draft / name)}
            for name in sorted(_files_in(draft))
        }
        write_json(draft / MANIFEST, {"kind": kind, "files": files})
        keep_permissions(draft, path)
        fsync_tree(draft)
        _move_into_place(draft, path)
        fsync(path.parent)


@naming_outputs()
def restore_replaced(path: Path) -> None:
    """Give a folder its name back if its process was killed between the two renames that replace it."""
    path = resolve(path)
    if not path.name:
        return
    old = _old_name(path)
    if old.exists() and not path.exists():
        old.rename(path)


def _number(value: object) -> str:
    """Return a number, or whatever a damaged file has in its place, for a message."""
    return f"{value:,}" if isinstance(value, int) else repr(value)


def verify_folder(path: Path, *, kind: str, required: Collection[str] = ()) -> None:
    """Raise `CheckpointError` if a folder of this kind, its manifest, or a file listed there is missing or changed.

    Arguments:
        path: the folder.
        kind: what the manifest says, such as "model" or "corpus".
        required: names of files that the manifest must list.
    """
    if not path.is_dir():
        with suppress(OSError):  # the message below says what is missing
            restore_replaced(path)
    if not path.is_dir():
        raise CheckpointError(f"There is no {kind} folder at {path}. Check the path.")
    remedy = f"Restore it, or make the {kind} again."
    files = _read_manifest(path, kind)["files"]
    if missing := [name for name in required if name not in files]:
        raise CheckpointError(f"{path / MANIFEST} does not list {missing[0]}. {remedy}")
    for name, expected in files.items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{file} is missing from the {kind} folder. {remedy}")
        if (size := file.stat().st_size) != expected["bytes"]:
            raise CheckpointError(
                f"{file} has {counted(size, 'byte')}, but its manifest says {_number(expected['bytes'])}. {remedy}"
            )
        if sha256_of(file) != expected["sha256"]:
            raise CheckpointError(f"{file} does not match the SHA-256 in its manifest, so it was changed. {remedy}")


def read_unchanged(path: Path, read: Callable[[], Content]) -> Content:
    """Return what `read` returns of a folder that is not replaced meanwhile; otherwise it is called again.

    Raises:
        CheckpointError: the folder is replaced again and again; or `read` raises it, and the folder did not change.
    """
    resolve(path)  # refuses a path that nothing can have
    for _ in range(READING_TRIES):
        before = _identity(path)
        try:
            content = read()
        except (CheckpointError, OSError):
            if _identity(path) == before:
                raise
            continue
        if _identity(path) == before:
            return content
    raise CheckpointError(f"{path} was replaced while it was read. Run the same command again.")


def _identity(path: Path) -> tuple[int, ...] | None:
    """Return what distinguishes a folder from another one that later has its name."""
    try:
        states = path.stat(), (path / MANIFEST).stat()
    except OSError:
        return None
    return tuple(number for state in states for number in (state.st_dev, state.st_ino, state.st_mtime_ns))


def read_folder(path: Path, *, kind: str, required: Collection[str] = ()) -> dict[str, bytes]:
    """Return the content of every file of a folder by its name; the bytes returned are those that were checked.

    A folder that is replaced meanwhile is read again.

    Raises:
        CheckpointError: the folder, its manifest, or a file listed there is missing or changed.
    """

    def read() -> dict[str, bytes]:
        verify_folder(path, kind=kind, required=required)
        files = _read_manifest(path, kind)["files"]
        contents = {name: (path / name).read_bytes() for name in files}
        if changed := [name for name in files if hashlib.sha256(contents[name]).hexdigest() != files[name]["sha256"]]:
            raise CheckpointError(f"{path / changed[0]} changes while it is read. Run the same command again.")
        return contents

    return read_unchanged(path, read)


def is_folder_of_kind(path: Path, kind: str) -> bool:
    """Return whether `path` has a manifest of this kind; its files are not checked."""
    return kind_of_folder(path) == kind


def kind_of_folder(path: Path) -> str | None:
    """Return the kind of a folder that docnvil wrote, from its manifest, or None for other folders."""
    try:
        kind = _read_manifest(path)["kind"]
    except CheckpointError:
        return None
    return kind if isinstance(kind, str) else None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an indented JSON object in UTF-8 with a final newline.

    Lone surrogates, which names of files that are not UTF-8 have, are written as the escapes of JSON.
    """
    path.write_bytes(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace"))


@contextmanager
def replacing_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file to write; it becomes `path` if the block succeeds, and is deleted if it raises."""
    path = resolve_output(path)  # so that a symbolic link is kept and its target replaced
    with drafting(path, is_folder=False, is_private=path.exists()) as draft:
        yield draft
        keep_permissions(draft, path)
        fsync(draft)
        draft.replace(path)
        fsync(path.parent)


def replace_file(path: str | Path, content: bytes) -> None:
    """Write `content` to `path` atomically, see `replacing_file`."""
    with replacing_file(path) as draft:
        draft.write_bytes(content)


def _read_manifest(path: Path, kind: str | None = None) -> dict[str, Any]:
    """Return the manifest of a folder, of any kind if `kind` is None."""
    file = path / MANIFEST
    try:
        if file.exists() and not file.is_file():  # opening a pipe would wait
            raise ValueError("not a regular file")
        manifest = json.loads(file.read_text(encoding="utf-8"))
        actual_kind, files = manifest["kind"], manifest["files"]
        for entry in files.values():
            _ = entry["bytes"], entry["sha256"]
        if not files:
            raise ValueError("no files")
        if not all(map(_is_plain_name, files)):
            raise ValueError("not names of files in the folder")
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} has no {MANIFEST}, so it is not a {kind}, or not a complete one. Check the path and the order of"
            f" the arguments, or make the {kind} again."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{file} is not a valid manifest. Restore it, or make the {kind} again.") from None
    if kind is not None and actual_kind != kind:
        raise CheckpointError(f"{path} is a {actual_kind} folder, but a {kind} folder is needed. Check the path.")
    return manifest


def _is_plain_name(name: str) -> bool:
    """Return whether a name is that of a file in a folder, which the system could open."""
    parts = name.split("/")
    is_inside = all(part not in ("", ".", "..") and len(os.fsencode(part)) < 256 for part in parts)
    return is_inside and "\0" not in name and len(parts) < 10


def _move_into_place(draft: Path, path: Path) -> None:
    if not path.exists():
        draft.rename(path)
        return
    old = _old_name(path)
    delete(old)  # a killed process may have left it
    if exchange(draft, path):
        return  # the old folder is now the draft, which is deleted
    register_leftover(old, partial(_end_replacing, path))
    try:
        path.rename(old)
        draft.rename(path)
    finally:
        _end_replacing(path, old)
        forget_leftover(old)


def _end_replacing(path: Path, old: Path) -> None:
    """Delete the old folder if the new one is in its place; otherwise move it back."""
    restore_replaced(path)
    delete(old)


def _old_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _files_in(path: Path) -> set[str]:
    """Return the names of all files below a folder, relative to it."""
    return {file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()}
