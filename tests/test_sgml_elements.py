"""Elements of SGML: those that a regular expression finds, in time proportional to the length."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docnvil.text.sgml import _TEXT, _attributes, _elements, _plain, split_sgml

PATTERN = re.compile(r"<(TEXT|TITLE|HEADLINE|HEAD|HL|BODY)\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
PARTS = (
    "<TEXT>",
    "</text>",
    "<text",
    "</TITLE>",
    "<title a=1>",
    "<HL",
    "<",
    ">",
    "a",
    "\n",
    "<HEADLINE>",
    "</headline>",
)


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_elements_are_those_of_a_pattern(body):
    expected = [(match.start(), match.end(), match[2]) for match in PATTERN.finditer(body)]
    assert list(_elements(_TEXT, body)) == expected


@given(st.lists(st.sampled_from((*PARTS, "</b>", "&lt;")), max_size=10).map("".join))
def test_all_tags_are_removed(content):
    expected = re.sub(r"</?[A-Za-z][^>]*>", " ", content).replace("&lt;", "<").strip()
    assert _plain(content) == expected


def test_attributes_have_values_in_any_quotes():
    assert _attributes(" a-b = 'x y' c=\"&lt;\" d=3 e") == {"a-b": "x y", "c": "<", "d": "3"}


@pytest.mark.parametrize(
    "part", ["<TEXT> ", "<TEXT", "<DOCNO>", "<DOCNO", "<a", "</TEXT>", "a ", "a", "<TEXT></TITLE>"]
)
def test_hundreds_of_thousands_of_open_tags_are_read(part):  # minutes if the time grew with the square of the length
    (record,) = [record for _, record in split_sgml([f"<DOC {part * 1000}>\n", part * 300_000, "\n</DOC>\n"])]
    assert isinstance(record["text"], str)


@pytest.mark.parametrize("between", ["", " ", "\n", "</REUTERS> "])
def test_documents_on_one_line_are_several(between):
    text = f"<DOC><DOCNO>a</DOCNO>owls</DOC>{between}<doc id='b'>cats</doc>{between}<REUTERS NEWID='3'>dogs</REUTERS>\n"
    records = list(split_sgml(text.splitlines(keepends=True)))
    assert [(record["id"], record["text"]) for _, record in records] == [("a", "owls"), ("b", "cats"), ("3", "dogs")]
    assert [number for number, _ in records] == ([1, 2, 3] if between == "\n" else [1, 1, 1])
