import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_data import write_jsonl

from docnvil.corpus.loading import load_document_term_matrix
from docnvil.errors import CorpusError
from docnvil.text.documents import Document
from docnvil.text.excerpts import make_excerpt, read_excerpts, read_texts, shorten
from docnvil.text.settings import SourceOptions

TEXTS = ["Owls at night\n\nAn owl hunts a mouse.", "Cats\nA cat sleeps; a mouse runs.", "", "An owl and a cat."]


def load(path, **options):
    options = SourceOptions(**options)
    return path, options, load_document_term_matrix(path, options, min_df=1, max_df=1.0)


def write_texts(path, **columns):
    rows = [{"id": f"d{row}", "text": text} for row, text in enumerate(TEXTS)]
    for name, values in columns.items():
        rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)]
    return write_jsonl(path, rows)


def test_excerpts_have_the_order_and_ids_of_the_matrix(tmp_path):
    excerpts = list(read_excerpts(*load(write_texts(tmp_path / "a.jsonl"))))
    assert [each.id for each in excerpts] == ["d0", "d1", "d2", "d3"]
    assert [each.title for each in excerpts] == ["Owls at night", "Cats", "", "An owl and a cat."]
    assert excerpts[0].text == "Owls at night An owl hunts a mouse."
    assert all(each.is_text for each in excerpts)


@pytest.mark.parametrize("column", ["title", "Subject", "HEADLINE"])
def test_title_comes_from_the_metadata(tmp_path, column):
    path = write_texts(tmp_path / "a.jsonl", **{column: ["One", "x " * 200, "", "Four"]})
    titles = [each.title for each in read_excerpts(*load(path))]
    assert titles[0] == "One"
    assert titles[3] == "Four"
    assert titles[2] == ""
    assert len(titles[1]) <= 120


def test_chosen_rows_come_in_ascending_order_once(tmp_path):
    read = load(write_texts(tmp_path / "a.jsonl"))
    assert [each.id for each in read_excerpts(*read, rows=[3, 0, 3])] == ["d0", "d3"]
    assert read_texts(*read, [1, 2]) == {1: TEXTS[1], 2: ""}
    assert list(read_excerpts(*read, rows=[])) == []


def test_folders_of_texts(tmp_path):
    for name, text in (("b/two.txt", "A cat."), ("a/one.txt", "An owl.")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    assert [(each.id, each.text) for each in read_excerpts(*load(tmp_path))] == [
        ("a/one.txt", "An owl."),
        ("b/two.txt", "A cat."),
    ]


def test_csv_with_other_columns(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["nr", "body"], ["x", "An owl\nhunts"], ["y", "A cat"]])
    read = load(path, text_column="body", id_column="nr")
    assert [(each.id, each.title) for each in read_excerpts(*read)] == [("x", "An owl"), ("y", "A cat")]


def test_counts_have_frequent_words_and_no_texts(tmp_path):
    from docnvil.corpus.writing import write_corpus

    _, _, matrix = load(write_texts(tmp_path / "a.jsonl", title=["One", "Two", "Three", "Four"]))
    write_corpus(matrix, tmp_path / "corpus")
    read = load(tmp_path / "corpus")
    first, *_, last = read_excerpts(*read)
    assert not first.is_text
    assert first.title == "One"
    assert set(first.text.split()) == {"owls", "night", "owl", "hunts", "mouse"}
    assert [each.text for each in read_excerpts(*read, rows=[3])] == [last.text]
    assert read_texts(*read, [0]) is None


@pytest.mark.parametrize("change", ["fewer", "more", "other ids"])
def test_a_changed_source_is_refused(tmp_path, change):
    path = write_texts(tmp_path / "a.jsonl")
    read = load(path)
    lines = path.read_text().splitlines(keepends=True)
    changed = {"fewer": lines[:-1], "more": lines + lines[:1], "other ids": lines[::-1]}[change]
    path.write_text("".join(changed))
    with pytest.raises(CorpusError, match="changed while it was read"):
        list(read_excerpts(*read))


def test_header_of_a_message_gives_the_title():
    text = "From: ann@host.org\nSubject: Re: Owls \nLines: 2\n\n> quoted\nThey hunt."
    excerpt = make_excerpt(Document("1", text), parts=("headers", "quotes"))
    assert (excerpt.title, excerpt.text) == ("Re: Owls", "They hunt.")


@given(st.text(), st.integers(5, 50))
def test_shorten_gives_one_line_of_limited_length(text, length):
    short = shorten(text, length)
    assert len(short) <= length
    assert short == short.strip()
    assert not any(character in short for character in "\n\r\t\x00\x1b")
    assert shorten(short, length) == short
