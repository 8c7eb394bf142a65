"""Fingerprints of a model and of a corpus, by which a search index knows whether it is up to date."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docnvil.errors import CorpusError
from docnvil.runtime.folders import MANIFEST, is_folder_of_kind, sha256_of
from docnvil.text.documents import detect_format
from docnvil.text.files import is_remote
from docnvil.text.reading_report import ReadingReport
from docnvil.text.settings import SourceOptions
from docnvil.text.text_folders import list_files
from docnvil.training.fitted_model import FittedModel


def fingerprint_model(model: FittedModel) -> str:
    """Return a SHA-256 of the parameters and the words of a model; names of units do not change it."""
    digest = hashlib.sha256("\n".join(model.vocabulary.words).encode("utf-8", "surrogatepass"))
    for name, value in sorted(model.network.state_dict().items()):
        digest.update(f"\n{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fingerprint_corpus(path: Path, options: SourceOptions) -> dict[str, Any]:
    """Return what identifies a corpus: how it is read, the state of its files, and their contents.

    Raises:
        CorpusError: the corpus is in object storage, whose contents cannot be compared.
    """
    files = _files(path, options)
    contents = hashlib.sha256()
    for file in files:
        contents.update(f"{file.relative_to(path).as_posix()}\n{sha256_of(file)}\n".encode("utf-8", "surrogatepass"))
    reading = json.loads(json.dumps(options.non_default()))
    return {"reading": reading, "state": _state(path, files), "sha256": contents.hexdigest()}


def is_same_corpus(path: Path, options: SourceOptions, fingerprint: Mapping[str, Any]) -> bool:
    """Return whether a corpus still has a fingerprint; the contents are read only if sizes or times have changed."""
    if fingerprint["reading"] != json.loads(json.dumps(options.non_default())):
        return False
    if fingerprint["state"] == _state(path, _files(path, options)):
        return True
    return fingerprint["sha256"] == fingerprint_corpus(path, options)["sha256"]


def _files(path: Path, options: SourceOptions) -> list[Path]:
    """Return the files that identify a corpus; for a prepared corpus its manifest, which has the others' checksums.

    For a folder of texts they are its documents, so an index or a table in that folder does not make it another corpus.
    """
    if is_remote(path):
        raise CorpusError(f"{path} is in object storage, and search needs a corpus on a local disk. Download it first.")
    if not path.is_dir():
        return [path]
    if is_folder_of_kind(path, "corpus"):
        return [path / MANIFEST]
    if detect_format(path, options) == "folder":
        return [path / name for name in list_files(path, options, ReadingReport())]
    return sorted(file for file in path.rglob("*") if file.is_file())


def _state(path: Path, files: list[Path]) -> str:
    """Return a hash of the names, sizes, inodes and times of files.

    A program can set the time of modification (mtime), but not that of the last change (ctime).
    """
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        numbers = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
        line = f"{file.relative_to(path).as_posix()} {' '.join(map(str, numbers))}\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
