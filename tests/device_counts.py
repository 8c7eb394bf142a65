"""Kernels and host waits of training on the simulated accelerator. Importing this registers the device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from simulated_accelerator import DEVICE, NAME, Counts, counting

import docnvil
from docnvil.runtime import devices
from docnvil.storage import model_folder
from docnvil.training import continuing, fit, loop

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
        module.choose_device = lambda name: DEVICE if name == NAME else choose(name)


def documents(n_documents: int, vocabulary_size: int = 300) -> csr_array:
    """Return random counts with frequent and rare words, `[N, V]`."""
    generator = np.random.default_rng(0)
    frequency = 1 / np.arange(1, vocabulary_size + 1)
    rows = [generator.multinomial(60, frequency / frequency.sum()) for _ in range(n_documents)]
    return csr_array(np.array(rows))


def count_updates(n_documents: int = 230, recipe: str = "default", **values: Any) -> dict[str, Any]:
    """Return kernels and host waits per update, and waits of the second epoch outside of updates."""
    settings = docnvil.Settings(recipe, device=NAME, epochs=2, validation=30, **values)
    data = fit.split_data(fit.checked_counts(documents(n_documents)), settings)
    training = fit.start_training(data, settings)
    if training.config.neighbor_codes:
        training.codes = fit._neighbor_codes(data, training, ())
    with _recording("update") as updates, _recording("_validate") as validations:
        steps = loop.train(training, data.train, data.validation)
        next(steps)
        first = len(updates)
        with counting() as epoch:
            next(steps)
    second = updates[first:]
    waits_of_updates = sum(each.waits.total() for each in second)
    outside = epoch.waits - validations[1].waits
    for each in second:
        outside -= each.waits
    return {
        "updates": len(second),
        "kernels_per_update": max(each.kernels.total() for each in second),
        "views_per_update": max(each.views for each in second),
        "waits_in_updates": waits_of_updates,
        "waits_between_updates": outside.total(),
        "waits_of_validation": validations[1].waits.total(),
        "by_operation": dict(second[0].kernels.most_common()),
        "waits": {"in updates": dict(second[0].waits), "between updates": dict(outside)},
    }


@contextmanager
def _recording(name: str) -> Iterator[list[Counts]]:
    """Count each call of a function of the training loop."""
    function, recorded = getattr(loop, name), []

    def call(*arguments: Any, **options: Any) -> Callable:
        with counting() as counts:
            result = function(*arguments, **options)
        recorded.append(counts)
        return result

    setattr(loop, name, call)
    try:
        yield recorded
    finally:
        setattr(loop, name, function)


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
