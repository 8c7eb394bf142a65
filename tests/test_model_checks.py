"""Altered model folders whose manifest is consistent: each gives a message or a model, and never a traceback."""

import hashlib
import json
import os
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from docnvil.errors import CheckpointError, DocnvilError
from docnvil.estimator import DocNVIL
from docnvil.runtime.folders import MANIFEST
from docnvil.storage.model_folder import load_model

TRIES = int(os.environ.get("DOCNVIL_FUZZ", "1")) * 150
VALUES = (None, True, -1, 0, 1, 2, 10**20, 1e308, float("nan"), "", "x", "mixture", [], [1], [[]], {}, {"a": 1})


@pytest.fixture(scope="module")
def folder(block_counts, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    DocNVIL(n_components=3, epochs=2, random_state=0).fit(block_counts).save(path)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "model"))


def seal(folder: Path) -> None:
    """Write a manifest that fits the files."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"] = {
        path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))


def replace_array(file: Path, name: str, change) -> None:
    arrays = load_file(file)
    save_file({**arrays, name: change(arrays[name])}, file)


def change_json(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


ALTERATIONS = {
    "empty description": ("model.json", lambda file: file.write_text("")),
    "list as description": ("model.json", lambda file: file.write_text("[]")),
    "deeply nested description": ("model.json", lambda file: file.write_text("[" * 10**5)),
    "not UTF-8": ("model.json", lambda file: file.write_bytes(b"\xff\xfe\x00")),
    "other width": ("model.json", lambda file: change_json(file, model={"vocabulary_size": 5, "units": [3]})),
    "huge width": ("model.json", lambda file: change_json(file, model={"vocabulary_size": 10**12, "units": [10**9]})),
    "width beyond 64 bits": ("model.json", lambda file: change_json(file, model={"vocabulary_size": 10**30})),
    "unknown recipe": ("model.json", lambda file: change_json(file, recipe="pie")),
    "corpus as a list": ("model.json", lambda file: change_json(file, corpus=[])),
    "reading as a string": ("model.json", lambda file: change_json(file, reading="all")),
    "negative concentration": (
        "model.json",
        lambda file: change_json(
            file, no_units={"concentration": -1, "validation_bound": None, "validation_perplexity": None}
        ),
    ),
    "empty history": ("history.csv", lambda file: file.write_text("")),
    "history without epochs": ("history.csv", lambda file: file.write_text(file.read_text().splitlines()[0] + "\n")),
    "one word less": (
        "vocabulary.txt",
        lambda file: file.write_text("".join(file.read_text().splitlines(keepends=True)[1:])),
    ),
    "weight of no dimension": (
        "parameters.safetensors",
        lambda file: replace_array(file, "generative.prior.bias", lambda _: np.zeros((), np.float32)),
    ),
    "NaN weight": (
        "parameters.safetensors",
        lambda file: replace_array(file, "generative.prior.bias", lambda each: each * np.float32("nan")),
    ),
    "weight of integers": (
        "parameters.safetensors",
        lambda file: replace_array(file, "generative.prior.bias", lambda each: each.astype(np.int64)),
    ),
    "statistics of no dimension": (
        "units.safetensors",
        lambda file: replace_array(file, "activity", lambda _: np.zeros(())),
    ),
    "statistics of another shape": (
        "units.safetensors",
        lambda file: replace_array(file, "documents_on", lambda each: np.ascontiguousarray(each[:, :-1])),
    ),
    "infinite statistics": ("units.safetensors", lambda file: replace_array(file, "activity", lambda each: each / 0.0)),
    "negative statistics": ("units.safetensors", lambda file: replace_array(file, "activity", lambda each: -1 - each)),
    "run as a list": ("run.json", lambda file: file.write_text("[]")),
    "warnings as numbers": ("run.json", lambda file: change_json(file, warnings=[1])),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_file_is_named(copy, alteration):
    name, alter = ALTERATIONS[alteration]
    alter(copy / name)
    seal(copy)
    with pytest.raises(CheckpointError if "width" not in alteration else DocnvilError) as raised:
        load_model(copy)
    assert str(copy) in str(raised.value)
    assert name in str(raised.value) or name == "model.json"


def test_a_manifest_without_files_does_not_verify(copy):
    (copy / MANIFEST).write_text(json.dumps({"kind": "model", "files": {}}))
    with pytest.raises(CheckpointError, match="not a valid manifest"):
        load_model(copy)


@pytest.mark.parametrize("name", ["model.json", "parameters.safetensors", "run.json"])
def test_a_manifest_must_list_every_file_that_is_read(copy, name):
    manifest = json.loads((copy / MANIFEST).read_text())
    del manifest["files"][name]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=f"does not list {name}"):
        load_model(copy)


@pytest.mark.parametrize("name", [MANIFEST, "model.json", "history.csv"])
def test_a_pipe_in_a_model_folder_is_refused_at_once(copy, name):
    (copy / name).unlink()
    os.mkfifo(copy / name)
    with pytest.raises(CheckpointError, match=name):
        load_model(copy)


def mutate(value: object, rng: random.Random) -> object:
    """Return a copy of a JSON value with one part replaced, removed or added."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value))
        if rng.random() < 0.15:
            return {name: each for name, each in value.items() if name != key}
        return {**value, key: mutate(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.6:
        index = rng.randrange(min(len(value), 5))
        return [*value[:index], mutate(value[index], rng), *value[index + 1 :]]
    return rng.choice(VALUES)


def mutate_array(value: np.ndarray, rng: random.Random) -> np.ndarray:
    """Return an array of another shape, type or value."""
    changed = rng.choice(
        [
            value[..., None],
            value.reshape(-1)[:1],
            np.zeros(()),
            value.astype(np.int32),
            value.astype(np.float16),
            -value,
        ]
    )
    return np.ascontiguousarray(changed)


def mutate_file(file: Path, rng: random.Random) -> None:
    if file.suffix == ".json":
        file.write_text(json.dumps(mutate(json.loads(file.read_text()), rng)))
    elif file.suffix == ".safetensors" and rng.random() < 0.7:
        arrays = load_file(file)
        name = rng.choice(sorted(arrays))
        replace_array(file, name, lambda each: mutate_array(each, rng))
    else:
        content = bytearray(file.read_bytes())
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        file.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])


@pytest.mark.filterwarnings("ignore")
def test_no_alteration_gives_a_traceback(folder, tmp_path, block_counts):
    rng = random.Random(17)
    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    names = ["model.json", "model.json", "run.json", "history.csv", "vocabulary.txt"]
    names += ["units.safetensors", "parameters.safetensors"]
    refused = 0
    for _ in range(TRIES):
        name = rng.choice(names)
        mutate_file(copy / name, rng)
        seal(copy)
        start = time.monotonic()
        try:
            model = load_model(copy, "cpu")
            assert model.transform(block_counts[:2]).shape == (2, 3)
            _ = model.warnings, model.topics(3)
        except DocnvilError:
            refused += 1
        assert time.monotonic() - start < 5
        shutil.copy(folder / name, copy / name)
    assert 0.3 * TRIES < refused < TRIES  # both outcomes occur
