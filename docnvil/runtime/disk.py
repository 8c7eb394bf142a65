"""Steps of atomic output: drafts that die with their process, durable renames, and the exchange of two folders.

A draft is a temporary file or folder `.NAME.xxxxxxxx.part` beside the output NAME. Its process holds a lock (flock) on
it, which the system releases when the process ends, however it ends. A draft that can be locked is thus abandoned, and
the next command with the same output deletes it. The process itself deletes it also after a signal, see `cleanup`.
"""

import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docnvil.errors import warn
from docnvil.runtime.cleanup import forget_leftover, register_leftover
from docnvil.runtime.output_names import naming_folder, naming_outputs

try:
    import fcntl
except ImportError:  # Windows has no flock; drafts of killed processes then stay
    fcntl = None  # type: ignore[assignment]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LOCKED_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EACCES)


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed; False if another process has it, None if it has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:  # some network file systems cannot lock
        return False if error.errno in _LOCKED_BY_ANOTHER else None


@contextmanager
def drafting(target: Path, *, is_folder: bool, is_private: bool = True) -> Iterator[Path]:
    """Yield a new empty draft beside `target`, locked until the block ends; it is deleted if it is still there.

    Missing parents of `target` are made, and deleted if they are empty in the end.

    Arguments:
        target: the resolved path of the output.
        is_folder: whether the draft is a folder or a file.
        is_private: whether only this user can read the draft, for instance because it replaces a private output;
            otherwise, the system gives it the permissions of a new file or folder.
    """
    with making_folders(target.parent), naming_outputs():
        draft, descriptor = _make_draft(target, is_folder=is_folder, is_private=is_private)
        try:
            yield draft
        except OSError as error:
            if is_full_disk(error) or error.errno == errno.EFBIG:
                error.filename = str(target)  # rather than the draft, or nothing
            raise
        finally:
            try:
                delete(draft)
                forget_leftover(draft)
            finally:
                os.close(descriptor)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder among the temporary files of the system, deleted when the block ends.

    Those of processes that were killed are deleted first.
    """
    remove_abandoned_scratch_folders()
    with drafting(_scratch_name(), is_folder=True) as folder:
        yield folder


def remove_abandoned_scratch_folders() -> None:
    """Delete the folders of `scratch_folder` whose processes were killed."""
    name = _scratch_name()
    remove_abandoned_drafts(name.parent, name.name)


def _scratch_name() -> Path:
    return Path(tempfile.gettempdir()).resolve() / "docnvil"


def is_full_disk(error: OSError) -> bool:
    """Return whether an error says that a disk, or what a user may store on it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def describe_full_disk(error: OSError) -> str:
    """Return the message for a full disk: where, how much is free, and what to do."""
    remedy = "Free some space, or write to another disk; no incomplete output remains."
    if error.filename is None or not (place := Path(os.fsdecode(error.filename))).is_absolute():
        return f"{error.filename or 'The output'}: {error.strerror}. {remedy}"
    folder = next(folder for folder in place.parents if folder.is_dir())
    free = f"{shutil.disk_usage(folder).free / 2**20:,.1f} MiB free"
    if error.errno == errno.EDQUOT:
        return f"Your disk quota is used up ({free} on the disk of {place}). {remedy}"
    return f"The disk of {place} is full ({free}). {remedy}"


def _make_draft(target: Path, *, is_folder: bool, is_private: bool = True) -> tuple[Path, int]:
    while True:
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        register_leftover(draft, delete)
        try:
            if is_folder:
                draft.mkdir(0o700 if is_private else 0o777)  # less the umask
            else:
                os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666))
        except FileExistsError:  # two processes have chosen the same name
            forget_leftover(draft)
            continue
        try:
            descriptor = os.open(draft, os.O_RDONLY)
        except FileNotFoundError:  # another process took it for an abandoned one before it was locked
            forget_leftover(draft)
            continue
        except BaseException:
            delete(draft)
            forget_leftover(draft)
            raise
        if try_lock(descriptor) is False or not draft.exists():
            os.close(descriptor)
            forget_leftover(draft)
            continue
        return draft, descriptor


def remove_abandoned_drafts(folder: Path, name: str | None = None) -> None:
    """Delete the drafts in a folder whose processes have ended, of the output `name` or of all outputs."""
    pattern = re.compile(rf"\.{'.+' if name is None else re.escape(name)}\.[a-z0-9_]{{8}}\.part")
    with suppress(OSError), os.scandir(folder) as entries:
        drafts = [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]
        for draft in drafts:
            with suppress(OSError):
                _delete_if_abandoned(draft)


def _delete_if_abandoned(draft: Path) -> None:
    mode = draft.lstat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a pipe would wait
        return
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        if try_lock(descriptor):
            delete(draft)
    finally:
        os.close(descriptor)


def delete(path: Path) -> None:
    """Delete a file or a folder with all in it; a warning names what cannot be deleted."""
    for is_last in (False, True):  # a second time after an error that may have passed
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=not is_last)  # as much as possible, then to learn the reason
            else:
                os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            if is_last:
                warn_of_leftover(path, error)
        if not os.path.lexists(path):
            return


def warn_of_leftover(path: Path, error: OSError) -> None:
    """Warn that something is left over, and why."""
    warn(
        f"{path} could not be deleted: {error.strerror}. The next command with the same output deletes it, or delete"
        " it yourself."
    )


def make_folders(path: Path) -> None:
    """Make a folder and its missing parents, and flush the entry of each new one to disk."""
    for folder in reversed(_missing_folders(path)):
        with naming_folder(folder):
            folder.mkdir(exist_ok=True)
        fsync(folder.parent)


@contextmanager
def making_folders(path: Path) -> Iterator[None]:
    """Make a folder and its missing parents, see `make_folders`; delete those that are empty when the block ends."""
    missing = _missing_folders(path)
    try:
        for folder in reversed(missing):
            register_leftover(folder, _delete_if_empty)
        make_folders(path)
        yield
    finally:
        for folder in missing:
            _delete_if_empty(folder)
            forget_leftover(folder)


def _delete_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not empty, or was not made
        folder.rmdir()


def _missing_folders(path: Path) -> list[Path]:
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def fsync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reserve_space(path: Path) -> None:
    """Reserve the space on the disk that the length of a file needs, as far as the system can do that.

    Memory that is mapped to a file without space ends the process at a write when the disk is full (SIGBUS).

    Raises:
        OSError: there is not enough space.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS and Windows
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        if size := os.fstat(descriptor).st_size:
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # the file system lacks it
            raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(descriptor)


def fsync_tree(path: Path) -> None:
    """Flush a folder and everything in it to disk."""
    for each in (*path.rglob("*"), path):
        fsync(each)


def keep_permissions(draft: Path, target: Path) -> None:
    """Give a draft the permissions of the output that it replaces, if there is one."""
    with suppress(FileNotFoundError):
        draft.chmod(stat.S_IMODE(target.stat().st_mode))


def exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two existing paths in one step; return False if the system cannot do that."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, TypeError, AttributeError):  # not Linux, or an old C library
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM):  # the file system lacks it
        return False
    raise OSError(number, os.strerror(number), str(second))
