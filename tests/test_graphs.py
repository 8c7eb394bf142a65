"""CUDA graphs of updates, on a simulated accelerator; a process of its own runs the cases of graph_cases.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("torch.utils.backend_registration")
if not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("The simulated accelerator needs torch 2.9 or later.", allow_module_level=True)

from device_cases import TRAININGS

from docnvil.runtime.graphs import supports_graphs

ROOT = Path(__file__).parents[1]
REPEATED = [f"repeated: {name}" for name in TRAININGS if name not in ("large counts", "early stopping")]


@pytest.fixture(scope="module")
def errors() -> dict[str, str | None]:
    """Return the error of each case, if it has one."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "tests" / "graph_cases.py")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    return {record["case"]: record["error"] for record in map(json.loads, result.stdout.splitlines())}


@pytest.mark.parametrize("name", [*REPEATED, "repeated: seed words"])
def test_repeated_updates_equal_plain_ones(errors: dict[str, str | None], name: str) -> None:
    assert errors[name] is None, errors[name]


@pytest.mark.parametrize("kind", ["padded", "released"])
def test_single_updates(errors: dict[str, str | None], kind: str) -> None:
    """Padded batches have the gradients of others, and an update leaves no graph of its gradient."""
    single = {name: error for name, error in errors.items() if name.startswith(f"{kind}: ")}
    assert len(single) >= 8
    assert single == dict.fromkeys(single)


@pytest.mark.parametrize(
    "name", ["simulated graphs", "whole training", "not recorded", "divergence", "freed memory", "repeated at random"]
)
def test_trainings_with_graphs(errors: dict[str, str | None], name: str) -> None:
    assert errors[name] is None, errors[name]


def test_a_cpu_has_no_graphs() -> None:
    assert not supports_graphs(torch.device("cpu"))
