"""Readers of checkpoints: as they are, and with changed texts and shapes but a checksum that fits."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load, save_file

from torture.trained import TEXTS

WEIGHT = 0.1  # of each; those that are read continue a training, which takes tens of milliseconds


def checkpoint_readers(folder: Path) -> Iterator[tuple[str, Path, bytes, Callable[[Path], None], bool]]:
    """Yield the name, file, valid content and function of each reader, and whether the content is JSON."""
    import docnvil
    from docnvil.storage.checkpoints import CheckpointWriter
    from docnvil.text.counts import count_words
    from docnvil.training.settings import Settings

    for name in ("checkpoint", "checkpoint-texts"):
        (folder / name).mkdir(exist_ok=True)
    settings, matrix = Settings(units=(2,), epochs=2), count_words(TEXTS * 20, max_df=1.0)
    path, valid = (folder / name / "m.unfinished" for name in ("checkpoint", "checkpoint-texts"))
    docnvil.fit(matrix, settings, callbacks=[CheckpointWriter(path)])
    content = path.read_bytes()
    valid.write_bytes(content)
    with safe_open(path, framework="pt") as file:
        texts = {name: text for name, text in file.metadata().items() if name != "sha256"}
    for name in ("model", "training", "epoch_seconds"):
        texts[name] = json.loads(texts[name])
    tensors = load(content)
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    parts = json.dumps({"texts": texts, "shapes": shapes}).encode()
    resume = partial(_resume, matrix, settings)
    yield "checkpoint", path, content, resume, False
    yield "checkpoint texts", valid.with_name("parts.json"), parts, partial(_seal_and_resume, resume, tensors), True


def _resume(matrix: Any, settings: Any, path: Path) -> None:
    import docnvil
    from docnvil.storage.checkpoints import read_checkpoint

    docnvil.fit(matrix, settings, resume_from=read_checkpoint(path))


def _seal_and_resume(resume: Callable[[Path], None], tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write a checkpoint of the texts and shapes in a JSON file, with the right checksum, and resume it."""
    from docnvil.storage.checkpoints import _digest

    target = path.with_name("m.unfinished")
    with suppress(Exception):  # parts of which no checkpoint can be made
        parts = json.loads(path.read_bytes())
        texts = {name: text if isinstance(text, str) else json.dumps(text) for name, text in parts["texts"].items()}
        changed = {
            name: tensors.get(name, torch.zeros(1)).flatten()[: math.prod(shape)].reshape(shape).clone()
            for name, shape in parts["shapes"].items()
        }
        save_file(changed, target, metadata={**texts, "sha256": _digest(changed, texts)})
    resume(target)
