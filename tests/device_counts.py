"""Kernels and host waits of training on the simulated accelerator. Importing this registers the device."""

from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from simulated_accelerator import DEVICE, NAME, Counts, counting

import docnvil
from docnvil.runtime import devices
from docnvil.storage import model_folder
from docnvil.training import continuing, device_updates, fit, loop

# What is counted, and what differs from the default recipe.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "best": {"recipe": "best"},
    "hash": {"recipe": "hash"},
    "factorial softmax": {"prior": "factorial", "posterior": "factorial", "observation": "softmax"},
    "rws": {"gradient": "rws"},
    "wake-sleep": {"gradient": "wake-sleep"},
}


def choose_accelerator() -> None:
    """Let the names of devices in settings include the simulated one."""
    choose = devices.choose_device
    for module in (devices, fit, continuing, model_folder):
        module.choose_device = lambda name: DEVICE if name in (NAME, str(DEVICE)) else choose(name)


def documents(n_documents: int, vocabulary_size: int = 300) -> csr_array:
    """Return random counts with frequent and rare words, `[N, V]`."""
    generator = np.random.default_rng(0)
    frequency = 1 / np.arange(1, vocabulary_size + 1)
    rows = [generator.multinomial(60, frequency / frequency.sum()) for _ in range(n_documents)]
    return csr_array(np.array(rows))


def count_updates(recipe: str = "default", **values: Any) -> dict[str, Any]:
    """Return kernels, views and host waits per update, and those of an epoch besides.

    An epoch of four updates is compared with one of two. The numbers per update are whole: they include drawing the
    batch, the totals of the epoch and everything else that is done for each batch. With CUDA graphs, `launches` is the
    number of kernels and graphs that the host starts.
    """
    settings = docnvil.Settings(recipe, device=NAME, epochs=2, validation=30, **values)
    with mock.patch.multiple(device_updates, MAX_GRAPHS=0):
        short, long = (_count_epoch(n_documents, settings) for n_documents in (230, 430))
    per_update = {name: (getattr(long, name) - getattr(short, name)) for name in ("kernels", "waits")}
    with mock.patch.multiple(device_updates, MIN_STEP=1 << 16):  # all batches have one shape
        few, many = (_count_epoch(n_documents, settings) for n_documents in (230, 430))
    launches = many.kernels - few.kernels
    assert launches["CUDA graph"] == 2
    assert many.waits == few.waits
    outside = {name: getattr(short, name).total() - each.total() for name, each in per_update.items()}
    return {
        "kernels_per_update": per_update["kernels"].total() / 2,
        "waits_per_update": per_update["waits"].total() / 2,
        "views_per_update": (long.views - short.views) / 2,
        "launches_per_update_with_graphs": launches.total() / 2,
        "kernels_per_epoch_besides": outside["kernels"],
        "waits_per_epoch": outside["waits"],
        "by_operation": {name: count / 2 for name, count in per_update["kernels"].most_common()},
        "waits": dict(short.waits),
    }


def _count_epoch(n_documents: int, settings: docnvil.Settings) -> Counts:
    """Return the counts of the second epoch, without validation."""
    data = fit.split_data(fit.checked_counts(documents(n_documents)), settings)
    training = fit.start_training(data, settings)
    if training.config.neighbor_codes:
        training.codes = fit._neighbor_codes(data, training, ())
    validate, validations = loop._validate, []

    def counted_validate(*arguments: Any) -> Any:
        with counting() as counts:
            result = validate(*arguments)
        validations.append(counts)
        return result

    loop._validate = counted_validate
    try:
        epochs = loop.train(training, data.train, data.validation)
        next(epochs)
        with counting() as epoch:
            next(epochs)
    finally:
        loop._validate = validate
    validation = validations[1]
    return Counts(
        epoch.kernels - validation.kernels, epoch.waits - validation.waits, views=epoch.views - validation.views
    )


def check_simulation(device: str) -> None:
    """The simulated device follows the rules of CUDA."""
    ours, foreign = torch.arange(12.0, device=device).view(3, 1, 4), torch.ones(4)
    for mistake in (
        lambda: ours + foreign,
        lambda: torch.cat([ours, foreign.expand(3, 1, 4)]),
        lambda: ours.index_select(0, torch.tensor([0])),
        lambda: torch.rand(3, device=device, generator=torch.Generator()),
        lambda: torch.empty(3, device=device).normal_(generator=torch.Generator()),
        lambda: ours.numpy(),
    ):
        with pytest.raises((RuntimeError, TypeError)):
            mistake()
    changed, out = ours.clone().squeeze_(1).t_(), torch.empty(0, device=device)
    assert torch.add(changed, torch.tensor(1.0), out=out).shape == out.shape == (4, 3)
    assert out.cpu().tolist() == (torch.arange(12.0).view(3, 4).T + 1).tolist()
    weight = torch.nn.Parameter(ours.view(3, 4).clone())
    (weight.data * weight).sum().backward()
    assert (weight.grad - weight).abs().max().item() == 0
    with torch.autocast(device, torch.bfloat16):
        assert (weight.T @ weight).dtype == torch.bfloat16
    pinned = torch.ones(3).pin_memory()
    waiting = {
        "item": lambda: ours.sum().item(),
        "mask": lambda: ours[ours > 3],
        "nonzero": lambda: ours.nonzero(),
        "CPU index": lambda: ours[torch.tensor([0, 1])],
        "copy to host": lambda: ours.cpu(),
        "copy to device": lambda: torch.ones(3).to(device, non_blocking=True),
        "repeats": lambda: torch.repeat_interleave(ours.long()[0, 0]),
        "synchronize": torch.accel.synchronize,
    }
    for function in waiting.values():
        with counting() as counts:
            function()
        assert counts.waits.total() == 1, counts
    with counting() as counts:
        pinned.to(device, non_blocking=True)
        ours[torch.zeros(2, dtype=torch.long, device=device)].view(2, 4)[1:].T.sum()
    assert not counts.waits
    assert counts.kernels.total() == 3  # zeros, index, sum
    assert counts.views == 3
