"""Folders that are either whole or not there: written beside their place, checksummed, then moved in.

A model and a prepared corpus are folders that a person can open. `writing_folder` fills a temporary folder beside the
target, adds `manifest.json` with the size and SHA-256 of every file, forces the bytes to the disk, and only then takes
the target's name; whatever stops it earlier leaves the target as it was. `verify_folder` reads the manifest back.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docnvil.errors import CheckpointError, OutputExistsError

MANIFEST = "manifest.json"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_existing_file(path: Path, *, force: bool) -> None:
    """Raise `OutputExistsError` unless a file may be written at `path`."""
    if path.is_dir():
        raise OutputExistsError(f"{path} is a folder, and a file is to be written. Give a file name to --out.")
    if path.exists() and not path.is_file():
        raise OutputExistsError(f"{path} is a device or a pipe, and only files are written. Give a file name to --out.")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} already exists. Pass --force to replace it, or choose another --out.")


def refuse_existing_folder(path: Path, *, kind: str, force: bool) -> None:
    """Raise `OutputExistsError` unless a folder of this kind may be written at `path`.

    With `force`, what is replaced must be empty, or a folder of the same kind that holds nothing but what its manifest
    lists: a slip of the finger shall not cost anybody a corpus, a thesis, or a home.
    """
    if not path.exists():
        return
    if not force:
        raise OutputExistsError(f"{path} already exists. Pass --force to replace it, or choose another --out.")
    if path.is_dir() and not any(path.iterdir()):
        return
    if not is_folder_of_kind(path, kind):
        raise OutputExistsError(
            f"{path} is not a {kind} folder that docnvil wrote, so --force will not replace it. Choose another --out."
        )
    strangers = _files_in(path) - {MANIFEST, *_read_manifest(path, kind)["files"]}
    if strangers:
        raise OutputExistsError(
            f"{path} also holds {min(strangers)}, which docnvil did not write, so --force will not replace it."
            " Move that away, or choose another --out."
        )


@contextmanager
def writing_folder(path: Path, *, kind: str, force: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; on a clean exit it becomes `path`, with a manifest, otherwise it vanishes.

    Arguments:
        path: where the folder shall stand; its parent is made if need be.
        kind: what the folder is ("model", "corpus"), kept in the manifest and checked by `verify_folder`.
        force: replace a folder of ours that already stands there.

    Raises:
        OutputExistsError: `path` exists and `force` is not given, or is not ours to replace.

    A folder cannot take the name of another in one step. One that is replaced steps aside first, under the name of the
    draft with `.old` behind it; only a power failure between these two renames could leave it there.
    """
    path = path.resolve()  # "." has neither a name nor a parent to write beside
    refuse_existing_folder(path, kind=kind, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        yield draft
        files = {
            name: {"bytes": (draft / name).stat().st_size, "sha256": sha256_of(draft / name)}
            for name in sorted(_files_in(draft))
        }
        write_json(draft / MANIFEST, {"kind": kind, "files": files})
        for name in (*files, MANIFEST):
            (draft / name).chmod(0o644)  # some writers, like mkdtemp, make things private; these are meant to be shared
            _fsync(draft / name)
        draft.chmod(0o755)
        _fsync(draft)
        _move_into_place(draft, path)
        _fsync(path.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def verify_folder(path: Path, *, kind: str) -> None:
    """Check that `path` is a folder of this kind with every file of its manifest present and unaltered.

    Raises:
        CheckpointError: the folder, its manifest or one of its files is missing, truncated or altered.
    """
    if not path.is_dir():
        raise CheckpointError(f"There is no {kind} folder at {path}. Check the path.")
    manifest = _read_manifest(path, kind)
    for name, expected in manifest["files"].items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{file} is missing from the {kind} folder. Restore it, or make the {kind} again.")
        if file.stat().st_size != expected["bytes"]:
            raise CheckpointError(
                f"{file} has {file.stat().st_size} bytes where the manifest says {expected['bytes']}: it was cut short"
                f" or changed. Restore it, or make the {kind} again."
            )
        if sha256_of(file) != expected["sha256"]:
            raise CheckpointError(
                f"{file} does not match the SHA-256 in its manifest: it was altered or damaged. Restore it, or make the"
                f" {kind} again."
            )


def is_folder_of_kind(path: Path, kind: str) -> bool:
    """Tell whether `path` looks like a folder written by `writing_folder` for this kind (nothing is verified)."""
    try:
        return _read_manifest(path, kind)["kind"] == kind
    except CheckpointError:
        return False


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write one JSON object, indented, in UTF-8, with a newline at the end."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path` to write; on a clean exit it becomes `path`, otherwise it vanishes.

    A reader, or a crash, sees either the old file or the new one.
    """
    path = path.resolve()  # a link stays a link, and what it points to is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o644)  # mkstemp makes private files
        _fsync(draft)
        draft.replace(path)
        _fsync(path.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step, see `replacing_file`."""
    with replacing_file(path) as draft:
        draft.write_bytes(content)


def _read_manifest(path: Path, kind: str) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        found, files = manifest["kind"], manifest["files"]
        for entry in files.values():
            _ = entry["bytes"], entry["sha256"]
    except FileNotFoundError:
        raise CheckpointError(
            f"{path} has no {MANIFEST}, so it is not a finished {kind} folder. Make the {kind} again."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{file} cannot be read as a manifest. Restore it, or make the {kind} again.") from None
    if found != kind:
        raise CheckpointError(f"{path} is a {found} folder where a {kind} folder is needed.")
    return manifest


def _move_into_place(draft: Path, path: Path) -> None:
    if not path.exists():
        draft.rename(path)
        return
    # A folder cannot be renamed over a full one: the old one steps aside, and comes back if the second rename fails.
    aside = draft.with_name(draft.name + ".old")
    path.rename(aside)
    try:
        draft.rename(path)
    except BaseException:
        aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)  # the new one stands; what is left of the old one is no failure


def _files_in(path: Path) -> set[str]:
    """Name every file below a folder, relative to it."""
    return {file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()}


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
