"""A training that has not given a usable model says so: in Python, on stderr, in --json, in its folder and report."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from commands import run
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

import docnvil
from docnvil.errors import DocnvilWarning

PETS = {0: "bone puppy leash dog bark", 1: "purr whisker milk kitten cat"}
GERMAN = """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er
    hat dass sie nach wird bei einer um am sind noch wie einem über so zum war haben nur oder aber vor zur bis"""
CLAUSES = ["天气很好我们去公园散步", "性价比高早餐安静干净", "前台热情服务下次还会来", "位置方便停车便宜推荐"]


def texts_of_pets(n_documents: int) -> list[str]:
    generator = np.random.default_rng(0)
    return [" ".join(generator.choice(PETS[n % 2].split(), 12)) for n in range(n_documents)]


def fit_texts(folder: Path, texts: list[str], *options: object) -> tuple[dict[str, Any], Result]:
    (folder / "texts.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    command = ("fit", folder / "texts.txt", "--out", folder / "model", "--json", *options)
    result = run(*command)
    return json.loads(result.stdout), result


def only(texts: list[str], part: str) -> str:
    (found,) = (text for text in texts if part in text)
    return found


def test_a_good_model_has_no_warnings(tmp_path):
    values, result = fit_texts(tmp_path, texts_of_pets(200), "--units", 2, "--epochs", 40, "--max-df", "1.0")
    assert values["warnings"] == []
    assert "Warning" not in result.stderr
    assert docnvil.load(tmp_path / "model").warnings == ()


def test_batches_larger_than_the_corpus(tmp_path):
    options = ("--max-df", "1.0", "--epochs", 3, "--units", 2, "--force")
    values, _ = fit_texts(tmp_path, texts_of_pets(60), *options, "--recipe", "large-batch")
    assert "so there were only 3 updates. Use a smaller --batch-size" in only(values["warnings"], "A batch is 5,000")
    values, _ = fit_texts(tmp_path, texts_of_pets(60), *options)
    assert not any("A batch is" in text for text in values["warnings"])


@pytest.mark.parametrize("n_documents", [8, 1])
def test_few_documents(tmp_path, n_documents):
    options = ("--min-df", 1, "--max-df", "1.0", "--epochs", 3)
    values, result = fit_texts(tmp_path, texts_of_pets(n_documents), *options)
    text = only(values["warnings"], "too few for a topic model. Use some hundred or more")
    assert f"only {n_documents} document" in text
    assert f"Warning: {text}" in result.stderr
    only(values["warnings"], "50 of 50 units are dead")
    run_values = json.loads((tmp_path / "model" / "run.json").read_text(encoding="utf-8"))
    assert run_values["warnings"] == values["warnings"]
    run("report", tmp_path / "model", "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(text in page for text in values["warnings"] if "'" not in text)


def test_a_number_of_units_that_fits_is_named(tmp_path):
    options = ("--max-df", "1.0", "--epochs", 2, "--units", 9)
    values, _ = fit_texts(tmp_path, texts_of_pets(60), *options)
    text = only(values["warnings"], "few for")
    assert "60 documents with words are few for 9 units. 3 of them were not started. Use at most --units 6" in text
    assert "Use at most units 6" in only(list(docnvil.load(tmp_path / "model").warnings), "few for")
    values, _ = fit_texts(tmp_path, texts_of_pets(60), "--max-df", "1.0", "--epochs", 2, "--units", 6, "--force")
    assert not any("few for" in text for text in values["warnings"])


@pytest.mark.parametrize("min_df", [1, 2])
def test_clauses_of_a_script_without_spaces(tmp_path, min_df):
    generator = np.random.default_rng(0)
    reviews = ["，".join("".join(generator.permutation(list(clause))) for clause in CLAUSES) for _ in range(60)]
    reviews += ["很好，推荐"] * 3  # the only words in several documents
    values, _ = fit_texts(tmp_path, reviews, "--min-df", min_df, "--units", 2, "--epochs", 2)
    assert "without spaces between words" in only(values["warnings"], "--tokenizer")
    if min_df == 2:
        only(values["warnings"], "60 of 63 documents are empty")


def test_words_with_spaces_in_such_a_script_are_fine(tmp_path):
    generator = np.random.default_rng(0)
    words = ["天气", "公园", "散步", "早餐", "安静", "干净"]
    texts = [" ".join(generator.choice(words[3 * (n % 2) :][:3], 10)) for n in range(100)]
    values, _ = fit_texts(tmp_path, texts, "--max-df", "1.0", "--units", 2, "--epochs", 2)
    assert not any("spaces" in text for text in values["warnings"])


def test_texts_that_are_not_split(tmp_path):
    texts = [text.replace(" ", "") for text in texts_of_pets(40)] * 2
    values, _ = fit_texts(tmp_path, texts, "--units", 2, "--epochs", 2)
    assert "not split into words" in only(values["warnings"], "more than 15 letters")


@pytest.mark.parametrize(("stop_words", "warns"), [("english", True), ("german", False), ("none", False)])
def test_stop_words_of_another_language(tmp_path, stop_words, warns):
    generator = np.random.default_rng(0)
    nouns = [f"{first}{last}" for first in ("haus", "garten", "berg", "stadt", "buch") for last in "abcdefghijkl"]
    texts = [" ".join([*generator.choice(GERMAN.split(), 20), *generator.choice(nouns, 10)]) for _ in range(60)]
    options = ("--max-df", "1.0", "--stop-words", stop_words, "--units", 2, "--epochs", 2)
    values, _ = fit_texts(tmp_path, texts, *options)
    found = [text for text in values["warnings"] if "German stop words" in text]
    assert len(found) == warns
    assert all("Pass --stop-words german." in text for text in found)


def test_a_prepared_corpus_and_a_matrix_warn_alike(tmp_path):
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in texts_of_pets(8)))
    run("corpus", "build", tmp_path / "texts.txt", "--max-df", "1.0", "--out", tmp_path / "corpus")
    from_corpus = json.loads(run("fit", tmp_path / "corpus", "--epochs", 1, "--out", tmp_path / "m", "--json").stdout)
    with pytest.warns(DocnvilWarning, match="only 8 documents with words"):
        model = docnvil.fit(docnvil.read_corpus(tmp_path / "corpus").counts, docnvil.Settings(epochs=1))
    assert [text.replace("--", "") for text in from_corpus["warnings"]] == list(model.warnings)


def test_a_mostly_empty_matrix(tmp_path):
    counts = np.zeros((100, 4), dtype=int)
    counts[:30] = [[5, 0, 3, 0], [0, 4, 0, 2]] * 15
    with pytest.warns(DocnvilWarning, match="70 of 100 documents are empty. Check that the rows"):
        docnvil.fit(counts, docnvil.Settings(units=(2,), epochs=1))


class TestFractions:
    def fit(self, matrix: Any, how: str) -> Any:
        if how == "estimator":
            return docnvil.DocNVIL(2, epochs=2, random_state=0).fit(matrix)
        return docnvil.fit(matrix, docnvil.Settings(units=(2,), epochs=2))

    @pytest.mark.parametrize("how", ["estimator", "function"])
    @pytest.mark.parametrize(
        "weigh",
        [
            lambda texts: TfidfVectorizer().fit_transform(texts),
            lambda texts: TfidfTransformer(use_idf=False).fit_transform(CountVectorizer().fit_transform(texts)),
            lambda texts: np.log1p(CountVectorizer().fit_transform(texts).toarray()),
            lambda texts: CountVectorizer().fit_transform(texts) / 2,
        ],
    )
    def test_weights_are_told_with_the_remedy(self, how, weigh):
        with pytest.warns(DocnvilWarning, match="entries are not integers.*CountVectorizer instead"):
            self.fit(weigh(texts_of_pets(40)), how)

    @pytest.mark.parametrize("how", ["estimator", "function"])
    @pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64, bool])
    def test_counts_of_any_type_are_not(self, how, dtype):
        counts = CountVectorizer().fit_transform(texts_of_pets(40)).astype(dtype)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*not integers")
            self.fit(counts, how)

    def test_new_weights_are_told_too(self):
        texts = texts_of_pets(40)
        model = self.fit(CountVectorizer().fit_transform(texts), "function")
        with pytest.warns(DocnvilWarning, match="not integers"):
            model.evaluate(TfidfVectorizer().fit_transform(texts))
