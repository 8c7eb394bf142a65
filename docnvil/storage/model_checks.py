"""Checks of the files of a model folder against each other: their types, shapes and values.

A manifest shows only that the files are those that were written together. These checks also find a folder that another
program wrote, or that was edited before its manifest was made.

Axes: V words, K units of the first layer, C themes.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docnvil.analysis.null_models import LayerWithoutUnits
from docnvil.analysis.themes import ThemeStatistics
from docnvil.analysis.topics import UnitStatistics
from docnvil.analysis.unit_names import UnitNames, check_names
from docnvil.errors import CheckpointError, ConfigurationError, counted
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.settings import ModelConfig
from docnvil.schema import settings_of
from docnvil.text.settings import SourceOptions
from docnvil.text.vocabulary import Vocabulary
from docnvil.training.recipes import RECIPES
from docnvil.training.records import EpochRecord

EDITS = ("name", "merge", "drop", "order")
_JSON_NAMES = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}


def check_description(path: Path, description: Mapping[str, Any]) -> None:
    """Check the values of model.json that no class checks: the recipe, the corpus and the reading options."""
    if _member(path, description, "recipe", str) not in RECIPES:
        raise _error(path, f"has the recipe {description['recipe']!r}, which does not exist")
    corpus = _member(path, description, "corpus", dict)
    for name in ("documents", "empty_documents"):
        if _member(path, corpus, name, int) < 0:
            raise _error(path, f"has {corpus[name]} {name}")
    if not _is_number(corpus.get("validation")):
        raise _error(path, "does not say how many documents were for validation")
    reading = _member(path, {"reading": {}, **description}, "reading", dict)
    SourceOptions(**{name: value for name, value in reading.items() if name in settings_of(SourceOptions)})


def check_run(path: Path, run: Mapping[str, Any]) -> None:
    """Check the values of run.json that docnvil uses."""
    warnings = _member(path, {"warnings": [], **run}, "warnings", list)
    if not all(isinstance(each, str) for each in warnings):
        raise _error(path, "has warnings that are not strings")


def check_parameters(path: Path, config: ModelConfig, parameters: Mapping[str, Tensor]) -> None:
    """Check the names, shapes, types and values of the parameters before memory is allocated for the network."""
    with torch.device("meta"):
        expected = BeliefNetwork(config).state_dict()
    if different := sorted(set(expected) ^ set(parameters)):
        state = "lacks" if different[0] in expected else "has an unknown"
        raise _error(path, f"{state} parameter {different[0]}")
    for name, value in parameters.items():
        if value.shape != expected[name].shape:
            raise _error(
                path, f"has {name} of shape {tuple(value.shape)}, not {tuple(expected[name].shape)} as in model.json"
            )
        if value.is_floating_point() != expected[name].is_floating_point():
            raise _error(path, f"has {name} of type {value.dtype}")
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise _error(path, f"has a NaN or infinite value in {name}")


def check_unit_statistics(path: Path, config: ModelConfig, arrays: Mapping[str, NDArray[Any]]) -> UnitStatistics:
    """Return the statistics of units if they have the shapes of the model and finite values >= 0."""
    n_words, n_units = config.vocabulary_size, config.units[0]
    shapes = {
        "documents_on": (n_units, n_words),
        "document_frequency": (n_words,),
        "word_frequency": (n_words,),
        "activity": (n_units,),
        "information": (n_units,),
        "n_documents": (),
    }
    _check_arrays(path, arrays, shapes, may_be_negative=("information",))  # by rounding
    return UnitStatistics(**{**arrays, "n_documents": int(arrays["n_documents"])})


def check_theme_statistics(path: Path, config: ModelConfig, arrays: Mapping[str, NDArray[Any]]) -> ThemeStatistics:
    """Return the statistics of themes if they have the shapes of the model and finite values >= 0."""
    n_words, n_units, n_themes = config.vocabulary_size, config.units[0], config.themes
    shapes = {"documents_with_word": (n_themes, n_words), "units_on": (n_themes, n_units), "documents": (n_themes,)}
    _check_arrays(path, arrays, shapes)
    return ThemeStatistics(**arrays)


def check_history(path: Path, history: tuple[EpochRecord, ...]) -> tuple[EpochRecord, ...]:
    """Return the history if it has the best epoch."""
    if not any(record.best for record in history):
        raise _error(path, "has no best epoch")
    return history


def check_vocabulary(path: Path, config: ModelConfig, vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary if it has one word per column."""
    if len(vocabulary) != config.vocabulary_size:
        raise _error(path, f"has {counted(len(vocabulary), 'word')}, but the model has {config.vocabulary_size:,}")
    return vocabulary


