"""`docnvil edit`: new model folders with real files, the change in held-out nats, and messages for wrong input."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import run
from text_data import write_jsonl

import docnvil
from docnvil.training.editing_change import held_out_nats, nats_change

SUBJECTS = (["onion", "butter", "garlic", "sauce"], ["mast", "sail", "wind", "keel"], ["goal", "team", "ball", "match"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train.jsonl`, `test.jsonl`, and a `model` of six units."""
    path = tmp_path_factory.mktemp("edit")
    generator = np.random.default_rng(0)
    for name, n_documents in (("train", 150), ("test", 60)):
        rows = [
            {"id": f"{name}{row}", "text": " ".join(generator.choice(SUBJECTS[row % 3], generator.integers(8, 30)))}
            for row in range(n_documents)
        ]
        write_jsonl(path / f"{name}.jsonl", rows)
    options = ("--units", "6", "--epochs", 60, "--batch-size", 10, "--validation", 0)
    run("fit", path / "train.jsonl", "--out", path / "model", *options)
    return path


def live_units(folder: Path) -> list[int]:
    return [topic.unit for topic in docnvil.load(folder / "model").topics() if not topic.dead]


def test_each_edit_reports_its_change_in_held_out_nats(folder, tmp_path):
    first, second, third = live_units(folder)[:3]
    arguments = ("--merge", f"{first},{second}", "--drop", third, "--name", f"{second}=both of them")
    out = tmp_path / "edited"
    result = run("edit", folder / "model", *arguments, "--corpus", folder / "test.jsonl", "--out", out, "--json")
    values = json.loads(result.stdout)
    after = docnvil.load(out)
    assert values["edits"] == list(after.edits)
    assert [edit["edit"] for edit in after.edits] == ["merge", "drop", "name"]
    assert after.unit_names[min(first, second) - (third < min(first, second))] == "both of them"
    changes = [edit["change"]["elbo"] for edit in after.edits[:2]]
    assert all(change["low"] <= change["mean"] <= change["high"] for change in changes)
    # The changes of all edits add up to the difference that `docnvil perplexity` shows.
    nats = [
        json.loads(run("perplexity", model, folder / "test.jsonl", "--json").stdout)["log_likelihood"] / 60
        for model in (folder / "model", out)
    ]
    assert sum(change["mean"] for change in changes) == pytest.approx(nats[1] - nats[0], abs=1e-6)
    assert sum(change["mean"] for change in changes) < 0


def test_new_numbers_of_units_are_printed(folder, tmp_path):
    n_units = docnvil.load(folder / "model").network.config.units[0]
    result = run("edit", folder / "model", "--merge", "0,2", "--drop", 1, "--out", tmp_path / "edited")
    moved = "3 is now 1" if n_units == 4 else f"3 to {n_units - 1} are now 1 to {n_units - 3}"
    assert f"Units have new numbers: 0 and 2 are now 0; {moved}." in result.stdout
    values = json.loads(run("edit", folder / "model", "--drop", 1, "--out", tmp_path / "less", "--json").stdout)
    assert values["old_numbers"] == [[0], *([unit] for unit in range(2, n_units))]
    named = run("edit", folder / "model", "--name", "0=salt", "--out", tmp_path / "named")
    assert "new numbers" not in named.stdout


