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


def write_example(path, text="content", **options):
    with writing_folder(path, kind="model", **options) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text(text)


def file_contents(path):
    return {file.name: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_folder_is_written_with_its_manifest(tmp_path):
    path = tmp_path / "deep" / "model"
    write_example(path)
    verify_folder(path, kind="model")
    assert [file.name for file in path.parent.iterdir()] == ["model"]
    manifest = json.loads((path / MANIFEST).read_text())
    assert manifest["kind"] == "model"
    assert manifest["files"]["sub/b.txt"] == {"bytes": 7, "sha256": sha256_of(path / "sub" / "b.txt")}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_existing_folder(tmp_path, error):
    write_example(tmp_path / "model")
    before = file_contents(tmp_path / "model")

    def fail():
        with writing_folder(tmp_path / "model", kind="model", force=True) as folder:
            (folder / "a.txt").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert file_contents(tmp_path / "model") == before
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_failure_leaves_no_new_folder(tmp_path):
    def fail():
        with writing_folder(tmp_path / "model", kind="model") as folder:
            (folder / "a.txt").write_text("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failed_rename_restores_the_old_folder(tmp_path, monkeypatch, error):
    write_example(tmp_path / "model")
    before = file_contents(tmp_path / "model")
    rename = type(tmp_path).rename

    def fail_for_drafts(self, target):
        if self.name.endswith(".part"):
            raise error("disk trouble")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", fail_for_drafts)
    monkeypatch.setattr("docnvil.runtime.folders.exchange", lambda first, second: False)
    with pytest.raises(error, match="disk trouble"):
        write_example(tmp_path / "model", text="new", force=True)
    assert file_contents(tmp_path / "model") == before
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_only_force_replaces_a_folder(tmp_path):
    write_example(tmp_path / "model")
    with pytest.raises(OutputExistsError, match="force=True"):
        write_example(tmp_path / "model", text="new")
    write_example(tmp_path / "model", text="new", force=True)
    assert (tmp_path / "model" / "a.txt").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_folders_without_a_manifest_are_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    write_example(tmp_path / "thesis", force=True)  # an empty folder may be replaced
    (tmp_path / "thesis" / MANIFEST).unlink()
    with pytest.raises(OutputExistsError, match="written by docnvil"):
        write_example(tmp_path / "thesis", force=True)


def test_force_replaces_only_folders_of_the_same_kind(tmp_path):
    write_example(tmp_path / "corpus")
    with (
        pytest.raises(OutputExistsError, match="not a corpus folder"),
        writing_folder(tmp_path / "corpus", kind="corpus", force=True),
    ):
        pass
    (tmp_path / "posts.jsonl").write_text("precious")
    (tmp_path / "extension").mkdir()
    (tmp_path / "extension" / MANIFEST).write_text('{"manifest_version": 3}')
    for name in ("posts.jsonl", "extension"):
        with pytest.raises(OutputExistsError, match="written by docnvil"):
            write_example(tmp_path / name, force=True)
    assert (tmp_path / "posts.jsonl").read_text() == "precious"


def test_force_does_not_replace_a_folder_with_unexpected_files(tmp_path):
    write_example(tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("precious")
    with pytest.raises(OutputExistsError, match=r"notes\.txt"):
        write_example(tmp_path / "model", text="new", force=True)
    assert (tmp_path / "model" / "notes.txt").read_text() == "precious"


def test_the_current_folder_may_be_written(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_example(Path("."), force=True)
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
        *(
            json.dumps({"kind": "model", "files": {name: {"bytes": 7, "sha256": ""}}})
            for name in ("../a.txt", "/a.txt", "a" * 300, "a\0", "\ud800", "", "a/" * 5000)
        ),
        "\udcff",
    ],
)
def test_an_invalid_manifest_is_an_error(tmp_path, manifest):
    write_example(tmp_path / "model")
    (tmp_path / "model" / MANIFEST).write_bytes(manifest.encode("utf-8", "surrogateescape"))
    assert not is_folder_of_kind(tmp_path / "model", "model")
    with pytest.raises(CheckpointError):
        verify_folder(tmp_path / "model", kind="model")


def test_a_folder_has_one_kind(tmp_path):
    write_example(tmp_path / "model")
    assert is_folder_of_kind(tmp_path / "model", "model")
    assert not is_folder_of_kind(tmp_path / "model", "corpus")
    assert not is_folder_of_kind(tmp_path / "nowhere", "model")


@pytest.mark.parametrize("change", ["missing", "shorter", "flipped"])
def test_changed_files_are_detected(tmp_path, change):
    write_example(tmp_path / "model")
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


def test_a_file_is_replaced_atomically(tmp_path):
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
