"""Words outside the vocabulary are counted wherever the vocabulary was not chosen from the documents."""

import json
import re
from pathlib import Path
from typing import Any

import pandas
import pytest
from commands import run

import docnvil
from docnvil.corpus.build import build_corpus
from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus
from docnvil.errors import CorpusError, DocnvilWarning
from docnvil.text.settings import SourceOptions, VocabularyLimits
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary

RARE = [f"rare{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]


def figures(*arguments: object) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    lines = [f"sail wind {word}" if n % 2 else f"oven salt {word}" for n, word in enumerate(RARE)]
    (tmp_path / "messages.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_held_out_corpus_has_the_unknown_words_that_its_texts_have(messages):
    built = figures(
        "corpus", "build", messages / "messages.txt", "--held-out", 0.2, "--max-df", "1.0", "--out", messages / "o"
    )
    assert [each["unknown_tokens"] for each in built["corpora"]] == [0, 40]
    test = read_corpus(messages / "o" / "test")
    assert test.unknown_counts.tolist() == [1] * 40
    run("fit", messages / "o" / "train", "--units", 2, "--epochs", 1, "--out", messages / "model")
    texts = (messages / "messages.txt").read_text().splitlines()
    (messages / "test.txt").write_text("".join(f"{texts[int(id) - 1]}\n" for id in test.ids))
    results = [figures("perplexity", messages / "model", messages / name) for name in ("test.txt", "o/test")]
    assert results[0]["unknown_tokens"] == results[1]["unknown_tokens"] == 40
    assert results[0]["perplexity_per_word"] == pytest.approx(results[1]["perplexity_per_word"])
    assert (
        "40 tokens (33%) are not in the model's vocabulary"
        in run("perplexity", messages / "model", messages / "o/test").stdout
    )
    completed = figures("completion", messages / "model", messages / "o" / "test")
    assert completed["unknown_tokens"] == 40


NOTHING = (
    'is known: the vocabulary has 4 words, such as "oven", "salt", "sail", "wind", and the documents have "zebra",'
    ' "okapi". Check the language and the format of the documents, and the token rules.'
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "train.txt").write_text("sail wind\noven salt\noven salt\n" * 20)
    run("fit", folder / "train.txt", "--max-df", "1.0", "--units", 2, "--epochs", 1, "--out", folder / "model")
    return folder / "model"


def test_documents_without_a_known_word_are_reported_with_examples(model, tmp_path):
    text, table = tmp_path / "new.txt", tmp_path / "new.csv"
    text.write_text("zebra zebra\n\nokapi\n")
    table.write_text("text\nzebra\nokapi\n")
    commands = [("embed", "--out", tmp_path / "e.csv"), ("embed", "--table", "--out", tmp_path / "t.csv"), ("explain",)]
    for verb, *options in commands:
        for source in (text, table):
            result = run(verb, model, source, *options, *(["--force"] if options else []))
            assert result.stderr.count("Warning: ") == 1
            assert f"Warning: No word of {source} {NOTHING}" in result.stderr
    run("explain", model, "--text", "zebra okapi", stderr=f"Warning: No word of the documents {NOTHING}")
    for verb, *options in (("perplexity",), ("completion",), ("search", "sail"), ("report",), ("topics --coherence",)):
        verb, *more = verb.split()
        arguments = [verb, model, *more, text, *options, *(["--out", tmp_path / "r.html"] if verb == "report" else [])]
        run(*arguments, status=1, stderr=f"No word of {text} {NOTHING}")


def test_documents_without_any_word_are_reported(model, tmp_path):
    (tmp_path / "new.txt").write_text("\nof the\n")
    result = run("embed", model, tmp_path / "new.txt", "--out", tmp_path / "e.csv")
    assert f"Warning: Every document of {tmp_path / 'new.txt'} is empty. Check the source" in result.stderr


def test_a_known_word_is_enough(model, tmp_path):
    (tmp_path / "new.txt").write_text("zebra okapi\nsail\n")
    result = run("embed", model, tmp_path / "new.txt", "--out", tmp_path / "e.csv")
    assert "Warning" not in result.stderr
    assert "2 tokens (67%) are not in the model's vocabulary" in result.stderr


def test_python_warns_of_documents_without_a_known_word(model):
    fitted = docnvil.load(model)
    message = re.escape(f"No word of the documents {NOTHING}")
    for texts in (["zebra", "okapi"], iter(["zebra", "okapi"]), pandas.DataFrame({"text": ["zebra", "okapi"]})):
        with pytest.warns(DocnvilWarning, match=message):
            fitted.transform(texts)
    with pytest.warns(DocnvilWarning, match=message):
        matrix = docnvil.count_words(["zebra okapi"], vocabulary=fitted.vocabulary, rules=fitted.token_rules)
    with pytest.raises(CorpusError, match="nothing to predict"), pytest.warns(DocnvilWarning, match=message):
        fitted.evaluate(["zebra", "okapi"])
    with pytest.raises(CorpusError, match="nothing to predict"):
        fitted.evaluate(matrix)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_corpus_with_a_given_vocabulary_counts_unknown_words(messages, workers):
    (messages / "words.txt").write_text("sail\nwind\noven\n")
    options = ("--vocabulary", messages / "words.txt", "--workers", workers)
    run("corpus", "build", messages / "messages.txt", *options, "--out", messages / "o")
    corpus = read_corpus(messages / "o")
    assert corpus.unknown_counts.tolist() == [2, 1] * 100
    write_corpus(corpus, messages / "again")
    assert (messages / "again" / "unknown.npy").read_bytes() == (messages / "o" / "unknown.npy").read_bytes()
    assert json.loads((messages / "o" / "corpus.json").read_text())["unknown_tokens"] == 300


def test_a_corpus_with_a_chosen_vocabulary_has_no_unknown_words(messages):
    run("corpus", "build", messages / "messages.txt", "--out", messages / "o")
    assert read_corpus(messages / "o").unknown_counts is None
    assert not (messages / "o" / "unknown.npy").exists()


def test_a_corpus_counted_again_over_a_model_adds_its_unknown_words(messages):
    run("corpus", "build", messages / "messages.txt", "--held-out", 0.5, "--max-df", "1.0", "--out", messages / "o")
    (messages / "other.txt").write_text("sail wind\nwind sail\noven oven\n" * 10)
    run("fit", messages / "other.txt", "--max-df", "1.0", "--units", 2, "--epochs", 1, "--out", messages / "model")
    test = read_corpus(messages / "o" / "test")
    salt = int(test.counts[:, [test.vocabulary.index("salt")]].sum())
    assert figures("perplexity", messages / "model", messages / "o" / "test")["unknown_tokens"] == 100 + salt


@pytest.mark.parametrize("ngrams", ["1", "1-2"])
def test_corpus_build_tells_how_many_words_its_limits_leave_out(tmp_path, ngrams):
    path, out = tmp_path / "posts.txt", tmp_path / "corpus"
    path.write_text("mast sail rare\n" * 2 + "mast keel\n" * 30 + "sail keel\n" * 30)
    command = ("corpus", "build", path, "--ngrams", ngrams, "--min-df", 3, "--max-df", 1.0, "--out", out)
    assert "Not counted: 2 tokens (" in run(*command).stdout
    assert figures(*command, "--force")["corpora"][0]["tokens_beyond_limits"] == 2
    assert "Not counted: " in run(*command[:-1], tmp_path / "halves", "--held-out", 0.1).stdout


def test_fit_tells_how_many_words_its_limits_leave_out(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_text("mast sail rare\n" * 1 + "mast keel\n" * 30 + "sail keel\n" * 30)
    result = run("fit", path, "--units", 2, "--epochs", 1, "--min-df", 2, "--max-df", 1.0, "--out", tmp_path / "model")
    assert "61 documents, 122 tokens, 3 words.\nNot counted: 1 token (1%) of words in too few" in result.stderr
    all_words = run("fit", path, "--units", 2, "--epochs", 1, "--min-df", 1, "--max-df", 1.0, "--out", tmp_path / "all")
    assert "Not counted" not in all_words.stderr
    pairs = run("fit", path, "--ngrams", "1-2", "--units", 2, "--epochs", 1, "--min-df", 2, "--out", tmp_path / "pairs")
    assert "Not counted:" in pairs.stderr


@pytest.mark.parametrize("ngrams", [(1, 1), (2, 2)])
def test_corpus_build_gives_examples_if_no_word_of_the_vocabulary_occurs(tmp_path, ngrams):
    first, second, out = tmp_path / "first.txt", tmp_path / "second.txt", tmp_path / "corpus"
    first.write_text("of the\nCats purr\n")
    second.write_text("of the\n\n")
    known, words = ("Katze", '"cats", "purr"') if ngrams == (1, 1) else ("Katze_schnurrt", '"cats_purr"')
    given = SourceOptions(), TokenRules(ngrams=ngrams), VocabularyLimits()
    for sources, name in (([first], str(first)), ([second, first], "the documents")):
        with pytest.raises(CorpusError) as error:
            build_corpus(sources, out, *given, vocabulary=Vocabulary([known]))
        assert str(error.value).startswith(
            f'No word of {name} is known: the vocabulary has 1 word, such as "{known}", and the documents have {words}.'
        )
    with pytest.raises(CorpusError, match=r"^Every document of .*second.txt is empty\. Check the source"):
        build_corpus([second], out, *given, vocabulary=Vocabulary([known]))
    assert not out.exists()


def test_limits_of_counts_tell_how_many_words_they_leave_out(tmp_path):
    (tmp_path / "a.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n2 3 3\n1 1 2\n2 1 1\n2 2 4\n")
    (tmp_path / "a.vocab.txt").write_text("sail\nrare\nnever\n")
    command = ("corpus", "build", tmp_path / "a.mtx", "--min-df", 2, "--out", tmp_path / "corpus")
    assert "Not counted: 4 tokens (57%)" in run(*command).stdout
    built = figures(*command, "--force")["corpora"][0]
    assert (built["tokens"], built["tokens_beyond_limits"]) == (3, 4)
