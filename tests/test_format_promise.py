"""docs/format.md lists the files and fields that docnvil writes; golden folders open; newer versions are refused."""

import csv
import json
import re
from pathlib import Path

import pytest
from golden.make_corpus import answers_of, make_corpus, make_index
from safetensors import safe_open

import docnvil
from docnvil.corpus.reading import read_corpus
from docnvil.errors import CheckpointError
from docnvil.runtime.folders import MANIFEST, sha256_of
from docnvil.storage import model_folder
from docnvil.storage.checkpoints import CheckpointWriter, read_checkpoint
from docnvil.storage.model_folder import load_model, save_model
from docnvil.training.fit import fit
from docnvil.training.settings import Settings

GOLDEN = Path(__file__).parent / "golden"
PAGE = (Path(__file__).parents[1] / "docs" / "format.md").read_text(encoding="utf-8")


def documented(heading: str) -> dict[str, str]:
    """Return the first two columns of the table with this heading."""
    table = PAGE.partition(f"| {heading} |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    return {name.strip(" `"): content.strip() for name, content in rows}


def always(fields: dict[str, str]) -> set[str]:
    return {name for name, content in fields.items() if "only" not in content}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    corpus = make_corpus(folder / "corpus")
    model = fit(corpus, Settings(units=(3,), epochs=2), callbacks=[CheckpointWriter(folder / "m.unfinished")])
    save_model(model, folder / "model")
    themes = fit(corpus, Settings(units=(3,), epochs=2, prior="mixture", themes=2))
    save_model(themes, folder / "themes")
    make_index(folder / "index", model, corpus, folder / "corpus")
    return folder


@pytest.mark.parametrize(
    ("kind", "folder", "description"),
    [("model", "model", "model.json"), ("corpus", "corpus", "corpus.json"), ("search index", "index", "index.json")],
)
def test_all_files_and_fields_are_documented(made, kind, folder, description):
    files = documented(f"file of a {kind}")
    written = {path.name for path in (made / folder).iterdir()}
    assert always(files) <= written <= set(files)
    fields = documented(f"field of {description}")
    saved = json.loads((made / folder / description).read_text())
    assert always(fields) <= set(saved) <= set(fields)
    manifest = json.loads((made / folder / MANIFEST).read_text())
    assert set(manifest) == set(documented("field of manifest.json"))
    assert manifest["kind"] == kind
    assert all(set(entry) == {"bytes", "sha256"} for entry in manifest["files"].values())


def test_a_mixture_prior_adds_the_documented_files(made):
    written = {path.name for path in (made / "themes").iterdir()}
    assert written == set(documented("file of a model"))


def test_columns_of_the_history_and_entries_of_a_checkpoint_are_documented(made):
    header = next(csv.reader((made / "model" / "history.csv").read_text().splitlines()))
    assert header == list(documented("column of history.csv"))
    with safe_open(made / "m.unfinished", framework="pt") as file:
        assert set(file.metadata()) == set(documented("entry of the header"))


def test_versions_are_those_of_the_code():
    versions = documented("what")
    from docnvil.corpus import writing
    from docnvil.search import index
    from docnvil.storage import checkpoints

    modules = {"model": model_folder, "corpus": writing, "checkpoint": checkpoints, "search index": index}
    assert versions == {name: str(module.FORMAT_VERSION) for name, module in modules.items()}
    assert {int(path.name.removeprefix("format-")) for path in GOLDEN.glob("format-*")} == {
        *model_folder.READABLE_VERSIONS
    }
    assert {int(path.name.removeprefix("corpus-")) for path in GOLDEN.glob("corpus-*")} == {writing.FORMAT_VERSION}


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("corpus-*")), ids=lambda folder: folder.name)
def test_an_old_corpus_gives_the_recorded_counts(folder):
    matrix = read_corpus(folder)
    answers = json.loads((folder.parent / "corpus.json").read_text())
    assert answers_of(matrix) == answers


def rewrite(folder: Path, name: str, **fields: object) -> None:
    """Change fields of a JSON file, with a manifest that fits."""
    file = folder / name
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_newer_version_says_which_docnvil_wrote_it(made, tmp_path):
    import shutil

    for name, description, read in (
        ("model", "model.json", lambda path: load_model(path, "cpu")),
        ("corpus", "corpus.json", read_corpus),
    ):
        shutil.copytree(made / name, tmp_path / name)
        rewrite(tmp_path / name, description, format_version=99, docnvil="9.8.7", unknown_field=1)
        with pytest.raises(CheckpointError, match=r"99.*9\.8\.7"):
            read(tmp_path / name)


def test_unknown_fields_are_ignored(made, tmp_path):
    import shutil

    for name in ("model", "corpus"):
        shutil.copytree(made / name, tmp_path / name)
        rewrite(tmp_path / name, f"{name}.json", unknown_field={"a": 1})
    assert load_model(tmp_path / "model", "cpu").vocabulary == read_corpus(tmp_path / "corpus").vocabulary


def test_a_checkpoint_of_another_version_is_refused(made, tmp_path):
    from safetensors.torch import save_file

    from docnvil.storage.checkpoints import _digest

    with safe_open(made / "m.unfinished", framework="pt") as file:
        texts = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del texts["sha256"]
    texts |= {"format_version": "99", "docnvil": "9.8.7"}
    save_file(tensors, tmp_path / "m.unfinished", metadata={**texts, "sha256": _digest(tensors, texts)})
    with pytest.raises(CheckpointError, match=r"docnvil 9\.8\.7"):
        read_checkpoint(tmp_path / "m.unfinished")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", docnvil.__version__)
