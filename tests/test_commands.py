"""Commands with real files and processes: results, and messages for wrong input."""

import json
import re
import signal
import time
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from commands import run, start
from scipy.sparse import csr_array, save_npz
from text_data import rows_of, write_jsonl

from docnvil.commands import COMMANDS

QUICK = ["--epochs", "3", "--units", "4"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty documents on two subjects, as JSON lines."""
    path = tmp_path_factory.mktemp("texts") / "posts.jsonl"
    subjects = {"food": "onion butter garlic sauce oven flour salt", "sea": "mast sail harbour wind keel anchor tide"}
    generator = np.random.default_rng(0)
    rows = [
        {"id": f"{name}-{number}", "text": " ".join(generator.choice(words.split(), 20)), "group": name}
        for number in range(30)
        for name, words in subjects.items()
    ]
    return write_jsonl(path, rows)


@pytest.fixture(scope="module")
def model(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "model"
    run("fit", texts, "--out", path, *QUICK)
    return path


def test_fit_prints_results_and_next_commands(texts, tmp_path):
    result = run("fit", texts, "--out", tmp_path / "model", *QUICK)
    assert "validation perplexity" in result.stdout
    for command in ("topics", "perplexity", "embed"):
        assert f"docnvil {command} {tmp_path / 'model'}" in result.stdout
    assert "60 documents, 1,200 tokens, 14 words." in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_fit_prints_one_json_object(texts, tmp_path):
    found = json.loads(run("fit", texts, "--out", tmp_path / "model", "--json", *QUICK).stdout)
    assert found["documents"] == 60
    assert found["units"] == [4]
    assert found["epochs"] == 3
    assert found["validation_perplexity_per_document"] > 1


def test_each_option_changes_its_own_setting_only(texts, tmp_path):
    given = {
        "--no-center": ("training", "center", False),
        "--no-normalize": ("training", "normalize", False),
        "--no-local-signals": ("training", "local_signals", False),
        "--baseline=none": ("training", "baseline", "none"),
        "--optimizer=sgd": ("training", "optimizer", "sgd"),
        "--schedule=constant": ("training", "schedule", "constant"),
        "--recognition-rate=0.2": ("training", "recognition_rate", 0.2),
        "--patience=2": ("training", "patience", 2),
        "--beta1=0.5": ("training", "beta1", 0.5),
        "--beta2=0.9": ("training", "beta2", 0.9),
        "--start=random": ("training", "start", "random"),
        "--recognition-input=centered": ("model", "recognition_input", "centered"),
        "--recognition-hidden=7,5": ("model", "recognition_hidden", [7, 5]),
    }
    usual = ["--units", "4,2", "--epochs", "1"]
    run("fit", texts, *usual, "--out", tmp_path / "usual")
    plain = json.loads((tmp_path / "usual" / "model.json").read_text())
    assert plain["training"]["center"]
    assert plain["training"]["normalize"]
    assert plain["training"]["local_signals"]
    for number, (option, (part, name, value)) in enumerate(given.items()):
        out = tmp_path / str(number)
        run("fit", texts, *usual, option, "--out", out)
        written = json.loads((out / "model.json").read_text())
        assert written[part] == {**plain[part], name: value}


def test_training_and_evaluation_do_not_load_the_ids_of_a_corpus(texts, tmp_path, monkeypatch):
    run("corpus", "build", texts, "--out", tmp_path / "corpus")
    monkeypatch.setattr("docnvil.corpus.reading._Table.columns", property(lambda table: pytest.fail("ids were read")))
    run("fit", tmp_path / "corpus", "--out", tmp_path / "model", *QUICK)
    run("perplexity", tmp_path / "model", tmp_path / "corpus")


def test_new_text_is_tokenized_by_the_rules_of_the_model(texts, tmp_path):
    """`perplexity` and `embed` stem and filter words as `fit` did, without the options."""
    options = ["--stemmer", "porter", "--min-length", "5", "--stop-words", "none"]
    run("fit", texts, "--out", tmp_path / "model", *QUICK, *options)
    words = (tmp_path / "model" / "vocabulary.txt").read_text().split()
    assert "harbour" in words
    assert "sail" not in words
    (tmp_path / "new.txt").write_text("Harbours anchored, anchoring!\n\nnothing known\n", encoding="utf-8")
    found = json.loads(run("perplexity", tmp_path / "model", tmp_path / "new.txt", "--json").stdout)
    assert (found["documents"], found["empty_documents"], found["tokens"]) == (1, 2, 3)
    assert found["unknown_tokens"] == 1  # "known"; the stem of "nothing" is too short
    told = run("perplexity", tmp_path / "model", tmp_path / "new.txt").stdout
    assert "1 token (25%) is not in the model's vocabulary" in told
    out = tmp_path / "embeddings.csv"
    run("embed", tmp_path / "model", tmp_path / "new.txt", "--out", out)
    assert [row["id"] for row in rows_of(out)] == ["1", "2", "3"]


def test_force_does_not_replace_the_input(texts, tmp_path):
    copy = tmp_path / "posts.jsonl"
    copy.write_bytes(texts.read_bytes())
    run("fit", copy, "--out", copy, "--force", *QUICK, status=1, stderr="is also the input")
    assert copy.read_bytes() == texts.read_bytes()
    run("corpus", "build", copy, "--out", tmp_path / "corpus")
    arguments = ("fit", tmp_path / "corpus", "--out", tmp_path / "corpus", "--force", *QUICK)
    run(*arguments, status=1, stderr="is also the input")
    split = ("corpus", "build", copy, "--out", tmp_path / "corpus", "--held-out", 5, "--force")
    run(*split, status=1, stderr="is a corpus")


def test_every_command_reads_a_prepared_corpus(texts, model, tmp_path):
    corpus = tmp_path / "corpus"
    result = run("corpus", "build", texts, "--out", corpus)
    assert "60 documents (0 empty)" in result.stdout
    run("fit", corpus, "--out", tmp_path / "model", *QUICK)
    for name in ("parameters.safetensors", "topics.csv", "vocabulary.txt"):
        assert (tmp_path / "model" / name).read_bytes() == (model / name).read_bytes()
    assert run("perplexity", tmp_path / "model", corpus).stdout == run("perplexity", model, texts).stdout
    run("embed", model, corpus, "--out", tmp_path / "e.csv")


def test_held_out_documents_do_not_extend_the_vocabulary(tmp_path):
    lines = ["mast sail wind", "sail wind mast"] * 20 + ["onion onion onion"]
    (tmp_path / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    for seed in range(60):  # until the odd document is among the held out
        out = tmp_path / str(seed)
        options = ("--held-out", 2, "--min-df", 1, "--max-df", 1.0, "--seed", seed)
        command = ("corpus", "build", tmp_path / "all.txt", "--out", out, *options)
        run(*command)
        if "41" in (out / "test" / "documents.csv").read_text():
            break
    assert "onion" not in (out / "train" / "vocabulary.txt").read_text()
    assert (out / "test" / "vocabulary.txt").read_bytes() == (out / "train" / "vocabulary.txt").read_bytes()
    assert len((out / "train" / "documents.csv").read_text().splitlines()) == 40
    assert len((out / "test" / "documents.csv").read_text().splitlines()) == 3


def test_the_seed_determines_the_bytes_in_a_new_process(texts, model, tmp_path):
    with start("fit", texts, "--out", tmp_path / "model", *QUICK, variables={"PYTHONHASHSEED": 123}) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    for path in model.iterdir():
        if path.name not in ("run.json", "manifest.json"):
            assert (tmp_path / "model" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_fit_leaves_no_partial_model_and_resumes(texts, tmp_path, sign, status):
    arguments = ["fit", texts, "--out", tmp_path / "model", "--units", "4", "--epochs", "600"]
    running = start(*arguments)
    while not (tmp_path / "model.unfinished").exists():
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.01)
    running.send_signal(sign)
    _, errors = running.communicate()
    assert running.returncode == status
    assert "Traceback" not in errors
    assert not (tmp_path / "model").exists()
    run(*arguments, status=1, stderr=("interrupted run", "--resume", "--force"))
    run(*arguments, "--resume")
    assert not (tmp_path / "model.unfinished").exists()
    run(*arguments, "--resume", status=1, stderr="is complete")
    run(*arguments[:2], "--out", tmp_path / "whole", *arguments[4:])
    for name in ("parameters.safetensors", "history.csv", "topics.csv"):
        assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_closed_pipe_is_not_an_error(model):
    with start("topics", model, "--words", "14") as running:
        running.stdout.close()
        assert "Traceback" not in running.stderr.read()


@pytest.mark.parametrize("command", [*COMMANDS, "corpus build"])
def test_every_command_has_help(command):
    result = run(*command.split(), "--help")
    assert "Usage:" in result.stdout


def test_help_lists_every_command():
    listed = run("--help").stdout
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}", listed, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "expected", "difference"),
    [
        (("recipes",), {"status": 1}, "Expected exit status: 1"),
        (("recipes", "nothing"), {}, "Expected exit status: 0"),
        (("recipes", "nothing"), {"status": 2, "stderr": ("nothing", "everything")}, "Not in stderr: everything"),
    ],
)
def test_a_command_that_ends_in_another_way_than_expected_fails_the_test(arguments, expected, difference):
    with pytest.raises(AssertionError, match=difference):
        run(*arguments, **expected)


def test_an_exception_without_a_message_fails_the_test(texts, tmp_path, monkeypatch):
    monkeypatch.setattr("docnvil.storage.model_folder.save_model", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("fit", texts, "--out", tmp_path / "model", *QUICK, status=1)


# Wrong input: a message with the remedy, exit status 1 or 2, no partial output.


def fit_fails(tmp_path: Path, source: object, status: int, *parts: str, options: tuple[object, ...] = ()) -> None:
    run("fit", source, "--out", tmp_path / "out", *QUICK, *options, status=status, stderr=parts)
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".out", "out"))]


def test_a_missing_path_is_named(tmp_path):
    fit_fails(tmp_path, tmp_path / "nowhere", 1, "nowhere")


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    fit_fails(tmp_path, tmp_path / "empty", 1, "empty")


def test_a_corpus_of_empty_documents_is_refused(tmp_path):
    (tmp_path / "blank.txt").write_text("\n\n\n")
    fit_fails(tmp_path, tmp_path / "blank.txt", 1)


def test_the_first_undecodable_byte_is_named(tmp_path):
    (tmp_path / "latin.txt").write_bytes("wind\ncafé\n".encode("latin-1"))
    fit_fails(tmp_path, tmp_path / "latin.txt", 1, "latin.txt", "0xe9", "8", "--encoding cp1252")


def test_a_malformed_json_line_is_named(tmp_path):
    (tmp_path / "posts.jsonl").write_text('{"text": "a b"}\n{"text": \n')
    fit_fails(tmp_path, tmp_path / "posts.jsonl", 1, "line 2")


def test_a_missing_column_is_named_with_the_existing_ones(tmp_path, texts):
    fit_fails(tmp_path, texts, 1, "body", "text", options=("--text-column", "body"))


@pytest.mark.parametrize("bad", [-1.0, 0.5, np.nan])
def test_negative_fractional_and_nan_counts_are_refused(tmp_path, bad):
    counts = np.ones((4, 3))
    counts[2, 1] = bad
    save_npz(tmp_path / "counts.npz", csr_array(counts))
    fit_fails(tmp_path, tmp_path / "counts.npz", 1, "counts")


def test_a_vocabulary_of_another_size_is_refused(tmp_path):
    save_npz(tmp_path / "counts.npz", csr_array(np.ones((4, 3), dtype=int)))
    (tmp_path / "vocabulary.txt").write_text("one\ntwo\n")
    fit_fails(tmp_path, tmp_path / "counts.npz", 1, "3", "2", "vocabulary.txt")


def test_an_unknown_device_is_refused(tmp_path, texts):
    fit_fails(tmp_path, texts, 1, "no device 'abacus'", options=("--device", "abacus"))


def test_an_empty_vocabulary_is_refused(tmp_path, texts):
    fit_fails(tmp_path, texts, 1, "min", options=("--min-df", "1000"))


@pytest.mark.parametrize("units", ["0", "-3", "5,0", "many"])
def test_impossible_units_are_refused(tmp_path, texts, units):
    run("fit", texts, "--out", tmp_path / "out", "--units", units, status=2, stderr="unit")


@pytest.mark.parametrize(
    ("option", "value", "status"), [("--samples", 1, 1), ("--learning-rate", -1, 2), ("--validation", 1.5, 1)]
)
def test_impossible_settings_are_refused(tmp_path, texts, option, value, status):
    fit_fails(tmp_path, texts, status, options=(option, value))


def test_an_unknown_recipe_is_a_usage_error(tmp_path, texts):
    run("fit", texts, "--out", tmp_path / "out", "--recipe", "grandmother's", status=2, stderr="paper")


def test_token_options_are_refused_for_counts(tmp_path, texts):
    run("corpus", "build", texts, "--out", tmp_path / "corpus")
    run("fit", tmp_path / "corpus", "--out", tmp_path / "out", "--min-length", "5", status=2, stderr="--min-length")


def test_a_diverging_training_stops(tmp_path, texts):
    fit_fails(tmp_path, texts, 1, "--learning-rate", options=("--learning-rate", "1e10", "--baseline", "none"))


def test_existing_output_is_kept(tmp_path, texts, model):
    run("fit", texts, "--out", model, *QUICK, status=1, stderr=("already exists", "--force"))
    (tmp_path / "e.csv").write_text("important")
    run("embed", model, texts, "--out", tmp_path / "e.csv", status=1, stderr=("already exists", "--force"))
    assert (tmp_path / "e.csv").read_text() == "important"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("important")
    run("fit", texts, "--out", tmp_path / "mine", "--force", *QUICK, status=1, stderr="written by docnvil")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "important"


def test_a_folder_that_is_not_a_model_is_refused(tmp_path, texts):
    run("perplexity", tmp_path / "nowhere", texts, status=1, stderr="nowhere")
    run("topics", tmp_path, status=1, stderr="manifest.json")


def test_an_unwritable_output_is_refused(tmp_path, texts, model):
    (tmp_path / "file").write_text("")
    run("embed", model, texts, "--out", tmp_path / "file" / "e.csv", status=1)


def test_the_installed_command_prepares_its_process_as_python_m_does():
    (script,) = entry_points(group="console_scripts", name="docnvil")
    assert script.value == "docnvil.__main__:run"  # otherwise, install docnvil again


def test_too_many_units_are_refused_by_their_limit(texts, tmp_path):
    run("fit", texts, "--units", "1000000000", "--out", tmp_path / "m", status=2, stderr="at most 10,000,000 units")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fitt", "No such command 'fitt'. Did you mean fit?"),
        ("perplexitty model texts", "No such command 'perplexitty'. Did you mean perplexity?"),
        ("xyzzy", "No such command 'xyzzy'."),
        ("corpus buidl", "No such command 'buidl'. Did you mean build?"),
        ("fit texts --unit 5", "No such option --unit. Did you mean --units?"),
        ("fit texts --no-lowercas", "No such option --no-lowercas. Did you mean --no-lowercase?"),
        ("embed model texts --labelcolumn x", "No such option --labelcolumn. Did you mean --label-column?"),
        ("fit texts --nope", "No such option --nope."),
        ("fit texts -x", "No such option -x."),
    ],
)
def test_suggestions_for_misspelled_names_are_close(arguments, message):
    result = run(*arguments.split(), status=2)
    assert result.stderr.endswith(f"Error: {message}\n")
