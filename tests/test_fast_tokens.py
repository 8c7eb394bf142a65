"""The quick way from texts to columns finds what the plain way finds, whatever the texts are."""

import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from text_data import prose

from docnvil.text.accumulator import DROPPED, UNKNOWN, TokenIndex, TokenReader
from docnvil.text.fast_tokens import RunReader, reader_of
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.text.vocabulary import Vocabulary

# Runs of every length, that begin alike and are cut where keys end; marks, sigmas, quotes; what JSON can spell.
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


def words_of(reader: RunReader | TokenReader, columns: TokenIndex, texts: list[str]) -> list[list[str]]:
    """The words of each text, sorted; what is passed over, or unknown, by its number."""
    rows, found = reader(texts)
    names = [*columns.words, *map(str, (DROPPED, UNKNOWN))]
    numbered = {**dict(enumerate(columns.words)), DROPPED: names[-2], UNKNOWN: names[-1]}
    words = [sorted(numbered[column] for column in found[rows == row].tolist()) for row in range(len(texts))]
    return [[word for word in of_text if word != str(DROPPED)] for of_text in words]


@pytest.mark.parametrize(
    "rules",
    [
        TokenRules(),
        TokenRules(stop_words=(), min_length=1, lowercase=False),
        TokenRules(stemmer="porter", min_length=3),
    ],
    ids=["default", "plain", "stems"],
)
@given(texts=texts)
@example(
    texts=["ΟΔΟΣ. 3rd l\u2019été e\u0301te\u0301 İx", "", "12ab34", "abcdefgh abcdefghij abcdefghijkl abcdefghijklm"]
)
def test_the_quick_way_is_the_plain_way(rules, texts):
    tokenizer = Tokenizer(rules)
    quick, plain = TokenIndex(tokenizer, None), TokenIndex(tokenizer, None)
    reader = RunReader(tokenizer, quick)
    for _ in range(2):  # runs are met anew, and again
        assert words_of(reader, quick, texts) == words_of(TokenReader(tokenizer, plain), plain, texts)


@given(texts=texts)
def test_words_that_a_vocabulary_does_not_have_are_told(texts):
    tokenizer = Tokenizer(TokenRules(stop_words=()))
    vocabulary = Vocabulary(["été", "internation", "al"])
    found = [way(tokenizer, TokenIndex(tokenizer, vocabulary))(texts) for way in (RunReader, TokenReader)]
    for column in (UNKNOWN, 0, 1, 2):
        quick, plain = (np.bincount(rows[columns == column], minlength=len(texts)) for rows, columns in found)
        assert quick.tolist() == plain.tolist()


def test_many_runs_keep_their_numbers():
    generator = random.Random(0)
    names = [f"{generator.choice('abc')}{number:0{size}}" for number in range(9000) for size in (3, 9, 14)]
    tokenizer = Tokenizer(TokenRules(stop_words=()))
    columns = TokenIndex(tokenizer, None)
    reader = RunReader(tokenizer, columns)
    for start in range(0, len(names), 5000):
        for _ in range(2):
            lot = names[start : start + 5000]
            _, found = reader([" ".join(lot)])
            words = list(columns.words)
            assert [words[column] for column in found] == lot


def test_long_runs_are_not_remembered():
    tokenizer = Tokenizer(TokenRules(stop_words=()))
    reader = RunReader(tokenizer, TokenIndex(tokenizer, None))
    for tail in ("owl", "bee", "ant"):
        reader(["\u2014".join(["cat"] * 100 + [tail])])
    assert reader.remembered == 4  # the words alone


@pytest.mark.parametrize(
    ("rules", "way"),
    [
        (TokenRules(), RunReader),
        (TokenRules(token_pattern=r"\w+"), TokenReader),
        (TokenRules(tokenizer="toktok"), TokenReader),
    ],
)
def test_other_rules_take_the_plain_way(rules, way):
    tokenizer = Tokenizer(rules)
    assert isinstance(reader_of(tokenizer, TokenIndex(tokenizer, None)), way)
