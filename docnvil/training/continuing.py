"""Continue the training of a fitted model on new documents, with its vocabulary and its units.

By default the new documents are mixed with as many that are sampled from the model before the training, so that what it
has learned from earlier documents is not lost; these need not be kept (generative replay, Shin et al. 2017, *Continual
learning with deep generative replay*).

Axes: N documents, V words.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, vstack

from docnvil.analysis.themes import ThemeStatistics
from docnvil.analysis.topics import UnitStatistics
from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.runtime.devices import choose_device
from docnvil.runtime.distributed import SINGLE_PROCESS, ProcessGroup
from docnvil.runtime.precision import check_precision, parameter_type
from docnvil.runtime.profiling import NoProfile
from docnvil.runtime.randomness import stream_seed
from docnvil.schema import settings_of
from docnvil.text.sparse import column_sums
from docnvil.training.callbacks import Callback
from docnvil.training.data import CheckedCounts, TrainingData
from docnvil.training.fit import fitted_model, run_training, split_data, with_warnings
from docnvil.training.fitted_model import FittedModel, require_model
from docnvil.training.loop import NO_PROFILE
from docnvil.training.optimizers import build_gradient, build_optimizer
from docnvil.training.penalties import Penalties
from docnvil.training.pseudo_documents import sample_like_corpus
from docnvil.training.seed_words import seed_columns
from docnvil.training.settings import Settings, TrainingConfig, all_settings
from docnvil.training.state import Checkpoint, Training

RATE_SHARE = 0.5  # of the learning rate of the first training
EPOCH_SHARE = 0.25  # of the epochs that the recipe has for as many documents
REPLAY = 1.0
FIXED = ("start", "seed_words")  # settings of the first training that cannot change


def continue_fit(
    model: FittedModel,
    counts: Any,
    *,
    replay: float = REPLAY,
    validation: Any = None,
    callbacks: Sequence[Callback] = (),
    resume_from: Checkpoint | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
    profile: NoProfile = NO_PROFILE,
    **chosen: Any,
) -> FittedModel:
    """Return a model that was trained further on new documents; the vocabulary, the units and their names are kept.

    The settings are those of the first training, except that the learning rate starts at half of it and decays again,
    over a quarter of the epochs that the recipe has for this number of documents. The word statistics of the units are
    those of all documents, earlier ones as they were counted then.

    Arguments:
        model: the model to start from, which is not changed.
        counts: `[N, V]` counts with the model's vocabulary, or documents that `count_words` takes.
        replay: documents sampled from `model` that are added, per new training document.
        validation: documents to choose the best epoch by, or how many of `counts` to hold out for it, a number or a
            share; None holds out as many as the recipe.
        callbacks: receive the events of the training, see `Callback`.
        resume_from: a checkpoint of the same training to continue from.
        processes: the processes that train together.
        profile: measures the time of each phase.
        chosen: settings of the training by name, such as `epochs` and `learning_rate`.

    Raises:
        VocabularyError: counts with another vocabulary.
        ConfigurationError: a setting that belongs to the model.
        CheckpointError: the checkpoint has another model, other documents or other settings.

    Example:
        >>> import docnvil
        >>> blocks = np.kron(np.eye(2, dtype=int), np.full((30, 5), 3))
        >>> model = docnvil.fit(blocks, Settings(units=(2,), epochs=30, batch_size=10))
        >>> continue_fit(model, blocks[:40], epochs=3).corpus["documents"]
        100
    """
    if isinstance(validation, int | float | np.number):
        validation, chosen = None, {**chosen, "validation": validation}
    documents = require_model(model).checked(counts)
    data, settings, n_replayed = plan(model, documents, replay, chosen, validation)
    if n_replayed:
        data = _with_replay(model, data, n_replayed, settings.seed)
    training = _start(model, data, settings, processes)
    run_training(training, data, resume_from, processes, callbacks, profile)
    held_out = settings.validation if validation is None else data.validation.shape[0]
    later = fitted_model(training, documents, data, settings.recipe_name, held_out)
    record = {
        "documents": later.corpus["documents"],
        "replayed": n_replayed,
        "epochs": len(later.history),
        "learning_rate": training.config.learning_rate,
        "unknown_tokens": int(getattr(counts, "n_unknown", 0)),
    }
    return with_warnings(_joined(model, later, record), documents.reported)


def plan(
    model: FittedModel, documents: CheckedCounts, replay: float, chosen: Mapping[str, Any], validation: Any = None
) -> tuple[TrainingData, Settings, int]:
    """Return the new documents in two parts, the settings for them, and the number of documents to sample.

    The arguments are those of `continue_fit`; `validation` is None or documents.
    """
    if not (math.isfinite(replay) and replay >= 0):
        raise ConfigurationError(f"--replay is {replay}. Give a number of 0 or more sampled documents per document.")
    data = split_data(documents, continuing_settings(model, **chosen), validation)
    n_replayed = round(replay * data.train.shape[0])
    return data, continuing_settings(model, data.train.shape[0] + n_replayed, **chosen), n_replayed


def _with_replay(model: FittedModel, data: TrainingData, n_documents: int, seed: int) -> TrainingData:
    """Return the data with documents sampled from the model after the training documents."""
    new = csr_array(data.train[np.arange(data.train.shape[0])])
    sampled = sample_like_corpus(model, n_documents, purpose="replay", seed=seed).astype(new.dtype)
    return TrainingData(csr_array(vstack([new, sampled], format="csr")), data.validation, data.vocabulary)


def continuing_settings(model: FittedModel, n_documents: int = 1, **chosen: Any) -> Settings:
    """Return the settings with which a model is trained further on N documents.

    Arguments:
        model: the model to start from.
        n_documents: N, from which the epochs are derived.
        chosen: settings that the user chose; None stands for the default.

    Raises:
        ConfigurationError: a chosen setting belongs to the model.
    """
    if model.training.neighbor_codes:
        raise ConfigurationError(
            "The model has codes to search by (neighbor_codes), whose training cannot be continued. Train a new model."
        )
    chosen = {name: value for name, value in chosen.items() if value is not None}
    allowed = {*settings_of(TrainingConfig), "validation", "device"} - set(FIXED)
    for name in chosen:
        if name in all_settings() and name not in allowed:
            raise ConfigurationError(
                f"--{all_settings()[name].option} belongs to the model whose training is continued. Leave it out, or"
                " train a new model."
            )
    saved = model.settings
    values = {name: value for name, value in saved.values.items() if name != "epochs"}
    if any(edit["edit"] != "name" for edit in model.edits):
        values.pop("seed_words", None)  # the units that had seed words may be others now
    if not model.continued:
        values["learning_rate"] = RATE_SHARE * model.training.learning_rate
    settings = Settings(saved.recipe_name, **{**values, **chosen})
    if "epochs" in chosen:
        return settings
    batch_size = settings.training_config(n_documents).batch_size
    epochs = max(1, math.ceil(EPOCH_SHARE * settings.recipe.epochs(n_documents, batch_size)))
    return Settings(saved.recipe_name, **{**settings.values, "epochs": epochs})


def _start(model: FittedModel, data: TrainingData, settings: Settings, processes: ProcessGroup) -> Training:
    """Return the initial state of the training: the model's network, and a new optimizer."""
    config = settings.training_config(data.train.shape[0])
    device = choose_device(settings.device)
    check_precision(config.precision, device)
    network = deepcopy(model.network)
    generator = torch.Generator().manual_seed(stream_seed(config.seed, "initial weights"))
    gradient = build_gradient(network.cpu(), config, generator, processes)
    for module in (network, gradient):
        module.to(device, parameter_type(config.precision))
    seeds = seed_columns(config.seed_words, model.vocabulary, model.token_rules)
    weight = network.generative.visible.weight
    penalties = Penalties.of_corpus(config, column_sums(data.train), data.train.shape[0], like=weight, seeds=seeds)
    optimizer = build_optimizer(network, gradient, config)
    training = Training(network, gradient, optimizer, config, data.train.shape[0], penalties, processes)
    training.fingerprint = lambda: _fingerprint(data, model.network)
    return training


