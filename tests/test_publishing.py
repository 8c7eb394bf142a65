"""Outputs of several files, and folders that are replaced: complete after a fault at any call of the system."""

import errno
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faults import CALLS, faults, run_until_killed

from docnvil.errors import DocnvilError, OutputExistsError
from docnvil.runtime import folders
from docnvil.runtime.disk import drafting, exchange, remove_abandoned_drafts
from docnvil.runtime.folders import verify_folder, writing_folder
from docnvil.runtime.publishing import complete_publication, writing_together
from docnvil.storage.tables import ids_path, themes_path, write_embeddings

OLD, NEW = "old", "new"
MOVES = ("rename", "replace", "mkdir", "fsync")  # the calls between which other processes see a difference


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def write(out: Path, version: str) -> None:
    themes = np.zeros(2, dtype=np.int64) if version == OLD else np.ones(2, dtype=np.int64)
    chunk = np.full((2, 3), float(version == NEW))
    write_embeddings(out, [f"{version}1", f"{version}2"], {}, 3, [chunk], themes)


def version_of(out: Path) -> str | None:
    """Return the version of the embeddings, None if the main file is missing, and fail for a mixture."""
    if not out.exists():
        return None
    version = NEW if np.load(out).all() else OLD
    assert ids_path(out).read_text() == f"{version}1\n{version}2\n"
    assert np.load(themes_path(out)).all() == (version == NEW)
    return version


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def n_calls(work, *arguments, calls=CALLS) -> int:
    with faults(0, calls=calls) as counter:
        work(*arguments)
    return counter.count


def test_an_error_at_any_call_leaves_the_old_or_the_new_files(tmp_path):
    out = tmp_path / "e.npy"
    write(out, OLD)
    seen = set()
    for number in range(1, n_calls(write, out, OLD) + 1):
        with faults(number, no_space), suppress(OSError):
            write(out, NEW)
        seen.add(version_of(out))
        complete_publication(out)  # an error of a deletion leaves something for the next command
        remove_abandoned_drafts(tmp_path, "e.npy")
        assert names_in(tmp_path) == ["e.ids.txt", "e.npy", "e.themes.npy"], number
        write(out, OLD)
    assert seen == {OLD, NEW}


def test_a_kill_at_any_call_never_mixes_files_and_the_next_run_completes(tmp_path):
    out = tmp_path / "e.npy"
    write(out, OLD)
    seen = set()
    for number in range(1, n_calls(write, out, OLD, calls=MOVES) + 1):
        assert run_until_killed(number, lambda: write(out, NEW), MOVES)
        seen.add(version_of(out))
        complete_publication(out)
        remove_abandoned_drafts(tmp_path, "e.npy")
        assert version_of(out) in (OLD, NEW)
        assert names_in(tmp_path) == ["e.ids.txt", "e.npy", "e.themes.npy"], number
        write(out, OLD)
    assert seen == {OLD, NEW, None}


def test_files_that_are_not_written_are_removed(tmp_path):
    out = tmp_path / "e.npy"
    write(out, OLD)
    write_embeddings(out, ["a"], {}, 3, [np.ones((1, 3))])
    assert names_in(tmp_path) == ["e.ids.txt", "e.npy"]


def test_two_processes_do_not_publish_at_once(tmp_path):
    main = tmp_path / "a.txt"
    with drafting(main, is_folder=True) as draft:
        draft.rename(tmp_path / ".a.txt.publishing")
        with pytest.raises(OutputExistsError, match="Another process is writing"), writing_together(main):
            pass
    with writing_together(main) as (path,):
        path.write_text("content")
    assert main.read_text() == "content"


def write_folder(path: Path, text: str) -> None:
    with writing_folder(path, kind="model", force=True) as draft:
        (draft / "sub").mkdir()
        (draft / "sub" / "a.txt").write_text(text)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path, monkeypatch, can_exchange):
    path, seen = tmp_path / "model", set()
    if not can_exchange:
        monkeypatch.setattr(folders, "exchange", lambda first, second: False)
    write_folder(path, OLD)
    for number in range(1, n_calls(write_folder, path, OLD, calls=MOVES) + 1):
        assert run_until_killed(number, lambda: write_folder(path, NEW), MOVES)
        assert path.exists() or not can_exchange
        verify_folder(path, kind="model")
        seen.add((path / "sub" / "a.txt").read_text())
        remove_abandoned_drafts(tmp_path, "model")
        write_folder(path, OLD)
        assert names_in(tmp_path) == ["model"]
    assert seen == {OLD, NEW}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_error_while_a_folder_is_replaced_leaves_the_old_or_the_new_one(tmp_path, monkeypatch, can_exchange):
    path = tmp_path / "model"
    if not can_exchange:
        monkeypatch.setattr(folders, "exchange", lambda first, second: False)
    write_folder(path, OLD)
    for number in range(1, n_calls(write_folder, path, OLD) + 1):
        with faults(number, no_space), suppress(OSError, DocnvilError):
            write_folder(path, NEW)
        verify_folder(path, kind="model")
        assert (path / "sub" / "a.txt").read_text() in (OLD, NEW)
        remove_abandoned_drafts(tmp_path, "model")
        write_folder(path, OLD)
        assert names_in(tmp_path) == ["model"]


def test_two_folders_exchange_their_names(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this system cannot exchange names")
    assert (tmp_path / "a" / "b").exists()
    assert (tmp_path / "b" / "a").exists()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "none")


def test_only_abandoned_drafts_are_removed(tmp_path):
    target = tmp_path / "out.csv"
    for name in (".out.csv.abcd1234.part", ".other.csv.abcd1234.part", ".out.csv.mine.part", "out.csv.abcd1234.part"):
        (tmp_path / name).touch()
    with drafting(target, is_folder=False) as draft:
        remove_abandoned_drafts(tmp_path, "out.csv")
        assert draft.exists()
        assert names_in(tmp_path) == sorted(
            [draft.name, ".other.csv.abcd1234.part", ".out.csv.mine.part", "out.csv.abcd1234.part"]
        )