def test_all_commands_take_an_edited_model(folder, tmp_path):
    out, test = tmp_path / "edited", folder / "test.jsonl"
    order = ",".join(map(str, [5, 4, 3, 2, 1, 0]))
    run("edit", folder / "model", "--order", order, "--name", "0=zero", "--out", out)
    for arguments in (
        ("topics", out),
        ("perplexity", out, test),
        ("completion", out, test),
        ("embed", out, test, "--out", tmp_path / "e.csv"),
        ("sample", out, "--documents", 5, "--lengths-of", test, "--out", tmp_path / "s.npz"),
        ("report", out, "--out", tmp_path / "r.html"),
        ("edit", out, "--drop", 0, "--out", tmp_path / "again"),
    ):
        run(*arguments)
    assert "zero" in (tmp_path / "e.csv").read_text().splitlines()[0]
    assert "edited after training" in (tmp_path / "r.html").read_text()
    assert [edit["edit"] for edit in docnvil.load(tmp_path / "again").edits] == ["order", "name", "drop"]


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    for name in ("a", "b"):
        run("edit", folder / "model", "--merge", "0,1", "--out", tmp_path / name, "--seed", 3)
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    ("name", "content"),
    [("names.toml", '1 = "sea"\n0 = "food"\n'), ("names.csv", "\ufeffunit,name\r\n1,sea\r\n0,food\r\n")],
)
def test_names_come_from_a_file(folder, tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    out = tmp_path / "named"
    run("edit", folder / "model", "--names-file", tmp_path / name, "--name", "0=cooking", "--out", out)
    assert docnvil.load(out).unit_names[:3] == ("cooking", "sea", None)
    run("edit", out, "--name", "1=", "--out", tmp_path / "removed")
    assert docnvil.load(tmp_path / "removed").unit_names[:2] == ("cooking", None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.toml", "1 = 2\n", "does not name a unit"),
        ("names.toml", "one = 'sea'\n", "does not name a unit"),
        ("names.toml", "1 = \n", "is not TOML"),
        ("names.toml", "1 = " + "[" * 2000, "is nested too deeply"),
        ("names.toml", "", "has no names"),
        ("names.csv", "id,name\n1,sea\n", "has no column 'unit'"),
        ("names.csv", "unit,name\n1,sea\n1,food\n", "line 3: unit 1 has two names"),
        ("names.csv", "unit,name\n1\n", "line 2"),
        ("names.txt", "1,sea\n", "neither a .toml nor a .csv"),
    ],
)
def test_a_wrong_file_of_names_is_a_message(folder, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    arguments = ("edit", folder / "model", "--names-file", tmp_path / name, "--out", tmp_path / "out")
    run(*arguments, status=1, stderr=(message, name))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, (), "nothing to edit"),
        (1, ("--merge", "2,2"), "Unit 2 cannot be merged with itself"),
        (1, ("--drop", "77"), "Unit 77 does not exist. The first layer has the units 0 to 5"),
        (1, ("--drop", "0,1,2,3,4,5"), "All units would be dropped"),
        (1, ("--order", "0,1"), "The order leaves out unit 2, 3, 4, 5"),
        (1, ("--name", "1=a", "--name", "2=A"), "both named 'A'"),
        (2, ("--name", "1=a", "--name", "1=b"), "names unit 1 twice"),
        (2, ("--name", "space"), "does not name a unit"),
        (2, ("--merge", "1;2"), "is not a list of unit numbers"),
        (1, ("--namer", "no_such_module:f"), "cannot be imported"),
        (1, ("--namer", "json:no_such"), "has no function 'no_such'"),
        (1, ("--namer", "json"), "is not of the form"),
    ],
)
def test_wrong_edits_are_messages_and_leave_no_folder(folder, tmp_path, status, arguments, message):
    run("edit", folder / "model", *arguments, "--out", tmp_path / "out", status=status, stderr=message)
    assert not (tmp_path / "out").exists()


def test_a_function_names_live_units_from_words_and_documents(folder, tmp_path, monkeypatch):
    (tmp_path / "my_labels.py").write_text(
        "CALLS = []\n"
        "def label(words, documents):\n    CALLS.append((words, documents))\n    return words[0]\n"
        "def broken(words, documents):\n    raise RuntimeError('no answer')\n"
        "def number(words, documents):\n    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "named"
    options = ("--namer", "my_labels:label", "--name", "0=given", "--corpus", folder / "test.jsonl", "--out", out)
    run("edit", folder / "model", *options)
    import my_labels

    model = docnvil.load(out)
    live = [topic for topic in model.topics(1) if not topic.dead and topic.unit]
    assert live
    for topic in live:
        assert topic.name.split()[0] == model.vocabulary[topic.words[0]]
    assert model.unit_names[0] == "given"
    for words, documents in my_labels.CALLS:
        assert len(documents) == 5
        assert any(word in documents[0] for word in words[:4])  # the document in which the unit is most probable
    for name, message in (("broken", "RuntimeError: no answer"), ("number", "is 3")):
        arguments = ("edit", folder / "model", "--namer", f"my_labels:{name}", "--out", tmp_path / "no")
        run(*arguments, status=1, stderr=message)


def test_changes_are_paired(folder):
    """Documents of very different lengths: the interval of a constant change has no width."""
    model = docnvil.load(folder / "model")
    counts = docnvil.count_words(["onion " * n for n in (2, 40, 400)], vocabulary=model.vocabulary).counts
    before = held_out_nats(model.network, counts)
    change = nats_change(before, {name: nats + 0.25 for name, nats in before.items()}, n_samples=10).importance
    assert (change.low, change.mean, change.high) == pytest.approx((0.25, 0.25, 0.25))


def test_the_page_about_units_runs(folder, tmp_path, monkeypatch):
    from test_readme import ROOT, console_commands

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(folder / "model", target_is_directory=True)
    for name, source in (("corpus", "train"), ("held-out", "test")):
        (tmp_path / name).mkdir()
        for row in (folder / f"{source}.jsonl").read_text().splitlines():
            (tmp_path / name / f"{json.loads(row)['id']}.txt").write_text(json.loads(row)["text"])
    commands = console_commands(ROOT / "docs" / "units.md")
    assert len(commands) >= 5
    for command in commands:
        run(*shlex.split(command), *(["--epochs", 2] if command.startswith("fit") else []))
