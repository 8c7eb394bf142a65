import json
import shutil

import numpy as np
import pytest

from docnvil.errors import CheckpointError, OutputExistsError
from docnvil.estimator import DocNVIL
from docnvil.runtime.folders import writing_folder

FILES = {
    "model.json",
    "run.json",
    "vocabulary.txt",
    "parameters.safetensors",
    "units.safetensors",
    "history.csv",
    "topics.csv",
    "manifest.json",
}


@pytest.fixture(scope="module")
def fitted(block_counts) -> DocNVIL:
    return DocNVIL(n_components=3, epochs=4, random_state=0).fit(block_counts)


@pytest.fixture(scope="module")
def folder(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    fitted.save(path)
    return path


def test_a_loaded_model_gives_the_same_results(fitted, folder, block_counts):
    loaded = DocNVIL.load(folder)
    assert np.array_equal(loaded.transform(block_counts), fitted.transform(block_counts))
    assert loaded.evaluate(block_counts) == fitted.evaluate(block_counts)
    assert loaded.top_words() == fitted.top_words()
    assert loaded.history_ == fitted.history_
    assert loaded.vocabulary_ == fitted.vocabulary_


def test_the_folder_holds_readable_files(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "model.json").read_text())["model"]["units"] == [3]
    assert (folder / "vocabulary.txt").read_text().splitlines()[0] == "word0"
    assert (folder / "history.csv").read_text().startswith("epoch,updates,train_bound,validation_bound,")
    assert len((folder / "topics.csv").read_text().splitlines()) == 4


def test_training_again_gives_the_same_files(folder, block_counts, tmp_path):
    DocNVIL(n_components=3, epochs=4, random_state=0).fit(block_counts).save(tmp_path / "again")
    for name in FILES - {"run.json", "manifest.json"}:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_an_existing_model_is_replaced_only_with_force(fitted, folder, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    with pytest.raises(OutputExistsError, match="force=True"):
        fitted.save(copy)
    fitted.save(copy, force=True)
    DocNVIL.load(copy)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_or_shortened_file_is_named(folder, tmp_path, name):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=name):
        DocNVIL.load(copy)
    (copy / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        DocNVIL.load(copy)


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_every_flipped_bit_is_detected(folder, tmp_path, name):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    content = (copy / name).read_bytes()
    generator = np.random.default_rng(0)
    for position in generator.integers(len(content), size=12):
        altered = bytearray(content)
        altered[position] ^= 1 << int(generator.integers(8))
        (copy / name).write_bytes(altered)
        with pytest.raises(CheckpointError, match="does not match the SHA-256"):
            DocNVIL.load(copy)


def test_a_newer_format_is_reported(folder, tmp_path):
    newer = tmp_path / "model"
    with writing_folder(newer, kind="model") as draft:
        for path in folder.iterdir():
            if path.name != "manifest.json":
                shutil.copy(path, draft)
        description = json.loads((draft / "model.json").read_text())
        (draft / "model.json").write_text(json.dumps({**description, "format_version": 99}))
    with pytest.raises(CheckpointError, match="model format 99"):
        DocNVIL.load(newer)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no model folder"):
        DocNVIL.load(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"manifest\.json"):
        DocNVIL.load(tmp_path)
