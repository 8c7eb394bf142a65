"""A few tries of every attack of the torture program, which `make torture` makes in full."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torture import injection
from torture.ledger import Ledger
from torture.registry import ATTACKS, Outcome, failure

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the totals of a few tries of all attacks, and what failed."""
    command = [sys.executable, "-m", "torture", "--quick", "--ledger", str(tmp_path_factory.mktemp("torture"))]
    environment = {name: value for name, value in os.environ.items() if name != injection.STATE}
    environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    return json.loads(result.stdout), result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="forked processes and LD_PRELOAD")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_docnvil_survives_some_tries(attack, summaries):
    summary, messages = summaries[0][attack.name], summaries[1]
    assert (summary["failures"], summary["bytes_lost"]) == (0, 0), messages
    if attack.name == "faults" and not injection.compiler():
        pytest.skip("there is no C compiler")
    assert summary["tries"] >= attack.n_quick / 3, messages  # some faults come after the end of the command


def test_a_ledger_keeps_finished_tries_and_forgets_torn_lines(tmp_path):
    ledger = Ledger(tmp_path, "faults", 1)
    ledger.add("a", Outcome("old", tries=3), 0.5)
    ledger.add("b", failure("lost", bytes_lost=7), 0.5)
    with ledger.path.open("a") as file:
        file.write('{"key": "c", "resu')  # the run was killed here
    again = Ledger(tmp_path, "faults", 1)
    assert [again.survived(key) for key in "abc"] == [True, False, False]
    assert again.summary()["bytes_lost"] == 7
    again.add("b", Outcome("new"), 0.5)  # after a fix
    last = Ledger(tmp_path, "faults", 1)
    assert last.survived("b")
    assert last.summary() | {"first_date": "", "last_date": ""} == {
        "tries": 4,
        "failures": 0,
        "bytes_lost": 0,
        "results": {"new": 1, "old": 3},
        "seconds": 1.0,
        "seed": 1,
        "first_date": "",
        "last_date": "",
    }
