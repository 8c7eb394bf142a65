"""Folders of texts: what is a document, what is left out, and how it is reported."""

import json
import os
import socket
import sys
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from commands import run

from docnvil.corpus.reading import read_corpus
from docnvil.errors import ConfigurationError, CorpusError, MissingDependencyError
from docnvil.runtime.folders import writing_folder
from docnvil.text.documents import SourceOptions, detect_format, read_documents
from docnvil.text.extraction import extract_text, html_to_text
from docnvil.text.reading_report import ReadingReport


def fill(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def read(folder: Path, **options: object) -> tuple[list[str], list[str]]:
    report = ReadingReport()
    documents = list(read_documents(folder, SourceOptions(**options), report))
    return [document.id for document in documents], report.messages()


MIXED = {
    "a.txt": "cats purr milk cats\n",
    "b.txt": "dogs bark bone dogs\n",
    "labels.csv": "id,label\na,1\n",
    "nb.ipynb": '{"cells": [], "nbformat": 4}',
    "p.xml": '<?xml version="1.0"?><patent><claim>A cat &amp; dog</claim></patent>',
    "paper.pdf": b"%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj stream cats endstream\n",
    "x.docx": b"PK\x03\x04\x14\x00word/document.xml",
}


def test_other_files_are_left_out_and_named(tmp_path):
    ids, messages = read(fill(tmp_path, MIXED))
    assert ids == ["a.txt", "b.txt"]
    (message,) = messages
    names = "labels.csv, nb.ipynb, p.xml, paper.pdf, x.docx"
    assert message.startswith(f"5 files that are not plain text were left out: {names}.")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_names_them_once(tmp_path, workers):
    fill(tmp_path / "mixed", MIXED)
    arguments = ["corpus", "build", tmp_path / "mixed", "--min-df", 1, "--max-df", "1.0", "--out", tmp_path / "c"]
    result = run(*arguments, "--workers", workers)
    assert result.stderr.count("labels.csv, nb.ipynb, p.xml, paper.pdf, x.docx") == 1
    assert read_corpus(tmp_path / "c").counts.toarray().sum() == 8


def test_content_decides_where_the_name_does_not(tmp_path):
    files = {
        "54321": "a newsgroup post without a suffix",
        "mail.eml": "From: ann\n\nHello",
        "letter.0017": "Dear Bob",
        "notes.md": "# cats",
        "scan": b"\x89PNG\r\n\x1a\n\x00\x00",
        "page": "<!DOCTYPE html><html><body>cats</body></html>",
        "feed": "\ufeff<?xml version='1.0'?><rss/>",
        "data.txt": b"\x93NUMPY\x01\x00",
        "old.txt": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00",
        "Thumbs.db": b"\x00\x01\x02",
        "model.unfinished": safetensors.torch.save({"a": torch.zeros(3)}, metadata={"model": "m" * 3000}),
        "text.txt.gz": __import__("gzip").compress(b"packed"),
    }
    ids, (message,) = read(fill(tmp_path, files))
    assert ids == ["54321", "letter.0017", "mail.eml", "notes.md", "text.txt.gz"]
    assert message.startswith("7 files")
    assert all(
        name in message for name in ("scan", "page", "feed", "data.txt", "old.txt", "Thumbs.db", "model.unfinished")
    )


def test_glob_chooses_the_documents(tmp_path):
    fill(tmp_path, {"a.txt": "a", "b.md": "b", "sub/c.txt": "c", "sub/d.py": "d", "e.html": "<html>e</html>"})
    assert read(tmp_path, glob="*.txt")[0] == ["a.txt", "sub/c.txt"]
    ids, (message,) = read(tmp_path, glob="*.py, *.html")
    assert ids == ["e.html", "sub/d.py"]
    assert message == "3 files do not match --glob and were left out: a.txt, b.md, sub/c.txt."
    assert read(tmp_path, glob="sub/*")[0] == ["sub/c.txt", "sub/d.py"]
    with pytest.raises(CorpusError, match=r"No file in .* matches \*\.tex"):
        read(tmp_path, glob="*.tex")
    with pytest.raises(ConfigurationError, match="glob has no effect"):
        read(tmp_path / "a.txt", glob="*.txt")


def test_folder_of_tables_is_refused_with_the_remedy(tmp_path):
    fill(tmp_path, {f"posts-{number:04d}.jsonl": "{}" for number in range(3004)})
    with pytest.raises(CorpusError, match=r"no text files, but posts-0000.*and 2,994 more.*Give these files"):
        read(tmp_path)


def test_long_lists_are_cut(tmp_path):
    fill(tmp_path, {"a.txt": "cats", **{f"{number:04d}.png": b"\x89PNG" for number in range(3004)}})
    ids, (message,) = read(tmp_path)
    assert ids == ["a.txt"]
    assert message.startswith("3,004 files that are not plain text")
    assert "and 2,994 more." in message


class TestOctis:
    TSV = "cats purr milk\ttrain\tpets\ndogs bark bone\ttrain\tpets\nstocks bonds market\ttest\tmoney\n"

    def test_columns_are_text_partition_and_label(self, tmp_path):
        fill(tmp_path, {"corpus.tsv": self.TSV, "vocabulary.txt": "cats\n", "metadata.json": '{"total_documents":3}'})
        assert detect_format(tmp_path) == "octis"
        report = ReadingReport()
        documents = list(read_documents(tmp_path, SourceOptions(), report))
        assert [(document.id, document.text) for document in documents] == [
            ("1", "cats purr milk"),
            ("2", "dogs bark bone"),
            ("3", "stocks bonds market"),
        ]
        assert documents[2].metadata == {"partition": "test", "label": "money"}
        assert "folder of OCTIS" in report.messages()[0]

    @pytest.mark.parametrize(("content", "metadata"), [("cats purr\n", {}), ("cats\ttrain\n", {"partition": "train"})])
    def test_fewer_columns(self, tmp_path, content, metadata):
        fill(tmp_path, {"corpus.tsv": content, "vocabulary.txt": "cats\n"})
        (document,) = read_documents(tmp_path)
        assert document.metadata == metadata

    def test_a_corpus_is_built_from_it(self, tmp_path):
        fill(tmp_path / "octis", {"corpus.tsv": self.TSV, "vocabulary.txt": "cats\n"})
        arguments = ["corpus", "build", tmp_path / "octis", "--min-df", 1, "--max-df", "1.0", "--out", tmp_path / "c"]
        run(*arguments, "--label-column", "label")
        corpus = read_corpus(tmp_path / "c")
        assert corpus.metadata["label"] == ("pets", "pets", "money")
        assert corpus.n_tokens == 9

    def test_folder_with_only_the_table_is_not_one(self, tmp_path):
        fill(tmp_path, {"corpus.tsv": self.TSV, "a.txt": "cats"})
        assert detect_format(tmp_path) == "folder"


class TestExtraction:
    DOCX = (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
        "<w:t>Cats pu</w:t></w:r><w:r><w:t>rr</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>in tables</w:t></w:r>"
        "</w:p></w:tc></w:tr></w:tbl></w:body></w:document>"
    )
    HTML = "<!DOCTYPE html><html><head><style>p{}</style></head><body><p>Dogs</p><p>b<b>ark</b> &amp; eat</p></body>"

    @staticmethod
    def pdf(text: str) -> bytes:
        """Return a PDF with one page that shows a text."""
        stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
        content, offsets = b"%PDF-1.4\n", []
        for number, each in enumerate(objects, start=1):
            offsets.append(len(content))
            content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
        table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        end = b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(content)
        return content + b"xref\n0 6\n0000000000 65535 f \n" + table + end

    def fill(self, folder: Path) -> None:
        fill(folder, {"a.txt": "birds", "b.html": self.HTML, "p.xml": "<?xml version='1.0'?><a/>"})
        with zipfile.ZipFile(folder / "c.docx", "w") as archive:
            archive.writestr("word/document.xml", self.DOCX)
        fill(folder, {"d.pdf": self.pdf("Mice squeak"), "e.pdf": b"%PDF-1.4 damaged", "f.docx": b"PK\x03\x04word/"})

    def test_texts_are_extracted_if_asked_for(self, tmp_path):
        pytest.importorskip("pypdf")
        self.fill(tmp_path)
        report = ReadingReport()
        documents = list(read_documents(tmp_path, SourceOptions(extract=True), report))
        assert [(document.id, document.text.split()) for document in documents] == [
            ("a.txt", ["birds"]),
            ("b.html", ["Dogs", "bark", "&", "eat"]),
            ("c.docx", ["Cats", "purr", "in", "tables"]),
            ("d.pdf", ["Mice", "squeak"]),
        ]
        assert report.messages()[0].startswith("3 files that are not plain text were left out: p.xml, e.pdf, f.docx.")

    @pytest.mark.parametrize("broken", ["<![owls", "<!foo [", "<noscript>", "<template>", "<script>"])
    def test_broken_pages_are_read(self, broken):
        assert html_to_text(f"<p>Cats</p><p>purr</p>{broken} mice").split()[:2] == ["Cats", "purr"]

    @pytest.mark.parametrize("open_tag", ["<noscript>", "<template>", "<style>"])
    def test_elements_without_an_end_hide_nothing(self, open_tag):
        assert html_to_text(f"<p>Cats</p>{open_tag}<p>purr").replace("<p>", " ").split() == ["Cats", "purr"]

    def test_text_boxes_of_word_are_read_once(self, tmp_path):
        box = "<w:txbxContent><w:p><w:r><w:t>Mice</w:t></w:r></w:p></w:txbxContent>"
        boxes = (
            f"<mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
        )
        hyphen = "<w:p><w:r><w:t>well</w:t><w:noBreakHyphen/><w:t>fed</w:t><w:cr/><w:t>owls</w:t></w:r></w:p>"
        namespace = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
        content = self.DOCX.replace("<w:document", f"<w:document {namespace}").replace(
            "<w:tbl>", f"{boxes}{hyphen}<w:tbl>"
        )
        with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
            archive.writestr("word/document.xml", content)
        assert extract_text(tmp_path / "a.docx").split() == ["Cats", "purr", "Mice", "well-fed", "owls", "in", "tables"]

    def test_otherwise_they_are_left_out(self, tmp_path):
        self.fill(tmp_path)
        ids, (message,) = read(tmp_path)
        assert ids == ["a.txt"]
        assert "6 files" in message
        assert "--extract reads PDF, DOCX and HTML" in message

    def test_missing_pypdf_is_named_with_its_install_command(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pypdf", None)
        self.fill(tmp_path)
        with pytest.raises(MissingDependencyError, match=r"pip install 'docnvil\[pdf\]'"):
            read(tmp_path, extract=True)


def test_folders_that_docnvil_wrote_are_left_out_and_named(tmp_path):
    fill(tmp_path, {"a.txt": "a", "b/b.txt": "b", "b/manifest.json": '{"kind": "of another program"}'})
    for name, kind in (("model", "model"), ("b/c", "corpus"), ("s.search", "search index")):
        with writing_folder(tmp_path / name, kind=kind) as draft:
            (draft / "vocabulary.txt").write_text("words")
    message = "3 folders that docnvil wrote were left out: b/c (a corpus), model (a model), s.search (a search index)."
    for options in ({}, {"glob": "*.txt"}):
        ids, messages = read(tmp_path, **options)
        assert ids == ["a.txt", "b/b.txt"]
        (written,) = (each for each in messages if "docnvil" in each)
        assert sorted(written) == sorted(message)
    with pytest.raises(CorpusError, match="is a model that docnvil wrote, not a folder of texts"):
        read(tmp_path / "model")


def test_a_model_in_object_storage_is_left_out_and_named():
    files = pytest.importorskip("fsspec").filesystem("memory")
    manifest = {"kind": "model", "files": {"vocabulary.txt": {"bytes": 4, "sha256": ""}}}
    contents = {
        "a.txt": b"a",
        "b/b.txt": b"b",
        "m/vocabulary.txt": b"cats",
        "m/manifest.json": json.dumps(manifest).encode(),
    }
    for name, content in contents.items():
        files.pipe(f"/texts-and-model/{name}", content)
    report = ReadingReport()
    documents = read_documents("memory://texts-and-model", report=report)
    assert [document.id for document in documents] == ["a.txt", "b/b.txt"]
    assert report.messages() == ["1 folder that docnvil wrote was left out: m (a model)."]


@pytest.mark.parametrize("command", [["corpus", "build"], ["corpus", "build", "--held-out", "0.5"]])
def test_a_corpus_in_its_own_folder_is_not_read_again(tmp_path, command):
    fill(tmp_path, {f"{number}.txt": "cats purr milk" for number in range(4)})
    arguments = [*command, tmp_path, "--max-df", "1.0", "--out", tmp_path / "c", "--force"]
    for _ in range(2):
        result = run(*arguments)
        parts = [tmp_path / "c" / part for part in ("train", "test")] if "--held-out" in command else [tmp_path / "c"]
        assert sum(read_corpus(part).n_documents for part in parts) == 4
    assert "that docnvil wrote" in result.stderr


def test_links_and_special_files_are_named(tmp_path):
    outside = fill(tmp_path / "outside", {"o.txt": "o"})
    folder = fill(tmp_path / "texts", {"a.txt": "a", "b.txt": "b"})
    links = {"up": folder, "other": outside, "linked.txt": outside / "o.txt", "gone": "nowhere", "loop": "loop"}
    links |= {"under.txt": folder / "a.txt" / "b", "null": "/dev/null"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
        ids, messages = read(folder)
    assert ids == ["a.txt", "b.txt", "linked.txt"]
    for name, expected in (("linked", 2), ("broken", 3), ("special", 3)):
        assert sum(f"{expected} {word}" in each for each in messages for word in WORDS[name]) == 1, messages
    text = " ".join(messages)
    assert all(name in text for name in ("up", "other", "gone", "loop", "under.txt", "null", "pipe", "socket"))
    (folder / "a.txt").unlink()
    for name in ("b.txt", "linked.txt"):
        (folder / name).unlink()
    with pytest.raises(CorpusError, match=r"has no files\. .* 2 links to folders .* 3 links lead .* 3 files that are"):
        read(folder)


WORDS = {"linked": ["links to folders were not followed"], "broken": ["links lead to no file"]}
WORDS |= {"special": ["files that are pipes, sockets or devices"]}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("linked", "1 link to a folder was not followed: x. To read its files, copy it into the folder."),
        ("broken", "1 link leads to no file and was left out: x. Correct or delete it."),
        ("special", "1 file that is a pipe, a socket or a device was left out: x."),
        ("outputs", "1 folder that docnvil wrote was left out: x."),
    ],
)
def test_one_of_a_kind(kind, message):
    report = ReadingReport()
    report.add(kind, "x")
    assert report.messages() == [message]
