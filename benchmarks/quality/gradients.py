"""Noise of the gradient estimators at equal cost, and the models that each of them trains.

Data: 20 Newsgroups, 2,000 words.

Noise: variance of the gradient for q, summed over its parameters, divided by the squared length of its mean, so that
scaling the gradient (NVIL divides its learning signal) makes no difference. All estimators are measured on the same
minibatch and the same partly trained network, with the same number of likelihood evaluations per document. The cosine
between an estimator's mean and the ELBO's gradient is below 1 for biased estimators and other objectives.

Training: each estimator trains by the default recipe, but with factorial layers, a softmax output and no sparsity
penalty, which all of them support. DisARM takes 6 samples instead of 5 because it draws pairs. The validation bound is
the ELBO for all.

    python benchmarks/quality/gradients.py      15 minutes on two cores; writes benchmarks/results/gradients.json

Rows already measured with the same settings are kept, so the same command resumes.

Axes: S samples, B documents of a batch, P parameters of q.
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
from scipy.sparse import csr_array
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import ng20
from common import resume_results, save_results

from docnvil import Settings, fit
from docnvil.batches import Batch, iterate_batches
from docnvil.nvil.nvil import NVIL
from docnvil.runtime.randomness import KeyedGenerator, fold
from docnvil.training.data import checked_counts
from docnvil.training.fit import split_data, start_training
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS, Stateless
from docnvil.training.gradients import GRADIENTS
from docnvil.training.loop import train as train_epochs
from docnvil.training.state import Training

COMMAND = "python benchmarks/quality/gradients.py"
DOCUMENTS = 100  # in the minibatch on which noise is measured
# Likelihood evaluations of an estimate in addition to its samples: MuProp's at the mean of q, and the word
# probabilities of the model samples that wake-sleep learns from.
EXTRA_EVALUATIONS = {"muprop": 1, "rws": 1, "wake-sleep": 1}
DEFAULT_SAMPLES = 5
# Wake-sleep's model samples are not affected by a sparsity penalty, so none is used.
COMMON_SETTINGS = {"prior": "factorial", "posterior": "factorial", "observation": "softmax", "sparsity": 0.0}


@click.command()
@click.option("--units", default=50, show_default=True, help="Units of every model.")
@click.option("--evaluations", default=6, show_default=True, help="Likelihood evaluations per document and estimate.")
@click.option("--draws", default=500, show_default=True, help="Estimates of each gradient.")
@click.option(
    "--epochs-before-noise", default=10, show_default=True, help="Epochs of training before noise is measured."
)
@click.option("--epochs", type=int, help="Epochs of the compared trainings.  [default: the recipe's]")
@click.option("--seed", default=0, show_default=True, help="Seed of trainings and estimates.")
def main(units: int, evaluations: int, draws: int, epochs_before_noise: int, epochs: int | None, seed: int) -> None:
    """Measure and train with every gradient estimator; write benchmarks/results/gradients.json."""
    settings = {
        "corpus": ng20.CORPUS,
        "units": units,
        "evaluations": evaluations,
        "draws": draws,
        "epochs_before_noise": epochs_before_noise,
        "epochs": epochs,
        "seed": seed,
        "threads": torch.get_num_threads(),
    }
    results = resume_results("gradients", {"settings": settings}, {"noise": {}, "training": {}})
    train, test = ng20.load()
    measure_noise(train, results, lambda: save_results("gradients", COMMAND, results))
    measure_training(train, test, results, lambda: save_results("gradients", COMMAND, results))


def measure_noise(train: csr_array, results: dict[str, Any], save: Callable[[], None]) -> None:
    """Add the noise of each estimator that `results` does not have, saving after each."""
    settings = results["settings"]
    missing = [name for name in ("reinforce", *GRADIENT_ESTIMATORS) if name not in results["noise"]]
    if not missing:
        return
    training = train_partly(train, settings)
    keys, device, dtype = np.arange(DOCUMENTS), training.model.device, training.model.dtype
    (batch,) = iterate_batches(train[:DOCUMENTS], DOCUMENTS, keys=keys, device=device, dtype=dtype)
    draws, seed = settings["draws"], settings["seed"]
    elbo = estimate_moments(training, batch, "rloo", n_samples=50, draws=draws, seed=seed + 1)
    for name in missing:
        n_samples = settings["evaluations"] - EXTRA_EVALUATIONS.get(name, 0)
        moments = estimate_moments(training, batch, name, n_samples=n_samples, draws=draws, seed=seed)
        squared_length, cosine = moments.squared_length, None
        if name == "reinforce":  # its mean is the ELBO's gradient, but too noisy to be estimated
            squared_length = elbo.squared_length
        elif min(squared_length, elbo.squared_length) > 0:
            cosine = float(moments.mean @ elbo.mean) / math.sqrt(squared_length * elbo.squared_length)
        else:
            raise click.ClickException(f"{draws} draws are too few to estimate the mean of {name}. Increase --draws.")
        row = {"samples": n_samples, "noise": moments.variance / squared_length, "cosine_to_elbo": cosine}
        results["noise"][name] = row
        click.echo(f"{name}: noise {row['noise']:.3g}, cosine {cosine and round(cosine, 3)}")
        save()


def measure_training(train: csr_array, test: csr_array, results: dict[str, Any], save: Callable[[], None]) -> None:
    """Train with each estimator that `results` does not have, and add its bounds, saving after each."""
    settings = results["settings"]
    for name in GRADIENT_ESTIMATORS:
        if name in results["training"]:
            continue
        multiple = GRADIENTS[name].sample_multiple
        chosen = Settings(
            units=(settings["units"],),
            gradient=name,
            n_samples=math.ceil(DEFAULT_SAMPLES / multiple) * multiple,
            epochs=settings["epochs"],
            seed=settings["seed"],
            **COMMON_SETTINGS,
        )
        model = fit(train, chosen)
        weighted = model.evaluate(test, bound="importance", n_samples=100)
        row = results["training"][name] = {
            "samples": model.training.n_samples,
            "updates": [record.updates for record in model.history],
            "seconds": [round(each, 2) for each in accumulate(model.run["epoch_seconds"])],
            "validation_bound": [record.validation_bound for record in model.history],
            "best_validation_bound": model.best.validation_bound,
            "test_perplexity_per_document": model.evaluate(test).perplexity_per_document,
            "test_importance_weighted_per_document": weighted.perplexity_per_document,
        }
        click.echo(
            "{0}: validation bound {best_validation_bound:.1f} nats, test perplexity per document"
            " {test_perplexity_per_document:.1f}, importance-weighted {test_importance_weighted_per_document:.1f};"
            " {1:.0f} s".format(name, row["seconds"][-1], **row)
        )
        save()


def train_partly(train: csr_array, settings: dict[str, Any]) -> Training:
    """Return a training with NVIL, stopped after `epochs_before_noise` epochs."""
    chosen = Settings(units=(settings["units"],), seed=settings["seed"], **COMMON_SETTINGS)
    data = split_data(checked_counts(train), chosen)
    training = start_training(data, chosen)
    for record in train_epochs(training, data.train, data.validation):
        if record.epoch == settings["epochs_before_noise"]:
            break
    return training


def gradient_module(name: str, training: Training) -> nn.Module:
    """Return an estimator's module: NVIL with its moving averages so far; the others have no state."""
    if name == "nvil":
        return training.gradient
    if name == "reinforce":
        n_layers = len(training.model.config.units)
        return NVIL(n_layers, baseline="none", center=False, normalize=False, local=False)
    return Stateless(GRADIENT_ESTIMATORS[name].losses)


