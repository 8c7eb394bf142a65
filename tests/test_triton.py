"""The Triton kernels, in Triton's interpreter and compiled for a GPU that is not here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from docnvil.runtime import device_formulas
from docnvil.runtime.device_operations import SCHEMAS, operations
from docnvil.runtime.packages import is_installed

ROOT = Path(__file__).parents[1]


def _run(*options: str, **environment: str) -> dict[str, str | None]:
    if not is_installed("triton"):
        pytest.skip("Triton is not installed; it comes with torch for CUDA, or with `pip install triton`.")
    command = [sys.executable, str(ROOT / "tests" / "triton_cases.py"), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return {record["case"]: record["error"] for record in map(json.loads, result.stdout.splitlines())}


def test_kernels_compute_the_formulas() -> None:
    errors = _run(TRITON_INTERPRET="1")
    if any("only 0-dimensional arrays can be converted" in (error or "") for error in errors.values()):
        pytest.skip("The interpreter of this version of Triton needs NumPy before 2.4.")
    assert errors == dict.fromkeys(SCHEMAS)


@pytest.mark.parametrize("architecture", ["80", "90"])
def test_kernels_compile_for_a_gpu(architecture: str) -> None:
    assert _run("--compile", architecture) == dict.fromkeys(SCHEMAS)


def test_batches_of_other_sizes_use_the_same_compiled_kernels() -> None:
    assert _run("--variants") == dict.fromkeys(SCHEMAS)


def test_every_operation_has_a_formula_and_a_kernel() -> None:
    kernels = (ROOT / "docnvil" / "runtime" / "triton_kernels.py").read_text()
    for name in SCHEMAS:
        assert callable(getattr(device_formulas, name))
        assert f"\ndef {name}(" in kernels


def test_operations_run_the_formulas_on_any_device() -> None:
    logits = torch.randn(4, 9)
    assert torch.equal(operations().log_normalizer(logits), torch.logsumexp(logits, 1))


def test_threads_can_use_the_operations_at_once() -> None:
    script = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
import torch
from docnvil.runtime.device_operations import operations

def use(number):
    barrier.wait()
    return operations().log_normalizer(torch.zeros(number, 2)).numel()

barrier = Barrier(4)
with ThreadPoolExecutor(4) as pool:
    print(list(pool.map(use, range(4))))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert result.stdout == "[0, 1, 2, 3]\n", result.stderr
