"""Settings of the whole process: made by its entry point, never at import."""

import os
import subprocess
import sys

import pytest

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def environment_after(program: str, **variables: str) -> list[str]:
    """Run a program in a new process and return what it then finds in the two variables."""
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | variables
    command = [sys.executable, "-c", f"{program}; import os; print(*map(os.environ.get, {NAMES}))"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["PASSIVE", "1000"]),
        ({"GOMP_SPINCOUNT": "7"}, ["PASSIVE", "7"]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", "None"]),
    ],
)
def test_idle_threads_spin_briefly_unless_the_user_decides(variables, expected):
    program = "from docnvil.runtime.process import configure_process; configure_process()"
    assert environment_after(program, **variables) == expected


def test_imports_change_no_setting_of_the_process():
    program = "import docnvil.__main__, docnvil.commands.fit, docnvil.commands.corpus, docnvil.estimator"
    assert environment_after(program) == ["None", "None"]


def test_the_command_line_configures_its_process_before_torch_is_imported():
    program = """
import sys
from unittest import mock
from docnvil import __main__
with mock.patch.object(__main__, "main", lambda **_: print("torch" in sys.modules, end=" ")):
    __main__.run()
"""
    assert environment_after(program.strip() + "\npass") == ["False", "PASSIVE", "1000"]
