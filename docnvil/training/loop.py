"""Training: the loop, what it is told, and what it tells after each epoch. It knows no files.

Axes: S samples, B documents of a batch, N documents, V words, K units. Unit: nats.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from docnvil.analysis.perplexity import DocumentBounds, Perplexity, document_bounds
from docnvil.batches import Batch, copy_to_device, iterate_batches, random_order
from docnvil.errors import ConfigurationError, TrainingError
from docnvil.model.belief_network import BeliefNetwork, ModelConfig, build_model
from docnvil.model.layers import SparseLinear
from docnvil.nvil.baselines import InputDependentBaseline
from docnvil.nvil.nvil import NVIL, BaselineKind, Losses
from docnvil.nvil.signals import add_sparsity_penalty, pool_moments, signal_moments
from docnvil.runtime.distributed import SINGLE_PROCESS, ProcessGroup
from docnvil.runtime.precision import Precision, likelihood_products, onednn_products, parameter_type, tf32_products
from docnvil.runtime.profiling import NoProfile
from docnvil.runtime.randomness import KeyedGenerator, fold
from docnvil.text.sparse import CountRows, SelectedRows, column_sums
from docnvil.training.gradient_estimators import (
    GRADIENT_ESTIMATORS,
    GradientName,
    Stateless,
    check_n_samples,
    check_posterior,
)
from docnvil.training.kmeans_init import cluster_profiles

N_BASELINE_UNITS = 100
# The share of the training over which the priors on weights and units come in. All at once, they would keep the units
# of a small corpus from ever waking up: they start rarely on, and so learn slowly at first.
WARM_UP = 0.1
IN_CACHE = 1 << 16  # numbers: 256 KB
NO_PROFILE = NoProfile()


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained; the checkpoint's JSON is poured from it.

    Arguments:
        epochs: passes over the training documents, at most.
        batch_size: B. n_samples: S, samples of q a document.
        optimizer: "adam", or "sgd" as published.
        learning_rate: of the generative model's parameters. Losses are sums over the documents of a batch.
        recognition_rate: the recognition and baseline networks' rate as a multiple of it.
        schedule: "constant", or "cosine" for a half-cosine from the full rate down to zero over all epochs.
        start: where the first layer's units start, "random" or "clusters" of documents.
        l1: strength of a Laplace prior on the visible weights, -log p(W) = l1 |W|_1, counted once a pass.
        sparsity: nats that each unit costs a document it is on for: what is maximized is the bound less sparsity times
            E_q[sum_k h_k], over the units of all layers. The bounds that are reported stay those of the model.
        weight_decay: every weight matrix shrinks by this share of the rate an update: W <- W - rate weight_decay W.
        gradient: the estimator of the gradient, one of `docnvil.training.gradient_estimators.GRADIENT_ESTIMATORS`.
        baseline: "learned", "leave-one-out" or "none". center, normalize, local_signals: NVIL's other reductions.
        patience: stop after so many epochs without a better validation bound; None never stops early.
        validation_samples: samples a document for the validation bound.
        precision: "float32" or "float64" throughout, or float32 with the large products in "bf16" or, on CUDA, "tf32".
        seed: with the documents, all that the result depends on.
    """

    epochs: int = 40
    batch_size: int = 100
    n_samples: int = 5
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 0.01
    recognition_rate: float = 1.0
    schedule: Literal["constant", "cosine"] = "cosine"
    start: Literal["random", "clusters"] = "clusters"
    l1: float = 3.0
    sparsity: float = 0.0
    weight_decay: float = 0.0
    gradient: GradientName = "nvil"
    baseline: BaselineKind = "leave-one-out"
    center: bool = True
    normalize: bool = True
    local_signals: bool = True
    patience: int | None = None
    validation_samples: int = 10
    precision: Precision = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "n_samples", "validation_samples"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, and it must be at least 1.")
        for name in ("learning_rate", "recognition_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, and it must be a number above zero.")
        for name in ("l1", "sparsity", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, and it must be a number of zero or more.")
        if self.patience is not None and self.patience < 1:
            raise ConfigurationError(f"patience is {self.patience}, and it must be at least 1 epoch, or None.")
        if self.gradient == "nvil" and self.baseline == "leave-one-out" and self.n_samples < 2:
            raise ConfigurationError(
                "The leave-one-out baseline compares a document's samples, so it needs at least 2 of them."
                " Ask for more samples, or for the learned baseline."
            )
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ConfigurationError(f"{name} is {getattr(self, name)!r}. Choose one of {', '.join(known)}.")
        check_n_samples(self.gradient, self.n_samples)
        if self.sparsity and not GRADIENT_ESTIMATORS[self.gradient].uses_learning_signal:
            raise ConfigurationError(
                f"The gradient {self.gradient} trains q on documents that the model dreams, where sparsity has no say."
                " Leave sparsity at 0, or ask for another gradient."
            )


_CHOICES = {
    "optimizer": ("adam", "sgd"),
    "schedule": ("constant", "cosine"),
    "start": ("random", "clusters"),
    "gradient": tuple(GRADIENT_ESTIMATORS),
    "baseline": ("learned", "leave-one-out", "none"),
    "precision": get_args(Precision),
}


@dataclass(frozen=True)
class EpochRecord:
    """What an epoch came to.

    Arguments:
        epoch: counted from 1. updates: parameter updates so far.
        train_bound: mean ELBO of the training samples, nats a document, as the parameters changed.
        validation_bound: mean ELBO of the validation documents, nats a document.
        validation_perplexity: of the same, per document.
        units_on: mean number of units that q switches on in a training document.
        signal_deviation: standard deviation of the first layer's learning signal after its baseline.
        learning_rate: at the end of the epoch.
        best: whether its parameters are the best so far.
    """

    epoch: int
    updates: int
    train_bound: float
    validation_bound: float
    validation_perplexity: float
    units_on: float
    signal_deviation: float
    learning_rate: float
    best: bool


def best_of(history: Sequence[EpochRecord]) -> EpochRecord:
    """Return the record of the epoch whose parameters are the best so far."""
    return max((record for record in history if record.best), key=lambda record: record.epoch)


@dataclass
class Training:
    """Everything that changes while a network is trained; `state` and `restore` carry it over an interruption.

    Arguments:
        model: the network, at the latest epoch; `finish` takes it back to the best.
        gradient: the estimator, with its baselines and moments if it has any.
        optimizer: over the parameters of both.
        config: what was asked for.
        n_documents: N, the documents it learns from.
        processes: the processes that train it together.
    """

    model: BeliefNetwork
    gradient: nn.Module
    optimizer: torch.optim.Optimizer
    config: TrainingConfig
    n_documents: int
    processes: ProcessGroup = SINGLE_PROCESS
    history: list[EpochRecord] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)
    best_parameters: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        model_config: ModelConfig,
        config: TrainingConfig,
        counts: CountRows,
        device: torch.device,
        processes: ProcessGroup = SINGLE_PROCESS,
    ) -> "Training":
        """Build the network for these counts, `[N, V]`, and all that trains it, at the starting point.

        Starting weights are drawn on the CPU in single precision, so that they depend on neither device nor precision.
        """
        generator = torch.Generator().manual_seed(fold(config.seed, 0) >> 1)
        frequencies = torch.from_numpy(column_sums(counts))
        profiles = None
        if config.start == "clusters":
            found = cluster_profiles(counts, model_config.units[0], np.random.default_rng([config.seed, 2]))
            profiles = torch.from_numpy(found)
        model = build_model(model_config, generator, frequencies, profiles, counts.shape[0])
        gradient = _build_gradient(model, config, generator, processes)
        for module in (model, gradient):
            module.to(device, parameter_type(config.precision))
        return cls(model, gradient, _build_optimizer(model, gradient, config), config, counts.shape[0], processes)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def best(self) -> EpochRecord:
        """The record of the epoch with the best validation bound."""
        return best_of(self.history)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        if not self.history:
            return False
        waited = self.epoch - self.best.epoch
        return self.epoch >= self.config.epochs or (self.config.patience is not None and waited >= self.config.patience)

    def finish(self) -> BeliefNetwork:
        """Return the network with the parameters of the best epoch."""
        self.model.load_state_dict(self.best_parameters)
        return self.model

    def state(self) -> dict[str, Tensor]:
        """Return every tensor needed to go on as if nothing had happened, by name."""
        slots = self.optimizer.state_dict()["state"]
        return {
            **{f"model.{name}": value for name, value in self.model.state_dict().items()},
            **{f"gradient.{name}": value for name, value in self.gradient.state_dict().items()},
            **{f"best.{name}": value for name, value in self.best_parameters.items()},
            **{f"optimizer.{slot}.{name}": value for slot, values in slots.items() for name, value in values.items()},
        }

    def restore(self, state: dict[str, Tensor], history: list[EpochRecord], epoch_seconds: list[float]) -> None:
        """Take up what `state` gave, with the records so far; a training restored trains on to the same bytes."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "gradient": {}, "best": {}, "optimizer": {}}
        for name, value in state.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = value
        self.model.load_state_dict(parts["model"])
        self.gradient.load_state_dict(parts["gradient"])
        self.best_parameters = {name: value.to(self.model.device) for name, value in parts["best"].items()}
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["optimizer"].items():
            slot, key = name.split(".", 1)
            slots.setdefault(int(slot), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})
        self.history, self.epoch_seconds = list(history), list(epoch_seconds)


def train(
    training: Training,
    counts: CountRows,
    validation: CountRows,
    *,
    on_batch: Callable[[int], None] = lambda documents: None,
    profile: NoProfile = NO_PROFILE,
) -> Iterator[EpochRecord]:
    """Train until finished, and yield a record after each epoch; whoever iterates may save, draw, or stop.

    The best parameters by the validation bound are kept aside; `Training.finish` brings them back.

    Arguments:
        training: the state, changed in place.
        counts: `[N, V]`, the documents to learn from. validation: `[N', V]`, the documents to judge by.
        on_batch: called with the number of documents after each update, for progress.
        profile: measures where the time goes.

    Raises:
        TrainingError: the bound is no longer a number; the state of the last good epoch is the caller's to keep.
    """
    config, model, processes = training.config, training.model, training.processes
    processes.broadcast(
        training.state().values()
    )  # starting points found on different machines may differ in the last digit
    n_batches = math.ceil(counts.shape[0] / config.batch_size)
    rows = np.arange(counts.shape[0])
    device_counts = copy_to_device(counts, model.device, model.dtype)
    while not training.finished:
        started = time.perf_counter()
        epoch = training.epoch
        order = random_order(len(rows), np.random.default_rng([config.seed, epoch]))
        bound, units_on = torch.zeros(2, dtype=torch.float64, device=model.device)
        moments = []
        batches = iterate_batches(
            counts,
            config.batch_size,
            keys=rows,
            order=order,
            device=model.device,
            dtype=model.dtype,
            shard=processes.shard,
            device_counts=device_counts,
        )
        for number, batch in enumerate(profile.each("drawing batches", batches)):
            progress = (epoch * n_batches + number) / (config.epochs * n_batches)
            rate = _learning_rate(config, progress)
            generator = KeyedGenerator(fold(config.seed, 1, epoch), batch.keys)
            warmup_scale = min(1.0, progress / WARM_UP)
            with onednn_products(model.device), tf32_products(config.precision):
                losses, on = update(training, batch, generator, rate, warmup_scale, profile)
            bound += losses.signal.mean(0).sum() + config.sparsity * warmup_scale * on
            units_on += on
            moments.append(signal_moments(losses.residuals[:1]))
            on_batch(min(config.batch_size, counts.shape[0] - number * config.batch_size))
        with profile.phase("validation"):
            judged = _validate(model, validation, config, processes)
        processes.all_reduce((bound, units_on))
        _, variances = pool_moments(processes.all_gather(torch.cat(moments)))  # [n_batches]
        totals = (bound / counts.shape[0], units_on / counts.shape[0], variances.sqrt().mean())
        record = _record(training, [value.item() for value in totals], judged, rate, updates=(epoch + 1) * n_batches)
        if record.best:
            training.best_parameters = {name: value.clone() for name, value in model.state_dict().items()}
        training.history.append(record)
        training.epoch_seconds.append(time.perf_counter() - started)
        yield record


def update(
    training: Training,
    batch: Batch,
    generator: KeyedGenerator,
    learning_rate: float,
    warmup_scale: float,
    profile: NoProfile = NO_PROFILE,
) -> tuple[Losses, Tensor]:
    """Make one parameter update, Algorithm 1 of Mnih & Gregor's (2014) supplement; also return how many units were on.

    Arguments:
        training: the state, changed in place. batch: B documents. generator: for the samples of q.
        learning_rate: of the generative model. warmup_scale: the share of the priors on weights and units in force.
        profile: measures where the time goes.
    """
    model, config = training.model, training.config
    estimator = GRADIENT_ESTIMATORS[config.gradient]
    with profile.phase("sampling q"):
        samples = estimator.sample(model.recognition, batch.counts, config.n_samples, generator)
    with profile.phase("log p"), likelihood_products(config.precision, model.device):
        log_p = model.generative.log_prob_terms(batch.counts, samples)  # x|h1, h1|h2, ..., hn: [S, B]
        log_p = add_sparsity_penalty(log_p, samples, config.sparsity * warmup_scale)
    with profile.phase("log q"):
        log_q = model.recognition.log_prob_terms(batch.counts, samples)  # h1|x, h2|h1, ...: [S, B]
    with profile.phase("gradient surrogate"):
        losses = training.gradient(log_p, log_q, *estimator.needed(model, batch.counts, samples, generator))
    with profile.phase("backward"):
        training.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()
    with profile.phase("optimizer"):
        if l1 := config.l1 * warmup_scale:
            _add_l1_gradient(model.generative.visible.weight, l1 * len(batch.counts) / training.n_documents)
        groups = training.optimizer.param_groups
        training.processes.all_reduce(
            each.grad for group in groups for each in group["params"] if each.grad is not None
        )
        for group in groups:
            group["lr"] = learning_rate * group["multiple"]
        training.optimizer.step()
    freed = replace(losses, total=losses.total.detach())  # or all that backward kept would outlive this update
    return freed, sum(layer.detach().mean(0).sum() for layer in samples)


def _add_l1_gradient(weight: nn.Parameter, strength: float) -> None:
    """Add the gradient of strength |W|_1, in stretches whose signs stay in a processor's cache."""
    stretches = (tensor.view(-1).split(IN_CACHE) for tensor in (weight.grad, weight.detach()))
    for gradient, values in zip(*stretches, strict=True):
        gradient.add_(values.sign(), alpha=strength)


