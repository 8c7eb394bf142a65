"""Paths that cannot be written or read are refused with a message, and outputs have the permissions users chose."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import run

import docnvil
from docnvil.errors import ConfigurationError, DocnvilError, OutputExistsError
from docnvil.runtime.folders import replace_file, writing_folder
from docnvil.runtime.paths import require_one_file_system, resolve, resolve_output
from docnvil.runtime.publishing import writing_together

OTHER_DISK = Path("/dev/shm")


@pytest.fixture(scope="module")
def model():
    return docnvil.fit(np.eye(4, dtype=int) + 1, docnvil.Settings(units=(2,), epochs=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    """A folder with a model, a source of counts and a loop of symbolic links."""
    place = tmp_path_factory.mktemp("paths")
    docnvil.save(model, place / "model")
    np.savez(place / "unused.npz", a=1)
    docnvil.write_counts(docnvil.count_words(np.eye(4, dtype=int) + 1), place / "counts.npz", "npz")
    (place / "loop1").symlink_to("loop2")
    (place / "loop2").symlink_to("loop1")
    return place


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


class TestPermissions:
    @pytest.mark.parametrize("umask", [0o077, 0o022, 0o002], indirect=True)
    def test_new_outputs_follow_the_umask(self, umask, model, tmp_path):
        docnvil.save(model, tmp_path / "new" / "model")
        replace_file(tmp_path / "page.html", b"")
        docnvil.write_counts(docnvil.count_words(np.eye(3, dtype=int)), tmp_path / "counts.mtx", "mtx")
        docnvil.write_corpus(docnvil.count_words(["a cat", "a cat"], max_df=1.0), tmp_path / "corpus")
        written = list(tmp_path.rglob("*"))
        assert len(written) > 12
        for each in written:
            assert mode(each) == (0o777 if each.is_dir() else 0o666) & ~umask, each

    @pytest.mark.parametrize("umask", [0o022], indirect=True)
    @pytest.mark.parametrize("before", [0o600, 0o640, 0o664])
    def test_a_replaced_file_keeps_its_permissions(self, umask, before, tmp_path):
        out, beside = tmp_path / "a.csv", tmp_path / "a.ids.txt"
        for path in (out, beside):
            path.write_text("old")
            path.chmod(before)
        replace_file(out, b"new")
        assert (mode(out), out.read_text()) == (before, "new")
        with writing_together(out, beside) as drafts:
            for draft in drafts:
                draft.write_text("newer")
                assert mode(draft.parents[1]) == 0o700  # nobody reads private content before it is in place
        assert [mode(path) for path in (out, beside)] == [before, before]
        assert out.read_text() == beside.read_text() == "newer"

    @pytest.mark.parametrize("umask", [0o022], indirect=True)
    @pytest.mark.parametrize("before", [0o700, 0o750, 0o2770])
    def test_a_replaced_folder_keeps_its_permissions(self, umask, before, model, tmp_path):
        docnvil.save(model, tmp_path / "model")
        (tmp_path / "model").chmod(before)
        with writing_folder(tmp_path / "model", kind="model", force=True) as draft:
            assert mode(draft) & 0o077 == 0
            (draft / "file").write_text("new")
        assert mode(tmp_path / "model") == before

    @pytest.mark.parametrize("umask", [0o077], indirect=True)
    def test_a_private_draft_is_never_open_to_others(self, umask, tmp_path):
        with writing_folder(tmp_path / "a", kind="model") as draft:
            assert mode(draft) == 0o700
            (draft / "file").write_text("new")
        assert mode(tmp_path / "a") == 0o700

    @pytest.mark.parametrize("umask", [0o077], indirect=True)
    def test_commands_follow_the_umask(self, umask, folder, tmp_path):
        for arguments in (
            ["embed", folder / "model", folder / "counts.npz", "--out", tmp_path / "a.csv"],
            ["embed", folder / "model", folder / "counts.npz", "--out", tmp_path / "a.npy"],
            ["report", folder / "model", "--out", tmp_path / "page.html"],
            ["corpus", "build", folder / "counts.npz", "--out", tmp_path / "corpus"],
            [
                "sample",
                folder / "model",
                "--documents",
                3,
                "--lengths-of",
                folder / "counts.npz",
                "--out",
                tmp_path / "sample",
            ],
        ):
            run(*arguments)
        written = list(tmp_path.rglob("*"))
        assert len(written) > 12
        assert {mode(each) for each in written} == {0o700, 0o600}


class TestLoops:
    def test_both_kinds_of_resolving_name_the_loop(self, folder):
        for function in (resolve, resolve_output):
            for path in (folder / "loop1", folder / "loop1" / "below"):
                with pytest.raises(
                    ConfigurationError, match=r"loop1.* is a symbolic link that leads to itself. Delete it"
                ):
                    function(path)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["embed", "model", "counts.npz", "--out", "loop1"],
            ["embed", "model", "counts.npz", "--out", "loop1", "--force"],
            ["embed", "model", "loop1", "--out", "a.csv"],
            ["embed", "loop1", "counts.npz", "--out", "a.csv"],
            ["fit", "counts.npz", "--out", "loop1"],
            ["fit", "loop1", "--out", "new"],
            ["corpus", "build", "counts.npz", "--out", "loop1"],
            ["corpus", "build", "loop1", "--out", "new"],
            ["report", "model", "--out", "loop1"],
            ["report", "model", "--out", "page.html", "--overview", "loop1"],
            ["report", "loop1"],
            ["topics", "loop1"],
            ["info", "loop1"],
            ["perplexity", "model", "loop1"],
            ["perplexity", "loop1", "counts.npz"],
            ["search", "model", "loop1", "--like", "1"],
            ["sample", "model", "--documents", "3", "--lengths-of", "counts.npz", "--out", "loop1"],
            ["edit", "model", "--drop", "0", "--out", "loop1"],
            ["outliers", "model", "loop1"],
            ["sweep", "loop1", "--out", "sweep"],
            ["sweep", "counts.npz", "--out", "loop1"],
        ],
        ids=" ".join,
    )
    def test_commands_end_with_a_message(self, arguments, folder, monkeypatch):
        monkeypatch.chdir(folder)
        before = sorted(os.listdir(folder))
        run(*arguments, status=(1, 2), stderr="loop1 is a symbolic link that leads to itself. Delete it")
        assert sorted(os.listdir(folder)) == before

    def test_the_library_names_the_loop(self, folder, model):
        for call in (
            lambda: docnvil.load(folder / "loop1"),
            lambda: docnvil.save(model, folder / "loop1"),
            lambda: docnvil.read_corpus(folder / "loop1"),
            lambda: docnvil.write_corpus(docnvil.count_words(np.eye(2, dtype=int)), folder / "loop1"),
            lambda: docnvil.load_document_term_matrix(folder / "loop1"),
            lambda: docnvil.read_checkpoint(folder / "loop1"),
        ):
            with pytest.raises(DocnvilError, match="loop1"):
                call()


class TestNames:
    @pytest.mark.parametrize("path", ["/", "/.", "//"])
    def test_the_root_is_no_output(self, path, folder, model):
        with pytest.raises(OutputExistsError, match=r" is not a name for an output. Choose another path"):
            docnvil.save(model, path)
        for arguments in (
            ["embed", folder / "model", folder / "counts.npz", "--out", path],
            ["embed", folder / "model", folder / "counts.npz", "--table", "--out", path],
            ["fit", folder / "counts.npz", "--out", path],
            ["corpus", "build", folder / "counts.npz", "--out", path],
            ["report", folder / "model", "--out", path],
            ["sample", folder / "model", "--documents", 3, "--lengths-of", folder / "counts.npz", "--out", path],
            ["sweep", folder / "counts.npz", "--out", path],
        ):
            run(*arguments, status=(1, 2), stderr="out")

    def test_null_characters_are_refused(self, model, tmp_path):
        name = str(tmp_path / "a\0b")
        matrix = docnvil.count_words(np.eye(2, dtype=int))
        for call in (
            lambda: docnvil.load(name),
            lambda: docnvil.save(model, name),
            lambda: docnvil.read_corpus(Path(name)),
            lambda: docnvil.write_corpus(matrix, Path(name)),
            lambda: docnvil.load_document_term_matrix(name),
            lambda: docnvil.read_counts(Path(name), "npz"),
            lambda: docnvil.write_counts(matrix, Path(name), "npz"),
            lambda: list(docnvil.read_documents(name)),
            lambda: docnvil.read_checkpoint(Path(name)),
            lambda: docnvil.Vocabulary.load(Path(name)),
            lambda: docnvil.Vocabulary(["cat"]).save(Path(name)),
        ):
            with pytest.raises(DocnvilError):
                call()

    def test_paths_can_be_strings(self, model, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        docnvil.Vocabulary(["cat"]).save("words.txt")
        assert docnvil.Vocabulary.load("words.txt").words == ("cat",)
        with pytest.raises(DocnvilError, match="does not exist"):
            docnvil.read_checkpoint("none")

    def test_other_types_than_paths_are_refused(self, model):
        for call in (lambda: docnvil.load(3), lambda: docnvil.save(model, 3)):
            with pytest.raises(ConfigurationError, match="int is not a path"):
                call()


@pytest.mark.skipif(not OTHER_DISK.is_dir(), reason="there is no second file system")
class TestFileSystems:
    @pytest.fixture
    def other_disk(self, tmp_path):
        import tempfile

        with tempfile.TemporaryDirectory(dir=OTHER_DISK) as other:
            if os.stat(other).st_dev == os.stat(tmp_path).st_dev:
                pytest.skip("the temporary files are on the second file system also")
            yield Path(other)

    def test_a_link_to_another_one_is_refused_before_the_work(self, folder, tmp_path, other_disk):
        out, names = tmp_path / "y.npy", other_disk / "names.txt"
        (tmp_path / "y.ids.txt").symlink_to(names)
        for arguments in ([], ["--force"]):
            command = ("embed", folder / "no-model", folder / "counts.npz", "--out", out, *arguments)
            message = "are on two file systems, so they cannot be written in one step. Choose another --out"
            run(*command, status=1, stderr=("names.txt and", message))
            assert sorted(each.name for each in tmp_path.iterdir()) == ["y.ids.txt"]

    def test_plain_outputs_on_two_are_refused_before_the_work(self, folder, tmp_path, other_disk):
        outputs = ("--out", tmp_path / "a.html", "--overview", other_disk / "x" / "a.svg")
        run("report", folder / "no-model", *outputs, status=1, stderr="two file systems")
        assert not list(tmp_path.iterdir())

    def test_the_main_output_can_be_a_link_to_another_one(self, folder, tmp_path, other_disk):
        (tmp_path / "y.csv").symlink_to(other_disk / "z.csv")
        run("embed", folder / "model", folder / "counts.npz", "--out", tmp_path / "y.csv")
        assert (other_disk / "z.csv").is_file()
        assert (tmp_path / "y.csv").is_symlink()

    def test_outputs_on_one_are_accepted(self, tmp_path):
        require_one_file_system(tmp_path / "new" / "a", [tmp_path / "b", tmp_path / "other" / "c"])


def run_in_a_deleted_folder(tmp_path, code):
    gone = tmp_path / "gone"
    gone.mkdir()
    environment = os.environ | {"PYTHONPATH": str(Path(docnvil.__file__).parents[1])}
    code = f"import os, sys; os.rmdir({str(gone)!r}); {code}"
    return subprocess.run([sys.executable, "-c", code], cwd=gone, env=environment, capture_output=True, text=True)


def test_a_deleted_current_folder_is_named(tmp_path):
    command = "sys.argv = ['docnvil', 'info', '/none']; from docnvil.__main__ import run; run()"
    ended = run_in_a_deleted_folder(tmp_path, command)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Error: The current folder does not exist any more. Change to another one.\n"


@pytest.mark.parametrize("name", ["load", "fit", "DocNVIL", "npmi"])
def test_what_needs_torch_names_a_deleted_current_folder(tmp_path, name):
    ended = run_in_a_deleted_folder(tmp_path, f"import docnvil; docnvil.{name}")
    assert ended.stderr.endswith(
        "ConfigurationError: The current folder does not exist any more. Change to another one.\n"
    )


def test_texts_are_read_in_a_deleted_current_folder(tmp_path):
    code = "import docnvil; print(docnvil.count_words(['owls hunt'], min_df=1, max_df=1.0))"
    assert "n_tokens=2" in run_in_a_deleted_folder(tmp_path, code).stdout
