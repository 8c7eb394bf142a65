"""Training, evaluation and the other computations on a simulated accelerator, compared with the CPU.

The device is registered for a whole process, so a process of its own runs the cases of device_cases.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("torch.utils.backend_registration")
if not hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend"):
    pytest.skip("The simulated accelerator needs torch 2.9 or later.", allow_module_level=True)

from device_cases import CASES

ROOT = Path(__file__).parents[1]
KERNELS = json.loads((ROOT / "benchmarks" / "results" / "kernels.json").read_text())["configurations"]
COUNTED = ("default", "rws")  # the others are measured by benchmarks/speed/kernels.py


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    """Return what each case printed."""
    names = ["simulation", *CASES, *(f"count: {name}" for name in COUNTED)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "tests" / "device_cases.py"), *names]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0, result.stderr
    return {record["case"]: record for record in records}


@pytest.mark.parametrize("name", ["simulation", *CASES])
def test_device_has_the_results_of_the_cpu(outcomes: dict[str, Any], name: str) -> None:
    assert outcomes[name]["error"] is None, outcomes[name]["error"]
    assert outcomes[name]["kernels"] > 0  # the device was used


@pytest.mark.parametrize("name", COUNTED)
def test_updates_have_few_kernels_and_no_waits(outcomes: dict[str, Any], name: str) -> None:
    counts, committed = outcomes[f"count: {name}"]["result"], KERNELS[name]
    assert 0 < counts["kernels_per_update"] <= committed["kernels_per_update"], counts
    assert counts["waits_per_update"] == 0, counts
    assert 0 < counts["launches_per_update_with_graphs"] <= committed["launches_per_update_with_graphs"] < 12, counts
    assert 0 < counts["waits_per_epoch"] <= committed["waits_per_epoch"] <= 3, counts


@pytest.mark.slow
def test_the_benchmark_of_a_gpu_runs_on_a_cpu(tmp_path: Path) -> None:
    out, environment = tmp_path / "gpu.json", {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "benchmarks" / "speed" / "gpu.py"), "--device", "cpu", "--quick", "--out"]
    subprocess.run([*command, str(out)], env=environment, check=True, capture_output=True, timeout=600)
    sections = json.loads(out.read_text())["sections"]
    assert {name: section["error"] for name, section in sections.items()} == dict.fromkeys(sections)
    assert sections["device tests"]["figures"]["of which failed"] == 0
