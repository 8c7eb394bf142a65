"""Outputs that two processes want, outputs that are inputs, signals, and what killed processes leave."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import run, start
from faults import faults, run_until_killed
from text_data import write_jsonl

from docnvil.corpus import reading
from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus
from docnvil.errors import CheckpointError, OutputExistsError
from docnvil.runtime import folders
from docnvil.runtime.folders import READING_TRIES, read_folder, writing_folder
from docnvil.runtime.locks import lock_output
from docnvil.storage.checkpoints import checkpoint_path
from docnvil.storage.model_folder import load_model, save_model
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.vocabulary import Vocabulary

QUICK = ("--epochs", 2, "--units", 2)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"id": str(number), "text": ("mast sail wind", "onion salt oven")[number % 2]} for number in range(40)]
    return write_jsonl(tmp_path_factory.mktemp("texts") / "posts.jsonl", rows)


@pytest.fixture(scope="module")
def model(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "model"
    run("fit", texts, "--out", path, *QUICK)
    return path


def test_a_second_run_with_the_same_output_is_told_at_its_start(texts, model, tmp_path):
    code = "import sys, time; from pathlib import Path; from docnvil.runtime.locks import lock_output\n"
    code += "with lock_output(Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    out = tmp_path / "out.csv"
    holder = subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        for arguments in (("embed", model, texts), ("fit", texts, *QUICK), ("corpus", "build", texts)):
            run(*arguments, "--out", out, "--force", status=1, stderr="Another process is writing")
    finally:
        holder.kill()
        holder.communicate()
    assert (tmp_path / ".out.csv.lock").exists()  # of a killed process
    (tmp_path / ".out.csv.abcd1234.part").touch()
    run("embed", model, texts, "--out", out)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_saving_from_python_takes_the_lock(model, tmp_path):
    fitted = load_model(model, "cpu")
    with lock_output(tmp_path / "m"):
        save_model(fitted, tmp_path / "m")  # in the same thread, as commands do
        with ThreadPoolExecutor(1) as other, pytest.raises(OutputExistsError, match="Another process is writing"):
            other.submit(save_model, fitted, tmp_path / "m", force=True).result()
    save_model(fitted, tmp_path / "m", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_failed_command_leaves_no_lock_and_no_new_folder(tmp_path):
    out = tmp_path / "new" / "deep" / "a"
    with lock_output(out), pytest.raises(OutputExistsError, match="Another process"), lock_output(out):
        pass
    assert not list(tmp_path.iterdir())


def test_an_input_and_the_inside_of_a_model_are_not_replaced(texts, model, tmp_path):
    source, copy = tmp_path / "s.jsonl", tmp_path / "model"
    shutil.copy(texts, source)
    shutil.copytree(model, copy)
    before = source.read_bytes()
    run("embed", copy, source, "--out", source, "--force", status=1, stderr="is also the input")
    (tmp_path / "link").symlink_to(source)
    run("embed", copy, source, "--out", tmp_path / "link", "--force", status=1, stderr="is also the input")
    for out in (copy / "topics.csv", copy / "new.csv", copy / "sub" / "new.csv"):
        run("embed", copy, source, "--out", out, "--force", status=1, stderr="inside the model folder")
        run("report", copy, "--out", out, "--force", status=1, stderr="inside the model folder")
    assert source.read_bytes() == before
    read_folder(copy, kind="model")


def test_no_output_besides_the_main_one_replaces_an_input_or_is_inside_a_model(texts, model, tmp_path):
    source, copy = tmp_path / "s.jsonl", tmp_path / "model"
    shutil.copy(texts, source)
    shutil.copytree(model, copy)
    before = source.read_bytes()
    new = tmp_path / "new.csv"
    commands = {
        "report": (copy, source, "--out", new, "--overview"),
        "effects": (copy, source, "--by", "group", "--out", new, "--plot"),
        "sweep": (source, "--out", tmp_path / "w", "--plot"),
        "perplexity": (copy, source, "--out"),
        "completion": (copy, source, "--out"),
        "compare": (source, source, "--out"),
        "outliers": (copy, texts, "--reference", source, "--out"),
    }
    for name, arguments in commands.items():
        run(name, *arguments, source, "--force", status=1, stderr="is also the input")
        run(name, *arguments, copy / "run.json", "--force", status=1, stderr="inside the model folder")
    graph = tmp_path / "g.json"
    shutil.copy(source, graph)
    run("topics", copy, "--graph", graph, "--corpus", graph, "--force", status=1, stderr="is also the input")
    assert source.read_bytes() == graph.read_bytes() == before
    read_folder(copy, kind="model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.json", "model", "s.jsonl"]


def test_a_split_corpus_leaves_nothing_after_a_failure_or_a_kill(texts, tmp_path):
    def build() -> None:
        run("corpus", "build", texts, "--held-out", "0.3", "--out", tmp_path / "c", "--force", status=(0, 1))

    def full_disk() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with faults(12, full_disk, ("mkdir", "fsync")) as counter:
        build()
    assert counter.count >= 12
    assert not list(tmp_path.iterdir())
    assert run_until_killed(12, build, ("mkdir", "fsync"))
    assert [path.suffix for path in (tmp_path / "c").iterdir()] == [".part"]
    build()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*")) == ["c/test", "c/train"]


def test_an_index_reserves_the_space_of_its_mapped_files(texts, model, tmp_path, monkeypatch):
    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    run("search", model, texts, "sail", "--index", tmp_path / "i", status=1, stderr="is full")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    run("search", model, texts, "sail", "--index", tmp_path / "i")


def test_resume_before_the_first_checkpoint_starts_from_the_beginning(texts, tmp_path):
    run("fit", texts, "--out", tmp_path / "m", *QUICK, "--resume", stderr="training starts from the beginning")


def interrupt(out: Path, texts: Path, monkeypatch: pytest.MonkeyPatch, *options: object) -> bytes:
    """Train until the model would be saved, and return the checkpoint that is left."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("docnvil.commands.fit.SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        patch.setattr("docnvil.storage.model_folder.save_model", stop)
        run("fit", texts, "--out", out, *options, status=130)
    return checkpoint_path(out).read_bytes()


