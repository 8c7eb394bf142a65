"""Outputs that are inputs or would become inputs, in every command; standard streams; names that are not UTF-8."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pyarrow.parquet
import pytest
from commands import run
from text_data import write_jsonl

from docnvil.commands import COMMANDS, main
from docnvil.commands.options import CORPUS, PATH, Output, Texts
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import shell_word
from docnvil.errors import ConfigurationError, OutputExistsError
from docnvil.runtime.folders import read_folder
from docnvil.storage.document_tables import table_format
from docnvil.storage.tables import embedding_format


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "txt").mkdir()
    rows = []
    for number in range(40):
        text = ("mast sail wind", "onion salt oven")[number % 2]
        (folder / "txt" / f"{number:02d}.txt").write_text(text)
        rows.append({"id": f"d{number}", "text": text})
    write_jsonl(folder / "s.jsonl", rows)
    run("fit", folder / "s.jsonl", "--out", folder / "m", "--epochs", 2, "--units", 2)
    return folder


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {each}", command.commands[each]) for each in command.commands)
        else:
            yield name, command


OUTPUTS = [(name, each) for name, command in commands() for each in command.params if isinstance(each.type, Output)]


def test_no_path_of_a_command_has_an_unknown_role():
    assert len(OUTPUTS) > 15
    for name, command in commands():
        for each in command.params:
            is_file = isinstance(each.type, click.Path) and getattr(each.type, "exists", False)  # --seed-words
            known = each.type in (CORPUS, PATH) or isinstance(each.type, Output | Texts) or is_file
            assert known or not isinstance(each.type, click.Path), (name, each.name)
            assert each.name not in ("out", "plot", "graph", "overview") or isinstance(each.type, Output), name


@pytest.mark.parametrize(("name", "output"), OUTPUTS, ids=lambda value: getattr(value, "name", value))
def test_every_output_of_every_command_is_compared_with_every_input(name, output, tmp_path):
    command = dict(commands())[name]
    inputs = [each for each in command.params if isinstance(each.type, click.Path | Texts) and each is not output]
    inputs = [each for each in inputs if not isinstance(each.type, Output)]
    path = tmp_path / "x.jsonl"
    path.touch()
    (tmp_path / "link").symlink_to(path)
    assert inputs
    for each in inputs:
        several = getattr(each, "multiple", False) or each.nargs == -1
        context = click.Context(command, info_name=name)
        context.params = {each.name: (path,) if several else path, output.name: tmp_path / "link"}
        with context, pytest.raises(OutputExistsError, match="is also the input") as error:
            claim_output(tmp_path / "link")
        assert error.value.command_line_message.endswith(f"Choose another {output.opts[0]}.")


@pytest.mark.parametrize(("name", "output"), OUTPUTS, ids=lambda value: getattr(value, "name", value))
def test_no_file_has_the_suffix_of_another_format(name, output, tmp_path):
    assert output.type.is_folder != bool(output.type.suffixes)
    context = click.Context(dict(commands())[name], info_name=name)
    suffixes = ".npz", ".XLSX", ".pkl", ".csv", ".svg", ".json", ".csv.gz", ".html", ".h5"
    for suffix in suffixes if output.type.suffixes else ():
        path = tmp_path / f"x{suffix}"
        context.params = {output.name: path}
        if suffix.lower() in output.type.suffixes:
            continue
        with context, pytest.raises(ConfigurationError, match="would not be a") as error:
            claim_output(path)
        message = error.value.command_line_message
        assert output.opts[0] in message
        assert message.endswith(f"{max(output.type.suffixes, key=message.rfind)}.")
    for allowed in (*output.type.suffixes, "", ".txt", ".v2"):
        context.params = {output.name: tmp_path / f"x{allowed}"}
        with context:
            claim_output(tmp_path / f"x{allowed}")


@pytest.mark.parametrize("options", [(), ("--table",)], ids=" ".join)
def test_embeddings_are_not_written_as_csv_under_the_name_of_another_format(made, tmp_path, options):
    for name in ("e.npz", "e.json", "e.h5", "e.parquet.gz"):
        command = ("embed", made / "m", made / "s.jsonl", *options, "--out", tmp_path / name)
        result = run(*command, status=1, stderr=f"{tmp_path / name} would not be a {Path(name).suffix} file.")
        assert (".xlsx" in result.stderr, ".npy" in result.stderr) == ((True, False) if options else (False, True))
    arguments = ("report", made / "m", "--overview", tmp_path / "o.png")
    run(*arguments, status=1, stderr="Choose a name for --overview that ends in .svg")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigurationError, match=r"would not be a .npz file. Choose a name for path"):
        embedding_format(tmp_path / "e.npz")
    with pytest.raises(ConfigurationError, match=r"in .csv, .parquet or .xlsx"):
        table_format(tmp_path / "e.npy")


@pytest.mark.parametrize(("name", "output"), OUTPUTS, ids=lambda value: getattr(value, "name", value))
def test_no_output_is_a_standard_stream(name, output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(*name.split(), output.opts[0], "-", status=2, stderr=f"'{output.opts[0]}': - stands for a standard stream")
    assert not list(tmp_path.iterdir())


def test_files_that_options_name_are_not_replaced(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "v.txt").write_text("mast\nonion\n")
    (tmp_path / "words.py").write_text("def split(text):\n    return text.split()\n")
    (tmp_path / "one.ldac").write_text("1 0:2\n1 1:1\n")
    (tmp_path / "one.ids.txt").write_text("a\nb\n")
    (tmp_path / "vocab.txt").write_text("mast\nonion\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    model, texts, force = made / "m", made / "s.jsonl", "--force"
    arguments = ("embed", model, "one.ldac", "--vocabulary", "v.txt", "--out", "v.txt", force)
    run(*arguments, status=1, stderr="of --vocabulary")
    run("fit", texts, "--stop-words", "en,v.txt", "--out", "v.txt", force, status=1, stderr="of --stop-words")
    run("corpus", "build", texts, "--tokenizer", "words:split", "--out", "words.py", status=1, stderr="of --tokenizer")
    run("embed", model, "one.ldac", "--out", "vocab.txt", force, status=1, stderr="also the input of CORPUS")
    run("embed", model, "one.ldac", "--out", "one.ids.txt", force, status=1, stderr="also the input of CORPUS")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    run("embed", model, "one.ldac", "--out", "one.csv")


def test_a_vocabulary_for_texts_is_refused_with_a_model(made, tmp_path):
    (tmp_path / "v.txt").write_text("mast\n")
    for arguments in (("perplexity",), ("embed", "--out", tmp_path / "e.csv")):
        command = (arguments[0], made / "m", made / "s.jsonl", "--vocabulary", tmp_path / "v.txt", *arguments[1:])
        run(*command, status=2, stderr=("--vocabulary has no effect on", "read as jsonl", "Leave it out."))


def test_an_output_does_not_become_a_document(made, tmp_path):
    source = shutil.copytree(made / "txt", tmp_path / "txt")
    for out in (source / "e.txt", source / "sub" / "e", source / "e.npy"):  # e.ids.txt is beside e.npy
        command = ("embed", made / "m", source, "--out", out)
        run(*command, status=1, stderr=("would be read as a part of", "outside of that folder"))
    arguments = ("embed", made / "m", source, "--glob", "*.csv,*.txt", "--out", source / "e.csv")
    run(*arguments, status=1, stderr="would be read as")
    assert len(list(source.iterdir())) == 40
    run("embed", made / "m", source, "--out", source / "e.csv")
    run("fit", source, "--out", source / "m", "--epochs", 1, "--units", 2)
    result = run("embed", source / "m", source, "--out", source / "e.csv", "--force")
    assert "1 folder that docnvil wrote was left out: m (a model)." in result.stderr
    assert len((source / "e.csv").read_text().splitlines()) == 41


def test_an_existing_file_is_named_with_its_option(made, tmp_path):
    model, source = made / "m", made / "s.jsonl"
    commands = [("topics", model, "--graph"), ("report", model, "--out", tmp_path / "r.html", "--overview")]
    commands += [
        ("sweep", source, "--out", tmp_path / "w", "--plot"),
        ("effects", model, source, "--by", "id", "--plot"),
    ]
    for arguments in commands:
        old = tmp_path / ("old.json" if arguments[0] == "topics" else "old.svg")
        old.touch()
        run(*arguments, old, status=1, stderr=f"or choose another {arguments[-1]}.")
        run(*arguments, tmp_path, status=1 if arguments[0] != "topics" else 2, stderr=arguments[-1])


def test_the_current_folder_can_be_an_output(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("edit", made / "m", "--name", "0=boats", "--out", ".", "--force")
    assert (tmp_path / "model.json").exists()


def test_two_outputs_are_not_one(made, tmp_path):
    (tmp_path / "link").symlink_to("x")
    places = tmp_path / "x", tmp_path / "link"
    arguments = ("search", made / "m", made / "s.jsonl", "mast", "--out", places[0], "--index", places[1])
    run(*arguments, status=2, stderr="the same path")
    run("sweep", made / "s.jsonl", "--out", places[0], "--plot", places[1], status=2, stderr="the same path")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_no_output_is_inside_an_index(made, tmp_path):
    model, source, index = made / "m", made / "s.jsonl", tmp_path / "i"
    run("search", model, source, "mast", "--index", index)
    for out in (index / "x.csv", index / "idf.npy"):
        run("embed", model, source, "--out", out, "--force", status=1, stderr="inside the search index folder")
    read_folder(index, kind="search index")


def test_a_second_search_is_told_to_choose_another_index(made, tmp_path):
    code = "import sys, time; from pathlib import Path; from docnvil.runtime.locks import lock_output\n"
    code += "with lock_output(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "i")], **pipes) as holder:
        assert holder.stdout.readline() == b"locked\n"
        arguments = ("search", made / "m", made / "s.jsonl", "mast", "--index", tmp_path / "i")
        message = ("Another process is writing", "Wait until it ends, or choose another --index.")
        run(*arguments, status=1, stderr=message)
        holder.stdin.close()


def test_names_that_are_not_utf8(made, tmp_path):
    name = os.fsdecode(bytes(tmp_path) + b"/n\xff")
    for options in ((), ("--table",)):
        run("embed", made / "m", made / "s.jsonl", *options, "--out", f"{name}.parquet", "--force")
        with open(f"{name}.parquet", "rb") as file:
            assert pyarrow.parquet.read_table(file).num_rows == 40
    editing = run("edit", made / "m", "--name", "0=boats", "--out", f"{name} $1 '\t")
    command = editing.stdout.splitlines()[-1].split(None, 2)
    assert command[:2] == ["docnvil", "topics"]
    words = subprocess.run(["bash", "-c", f"printf %s {command[2]}"], stdout=subprocess.PIPE, check=True).stdout
    assert words == os.fsencode(f"{name} $1 '\t")


@pytest.mark.parametrize("name", [b"-n", b"a b", b"it's", b"\xff\\x41'", "Größe 熊".encode(), b"\n$(id)", b"*"])
def test_a_shell_reads_the_name_of_a_file(name, tmp_path):
    command = ["bash", "-c", f"touch {shell_word(Path(os.fsdecode(name)))}"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert os.listdir(bytes(tmp_path)) == [name]