def _validate(
    model: BeliefNetwork, validation: CountRows, config: TrainingConfig, processes: ProcessGroup
) -> Perplexity:
    """Bound the validation documents, each process its share of them, and add all of them up."""
    rows = np.arange(validation.shape[0])[processes.shard]
    own = document_bounds(model, SelectedRows(validation, rows), n_samples=config.validation_samples, seed=config.seed)
    parts = [own.log_likelihood, own.reconstruction, own.kl, own.lengths]
    bounds = torch.zeros(len(parts), validation.shape[0], dtype=torch.float64)
    bounds[:, processes.shard] = torch.from_numpy(np.stack(parts))
    processes.all_reduce([bounds])
    return DocumentBounds(*bounds.numpy(), bound="elbo", samples=config.validation_samples).summarize()


def _record(training: Training, totals: list[float], judged: Perplexity, rate: float, *, updates: int) -> EpochRecord:
    train_bound, units_on, deviation = totals
    validation_bound = judged.log_likelihood / judged.documents
    if not all(map(math.isfinite, (train_bound, validation_bound, judged.perplexity_per_document))):
        raise TrainingError(
            f"The bound left all measure in epoch {training.epoch + 1}, so training stopped."
            " Try a smaller --learning-rate."
        )
    best = not training.history or validation_bound > training.best.validation_bound
    return EpochRecord(
        epoch=training.epoch + 1,
        updates=updates,
        train_bound=train_bound,
        validation_bound=validation_bound,
        validation_perplexity=judged.perplexity_per_document,
        units_on=units_on,
        signal_deviation=deviation,
        learning_rate=rate,
        best=best,
    )


