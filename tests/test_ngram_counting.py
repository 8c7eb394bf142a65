"""N-grams counted in memory and on disk, compared with the reference implementation; their hashes."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from text_data import as_dicts, documents

from docnvil.corpus.build import build_corpus
from docnvil.corpus.reading import read_corpus
from docnvil.errors import VocabularyError
from docnvil.text import ngram_counting, word_sequences
from docnvil.text.counts import count_words
from docnvil.text.name_hashes import NameHashes, buckets_of
from docnvil.text.ngrams import list_ngrams
from docnvil.text.settings import SourceOptions, VocabularyLimits
from docnvil.text.tokens import TokenRules, tokenize
from docnvil.text.vocabulary import Vocabulary, build_vocabulary

names = st.lists(st.text(min_size=1, max_size=80), max_size=6)
lines = st.lists(st.lists(st.sampled_from(["a", "b", "a_b", "_", "c", "été"]), max_size=9).map(" ".join), max_size=9)
ranges = st.sampled_from([(1, 2), (1, 3), (2, 2), (2, 4), (3, 3)])
limits = st.builds(
    VocabularyLimits,
    size=st.sampled_from([None, 1, 2, 5, 50]),
    min_df=st.sampled_from([1, 2, 0.3]),
    max_df=st.sampled_from([1.0, 0.6, 3]),
)


def build(folder: Path, lines: list[str], rules: TokenRules, limits: VocabularyLimits, vocabulary=None):
    """Return the matrix of a corpus on disk."""
    source = folder / "lines.txt"
    source.write_text("\n".join(lines), encoding="utf-8")
    build_corpus([source], folder / "corpus", SourceOptions(), rules, limits, vocabulary=vocabulary, force=True)
    return read_corpus(folder / "corpus")


def matrix_or_error(function, *arguments, **options):
    """Return what a function returns, or the message of its error."""
    try:
        return function(*arguments, **options)
    except VocabularyError as error:
        return str(error)


@settings(max_examples=50)
@given(names, names)
def test_the_hash_of_an_ngram_follows_from_those_of_its_words(first, second):
    hashes, n_pairs = NameHashes.of([*first, *second]), min(len(first), len(second))
    joined = hashes.extend(hashes.values[:n_pairs], len(first) + np.arange(n_pairs))
    pairs = [f"{one}_{two}" for one, two in zip(first, second, strict=False)]
    assert joined.tolist() == NameHashes.of(pairs).values.tolist()
    assert (buckets_of(joined, 12) < 1 << 12).all()


def test_different_names_have_different_hashes():
    names = [f"{letter}{number}" for letter in "abcdefghij_" for number in range(10_000)]
    assert len(set(NameHashes.of(names).values.tolist())) == len(names)
    assert len(set(buckets_of(NameHashes.of(names).values, 24).tolist())) > 0.99 * len(names)


def count_plainly(lines: list[str], rules: TokenRules, limits: VocabularyLimits):
    """Return the vocabulary, and the counts of each line, from the tokens of the reference implementation."""
    counters = [Counter(tokenize(line, rules)) for line in lines]
    total = sum(counters, Counter())
    documents = Counter(word for counter in counters for word in counter)
    vocabulary = build_vocabulary(total, documents, len(lines), **vars(limits))
    return vocabulary, [{word: n for word, n in counter.items() if word in vocabulary} for counter in counters]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, ranges, limits, st.sampled_from([2, 7, 1 << 18]), st.sampled_from([1, 3, 14]))
def test_ngrams_are_those_of_the_reference(tmp_path, lines, ngrams, limits, per_block, bits):
    # Few buckets: hashes are often equal although the names are not.
    lines = [*lines, "a b"]
    rules = TokenRules(token_pattern=r"\S+", min_length=1, stop_words=(), ngrams=ngrams)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_sequences, "NGRAMS_PER_BLOCK", per_block)
        patch.setattr(ngram_counting, "_MIN_BITS", min(bits, 12))
        patch.setattr(ngram_counting, "_MAX_BITS", bits)
        patch.setattr(ngram_counting, "_guess_threshold", lambda occurrences, size, lowest: 4 if size else lowest)
        on_disk = matrix_or_error(build, tmp_path, lines, rules, limits)
        in_memory = matrix_or_error(count_words, lines, rules=rules, **vars(limits))
    expected = matrix_or_error(count_plainly, lines, rules, limits)
    if isinstance(expected, str):
        assert on_disk == in_memory == expected
        return
    for result in (on_disk, in_memory):
        assert result.vocabulary == expected[0]
        assert as_dicts(result) == expected[1]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, ranges, st.sampled_from([("a_b",), ("a_c", "a_b_c"), ()]))
def test_unknown_ngrams_are_the_smallest(tmp_path, lines, ngrams, phrases):
    lines = [*lines, "a b c a"]
    rules = TokenRules(token_pattern=r"\S+", min_length=1, stop_words=(), ngrams=ngrams, phrases=phrases)
    vocabulary = Vocabulary(["a", "a_b", "b_c", "a_b_c", "c", "été_a"])
    words = [tokenize(line, replace(rules, ngrams=(1, 1))) for line in lines]
    smallest = [list_ngrams(of_line, ngrams[0], ngrams[0]) for of_line in words]
    unknown = [sum(ngram not in vocabulary for ngram in of_line) for of_line in smallest]
    known = [Counter(ngram for ngram in tokenize(line, rules) if ngram in vocabulary) for line in lines]
    in_memory = count_words(lines, rules=rules, vocabulary=vocabulary)
    on_disk = build(tmp_path, lines, rules, VocabularyLimits(), vocabulary) if any(known) else in_memory
    for result in (on_disk, in_memory):
        assert result.unknown_counts.tolist() == unknown
        assert as_dicts(result) == known


def test_rare_ngrams_get_no_names(tmp_path, monkeypatch):
    named = []
    merge = ngram_counting.merge_word_frequencies
    monkeypatch.setattr(
        ngram_counting,
        "merge_word_frequencies",
        lambda tables: merge(named.append(table[0]) or table for table in tables),
    )
    lines = [f"new york w{number} v{number % 7}" for number in range(3000)]
    matrix = build(tmp_path, lines, TokenRules(ngrams=(1, 3)), VocabularyLimits(20, 2, 1.0))
    assert {"new_york", "york", "v3"} <= set(matrix.vocabulary)
    n_named = sum(map(len, named))
    n_distinct = count_words(lines, rules=TokenRules(ngrams=(1, 3)), min_df=1, size=None).vocabulary_size
    assert 0 < n_named < 0.2 * n_distinct


def test_phrases_and_ngrams_go_together(tmp_path):
    lines = ["in new york city"] * 3
    rules = TokenRules(ngrams=(1, 2), phrases=("new_york",), stop_words=("in",))
    matrix = build(tmp_path, lines, rules, VocabularyLimits(None, 1, 1.0))
    assert as_dicts(matrix) == [{"new_york": 1, "city": 1, "new_york_city": 1}] * 3
    assert as_dicts(count_words(documents(*lines), rules=rules, max_df=1.0, min_df=1)) == as_dicts(matrix)