def _fingerprint(data: TrainingData, network: BeliefNetwork) -> str:
    """Return a SHA-256 of the documents and of the parameters that the training starts from."""
    digest = hashlib.sha256(data.fingerprint.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _joined(earlier: FittedModel, later: FittedModel, record: Mapping[str, Any]) -> FittedModel:
    """Return the later model with the statistics of all documents, and what it keeps of the earlier one."""
    sums = ("documents", "empty_documents", "tokens")
    themes = later.theme_statistics
    return replace(
        later,
        statistics=_added(earlier.statistics, later.statistics),
        theme_statistics=None if themes is None else _themes_added(earlier.theme_statistics, themes),
        corpus={**later.corpus, **{name: earlier.corpus[name] + later.corpus[name] for name in sums}},
        vocabulary=earlier.vocabulary,
        token_rules=earlier.token_rules,
        reading=earlier.reading,
        unit_names=earlier.unit_names,
        edits=earlier.edits,
        continued=(*earlier.continued, record),
    )


def _added(first: UnitStatistics, second: UnitStatistics) -> UnitStatistics:
    """Return the statistics of two corpora together; the information is the mean over documents."""
    n_documents = first.n_documents + second.n_documents
    information = first.n_documents * first.information + second.n_documents * second.information
    sums = ("documents_on", "document_frequency", "word_frequency", "activity")
    return UnitStatistics(
        **{name: getattr(first, name) + getattr(second, name) for name in sums},
        information=information / max(1, n_documents),
        n_documents=n_documents,
    )


def _themes_added(first: ThemeStatistics, second: ThemeStatistics) -> ThemeStatistics:
    names = ("documents_with_word", "units_on", "documents")
    return ThemeStatistics(**{name: getattr(first, name) + getattr(second, name) for name in names})
