"""A signal at any instruction of the code that makes files leaves no temporary file, and the old or the new output."""

import contextlib
import dis
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from docnvil.errors import DocnvilWarning
from docnvil.runtime import cleanup, disk, folders, locks, publishing
from docnvil.runtime.cleanup import delete_leftovers, deleting_leftovers, register_leftover
from docnvil.runtime.disk import delete, drafting, scratch_folder
from docnvil.runtime.folders import replace_file, writing_folder
from docnvil.runtime.locks import lock_output
from docnvil.runtime.publishing import writing_together

BY_INSTRUCTION = {module.__file__ for module in (cleanup, disk, folders, locks, publishing)}
BY_LINE = {contextlib.__file__, shutil.__file__}


class Interrupter:
    """Raises `KeyboardInterrupt` at the n-th place where Python may handle a signal; n = 0 counts only.

    Python does that after calls, where functions begin, and where loops go back. In the standard library, every line
    is such a place here.
    """

    def __init__(self, number: int) -> None:
        self.number, self.count = number, 0

    def trace(self, frame: FrameType, event: str, argument: Any) -> Callable | None:
        if frame.f_code.co_filename in BY_LINE:
            return partial(self.trace_frame, {})
        if frame.f_code.co_filename in BY_INSTRUCTION:
            frame.f_trace_opcodes = True
            return partial(self.trace_frame, {"before": "RESUME"})
        return None

    def trace_frame(self, memory: dict[str, str], frame: FrameType, event: str, argument: Any) -> Callable:
        if event == "opcode":
            if memory["before"].startswith(("CALL", "RESUME", "JUMP_BACKWARD", "YIELD", "BEFORE_WITH")):
                self.interrupt()
            memory["before"] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        elif event == "line" and not memory:
            self.interrupt()
        return partial(self.trace_frame, memory)

    def interrupt(self) -> None:
        self.count += 1
        if self.count == self.number:
            raise KeyboardInterrupt

    def run(self, work: Callable[[], None]) -> None:
        """Run `work` as a command, with one interrupt."""
        with deleting_leftovers():
            sys.settrace(self.trace)
            try:
                work()
            finally:
                sys.settrace(None)


def file(folder: Path) -> None:
    replace_file(folder / "a.txt", b"new")


def new_folder(folder: Path) -> None:
    with writing_folder(folder / "m", kind="model", force=True) as draft:
        (draft / "a.txt").write_text("new")


def several_files(folder: Path) -> None:
    with writing_together(folder / "a.txt", folder / "b.txt") as (first, second):
        first.write_text("new")
        second.write_text("new")


def file_in_new_folders(folder: Path) -> None:
    with lock_output(folder / "x" / "y" / "a.txt"):
        replace_file(folder / "x" / "y" / "a.txt", b"new")


def scratch(folder: Path) -> None:
    with scratch_folder() as place:
        (place / "a").mkdir()
        (place / "a" / "b").touch()


WORKS = (file, new_folder, several_files, file_in_new_folders, scratch)


def content_of(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if not path.is_dir() or not any(path.iterdir()))
    return {path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else "" for path in files}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a lock file that is never stored
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 17])
@pytest.mark.parametrize(
    "work", [*WORKS, "new folder without an exchange of names"], ids=lambda work: getattr(work, "__name__", work)
)
def test_an_interrupt_at_any_instruction_leaves_nothing_temporary(work, step, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if isinstance(work, str):
        monkeypatch.setattr(folders, "exchange", lambda first, second: False)
        work = new_folder
    old, place = tmp_path / "old", tmp_path / "place"
    old.mkdir()
    if work is not file_in_new_folders:
        work(old)
        for path in old.rglob("*.txt"):
            path.write_text("old")
    before = content_of(old)
    shutil.copytree(old, place)
    work(place)
    after = content_of(place)
    assert after != before or work is scratch
    seen = set()
    for number in count(1, step):
        shutil.rmtree(place)
        shutil.copytree(old, place)
        try:
            Interrupter(number).run(lambda: work(place))
            break
        except KeyboardInterrupt:
            pass
        content = content_of(place)
        assert content in (before, after), number
        assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "place"], number
        seen.add(content == after)
        work(place)  # no lock is left
        assert content_of(place) == after
    assert number > 100
    assert seen == ({True, False} if work is not scratch else {True})


def test_only_what_is_made_in_the_block_is_deleted(tmp_path):
    with drafting(tmp_path / "a", is_folder=True) as draft:
        with deleting_leftovers():
            register_leftover(tmp_path / "b", delete)
            (tmp_path / "b").touch()
        assert [path.name for path in tmp_path.iterdir()] == [draft.name]


def test_a_forked_process_leaves_the_drafts_of_its_parent(tmp_path):
    with drafting(tmp_path / "a", is_folder=True) as draft:
        child = os.fork()
        if not child:
            delete_leftovers()
            os._exit(0)
        os.waitpid(child, 0)
        assert draft.exists()


def test_the_end_of_a_process_deletes_what_is_left(tmp_path):
    code = "import sys; from pathlib import Path; from docnvil.runtime.disk import _make_draft\n"
    code += "print(_make_draft(Path(sys.argv[1]), is_folder=True)[0].is_dir())"
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "m"], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"
    assert not any(tmp_path.iterdir())


def test_a_warning_names_what_cannot_be_deleted(tmp_path, monkeypatch):
    unlink = os.unlink

    def refuse(path: Any, *arguments: Any, **options: Any) -> None:
        if Path(path).name == "b":
            raise OSError(5, "Input/output error")
        unlink(path, *arguments, **options)

    (tmp_path / "a").mkdir()
    for name in "abc":
        (tmp_path / "a" / name).touch()
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.warns(DocnvilWarning, match=r"/a could not be deleted: Input/output error\. The next command"):
        delete(tmp_path / "a")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    monkeypatch.undo()
    delete(tmp_path / "a")
    assert not any(tmp_path.iterdir())


def test_an_error_that_passes_leaves_nothing(tmp_path, monkeypatch):
    scandir, n_calls = os.scandir, []

    def fail_once(path: Any) -> Any:
        n_calls.append(path)
        if len(n_calls) == 1:
            raise OSError(5, "Input/output error")
        return scandir(path)

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").touch()
    monkeypatch.setattr(os, "scandir", fail_once)
    delete(tmp_path / "a")
    assert not (tmp_path / "a").exists()