def check_no_units(path: Path, values: Any) -> LayerWithoutUnits | None:
    """Return the layer without units of model.json, or None if there is none."""
    if values is None:
        return None
    layer = LayerWithoutUnits(**values)
    for name, value in values.items():
        if not (value is None or _is_number(value)):
            raise _error(path, f"has {value!r} as {name} of the layer without units")
    if layer.concentration is not None and layer.concentration <= 0:
        raise _error(path, f"has the concentration {layer.concentration}")
    return layer


def check_unit_names(path: Path, config: ModelConfig, names: Any) -> UnitNames:
    """Return the names of units of model.json; folders of earlier versions, and models without names, have none."""
    if not isinstance(names, list):
        raise _error(path, f"has {names!r:.60} as unit_names, not a list")
    try:
        return check_names(names, config.units[0])
    except ConfigurationError as error:
        raise _error(path, f"has unit_names that are not allowed ({str(error).split('. ')[0]})") from error


def check_edits(path: Path, config: ModelConfig, edits: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the edits of model.json if each has a kind and units, and the last one left the units of the model."""
    if not isinstance(edits, list):
        raise _error(path, f"has {edits!r:.60} as edits, not a list")
    for edit in edits:
        if not isinstance(edit, dict) or edit.get("edit") not in EDITS:
            raise _error(path, f"has an unknown edit {edit!r:.60}")
        for unit in _member(path, edit, "units", list):
            if type(unit) is not int or unit < 0:
                raise _error(path, f"has an edit of the unit {unit!r:.60}")
        if _member(path, edit, "step", int) < 1 or _member(path, edit, "units_after", int) < 1:
            raise _error(path, f"has an edit with numbers that are not possible: {edit!r:.60}")
        for name in _member(path, {"names": [], **edit}, "names", list):
            if not isinstance(name, str | None):
                raise _error(path, f"has an edit with the name {name!r:.60}")
        change = edit.get("change")
        if change is not None and not (isinstance(change, dict) and all(map(_is_number, _leaves(change)))):
            raise _error(path, f"has an edit with the change {change!r:.60}")
    if edits and edits[-1]["units_after"] != config.units[0]:
        raise _error(path, f"has {counted(config.units[0], 'unit')}, but its last edit left {edits[-1]['units_after']}")
    return tuple(edits)


def check_continued(path: Path, records: Any) -> tuple[Mapping[str, Any], ...]:
    """Return the records of later trainings in model.json if they have the numbers of documents and epochs."""
    if not isinstance(records, list):
        raise _error(path, f"has {records!r:.60} as continued, not a list")
    for record in records:
        if not isinstance(record, dict):
            raise _error(path, f"has {record!r:.60} as a continued training, not an object")
        for name in ("documents", "replayed", "epochs", "unknown_tokens"):
            if _member(path, record, name, int) < 0:
                raise _error(path, f"has a continued training with {record[name]} {name}")
        if not _is_number(record.get("learning_rate")):
            raise _error(path, "has a continued training without a learning rate")
    return tuple(records)


def _leaves(value: Any) -> list[Any]:
    """Return the values in nested objects and lists."""
    if isinstance(value, dict | list):
        children = value.values() if isinstance(value, dict) else value
        return [leaf for child in children for leaf in _leaves(child)]
    return [value]


def _check_arrays(
    path: Path,
    arrays: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, tuple[int, ...]],
    may_be_negative: tuple[str, ...] = (),
) -> None:
    if different := sorted(set(shapes) ^ set(arrays)):
        state = "lacks" if different[0] in shapes else "has an unknown"
        raise _error(path, f"{state} array {different[0]}")
    for name, values in arrays.items():
        if values.shape != shapes[name]:
            raise _error(path, f"has {name} of shape {values.shape}, not {shapes[name]} as in model.json")
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise _error(path, f"has values in {name} that are not finite numbers")
        if name not in may_be_negative and (values < 0).any():
            raise _error(path, f"has a negative value in {name}")


def _member(path: Path, values: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a value of a JSON object, which must have the given type."""
    value = values.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _error(path, f"has {value!r:.60} as {name}, not {_JSON_NAMES[kind]}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _error(path: Path, problem: str) -> CheckpointError:
    return CheckpointError(f"{path} {problem}. Restore the model folder, or train the model again.")
