"""A trained model as a folder a person can open, and an unfinished training as a file to go on from.

The folder:

    model.json               what the network is, how it was trained, on what, by which rules text becomes words
    vocabulary.txt           a word a line, in the order of columns
    parameters.safetensors   the weights of p and q
    units.safetensors        how words and units go together in the training documents
    topics.csv               the units in words
    history.csv              a row an epoch
    run.json                 when, where and how fast; the only file that differs between two runs of one seed
    manifest.json            size and SHA-256 of every file above

Nothing in it is executed when it is loaded.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as serialize_arrays
from safetensors.torch import load_file
from safetensors.torch import (
    save as serialize,
)  # and write by ourselves: a full disk is then told as the system tells it
from torch import Tensor

from docnvil import __version__
from docnvil.analysis.topics import UnitStatistics, topics
from docnvil.errors import CheckpointError, DocnvilError
from docnvil.model.belief_network import BeliefNetwork, ModelConfig
from docnvil.runtime.folders import replacing_file, verify_folder, write_json, writing_folder
from docnvil.storage.tables import history_csv, read_history, write_topics
from docnvil.text.sparse import CountRows, entries_per_row, row_chunks
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.loop import EpochRecord, Training, TrainingConfig, best_of

FORMAT_VERSION = 1
WORDS_IN_TOPICS_FILE = 20


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with all that is needed to use it on new text.

    Arguments:
        model: the network, with the parameters of the best epoch.
        recipe: the name of the settings it started from. training: how it was trained.
        statistics: how its units go with words.
        history: a record an epoch.
        vocabulary: the words of its columns, or None if they were only numbered.
        rules: how text becomes words, or None if it was trained on ready counts.
        corpus: what it was trained on, in numbers.
        run: when, where, how fast.
    """

    model: BeliefNetwork
    recipe: str
    training: TrainingConfig
    statistics: UnitStatistics
    history: tuple[EpochRecord, ...]
    vocabulary: Vocabulary
    rules: TokenRules | None
    corpus: Mapping[str, Any]
    run: Mapping[str, Any]


def save(checkpoint: Checkpoint, path: Path, *, force: bool = False) -> None:
    """Write a model folder, whole or not at all.

    Raises:
        OutputExistsError: `path` exists and `force` is not given.
    """
    with writing_folder(path, kind="model", force=force) as draft:
        write_json(draft / "model.json", _description(checkpoint))
        write_json(draft / "run.json", checkpoint.run)
        checkpoint.vocabulary.save(draft / "vocabulary.txt")
        parameters = {name: value.cpu().contiguous() for name, value in checkpoint.model.state_dict().items()}
        (draft / "parameters.safetensors").write_bytes(serialize(parameters))
        statistics = asdict(checkpoint.statistics)
        statistics["n_documents"] = _array(statistics["n_documents"])
        (draft / "units.safetensors").write_bytes(serialize_arrays(statistics))
        (draft / "history.csv").write_text(history_csv(checkpoint.history), encoding="utf-8")
        listed = topics(checkpoint.model, checkpoint.statistics, WORDS_IN_TOPICS_FILE)
        write_topics(draft / "topics.csv", listed, checkpoint.vocabulary)


