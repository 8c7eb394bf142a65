"""NaN and infinite numbers stop training with the update, the tensor and the documents named, and lose no epoch."""

import math
import re
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from commands import run

from docnvil.errors import ConfigurationError, CorpusError, TrainingError
from docnvil.storage.checkpoints import checkpoint_path, read_checkpoint
from docnvil.storage.model_folder import load_model
from docnvil.training import loop
from docnvil.training.callbacks import Callback
from docnvil.training.fit import fit
from docnvil.training.settings import Settings

NOT_FINITE = (math.nan, math.inf, -math.inf)
SETTINGS = Settings(units=(3,), epochs=6, batch_size=10, validation=0, learning_rate=0.01)
COUNTS = np.kron(np.eye(2, dtype=int), np.full((20, 4), 3))
UPDATES = 4  # per epoch


class Injection(Callback):
    """Calls a function after an update of an epoch."""

    def __init__(self, inject, epoch: int = 3, update: int = 2) -> None:
        self.inject, self.place, self.number, self.best = inject, (epoch, update), 0, None

    def on_batch(self, training, n_documents):
        self.number += 1
        if divmod(self.number - 1, UPDATES) == (self.place[0] - 1, self.place[1] - 1):
            self.inject(training)

    def on_epoch(self, training, record):
        self.number = record.epoch * UPDATES
        assert all(torch.isfinite(value).all() for value in training.state().values())


def stopped(injection: Injection) -> str:
    with pytest.raises(TrainingError) as caught:
        fit(COUNTS, SETTINGS, callbacks=[injection])
    return str(caught.value)


def weights(value):
    def inject(training):
        with torch.no_grad():
            training.model.generative.visible.weight[0, 0] = value

    return inject


def moments(name, value):
    def inject(training):
        training.optimizer.state[training.model.generative.visible.weight][name].fill_(value)

    return inject


def gradients(name, value):
    def inject(training):
        parameter = dict(training.model.named_parameters())[name]
        parameter.register_hook(lambda gradient: torch.full_like(gradient, value))

    return inject


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_weight_is_named(value):
    message = stopped(Injection(weights(value)))
    assert re.search(
        r"epoch 3, update 2 \(documents in rows [0-9, ]+, from 0\): generative.visible.weight became NaN", message
    )
    assert len(re.search(r"rows ([0-9, ]+), from", message)[1].split(", ")) == 10


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("name", ["generative.visible.weight", "generative.prior.bias"])
def test_a_gradient_is_named(name, value):
    message = stopped(Injection(gradients(name, value)))
    assert re.search(rf"epoch 3, update 3 \(documents in rows .*\): the gradient of {re.escape(name)} became", message)


@pytest.mark.parametrize("name", ["exp_avg", "exp_avg_sq"])
@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_moment_is_named(name, value):
    message = stopped(Injection(moments(name, value)))
    assert re.search(r"epoch 3, update \d.*optimizer's exp_avg(_sq)? of generative|optimizer\.\d+\.exp_avg_sq", message)


def test_an_infinite_moment_that_hides_until_the_end_of_an_epoch_is_named():
    message = stopped(Injection(moments("exp_avg_sq", math.inf), epoch=3, update=4))
    assert "epoch 3" in message or "epoch 4" in message
    assert "exp_avg_sq" in message


@pytest.mark.parametrize("value", NOT_FINITE)
def test_the_baseline_is_named(value):
    def inject(training):
        training.gradient.variances.fill_(value)
        training.gradient.means.fill_(value)

    settings = Settings("paper", units=(3,), epochs=6, batch_size=10, validation=0)
    with pytest.raises(TrainingError, match=r"gradient\.|the gradient of|optimizer"):
        fit(COUNTS, settings, callbacks=[Injection(inject)])


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_documents_whose_counts_overflow_are_named(value, monkeypatch):
    update = loop.update

    def overflow(training, batch, *arguments):
        batch.counts.values[(batch.keys[batch.counts.documents] % 24) == 7] = value
        return update(training, batch, *arguments)

    monkeypatch.setattr(loop, "update", overflow)
    with pytest.raises(TrainingError, match=r"epoch 1, update \d \(documents in rows .*\): counts became") as caught:
        fit(COUNTS, SETTINGS)
    rows = re.search(r"rows ([0-9, ]+), from", str(caught.value))[1].split(", ")
    assert rows
    assert set(rows) <= {"7", "31"}
    assert "Correct these counts." in str(caught.value)


