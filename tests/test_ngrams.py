"""N-grams and phrases: the vectorized reader compared with the reference, and their way from a file to a model."""

import json
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from commands import run
from hypothesis import given
from hypothesis import strategies as st
from text_data import as_dicts, documents, prose

from docnvil.corpus.reading import read_corpus
from docnvil.errors import ConfigurationError
from docnvil.storage.model_folder import load_model
from docnvil.text.counts import count_words, word_sequences
from docnvil.text.fast_tokens import make_token_reader
from docnvil.text.ngrams import join_phrases, list_ngrams
from docnvil.text.phrases import learn_phrases, pair_npmi
from docnvil.text.token_reader import UNKNOWN
from docnvil.text.tokens import TokenRules, tokenize
from docnvil.text.vocabulary import Vocabulary
from docnvil.text.word_checks import match_vocabulary

ALL = {"min_df": 1, "max_df": 1.0, "size": None}
SMALL = TokenRules(stop_words=("the",), min_length=1)
NEWS = [
    "We live in New York, and New York is large.",
    "New York was a new city. The city of York is old.",
    "Los Angeles is not New York; Los Angeles is Los Angeles.",
    "A large city, an old city, and a new house",
] * 3
words = st.lists(st.sampled_from(["a", "b", "c", "the", "été—x", "1", "ab" * 40, "I", "."]), max_size=12).map(" ".join)
texts = st.lists(words | prose, max_size=6)
ngrams = st.tuples(st.integers(1, 4), st.integers(1, 4)).map(lambda pair: (min(pair), max(pair)))
phrases = st.sets(st.sampled_from(["a_a", "a_b", "b_c", "x_a", "été_x"]), max_size=4).map(sorted).map(tuple)


def words_in_order(rules: TokenRules, texts: list[str], vocabulary: Vocabulary | None = None) -> list[Counter[str]]:
    reader = make_token_reader(rules, vocabulary)
    counters = [Counter() for _ in texts]
    for _ in range(2):  # new n-grams, and then remembered ones
        counters = [Counter() for _ in texts]
        rows, columns = reader.read(texts)
        names = list(reader.index.words) if vocabulary is None else list(vocabulary)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if column >= 0:
                counters[row][names[column]] += 1
    return counters


@given(texts, ngrams, phrases, st.sampled_from([None, r"\w+"]))
def test_the_reader_finds_the_words_of_the_reference(texts, ngrams, phrases, pattern):
    rules = TokenRules(
        **({} if pattern is None else {"token_pattern": pattern}),
        **{"stop_words": ("the",), "min_length": 1, "ngrams": ngrams, "phrases": phrases},
    )
    assert words_in_order(rules, texts) == [Counter(tokenize(text, rules)) for text in texts]


@given(texts, ngrams)
def test_a_vocabulary_chooses_among_them(texts, ngrams):
    rules = TokenRules(stop_words=("the",), min_length=1, ngrams=ngrams)
    vocabulary = Vocabulary(["a", "a_b", "b", "c_a_b", "x"])
    chosen = [Counter(word for word in tokenize(text, rules) if word in vocabulary) for text in texts]
    assert words_in_order(rules, texts, vocabulary) == chosen


@given(texts)
def test_readers_keep_the_order_of_the_text(texts):
    rules = TokenRules(stop_words=("the",), min_length=1)
    reader = make_token_reader(rules)
    rows, columns = reader.read_in_order(texts)
    names = list(reader.index.words)
    for number, text in enumerate(texts):
        assert [names[column] for column in columns[rows == number] if column >= 0] == tokenize(text, rules)


def test_unknown_words_are_counted_once():
    rules = TokenRules(stop_words=(), ngrams=(1, 3))
    _, columns = make_token_reader(rules, Vocabulary(["cat"])).read(["cat owl dog"])
    assert np.count_nonzero(columns == UNKNOWN) == 2
    matrix = count_words(documents("cat owl dog"), rules=rules, vocabulary=Vocabulary(["cat", "owl_dog"]))
    assert (matrix.unknown_counts.tolist(), as_dicts(matrix)) == ([2], [{"cat": 1, "owl_dog": 1}])


