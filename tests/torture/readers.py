"""Every reader of docnvil, with valid files to change: texts, counts, words, models, corpora, indexes, checkpoints."""

import bz2
import gzip
import io
import json
import lzma
import random
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from torture.mutations import generate, mutate, mutate_json, words_of

if TYPE_CHECKING:
    from torture.arena import Arena

COUNTS = np.random.default_rng(0).poisson(0.5, (6, 8))
TEXTS = ("mast sail, wind", "onion; salt\toven", 'a "quoted" caf\u00e9', "", "NA", "line\nbreak", "x" * 50)


@dataclass(frozen=True)
class Reader:
    """A reader that is attacked.

    Arguments:
        name: its name in keys.
        path: the file that is written for it.
        seeds: valid files.
        parse: reads the file at `path`, and all that follows from it.
        weight: the share of its inputs.
        is_json: whether its files are JSON values.
        finish: is called after the file is written, for example to write a manifest that fits.
    """

    name: str
    path: Path
    seeds: list[bytes]
    parse: Callable[[Path], Any]
    weight: float = 1.0
    is_json: bool = False
    finish: Callable[[bytes], None] = lambda content: None
    words: list[bytes] = field(default_factory=list)

    def invent(self, rng: random.Random) -> bytes:
        """Return a changed or an invented file."""
        seed = rng.choice(self.seeds)
        kind = rng.random()
        if self.is_json and kind < 0.7:
            return mutate_json(seed, rng)
        if kind > 0.85 and self.words:
            return generate(self.words, rng)
        return mutate(seed, self.seeds, rng)

    def read(self, content: bytes) -> None:
        """Write a file, and read it."""
        self.path.write_bytes(content)
        self.finish(content)
        self.parse(self.path)


def make_readers(arena: "Arena") -> list[Reader]:
    """Return all readers, with their files in the folder of an attack."""
    folder = arena.folder / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    return [*_texts(folder), *_counts(folder), *_words(folder), *_folders(folder), *_checkpoints(folder)]


def _reader(
    folder: Path, name: str, file: str, seeds: list[bytes], parse: Any, weight: float = 1.0, **more: Any
) -> Reader:
    place = folder / name.replace(" ", "-")
    place.mkdir(exist_ok=True)
    return Reader(name, place / file, seeds, parse, weight, words=words_of(seeds), **more)


def _read_texts(path: Path, **options: Any) -> None:
    from docnvil.text.documents import SourceOptions, read_documents

    for document in read_documents(path, SourceOptions(**options)):
        assert isinstance(document.id, str)
        document.text.encode()  # no lone surrogates
        document.id.encode()


