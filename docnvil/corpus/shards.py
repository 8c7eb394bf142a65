"""Shards: sources of texts, cut into pieces of about 16 MiB that processes count independently."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from docnvil.runtime.paths import resolve
from docnvil.text import documents
from docnvil.text.documents import Document
from docnvil.text.files import FileChunk, is_remote
from docnvil.text.reading_report import ReadingReport
from docnvil.text.settings import SourceOptions
from docnvil.text.text_folders import list_files, read_files
from docnvil.text.tokens import TokenRules

BYTES_PER_SHARD = 16 << 20


@dataclass(frozen=True)
class SourceShard:
    """A file, some lines of a file, or some files of a folder."""

    source: Path  # the file or folder
    options: SourceOptions
    file_names: tuple[str, ...] | None = None  # of a folder
    file_chunk: FileChunk | None = None  # the lines; None for all of them

    def read_documents(self, report: ReadingReport) -> Iterator[Document]:
        """Yield the documents of the shard in their order; what is left out or replaced is added to the report."""
        if self.file_chunk is not None:
            return documents.read_chunk(self.source, self.file_chunk, self.options, report)
        if self.file_names is None:
            return documents.read_documents(self.source, self.options, report)
        return read_files(self.source, self.file_names, self.options, report)

    def key(self, rules: TokenRules) -> str:
        """Return a hash of everything that the shard's counts depend on: the state of the files, options and rules."""
        if self.file_names is not None:
            files = [self.source / name for name in self.file_names]
        elif not is_remote(self.source) and self.source.is_dir():  # such as a folder of OCTIS
            files = sorted(file for file in self.source.rglob("*") if file.is_file())
        else:
            files = [self.source]
        states = [_file_state(file) for file in files]
        file_chunk = None if self.file_chunk is None else asdict(self.file_chunk)
        parts = [str(self.source), states, file_chunk, asdict(self.options), rules.to_json()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _file_state(file: Path) -> tuple[str, int, str]:
    """Return the path, the size, the times and the inode of a file, or what a remote store reports instead."""
    if is_remote(file):
        info = file.fs.info(file.path)
        return str(file), info["size"], repr(sorted(info.items()))
    status = file.stat()
    # A program can set the time of modification (mtime), but not that of the last change (ctime).
    times = f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
    return str(resolve(file)), status.st_size, times


def split_into_shards(source: Path, options: SourceOptions, report: ReadingReport) -> list[SourceShard]:
    """Split a source into shards of about `BYTES_PER_SHARD`, in the order of its documents.

    JSON lines and text files are split at line ends, folders between files; compressed and other files are one shard.
    The report names the files of a folder that are left out by their names.
    """
    if documents.detect_format(source, options) != "folder":
        result = documents.split_source(source, options, BYTES_PER_SHARD, report)
        if result is None:
            return [SourceShard(source, options)]
        file_chunks, options = result
        return [SourceShard(source, options, file_chunk=file_chunk) for file_chunk in file_chunks]
    options.refuse_idle(source, "folder")
    shards: list[list[str]] = []
    n_bytes = 0  # of the last shard
    for name in list_files(source, options, report):
        file_bytes = (source / name).stat().st_size
        n_bytes += file_bytes
        if not shards or n_bytes > BYTES_PER_SHARD:
            shards.append([])
            n_bytes = file_bytes
        shards[-1].append(name)
    return [SourceShard(source, options, tuple(names)) for names in shards]
