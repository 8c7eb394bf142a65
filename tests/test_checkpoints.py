"""Interrupted trainings: a resumed one ends in the same bytes, and only the same one can be resumed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from interruption import InterruptAfter, Interrupted
from safetensors.torch import load, save_file

from docnvil.errors import CheckpointError
from docnvil.storage.checkpoints import CheckpointWriter, _digest, checkpoint_path, read_checkpoint
from docnvil.training.callbacks import Callback
from docnvil.training.fit import fit
from docnvil.training.fitted_model import FittedModel
from docnvil.training.settings import Settings

SETTINGS = {"units": (3,), "epochs": 6}


class Recorder(Callback):
    def __init__(self) -> None:
        self.epochs: list[int] = []

    def on_epoch(self, training, record) -> None:
        self.epochs.append(record.epoch)


def interrupt(counts: np.ndarray, path: Path, **settings: object) -> None:
    """Train for two epochs and leave a checkpoint."""
    with pytest.raises(Interrupted):
        fit(counts, Settings(**{**SETTINGS, **settings}), callbacks=(CheckpointWriter(path), InterruptAfter(2)))


def resume(counts: np.ndarray, path: Path, **settings: object) -> FittedModel:
    return fit(counts, Settings(**{**SETTINGS, **settings}), resume_from=read_checkpoint(path))


def assert_equal(first: FittedModel, second: FittedModel) -> None:
    assert first.history == second.history
    for name, value in first.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], value)


def test_a_resumed_training_gives_the_same_model(block_counts, tmp_path):
    interrupt(block_counts, tmp_path / "checkpoint")
    recorder = Recorder()
    resumed = fit(
        block_counts, Settings(**SETTINGS), callbacks=[recorder], resume_from=read_checkpoint(tmp_path / "checkpoint")
    )
    assert recorder.epochs == [3, 4, 5, 6]
    assert_equal(resumed, fit(block_counts, Settings(**SETTINGS)))


def test_a_training_with_a_constant_rate_can_be_extended_and_not_shortened(block_counts, tmp_path):
    constant = {"schedule": "constant"}
    interrupt(block_counts, tmp_path / "checkpoint", epochs=3, **constant)
    longer = resume(block_counts, tmp_path / "checkpoint", epochs=5, **constant)
    assert_equal(longer, fit(block_counts, Settings(**{**SETTINGS, "epochs": 5, **constant})))
    with pytest.raises(CheckpointError, match="epochs = 2, not 1"):
        resume(block_counts, tmp_path / "checkpoint", epochs=1, **constant)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"validation": 0.5}, "other training or validation documents"),
        ({"epochs": 7}, "epochs = 6, not 7"),
        ({"units": (4,)}, "units"),
        ({"l1": 0.5}, "l1 = 2.0, not 0.5"),
    ],
)
def test_other_settings_are_refused(block_counts, tmp_path, settings, complaint):
    interrupt(block_counts, tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match=complaint):
        resume(block_counts, tmp_path / "checkpoint", **settings)


def test_other_documents_are_refused(block_counts, tmp_path):
    interrupt(block_counts, tmp_path / "checkpoint")
    with pytest.raises(CheckpointError, match="other training or validation documents"):
        resume(block_counts + 1, tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "[1]"),
        ("model", "{"),
        ("training", "{}"),
        ("history", ""),
        ("history", "epoch\n1\n"),
        ("epoch_seconds", "3"),
        ("epoch_seconds", "[]"),
        ("epoch_seconds", '["a", "b"]'),
    ],
)
def test_texts_that_fit_the_checksum_and_not_the_format_are_refused(block_counts, tmp_path, name, value):
    path = tmp_path / "m.unfinished"
    interrupt(block_counts, path)
    rewrite(path, lambda tensors, texts: texts.update({name: value}))
    with pytest.raises(CheckpointError, match=r"m\.unfinished"):
        read_checkpoint(path)


@pytest.mark.parametrize("part", ["model", "best", "gradient"])
def test_tensors_of_another_shape_are_refused(block_counts, tmp_path, part):
    path = tmp_path / "m.unfinished"
    interrupt(block_counts, path)

    def change(tensors, texts):
        name = max((name for name in tensors if name.startswith(part)), key=lambda name: tensors[name].numel())
        tensors[name] = tensors[name].flatten()[:-1].clone()

    rewrite(path, change)
    with pytest.raises(CheckpointError, match="The checkpoint cannot be read"):
        resume(block_counts, path)


def test_tensors_are_in_the_same_order_in_all_processes(block_counts, tmp_path):
    interrupt(block_counts, tmp_path / "m.unfinished")
    names = list(read_checkpoint(tmp_path / "m.unfinished").tensors)
    assert names == sorted(names)


def rewrite(path, change):
    """Change the tensors and texts of a checkpoint, and seal it again."""
    content = path.read_bytes()
    tensors, header = load(content), json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    texts = {key: text for key, text in header["__metadata__"].items() if key != "sha256"}
    change(tensors, texts)
    save_file(tensors, path, metadata={**texts, "sha256": _digest(tensors, texts)})


def test_a_missing_checkpoint_is_reported(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        read_checkpoint(tmp_path / "none")


def test_every_changed_byte_is_noticed(block_counts, tmp_path):
    path = tmp_path / "checkpoint"
    interrupt(block_counts, path)
    content = path.read_bytes()
    for position in np.random.default_rng(0).integers(len(content), size=20):
        changed = bytearray(content)
        changed[position] ^= 4
        path.write_bytes(changed)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


def test_a_checkpoint_of_format_1_is_read(block_counts, tmp_path):
    """Its settings have British names; the values are the same."""
    path = tmp_path / "checkpoint"
    interrupt(block_counts, path)
    checkpoint = read_checkpoint(path)
    names = {"center": "centre", "normalize": "normalise", "vocabulary_size": "n_words"}
    for part in (checkpoint.model, checkpoint.training):
        for new, old in names.items():
            if new in part:
                part[old] = part.pop(new)
    resumed = fit(block_counts, Settings(**SETTINGS), resume_from=checkpoint)
    assert_equal(resumed, fit(block_counts, Settings(**SETTINGS)))


def test_documents_are_hashed_only_for_a_checkpoint(block_counts, monkeypatch):
    def refuse(self) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr("docnvil.training.data.TrainingData.fingerprint", property(refuse))
    fit(block_counts, Settings(units=(2,), epochs=1))


def test_the_checkpoint_lies_beside_the_model_folder(tmp_path):
    assert checkpoint_path(tmp_path / "model") == tmp_path.resolve() / "model.unfinished"
