"""`FastTokenReader` finds the same tokens as `TokenReader`, the reference implementation."""

import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from text_data import prose

from docnvil.text.accumulator import document_chunks
from docnvil.text.documents import SourceOptions, read_documents
from docnvil.text.fast_tokens import FastTokenReader, make_token_reader
from docnvil.text.token_reader import DROPPED, UNKNOWN, TokenIndex, TokenReader
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.text.vocabulary import Vocabulary

# Spans of all lengths with common beginnings, whose lengths are around those of the keys; combining marks, letters
# whose lower case depends on their neighbors, quotes, and what only JSON escapes can spell.
pieces = st.sampled_from(
    [
        "",
        "a",
        "1",
        "internation",
        "al",
        "isation" * 12,
        "x9",
        " ",
        "-",
        "\0",
        "\u2019",
        "\u0301",
        "Σ",
        "É",
        "我",
        "\ud800",
    ]
)
texts = st.lists(prose | st.lists(pieces, max_size=12).map("".join), max_size=8)
RULES = {
    "default": TokenRules(),
    "no-filters": TokenRules(stop_words=(), min_length=1, lowercase=False),
    "stemmer": TokenRules(stemmer="porter", min_length=3),
}


def make_both(rules: TokenRules, vocabulary: Vocabulary | None = None) -> list[FastTokenReader | TokenReader]:
    tokenizer = Tokenizer(rules)
    return [kind(tokenizer, TokenIndex(tokenizer, vocabulary)) for kind in (FastTokenReader, TokenReader)]


def read_words(reader: FastTokenReader | TokenReader, texts: list[str]) -> list[list[str]]:
    """Return the words of each text, sorted."""
    rows, columns = reader.read(texts)
    assert columns.min(initial=0) >= DROPPED
    words = list(reader.index.words)
    words_of: list[list[str]] = [[] for _ in texts]
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if column != DROPPED:
            words_of[row].append(words[column])
    return list(map(sorted, words_of))


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@given(texts=texts)
@example(
    texts=["ΟΔΟΣ. 3rd l\u2019été e\u0301te\u0301 İx", "", "12ab34", "abcdefgh abcdefghij abcdefghijkl abcdefghijklm"]
)
def test_both_readers_find_the_same_words(rules, texts):
    fast, plain = make_both(rules)
    for _ in range(2):  # new spans, and then remembered ones
        assert read_words(fast, texts) == read_words(plain, texts)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_both_readers_find_the_same_words_in_newsgroup_posts(shared_data, rules):
    options = SourceOptions(id_column="", label_column="group")
    documents = read_documents(shared_data("ng20_raw/ng20_bydate.jsonl.gz"), options)
    fast, plain = make_both(rules)
    for number, chunk in enumerate(document_chunks(documents)):
        if number % 20 == 0:
            texts = [document.text for document in chunk]
            assert read_words(fast, texts) == read_words(plain, texts)


def test_both_readers_find_the_same_words_around_every_character():
    characters = map(chr, [*range(0x3000), *range(0x3000, 0x110000, 100)])  # few of the many Chinese and Korean ones
    texts = [f"a{char}b 1{char}2 {char} é{char}{char}x" for char in characters]
    fast, plain = make_both(TokenRules(stop_words=(), min_length=1))
    assert read_words(fast, texts) == read_words(plain, texts)


@given(texts=texts)
def test_both_readers_report_unknown_words(texts):
    readers = make_both(TokenRules(stop_words=()), Vocabulary(["été", "internation", "al"]))
    results = [reader.read(texts) for reader in readers]
    for column in (UNKNOWN, 0, 1, 2):
        fast, plain = (np.bincount(rows[columns == column], minlength=len(texts)) for rows, columns in results)
        assert fast.tolist() == plain.tolist()


def test_spans_keep_their_numbers_when_the_tables_grow():
    generator = random.Random(0)
    names = [f"{generator.choice('abc')}{number:0{size}}" for number in range(9000) for size in (3, 9, 14)]
    reader = make_token_reader(TokenRules(stop_words=()))
    for start in range(0, len(names), 5000):
        for _ in range(2):
            chunk = names[start : start + 5000]
            _, columns = reader.read([" ".join(chunk)])
            words = list(reader.index.words)
            assert [words[column] for column in columns] == chunk


def test_long_spans_are_not_remembered():
    reader = make_token_reader(TokenRules(stop_words=()))
    for tail in ("owl", "bee", "ant"):
        reader.read(["\u2014".join(["cat"] * 100 + [tail])])
    assert reader.n_remembered == 4  # the words only


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        (TokenRules(), FastTokenReader),
        (TokenRules(stemmer="porter", lowercase=False), FastTokenReader),
        (TokenRules(token_pattern=r"\w+"), TokenReader),
        (TokenRules(tokenizer="toktok"), TokenReader),
    ],
)
def test_the_fast_reader_is_used_for_the_default_pattern_only(rules, kind):
    assert type(make_token_reader(rules)) is kind
