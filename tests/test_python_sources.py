"""Texts and counts as Python programs have them: every kind gives the counts of the same list of texts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix, dok_array
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

import docnvil
from docnvil.errors import ConfigurationError, CorpusError, DocnvilWarning, VocabularyError

PETS = ["bone puppy leash dog bark", "purr whisker milk kitten cat"]
TEXTS = [" ".join(np.random.default_rng(n).choice(PETS[n % 2].split(), 12)) for n in range(40)]
ALL = {"max_df": 1.0, "min_df": 1}


class Dataset:
    """Has what `datasets.Dataset` of Hugging Face has: column names, and rows as dictionaries."""

    def __init__(self, **columns: list[Any]) -> None:
        self._columns = columns
        self.column_names = list(columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: values[row] for name, values in self._columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[row] for row in range(len(self)))


def polars_frame(**columns: Any) -> Any:
    return pytest.importorskip("polars").DataFrame(columns)


def arrow_table(**columns: Any) -> Any:
    return pytest.importorskip("pyarrow").table(columns)


SOURCES: dict[str, Callable[[list[str | None]], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda texts: (text for text in texts),
    "array": lambda texts: np.array(texts, dtype=object),
    "series": pd.Series,
    "series of text": lambda texts: pd.Series(texts, dtype="str"),
    "index": pd.Index,
    "frame": lambda texts: pd.DataFrame({"text": texts, "n": range(len(texts))}),
    "polars series": lambda texts: pytest.importorskip("polars").Series(texts),
    "polars frame": lambda texts: polars_frame(n=range(len(texts)), text=texts),
    "arrow table": lambda texts: arrow_table(text=texts),
    "dataset": lambda texts: Dataset(text=texts, label=[0] * len(texts)),
    "rows": lambda texts: [{"text": text} for text in texts],
    "documents": lambda texts: [docnvil.Document(str(row), text or "") for row, text in enumerate(texts, 1)],
    "documents, lazily": lambda texts: (docnvil.Document(str(row), text or "") for row, text in enumerate(texts, 1)),
}


@pytest.fixture(scope="module")
def expected() -> docnvil.DocumentTermMatrix:
    return docnvil.count_words([docnvil.Document(str(row), text) for row, text in enumerate(TEXTS, 1)], **ALL)


def same(one: docnvil.DocumentTermMatrix, other: docnvil.DocumentTermMatrix) -> bool:
    return one.vocabulary == other.vocabulary and (one.counts != other.counts).nnz == 0 and one.ids == tuple(other.ids)


class TestCountWords:
    @pytest.mark.parametrize("kind", SOURCES)
    def test_all_sources_give_the_same_counts(self, expected, kind):
        assert same(docnvil.count_words(SOURCES[kind](TEXTS), **ALL), expected)

    @pytest.mark.parametrize("kind", SOURCES)
    def test_a_missing_text_is_an_empty_document_and_told(self, kind):
        source = SOURCES[kind]([None, *TEXTS[:6]])
        if kind.startswith("documents"):
            assert docnvil.count_words(source, **ALL).empty.tolist() == [True] + [False] * 6
            return
        with pytest.warns(DocnvilWarning, match=r"1 document has no text .*(row|item) 1\.$"):
            assert docnvil.count_words(source, **ALL).empty.tolist() == [True] + [False] * 6

    @pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, np.nan])
    def test_all_missing_values_are_known(self, missing):
        with pytest.warns(DocnvilWarning, match=r"1 document has no text .*item 2"):
            assert docnvil.count_words(["cat dog", missing, "cat"], **ALL).empty.tolist() == [False, True, False]

    @pytest.mark.parametrize("make", [pd.DataFrame, lambda columns: polars_frame(**columns), lambda c: Dataset(**c)])
    def test_columns_of_frames(self, make):
        columns = {"key": ["a", "b"], "body": ["cat dog", "cat"], "group": ["x", "y"]}
        matrix = docnvil.count_words(make(columns), text_column="body", id_column="key", **ALL)
        assert (matrix.ids, dict(matrix.metadata)) == (("a", "b"), {"group": ("x", "y")})
        assert dict(matrix.reading) == {"text_column": "body", "id_column": "key"}
        with pytest.raises(CorpusError, match=r"row 1 has no column 'text'.*key, body, group.*text_column"):
            docnvil.count_words(make(columns))

    def test_an_id_column_is_used_and_row_numbers_start_at_1(self):
        frame = pd.DataFrame({"id": [7, 9], "text": ["cat", "dog"]}, index=[100, 200])
        assert docnvil.count_words(frame, **ALL).ids == ("7", "9")
        assert docnvil.count_words(frame["text"], **ALL).ids == ("1", "2")

    def test_lists_of_tokens_are_documents(self):
        matrix = docnvil.count_words([["cat", "dog"], ["cat"]], **ALL)
        assert (matrix.vocabulary.words, matrix.counts.toarray().tolist()) == (("cat", "dog"), [[1, 1], [1, 0]])

    @pytest.mark.parametrize("form", [np.array, csr_array, csr_matrix, coo_array, dok_array, pd.DataFrame, list])
    def test_matrices_are_converted(self, form):
        counts = np.array([[2, 0], [1, 3]])
        matrix = docnvil.count_words(form(counts), vocabulary=["cat", "dog"])
        assert (matrix.vocabulary.words, matrix.counts.toarray().tolist()) == (("cat", "dog"), counts.tolist())

    def test_a_matrix_is_aligned(self, expected):
        assert docnvil.count_words(expected) is expected
        assert docnvil.count_words(expected, vocabulary=["cat"]).vocabulary.words == ("cat",)

    def test_no_documents(self):
        for source in ([], (text for text in ()), pd.Series([], dtype=object)):
            with pytest.raises(CorpusError, match="no documents"):
                docnvil.count_words(source)


class TestGensim:
    BAGS = ([(0, 2), (2, 1)], [], [(1, 4)])

    @pytest.mark.parametrize("form", [list, iter, lambda bags: [[list(pair) for pair in bag] for bag in bags]])
    def test_bags_of_words(self, form):
        matrix = docnvil.count_words(form(self.BAGS), vocabulary={"cat": 0, "dog": 1, "owl": 2, "yak": 3})
        assert matrix.counts.toarray().tolist() == [[2, 0, 1, 0], [0, 0, 0, 0], [0, 4, 0, 0]]
        assert matrix.vocabulary.words == ("cat", "dog", "owl", "yak")

    def test_a_dictionary_and_its_bags(self, expected, tmp_path):
        corpora = pytest.importorskip("gensim.corpora")
        tokens = [text.split() for text in TEXTS]
        dictionary = corpora.Dictionary(tokens)
        bags = [dictionary.doc2bow(each) for each in tokens]
        corpora.MmCorpus.serialize(str(tmp_path / "a.mm"), bags)
        for corpus in (bags, iter(bags), corpora.MmCorpus(str(tmp_path / "a.mm"))):
            matrix = docnvil.count_words(corpus, vocabulary=dictionary)
            assert same(docnvil.align_vocabulary(matrix, expected.vocabulary), expected)
        model = docnvil.fit(bags, docnvil.Settings(units=(2,), epochs=2), vocabulary=dictionary)
        assert set(model.vocabulary) == set(expected.vocabulary)
        assert np.array_equal(model.transform(bags), model.transform(docnvil.count_words(bags, vocabulary=dictionary)))

    @pytest.mark.parametrize(
        ("bags", "vocabulary", "message"),
        [
            ([[(0, 1)], [(5, 1)]], ["cat"], "have a word 5, and the vocabulary has 1 word"),
            ([[(0, 1)], ["cat"]], None, "Item 2 is .*not a list of pairs"),
            ([[(-1, 1)]], None, "negative word number"),
            ([[(0, 0.5)]], None, "contains 0.5"),
            ([[(2**70, 1)]], None, "Item 1 is .*not a list of pairs"),
            ([[(0, 10**400)]], None, "Item 1 is .*not a list of pairs"),
            ([[(0, float("inf"))]], None, "contains inf"),
            ([[(0, 1e20)]], None, r"total count of 1e\+20"),
        ],
    )
    def test_other_bags_are_refused(self, bags, vocabulary, message):
        with pytest.raises((CorpusError, VocabularyError), match=message):
            docnvil.count_words(bags, vocabulary=vocabulary)


class TestWrongTypes:
    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("posts.csv", r"one string.*docnvil\.load_document_term_matrix\('posts.csv'\), or give a list"),
            (Path("posts"), "docnvil.load_document_term_matrix"),
            (b"text", "bytes. Decode"),
            ({"a b", "c"}, "A set has no order"),
            ({"train": Dataset(text=["a"]), "test": Dataset(text=["b"])}, r"dictionary of data sets.*\['train'\]"),
            ({"a": "text"}, "Give its values as a list"),
            (5, "int is not a source of documents. Give texts"),
            (["a text", 5], "Item 2 is 5, which is not a text"),
            ([("id", "text")], "Item 1 is .* not a text"),
            (pd.DataFrame({"text": ["cat", 5]}), "row 2 has 5 in the column 'text'"),
        ],
    )
    def test_the_message_names_what_to_do(self, source, message):
        with pytest.raises(CorpusError, match=message) as error:
            docnvil.count_words(source)
        assert "--" not in str(error.value)
        with pytest.raises((CorpusError, ValueError)):
            docnvil.fit(source)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: list(docnvil.read_documents(TEXTS)), "list is not a path.*docnvil.count_words"),
            (lambda: docnvil.load_document_term_matrix(TEXTS), "list is not a path.*docnvil.count_words"),
            (lambda: docnvil.read_counts(np.eye(2), "npz"), "ndarray is not a path.*docnvil.count_words"),
            (lambda: docnvil.tokenize(TEXTS, docnvil.TokenRules()), "list is not a text.*docnvil.count_words"),
            (lambda: docnvil.split_documents(TEXTS, 0.1, np.random.default_rng(0)), "docnvil.count_words"),
            (lambda: docnvil.align_vocabulary(np.eye(2), None), "docnvil.count_words"),
            (lambda: docnvil.write_corpus(TEXTS, "corpus"), "docnvil.count_words"),
            (lambda: docnvil.write_counts(np.eye(2), "a.npz", "npz"), "docnvil.count_words"),
            (lambda: docnvil.save("model", TEXTS), r"docnvil.save\(model, path\)"),
            (lambda: docnvil.load(TEXTS), r"docnvil.load\(path\)"),
            (lambda: docnvil.fit([["a", 1]]), "which is not a text. Give strings"),
            (lambda: docnvil.fit([[1, "a"]]), "which is not a text. Give strings"),
        ],
    )
    def test_other_functions_name_the_right_one(self, call, message):
        with pytest.raises((CorpusError, ConfigurationError), match=message):
            call()

    def test_a_lazy_frame(self):
        polars = pytest.importorskip("polars")
        with pytest.raises(CorpusError, match=r"lazy. Call collect\(\)"):
            docnvil.count_words(polars.LazyFrame({"text": ["cat"]}))

    def test_words_that_are_none(self):
        for vocabulary, message in (("words.txt", "Vocabulary.load"), ({"cat": 3}, "not 0 to 0"), ({"cat"}, "a set")):
            with pytest.raises(VocabularyError, match=message):
                docnvil.count_words(TEXTS, vocabulary=vocabulary)
        with pytest.raises(ConfigurationError, match="Fit it first"):
            docnvil.count_words(TEXTS, vocabulary=CountVectorizer())


class TestModels:
    SETTINGS = docnvil.Settings(units=(2,), epochs=2)

    @pytest.mark.parametrize("kind", ["list", "generator", "series", "frame", "polars frame", "dataset"])
    def test_a_model_of_texts_takes_texts(self, kind):
        matrix = docnvil.count_words(TEXTS, max_df=1.0)
        counted = docnvil.fit(matrix, self.SETTINGS)
        model = docnvil.fit(SOURCES[kind](TEXTS), self.SETTINGS, vocabulary=matrix.vocabulary)
        assert model.token_rules == counted.token_rules
        probabilities = model.transform(SOURCES[kind](TEXTS[:5]))
        assert probabilities == pytest.approx(counted.transform(matrix)[:5], rel=1e-5)
        assert model.evaluate(TEXTS) == counted.evaluate(matrix)
        estimator = docnvil.DocNVIL(2, epochs=2, vocabulary=matrix.vocabulary).fit(SOURCES[kind](TEXTS))
        assert np.array_equal(estimator.transform(SOURCES[kind](TEXTS[:5])), probabilities)
        assert estimator.perplexity(SOURCES[kind](TEXTS)) == counted.evaluate(matrix).perplexity_per_word

    def test_the_column_of_the_texts_is_remembered(self, tmp_path):
        frame = pd.DataFrame({"body": TEXTS, "n": range(40)})
        model = docnvil.fit(frame, self.SETTINGS, text_column="body", validation=frame[:5])
        docnvil.save(model, tmp_path / "model")
        loaded = docnvil.load(tmp_path / "model")
        assert np.array_equal(loaded.transform(frame), model.transform(TEXTS))
        estimator = docnvil.DocNVIL(2, epochs=2, text_column="body").fit(frame)
        assert estimator.transform(frame).shape == (40, 2)

    def test_texts_and_rows_without_the_column_of_ids_are_numbered(self):
        frame = pd.DataFrame({"body": TEXTS, "n": range(40)})
        model = docnvil.fit(docnvil.count_words(frame, text_column="body", id_column="n"), self.SETTINGS)
        expected = model.transform(frame)
        rows = [{"body": text} for text in TEXTS]
        for source in (TEXTS, iter(TEXTS), frame[["body"]], rows, iter(rows)):
            assert np.array_equal(model.transform(source), expected)
        with pytest.raises(CorpusError, match="no column 'n' for the id"):
            docnvil.count_words(TEXTS, id_column="n")

    def test_options_of_a_source_have_names(self, tmp_path):
        path = tmp_path / "speeches.csv"
        pd.DataFrame({"nr": range(40), "body": TEXTS}).to_csv(path, index=False)
        options = {"text_column": "body", "id_column": "nr"}
        documents = list(docnvil.read_documents(path, **options))
        assert [document.text for document in documents] == TEXTS
        assert docnvil.load_document_term_matrix(path, **options).ids == tuple(map(str, range(40)))
        for read in (docnvil.read_documents, docnvil.load_document_term_matrix):
            with pytest.raises(ConfigurationError, match=r"no option 'textcolumn'\. Choose from format, text_column"):
                read(path, textcolumn="body")

    def test_a_model_of_counts_has_no_rules_for_texts(self):
        model = docnvil.fit(docnvil.count_words(TEXTS).counts, self.SETTINGS)
        with pytest.raises(CorpusError, match=r"no rules to count texts by.*docnvil\.count_words"):
            model.transform(TEXTS)

    def test_frames_of_counts_name_their_words(self):
        matrix = docnvil.count_words(TEXTS, **ALL)
        frame = pd.DataFrame(matrix.counts.toarray(), columns=list(matrix.vocabulary))
        assert docnvil.fit(frame, self.SETTINGS).vocabulary == matrix.vocabulary
        with pytest.raises(VocabularyError, match=r"has 1 word. Give one per column"):
            docnvil.fit(frame, self.SETTINGS, vocabulary=["cat"])

    def test_a_progress_bar_is_shown_if_asked(self, capsys):
        docnvil.DocNVIL(2, epochs=2).fit(TEXTS)
        assert "epoch" not in capsys.readouterr().err
        docnvil.DocNVIL(2, epochs=2, verbose=True).fit(TEXTS)
        assert "epoch 2/2" in capsys.readouterr().err


class TestPipelines:
    WORDS = sorted({word for text in PETS for word in text.split()})

    def test_the_words_of_a_vectorizer_are_kept(self):
        vectorizer = CountVectorizer()
        pipeline = Pipeline([("count", vectorizer), ("model", docnvil.DocNVIL(2, epochs=2, vocabulary=vectorizer))])
        model = pipeline.fit(TEXTS)["model"]
        assert list(model.vocabulary_) == self.WORDS
        assert {word for words in model.top_words() for word in words} <= set(self.WORDS)
        assert pipeline.transform(TEXTS).shape == (40, 2)
        by_function = docnvil.DocNVIL(2, epochs=2, vocabulary=vectorizer.get_feature_names_out)
        assert list(make_pipeline(vectorizer, by_function).fit(TEXTS)[-1].vocabulary_) == self.WORDS

    def test_a_fixed_vocabulary_is_kept_by_clones(self):
        pipeline = Pipeline(
            [
                ("count", CountVectorizer(vocabulary=self.WORDS)),
                ("model", docnvil.DocNVIL(2, epochs=1, vocabulary=self.WORDS)),
            ]
        )
        search = GridSearchCV(pipeline, {"model__n_components": [2, 3]}, cv=2).fit(TEXTS)
        assert list(search.best_estimator_["model"].vocabulary_) == self.WORDS
        assert list(clone(pipeline).fit(TEXTS)["model"].vocabulary_) == self.WORDS

    def test_words_are_named_after_fitting(self, tmp_path):
        pipeline = make_pipeline(CountVectorizer(), docnvil.DocNVIL(2, epochs=2)).fit(TEXTS)
        model = pipeline[-1]
        assert model.vocabulary_.is_numbered
        with pytest.raises(VocabularyError, match="has 10 columns, and there are 1 word"):
            model.name_words(["cat"])
        assert list(model.name_words(pipeline[:-1].get_feature_names_out()).vocabulary_) == self.WORDS
        model.save(tmp_path / "model")
        assert list(docnvil.load(tmp_path / "model").vocabulary) == self.WORDS

    def test_a_vectorizer_of_a_clone_is_not_fitted(self):
        vectorizer = CountVectorizer()
        pipeline = clone(make_pipeline(vectorizer, docnvil.DocNVIL(2, epochs=2, vocabulary=vectorizer)))
        with pytest.raises(ConfigurationError, match="Fit it first"):
            pipeline.fit(TEXTS)


def test_matrices_are_shown_in_one_short_line():
    matrix = docnvil.count_words([f"{'word' * 30}{chr(97 + n)} same" for n in range(26)] * 30, **ALL)
    assert len(repr(matrix)) < 100
    assert "\n" not in repr(matrix)
    assert len(repr(matrix.vocabulary)) < 200
