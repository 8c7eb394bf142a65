"""The estimators of the gradient beside one another on 20 Newsgroups: noise at equal cost, and what they train.

    python benchmarks/quality/gradients.py      writes benchmarks/results/gradients.json

Noise: the variance of the gradient for q, summed over its parameters, as a multiple of the squared length of its mean,
so that an estimator gains nothing by a smaller scale (NVIL divides its signal). All are measured on one minibatch and
one partly trained network, each spending the same number of likelihood evaluations a document. The cosine to the ELBO's
gradient tells the biased ones, and those that follow another objective.

Training: each estimator at the default recipe but for factorial layers, words from a softmax and units that cost
nothing, which all can train; DisARM with 6 samples because it draws pairs. The validation bound is the ELBO for all. A
row measured with the same settings is kept, so an interrupted run goes on where it was.
"""

import copy
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import csr_array, load_npz
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import keep, kept, shared_data

from docnvil import DocNVIL
from docnvil.batches import Batch, iterate_batches
from docnvil.nvil.nvil import NVIL
from docnvil.runtime.randomness import KeyedGenerator, fold
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, Stateless
from docnvil.training.loop import Training

COMMAND = "python benchmarks/quality/gradients.py"
DOCUMENTS = 100  # in the minibatch on which noise is measured
# What one estimate spends beside its samples, in evaluations of the likelihood: MuProp's at the mean of q, and the word
# probabilities that a document is dreamed by.
BESIDE_SAMPLES = {"muprop": 1, "rws": 1, "wake-sleep": 1}
DEFAULT_SAMPLES = 5
# What every estimator can train, to the same end: wake-sleep's dreams know no price of units.
PLAIN = {"prior": "factorial", "posterior": "factorial", "observation": "softmax", "sparsity": 0.0}


@click.command()
@click.option("--units", default=50, show_default=True)
@click.option("--evaluations", default=6, show_default=True, help="Of the likelihood, a document and estimate.")
@click.option("--draws", default=500, show_default=True, help="Estimates of each gradient, to take the variance of.")
@click.option("--after", default=10, show_default=True, help="Epochs of training before noise is measured.")
@click.option("--epochs", type=int, help="Epochs of the trainings that are compared.  [default: the recipe's]")
@click.option("--seed", default=0, show_default=True)
def main(units: int, evaluations: int, draws: int, after: int, epochs: int | None, seed: int) -> None:
    settings = {
        "corpus": "ng20_sh2009",
        "units": units,
        "evaluations": evaluations,
        "draws": draws,
        "after": after,
        "epochs": epochs,
        "seed": seed,
        "threads": torch.get_num_threads(),
    }
    found = kept("gradients", {"settings": settings}, {"noise": {}, "training": {}})
    train, test = (csr_array(load_npz(shared_data(f"ng20_sh2009/{part}.npz"))) for part in ("train", "test"))
    measure_noise(train, found, lambda: keep("gradients", COMMAND, found))
    measure_training(train, test, found, lambda: keep("gradients", COMMAND, found))


def measure_noise(train: csr_array, found: dict[str, Any], keep_row: Callable[[], None]) -> None:
    settings = found["settings"]
    missing = [name for name in ("reinforce", *GRADIENT_ESTIMATORS) if name not in found["noise"]]
    if not missing:
        return
    training = partly_trained(train, settings)
    keys = np.arange(DOCUMENTS)
    device, dtype = training.model.device, training.model.dtype
    (batch,) = iterate_batches(train[:DOCUMENTS], DOCUMENTS, keys=keys, device=device, dtype=dtype)
    draws, seed = settings["draws"], settings["seed"]
    reference = moments(training, batch, "rloo", n_samples=50, draws=draws, seed=seed + 1)
    for name in missing:
        n_samples = settings["evaluations"] - BESIDE_SAMPLES.get(name, 0)
        measured = moments(training, batch, name, n_samples=n_samples, draws=draws, seed=seed)
        squared_length, cosine = measured.squared_length, None
        if name == "reinforce":  # its own mean drowns in noise, and is known to be the ELBO's gradient
            squared_length = reference.squared_length
        elif min(squared_length, reference.squared_length) > 0:
            cosine = float(measured.mean @ reference.mean) / math.sqrt(squared_length * reference.squared_length)
        else:
            raise click.ClickException(f"{draws} draws do not show the mean gradient of {name}. Ask for more --draws.")
        row = {"samples": n_samples, "noise": measured.variance / squared_length, "cosine_to_elbo": cosine}
        found["noise"][name] = row
        click.echo(f"{name}: noise {row['noise']:.3g}, cosine {cosine and round(cosine, 3)}")
        keep_row()


