"""Wrong arguments of the library give a `DocnvilError`, not an error of NumPy or torch, and no plausible result."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import docnvil
from docnvil.errors import ConfigurationError, CorpusError, DocnvilError, VocabularyError

TABLE = np.kron(np.eye(2, dtype=int), np.full((30, 5), 3))
NOT_WHOLE = [-1, 1.5, "a", None, True, float("nan")]


@pytest.fixture(scope="module")
def model():
    return docnvil.fit(TABLE, docnvil.Settings(units=(3,), epochs=30, batch_size=10, prior="mixture", themes=2))


@pytest.fixture(scope="module")
def matrix():
    return docnvil.count_words(TABLE)


@pytest.mark.parametrize("number", NOT_WHOLE, ids=repr)
def test_numbers_of_words_units_and_samples_are_whole(number, model, matrix):
    estimator = docnvil.DocNVIL(n_components=3)
    estimator.model_ = model
    attribution = next(iter(model.explain(TABLE[:1])))
    adapter = docnvil.adapt_topic_model(model)
    lengths = TABLE.sum(1).astype(float)
    labeled = replace(matrix, metadata={"label": ("x", "y") * 30})

    def compare(**options):
        next(docnvil.compare_models([], matrix, matrix.counts, matrix.counts, **options))

    calls = {
        "top_n": [
            lambda: model.topics(number),
            lambda: model.top_words(number),
            lambda: model.unit_tree(number),
            lambda: model.unit_graph(TABLE, top_n=number),
            lambda: model.theme_topics(number),
            lambda: adapter.words(number),
            lambda: estimator.topics(number),
            lambda: estimator.top_words(number),
            lambda: estimator.theme_topics(number),
        ],
        "edges_per_unit": [lambda: model.unit_graph(TABLE, edges_per_unit=number)],
        "top_units": [lambda: model.document_table(matrix, top_units=number)],
        "n_samples": [
            lambda: model.evaluate(TABLE, n_samples=number),
            lambda: model.effects(labeled, by=["label"], n_samples=number),
        ],
        "n_draws": [lambda: model.effects(labeled, by=["label"], n_draws=number)],
        "temperatures": [lambda: model.evaluate(TABLE, bound="annealed", temperatures=number)],
        "n_resamples": [lambda: docnvil.bootstrap_intervals(-lengths, lengths, n_resamples=number)],
        "window": [lambda: docnvil.c_v([[0, 1]], [np.array([0, 1])], window=number)],
        "seed": [
            lambda: model.evaluate(TABLE, seed=number),
            lambda: model.outliers(TABLE, seed=number),
            lambda: docnvil.bootstrap_intervals(-lengths, lengths, seed=number),
            lambda: docnvil.merge_units(model, [0, 1], seed=number),
            lambda: compare(seed=number),
        ],
        "n_components": [lambda: compare(n_components=number)],
        "threads": [lambda: compare(threads=number)],
    }
    if number is not None:
        calls["top_n"] += [lambda: attribution.top_words(0, number), lambda: attribution.top_causes(0, number)]
    for name, functions in calls.items():
        for function in functions:
            with pytest.raises(ConfigurationError, match=f"{name} is .*Give a whole number of [012] or more"):
                function()


def test_zero_words_are_none_and_numpy_integers_are_numbers(model):
    assert model.top_words(0) == [[], [], []]
    assert model.top_words(np.int64(2)) == model.top_words(2)


@pytest.mark.parametrize("unit", [-1, 3, 1.5, "a", None, True], ids=repr)
def test_units_that_do_not_exist_are_refused(unit, model):
    attribution = next(iter(model.explain(TABLE[:1])))
    for call in (
        lambda: model.unit_label(unit),
        lambda: attribution.top_words(unit),
        lambda: attribution.top_causes(unit),
        lambda: docnvil.drop_units(model, [unit]),
        lambda: docnvil.merge_units(model, [0, unit]),
    ):
        with pytest.raises(ConfigurationError, match=r"does not exist. The first layer has the units 0 to 2"):
            call()


class TestCoherence:
    @pytest.mark.parametrize("word", [-1, 0.5, "cat"], ids=repr)
    def test_listed_words_are_columns(self, word):
        for call in (lambda: docnvil.npmi([[0, word]], TABLE), lambda: docnvil.c_v([[0, word]], [np.array([0, -1])])):
            with pytest.raises(VocabularyError, match=r"is listed as a word. Give the numbers of columns, 0 "):
                call()
        with pytest.raises(VocabularyError, match=r"10 is listed as a word. Give the numbers of columns, 0 to 9"):
            docnvil.npmi([[0, 10]], TABLE)

    def test_counts_of_any_form_give_the_same(self, matrix):
        for counts in (TABLE.tolist(), TABLE.astype(np.int8), sparse.coo_array(TABLE), matrix):
            assert docnvil.npmi([[0, 1], [0, 5]], counts).round(3).tolist() == [1.0, -0.95]

    def test_other_counts_are_refused(self):
        for counts in (-TABLE, TABLE[0], [["a"]]):
            with pytest.raises(CorpusError):
                docnvil.npmi([[0, 1]], counts)


class TestUnigramPerplexity:
    def test_counts_of_any_form_give_the_same(self, matrix):
        for counts in (
            TABLE,
            TABLE.tolist(),
            TABLE.astype(np.int8),
            sparse.coo_array(TABLE),
            sparse.csr_array(TABLE),
            matrix,
        ):
            assert docnvil.unigram_perplexity([1] * 10, counts).perplexity_per_word == pytest.approx(10)

    @pytest.mark.parametrize(
        ("frequency", "counts", "options", "error"),
        [
            (np.ones(9), TABLE, {}, VocabularyError),
            (np.ones((1, 10)), TABLE, {}, VocabularyError),
            (-np.ones(10), TABLE, {}, ConfigurationError),
            (np.full(10, np.nan), TABLE, {}, ConfigurationError),
            (np.zeros(10), TABLE, {"pseudo_count": 0}, ConfigurationError),
            (np.ones(10), TABLE, {"pseudo_count": -5}, ConfigurationError),
            (np.ones(10), TABLE, {"pseudo_count": np.nan}, ConfigurationError),
            (np.ones(10), -TABLE, {}, CorpusError),
            (np.ones(10), TABLE / 7, {}, CorpusError),
            (np.ones(10), np.ma.array(TABLE), {}, CorpusError),
        ],
    )
    def test_wrong_numbers_are_refused(self, frequency, counts, options, error):
        with pytest.raises(error):
            docnvil.unigram_perplexity(frequency, counts, **options)


def test_bootstrap_takes_lists_and_refuses_arrays_of_other_lengths():
    assert docnvil.bootstrap_intervals([-1.0], [2.0]).resamples == 2000
    for lengths in (np.ones(2), np.ones((3, 1))):
        with pytest.raises(ConfigurationError, match="Give one number per document in each"):
            docnvil.bootstrap_intervals(np.ones(3), lengths)


@pytest.mark.parametrize("held_out", [True, "a", None, -1, 0, 1.0, float("nan"), np.float32(2), 60], ids=repr)
def test_impossible_numbers_of_held_out_documents_are_refused(held_out, matrix):
    with pytest.raises(ConfigurationError):
        docnvil.split_documents(matrix, held_out, np.random.default_rng(0))


@pytest.mark.parametrize(("held_out", "size"), [(np.float32(0.25), 15), (np.int64(7), 7), (0.5, 30)])
def test_numbers_of_numpy_hold_documents_out(held_out, size, matrix):
    assert docnvil.split_documents(matrix, held_out, np.random.default_rng(0))[1].n_documents == size


def test_values_of_other_classes_are_named(model, matrix):
    for call, message in (
        (lambda: docnvil.fit(TABLE, "default"), r"settings is 'default'. Write docnvil.fit\(counts, docnvil.Settings"),
        (
            lambda: docnvil.drop_units(matrix, [0]),
            "DocumentTermMatrix is not a FittedModel. Train one with",
        ),
        (lambda: docnvil.continue_fit(matrix, TABLE), "DocumentTermMatrix is not a FittedModel"),
        (lambda: docnvil.DocumentTermMatrix([[1]], ["cat"], ("1",)), r"of type list. Make one with docnvil.Vocabulary"),
        (lambda: docnvil.unigram_perplexity(np.ones(10), "text"), "The matrix is not a 2-D array of numbers"),
        (lambda: docnvil.split_documents(matrix, 0.5, 0), r"generator is 0. Give .*default_rng\(0\)"),
    ):
        with pytest.raises(DocnvilError, match=message):
            call()


def test_a_vocabulary_can_be_a_list_of_words():
    counted = docnvil.count_words(["cat owl", "cat"], vocabulary=["cat", "owl"])
    assert docnvil.align_vocabulary(counted, ["owl", "yak"]).counts.toarray().tolist() == [[1, 0], [0, 0]]