def test_ngrams_skip_stop_words_and_end_with_the_text():
    rules = TokenRules(ngrams=(2, 3))
    assert tokenize("State of the art owls", rules) == ["state_art", "art_owls", "state_art_owls"]
    matrix = count_words(documents("owl cat", "dog", "cat owl"), rules=rules, **ALL)
    assert as_dicts(matrix) == [{"owl_cat": 1}, {}, {"cat_owl": 1}]


@pytest.mark.parametrize("ngrams", [(0, 1), (2, 1), (1, 9)])
def test_impossible_ranges_are_refused(ngrams):
    with pytest.raises(ConfigurationError, match="ngrams is"):
        TokenRules(ngrams=ngrams)


class TestPhrases:
    def test_words_that_occur_together_are_phrases(self):
        rules = learn_phrases(documents(*NEWS), TokenRules())
        assert rules.phrases == ("los_angeles", "new_york")
        assert tokenize("New York and York, a new city", rules) == ["new_york", "york", "new", "city"]

    def test_rare_pairs_are_not(self):
        assert learn_phrases(documents(*NEWS), TokenRules(), min_count=100).phrases == ()
        assert learn_phrases(documents("cat", ""), TokenRules(), min_count=1).phrases == ()

    def test_phrases_are_of_the_words_that_the_rules_give(self):
        texts = ["social networks and a social network"] * 5 + ["network", "social"]
        assert learn_phrases(documents(*texts), TokenRules(stemmer="porter")).phrases == ("social_network",)

    @given(st.lists(st.tuples(*[st.integers(1, 10**10)] * 3), min_size=1, max_size=5), st.integers(3 * 10**10, 10**12))
    def test_npmi_of_very_large_corpora_is_that_of_exact_arithmetic(self, counts, total):
        counts = [(pair, pair + one, pair + two) for pair, one, two in counts]
        expected = [
            float((Decimal(pair) * total / (one * two)).ln() / -(Decimal(pair) / total).ln())
            for pair, one, two in counts
        ]
        actual = pair_npmi(*np.array(counts).T, total)
        assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12)

    def test_few_pairs_in_memory_give_the_same_phrases(self, monkeypatch):
        texts = [*NEWS, *(f"a{number} b{number} c{number}" for number in range(300))]
        expected = learn_phrases(documents(*texts), TokenRules()).phrases
        monkeypatch.setattr("docnvil.text.phrases._MAX_PAIRS", 50)
        monkeypatch.setattr("docnvil.text.accumulator.CHUNK_CHARACTERS", 500)
        assert {"los_angeles", "new_york"} <= {*learn_phrases(documents(*texts), TokenRules()).phrases} <= {*expected}

    def test_overlapping_phrases_are_joined_from_left_to_right(self):
        assert join_phrases(["a", "a", "a"], {"a_a"}) == ["a_a", "a"]
        assert list_ngrams(join_phrases(["x", "a", "b", "y"], {"a_b"}), 2, 2) == ["x_a_b", "a_b_y"]

    def test_texts_in_order_have_their_phrases(self):
        rules = TokenRules(phrases=("new_york",))
        sequences = word_sequences(documents("York, New York city"), rules, Vocabulary(["new_york", "york"]))
        assert [sequence.tolist() for sequence in sequences] == [[1, 0, UNKNOWN]]


class TestVocabularies:
    def test_entries_of_several_words_match_ngrams(self):
        entries = ["new york", "blue-green", "covid-19", "the cat", "owls", "one owl hunts mice"]
        vocabulary, message = match_vocabulary(entries, TokenRules(ngrams=(1, 2)))
        assert vocabulary.words == ("new_york", "blue_green", "owls")
        assert message.startswith('"covid-19", "the cat", "one owl hunts mice" can never match')

    def test_their_written_form_matches_again(self):
        rules = TokenRules(ngrams=(1, 2), phrases=("new_york",))
        assert match_vocabulary(["new_york", "new_york_city", "owl"], rules)[0].words == (
            "new_york", "new_york_city", "owl"
        )  # fmt: skip


