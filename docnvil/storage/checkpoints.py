"""Checkpoints of interrupted runs: one safetensors file beside the model folder, checksummed."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize
from torch import Tensor

from docnvil import __version__
from docnvil.errors import CheckpointError, out_of_memory, translating_errors
from docnvil.runtime.folders import replacing_file
from docnvil.runtime.paths import resolve_output
from docnvil.schema import from_saved
from docnvil.storage.tables import history_csv, read_history
from docnvil.training.callbacks import Callback
from docnvil.training.records import EpochRecord
from docnvil.training.settings import TrainingConfig
from docnvil.training.state import Checkpoint, Training

FORMAT_VERSION = 1


def checkpoint_path(model_path: Path) -> Path:
    """Return the path of the checkpoint that belongs to a model folder: a file beside it.

    Example:
        >>> checkpoint_path(Path("/models/news")).as_posix()
        '/models/news.unfinished'
    """
    model_path = resolve_output(model_path)
    return model_path.with_name(model_path.name + ".unfinished")


def write_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint file; it replaces the previous one in a single step.

    Arguments:
        checkpoint: the state of the training.
        path: the file, see `checkpoint_path`.
    """
    tensors = {name: value.cpu().contiguous() for name, value in checkpoint.tensors.items()}
    texts = {
        "format_version": str(FORMAT_VERSION),
        "docnvil": __version__,
        "fingerprint": checkpoint.fingerprint,
        "model": json.dumps(checkpoint.model),
        "training": json.dumps(checkpoint.training),
        "history": history_csv(checkpoint.history),
        "epoch_seconds": json.dumps(checkpoint.epoch_seconds),
    }
    with replacing_file(path) as draft:
        draft.write_bytes(serialize(tensors, metadata={**texts, "sha256": _digest(tensors, texts)}))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint file after comparing it with its checksum.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist. Leave out --resume to start training.")
    try:
        content = path.read_bytes()  # not mapped, so that what is used is what was checked
        tensors = dict(sorted(deserialize(content).items()))  # the same order in all processes, which send them
        size = int.from_bytes(content[:8], "little")
        texts = dict(json.loads(content[8 : 8 + size])["__metadata__"])
        intact = texts.pop("sha256") == _digest(tensors, texts)
    except MemoryError as error:
        raise out_of_memory(f"reading {path}", error=error) from error
    except Exception:  # of a parser
        intact = False
    if not intact:
        raise CheckpointError(f"{path} is damaged and cannot be resumed. Start again with --force.")
    version = texts.get("format_version", "1")  # earlier checkpoints do not have it
    if version != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path} has format {version:.40}, and docnvil {__version__} reads format {FORMAT_VERSION}. It was written"
            f" by docnvil {texts.get('docnvil')!s:.40}; continue with that version, or start again with --force."
        )
    with translating_errors(CheckpointError, path, "Start again with --force."):
        checkpoint = Checkpoint(
            tensors=tensors,
            model=dict(json.loads(texts["model"])),
            training=dict(json.loads(texts["training"])),
            history=read_history(texts["history"]),
            epoch_seconds=tuple(map(float, json.loads(texts["epoch_seconds"]))),
            fingerprint=texts["fingerprint"],
        )
        if not checkpoint.history or len(checkpoint.history) != len(checkpoint.epoch_seconds):
            raise ValueError("no epochs")
        _ = checkpoint.learning_rate
    return checkpoint


def is_checkpoint_of(path: Path, config: TrainingConfig, history: Sequence[EpochRecord]) -> bool:
    """Return whether a checkpoint is of the training that had these settings and this history in the end.

    The figures of an epoch have so many digits that those of two trainings differ.

    Raises:
        CheckpointError: the checkpoint is damaged.
    """
    checkpoint = read_checkpoint(path)
    begun = tuple(checkpoint.history)
    return from_saved(TrainingConfig, checkpoint.training) == config and tuple(history[: len(begun)]) == begun


class CheckpointWriter(Callback):
    """Writes a checkpoint after an epoch, unless it wrote the last one less than `seconds` ago.

    A training that starts from the beginning deletes the checkpoint of an earlier one.
    """

    def __init__(self, path: Path, seconds: float = 0.0) -> None:
        self._path, self._seconds, self._last = path, seconds, float("-inf")

    def on_start(self, training: Training) -> None:
        """Delete an earlier checkpoint: nobody must continue it in place of this training."""
        if training.processes.is_main and not training.history:
            self._path.unlink(missing_ok=True)

    def on_epoch(self, training: Training, record: EpochRecord) -> None:
        """Write a checkpoint if this is the main process and the time has come."""
        if training.processes.is_main and time.monotonic() - self._last > self._seconds:
            write_checkpoint(training.checkpoint(), self._path)
            self._last = time.monotonic()


def _digest(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
