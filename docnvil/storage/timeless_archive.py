"""Zip archives without times, so that the same content gives the same bytes."""

import os
import shutil
from datetime import datetime
from os import PathLike
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

EARLIEST = datetime(1980, 1, 1)  # of a zip archive


class TimelessArchive(ZipFile):
    """A compressed archive to write, whose members have the earliest time.

    Arguments:
        path: the file.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        super().__init__(path, "w", ZIP_DEFLATED)

    def writestr(self, zinfo_or_arcname: Any, data: Any, *_: Any, **__: Any) -> None:
        """Write a member from memory."""
        super().writestr(_member(getattr(zinfo_or_arcname, "filename", zinfo_or_arcname)), data, ZIP_DEFLATED)

    def write(self, filename: Any, arcname: Any = None, *_: Any, **__: Any) -> None:
        """Write a member from a file."""
        member = _member(str(arcname or filename))
        member.file_size = os.path.getsize(filename)  # for over 2 GiB, the header has another form
        with open(filename, "rb") as source, self.open(member, "w") as target:
            shutil.copyfileobj(source, target)


def _member(name: str) -> ZipInfo:
    member = ZipInfo(name, EARLIEST.timetuple()[:6])
    member.compress_type = ZIP_DEFLATED
    return member
