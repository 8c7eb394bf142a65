"""Training of the neural peers, with early stopping and settings chosen on held-out training documents.

Axes: N documents, V vocabulary. Unit: nats.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from docnvil.batches import iterate_batches
from docnvil.text.splits import split_rows
from neural_peers.gaussian import BATCH_SIZE, GaussianTopicModel, bounds, sample_posterior
from neural_peers.nvdm import NVDM
from neural_peers.prodlda import ProdLDA

NEURAL_PEERS: dict[str, type[GaussianTopicModel]] = {"NVDM": NVDM, "ProdLDA": ProdLDA}
# Grid searched on the validation documents. NVDM's published rate, 5e-5, would need hundreds of epochs more.
LEARNING_RATES = {"NVDM": (3e-4, 1e-3), "ProdLDA": (2e-3, 5e-3)}
DROPOUTS = {"NVDM": (0.0, 0.5), "ProdLDA": (0.0, 0.2)}
SETTINGS_GRID: dict[str, tuple[dict[str, float], ...]] = {
    name: tuple(
        {"learning_rate": rate, "dropout": dropout} for rate in LEARNING_RATES[name] for dropout in DROPOUTS[name]
    )
    for name in NEURAL_PEERS
}
FIRST_MOMENT = {"NVDM": 0.9, "ProdLDA": 0.99}  # Adam's beta_1, as published
PATIENCE = 15  # epochs without improvement of the validation bound
HELD_OUT = 0.1
VALIDATION_SAMPLES = 5
TRAINING_SAMPLES = 1


@dataclass(frozen=True)
class TrainingResult:
    """A neural peer with the parameters of its best epoch.

    Arguments:
        model: in evaluation mode.
        settings: learning rate and dropout.
        epoch: the best epoch.
        epochs: epochs trained.
        validation_bound: at the best epoch, nats per validation document.
        seconds: training time.
    """

    model: GaussianTopicModel
    settings: Mapping[str, float]
    epoch: int
    epochs: int
    validation_bound: float
    seconds: float


def select_settings(
    name: str, counts: csr_array, n_topics: int, seed: int, max_epochs: int
) -> tuple[TrainingResult, list[TrainingResult]]:
    """Train with each setting of the grid and return the result with the best validation bound, and all results."""
    results = [train(name, counts, n_topics, seed, settings, max_epochs) for settings in SETTINGS_GRID[name]]
    return max(results, key=lambda result: result.validation_bound), results


def train(
    name: str, counts: csr_array, n_topics: int, seed: int, settings: Mapping[str, float], max_epochs: int
) -> TrainingResult:
    """Train with Adam until the validation bound has not improved for 15 epochs, and return the best epoch.

    Arguments:
        name: key of `NEURAL_PEERS`.
        counts: `[N, V]`; a tenth of the documents is held out for validation.
        n_topics: K.
        seed: seed of the split, the weights and the samples.
        settings: one of `SETTINGS_GRID`.
        max_epochs: maximum number of epochs.
    """
    started = time.perf_counter()
    counts = counts[np.flatnonzero(np.diff(counts.indptr))]
    rest, held_out = split_rows(counts.shape[0], HELD_OUT, np.random.default_rng([seed, 1]))
    training, validation = csr_array(counts[rest]), csr_array(counts[held_out])
    torch.manual_seed(seed)  # nn.Dropout takes no generator
    generator = torch.Generator().manual_seed(seed)
    frequencies = torch.from_numpy(np.asarray(training.sum(axis=0), dtype=np.float32).ravel())
    model = NEURAL_PEERS[name](counts.shape[1], n_topics, frequencies, generator, settings["dropout"])
    moments = (FIRST_MOMENT[name], 0.999)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"], betas=moments)
    best, best_epoch, best_state = -math.inf, 0, _copy_state(model)
    for epoch in range(1, max_epochs + 1):
        order = np.random.default_rng([seed, epoch]).permutation(training.shape[0])
        _train_epoch(model, optimizer, training, order, generator)
        model.eval()
        bound = float(bounds(model, validation, n_samples=VALIDATION_SAMPLES, seed=seed).log_likelihood.mean())
        if bound > best:
            best, best_epoch = bound, epoch
            best_state = _copy_state(model)
        if epoch - best_epoch >= PATIENCE or not math.isfinite(bound):
            break
    model.load_state_dict(best_state)
    return TrainingResult(model, settings, best_epoch, epoch, best, time.perf_counter() - started)


def settings_records(results: Sequence[TrainingResult]) -> list[dict[str, Any]]:
    """Return the settings that were tried, each with its best epoch and validation bound."""
    return [{**each.settings, "epoch": each.epoch, "validation_bound": each.validation_bound} for each in results]


def _copy_state(model: GaussianTopicModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _train_epoch(
    model: GaussianTopicModel,
    optimizer: torch.optim.Optimizer,
    counts: csr_array,
    order: np.ndarray,
    generator: torch.Generator,
) -> None:
    model.train()
    for batch in iterate_batches(
        counts,
        BATCH_SIZE,
        keys=np.arange(len(order)),
        order=order,
        device=model.prior_deviation.device,
        dtype=model.prior_deviation.dtype,
    ):
        if len(batch.counts) < 2:
            continue  # batch normalization needs at least two documents
        posterior = model.posterior(batch.counts)
        codes = sample_posterior(posterior, TRAINING_SAMPLES, generator)
        loss = (model.kl(posterior) - model.reconstruction(batch.counts, codes).mean(0)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
