"""Documents on standard input."""

import gzip
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from docnvil.commands import main
from docnvil.corpus.reading import read_corpus


@pytest.mark.parametrize(
    ("content", "options", "ids"),
    [
        (b"cats purr\n\ndogs bark\n", [], ("1", "2", "3")),
        (b'{"id": "a", "text": "cats"}\n{"id": "b", "text": "dogs"}\n', [], ("a", "b")),
        (b'[{"id": "a", "text": "cats"}]', ["--format", "jsonl"], ("a",)),
        (b"id;text\na;cats\nb;dogs\n", ["--format", "csv"], ("a", "b")),
        (b'{"weather": "in braces"}\n', ["--format", "lines"], ("1",)),
        (gzip.compress(b"cats\ndogs\n"), [], ("1", "2")),
        (b"[applause] cats\n", [], ("1",)),
    ],
)
def test_documents_are_piped_into_a_command(tmp_path, monkeypatch, content, options, ids):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    arguments = [
        "corpus",
        "build",
        "-",
        "--min-df",
        "1",
        "--max-df",
        "1.0",
        "--out",
        str(tmp_path / "corpus"),
        *options,
    ]
    result = CliRunner().invoke(main, arguments, input=content)
    assert result.exit_code == 0, result.output
    assert read_corpus(tmp_path / "corpus").ids == ids
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_source_that_is_read_twice_can_be_piped(tmp_path):
    content = "".join(f"cats purr {number}\ndogs bark\n" for number in range(10))
    arguments = ["corpus", "build", "-", "--held-out", "5", "--max-df", "1.0", "--out", str(tmp_path / "corpus")]
    result = CliRunner().invoke(main, arguments, input=content)
    assert result.exit_code == 0, result.output
    assert [read_corpus(Path(tmp_path, "corpus", part)).n_documents for part in ("train", "test")] == [15, 5]
