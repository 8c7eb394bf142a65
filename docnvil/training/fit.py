"""`fit`: from counts and settings to a fitted model.

Axes: N documents, V vocabulary.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from docnvil.analysis.gain import UnitsGain, units_gain
from docnvil.analysis.null_models import fit_without_units
from docnvil.analysis.perplexity import DocumentBounds, document_bounds
from docnvil.analysis.themes import theme_statistics
from docnvil.analysis.topics import unit_statistics
from docnvil.analysis.unit_probabilities import unit_probabilities
from docnvil.errors import ConfigurationError, CorpusError, VocabularyError, counted, naming_step, warn
from docnvil.model.belief_network import BeliefNetwork
from docnvil.model.visible import VISIBLE_LAYERS
from docnvil.runtime.devices import choose_device, gpu_name
from docnvil.runtime.distributed import SINGLE_PROCESS, ProcessGroup
from docnvil.runtime.machine import machine
from docnvil.runtime.precision import check_precision, onednn_products, product_library
from docnvil.runtime.profiling import NoProfile
from docnvil.runtime.randomness import stream
from docnvil.text.settings import SourceOptions
from docnvil.text.sparse import row_sums
from docnvil.text.tokens import TokenRules
from docnvil.training.callbacks import Callback
from docnvil.training.data import CheckedCounts, TrainingData, checked_counts, count_alike, hold_out
from docnvil.training.fitted_model import FittedModel
from docnvil.training.loop import NO_PROFILE, train
from docnvil.training.model_warnings import model_warnings
from docnvil.training.neighbor_codes import neighbor_codes
from docnvil.training.seed_words import seed_columns
from docnvil.training.settings import Settings
from docnvil.training.state import Checkpoint, Training

# The model whose units describe documents, to find similar ones for codes. It is of the default recipe with a mixture
# prior; the third power of the probabilities leaves the units that are surely on.
DESCRIBING_UNITS, DESCRIBING_EPOCHS, DESCRIBING_POWER = 100, 20, 3


def fit(
    counts: Any,
    settings: Settings | None = None,
    *,
    validation: Any = None,
    vocabulary: Any = None,
    text_column: str = SourceOptions.text_column,
    callbacks: Sequence[Callback] = (),
    resume_from: Checkpoint | None = None,
    processes: ProcessGroup = SINGLE_PROCESS,
    profile: NoProfile = NO_PROFILE,
) -> FittedModel:
    """Train a belief network on counts or texts and return the fitted model; warn if it is probably of no use.

    Arguments:
        counts: `[N, V]` counts, a matrix (dense or sparse) or a `DocumentTermMatrix`; or documents that `count_words`
            takes, such as a list of texts, which are counted by the default rules.
        settings: the settings; None for the default recipe.
        validation: `[N', V]`, documents to choose the best epoch by; None holds out some of `counts`, as the settings
            say.
        vocabulary: the words of the columns if the counts have none, or the words to count; see `count_words`.
        text_column: the column of the text, for rows with names.
        callbacks: receive the events of the training, see `Callback`.
        resume_from: a checkpoint of the same training to continue from.
        processes: the processes that train together; each calls this function with the same arguments.
        profile: measures the time of each phase.

    Raises:
        CorpusError: the numbers are not counts, or the output layer cannot produce them.
        ConfigurationError: the settings do not fit each other or the corpus.
        CheckpointError: the checkpoint has other documents or other settings.
        TrainingError: a number became NaN or infinite.

    Example:
        >>> import numpy as np
        >>> fit(np.eye(4, dtype=int) + 1, Settings(units=(2,), epochs=3)).best.epoch <= 3
        True
    """
    settings = Settings() if settings is None else settings
    if not isinstance(settings, Settings):
        raise ConfigurationError(f"settings is {settings!r:.60}. Write docnvil.fit(counts, docnvil.Settings(...)).")
    documents = checked_counts(counts, vocabulary=vocabulary, text_column=text_column)
    data = split_data(documents, settings, validation)
    training = start_training(data, settings, processes, documents.token_rules)
    if training.config.neighbor_codes and not (resume_from and (resume_from.is_final or resume_from.has_codes)):
        training.codes = _neighbor_codes(data, training, callbacks)
    run_training(training, data, resume_from, processes, callbacks, profile)
    held_out = settings.validation if validation is None else data.validation.shape[0]
    return with_warnings(fitted_model(training, documents, data, settings.recipe_name, held_out), documents.reported)


def run_training(
    training: Training,
    data: TrainingData,
    resume_from: Checkpoint | None,
    processes: ProcessGroup,
    callbacks: Sequence[Callback],
    profile: NoProfile,
) -> None:
    """Train until finished, in place, and call the callbacks; the arguments are those of `fit`."""
    if resume_from is not None:
        training.resume(resume_from)
    if processes.size > 1:
        processes.require_agreement(data.fingerprint, training.model.config, training.config, training.epoch)
    for callback in callbacks:
        callback.on_start(training)
    _train(training, data, callbacks, profile)


def with_warnings(model: FittedModel, reported: Collection[str]) -> FittedModel:
    """Issue the warnings about a model that are not yet `reported`, and return the model with all of them in `run`."""
    warnings = model_warnings(model)
    for name, text in warnings:
        if name not in reported:
            warn(text)
    return replace(model, run={**model.run, "warnings": [text for _, text in warnings]})


def split_data(documents: CheckedCounts, settings: Settings, validation: Any = None) -> TrainingData:
    """Return the training and the validation documents: those given, or some held out of `documents`.

    Raises:
        VocabularyError: the validation documents have another number of columns.
        CorpusError: the output layer cannot produce these counts, or they are all 0.
        ConfigurationError: no document would remain for training.
    """
    visible = VISIBLE_LAYERS[settings.model_config(documents.matrix.shape[1]).observation]
    visible.check_counts(documents.matrix)
    if not (documents.matrix.nnz or visible.empty_is_data):
        raise CorpusError("All counts are 0, so there is nothing to learn. Check the documents and the vocabulary.")
    if validation is None:
        train_counts, validation_counts = hold_out(
            documents.matrix,
            settings.validation,
            seed=settings.seed,
            max_share=settings.max_holdout,
            empty_is_data=visible.empty_is_data,
        )
        return TrainingData(train_counts, validation_counts, documents.vocabulary)
    held_out = count_alike(validation, documents.vocabulary, documents.token_rules, documents.reading).matrix
    if held_out.shape[1] != documents.matrix.shape[1]:
        raise VocabularyError(
            f"The validation documents have {counted(held_out.shape[1], 'column')}, and the training documents"
            f" {documents.matrix.shape[1]:,}. Count both with the same vocabulary."
        )
    return TrainingData(documents.matrix, held_out, documents.vocabulary)


def start_training(
    data: TrainingData,
    settings: Settings,
    processes: ProcessGroup = SINGLE_PROCESS,
    token_rules: TokenRules | None = None,
) -> Training:
    """Return the initial state of training on these documents; seed words may be written as the token rules allow."""
    config = settings.training_config(n_documents=data.train.shape[0])
    device = choose_device(settings.device)
    check_precision(config.precision, device)
    seeds = seed_columns(config.seed_words, data.vocabulary, token_rules)
    model_config = settings.model_config(data.train.shape[1])
    with naming_step("initializing the units", "Use fewer --units, or a smaller --vocabulary-size."):
        training = Training.start(model_config, config, data.train, device, processes, seeds)
    training.fingerprint = lambda: data.fingerprint
    return training


def _train(
    training: Training, data: TrainingData, callbacks: Sequence[Callback], profile: NoProfile = NO_PROFILE
) -> None:
    """Train until finished, and call the callbacks after each update and each epoch."""

    def on_batch(n_documents: int) -> None:
        for callback in callbacks:
            callback.on_batch(training, n_documents)

    units = "-".join(map(str, training.model.config.units))
    step = naming_step(
        f"training {units} units on {counted(data.train.shape[1], 'word')}",
        "Use fewer --units or --samples, or a smaller --batch-size or --vocabulary-size.",
    )
    with step, onednn_products(training.model.device):
        for record in train(training, data.train, data.validation, on_batch=on_batch, profile=profile):
            for callback in callbacks:
                callback.on_epoch(training, record)


def _neighbor_codes(data: TrainingData, training: Training, callbacks: Sequence[Callback]) -> torch.Tensor:
    """Return the codes that q learns, `[N, K]`, from the unit probabilities of a model with a mixture prior.

    Raises:
        ConfigurationError: the network has several layers.
    """
    units, seed, device = training.model.config.units, training.config.seed, training.model.device
    if len(units) > 1:
        raise ConfigurationError(
            f"neighbor_codes trains one layer of units, and units is {units}. Give one number of units."
        )
    settings = Settings(
        units=(DESCRIBING_UNITS,), prior="mixture", epochs=DESCRIBING_EPOCHS, seed=seed, device=str(device)
    )
    teacher = start_training(data, settings)
    shown = [callback for callback in callbacks if callback.follows_preparation]
    for callback in shown:
        callback.on_start(teacher)
    _train(teacher, data, shown)
    network = teacher.finish()
    codes = neighbor_codes(
        data.train,
        units[0],
        lambda counts: unit_probabilities(network, counts) ** DESCRIBING_POWER,
        stream(seed, "codes"),
    )
    return torch.from_numpy(codes).to(device)


def fitted_model(
    training: Training, documents: CheckedCounts, data: TrainingData, recipe: str, held_out: float | int
) -> FittedModel:
    """Take the parameters of the best epoch and the statistics of the training corpus."""
    network, counts = training.finish(), documents.matrix
    names = [name for name, _ in training.config.seed_words]
    is_float = counts.dtype.kind == "f"
    lengths = row_sums(counts, counts.dtype if is_float else np.int64)
    no_units, without = fit_without_units(network.generative.visible, counts, data.train, data.validation)
    gain = None if without is None else _gain(training, network, data, without)
    return FittedModel(
        network=network,
        recipe=recipe,
        training=training.config,
        statistics=unit_statistics(network, counts),
        history=tuple(training.history),
        vocabulary=documents.vocabulary,
        token_rules=documents.token_rules,
        reading=documents.reading,
        corpus={
            "documents": counts.shape[0],
            "empty_documents": int((lengths == 0).sum()),
            "words": counts.shape[1],
            "tokens": float(lengths.sum()) if is_float else int(lengths.sum()),
            "validation": held_out,
        },
        theme_statistics=theme_statistics(network, counts) if network.config.prior == "mixture" else None,
        run={
            "seconds": sum(training.epoch_seconds),
            "epoch_seconds": training.epoch_seconds,
            "device": str(network.device),
            "gpu": gpu_name(network.device),
            "threads": torch.get_num_threads(),
            "matrix_products": product_library(network.device),
            "units_gain": None if gain is None else asdict(gain),
            **machine(),
        },
        no_units=no_units,
        unit_names=(*names, *[None] * (network.config.units[0] - len(names))),
    )


def _gain(
    training: Training, network: BeliefNetwork, data: TrainingData, without_units: DocumentBounds
) -> UnitsGain | None:
    """Compare the best epoch with the layer without units on the validation documents; None if q learns codes."""
    config, null = training.config, without_units.summarize()
    if config.neighbor_codes:  # the bound is not what training maximizes
        return None
    best = training.best
    if best.validation_bound > null.log_likelihood / null.documents:  # nearly always, and then without an evaluation
        return UnitsGain("better", null.documents)
    bounds = document_bounds(network, data.validation, n_samples=config.validation_samples, seed=config.seed)
    return units_gain(bounds, without_units)
