"""Functions that users name as tokenizers: segmenters and lemmatizers, and what a saved model does with them."""

import json
import sys

import pytest
from commands import run

from docnvil.errors import ConfigurationError, DocnvilWarning, MissingDependencyError
from docnvil.storage.model_folder import load_model
from docnvil.text.counts import count_words
from docnvil.text.documents import Document
from docnvil.text.tokens import Tokenizer, TokenRules, tokenize

MODULE = """
import re
def split(text):
    return re.findall(r"[A-Za-z+#]+|❤️|[.]", text)
def lemmas(text):
    return (word.rstrip("s") for word in text.split())
class Splitter:
    @staticmethod
    def split(text):
        return text.split("|")
def one_string(text):
    return text
def numbers(text):
    return [1]
imported = True
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> str:
    """The name of a module with tokenizers, which is not imported yet."""
    (tmp_path / "own_words.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_words", raising=False)
    return "own_words"


class TestRules:
    def test_tokens_are_lower_cased_and_filtered(self, module):
        rules = TokenRules(tokenizer=f"{module}:split")
        assert tokenize("The C++ Owls. ❤️ x", rules) == ["c++", "owls", "❤"]
        assert tokenize("The Owls", TokenRules(tokenizer=f"{module}:split", lowercase=False)) == ["The", "Owls"]

    def test_iterators_and_methods_work(self, module):
        assert tokenize("owls mice", TokenRules(tokenizer=f"{module}:lemmas")) == ["owl", "mice"]
        assert tokenize("New York|owl\n nest", TokenRules(tokenizer=f"{module}:Splitter.split")) == [
            "new york",
            "owl nest",
        ]

    @pytest.mark.parametrize("function", ["one_string", "numbers"])
    def test_other_results_are_refused(self, module, function):
        with pytest.raises(ConfigurationError, match=rf"own_words:{function} must return a list of strings"):
            tokenize("a text", TokenRules(tokenizer=f"{module}:{function}"))

    def test_missing_modules_and_functions_are_named(self, module):
        with pytest.raises(MissingDependencyError, match="not_a_module:cut cannot be imported"):
            Tokenizer(TokenRules(tokenizer="not_a_module:cut"))
        with pytest.raises(ConfigurationError, match="own_words has no function 'cut'"):
            Tokenizer(TokenRules(tokenizer=f"{module}:cut"))

    @pytest.mark.parametrize("name", ["a:b:c", "a b:c", ":c", "a:", "os.system", "a:b()"])
    def test_names_that_are_no_functions_are_refused(self, name):
        with pytest.raises(ConfigurationError, match=r"package\.module:function"):
            TokenRules(tokenizer=name)


class TestSavedModels:
    @pytest.fixture
    def texts(self, tmp_path):
        path = tmp_path / "texts.txt"
        path.write_text("owls mice\ncats dogs\n" * 10, encoding="utf-8")
        return path

    @pytest.fixture
    def model(self, module, texts, tmp_path):
        name = f"{module}:lemmas"
        run(
            "fit",
            texts,
            "--units",
            2,
            "--epochs",
            1,
            "--max-df",
            "1.0",
            "--tokenizer",
            name,
            "--out",
            tmp_path / "model",
        )
        assert json.loads((tmp_path / "model" / "model.json").read_text())["tokens"]["tokenizer"] == name
        del sys.modules[module]
        return tmp_path / "model"

    def test_loading_imports_nothing(self, model, module):
        rules = load_model(model).token_rules
        run("topics", model)
        assert module not in sys.modules
        with pytest.raises(ConfigurationError, match="imported only if you name it"):
            Tokenizer(rules)

    def test_new_texts_need_the_name_again(self, model, texts, module, tmp_path):
        run("perplexity", model, texts, status=1, stderr=f"pass --tokenizer {module}:lemmas")
        assert module not in sys.modules
        values = json.loads(run("perplexity", model, texts, "--tokenizer", f"{module}:lemmas", "--json").stdout)
        assert values["tokens"] == 40
        run("embed", model, texts, "--tokenizer", f"{module}:lemmas", "--out", tmp_path / "units.csv")

    def test_another_name_is_refused(self, model, texts):
        result = run("perplexity", model, texts, "--tokenizer", "textwrap:wrap", status=1)
        assert "split by own_words:lemmas, not by textwrap:wrap" in result.stderr

    def test_a_model_without_a_function_refuses_one(self, texts, tmp_path):
        run("fit", texts, "--units", 2, "--epochs", 1, "--max-df", "1.0", "--out", tmp_path / "plain")
        result = run("perplexity", tmp_path / "plain", texts, "--tokenizer", "textwrap:wrap", status=1)
        assert "split by the token pattern" in result.stderr

    def test_python_names_it_when_loading(self, model, module):
        rules = load_model(model, tokenizer=f"{module}:lemmas").token_rules
        assert tokenize("owls", rules) == ["owl"]

    def test_workers_import_it(self, module, texts, tmp_path):
        run(
            "corpus", "build", texts, "--max-df", "1.0", "--tokenizer", f"{module}:lemmas", "--out", tmp_path / "corpus"
        )
        assert (tmp_path / "corpus" / "vocabulary.txt").read_text().split() == ["cat", "dog", "mice", "owl"]


class TestSegmenters:
    def test_chinese_with_rjieba(self):
        pytest.importorskip("rjieba", reason="rjieba is not installed")
        rules = TokenRules(tokenizer="rjieba:cut", stop_words=("很", "去", "我们"), min_length=1)
        assert tokenize("今天天气很好，我们去公园散步。", rules) == ["今天天气", "好", "公园", "散步"]

    def test_japanese_with_budoux(self, tmp_path, monkeypatch):
        pytest.importorskip("budoux", reason="budoux is not installed")
        (tmp_path / "japanese_words.py").write_text(
            "import json\nfrom importlib.resources import files\nfrom budoux.parser import Parser\n"
            "split = Parser(json.loads(files('budoux').joinpath('models/ja_word.json').read_text())).parse\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        rules = TokenRules(tokenizer="japanese_words:split", stop_words=("この",))
        assert tokenize("この家はとても古いので、買いません。", rules) == ["とても", "古い", "ので", "買い", "ませ"]

    def test_segmented_text_gives_no_warning_and_other_text_does(self):
        pytest.importorskip("rjieba", reason="rjieba is not installed")
        documents = [Document("1", "今天天气很好，我们去公园散步。"), Document("2", "公园今天天气不好")]
        limits = {"min_df": 1, "max_df": 1.0}
        matrix = count_words(documents, rules=TokenRules(tokenizer="rjieba:cut"), **limits)
        assert {"公园", "散步", "今天天气"} <= set(matrix.vocabulary)
        with pytest.warns(DocnvilWarning, match="rjieba:cut for Chinese"):
            count_words(documents, rules=TokenRules(), **limits)


def test_texts_are_compared_with_a_prepared_corpus(module, tmp_path, monkeypatch):
    monkeypatch.setattr("docnvil.comparison.runner.compare_models", lambda *models, **settings: iter(()))
    path, corpus = tmp_path / "texts.txt", tmp_path / "corpus"
    path.write_text("owls mice\ncats dogs\n" * 10, encoding="utf-8")
    run("corpus", "build", path, "--tokenizer", f"{module}:lemmas", "--max-df", "1.0", "--out", corpus)
    del sys.modules[module]
    arguments = ("compare", corpus, path, "--tokenizer", f"{module}:lemmas", "--json")
    assert json.loads(run(*arguments).stdout)["test_documents"] == 20
    run("compare", corpus, path, status=1, stderr=f"pass --tokenizer {module}:lemmas")
    refused = run("compare", corpus, path, "--tokenizer", f"{module}:split", status=2)
    assert "contains counts, to which --tokenizer does not apply" in refused.stderr
