"""Readers of JSON: one object per line, or an array of objects, read in bounded memory.

They raise a `CorpusError` that names the line if the file is malformed.
"""

import json
from collections.abc import Iterator
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from docnvil.errors import CorpusError
from docnvil.text.files import FileChunk, open_text
from docnvil.text.limits import MAX_RECORD_BYTES, too_large
from docnvil.text.reading_report import ReadingReport
from docnvil.text.records import Record, RecordIterator
from docnvil.text.settings import SourceOptions

_BLOCK = 1 << 16  # characters
_WHITESPACE = " \t\n\r"
_LONGEST_LITERAL = 16  # characters; a literal such as -Infinity or an escape may end after the block


def read_json(
    path: Path, options: SourceOptions, report: ReadingReport, chunk: FileChunk | None = None
) -> RecordIterator:
    """Yield the objects of a file with one JSON object per line, or of a chunk of it, or of a file with an array.

    In lines, blank ones are skipped. Strings in an array are texts.
    """
    with open_text(path, encoding=options.encoding, errors=options.encoding_errors, chunk=chunk, report=report) as file:
        beginning, blank_lines = _read_beginning(file)
        if chunk is None and beginning.startswith("["):
            yield from _read_array(path, beginning, file, blank_lines + 1, options)
            return
        start = blank_lines + 1 + (0 if chunk is None else chunk.lines_before)
        # The array is not read by lines, since it may be a single one that is longer than memory.
        lines = chain(StringIO(beginning + file.readline(), newline="\n"), file)
        for number, line in enumerate(lines, start=start):
            if line.strip():
                yield f"line {number}", _parse_object(line, f"{path}, line {number}")


def _read_beginning(file: TextIO) -> tuple[str, int]:
    """Return the first block of a file from the first line that is not blank, and the number of lines before it."""
    blank_lines = 0
    while block := file.read(_BLOCK):
        if beginning := block.lstrip():
            return beginning, blank_lines + block.count("\n", 0, len(block) - len(beginning))
        blank_lines += block.count("\n")
    return "", blank_lines


def is_json_array(path: Path, options: SourceOptions) -> bool:
    """Return whether a file has a JSON array rather than one object per line."""
    with open_text(path, encoding=options.encoding, errors=options.encoding_errors) as file:
        return _read_beginning(file)[0].startswith("[")


def _parse_object(line: str, where: str) -> Record:
    try:
        value = json.loads(line, object_pairs_hook=_to_object)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise CorpusError(
            f"{where} is not JSON ({reason}). Write one JSON object per line, or one array of objects."
        ) from None
    if not isinstance(value, dict):
        raise CorpusError(
            f'{where} is not a JSON object but {line.strip()[:40]!r}. Write lines like {{"text": "..."}}.'
        )
    return value


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, in which a key has one value."""
    result = dict(pairs)
    if len(result) < len(pairs):
        for key, value in pairs:
            if value != result[key]:
                raise ValueError(f"an object has several values of {key!r:.60}")
    return result


def _read_array(path: Path, first: str, file: TextIO, line: int, options: SourceOptions) -> RecordIterator:
    """Yield the elements of an array, with one of them and a block of the file in memory at a time."""
    text = options.text_column
    for number, value in _parse_array(path, first, file, line):
        if isinstance(value, str):
            value = {text: value}
        if not isinstance(value, dict):
            raise CorpusError(
                f"{path}, line {number} has {json.dumps(value)[:40]} in the array, which is not an object. Write"
                ' elements like {"text": "..."}.'
            )
        yield f"line {number}", value


def _parse_array(path: Path, first: str, file: TextIO, line: int) -> Iterator[tuple[int, Any]]:
    """Yield the line and the value of each element of an array that begins in `first`."""
    buffer = _Buffer(first, file, line)
    decoder = json.JSONDecoder(object_pairs_hook=_to_object)
    buffer.skip("[")
    is_first = True
    while (sign := buffer.peek()) != "]":
        if not is_first:
            if sign != ",":
                raise _array_error(path, buffer, f"expected a comma, not {sign!r}" if sign else "it ends early")
            buffer.skip(",")
        buffer.peek()
        is_first = False
        try:
            yield buffer.line, buffer.parse(decoder)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise _array_error(path, buffer, reason) from None
    buffer.skip("]")
    if rest := buffer.peek():
        raise _array_error(path, buffer, f"{rest!r} follows its end")


def _array_error(path: Path, buffer: "_Buffer", reason: str) -> CorpusError:
    return CorpusError(
        f"{path}, line {buffer.line} is not valid in a JSON array ({reason}). Write one array of objects, or one JSON"
        " object per line."
    )


class _Buffer:
    """The part of a stream that is being parsed; `line` is the number of its first line."""

    def __init__(self, text: str, file: TextIO, line: int) -> None:
        self._text, self._file, self.line = text, file, line
        self._position = 0

    def peek(self) -> str:
        """Return the next character that is not whitespace, and move to it; `""` at the end."""
        while True:
            while self._position < len(self._text) and self._text[self._position] in _WHITESPACE:
                self.line += self._text[self._position] == "\n"
                self._position += 1
            if self._position < len(self._text):
                return self._text[self._position]
            if not self._read_more(_BLOCK):
                return ""

    def skip(self, sign: str) -> None:
        """Move behind the next character, which must be `sign`."""
        assert self.peek() == sign
        self._position += 1

    def parse(self, decoder: json.JSONDecoder) -> Any:
        """Return the value at the position, and move behind it."""
        size = _BLOCK
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._position)
                # A number at the end of the buffer may go on.
                if end < len(self._text) or not self._read_more(size):
                    self.line += self._text.count("\n", self._position, end)
                    self._position = end
                    return value
            except json.JSONDecodeError as error:
                goes_on = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _LONGEST_LITERAL
                if not goes_on or not self._read_more(size):
                    raise
            if len(self._text) > MAX_RECORD_BYTES:
                raise too_large(self._file.name)
            size *= 2  # so that a long value is parsed only a few times

    def _read_more(self, size: int) -> bool:
        block = self._file.read(size)
        self._text, self._position = self._text[self._position :] + block, 0
        return bool(block)
