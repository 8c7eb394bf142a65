from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from docnvil.analysis.perplexity import document_bounds
from docnvil.errors import ConfigurationError, TrainingError
from docnvil.model.settings import ModelConfig
from docnvil.training import loop, progress, schedule
from docnvil.training.loop import train, update
from docnvil.training.progress import Progress
from docnvil.training.settings import TrainingConfig
from docnvil.training.state import Training

CPU = torch.device("cpu")
QUICK = TrainingConfig(epochs=6, batch_size=25, l1=0)


@pytest.fixture
def counts(block_counts) -> csr_array:
    return csr_array(block_counts)


def started(counts: csr_array, config: TrainingConfig = QUICK, **model: object) -> Training:
    return Training.start(ModelConfig(counts.shape[1], **{"units": (4,), **model}), config, counts, CPU)


def trained(counts: csr_array, config: TrainingConfig = QUICK, **model: object) -> Training:
    training = started(counts, config, **model)
    for _ in train(training, counts, counts):
        pass
    return training


@pytest.mark.parametrize(
    ("config", "model"),
    [
        (TrainingConfig(epochs=100, batch_size=20, l1=0), {"units": (4,), "start_logit": -1.0}),
        (TrainingConfig(epochs=100, batch_size=20, l1=0), {"units": (6, 3)}),
        (
            TrainingConfig(
                epochs=400, batch_size=20, n_samples=1, baseline="learned", optimizer="sgd", schedule="constant",
                learning_rate=0.003, l1=0,
            ),
            {"units": (4,)},
        ),
        (TrainingConfig(epochs=100, batch_size=20, l1=0, gradient="wake-sleep"), {"units": (4,)}),
        (
            TrainingConfig(epochs=100, batch_size=20, l1=0),
            {"units": (4,), "prior": "autoregressive", "posterior": "autoregressive"},
        ),
    ],
    ids=["leave-one-out", "two layers", "as published", "wake-sleep", "autoregressive"],
)  # fmt: skip
def test_a_block_corpus_is_learned(counts, config, model):
    training = trained(counts, config, **model)
    result = document_bounds(training.finish(), counts).summarize()
    assert result.perplexity_per_document < 7  # 5 is optimal, 15 without units


def test_the_seed_determines_the_bytes(counts):
    first, again, other = (trained(counts, replace(QUICK, seed=seed)).finish().state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["generative.visible.weight"], other["generative.visible.weight"])


