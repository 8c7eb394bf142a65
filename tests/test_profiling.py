"""Profiles of training: every phase is measured, shares sum to 1, and results do not change."""

import json
from pathlib import Path
from typing import get_args

import pytest
import torch
from click.testing import Result
from commands import run
from scipy.sparse import csr_array, save_npz

import docnvil
from docnvil.runtime.profiling import Phase, Profile

CPU = torch.device("cpu")


def fit(*arguments: object) -> Result:
    return run("fit", *arguments, "--units", "3", "--epochs", "2")


@pytest.fixture
def counts(block_counts, tmp_path) -> Path:
    path = tmp_path / "counts.npz"
    save_npz(path, csr_array(block_counts))
    return path


def test_every_phase_is_measured_and_shares_sum_to_one(block_counts):
    profile = Profile(CPU)
    model = docnvil.fit(block_counts, docnvil.Settings(units=(3,), epochs=2, batch_size=40), profile=profile)
    rows = profile.table()
    assert [row.phase for row in rows] == [phase for phase in get_args(Phase) if phase != "neighbor codes"]
    assert profile.steps == model.history[-1].updates
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.seconds for row in rows) <= sum(model.run["epoch_seconds"])
    for row in rows:
        assert row.ms_per_step == pytest.approx(1e3 * row.seconds / profile.steps)


def test_profiling_does_not_change_training(block_counts):
    settings = docnvil.Settings(units=(3,), epochs=2)
    profiled = docnvil.fit(block_counts, settings, profile=Profile(CPU))
    assert profiled.history == docnvil.fit(block_counts, settings).history


def test_phases_are_listed_in_the_order_of_an_update():
    profile = Profile(CPU)
    with profile.phase("optimizer"):
        pass
    assert list(profile.each("drawing batches", range(3))) == [0, 1, 2]
    assert [row.phase for row in profile.table()] == ["drawing batches", "optimizer"]
    assert profile.steps == 1


def test_a_phase_that_raises_is_not_counted():
    profile = Profile(CPU)
    with pytest.raises(KeyError), profile.phase("optimizer"):
        raise KeyError
    assert profile.steps == 0
    assert profile.table() == []


def test_fit_prints_the_profile(counts, tmp_path):
    plain = fit(counts, "--out", tmp_path / "plain")
    assert "ms per step" not in plain.stderr
    profiled = fit(counts, "--out", tmp_path / "profiled", "--profile", "--json")
    assert "Time per phase" in profiled.stderr
    summary = json.loads(profiled.stdout)
    phases = [phase for phase in get_args(Phase) if phase != "neighbor codes"]
    assert [row["phase"] for row in summary["profile"]] == phases
    assert all(f"{phase} " in profiled.stderr for phase in phases)
    assert summary["steps"] == 4  # two batches per epoch
    parameters = [(tmp_path / name / "parameters.safetensors").read_bytes() for name in ("plain", "profiled")]
    assert parameters[0] == parameters[1]
