"""Decoding of texts: detection of encodings, repair of invalid bytes, and the errors that name them."""

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from io import RawIOBase
from typing import Any, BinaryIO

from docnvil.text.encoding_guess import guess_encoding
from docnvil.text.file_kinds import HEAD_BYTES, guess_wide_encoding

_BLOCK = 1 << 16
_MAX_SAMPLE = 1 << 15  # bytes of the lines that are not ASCII
_PIECE = 256  # bytes; what follows an invalid byte in a piece is copied
_MANY = 1_000_000  # invalid bytes
_FEW = 3  # bytes that are no evidence of an encoding in a long text


@dataclass
class Utf8Survey:
    """How far a file is UTF-8.

    Arguments:
        n_invalid: number of invalid bytes.
        n_characters: number of valid characters that are not ASCII.
        n_bytes: size of the file.
        offset: the position of the first invalid byte.
        line: the line of the first invalid byte.
        byte: the first invalid byte.
        sample: the beginning of the lines that are not ASCII.
        head: the first bytes of the file.
    """

    n_invalid: int = 0
    n_characters: int = 0
    n_bytes: int = 0
    offset: int = 0
    line: int = 0
    byte: int = 0
    sample: bytes = b""
    head: bytes = b""

    @property
    def is_mostly_utf8(self) -> bool:
        """Whether there are more valid characters than invalid bytes, so that the encoding is UTF-8."""
        return self.n_characters > self.n_invalid

    @property
    def guess(self) -> str | None:
        """The encoding that fits best."""
        if wide := guess_wide_encoding(self.head):
            return wide
        if not self.n_invalid or self.is_mostly_utf8:
            return "utf-8"
        return guess_encoding(self.sample)


def survey_utf8(file: BinaryIO) -> Utf8Survey:
    """Read a stream as UTF-8 in bounded memory, to its end or until many bytes show that it is something else."""
    result = Utf8Survey()

    def on_invalid(invalid: bytes, offset: int, line: int) -> None:
        if not result.n_invalid:
            result.offset, result.line, result.byte = offset, line, invalid[0]
        result.n_invalid += len(invalid)

    decoder = RepairingDecoder("utf-8", "ignore", on_invalid)
    while block := file.read(_BLOCK):
        result.head = result.head or block[:HEAD_BYTES]
        result.n_bytes += len(block)
        if not block.isascii() and len(result.sample) < _MAX_SAMPLE:
            lines = [part for part in block.split(b"\n") if not part.isascii()]
            result.sample += b"\n".join(lines)[:_MAX_SAMPLE]
        text = decoder.decode(block)
        result.n_characters += 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))
        if result.n_invalid > _MANY and not result.is_mostly_utf8:
            break  # the rest takes a microsecond per byte, and would not make it UTF-8
    decoder.decode(b"", final=True)
    return result


def describe_undecodable(path: object, encoding: str, error: UnicodeError, survey: Utf8Survey) -> str:
    """Return the message for a file that is not in the encoding it was read in; it names what probably helps.

    Arguments:
        path: the file.
        encoding: the encoding.
        error: what Python raised.
        survey: how far the file is UTF-8.
    """
    if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig"):
        guess = survey.guess
        remedy = f"It is probably {guess}: pass --encoding {guess}" if guess else "Pass --encoding auto"
        return f"{path} is not {encoding} ({error}). {remedy}."
    n_invalid, place = survey.n_invalid, f"byte 0x{survey.byte:02x} at {survey.offset}"
    if guess := guess_wide_encoding(survey.head):
        reason = "its byte-order mark says so" if guess == "utf-16" else "its zero bytes say so"
        return f"{path} is not {encoding} ({place}). Pass --encoding {guess}; {reason}."
    if survey.is_mostly_utf8:
        invalid = "1 byte" if n_invalid == 1 else f"{n_invalid:,} bytes"
        which = "" if n_invalid == 1 else "the first "
        return (
            f"{path} is UTF-8 except for {invalid}, {which}in line {survey.line} ({place}). Correct the file, or pass"
            " --encoding-errors replace."
        )
    guess = survey.guess
    if n_invalid <= _FEW and survey.n_bytes > 1000 and not survey.n_characters:
        only = "the only byte" if n_invalid == 1 else f"the first of {n_invalid:,} bytes"
        encodings = f"pass --encoding {guess} if it reads {_excerpt(survey, guess)!r} there" if guess else "correct it"
        return (
            f"{path} is not {encoding} ({place}): line {survey.line} has {only} that "
            f"{'is' if n_invalid == 1 else 'are'} not ASCII. Either {encodings}, or pass --encoding-errors replace."
        )
    remedy = f"It is probably {guess}: pass --encoding {guess}, or" if guess else "Pass the right --encoding, or"
    return f"{path} is not {encoding} ({place}). {remedy} --encoding auto."


