"""Where a step's time goes: every phase is told, shares add up, and training is what it is unmeasured."""

import json
from pathlib import Path
from typing import get_args

import pytest
import torch
from click.testing import CliRunner, Result
from scipy.sparse import csr_array, save_npz

from docnvil.commands import main
from docnvil.estimator import DocNVIL
from docnvil.runtime.profiling import Phase, Profile

CPU = torch.device("cpu")


def fit(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["fit", *map(str, arguments), "--units", "3", "--epochs", "2"])


@pytest.fixture
def counts(block_counts, tmp_path) -> Path:
    path = tmp_path / "counts.npz"
    save_npz(path, csr_array(block_counts))
    return path


def test_every_phase_is_told_and_shares_add_up(block_counts):
    profile = Profile(CPU)
    model = DocNVIL(3, epochs=2, batch_size=40, random_state=0)
    for _ in model.fit_epochs(block_counts, profile=profile):
        pass
    rows = profile.table()
    assert [row.phase for row in rows] == list(get_args(Phase))
    assert profile.steps == model.history_[-1].updates
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert sum(row.seconds for row in rows) <= sum(model.training_.epoch_seconds)
    for row in rows:
        assert row.ms_a_step == pytest.approx(1e3 * row.seconds / profile.steps)


def test_measuring_changes_nothing(block_counts):
    measured, unmeasured = (DocNVIL(3, epochs=2, random_state=0) for _ in range(2))
    for _ in measured.fit_epochs(block_counts, profile=Profile(CPU)):
        pass
    assert measured.fit(block_counts).history_ == unmeasured.fit(block_counts).history_


def test_what_failed_counts_for_nothing():
    profile = Profile(CPU)
    with pytest.raises(KeyError), profile.phase("optimizer"):
        raise KeyError
    assert profile.steps == 0
    assert profile.table() == []


def test_fit_prints_where_the_time_went(counts, tmp_path):
    plain = fit(counts, "--out", tmp_path / "plain")
    assert "ms a step" not in plain.stderr
    told = fit(counts, "--out", tmp_path / "told", "--profile", "--json")
    assert told.exit_code == 0, told.output
    assert "steps went:" in told.stderr
    found = json.loads(told.stdout)
    assert [row["phase"] for row in found["profile"]] == list(get_args(Phase))
    assert all(f"{phase} " in told.stderr for phase in get_args(Phase))
    assert found["steps"] == 4  # two batches an epoch
    parameters = [(tmp_path / name / "parameters.safetensors").read_bytes() for name in ("plain", "told")]
    assert parameters[0] == parameters[1]
