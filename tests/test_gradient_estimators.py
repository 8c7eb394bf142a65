"""Gradient estimators by name: each trains a real network, and refuses settings that it cannot use."""

from typing import get_args

import numpy as np
import pytest
import torch
from commands import run
from scipy.sparse import csr_array, save_npz

from docnvil.analysis.perplexity import document_bounds
from docnvil.commands.fit import fit
from docnvil.errors import ConfigurationError
from docnvil.estimator import DocNVIL
from docnvil.model.settings import ModelConfig
from docnvil.training.gradient_estimators import GRADIENT_ESTIMATORS
from docnvil.training.gradients import GRADIENTS, GradientName
from docnvil.training.loop import train
from docnvil.training.settings import Settings, TrainingConfig
from docnvil.training.state import Training

FACTORIAL_ONLY = [name for name, traits in GRADIENTS.items() if not traits.supports_autoregressive_q]


def trained(counts: np.ndarray, config: TrainingConfig, **model: object) -> Training:
    rows = csr_array(counts)
    training = Training.start(
        ModelConfig(counts.shape[1], **{"units": (4,), **model}), config, rows, torch.device("cpu")
    )
    for _ in train(training, rows, rows):
        pass
    return training


@pytest.mark.parametrize(
    "name", sorted(set(GRADIENT_ESTIMATORS) - {"nvil", "wake-sleep"})
)  # these are in test_training.py
def test_a_block_corpus_is_learned(name, block_counts):
    config = TrainingConfig(epochs=30, batch_size=20, n_samples=4, l1=0, gradient=name)
    found = document_bounds(trained(block_counts, config).finish(), csr_array(block_counts)).summarize()
    assert found.perplexity_per_document < 7.5  # 5 is optimal, 15 without units


@pytest.mark.parametrize("name", GRADIENT_ESTIMATORS)
def test_every_supported_model_trains_for_an_epoch(name, block_counts):
    config = TrainingConfig(epochs=1, batch_size=40, n_samples=2, gradient=name)
    posterior = "autoregressive" if GRADIENTS[name].supports_autoregressive_q else "factorial"
    for units, prior in [((3,), "autoregressive"), ((4, 3, 2), "autoregressive"), ((4, 3), "mixture")]:
        model = {"units": units, "prior": prior, "posterior": posterior}
        training = trained(block_counts, config, observation="dirichlet-multinomial", **model)
        assert all(value.isfinite().all() for value in training.model.state_dict().values())
        assert 0 < training.history[-1].units_on < sum(units)


@pytest.mark.parametrize("name", FACTORIAL_ONLY)
def test_an_autoregressive_posterior_is_refused_where_it_cannot_be_trained(name):
    with pytest.raises(ConfigurationError, match=f"{name} needs a factorial posterior"):
        Settings(gradient=name, n_samples=2, posterior="autoregressive")


@pytest.mark.parametrize(
    ("name", "n_samples", "complaint"),
    [
        ("rloo", 1, "at least 2"),
        ("vimco", 1, "at least 2"),
        ("arms", 1, "at least 2"),
        ("disarm", 1, "at least 2"),
        ("disarm", 5, "Choose 6"),
    ],
)
def test_impossible_numbers_of_samples_are_refused(name, n_samples, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        TrainingConfig(gradient=name, n_samples=n_samples)


def test_the_command_offers_every_estimator():
    (option,) = [parameter for parameter in fit.params if parameter.name == "gradient"]
    assert set(option.type.choices) == set(GRADIENT_ESTIMATORS) == set(GRADIENTS) == set(get_args(GradientName))


def test_the_command_trains_with_disarm_and_refuses_an_odd_number_of_samples(block_counts, tmp_path):
    save_npz(tmp_path / "counts.npz", csr_array(block_counts))
    command = ["fit", tmp_path / "counts.npz", "--units", "4,2", "--epochs", "1", "--gradient", "disarm"]
    run(*command, "--out", tmp_path / "odd", status=1, stderr="n_samples is 5. Choose 6.")
    assert not (tmp_path / "odd").exists()
    run(*command, "--samples", "4", "--out", tmp_path / "even")
    assert DocNVIL.load(tmp_path / "even").gradient == "disarm"


def test_a_restored_training_gives_the_same_bytes(block_counts):
    config = TrainingConfig(epochs=4, batch_size=25, n_samples=2, gradient="arms")
    whole, rows = trained(block_counts, config), csr_array(block_counts)
    first, second = (
        Training.start(ModelConfig(block_counts.shape[1], units=(4,)), config, rows, torch.device("cpu"))
        for _ in range(2)
    )
    for record in train(first, rows, rows):
        if record.epoch == 2:
            break
    second.restore({name: value.clone() for name, value in first.state().items()}, first.history, first.epoch_seconds)
    for _ in train(second, rows, rows):
        pass
    assert all(torch.equal(value, whole.state()[name]) for name, value in second.state().items())
