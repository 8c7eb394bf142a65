import json
from pathlib import Path

import pytest

from docnvil.errors import CheckpointError, OutputExistsError
from docnvil.runtime.folders import (
    MANIFEST,
    is_folder_of_kind,
    replace_file,
    replacing_file,
    sha256_of,
    verify_folder,
    writing_folder,
)


def fill(path, text="content", **options):
    with writing_folder(path, kind="model", **options) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text(text)


def content(path):
    return {file.name: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_folder_is_written_whole_with_its_manifest(tmp_path):
    path = tmp_path / "deep" / "model"
    fill(path)
    verify_folder(path, kind="model")
    assert [file.name for file in path.parent.iterdir()] == ["model"]
    manifest = json.loads((path / MANIFEST).read_text())
    assert manifest["kind"] == "model"
    assert manifest["files"]["sub/b.txt"] == {"bytes": 7, "sha256": sha256_of(path / "sub" / "b.txt")}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    fill(tmp_path / "model")
    before = content(tmp_path / "model")

    def fail():
        with writing_folder(tmp_path / "model", kind="model", force=True) as folder:
            (folder / "a.txt").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert content(tmp_path / "model") == before
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_failure_leaves_nothing_where_nothing_was(tmp_path):
    def fail():
        with writing_folder(tmp_path / "model", kind="model") as folder:
            (folder / "a.txt").write_text("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failing_move_brings_the_old_folder_back(tmp_path, monkeypatch, error):
    fill(tmp_path / "model")
    before = content(tmp_path / "model")
    rename = type(tmp_path).rename

    def refuse_drafts(self, target):
        if self.name.endswith(".part"):
            raise error("disk trouble")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", refuse_drafts)
    with pytest.raises(error, match="disk trouble"):
        fill(tmp_path / "model", text="new", force=True)
    assert content(tmp_path / "model") == before
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_folder_is_replaced_by_force_only(tmp_path):
    fill(tmp_path / "model")
    with pytest.raises(OutputExistsError, match="--force"):
        fill(tmp_path / "model", text="new")
    fill(tmp_path / "model", text="new", force=True)
    assert (tmp_path / "model" / "a.txt").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_other_peoples_folders_are_never_replaced(tmp_path):
    (tmp_path / "home").mkdir()
    fill(tmp_path / "home", force=True)  # an empty one costs nobody anything
    (tmp_path / "home" / MANIFEST).unlink()
    with pytest.raises(OutputExistsError, match="that docnvil wrote"):
        fill(tmp_path / "home", force=True)


def test_force_replaces_nothing_but_a_folder_of_the_same_kind(tmp_path):
    fill(tmp_path / "corpus")
    with (
        pytest.raises(OutputExistsError, match="not a corpus folder"),
        writing_folder(tmp_path / "corpus", kind="corpus", force=True),
    ):
        pass
    (tmp_path / "posts.jsonl").write_text("precious")
    (tmp_path / "extension").mkdir()
    (tmp_path / "extension" / MANIFEST).write_text('{"manifest_version": 3}')
    for name in ("posts.jsonl", "extension"):
        with pytest.raises(OutputExistsError, match="that docnvil wrote"):
            fill(tmp_path / name, force=True)
    assert (tmp_path / "posts.jsonl").read_text() == "precious"


def test_force_spares_what_others_put_into_a_folder_of_ours(tmp_path):
    fill(tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("precious")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        fill(tmp_path / "model", text="new", force=True)
    assert (tmp_path / "model" / "notes.txt").read_text() == "precious"


def test_the_folder_one_stands_in_may_be_filled(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    fill(Path("."), force=True)
    assert (tmp_path / "here" / MANIFEST).is_file()


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        '{"kind": "model"}',
        '{"kind": "model", "files": 3}',
        '{"kind": "model", "files": {"a.txt": 3}}',
        '{"kind": "model", "files": {"a.txt": {"bytes": 7}}}',
        '{"kind": "corpus", "files": {}}',
        "\udcff",
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, manifest):
    fill(tmp_path / "model")
    (tmp_path / "model" / MANIFEST).write_bytes(manifest.encode("utf-8", "surrogateescape"))
    assert not is_folder_of_kind(tmp_path / "model", "model")
    with pytest.raises(CheckpointError):
        verify_folder(tmp_path / "model", kind="model")


def test_kinds_are_told_apart(tmp_path):
    fill(tmp_path / "model")
    assert is_folder_of_kind(tmp_path / "model", "model")
    assert not is_folder_of_kind(tmp_path / "model", "corpus")
    assert not is_folder_of_kind(tmp_path / "nowhere", "model")


@pytest.mark.parametrize("change", ["missing", "shorter", "flipped"])
def test_altered_files_are_found(tmp_path, change):
    fill(tmp_path / "model")
    file = tmp_path / "model" / "sub" / "b.txt"
    match change:
        case "missing":
            file.unlink()
        case "shorter":
            file.write_text("conten")
        case "flipped":
            file.write_text("cOntent")
    with pytest.raises(CheckpointError, match=r"b\.txt.*make the model again"):
        verify_folder(tmp_path / "model", kind="model")


def test_a_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    replace_file(path, b"old")

    def fail():
        with replacing_file(path) as draft:
            draft.write_bytes(b"half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