def measure_training(train: csr_array, test: csr_array, found: dict[str, Any], keep_row: Callable[[], None]) -> None:
    settings = found["settings"]
    for name in GRADIENT_ESTIMATORS:
        if name in found["training"]:
            continue
        multiple = GRADIENT_ESTIMATORS[name].multiple
        model = DocNVIL(
            settings["units"],
            gradient=name,
            n_samples=math.ceil(DEFAULT_SAMPLES / multiple) * multiple,
            epochs=settings["epochs"],
            random_state=settings["seed"],
            **PLAIN,
        )
        history = list(model.fit_epochs(train))
        weighted = model.perplexity(test, bound="importance", n_samples=100)
        row = found["training"][name] = {
            "samples": model.training_.config.n_samples,
            "updates": [record.updates for record in history],
            "seconds": [round(each, 2) for each in accumulate(model.training_.epoch_seconds)],
            "validation_bound": [record.validation_bound for record in history],
            "best_validation_bound": model.training_.best.validation_bound,
            "test_perplexity_per_document": model.perplexity(test).perplexity_per_document,
            "test_importance_weighted_per_document": weighted.perplexity_per_document,
        }
        click.echo(
            "{0}: validation bound {best_validation_bound:.1f} nats, test perplexity per document"
            " {test_perplexity_per_document:.1f}, importance-weighted {test_importance_weighted_per_document:.1f};"
            " {1:.0f} s".format(name, row["seconds"][-1], **row)
        )
        keep_row()


def partly_trained(train: csr_array, settings: dict[str, Any]) -> Training:
    """Return a default training, stopped in the middle."""
    model = DocNVIL(settings["units"], random_state=settings["seed"], **PLAIN)
    for record in model.fit_epochs(train):
        if record.epoch == settings["after"]:
            break
    return model.training_


def gradient_of(name: str, training: Training) -> nn.Module:
    """Return the gradient of this name: NVIL with the moments of the training so far, the others have no state."""
    if name == "nvil":
        return training.gradient
    if name == "reinforce":
        n_layers = len(training.model.config.units)
        return NVIL(n_layers, baseline="none", center=False, normalize=False, local=False)
    return Stateless(GRADIENT_ESTIMATORS[name].losses)


@dataclass(frozen=True)
class Moments:
    """Mean of R estimated gradients of q as one vector, the summed variance of one, and R."""

    mean: Tensor
    variance: float
    draws: int

    @property
    def squared_length(self) -> float:
        """Of the true mean, without bias: what R estimates leave of the variance is taken off."""
        return float(self.mean @ self.mean) - self.variance / self.draws


def moments(training: Training, batch: Batch, name: str, *, n_samples: int, draws: int, seed: int) -> Moments:
    """Estimate the gradient for q again and again, on the same documents and the same network."""
    network, counts = training.model, batch.counts
    estimator, gradient = GRADIENT_ESTIMATORS["nvil" if name == "reinforce" else name], gradient_of(name, training)
    parameters = list(network.recognition.parameters())
    total, squares = torch.zeros(()), 0.0
    for draw in range(draws):
        generator = KeyedGenerator(fold(seed, draw), batch.keys)
        samples = estimator.sample(network.recognition, counts, n_samples, generator)
        log_p = network.generative.log_prob_terms(counts, samples)
        log_q = network.recognition.log_prob_terms(counts, samples)
        fresh = copy.deepcopy(gradient)  # with the moments that the training left, in every draw
        losses = fresh(log_p, log_q, *estimator.needed(network, counts, samples, generator))
        found = torch.cat([each.flatten() for each in torch.autograd.grad(-losses.total, parameters)]).double()
        total, squares = total + found, squares + found.square().sum().item()
    mean = total / draws
    return Moments(mean, (squares - draws * float(mean @ mean)) / (draws - 1), draws)


if __name__ == "__main__":
    main()
