"""The largest document that is read, so that memory stays bounded whatever a file contains or unpacks to."""

import io
from typing import Any, BinaryIO

from docnvil.errors import CorpusError

MAX_RECORD_BYTES = 1 << 26  # 64 MiB, about 10 million words; also the longest line
_LINE_ENDS = (b"\n", b"\r")


def too_large(where: object) -> CorpusError:
    """Return the error for a document or line that is larger than `MAX_RECORD_BYTES`."""
    return CorpusError(
        f"{where} has a line or document of more than {MAX_RECORD_BYTES >> 20} MiB. Split it into several documents, or"
        " check the format and the quotes."
    )


class LineGuard(io.BufferedIOBase):
    """A stream of the bytes of another one that raises `CorpusError` at a line of more than `MAX_RECORD_BYTES`.

    Arguments:
        file: the other stream.
        name: the name of the file, for the message.
    """

    def __init__(self, file: BinaryIO, name: object) -> None:
        self._file, self.name = file, name
        self._read = getattr(file, "read1", file.read)
        self._length = 0  # of the line so far

    def readable(self) -> bool:
        """See `BufferedIOBase`."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """See `BufferedIOBase`."""
        data = self._read(size)
        if any(end in data for end in _LINE_ENDS):
            self._length = 0
        self._length += len(data)
        if self._length > MAX_RECORD_BYTES:
            raise too_large(self.name)
        return data

    def read(self, size: int | None = -1, /) -> Any:
        """See `BufferedIOBase`."""
        parts = []
        while size is None or size < 0 or size > 0:
            part = self.read1(-1 if size is None or size < 0 else size)
            if not part:
                break
            parts.append(part)
            size = size if size is None or size < 0 else size - len(part)
        return b"".join(parts)