def load(path: Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Read a model folder back, onto any device, after checking every file against the manifest.

    Raises:
        CheckpointError: the folder is missing, incomplete, altered, or of a newer format.
    """
    verify_folder(path, kind="model")
    description = json.loads((path / "model.json").read_text(encoding="utf-8"))
    version = description.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has model format {version}, and docnvil {__version__} reads format {FORMAT_VERSION}."
            f" It was written by docnvil {description.get('docnvil')}; use that version or a newer one."
        )
    try:
        config = ModelConfig.from_json(_current_names(description["model"]))
        parameters = load_file(path / "parameters.safetensors")
        model = BeliefNetwork(config).to(parameters["generative.prior.bias"].dtype)
        model.load_state_dict(parameters)
        statistics = load_arrays(path / "units.safetensors")
        rules = description["tokens"]
        return Checkpoint(
            model=model.to(device),
            recipe=description["recipe"],
            training=TrainingConfig(**_current_names(description["training"])),
            statistics=UnitStatistics(**{**statistics, "n_documents": int(statistics["n_documents"])}),
            history=read_history((path / "history.csv").read_text(encoding="utf-8")),
            vocabulary=Vocabulary.load(path / "vocabulary.txt"),
            rules=None if rules is None else TokenRules.from_json(rules),
            corpus=description["corpus"],
            run=json.loads((path / "run.json").read_text(encoding="utf-8")),
        )
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        if isinstance(error, DocnvilError):
            raise
        raise CheckpointError(
            f"{path} is not a model that docnvil {__version__} can read ({error}). Train it again."
        ) from error


_RENAMED = {"n_words": "vocabulary_size", "centre": "center", "normalise": "normalize"}  # in format 1


def _current_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {_RENAMED.get(name, name): value for name, value in settings.items()}
    return {name: "centered" if value == "centred" else value for name, value in renamed.items()}


def _description(checkpoint: Checkpoint) -> dict[str, Any]:
    best = best_of(checkpoint.history)
    return {
        "format_version": FORMAT_VERSION,
        "docnvil": __version__,
        "model": asdict(checkpoint.model.config),
        "recipe": checkpoint.recipe,
        "training": asdict(checkpoint.training),
        "best_epoch": best.epoch,
        "validation_bound": best.validation_bound,
        "validation_perplexity": best.validation_perplexity,
        "corpus": dict(checkpoint.corpus),
        "tokens": None if checkpoint.rules is None else checkpoint.rules.to_json(),
    }


def unfinished_path(path: Path) -> Path:
    """Return where an unfinished training of the model `path` is kept: a file beside it."""
    path = path.resolve()
    return path.with_name(path.name + ".unfinished")


def save_unfinished(training: Training, path: Path, fingerprint: str) -> None:
    """Keep a training between two epochs, in one file that replaces the one before in a single step.

    Arguments:
        training: what to keep. path: the file, see `unfinished_path`. fingerprint: of the documents it learns from.
    """
    tensors = {name: value.cpu().contiguous() for name, value in training.state().items()}
    about = {
        "fingerprint": fingerprint,
        "model": json.dumps(asdict(training.model.config)),
        "training": json.dumps(asdict(training.config)),
        "history": history_csv(training.history),
        "epoch_seconds": json.dumps(training.epoch_seconds),
    }
    with replacing_file(path) as draft:
        draft.write_bytes(serialize(tensors, metadata={**about, "sha256": _digest(tensors, about)}))


def resume(training: Training, path: Path, fingerprint: str) -> None:
    """Bring a training just started to where `save_unfinished` left it.

    The settings must be those it was begun with, but for the number of epochs where the schedule is constant: the same
    training may go on for longer than it was asked to at first, or end sooner, though not before what is already done.

    Raises:
        CheckpointError: the file is missing or damaged, or belongs to other documents or other settings.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no unfinished training at {path}. Leave out --resume to start one.")
    try:
        with safe_open(path, framework="pt") as file:
            about = dict(file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        sound = about.pop("sha256") == _digest(tensors, about)
    except (SafetensorError, KeyError, TypeError, OSError, ValueError):
        sound = False
    if not sound:
        raise CheckpointError(f"{path} is damaged and cannot be resumed. Pass --force to start again.")
    if about["fingerprint"] != fingerprint:
        raise CheckpointError(
            f"{path} was training on other documents than these, or held others out. Give the corpus and options it was"
            " started with, or pass --force to start again."
        )
    _refuse_other_settings(path, json.loads(about["model"]), asdict(training.model.config))
    # A training of an older version lacks settings that came later; a setting comes with what was done before it.
    saved, asked = {**asdict(TrainingConfig()), **json.loads(about["training"])}, asdict(training.config)
    if asked["schedule"] == "constant":  # then what an epoch does is the same however many follow
        saved["epochs"] = max(asked["epochs"], len(json.loads(about["epoch_seconds"])))
    _refuse_other_settings(path, saved, asked)
    training.restore(tensors, list(read_history(about["history"])), json.loads(about["epoch_seconds"]))


def fingerprint(vocabulary: Vocabulary, *parts: CountRows) -> str:
    """Return a SHA-256 of words and counts, to tell whether a training goes on with the documents it began with.

    Arguments:
        vocabulary: the words. parts: the documents learned from, and those held out; another split is another training.
    """
    digest = hashlib.sha256("\n".join(vocabulary.words).encode())
    for counts in parts:
        types = counts[:0]
        starts = np.concatenate([[0], entries_per_row(counts)]).cumsum().astype(types.indptr.dtype)
        digest.update(str(starts.dtype).encode())
        digest.update(starts)
        for name in ("indices", "data"):
            digest.update(str(getattr(types, name).dtype).encode())
            for block in row_chunks(counts):
                digest.update(np.ascontiguousarray(getattr(block, name)))
    return digest.hexdigest()


def _refuse_other_settings(path: Path, saved: dict[str, Any], asked: dict[str, Any]) -> None:
    for name, value in asked.items():
        value = list(value) if isinstance(value, tuple) else value
        if saved.get(name) != value:
            raise CheckpointError(
                f"{path} was training with {name} = {saved.get(name)}, and {value} is asked for now."
                " Give the same options, or pass --force to start again."
            )


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _array(value: int) -> Any:
    return torch.tensor(value, dtype=torch.int64).numpy()
