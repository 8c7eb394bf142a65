"""Folders of texts: what is a document, what is left out, and how it is reported."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from docnvil.commands import main
from docnvil.corpus.reading import read_corpus
from docnvil.errors import ConfigurationError, CorpusError
from docnvil.text.documents import SourceOptions, detect_format, read_documents
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
    assert messages == [
        "5 files that are not plain text were left out: labels.csv, nb.ipynb, p.xml, paper.pdf, x.docx."
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_command_names_them_once(tmp_path, workers):
    fill(tmp_path / "mixed", MIXED)
    arguments = ["corpus", "build", tmp_path / "mixed", "--min-df", 1, "--max-df", "1.0", "--out", tmp_path / "c"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--workers", str(workers)])
    assert result.exit_code == 0, result.output
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
        "text.txt.gz": __import__("gzip").compress(b"packed"),
    }
    ids, (message,) = read(fill(tmp_path, files))
    assert ids == ["54321", "letter.0017", "mail.eml", "notes.md", "text.txt.gz"]
    assert message.startswith("6 files")
    assert all(name in message for name in ("scan", "page", "feed", "data.txt", "old.txt", "Thumbs.db"))


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
    assert message.endswith("and 2,994 more.")


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
        result = CliRunner().invoke(main, list(map(str, [*arguments, "--label-column", "label"])))
        assert result.exit_code == 0, result.output
        corpus = read_corpus(tmp_path / "c")
        assert corpus.metadata["label"] == ("pets", "pets", "money")
        assert corpus.n_tokens == 9

    def test_folder_with_only_the_table_is_not_one(self, tmp_path):
        fill(tmp_path, {"corpus.tsv": self.TSV, "a.txt": "cats"})
        assert detect_format(tmp_path) == "folder"