@pytest.mark.parametrize("baseline", ["leave-one-out", "learned"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_restored_training_gives_the_same_bytes(counts, optimizer, baseline):
    config = replace(QUICK, optimizer=optimizer, baseline=baseline)
    whole = trained(counts, config)
    first = started(counts, config)
    for record in train(first, counts, counts):
        if record.epoch == 3:
            break
    state = {name: value.clone() for name, value in first.state().items()}
    second = started(counts, config)
    second.restore(state, first.history, first.epoch_seconds)
    for _ in train(second, counts, counts):
        pass
    assert second.history == whole.history
    assert all(torch.equal(value, whole.state()[name]) for name, value in second.state().items())


def test_the_parameters_of_the_best_epoch_are_kept(counts):
    training = trained(counts, replace(QUICK, epochs=12, learning_rate=0.3, schedule="constant"))
    best = max(training.history, key=lambda record: record.validation_bound)
    assert training.best == best
    result = document_bounds(training.finish(), counts, n_samples=10).summarize()
    assert result.log_likelihood / result.documents == pytest.approx(best.validation_bound, rel=1e-6)


def test_patience_stops_a_training_without_progress(counts):
    stalled = replace(QUICK, epochs=200, learning_rate=1e-12, schedule="constant", patience=3)
    training = trained(counts, stalled)
    assert training.epoch < 200
    assert training.epoch - training.best.epoch == 3


def test_progress_counts_every_document(counts):
    seen = []
    for _ in train(started(counts, replace(QUICK, epochs=2)), counts, counts, on_batch=seen.append):
        pass
    assert sum(seen) == 2 * counts.shape[0]


def test_a_bound_that_is_not_finite_stops_the_training(counts):
    with pytest.raises(TrainingError, match="smaller learning_rate"):
        trained(counts, replace(QUICK, learning_rate=1e30, optimizer="sgd"))


def test_l1_makes_the_weights_smaller(counts):
    weights = [trained(counts, replace(QUICK, l1=l1)).model.generative.visible.weight for l1 in (0.0, 20.0)]
    assert weights[1].abs().sum() < weights[0].abs().sum()


@pytest.mark.parametrize("gradient", ["nvil", "vimco", "st-gumbel"])
def test_sparsity_makes_units_active_less_often(counts, gradient):
    settings = replace(QUICK, gradient=gradient, epochs=40)
    model = {"units": (4, 3), "start_logit": 0.0}
    free, penalized = (trained(counts, replace(settings, sparsity=nats), **model).history[-1] for nats in (0.0, 2.0))
    assert penalized.units_on < free.units_on - 0.5


def test_reported_bounds_do_not_include_the_sparsity_penalty(counts):
    still = replace(QUICK, epochs=3, learning_rate=1e-12)
    free, penalized = (trained(counts, replace(still, sparsity=nats)).history for nats in (0.0, 5.0))
    for one, other in zip(free, penalized, strict=True):
        assert other.train_bound == pytest.approx(one.train_bound, rel=1e-6)
        assert other.validation_bound == pytest.approx(one.validation_bound, rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_weight_decay_shrinks_matrices_and_not_biases(counts, optimizer):
    once = replace(QUICK, epochs=1, batch_size=1000, optimizer=optimizer, schedule="constant", baseline="learned")
    before, plain, decayed = (
        {**training.model.state_dict(), **training.gradient.state_dict()}
        for training in (
            started(counts, once),
            trained(counts, once),
            trained(counts, replace(once, weight_decay=3.0)),
        )
    )
    shrunk = [name for name in plain if not torch.allclose(plain[name], decayed[name], rtol=1e-6, atol=0)]
    assert all(name.endswith("weight") for name in shrunk)
    assert {"generative.visible.weight", "networks.0.first.weight"} < set(shrunk)
    for name in shrunk:
        expected = plain[name] - once.learning_rate * 3.0 * before[name]
        assert torch.allclose(decayed[name], expected, rtol=1e-4, atol=1e-7)


def test_records_count_epochs_and_updates(counts):
    training = trained(counts)
    assert [record.epoch for record in training.history] == list(range(1, 7))
    assert training.history[-1].updates == 6 * int(np.ceil(counts.shape[0] / 25))
    rates = [record.learning_rate for record in training.history]
    assert rates == sorted(rates, reverse=True)
    assert len(training.epoch_seconds) == 6


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"learning_rate": float("nan")}, "above 0"),
        ({"l1": -5.0}, "0 or more"),
        ({"l1": float("nan")}, "0 or more"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"sparsity": -1.0}, "sparsity is -1.0"),
        ({"sparsity": 1.0, "gradient": "wake-sleep"}, "samples from the model"),
        ({"patience": 0}, "1 or more, or None"),
        ({"n_samples": 1}, "at least 2"),
        ({"optimizer": "lbfgs"}, "Choose one of adam, sgd"),
        ({"baseline": "guess"}, "Choose one of learned"),
    ],
)
def test_impossible_settings_are_refused(settings, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        TrainingConfig(**settings)


def test_penalties_grow_and_fade_and_the_rate_follows_the_schedule(counts, monkeypatch):
    """20 epochs of 5 updates: update number k has done the share k / 100 of the training."""
    calls = []

    def spy(training, batch, generator, learning_rate, penalty_scale, *others):
        calls.append((learning_rate, penalty_scale))
        return update(training, batch, generator, learning_rate, penalty_scale, *others)

    monkeypatch.setattr(loop, "update", spy)
    trained(counts, replace(QUICK, epochs=20, learning_rate=0.02))
    progress = np.arange(100) / 100
    rates, scales = np.array(calls).T
    growth, fading = 10 * progress, rates / (0.2 * 0.02)
    assert scales == pytest.approx(np.minimum(1, np.minimum(growth, fading)))
    assert rates == pytest.approx(0.01 * (1 + np.cos(np.pi * progress)))


def test_the_rate_grows_over_the_warmup(counts, monkeypatch):
    rates = []

    def spy(training, batch, generator, learning_rate, *others):
        rates.append(learning_rate)
        return update(training, batch, generator, learning_rate, *others)

    monkeypatch.setattr(loop, "update", spy)
    trained(counts, replace(QUICK, epochs=20, learning_rate=0.02, warmup=0.25))
    progress = np.arange(100) / 100
    assert rates == pytest.approx(np.minimum(1, 4 * progress) * 0.01 * (1 + np.cos(np.pi * progress)))
    with pytest.raises(ConfigurationError, match=r"warmup is 1\.5"):
        TrainingConfig(warmup=1.5)


def test_the_reported_training_bound_leaves_out_the_penalty_in_force(counts, monkeypatch):
    monkeypatch.setattr(schedule, "WARMUP_SHARE", 1.0)
    still = replace(QUICK, epochs=3, learning_rate=1e-12)
    free, penalized = (trained(counts, replace(still, sparsity=nats)).history for nats in (0.0, 5.0))
    assert [each.train_bound for each in penalized] == pytest.approx([each.train_bound for each in free], rel=1e-6)


@pytest.mark.parametrize("observation", ["softmax", "bernoulli"])
def test_progress_shows_the_best_bound_so_far_in_lines_and_in_the_bar(counts, observation, monkeypatch, capsys):
    """The best epoch has the best bound, and not always the best perplexity."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", -1.0)
    counts = counts.minimum(1) if observation == "bernoulli" else counts
    shown = Progress(as_bar=False)
    postfixes: list[str] = []
    monkeypatch.setattr(shown._bar, "set_postfix_str", postfixes.append)
    training = started(
        counts, replace(QUICK, epochs=8, learning_rate=0.5, schedule="constant"), observation=observation
    )
    bounds, expected = [], []
    for record in train(training, counts, counts):
        shown.on_epoch(training, record)
        bounds.append(record.validation_bound)
        if observation == "bernoulli":
            expected.append(f"bound {bounds[-1]:.2f} nats (best {max(bounds):.2f})")
        else:
            figures = f"bound {bounds[-1]:.1f} nats (best {max(bounds):.1f})"
            expected.append(f"{figures}, perplexity {record.validation_perplexity:.0f}")
    assert any(bound < max(bounds[: number + 1]) for number, bound in enumerate(bounds))
    assert capsys.readouterr().err.splitlines() == [f"epoch {n}/8: {text}" for n, text in enumerate(expected, 1)]
    assert postfixes == expected
