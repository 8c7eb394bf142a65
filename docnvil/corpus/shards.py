"""Shards: sources of texts, cut into pieces of about 16 MiB that processes count independently."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from docnvil.text import documents
from docnvil.text.documents import Document
from docnvil.text.files import FileChunk, is_remote
from docnvil.text.settings import SourceOptions
from docnvil.text.tokens import TokenRules

BYTES_PER_SHARD = 16 << 20


@dataclass(frozen=True)
class SourceShard:
    """A file, some lines of a file, or some files of a folder."""

    source: Path  # the file or folder
    options: SourceOptions
    file_names: tuple[str, ...] | None = None  # of a folder
    file_chunk: FileChunk | None = None  # the lines; None for all of them

    def read_documents(self) -> Iterator[Document]:
        """Yield the documents of the shard in their order."""
        if self.file_chunk is not None:
            return documents.read_chunk(self.source, self.file_chunk, self.options)
        if self.file_names is None:
            return documents.read_documents(self.source, self.options)
        return documents.read_files(self.source, self.file_names, self.options)

    def key(self, rules: TokenRules) -> str:
        """Return a hash of everything that the shard's counts depend on: the state of the files, options and rules."""
        files = [self.source] if self.file_names is None else [self.source / name for name in self.file_names]
        states = [_file_state(file) for file in files]
        file_chunk = None if self.file_chunk is None else asdict(self.file_chunk)
        parts = [str(self.source), states, file_chunk, asdict(self.options), rules.to_json()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _file_state(file: Path) -> tuple[str, int, str]:
    """Return the path, the size and the modification time of a file, or what a remote store reports instead."""
    if is_remote(file):
        info = file.fs.info(file.path)
        return str(file), info["size"], repr(sorted(info.items()))
    status = file.stat()
    return str(file.resolve()), status.st_size, str(status.st_mtime_ns)


def split_into_shards(source: Path, options: SourceOptions) -> list[SourceShard]:
    """Split a source into shards of about `BYTES_PER_SHARD`, in the order of its documents.

    JSON lines and text files are split at line ends, folders between files; gzipped and other files are one shard.
    """
    if documents.detect_format(source, options) != "folder":
        result = documents.split_source(source, options, BYTES_PER_SHARD)
        if result is None:
            return [SourceShard(source, options)]
        file_chunks, options = result
        return [SourceShard(source, options, file_chunk=file_chunk) for file_chunk in file_chunks]
    documents.read_documents(source, options)  # raises an error if the options do not apply to folders
    shards: list[list[str]] = []
    n_bytes = 0  # of the last shard
    for name in documents.list_files(source):
        file_bytes = (source / name).stat().st_size
        n_bytes += file_bytes
        if not shards or n_bytes > BYTES_PER_SHARD:
            shards.append([])
            n_bytes = file_bytes
        shards[-1].append(name)
    return [SourceShard(source, options, tuple(names)) for names in shards]