def _excerpt(survey: Utf8Survey, encoding: str) -> str:
    """Return the word around the first invalid byte, read in another encoding."""
    text = survey.sample.split(b"\n")[0]
    position = next(number for number, byte in enumerate(text) if byte > 127)
    start = max(text.rfind(b" ", 0, position) + 1, position - 15)
    end = text.find(b" ", position)
    return text[start : min(end if end >= 0 else len(text), position + 15)].decode(encoding, "replace").strip()


class RepairingDecoder:
    """An incremental decoder that goes on after invalid bytes, and reports each place of them.

    Arguments:
        encoding: the encoding.
        errors: "replace" puts U+FFFD in their place, "ignore" leaves them out.
        on_invalid: called with the invalid bytes, their position and their line, both from the start of the stream.
        lines_before: number of lines before the stream.
    """

    def __init__(
        self, encoding: str, errors: str, on_invalid: Callable[[bytes, int, int], None], lines_before: int = 0
    ) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._replacement = "\ufffd" if errors == "replace" else ""
        self._on_invalid = on_invalid
        self._offset = 0  # of the bytes that the decoder has not taken
        self._line = lines_before + 1

    def decode(self, data: bytes, final: bool = False) -> str:
        """Return the text of more bytes."""
        before = self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError:
            self._decoder.setstate(before)
            starts = range(0, len(data), _PIECE) or (0,)
            pieces = (data[start : start + _PIECE] for start in starts)
            return "".join(
                self._repair(piece, final and start == starts[-1]) for start, piece in zip(starts, pieces, strict=True)
            )
        self._line += text.count("\n")
        self._offset += len(data)
        return text

    def _repair(self, data: bytes, final: bool) -> str:
        parts = []
        offset = self._offset + len(data)
        while True:
            try:
                parts.append(self._decoder.decode(data, final))
                break
            except UnicodeDecodeError as error:
                whole, start, end = error.object, error.start, error.end
            # After an error, the decoder still has the bytes of an earlier call, which are part of `whole`.
            self._decoder.setstate((b"", self._decoder.getstate()[1]))
            if start:
                parts.append(self._decoder.decode(whole[:start]))
                self._line += parts[-1].count("\n")
            self._on_invalid(whole[start:end], offset - len(whole) + start, self._line)
            parts.append(self._replacement)
            data = whole[end:]
        self._line += parts[-1].count("\n")
        self._offset = offset
        return "".join(parts)


class RepairedBytes(RawIOBase):
    """A stream of UTF-8 that is decoded from another stream by a `RepairingDecoder`."""

    def __init__(self, file: BinaryIO, decoder: RepairingDecoder) -> None:
        self._file, self._decoder = file, decoder
        self._rest = b""

    def readable(self) -> bool:
        """See `RawIOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `RawIOBase`."""
        while not self._rest:
            block = self._file.read(_BLOCK)
            self._rest = self._decoder.decode(block, final=not block).encode("utf-8", "surrogatepass")
            if not block:
                break
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