class TestCommands:
    @pytest.fixture
    def source(self, tmp_path):
        (tmp_path / "news.txt").write_text("\n".join(NEWS), encoding="utf-8")
        return tmp_path / "news.txt"

    def test_ngrams_of_a_corpus(self, source, tmp_path):
        run("corpus", "build", source, "--ngrams", "1-3", "--max-df", "1.0", "--out", tmp_path / "corpus")
        matrix = read_corpus(tmp_path / "corpus")
        assert {"york", "new_york", "old_city_new"} <= set(matrix.vocabulary)
        expected = count_words(documents(*NEWS), rules=TokenRules(ngrams=(1, 3)), max_df=1.0)
        assert set(matrix.vocabulary) == set(expected.vocabulary)
        assert matrix.n_tokens == expected.n_tokens

    def test_phrases_are_stored_with_the_model(self, source, tmp_path):
        model = tmp_path / "model"
        options = ("--units", 2, "--epochs", 1, "--max-df", "1.0", "--phrases")
        run("fit", source, *options, "--out", model, stderr='Learned 2 phrases: "los_angeles", "new_york".')
        assert load_model(model).token_rules.phrases == ("los_angeles", "new_york")
        (tmp_path / "new.txt").write_text("new york\nyork\n", encoding="utf-8")
        assert json.loads(run("perplexity", model, tmp_path / "new.txt", "--json").stdout)["tokens"] == 2

    def test_phrases_of_a_prepared_corpus(self, source, tmp_path):
        run("corpus", "build", source, source, "--phrases", "--max-df", "1.0", "--out", tmp_path / "corpus")
        assert "new_york" in read_corpus(tmp_path / "corpus").vocabulary

    def test_phrases_are_learned_from_the_training_documents_only(self, tmp_path):
        rest = [f"owl{number} cat" for number in range(40)]
        (tmp_path / "t.txt").write_text("\n".join([*NEWS, *rest]), encoding="utf-8")
        for seed in range(3):
            out = tmp_path / f"split{seed}"
            options = ("--held-out", "49", "--phrases", "--seed", seed, "--min-df", "1", "--max-df", "1.0")
            run("corpus", "build", tmp_path / "t.txt", *options, "--out", out)
            assert read_corpus(out / "train").rules.phrases == ()
            assert read_corpus(out / "test").rules.phrases == ()

    def test_with_a_vocabulary_they_are_learned_from_the_training_documents_only(self, tmp_path):
        lines = [*["owl cat"] * 8, *["mouse"] * 8]
        (tmp_path / "t.txt").write_text("\n".join(lines), encoding="utf-8")
        (tmp_path / "v.txt").write_text("owl\nmouse\n", encoding="utf-8")
        (tmp_path / "phrases.txt").write_text("owl_cat\nmouse\n", encoding="utf-8")
        all_phrases = set()
        for seed in range(6):
            out = tmp_path / f"split{seed}"
            options = ("--held-out", "8", "--seed", seed, "--out", out, "--vocabulary")
            run("corpus", "build", tmp_path / "t.txt", *options, tmp_path / "v.txt")
            n_owls = sum(counts.get("owl", 0) for counts in as_dicts(read_corpus(out / "train")))
            options = (*options, tmp_path / "phrases.txt", "--phrases", "--force")
            run("corpus", "build", tmp_path / "t.txt", *options)
            train, test = read_corpus(out / "train"), read_corpus(out / "test")
            assert train.rules.phrases == test.rules.phrases == (("owl_cat",) if n_owls >= 5 else ())
            assert (train.n_documents, test.n_documents) == (8, 8)
            all_phrases.add(train.rules.phrases)
        assert len(all_phrases) == 2
