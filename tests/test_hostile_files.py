"""Altered and invented files of every count format: each gives a message or counts, in bounded time and memory."""

import io
import os
import random
import socket
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, save_npz

from docnvil.errors import CorpusError, DocnvilError
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.documents import read_documents
from docnvil.text.formats import read_counts, write_counts
from docnvil.text.settings import SourceOptions
from docnvil.text.sparse import as_counts
from docnvil.text.vocabulary import Vocabulary

TRIES = int(os.environ.get("DOCNVIL_FUZZ", "1")) * 250  # per format
COUNTS = np.random.default_rng(0).poisson(0.5, (6, 8))
MATRIX = DocumentTermMatrix(COUNTS, Vocabulary(list("abcdefgh")), tuple("uvwxyz"))
NUMBERS = (
    b"0",
    b"-1",
    b"-7",
    b"2.5",
    b"nan",
    b"inf",
    b"1e400",
    b"99999999999999999999",
    b"1_000",
    b"4611686018427387904",
)


def content_of(format: str, folder: Path) -> bytes:
    """Return a valid file of a format."""
    if format in ("npy", "bits"):
        buffer = io.BytesIO()
        np.save(buffer, COUNTS > 0) if format == "npy" else np.savez(buffer, rows=COUNTS > 0)
        return buffer.getvalue()
    if format == "dtm":
        rows = [",".join(map(str, ["id", *MATRIX.vocabulary]))]
        rows += [",".join(map(str, [id, *row])) for id, row in zip(MATRIX.ids, COUNTS, strict=True)]
        return "\n".join(rows).encode()
    path = folder / "counts"
    write_counts(MATRIX, path, format)
    content = path.read_bytes()
    for file in folder.iterdir():
        file.unlink()
    return content


def alter(content: bytes, rng: random.Random) -> bytes:
    """Return content with changed, inserted or missing bytes, or another number."""
    altered = bytearray(content)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(altered)) if altered else 0
        match rng.randrange(5):
            case 0:
                altered[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                altered[at:at] = rng.choice(NUMBERS)
            case 2:
                altered[at : at + 1] = rng.choice(NUMBERS)
            case 3:
                del altered[at : at + rng.randint(1, 20)]
            case 4:
                altered[at:at] = rng.choice([b" ", b"\n", b"\0", b":", b",", b"\xff\xfe", b'"'])
    return bytes(altered)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", ["npz", "npy", "bits", "mtx", "uci", "ldac", "svmlight", "dtm"])
def test_altered_counts_give_a_message_or_counts(tmp_path, format):
    rng = random.Random(format)
    content = content_of(format, tmp_path)
    path = tmp_path / ("a.npy" if format == "npy" else "a.dat")
    refused = 0
    for _ in range(TRIES):
        path.write_bytes(alter(content, rng))
        start = time.monotonic()
        try:
            counts = read_counts(path, "bits" if format == "npy" else format).counts
            assert counts.data.min(initial=1) > 0
        except DocnvilError:
            refused += 1
        assert time.monotonic() - start < 5
    assert refused > TRIES / 10


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", ["parquet", "feather"])
def test_altered_tables_give_a_message_or_texts(tmp_path, format):
    pyarrow, parquet, feather = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet", "pyarrow.feather"))
    rng = random.Random(format)
    path = tmp_path / f"a.{format}"
    table = pyarrow.table({"text": [f"a text {each}" for each in range(20)], "n": list(range(20))})
    (parquet.write_table if format == "parquet" else feather.write_feather)(table, path)
    content = path.read_bytes()
    refused = 0
    for _ in range(TRIES):
        path.write_bytes(alter(content, rng))
        try:
            list(read_documents(path, SourceOptions(format)))
        except DocnvilError:
            refused += 1
    assert refused > TRIES / 10


def test_a_renamed_array_is_refused_as_a_sparse_matrix(tmp_path):
    np.save(tmp_path / "a.npy", COUNTS)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(CorpusError, match=r"a\.npz is not a sparse matrix"):
        read_counts(tmp_path / "a.npz", "npz")


@pytest.mark.parametrize("rows", [10**9, 10**12, 2**62])
def test_a_small_array_that_declares_many_rows_is_refused(tmp_path, rows):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, 8), }}".encode().ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 8
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("rows.npy", content)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(CorpusError, match="declares an array of shape"):
            read_counts(tmp_path / name, "bits")


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("mtx", "%%MatrixMarket matrix coordinate integer general\n1000000000 5 1\n1 1 1\n"),
        ("uci", "1000000000\n5\n1\n1 1 1\n"),
    ],
)
def test_a_small_file_that_declares_many_documents_is_refused(tmp_path, format, content):
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(CorpusError, match="declares 1,000,000,000 documents and has 1 entry"):
        read_counts(tmp_path / "a.txt", format)


@pytest.mark.parametrize("size", ["-1", "1_000", "1e3", "0x10"])
def test_sizes_are_parsed_strictly(tmp_path, size):
    (tmp_path / "a.txt").write_text(f"{size}\n5\n1\n1 1 1\n")
    with pytest.raises(CorpusError, match="is not the numbers of documents"):
        read_counts(tmp_path / "a.txt", "uci")


def test_invalid_indices_of_a_sparse_matrix_are_refused(tmp_path):
    matrix = csr_array(COUNTS)
    matrix.indices[0] = 10**6
    save_npz(tmp_path / "a.npz", matrix)
    with pytest.raises(CorpusError, match=r"a\.npz"):
        read_counts(tmp_path / "a.npz", "npz")


def test_repeated_entries_do_not_wrap():
    rows = np.zeros(2048, dtype=np.int64)
    matrix = coo_array((np.full(2048, 2**53 - 1, dtype=np.int64), (rows, rows)), shape=(1, 1))
    wrapping = csr_array((2, 2), dtype=np.int64)
    wrapping.data, wrapping.indices = np.full(2049, 2**53 - 1, dtype=np.int64), np.zeros(2049, dtype=np.int32)
    wrapping.indptr = np.array([0, 2049, 2049], dtype=np.int32)
    for each in (matrix, wrapping):
        with pytest.raises(CorpusError, match="too large to be stored exactly"):
            as_counts(each, where="a.mtx")


def read(path: Path, format: str) -> None:
    if format in ("lines", "csv", "jsonl", "parquet"):
        list(read_documents(path, SourceOptions(format)))
    else:
        read_counts(path, format)


@pytest.mark.parametrize("format", ["mtx", "npz", "bits", "svmlight", "lines", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_pipes_devices_and_sockets_are_refused_at_once(tmp_path, format, kind):
    path = tmp_path / "source"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        if len(str(path)) > 100:
            pytest.skip("the path of a socket is short")
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()
    with pytest.raises(CorpusError, match="a pipe, a socket or a device"):
        read(path, format)
