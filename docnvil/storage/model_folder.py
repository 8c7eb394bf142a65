"""A fitted model as a folder that people can open.

    model.json               settings of network and training, figures of the corpus, reading options, token rules
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
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as serialize_arrays
from safetensors.torch import load_file
from safetensors.torch import save as serialize  # bytes, written by us: a full disk is then reported by the system

from docnvil import __version__
from docnvil.analysis.null_models import LayerWithoutUnits
from docnvil.analysis.themes import ThemeStatistics
from docnvil.analysis.topics import UnitStatistics, topics
from docnvil.errors import CheckpointError, ConfigurationError, DocnvilError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.settings import ModelConfig
from docnvil.runtime.devices import choose_device
from docnvil.runtime.folders import verify_folder, write_json, writing_folder
from docnvil.schema import from_saved
from docnvil.storage.tables import history_csv, read_history, write_themes, write_topics
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.fitted_model import FittedModel
from docnvil.training.settings import TrainingConfig

FORMAT_VERSION = 2  # 1 had other names of some settings, which `from_saved` maps
READABLE_VERSIONS = (1, 2)
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
    with writing_folder(Path(path), kind="model", force=force) as draft:
        write_json(draft / "model.json", _description(model))
        write_json(draft / "run.json", model.run)
        model.vocabulary.save(draft / "vocabulary.txt")
        parameters = {name: value.cpu().contiguous() for name, value in model.network.state_dict().items()}
        (draft / "parameters.safetensors").write_bytes(serialize(parameters))
        statistics = asdict(model.statistics)
        statistics["n_documents"] = np.array(statistics["n_documents"], dtype=np.int64)
        (draft / "units.safetensors").write_bytes(serialize_arrays(statistics))
        (draft / "history.csv").write_text(history_csv(model.history), encoding="utf-8")
        write_topics(draft / "topics.csv", topics(model.network, model.statistics, TOP_WORDS), model.vocabulary)
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
    verify_folder(path, kind="model")
    description = json.loads((path / "model.json").read_text(encoding="utf-8"))
    version = description.get("format_version")
    if version not in READABLE_VERSIONS:
        raise CheckpointError(
            f"{path} has model format {version}, and docnvil {__version__} reads formats up to {FORMAT_VERSION}."
            f" It was written by docnvil {description.get('docnvil')}; use that version or a newer one."
        )
    try:
        model = _read(path, description, device)
        rules = model.token_rules and model.token_rules.allow_tokenizer(tokenizer)
        return replace(model, token_rules=rules)
    except DocnvilError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        message = f"{path} is not a model that docnvil {__version__} can read ({error}). Train it again."
        raise CheckpointError(message) from error


def _read(path: Path, description: dict[str, Any], device: torch.device) -> FittedModel:
    parameters = load_file(path / "parameters.safetensors")
    network = BeliefNetwork(from_saved(ModelConfig, description["model"]))
    network.to(parameters["generative.prior.bias"].dtype).load_state_dict(parameters)
    statistics = load_arrays(path / "units.safetensors")
    has_themes = network.config.prior == "mixture"
    rules = description["tokens"]
    return FittedModel(
        network=network.to(device),
        recipe=description["recipe"],
        training=from_saved(TrainingConfig, description["training"]),
        statistics=UnitStatistics(**{**statistics, "n_documents": int(statistics["n_documents"])}),
        theme_statistics=ThemeStatistics(**load_arrays(path / "themes.safetensors")) if has_themes else None,
        history=read_history((path / "history.csv").read_text(encoding="utf-8")),
        vocabulary=Vocabulary.load(path / "vocabulary.txt"),
        token_rules=None if rules is None else TokenRules.from_json(rules),
        corpus=description["corpus"],
        reading=description.get("reading", {}),  # folders of earlier versions do not have it
        run=json.loads((path / "run.json").read_text(encoding="utf-8")),
        no_units=LayerWithoutUnits(**description["no_units"]) if description.get("no_units") else None,
    )


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
    }
