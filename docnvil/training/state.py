"""The state of training, and checkpoints of it.

Axes: N documents, V vocabulary, K units.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from docnvil.errors import CheckpointError, translating_errors
from docnvil.model.belief_network import BeliefNetwork, build_model
from docnvil.model.settings import ModelConfig
from docnvil.runtime.distributed import SINGLE_PROCESS, ProcessGroup
from docnvil.runtime.precision import parameter_type
from docnvil.runtime.randomness import stream, stream_seed
from docnvil.schema import from_saved
from docnvil.text.sparse import CountRows, column_sums
from docnvil.training.kmeans_init import cluster_documents, start_themes
from docnvil.training.optimizers import build_gradient, build_optimizer
from docnvil.training.penalties import Penalties
from docnvil.training.recipes import supported_units
from docnvil.training.records import EpochRecord, best_of
from docnvil.training.schedule import Schedule
from docnvil.training.seed_words import SeedColumns
from docnvil.training.settings import TrainingConfig

CODES = "codes.bits"  # the name of a training's codes among the tensors of a checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """The state between two epochs: everything needed to continue training to the same bytes.

    Arguments:
        tensors: parameters, moments and optimizer state by name.
        model: the network's settings, as saved.
        training: the training's settings, as saved.
        history: one record per epoch.
        epoch_seconds: the duration of each epoch.
        fingerprint: identifies the documents, see `TrainingData.fingerprint`.
        is_final: whether training ends with this state instead of continuing.
    """

    tensors: Mapping[str, Tensor]
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    history: tuple[EpochRecord, ...]
    epoch_seconds: tuple[float, ...]
    fingerprint: str
    is_final: bool = False

    @property
    def learning_rate(self) -> float:
        """The first learning rate of the training."""
        return float(self.training["learning_rate"])

    @property
    def has_codes(self) -> bool:
        """Whether the codes that q learns are among the tensors; earlier versions computed them again."""
        return CODES in self.tensors

    def with_learning_rate(self, learning_rate: float) -> "Checkpoint":
        """Return the checkpoint as if the training had another first learning rate, such as a smaller one."""
        return replace(self, training={**self.training, "learning_rate": learning_rate})


@dataclass
class Training:
    """Everything that changes while a network is trained.

    Arguments:
        model: the network after the latest epoch; `finish` returns it with the parameters of the best one.
        gradient: the gradient estimator, with its baselines and moments if it has any.
        optimizer: over the parameters of both.
        config: the settings.
        n_documents: N, the number of training documents.
        penalties: their strengths for these documents.
        processes: the processes that train together.
        fingerprint: returns what identifies the documents; called only when a checkpoint is made or resumed.
        history: one record per finished epoch.
        epoch_seconds: the duration of each.
        best_parameters: the network's parameters at the best epoch so far.
        codes: `[N, K]` bool, the code of each training document that q learns, or None.
        is_stopped: whether training ends although epochs are left.
    """

    model: BeliefNetwork
    gradient: nn.Module
    optimizer: torch.optim.Optimizer
    config: TrainingConfig
    n_documents: int
    penalties: Penalties
    processes: ProcessGroup = SINGLE_PROCESS
    fingerprint: Callable[[], str] = str
    history: list[EpochRecord] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)
    best_parameters: dict[str, Tensor] = field(default_factory=dict)
    codes: Tensor | None = None
    is_stopped: bool = False

    @classmethod
    def start(
        cls,
        model_config: ModelConfig,
        config: TrainingConfig,
        counts: CountRows,
        device: torch.device,
        processes: ProcessGroup = SINGLE_PROCESS,
        seeds: SeedColumns = (),
    ) -> "Training":
        """Build the network and its optimizer at the starting point.

        `counts`, `[N, V]`, are the training documents, and `seeds` the columns of the seed words of the first units.
        Initial weights are drawn on the CPU in single precision, so they depend on neither device nor precision.
        """
        generator = torch.Generator().manual_seed(stream_seed(config.seed, "initial weights"))
        clusters = profiles = None
        if config.start == "clusters":
            n_started = min(model_config.units[0], max(supported_units(counts.shape[0]), len(seeds)))
            clusters = cluster_documents(counts, n_started, stream(config.seed, "k-means"), seeds)
            profiles = torch.from_numpy(clusters.profiles)
        frequencies, n_documents = column_sums(counts), counts.shape[0]
        model = build_model(model_config, generator, torch.from_numpy(frequencies), profiles, n_documents)
        if clusters is not None and model_config.prior == "mixture":
            if model_config.themes != model_config.units[0]:
                clusters = cluster_documents(counts, model_config.themes, stream(config.seed, "k-means of themes"))
            start_themes(model, counts, clusters)
        gradient = build_gradient(model, config, generator, processes)
        for module in (model, gradient):
            module.to(device, parameter_type(config.precision))
        optimizer = build_optimizer(model, gradient, config)
        weight = model.generative.visible.weight
        penalties = Penalties.of_corpus(config, frequencies, n_documents, like=weight, seeds=seeds)
        return cls(model, gradient, optimizer, config, n_documents, penalties, processes)

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return len(self.history)

    @property
    def best(self) -> EpochRecord:
        """The record of the epoch with the best validation bound."""
        return best_of(self.history)

    @property
    def schedule(self) -> Schedule:
        """The learning rate and the penalties of the next epoch."""
        return Schedule.after(self.config, self.history)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the validation bound stopped improving and the rate has decayed since."""
        return bool(self.history) and (self.is_stopped or self.epoch >= self.schedule.last_epoch)

    def finish(self) -> BeliefNetwork:
        """Return the network with the parameters of the best epoch, and without gradients."""
        self.model.load_state_dict(self.best_parameters)
        self.optimizer.zero_grad()
        return self.model

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that the rest of the training depends on, by name."""
        slots = self.optimizer.state_dict()["state"]
        return {
            **{f"model.{name}": value for name, value in self.model.state_dict().items()},
            **{f"gradient.{name}": value for name, value in self.gradient.state_dict().items()},
            **{f"best.{name}": value for name, value in self.best_parameters.items()},
            **{f"optimizer.{slot}.{name}": value for slot, values in slots.items() for name, value in values.items()},
            **({} if self.codes is None else {CODES: self.codes}),
        }

    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint of the training after its latest epoch."""
        return Checkpoint(
            tensors=self.state(),
            model=asdict(self.model.config),
            training=asdict(self.config),
            history=tuple(self.history),
            epoch_seconds=tuple(self.epoch_seconds),
            fingerprint=self.fingerprint(),
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint, in place; the rest of the training then gives the same bytes.

        The settings must be the same. Only with a constant learning rate, the number of epochs may change, but not to
        fewer than are already done.

        Raises:
            CheckpointError: the checkpoint has other documents or other settings.
        """
        if checkpoint.fingerprint != self.fingerprint():
            raise CheckpointError(
                "The interrupted run had other training or validation documents. Give the corpus and options that it"
                " was started with, or start again with --force."
            )
        with translating_errors(CheckpointError, "The checkpoint", "Start again with --force."):
            model, saved = (
                asdict(from_saved(kind, values))
                for kind, values in ((ModelConfig, checkpoint.model), (TrainingConfig, checkpoint.training))
            )
        _require_equal(model, asdict(self.model.config))
        current = asdict(self.config)
        if current["schedule"] == "constant":  # then an epoch does not depend on how many follow
            saved["epochs"] = max(current["epochs"], len(checkpoint.history))
        _require_equal(saved, current)
        with translating_errors(CheckpointError, "The checkpoint", "Start again with --force."):
            self.restore(checkpoint.tensors, checkpoint.history, checkpoint.epoch_seconds)
        self.is_stopped = checkpoint.is_final

    def restore(
        self, tensors: Mapping[str, Tensor], history: Sequence[EpochRecord], epoch_seconds: Sequence[float]
    ) -> None:
        """Load the tensors of `state`, with the records so far, in place."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "gradient": {}, "best": {}, "optimizer": {}, "codes": {}}
        for name, value in tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = value
        self.model.load_state_dict(parts["best"])  # fails now, not at the end, if they are of another network
        self.model.load_state_dict(parts["model"])
        self.gradient.load_state_dict(parts["gradient"])
        self.best_parameters = {name: value.to(self.model.device) for name, value in parts["best"].items()}
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            slot, key = name.split(".", 1)
            slots.setdefault(int(slot), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.history, self.epoch_seconds = list(history), list(epoch_seconds)
        if CODES in tensors:
            self.codes = tensors[CODES].to(self.model.device)


def _require_equal(saved: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    for name, value in current.items():
        if saved.get(name) != value:
            raise CheckpointError(
                f"The interrupted run used {name} = {saved.get(name)}, not {value}. Give the same options, or"
                " start again with --force."
            )
