"""Small files that unpack to large ones: a record has a limit, and many records are read in bounded memory."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from scipy.sparse import csr_array

import docnvil
from docnvil.errors import CorpusError
from docnvil.text import files, limits
from docnvil.text.documents import SourceOptions, detect_format, read_documents
from docnvil.text.files import split_at_lines
from docnvil.text.formats import read_counts
from docnvil.text.settings import COUNT_FORMATS

MIB = 1 << 20
PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def bomb(path: Path, first: bytes, unit: bytes, n_mib: int, last: bytes = b"") -> Path:
    """Write a file that unpacks to `first`, then `unit` for some MiB, then `last`."""
    block = unit * (MIB // len(unit))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.stem, first + block * n_mib + last)
    else:
        pack = PACK[path.suffix]  # streams of the same kind can be concatenated
        path.write_bytes(pack(first) + pack(block) * n_mib + pack(last))
    return path


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    from docnvil.text import json_records, records, sgml, text_folders

    for module in (limits, files, json_records, sgml, text_folders):
        monkeypatch.setattr(module, "MAX_RECORD_BYTES", 4 * MIB)
    monkeypatch.setattr(records, "_FIELD_SIZE_LIMIT", 4 * MIB)
    return 4 * MIB


def test_a_line_of_a_gigabyte_is_refused_at_the_limit(tmp_path):
    path = bomb(tmp_path / "a.txt.gz", b"", b"a b ", 1024)
    assert path.stat().st_size < 4 * MIB
    with pytest.raises(CorpusError, match=r"a\.txt\.gz has a line or document of more than 64 MiB"):
        list(read_documents(path))


def read(path: Path) -> None:
    format = detect_format(path)
    if format in COUNT_FORMATS:
        read_counts(path, format)
    else:
        list(read_documents(path))


@pytest.mark.parametrize("suffix", [".gz", ".zip"])
@pytest.mark.parametrize(
    ("name", "first", "unit"),
    [
        ("a.txt", b"", b"a b "),
        ("a.jsonl", b'{"text": "', b"a b "),
        ("a.json", b'[{"text": [', b'"a",\n'),
        ("a.csv", b"id,text\n", b"a b "),
        ("a.csv", b'id,text\n1,"', b"a b " * 31 + b"a b\n"),
        ("a.tsv", b"id\ttext\n", b"a\tb "),
        ("a.sgml", b"<DOC><TEXT>", b"a b " * 31 + b"a b\n"),
        ("a.svmlight", b"1 ", b"3:1 "),
        ("a.ldac", b"3 ", b"3:1 "),
        ("a.mtx", b"%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 ", b"1 "),
        ("docword.a.txt", b"1\n1\n", b"1 "),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_record_that_unpacks_to_more_than_the_limit_is_refused(tmp_path, small_limit, name, first, unit, suffix):
    path = bomb(tmp_path / f"{name}{suffix}", first, unit, 12, b"\n")
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match=r"more than 4 MiB|field larger than"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * small_limit
    finally:
        tracemalloc.stop()


def test_a_folder_refuses_a_file_above_the_limit(tmp_path, small_limit):
    bomb(tmp_path / "a.txt.gz", b"", b"a b\n", 5)
    with pytest.raises(CorpusError, match=r"a\.txt\.gz has a line or document of more than 4 MiB"):
        list(read_documents(tmp_path))


def test_many_lines_are_read_in_bounded_memory(tmp_path):
    path = bomb(tmp_path / "a.txt.gz", b"", b"a cat sat on the mat and looked at the owl in the old tree\n", 6)
    tracemalloc.start()
    assert sum(1 for _ in read_documents(path)) > 10**5
    assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    tracemalloc.stop()


def test_a_long_line_is_not_split(tmp_path, small_limit):
    (tmp_path / "a.txt").write_bytes(b"a" * (5 * MIB))
    with pytest.raises(CorpusError, match="more than 4 MiB"):
        split_at_lines(tmp_path / "a.txt", encoding="utf-8", size=MIB)


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("docnvil.text.tables.MAX_WORKBOOK_BYTES", MIB)
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    workbook.active.append(["text"])
    workbook.save(tmp_path / "a.xlsx")
    content = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as source, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        with target.open("xl/media/a.bin", "w", force_zip64=True) as member:
            for _ in range(2):
                member.write(bytes(MIB))
    (tmp_path / "a.xlsx").write_bytes(content.getvalue())
    with pytest.raises(CorpusError, match="unpacks to more than 1 MiB"):
        list(read_documents(tmp_path / "a.xlsx", SourceOptions()))


def test_declared_columns_that_never_occur_get_no_names(tmp_path):
    header = "%%MatrixMarket matrix coordinate integer general\n"
    path = tmp_path / "counts.mtx"
    path.write_text(f"{header}2 7500000 2\n1 3 2\n2 7500000 1\n")
    with pytest.raises(CorpusError, match=r"counts\.mtx has 7,500,000 columns and 2 counts, so nearly all words"):
        read_counts(path, "mtx")
    path.write_text(f"{header}2 1048576 2\n1 3 2\n2 1048576 1\n")  # as of scikit-learn's HashingVectorizer
    assert read_counts(path, "mtx").counts.shape == (2, 1 << 20)
    hostile = csr_array(([1.0], [7_500_000], [0, 1]), shape=(1, 1 << 33))
    for number in (docnvil.count_words, docnvil.fit):
        with pytest.raises(CorpusError, match=r"8,589,934,592 columns and 1 count,"):
            number(hostile)
    with pytest.raises(CorpusError, match=r"4,000,000,001 columns and 1 count,"):
        docnvil.count_words([[(4_000_000_000, 1)]])
