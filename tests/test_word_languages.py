"""Small corpora in eight languages, from a file to whole words, with the documented options."""

import json
from pathlib import Path

import pytest
from commands import run

from docnvil.corpus.reading import read_corpus

JAPANESE = """
import json
from importlib.resources import files
from budoux.parser import Parser
split = Parser(json.loads(files("budoux").joinpath("models/ja_word.json").read_text())).parse
"""

# Language: texts; options; words that must be there; words that must not.
CORPORA = {
    "german": (
        ["Die Straße führt über die Brücke nach Köln.", "Das Müsli und die Äpfel sind für die Kinder."],
        ["--stop-words", "german"],
        ["straße", "führt", "brücke", "köln", "müsli", "äpfel"],
        ["die", "das", "und", "stra"],
    ),
    "russian": (
        ["Ёлка стоит в лесу, и подъезд открыт.", "Мы читаем интересную книгу о лесе."],
        ["--stop-words", "russian"],
        ["ёлка", "лесу", "подъезд", "книгу"],
        ["и", "мы"],
    ),
    "ukrainian": (
        ["Комп'ютер і п’ять яблук на столі.", "Здоровʼя та об'єднання людей."],
        ["--stop-words", "ukrainian"],
        ["комп'ютер", "п'ять", "яблук", "здоров'я", "об'єднання"],
        ["ять", "єднання", "комп"],
    ),
    "turkish": (
        ["İstanbul'da güneşli bir gün.", "ISPARTA ve İzmir çok güzel şehirler."],
        ["--stop-words", "turkish"],
        ["istanbul", "güneşli", "izmir", "güzel", "şehirler"],
        ["bir", "ve", "stanbul", "zmir"],
    ),
    "persian": (
        ["من کتاب\u200cهای تازه را می\u200cخوانم.", "خانه\u200cها سبز هستند."],
        ["--stop-words", "persian"],
        ["کتاب\u200cهای", "می\u200cخوانم", "خانه\u200cها", "سبز"],
        ["را", "می", "های"],
    ),
    "hindi": (
        ["यह किताब बहुत अच्छी है।", "बच्चे स्कूल में हिन्दी पढ़ते हैं।"],
        ["--stop-words", "hindi"],
        ["किताब", "अच्छी", "बच्चे", "स्कूल", "हिन्दी", "पढ़ते"],
        ["है", "में", "यह"],
    ),
    "chinese": (
        ["我们喜欢在公园散步。", "酒店的早餐很好，服务也不错。"],
        ["--stop-words", "chinese", "--tokenizer", "rjieba:cut"],
        ["喜欢", "公园", "散步", "酒店", "早餐", "服务"],
        ["我们喜欢在公园散步", "我们"],
    ),
    "japanese": (
        ["この家はとても古い。", "東京の天気はとても良い。"],
        ["--stop-words", "japanese", "--tokenizer", "japanese_words:split"],
        ["古い", "東京", "天気", "とても"],
        ["この家はとても古い", "この"],
    ),
}
PACKAGES = {"chinese": "rjieba", "japanese": "budoux"}


@pytest.fixture
def japanese_words(tmp_path, monkeypatch) -> None:
    (tmp_path / "japanese_words.py").write_text(JAPANESE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def output_of(*arguments: object) -> str:
    result = run(*arguments)
    assert "Warning" not in result.stderr
    return result.stdout


@pytest.mark.usefixtures("japanese_words")
@pytest.mark.parametrize("language", CORPORA)
@pytest.mark.parametrize("form", ["lines", "jsonl"])
def test_words_are_whole(language, form, tmp_path):
    if language in PACKAGES:
        pytest.importorskip(PACKAGES[language], reason=f"{PACKAGES[language]} is not installed")
    texts, options, expected, dropped = CORPORA[language]
    source = write(texts, form, tmp_path)
    output_of("corpus", "build", source, *options, "--min-df", "1", "--max-df", "1.0", "--out", tmp_path / "corpus")
    words = set(read_corpus(tmp_path / "corpus").vocabulary)
    assert set(expected) <= words
    assert not set(dropped) & words


def write(texts: list[str], form: str, folder: Path) -> Path:
    path = folder / ("texts.txt" if form == "lines" else "texts.jsonl")
    lines = texts if form == "lines" else [json.dumps({"text": text}) for text in texts]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_from_a_file_to_topics(tmp_path):
    texts, options, expected, _ = CORPORA["ukrainian"]
    source = write([" ".join([text] * 10) for text in texts] * 30, "lines", tmp_path)
    limits = ("--min-df", "1", "--max-df", "1.0")
    output_of("corpus", "build", source, *options, *limits, "--out", tmp_path / "corpus")
    run("fit", tmp_path / "corpus", "--units", "2", "--epochs", "60", "--sparsity", "0", "--out", tmp_path / "model")
    assert any(word in output_of("topics", tmp_path / "model") for word in expected)
