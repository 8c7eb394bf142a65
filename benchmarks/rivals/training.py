"""How the rivals are trained: one loop, early stopping and settings by validation documents out of the training set.

Axes: N documents, V words. Unit: nats.
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
from docnvil.text.counts import split_rows
from rivals.gaussian import BATCH_SIZE, GaussianTopicModel, bounds, draw
from rivals.nvdm import NVDM
from rivals.prodlda import ProdLDA

RIVALS: dict[str, type[GaussianTopicModel]] = {"NVDM": NVDM, "ProdLDA": ProdLDA}
# What the validation documents choose from. NVDM's published rate, 5e-5, would take hundreds of epochs more.
RATES = {"NVDM": (3e-4, 1e-3), "ProdLDA": (2e-3, 5e-3)}
DROPOUTS = {"NVDM": (0.0, 0.5), "ProdLDA": (0.0, 0.2)}
CHOICES: dict[str, tuple[dict[str, float], ...]] = {
    name: tuple({"learning_rate": rate, "dropout": dropout} for rate in RATES[name] for dropout in DROPOUTS[name])
    for name in RIVALS
}
FIRST_MOMENT = {"NVDM": 0.9, "ProdLDA": 0.99}  # of Adam, as published
PATIENCE = 15  # epochs without a better validation bound
HELD_OUT = 0.1
VALIDATION_SAMPLES = 5
TRAINING_SAMPLES = 1


@dataclass(frozen=True)
class Trained:
    """A rival at its best epoch.

    Arguments:
        model: ready to evaluate. settings: learning rate and dropout. epoch: the best of `epochs`.
        validation_bound: mean nats a validation document. seconds: of this training.
    """

    model: GaussianTopicModel
    settings: Mapping[str, float]
    epoch: int
    epochs: int
    validation_bound: float
    seconds: float


def choose(name: str, counts: csr_array, n_topics: int, seed: int, most_epochs: int) -> tuple[Trained, list[Trained]]:
    """Train with each of the settings in question and return the best by the validation bound, and all."""
    tried = [train(name, counts, n_topics, seed, settings, most_epochs) for settings in CHOICES[name]]
    return max(tried, key=lambda each: each.validation_bound), tried


def train(
    name: str, counts: csr_array, n_topics: int, seed: int, settings: Mapping[str, float], most_epochs: int
) -> Trained:
    """Train a rival by Adam until the validation bound has not improved for 15 epochs; keep its best parameters.

    Arguments:
        name: of `RIVALS`. counts: `[N, V]`, a tenth of which judges. n_topics: K. settings: out of `CHOICES`.
    """
    started = time.perf_counter()
    counts = counts[np.flatnonzero(np.diff(counts.indptr))]
    rest, held_out = split_rows(counts.shape[0], HELD_OUT, np.random.default_rng([seed, 1]))
    learned, judged = csr_array(counts[rest]), csr_array(counts[held_out])
    torch.manual_seed(seed)  # nn.Dropout takes no generator
    generator = torch.Generator().manual_seed(seed)
    frequencies = torch.from_numpy(np.asarray(learned.sum(axis=0), dtype=np.float32).ravel())
    model = RIVALS[name](counts.shape[1], n_topics, frequencies, generator, settings["dropout"])
    moments = (FIRST_MOMENT[name], 0.999)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"], betas=moments)
    best, best_epoch, kept = -math.inf, 0, _copy(model)
    for epoch in range(1, most_epochs + 1):
        order = np.random.default_rng([seed, epoch]).permutation(learned.shape[0])
        _one_pass(model, optimizer, learned, order, generator)
        model.eval()
        bound = float(bounds(model, judged, n_samples=VALIDATION_SAMPLES, seed=seed).log_likelihood.mean())
        if bound > best:
            best, best_epoch = bound, epoch
            kept = _copy(model)
        if epoch - best_epoch >= PATIENCE or not math.isfinite(bound):
            break
    model.load_state_dict(kept)
    return Trained(model, settings, best_epoch, epoch, best, time.perf_counter() - started)


def tried_settings(tried: Sequence[Trained]) -> list[dict[str, Any]]:
    """Say what was tried and what validation said of it."""
    return [{**each.settings, "epoch": each.epoch, "validation_bound": each.validation_bound} for each in tried]


def _copy(model: GaussianTopicModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _one_pass(
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
            continue  # batch normalization has nothing to normalize one document by
        posterior = model.posterior(batch.counts)
        codes = draw(posterior, TRAINING_SAMPLES, generator)
        loss = (model.kl(posterior) - model.reconstruction(batch.counts, codes).mean(0)).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
