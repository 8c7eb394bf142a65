"""Penalties of training, their scale, and the end of training on a plateau."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from docnvil.model.settings import ModelConfig
from docnvil.training.loop import train
from docnvil.training.penalties import FULL_DOCUMENTS, FULL_LENGTH, Penalties
from docnvil.training.recipes import supported_units
from docnvil.training.schedule import Schedule
from docnvil.training.settings import TrainingConfig
from docnvil.training.state import Training

CPU = torch.device("cpu")
CONFIG = TrainingConfig(l1=2.0, sparsity=0.5, exclusivity=0.1)


def documents(n_documents: int, length: int) -> csr_array:
    """Return documents of one length over 10 words, the first of which is twice as frequent as the others."""
    probability = np.array([2.0] + [1.0] * 9) / 11
    return csr_array(np.random.default_rng(0).multinomial(length, probability, n_documents))


def penalties_of(counts: csr_array, dtype: torch.dtype = torch.float64) -> Penalties:
    return Penalties.of_corpus(
        CONFIG, counts.sum(axis=0).astype(float), counts.shape[0], like=torch.empty(0, dtype=dtype)
    )


@pytest.mark.parametrize(("length", "scale"), [(5, 0.1), (25, 0.5), (50, 1.0), (400, 1.0)])
def test_penalties_shrink_with_documents_shorter_than_fifty_tokens(length, scale):
    assert FULL_LENGTH == 50
    penalties = penalties_of(documents(200, length))
    assert penalties.l1 == pytest.approx(2.0 * scale * 200 / FULL_DOCUMENTS)
    assert penalties.sparsity == pytest.approx(0.5 * scale)
    share = documents(200, length).sum(axis=0) / (200 * length)
    assert penalties.exclusivity.tolist() == pytest.approx((0.1 * scale * min(length, 50) * share).tolist())


def test_the_prior_of_weights_is_weaker_in_few_documents():
    assert FULL_DOCUMENTS == 1500
    strengths = {n: penalties_of(documents(n, 60)).l1 for n in (15, 750, 1500, 30_000)}
    assert strengths == pytest.approx({15: 0.02, 750: 1.0, 1500: 2.0, 30_000: 2.0})
    assert penalties_of(documents(15, 60)).sparsity == penalties_of(documents(1500, 60)).sparsity


def test_one_pass_over_the_corpus_adds_the_gradient_of_the_prior_once():
    penalties = penalties_of(documents(200, 80))
    weight = torch.nn.Parameter(torch.randn(10, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    weight.grad = torch.zeros_like(weight)
    for n_batch in (120, 60, 20):
        penalties.add_gradient(weight, n_batch, penalty_scale=1.0)
    copy = weight.detach().clone().requires_grad_()
    positive = copy.clamp(min=0)
    shared = (positive.sum(1).square() - positive.square().sum(1)) / 2  # products of two units' weights of a word
    tokens = torch.from_numpy(documents(200, 80).sum(axis=0)) * 50 / 80  # those of 50 tokens of each document
    (penalties.l1 * copy.abs().sum() + 0.1 * (tokens * shared).sum()).backward()
    assert torch.allclose(weight.grad, copy.grad)


def test_chunks_do_not_change_the_gradient(monkeypatch):
    gradients = []
    for size in (3, 1 << 16):
        monkeypatch.setattr("docnvil.training.penalties.CACHED_NUMBERS", size)
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 40).reshape(10, 4))
        weight.grad = torch.ones_like(weight)
        penalties_of(documents(50, 60), weight.dtype).add_gradient(weight, 10, 0.5)
        gradients.append(weight.grad)
    assert torch.equal(*gradients)


def test_exclusivity_separates_the_words_of_units():
    counts = np.random.default_rng(1).poisson(np.kron(np.eye(4), np.full((40, 5), 12.0)) + 2.0)
    shared = {}
    for exclusivity in (0.0, 0.5):
        config = TrainingConfig(epochs=30, l1=0.0, exclusivity=exclusivity, n_samples=3)
        training = Training.start(ModelConfig(20, (8,), weight_scale=0.3), config, csr_array(counts), CPU)
        for _ in train(training, csr_array(counts), csr_array(counts)):
            pass
        positive = training.model.generative.visible.weight.detach().clamp(min=0)
        shared[exclusivity] = float((positive.sum(1).square() - positive.square().sum(1)).sum())
    assert shared[0.5] < 0.5 * shared[0.0]


def stalled(schedule: str, n_epochs: int) -> Training:
    """Return a training that finished some epochs and was best at the second one."""
    counts = documents(60, 20)
    config = replace(CONFIG, l1=0.0, sparsity=0.0, exclusivity=0.0, epochs=40, patience=3, schedule=schedule)
    training = Training.start(ModelConfig(10, (2,)), config, counts, CPU)
    for record in train(training, counts, counts):
        best = record.epoch <= 2
        training.history[-1] = replace(record, validation_bound=-10.0 - abs(record.epoch - 2), best=best)
        if training.epoch == n_epochs:
            break
    return training


def test_a_constant_rate_stops_on_a_plateau():
    training = stalled("constant", 5)
    assert (training.schedule.plateau, training.finished) == (5, True)


def test_a_cosine_rate_decays_to_zero_after_a_plateau():
    before, after = stalled("cosine", 4), stalled("cosine", 5)
    assert (before.schedule.plateau, before.finished) == (None, False)
    assert (after.schedule.plateau, after.finished) == (5, False)
    rates = [after.schedule.learning_rate(share) for share in (0.0, 0.5, 1.0)]
    assert rates[0] == pytest.approx(before.schedule.learning_rate(1.0))
    assert rates[0] > rates[1] > rates[2] > 0
    assert stalled("cosine", 7).schedule.learning_rate(1.0) == pytest.approx(0.0, abs=1e-12)
    assert stalled("cosine", 8).finished


def test_after_a_plateau_training_continues_from_the_best_epoch():
    training, counts = stalled("cosine", 5), documents(60, 20)
    best = {name: value.clone() for name, value in training.best_parameters.items()}
    training.config = replace(training.config, learning_rate=1e-12)
    training.history = [replace(record, learning_rate=1e-12) for record in training.history]
    next(train(training, counts, counts))
    for name, value in training.model.state_dict().items():
        assert torch.allclose(value, best[name], atol=1e-8), name


def test_growing_penalties_are_no_plateau():
    counts = documents(60, 20)
    config = replace(CONFIG, epochs=100, patience=3, learning_rate=1e-12)
    training = Training.start(ModelConfig(10, (2,)), config, counts, CPU)
    for _ in train(training, counts, counts):
        pass
    assert training.epoch == 10 + 3 + 3  # a tenth of the epochs, the patience, and the decay of the rate


def test_units_beyond_what_documents_support_are_not_started():
    counts = documents(1100, 30)
    config = TrainingConfig(epochs=2, start="clusters")
    training = Training.start(ModelConfig(10, (25,), prior="autoregressive"), config, counts, CPU)
    for _ in train(training, counts, counts):
        pass
    n_started = supported_units(1100)
    assert n_started == 22
    model = training.finish()
    assert torch.all(model.recognition.first.linear.bias[n_started:] < -29)
    assert torch.all(model.generative.prior.bias[n_started:] < -29)
    assert torch.all(model.recognition.first.linear.bias[:n_started] > -10)
    words = model.generative.visible.weight[:, n_started:]
    assert not words.any()


def test_penalties_grow_at_first_and_fade_with_the_learning_rate():
    schedule = [Schedule(replace(CONFIG, epochs=100), epoch, None) for epoch in range(100)]
    scales = [each.penalty_scale(0.0) for each in schedule]
    assert scales[0] == 0.0
    assert scales[5] == pytest.approx(0.5)
    assert scales[10:70] == [1.0] * 60
    assert scales[90] == pytest.approx(0.0245 / 0.2, rel=0.01)  # the rate is 2.45 % of its start
    assert schedule[99].penalty_scale(1.0) == pytest.approx(0.0, abs=1e-12)
    constant = Schedule(replace(CONFIG, epochs=100, schedule="constant"), 99, None)
    assert constant.penalty_scale(1.0) == 1.0