def test_resume_after_saving_says_that_training_is_complete(texts, model, tmp_path, monkeypatch):
    out = tmp_path / "m"
    interrupt(out, texts, monkeypatch, *QUICK)
    shutil.copytree(model, out)
    os.utime(out / "manifest.json", (0, 0))  # the times say nothing: clocks of two machines differ
    run("fit", texts, "--out", out, *QUICK, "--resume", status=1, stderr="is complete")


def test_resume_continues_a_training_that_was_to_replace_an_older_model(texts, model, tmp_path, monkeypatch):
    out, options = tmp_path / "m", ("--epochs", 3, "--units", 2, "--force")
    shutil.copytree(model, out)
    interrupt(out, texts, monkeypatch, *options)
    later = checkpoint_path(out).stat().st_mtime + 3600
    os.utime(out / "manifest.json", (later, later))
    run("fit", texts, "--out", out, *options, "--resume")
    assert len(load_model(out).history) == 3


def test_force_keeps_an_interrupted_run_until_the_new_one_starts(texts, tmp_path, monkeypatch):
    out = tmp_path / "m"
    kept = interrupt(out, texts, monkeypatch, *QUICK)
    for mistake in (("--text-column", "txet"), ("--stop-words", "klingon"), ("--recipe", "hash", "--prior", "none")):
        run("fit", texts, "--out", out, *QUICK, "--force", *mistake, status=(1, 2))
        assert checkpoint_path(out).read_bytes() == kept
    one_epoch = ("--epochs", 1, "--units", 2, "--force")
    run("fit", texts, "--out", out, *one_epoch)
    assert not checkpoint_path(out).exists()


def test_sigterm_ends_training_with_a_message_and_without_drafts(texts, tmp_path):
    out = tmp_path / "m"
    training = start("fit", texts, "--out", out, "--units", 2, "--epochs", 100_000)
    deadline = time.monotonic() + 60
    while not checkpoint_path(out).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    training.send_signal(signal.SIGTERM)
    _, errors = training.communicate(timeout=60)
    assert training.returncode == 143
    assert "Terminated." in errors
    assert "run the command with --resume" in errors
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["m.unfinished"]


def write(path: Path, text: str) -> None:
    with writing_folder(path, kind="model", force=True) as draft:
        for name in "ab":
            (draft / f"{name}.txt").write_text(text)


def test_a_folder_that_is_replaced_while_it_is_read_is_never_mixed(tmp_path, monkeypatch):
    path, verify, n_replaced = tmp_path / "model", folders.verify_folder, 0

    def verify_and_replace(*arguments, **options):
        nonlocal n_replaced
        verify(*arguments, **options)
        if not n_replaced:
            n_replaced += 1
            write(path, f"version {n_replaced}")

    monkeypatch.setattr(folders, "verify_folder", verify_and_replace)
    write(path, "version 0")
    contents = read_folder(path, kind="model")
    assert contents == dict.fromkeys(("a.txt", "b.txt"), b"version 1")
    path_read = Path.read_bytes

    def replace_and_read(self):
        content = path_read(self)
        if self.name == "a.txt":
            write(path, "other" + content.decode())
        return content

    monkeypatch.setattr(Path, "read_bytes", replace_and_read)
    with pytest.raises(CheckpointError, match="was replaced while it was read"):
        read_folder(path, kind="model")


def test_a_corpus_that_is_replaced_while_it_is_read_is_never_mixed(tmp_path, monkeypatch):
    path, verify, replacements = tmp_path / "corpus", reading.verify_folder, [1]

    def make(number: int) -> None:
        matrix = DocumentTermMatrix([[number] * number], Vocabulary(list("abcdefgh"[:number])), (str(number),))
        write_corpus(matrix, path, force=True)

    def verify_and_replace(*arguments: object, **options: object) -> None:
        verify(*arguments, **options)
        if replacements:
            make(replacements.pop())

    make(3)
    monkeypatch.setattr(reading, "verify_folder", verify_and_replace)
    matrix = read_corpus(path)
    assert (matrix.counts.toarray().tolist(), matrix.vocabulary.words, tuple(matrix.ids)) == ([[1]], ("a",), ("1",))
    replacements.extend([2, 1] * READING_TRIES)
    with pytest.raises(CheckpointError, match="was replaced while it was read"):
        read_corpus(path)
