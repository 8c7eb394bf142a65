"""Pytest plugin that records which functions of docnvil each test calls, and how long the test takes.

`mutation.py` loads it with `-p record_calls` and imports it in child processes through a `sitecustomize` module.
Records are lines of `TEST<tab>FILE:LINE` in the folder that DOCNVIL_CALLS names, one file per process; LINE is where
the function starts, decorators included. The main process adds `tests.json`: outcome and seconds of each test.

Calls in fixtures of a wider scope than one test are recorded for every test that uses the fixture.
"""

import json
import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

FOLDER = "DOCNVIL_CALLS"
PACKAGE = f"{os.sep}docnvil{os.sep}"


class Recorder:
    """A trace function that keeps the code objects called since the last `take`."""

    def __init__(self) -> None:
        self.calls: dict[int, CodeType] = {}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Keep the called code; returning None leaves lines untraced, which keeps tests fast."""
        self.calls[id(frame.f_code)] = frame.f_code

    def start(self) -> None:
        """Trace this thread and those started from now on."""
        threading.settrace(self)
        sys.settrace(self)

    def take(self) -> set[str]:
        """Return the functions of docnvil called since the last time, and forget them."""
        calls, self.calls = self.calls, {}
        return self.names(list(calls.values()))

    def names(self, codes: list[CodeType]) -> set[str]:
        """Return the functions of docnvil among these, as FILE:LINE."""
        root = os.getcwd() + os.sep
        names = {code.co_filename: code.co_filename.removeprefix(root) for code in codes}
        return {
            f"{names[code.co_filename]}:{code.co_firstlineno}"
            for code in codes
            if PACKAGE in code.co_filename and names[code.co_filename].startswith("docnvil")
        }


class ChildRecorder(Recorder):
    """A trace function that writes each function when it is first called, since children may exit without notice."""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Write the called function unless it was called before."""
        code = frame.f_code
        if id(code) not in self.calls:
            self.calls[id(code)] = code
            if PACKAGE in code.co_filename:
                path = code.co_filename.rpartition(PACKAGE)[2]
                write(os.environ.get("PYTEST_CURRENT_TEST", ""), {f"docnvil/{path}:{code.co_firstlineno}"})


def write(test: str, calls: set[str]) -> None:
    """Append the calls of a test to this process's file; `test` may end in " (call)" as pytest's variable does."""
    test = test.rpartition(" (")[0] if test.endswith((" (setup)", " (call)", " (teardown)")) else test
    with (Path(os.environ[FOLDER]) / f"{os.getpid()}.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"{test}\t{call}\n" for call in sorted(calls))


def record_child() -> None:
    """Record a child process of a test."""
    ChildRecorder().start()


recorder = Recorder()
fixture_calls: dict[Any, set[str]] = {}
tests: dict[str, dict[str, Any]] = {}


def pytest_configure() -> None:
    """Start recording; forked children record as other children do."""
    os.register_at_fork(after_in_child=record_child)
    recorder.start()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Generator[None, Any, Any]:
    """Record the calls of a fixture's setup."""
    before, recorder.calls = recorder.calls, {}
    try:
        return (yield)
    finally:
        calls, recorder.calls = recorder.calls, {}
        fixture_calls.setdefault(fixturedef, set()).update(recorder.names(list(calls.values())))
        recorder.calls = {**before, **calls}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: Any) -> Generator[None, Any, Any]:
    """Write the calls of a test, with those of its fixtures."""
    write("", recorder.take())  # at import, or between tests
    recorder.start()  # a test may have reset the trace function
    result = yield
    calls = recorder.take()
    information = getattr(item, "_fixtureinfo", None)
    for definitions in information.name2fixturedefs.values() if information else ():
        for definition in definitions:
            calls |= fixture_calls.get(definition, set())
    write(item.nodeid, calls)
    return result


def pytest_runtest_logreport(report: Any) -> None:
    """Add up the seconds of a test's phases, and keep the worst outcome."""
    test = tests.setdefault(report.nodeid, {"seconds": 0.0, "passed": False, "failed": False})
    test["seconds"] += report.duration
    test["passed"] |= report.when == "call" and report.passed
    test["failed"] |= report.failed


def pytest_sessionfinish() -> None:
    """Write the outcomes and seconds of all tests."""
    (Path(os.environ[FOLDER]) / "tests.json").write_text(json.dumps(tests), encoding="utf-8")