@pytest.mark.parametrize("name", ["training", "validation"])
def test_the_bound_that_is_not_finite_is_named(name, monkeypatch):
    means, validate = loop._EpochTotals.means, loop._validate
    if name == "training":  # as on a GPU, where few updates are checked
        monkeypatch.setattr(loop._EpochTotals, "means", lambda *arguments: [math.nan, *means(*arguments)[1:]])
    else:
        monkeypatch.setattr(loop, "_validate", lambda *given: replace(validate(*given), log_likelihood=-math.inf))
    with pytest.raises(TrainingError, match=rf"The {name} bound became NaN or infinite in epoch 1\."):
        fit(COUNTS, SETTINGS)


@pytest.mark.parametrize("value", [1e16, 1e39, math.inf, math.nan])
def test_counts_that_single_precision_cannot_hold_are_refused(value):
    counts = COUNTS.astype(float)
    counts[7, 5] = value
    with pytest.raises(CorpusError, match=r"too large to be stored exactly|infinite numbers"):
        fit(counts, SETTINGS)


def test_what_is_learned_before_a_divergence_can_be_continued_or_saved(tmp_path, monkeypatch):
    source, out = tmp_path / "a.txt", tmp_path / "model"
    source.write_text("mast sail wind keel\nonion salt oven flour\n" * 20)
    command = ["fit", source, "--out", out, "--units", 2, "--epochs", 12, "--batch-size", 10]
    update, calls = loop.update, []

    def diverge(training, *arguments):
        calls.append(training.epoch)
        if training.epoch == 7:
            with torch.no_grad():
                training.model.generative.visible.weight.fill_(math.nan)
        return update(training, *arguments)

    monkeypatch.setattr("docnvil.commands.fit.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(loop, "update", diverge)
    learned = ("epoch 8, its start", "generative.visible.weight became NaN", "keeps epochs 1 to 7")
    run(*command, status=1, stderr=(*learned, "--resume --learning-rate", "--resume --finish"))
    assert not out.exists()
    monkeypatch.setattr(loop, "update", update)
    saved = checkpoint_path(out).read_bytes()
    checkpoint = read_checkpoint(checkpoint_path(out))

    run(*command, "--finish", status=2, stderr="Add --resume")
    run(*command, "--resume", "--finish")
    model = load_model(out, "cpu")
    assert model.history == checkpoint.history
    assert model.best.epoch == max(record.epoch for record in checkpoint.history if record.best)
    assert not checkpoint_path(out).exists()

    checkpoint_path(out).write_bytes(saved)
    for path in out.iterdir():
        path.unlink()
    out.rmdir()
    rate = checkpoint.learning_rate
    run(*command, "--resume", "--learning-rate", 2 * rate, status=1, stderr="learning_rate")
    result = run(*command, "--resume", "--learning-rate", rate / 4)
    assert f"From epoch 8, the learning rate is {rate / 4}, not {rate}." in result.stderr
    model = load_model(out, "cpu")
    assert [record.epoch for record in model.history] == list(range(1, 13))
    assert model.history[:7] == checkpoint.history
    assert model.history[7].learning_rate < checkpoint.history[6].learning_rate / 3
    assert model.training.learning_rate == rate / 4


def test_there_is_nothing_to_finish_before_the_first_checkpoint(tmp_path):
    (tmp_path / "a.txt").write_text("mast sail wind keel\nonion salt oven flour\n" * 20)
    arguments = ("fit", tmp_path / "a.txt", "--out", tmp_path / "m", "--resume", "--finish")
    run(*arguments, status=1, stderr="there is no training to finish")


@pytest.mark.parametrize("rate", [1e3, 1e6, 1e29])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"prior": "mixture"},
        {"prior": "factorial", "posterior": "factorial"},
        {"observation": "softmax", "units": (3, 2)},
        *(
            {"gradient": gradient}
            for gradient in ("rloo", "vimco", "disarm", "muprop", "st-gumbel", "rws", "wake-sleep")
        ),
    ],
    ids=str,
)
def test_a_huge_learning_rate_ends_in_no_other_error(settings, rate):
    settings = {"units": (3,), "epochs": 3, "batch_size": 10, "n_samples": 4, "learning_rate": rate, **settings}
    with suppress(TrainingError):
        assert math.isfinite(fit(COUNTS, Settings(**settings)).best.validation_bound)


def test_numbers_that_single_precision_cannot_hold_are_refused():
    for name in ("l1", "learning_rate", "sparsity", "weight_decay"):
        with pytest.raises(ConfigurationError, match=f"{name}.*Give a number below 1e\\+38"):
            Settings(**{name: 1e39}).training_config(100)
