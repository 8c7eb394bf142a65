"""Documents on standard input."""

import gzip
import tempfile
from pathlib import Path

import pytest
from commands import run

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
    limits = ("--min-df", 1, "--max-df", 1.0)
    run("corpus", "build", "-", *limits, "--out", tmp_path / "corpus", *options, stdin=content)
    assert read_corpus(tmp_path / "corpus").ids == ids
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_source_that_is_read_twice_can_be_piped(tmp_path):
    content = "".join(f"cats purr {number}\ndogs bark\n" for number in range(10))
    run("corpus", "build", "-", "--held-out", 5, "--max-df", 1.0, "--out", tmp_path / "corpus", stdin=content)
    assert [read_corpus(Path(tmp_path, "corpus", part)).n_documents for part in ("train", "test")] == [15, 5]


ROWS = "".join(f"{text} {number}\n" for number in range(20) for text in ("cats purr milk", "dogs bark bone"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "model"
    run("fit", "-", "--units", "2", "--epochs", "2", "--out", path, stdin=ROWS)
    return path


def test_search_reads_standard_input_and_deletes_its_index(model, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = run("search", model, "-", "purr", "--top", "1", stdin="dogs bark\ncats purr\n")
    assert result.stdout.split()[2:] == ["2", "cats", "purr", "cats", "purr"]
    assert not list(tmp_path.iterdir())


def test_every_corpus_of_a_command_can_be_standard_input_but_only_one(model, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text(ROWS)
    commands = [
        ["sample", model, "--documents", "2", "--lengths-of", "-", "--out", tmp_path / "c"],
        ["outliers", model, texts, "--reference", "-"],
        ["topics", model, "--coherence", "-"],
        ["retrieval", model, "-", texts],
    ]
    messages = ("", "Only 0 documents have 10 known words", "", "no labels")
    for arguments, message in zip(commands, messages, strict=True):
        run(*arguments, stdin=ROWS, status=1 if message else 0, stderr=message)
    for arguments in (["compare", "-", "-"], ["outliers", model, "-", "--reference", "-"]):
        run(*arguments, stdin=ROWS, status=2, stderr="- is given for two corpora")


@pytest.mark.parametrize("content", ["", '{"id": "1", "text": "cats purr"}\n{"id": "2", "text"\n'])
def test_messages_name_standard_input_and_not_its_copy(model, tmp_path, content):
    arguments = ("embed", model, "-", "--out", tmp_path / "e.csv")
    result = run(*arguments, stdin=content, status=1, stderr="Error: Standard input")
    assert ".part" not in result.stderr
