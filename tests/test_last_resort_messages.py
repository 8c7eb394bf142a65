"""Messages for what no command can prevent: full disks, too little memory, closed streams; and hostile characters."""

import errno
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from commands import run
from text_data import write_jsonl

from docnvil.commands import COMMANDS, main
from docnvil.commands.console import _message
from docnvil.commands.numbers import Number, Sizes, WholeNumber
from docnvil.commands.printing import echo, echo_json, escape_controls
from docnvil.corpus import build
from docnvil.errors import DocnvilError, OutOfMemoryError, naming_step
from docnvil.runtime.arrays import save_array
from docnvil.runtime.disk import describe_full_disk
from docnvil.runtime.folders import replace_file, writing_folder
from docnvil.runtime.output_names import naming_outputs
from docnvil.runtime.publishing import writing_together

ESCAPE = "\x1b[2J\x9b31m"  # clears a terminal, and colors it
COMMAND = f"{sys.executable} -m docnvil"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ("mast sail wind", "onion salt oven")
    rows = [{"id": f"{ESCAPE}{number}", "text": words[number % 2], ESCAPE: ESCAPE} for number in range(40)]
    return write_jsonl(tmp_path_factory.mktemp("texts") / "posts.jsonl", rows)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose words have control characters."""
    folder = tmp_path_factory.mktemp("fitted")
    rows = [f"0 mast{ESCAPE}:20 sail:10\n", "0 onion:20 salt:10\n"] * 100
    (folder / "a.svmlight").write_text("".join(rows))
    run("fit", folder / "a.svmlight", "--out", folder / "model", "--epochs", 20, "--units", 2)
    return folder / "model"


def shell(command: str, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, **options)


@pytest.mark.parametrize("arguments", [("topics",), ("info",), ("topics", "--tree"), ("topics", "--json")])
def test_control_characters_of_words_are_not_printed(model, arguments):
    command, *options = arguments
    result = run(command, model, *options)
    assert "\\u001b[2J\\u009b31m" in result.stdout or command == "info"
    assert not {"\x1b", "\x9b"} & set(result.output)


@pytest.mark.parametrize("arguments", [("info",), ("info", "--json"), ("fit", "--text-column", ESCAPE + "no")])
def test_control_characters_of_documents_and_options_are_not_printed(texts, arguments):
    command, *options = arguments
    result = run(command, texts, *options, status=1 if command == "fit" else 0)
    assert "\\u001b[2J" in result.output
    assert not {"\x1b", "\x9b"} & set(result.output)


def test_escaped_json_is_json(capsys):
    echo_json({"word": ESCAPE})
    assert json.loads(capsys.readouterr().out) == {"word": ESCAPE}


def test_text_is_printed_in_the_encoding_of_the_stream(monkeypatch):
    for encoding in ("ascii", "latin-1", "utf-8"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        echo("caf\u00e9 \u65e5 \udce9")
        echo_json({"word": "caf\u00e9 \u65e5"})
        text = stream.buffer.getvalue().decode(encoding)
        assert "\\udce9" in text
        assert json.loads(text[text.index("{") :]) == {"word": "caf\u00e9 \u65e5"}


def test_tabs_and_line_feeds_are_printed():
    assert escape_controls("a\tb\nc\r\x00\x7f") == "a\tb\nc\\u000d\\u0000\\u007f"


def test_a_closed_stdout_is_an_error():
    result = shell(f"{COMMAND} recipes >&-")
    assert result.returncode == 1
    assert result.stderr == "Error: Standard output is closed. Redirect it to a file or to /dev/null.\n"


def test_a_full_disk_behind_stdout_is_an_error():
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    result = shell(f"{COMMAND} recipes > /dev/full")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: standard output: No space left on device.")
    assert "Traceback" not in result.stderr


def test_a_reader_that_closes_the_pipe_ends_the_command_without_a_traceback():
    result = shell(f"(sleep 0.5; {COMMAND} recipes) | exec 0<&-; echo ${{PIPESTATUS[0]}}")
    assert (result.stdout, result.stderr) == ("1\n", "")


def test_a_closed_stderr_and_stdin_do_no_harm():
    result = shell(f"{COMMAND} recipes 2>&- <&-")
    assert result.returncode == 0
    assert result.stdout == run("recipes").stdout


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_with_what_is_free(tmp_path, number):
    def write() -> None:
        with writing_folder(tmp_path / "new" / "model", kind="model") as draft:
            (draft / "a").touch()
            raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        write()
    message = describe_full_disk(caught.value)
    assert str(tmp_path / "new" / "model") in message
    assert "MiB free" in message
    assert not (tmp_path / "new" / "model").exists()


def limited(command: str) -> subprocess.CompletedProcess:
    """Run a command that can write only files of up to 20 KiB."""
    return shell(f"trap '' XFSZ; ulimit -f 20; {command}")


def test_arrays_are_written_with_the_error_of_the_system(tmp_path):
    array = np.arange(100_000).reshape(100, 1000)
    save_array(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    program = "import numpy, pathlib; from docnvil.runtime.arrays import save_array\n"
    program += f"save_array(pathlib.Path({str(tmp_path / 'c.npy')!r}), numpy.arange(100_000))"
    result = limited(f'{sys.executable} -c "{program}"')
    assert "File too large" in result.stderr


def test_a_limit_of_the_size_of_files_is_named(texts, tmp_path):
    out = tmp_path / "m"
    command = [sys.executable, "-m", "docnvil", "fit", texts, "--units", 300, "--epochs", 1, "--out", out]
    result = limited(shlex.join(map(str, command)))
    assert result.returncode == 1
    assert f"{out}" in result.stderr
    assert "File too large. It is larger than this process may write; raise the limit with ulimit -f." in result.stderr
    assert not out.exists()


def test_a_build_on_a_full_disk_names_the_place(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("mast sail wind\nonion salt oven\n" * 20)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(build, "save_counted_chunk", full)
    arguments = ("corpus", "build", tmp_path / "a.txt", "--out", tmp_path / "corpus")
    run(*arguments, status=1, stderr=(f"The disk of {tmp_path}", "is full (", "MiB free)", "Free some space"))


def test_a_command_that_runs_out_of_memory_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("mast sail wind\nonion salt oven\n" * 20)

    def huge(*arguments: object, **options: object) -> None:
        np.empty(1 << 50)

    monkeypatch.setattr("docnvil.corpus.loading.count_documents", huge)
    reason = f"Out of memory while counting the words of {tmp_path / 'a.txt'}"
    message = (f"{reason} (8.00 PiB more needed)", "docnvil corpus build")
    run("fit", tmp_path / "a.txt", "--out", tmp_path / "m", status=1, stderr=message)
    monkeypatch.undo()
    monkeypatch.setattr(build, "save_counted_chunk", huge)
    arguments = ("corpus", "build", tmp_path / "a.txt", "--out", tmp_path / "corpus")
    run(*arguments, status=1, stderr=(reason, "Use fewer --workers."))


def test_training_that_runs_out_of_memory_names_the_sizes(texts, tmp_path, monkeypatch):
    def out_of_memory(*arguments: object, **options: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr("docnvil.training.loop.update", out_of_memory)
    message = "Out of GPU memory while training 3 units on 6 words (2.00 GiB more needed). Use fewer --units"
    run("fit", texts, "--out", tmp_path / "m", "--units", 3, status=1, stderr=message)


def test_the_innermost_step_is_named():
    outer, inner = naming_step("doing all"), naming_step("reading a", "Split it.")
    with pytest.raises(OutOfMemoryError, match=r"while reading a\. Split it"), outer, inner:
        raise MemoryError
    with pytest.raises(ZeroDivisionError), naming_step("doing all"):
        _ = 1 / 0
    assert issubclass(OutOfMemoryError, DocnvilError)


def options_of(command: click.Command) -> list[click.Parameter]:
    if isinstance(command, click.Group):
        return [each for name in command.commands for each in options_of(command.commands[name])]
    return list(command.params)


@pytest.mark.parametrize("name", COMMANDS)
def test_numbers_are_written_with_digits_only(name):
    command = main.get_command(click.Context(main), name)
    kinds = [each.type for each in options_of(command)]
    plain = (click.types.IntParamType, click.types.FloatParamType)
    assert not [kind for kind in kinds if isinstance(kind, plain) and not isinstance(kind, WholeNumber | Number)]
    for kind in kinds:
        if isinstance(kind, WholeNumber | Number | Sizes):
            for text in ("1_0", "\u0663", "7 7", "nan", "inf", "1e999", "0x10", "", "9" * 5000):
                with pytest.raises(click.BadParameter):
                    kind.convert(text, None, None)


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "--ngrams", "1_1"),
        ("fit", "--validation", "1_0"),
        ("edit", "--merge", "0,0_1"),
        ("edit", "--name", "0_1=a"),
        ("draw", "--shape", "1_0x2"),
        ("sweep", "--units", "1_0,2"),
    ],
)
def test_lists_and_ranges_of_numbers_are_written_with_digits_only(texts, tmp_path, arguments):
    command, *options = arguments
    run(command, texts, "--out", tmp_path / "out", *options, status=(1, 2), stderr=options[1])


def test_a_folder_that_cannot_be_written_is_named_instead_of_a_temporary_file(texts, tmp_path, monkeypatch):
    def refuse(lock: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(lock))

    monkeypatch.setattr("docnvil.runtime.locks.FileIO", refuse)
    result = run("fit", texts, "--out", tmp_path / "model", status=1)
    assert f"docnvil cannot write in the folder {tmp_path}: Permission denied. Check the permissions." in result.stderr
    assert ".model" not in result.stderr
    with pytest.raises(PermissionError) as error, naming_outputs():
        refuse(tmp_path / ".codes.npy.0123abcd.part", "ab")
    assert error.value.filename == str(tmp_path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_folder_that_cannot_be_made_is_named(texts, tmp_path):
    result = run("fit", texts, "--out", "/proc/models/a", status=1)
    assert "docnvil cannot make the folder /proc/models: No such file or directory. Check the path." in result.stderr
    (tmp_path / "file").touch()
    message = f"docnvil cannot write in the folder {tmp_path / 'file'}: Not a directory. A part of the path is"
    run("fit", texts, "--out", tmp_path / "file" / "model", status=1, stderr=message)
    result = run("fit", texts, "--out", tmp_path / "file" / "more" / "model", status=1)
    assert f"docnvil cannot make the folder {tmp_path / 'file' / 'more'}: Not a directory." in result.stderr
    assert "free space" not in result.stderr


def test_a_fault_while_an_output_is_written_names_the_output(tmp_path):
    with pytest.raises(OSError, match="damaged") as error, writing_folder(tmp_path / "model", kind="model") as draft:
        raise OSError(errno.EIO, "damaged", str(draft / "vocabulary.txt"))
    assert error.value.filename == str(tmp_path / "model" / "vocabulary.txt")
    targets = tmp_path / "e.npy", tmp_path / "e.ids.txt"
    with pytest.raises(OSError, match="damaged") as error, writing_together(*targets) as drafts:
        raise OSError(errno.EIO, "damaged", str(drafts[1]))
    assert error.value.filename == str(tmp_path / "e.ids.txt")
    with pytest.raises(OSError, match="too long") as error:
        replace_file(tmp_path / ("n" * 250), b"")
    assert error.value.filename == str(tmp_path / ("n" * 250))


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_a_remedy_fits_the_fault(number):
    message = _message(OSError(number, os.strerror(number), "/models/news"))
    assert message.startswith(f"/models/news: {os.strerror(number)}. ") or number in (errno.ENOSPC, errno.EDQUOT)
    assert ("Free some space" in message) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert ("permissions" in message) == (number in (errno.EACCES, errno.EPERM))