def _learning_rate(config: TrainingConfig, progress: float) -> float:
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _build_gradient(
    model: BeliefNetwork, config: TrainingConfig, generator: torch.Generator, processes: ProcessGroup
) -> nn.Module:
    check_posterior(config.gradient, model.config.posterior)
    losses = GRADIENT_ESTIMATORS[config.gradient].losses
    if losses is not None:
        return Stateless(losses)
    units, networks = model.config.units, []
    if config.baseline == "learned":
        first = SparseLinear(model.config.vocabulary_size, N_BASELINE_UNITS, model.config.recognition_input)
        deeper = [nn.Linear(n_units, N_BASELINE_UNITS) for n_units in units[:-1]]
        networks = [InputDependentBaseline(layer, N_BASELINE_UNITS) for layer in (first, *deeper)]
        for network in networks:
            nn.init.normal_(network.first.weight, std=model.config.weight_scale, generator=generator)
            nn.init.zeros_(network.first.bias)
        if model.config.recognition_input == "centered":
            first.mean.copy_(model.recognition.first.linear.mean)
    return NVIL(
        len(units),
        baseline=config.baseline,
        networks=networks,
        center=config.center,
        normalize=config.normalize,
        local=config.local_signals,
        gather=processes.all_gather,
    )


def _build_optimizer(model: BeliefNetwork, gradient: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Build the optimizer, its weight decay apart from the gradient's moments (Loshchilov & Hutter 2019)."""
    groups = []
    for parts, multiple in (((model.generative,), 1.0), ((model.recognition, gradient), config.recognition_rate)):
        parameters = [each for part in parts for each in part.parameters()]
        matrices = [each for each in parameters if each.dim() == 2]
        others = [each for each in parameters if each.dim() != 2]  # biases say how frequent things are, and stay
        groups += [
            {"params": matrices, "multiple": multiple, "weight_decay": config.weight_decay},
            {"params": others, "multiple": multiple, "weight_decay": 0.0},
        ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, fused=True)
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