@dataclass(frozen=True)
class Moments:
    """Moments of repeated estimates of the gradient for q.

    Arguments:
        mean: mean estimate as one vector, `[P]`.
        variance: variance of one estimate, summed over its elements.
        draws: number of estimates.
    """

    mean: Tensor
    variance: float
    draws: int

    @property
    def squared_length(self) -> float:
        """Unbiased estimate of the true mean's squared length: that of the sample mean minus its variance."""
        return float(self.mean @ self.mean) - self.variance / self.draws


def estimate_moments(training: Training, batch: Batch, name: str, *, n_samples: int, draws: int, seed: int) -> Moments:
    """Estimate the gradient for q repeatedly, on the same documents and the same network, and return the moments."""
    network, counts = training.model, batch.counts
    estimator = GRADIENT_ESTIMATORS["nvil" if name == "reinforce" else name]
    module, parameters = gradient_module(name, training), list(network.recognition.parameters())
    total, sum_of_squares = torch.zeros(()), 0.0
    for number in range(draws):
        generator = KeyedGenerator(fold(seed, number), batch.keys)
        samples = estimator.sample(network.recognition, counts, n_samples, generator)
        log_p = network.generative.log_prob_terms(counts, samples)
        log_q = network.recognition.log_prob_terms(counts, samples)
        gradient = copy.deepcopy(module)  # the same moving averages in every draw
        losses = gradient(log_p, log_q, *estimator.inputs(network, counts, samples, generator))
        parts = torch.autograd.grad(-losses.total, parameters)
        estimate = torch.cat([part.flatten() for part in parts]).double()  # [P]
        total, sum_of_squares = total + estimate, sum_of_squares + estimate.square().sum().item()
    mean = total / draws
    return Moments(mean, (sum_of_squares - draws * float(mean @ mean)) / (draws - 1), draws)


if __name__ == "__main__":
    main()