def _texts(folder: Path) -> Iterator[Reader]:
    rows = [{"id": str(number), "text": text, "group": "a"} for number, text in enumerate(TEXTS)]
    separated = {}
    for name, delimiter in (("csv", ","), ("tsv", "\t"), ("semicolons", ";")):
        lines = io.StringIO(newline="")
        import csv

        writer = csv.DictWriter(lines, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
        separated[name] = [lines.getvalue().encode(), lines.getvalue().replace("\r\n", "\n").encode("utf-16")]
    plain = ["\n".join(TEXTS).encode(), "caf\u00e9 onion\n".encode("latin-1") * 3, "mast\r\nsail".encode("utf-16")]
    json_lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    array = json.dumps(rows, indent=1).encode()
    sgml = b'<DOC id="1">\n<DOCNO> A </DOCNO>\n<TITLE>T</TITLE><TEXT>AT&amp;T <b>x</b></TEXT>\n</DOC>\n' * 2
    mallet = b"a sea mast sail\nb food onion salt\n\nc food\n"
    html = b"<!doctype html><html><title>T</title><p>a &amp; b<script>x</script></html>"
    yield _reader(folder, "lines", "a.txt", plain, _read_texts, 3)
    for number, more in enumerate(
        ({"encoding": "auto"}, {"encoding_errors": "replace"}, {"encoding_errors": "ignore"})
    ):
        yield _reader(folder, f"lines {number}", "a.txt", plain, partial(_read_texts, **more), 1.5)
    yield _reader(folder, "text folder", "a.txt", [*plain, html, sgml], lambda path: _read_texts(path.parent), 2)
    extracted = partial(_read_texts, extract=True)
    yield _reader(folder, "html", "a.html", [html], lambda path: extracted(path.parent), 1)
    for name, contents in separated.items():
        file = "a.tsv" if name == "tsv" else "a.csv"
        yield _reader(folder, name, file, contents, _read_texts, 3)
    for quoting in ("backslash", "none"):
        more = partial(_read_texts, quoting=quoting, header=False, text_column="2")
        yield _reader(folder, f"csv {quoting}", "a.csv", separated["csv"], more, 1)
    for name, contents in (("json lines", [json_lines]), ("json array", [array])):
        yield _reader(folder, name, "a.jsonl", contents, _read_texts, 3)
    yield _reader(folder, "json value", "a.json", [array], _read_texts, 2, is_json=True)
    yield _reader(folder, "sgml", "a.sgml", [sgml], _read_texts, 2)
    yield _reader(folder, "mallet", "a.mallet", [mallet], partial(_read_texts, format="mallet"), 2)
    octis = b"mast sail\ttrain\tsea\nonion salt\ttest\tfood\n"
    octis_reader = _reader(folder, "octis", "corpus.tsv", [octis], lambda path: _read_texts(path.parent), 1)
    (octis_reader.path.parent / "vocabulary.txt").write_text("mast\n")
    yield octis_reader
    for suffix, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zip", _zip)):
        yield _reader(folder, f"packed {suffix}", f"a.txt{suffix}", [pack(plain[0] * 20)], _read_texts, 1)
    yield from _tables(folder, rows)


def _zip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", content)
    return buffer.getvalue()


def _tables(folder: Path, rows: list[dict[str, str]]) -> Iterator[Reader]:
    import openpyxl
    import pyarrow
    import pyarrow.feather
    import pyarrow.parquet

    table = pyarrow.table({**{name: [row[name] for row in rows] for name in rows[0]}, "n": list(range(len(rows)))})
    for name, write in (("parquet", pyarrow.parquet.write_table), ("feather", pyarrow.feather.write_feather)):
        buffer = io.BytesIO()
        write(table, buffer)
        yield _reader(folder, name, f"a.{name}", [buffer.getvalue()], _read_texts, 0.7)
    stream = io.BytesIO()
    with pyarrow.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    yield _reader(folder, "arrow stream", "a.arrow", [stream.getvalue()], _read_texts, 0.7)
    workbook = openpyxl.Workbook()
    for row in (list(rows[0]), *(list(row.values()) for row in rows)):
        workbook.active.append(row)
    buffer = io.BytesIO()
    workbook.save(buffer)
    yield _reader(folder, "xlsx", "a.xlsx", [buffer.getvalue()], _read_texts, 0.2)
    unpacked = zipfile.ZipFile(buffer).read("xl/worksheets/sheet1.xml")
    place = folder / "sheet"
    place.mkdir(exist_ok=True)

    def parse_sheet(path: Path) -> None:
        target = place / "a.xlsx"
        with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(target, "w") as archive:
            for name in source.namelist():
                is_sheet = name.endswith("sheet1.xml")
                archive.writestr(name, path.read_bytes() if is_sheet else source.read(name))
        _read_texts(target)

    yield _reader(folder, "xlsx sheet", "sheet1.xml", [unpacked], parse_sheet, 0.2)


def _counts(folder: Path) -> Iterator[Reader]:
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.text.formats import read_counts, write_counts
    from docnvil.text.vocabulary import Vocabulary

    matrix = DocumentTermMatrix(COUNTS, Vocabulary(list("abcdefgh")), tuple("uvwxyz"))

    def parse(path: Path, format: str) -> None:
        assert read_counts(path, format).counts.data.min(initial=1) > 0

    for format in ("npz", "mtx", "uci", "ldac", "svmlight"):
        path = folder / f"valid.{format}"
        write_counts(matrix, path, format)
        weight = 1.0 if format == "npz" else 3.0
        yield _reader(folder, format, "a.dat", [path.read_bytes()], partial(parse, format=format), weight)
    table = "\n".join(["id,a,b,c", "x,1,0,2", "y,0,3,1"]).encode()
    yield _reader(folder, "dtm", "a.csv", [table, table.replace(b",", b"\t")], partial(parse, format="dtm"), 3)
    words = b"sea mast:2 sail:1\nfood onion:1 # c\n"
    yield _reader(folder, "svmlight words", "a.dat", [words], partial(parse, format="svmlight"), 2)
    arrays = io.BytesIO(), io.BytesIO()
    np.save(arrays[0], COUNTS > 0)
    np.savez(arrays[1], rows=COUNTS > 0, labels=np.arange(6))
    for name, buffer in zip(("npy", "bits npz"), arrays, strict=True):
        yield _reader(folder, name, f"a.{name[-3:]}", [buffer.getvalue()], partial(parse, format="bits"), 1)


def _words(folder: Path) -> Iterator[Reader]:
    from docnvil.storage.name_files import read_names
    from docnvil.text.stop_words import read_stop_words
    from docnvil.text.vocabulary import Vocabulary
    from docnvil.training.seed_words import read_seed_words

    words = b"mast\nsail\nnew york\ncaf\xc3\xa9\n"
    gensim = b"3\n0\tmast\t2\n1\tsail\t1\n2\tonion\t1\n"
    yield _reader(folder, "vocabulary", "vocabulary.txt", [words, gensim], Vocabulary.load, 2)
    yield _reader(folder, "stop words", "stop.txt", [words], lambda path: read_stop_words(str(path)), 1)
    yield _reader(folder, "names toml", "names.toml", [b'0 = "sea"\n3 = "a \\u00e9"\n'], read_names, 1.5)
    yield _reader(folder, "names csv", "names.csv", [b'unit,name\n0,sea\n3,"a, b"\n'], read_names, 1.5)
    yield _reader(folder, "seed words", "seeds.txt", [b"sea: mast, sail\nfood: onion\n"], read_seed_words, 1.5)


def _folders(folder: Path) -> Iterator[Reader]:
    from torture.trained import make_folders

    made = make_folders(folder / "made")
    for kind, (source, parse, weight) in made.items():
        for file in sorted(source.iterdir()):
            copy = folder / f"{kind}-{file.name}"
            if copy.exists():
                shutil.rmtree(copy)
            shutil.copytree(source, copy)
            is_json = file.suffix == ".json"
            finish = _manifest_writer(copy, file.name)
            target = copy / file.name
            yield Reader(
                f"{kind} {file.name}",
                target,
                [file.read_bytes()],
                partial(_parse_folder, parse),
                weight,
                is_json,
                finish,
            )


def _checkpoints(folder: Path) -> Iterator[Reader]:
    from torture.checkpoint_readers import WEIGHT, checkpoint_readers

    for name, path, content, parse, is_json in checkpoint_readers(folder):
        yield Reader(name, path, [content], parse, WEIGHT, is_json)


def _parse_folder(parse: Callable[[Path], None], path: Path) -> None:
    parse(path.parent)


def _manifest_writer(folder: Path, name: str) -> Callable[[bytes], None]:
    """Return a function that makes the manifest fit the changed file, so that its parser has to find the fault."""
    import hashlib

    manifest = json.loads((folder / "manifest.json").read_text())

    def write(content: bytes) -> None:
        if name != "manifest.json":
            manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            (folder / "manifest.json").write_text(json.dumps(manifest))

    return write
