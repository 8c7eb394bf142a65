"""A fitted model as a folder that people can open.

    model.json               settings of network and training, figures of the corpus, reading options, token rules, and
                             names of units and edits of the model if there are any
    vocabulary.txt           one word per line, in the order of the columns
    parameters.safetensors   weights of p and q
    units.safetensors        how often words and units occur together in the training documents
    topics.csv               the top words of each unit
    themes.safetensors       how often themes, words and units occur together, if the prior is a mixture
    themes.csv               the top words of each theme, likewise
    history.csv              one row per epoch
    run.json                 machine, versions, duration and warnings; it alone differs between two runs with one seed
    manifest.json            size and SHA-256 of every other file

Loading executes nothing in it.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load as deserialize_arrays
from safetensors.numpy import save as serialize_arrays
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize  # bytes, written by us: a full disk is then reported by the system

from docnvil import __version__
from docnvil.errors import CheckpointError, ConfigurationError, translating_errors
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.settings import ModelConfig
from docnvil.runtime.devices import choose_device
from docnvil.runtime.folders import read_folder, write_json, writing_folder
from docnvil.runtime.locks import lock_unless_held
from docnvil.schema import from_saved
from docnvil.storage.model_checks import (
    check_continued,
    check_description,
    check_edits,
    check_history,
    check_no_units,
    check_parameters,
    check_run,
    check_theme_statistics,
    check_unit_names,
    check_unit_statistics,
    check_vocabulary,
)
from docnvil.storage.tables import history_csv, read_history, write_themes, write_topics
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.fitted_model import FittedModel
from docnvil.training.settings import TrainingConfig

FORMAT_VERSION = 2  # 1 had other names of some settings, which `from_saved` maps
READABLE_VERSIONS = (1, 2)
REQUIRED_FILES = (
    "model.json",
    "vocabulary.txt",
    "parameters.safetensors",
    "units.safetensors",
    "history.csv",
    "run.json",
)
TOP_WORDS = 20  # per unit in topics.csv


def save_model(model: FittedModel, path: str | Path, *, force: bool = False) -> None:
    """Write a model folder; if it fails, nothing is left and an older folder is kept.

    Arguments:
        model: the fitted model.
        path: the folder.
        force: whether to replace an existing model folder.

    Raises:
        OutputExistsError: `path` exists, and `force` is false or it is not a model folder.
    """
    if not isinstance(model, FittedModel):
        raise ConfigurationError(f"{type(model).__name__} is not a FittedModel. Write docnvil.save(model, path).")
    if not isinstance(path, str | Path):
        raise ConfigurationError(f"{type(path).__name__} is not a path. Write docnvil.save(model, path).")
    with lock_unless_held(Path(path)), writing_folder(Path(path), kind="model", force=force) as draft:
        write_json(draft / "model.json", _description(model))
        write_json(draft / "run.json", model.run)
        model.vocabulary.save(draft / "vocabulary.txt")
        parameters = {name: value.cpu().contiguous() for name, value in model.network.state_dict().items()}
        (draft / "parameters.safetensors").write_bytes(serialize(parameters))
        statistics = asdict(model.statistics)
        statistics["n_documents"] = np.array(statistics["n_documents"], dtype=np.int64)
        (draft / "units.safetensors").write_bytes(serialize_arrays(statistics))
        (draft / "history.csv").write_text(history_csv(model.history), encoding="utf-8")
        write_topics(draft / "topics.csv", model.topics(TOP_WORDS), model.vocabulary)
        if model.has_themes:
            (draft / "themes.safetensors").write_bytes(serialize_arrays(asdict(model.theme_statistics)))
            write_themes(draft / "themes.csv", model.theme_topics(TOP_WORDS), model.vocabulary)


def load_model(path: str | Path, device: torch.device | str = "auto", *, tokenizer: str | None = None) -> FittedModel:
    """Read a model folder, after comparing every file with the manifest.

    Arguments:
        path: the folder.
        device: "auto", "cpu", "cuda", or a torch device.
        tokenizer: the function "package.module:function" that split the model's texts, if it is to be imported for new
            texts; loading alone imports nothing.

    Raises:
        ConfigurationError: the texts were split by another tokenizer.
        CheckpointError: the folder is missing, incomplete, changed, or of a newer format.
    """
    if not isinstance(path, str | Path):
        raise ConfigurationError(f"{type(path).__name__} is not a path. Write docnvil.load(path).")
    path = Path(path)
    device = choose_device(device) if isinstance(device, str) else device
    files = read_folder(path, kind="model", required=REQUIRED_FILES)  # the bytes that were checked are parsed
    remedy = f"docnvil {__version__} needs a complete model folder: restore it, or train the model again."
    with translating_errors(CheckpointError, path, remedy):
        description = _read_object(path / "model.json", files)
        _check_version(path, description)
        model = _read(path, files, description, device)
        rules = model.token_rules and model.token_rules.allow_tokenizer(tokenizer)
        return replace(model, token_rules=rules)


def _check_version(path: Path, description: dict[str, Any]) -> None:
    version = description.get("format_version")
    if type(version) is not int or version not in READABLE_VERSIONS:
        raise CheckpointError(
            f"{path} has model format {version!r:.40}, and docnvil {__version__} reads formats up to {FORMAT_VERSION}."
            f" It was written by docnvil {description.get('docnvil')!s:.40}; use that version or a newer one."
        )


def _read(path: Path, files: Mapping[str, bytes], description: dict[str, Any], device: torch.device) -> FittedModel:
    settings, run = path / "model.json", path / "run.json"
    with _reading(settings):
        check_description(settings, description)
        try:
            config = from_saved(ModelConfig, description["model"])
            training = from_saved(TrainingConfig, description["training"])
        except ConfigurationError as error:
            raise CheckpointError(f"{settings} has an impossible setting. {error}") from error
        no_units = check_no_units(settings, description.get("no_units"))
        names = check_unit_names(settings, config, description.get("unit_names", []))
        continued = check_continued(settings, description.get("continued", []))
        edits = check_edits(settings, config, description.get("edits", []))
        rules = description["tokens"]
        token_rules = None if rules is None else TokenRules.from_json(rules)
    with _reading(file := path / "parameters.safetensors"):
        parameters = deserialize(files[file.name])
        check_parameters(file, config, parameters)
        network = BeliefNetwork(config)
        network.to(parameters["generative.prior.bias"].dtype).load_state_dict(parameters)
    with _reading(file := path / "units.safetensors"):
        statistics = check_unit_statistics(file, config, deserialize_arrays(files[file.name]))
    theme_statistics = None
    if config.prior == "mixture":
        with _reading(file := path / "themes.safetensors"):
            theme_statistics = check_theme_statistics(file, config, deserialize_arrays(files[file.name]))
    with _reading(file := path / "history.csv"):
        history = check_history(file, read_history(files[file.name].decode("utf-8")))
    with _reading(file := path / "vocabulary.txt"):
        vocabulary = check_vocabulary(file, config, _parse_vocabulary(files[file.name]))
    figures = _read_object(run, files)
    check_run(run, figures)
    return FittedModel(
        network=network.to(device),
        recipe=description["recipe"],
        training=training,
        statistics=statistics,
        theme_statistics=theme_statistics,
        history=history,
        vocabulary=vocabulary,
        token_rules=token_rules,
        corpus=description["corpus"],
        reading=description.get("reading", {}),  # folders of earlier versions do not have it
        run=figures,
        no_units=no_units,
        unit_names=names,
        edits=edits,
        continued=continued,
    )


def _reading(file: Path) -> AbstractContextManager[None]:
    return translating_errors(CheckpointError, file, "Restore the model folder, or train the model again.")


def _read_object(file: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the JSON object in a file."""
    with _reading(file):
        value = json.loads(files[file.name].decode("utf-8"))
    if not isinstance(value, dict):
        raise CheckpointError(f"{file} has no JSON object. Restore the model folder, or train the model again.")
    return value


def _parse_vocabulary(content: bytes) -> Vocabulary:
    return Vocabulary(content.decode("utf-8").removesuffix("\n").split("\n") if content else ())


def _description(model: FittedModel) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "docnvil": __version__,
        "model": asdict(model.network.config),
        "recipe": model.recipe,
        "training": asdict(model.training),
        "best_epoch": model.best.epoch,
        "validation_bound": model.best.validation_bound,
        "validation_perplexity": model.best.validation_perplexity,
        "no_units": None if model.no_units is None else asdict(model.no_units),
        "corpus": dict(model.corpus),
        "reading": dict(model.reading),
        "tokens": None if model.token_rules is None else model.token_rules.to_json(),
        **({"unit_names": list(model.unit_names)} if any(model.unit_names) else {}),
        **({"edits": list(model.edits)} if model.edits else {}),
        **({"continued": list(model.continued)} if model.continued else {}),
    }
