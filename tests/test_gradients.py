"""The estimators by name: each trains a real network, and refuses what it cannot do."""

from typing import get_args

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from docnvil.commands.fit import fit
from docnvil.errors import ConfigurationError
from docnvil.evaluation.perplexity import perplexity
from docnvil.gradients import ESTIMATORS, GradientName
from docnvil.model.belief_network import ModelConfig
from docnvil.training import Training, TrainingConfig, train

CHAINLESS = [name for name, estimator in ESTIMATORS.items() if not estimator.chains]


def trained(counts: np.ndarray, config: TrainingConfig, **model: object) -> Training:
    rows = csr_array(counts)
    training = Training.start(
        ModelConfig(counts.shape[1], **{"units": (4,), **model}), config, rows, torch.device("cpu")
    )
    for _ in train(training, rows, rows):
        pass
    return training


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - {"nvil", "wake-sleep"}))  # these are in test_training.py
def test_a_block_corpus_is_learned(name, block_counts):
    config = TrainingConfig(epochs=30, batch_size=20, n_samples=4, l1=0, gradient=name)
    found = perplexity(trained(block_counts, config).finish(), csr_array(block_counts))
    assert found.perplexity_per_document < 7.5  # 5 words a subject are the floor, 15 are known without subjects


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_model_it_accepts_trains_for_an_epoch(name, block_counts):
    config = TrainingConfig(epochs=1, batch_size=40, n_samples=2, gradient=name)
    posterior = "autoregressive" if ESTIMATORS[name].chains else "factorial"
    for units in [(3,), (4, 3, 2)]:
        model = {"units": units, "prior": "autoregressive", "posterior": posterior}
        training = trained(block_counts, config, observation="dirichlet-multinomial", **model)
        assert all(value.isfinite().all() for value in training.model.state_dict().values())
        assert 0 < training.history[-1].units_on < sum(units)


@pytest.mark.parametrize("name", CHAINLESS)
def test_units_in_chains_are_refused_by_those_that_cannot_train_them(name, block_counts):
    config = TrainingConfig(epochs=1, n_samples=2, gradient=name)
    with pytest.raises(ConfigurationError, match=f"{name} needs units that q draws independently.*factorial"):
        trained(block_counts, config, posterior="autoregressive")


@pytest.mark.parametrize(
    ("name", "n_samples", "complaint"),
    [
        ("rloo", 1, "at least 2"),
        ("vimco", 1, "at least 2"),
        ("arms", 1, "at least 2"),
        ("disarm", 1, "at least 2"),
        ("disarm", 5, "Ask for 6 samples"),
    ],
)
def test_numbers_of_samples_that_make_no_sense_are_refused(name, n_samples, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        TrainingConfig(gradient=name, n_samples=n_samples)


def test_the_command_offers_them_all():
    (option,) = [parameter for parameter in fit.params if parameter.name == "gradient"]
    assert set(option.type.choices) == set(ESTIMATORS) == set(get_args(GradientName))
