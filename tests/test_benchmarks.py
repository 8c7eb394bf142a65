"""Every benchmark script imports, explains itself with --help, and names the command that runs it and its result."""

import json
import runpy
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "benchmarks").glob("**/*.py")
    if "@click.command" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_imports_and_explains_itself(script, monkeypatch):
    path = ROOT / script
    monkeypatch.syspath_prepend(str(path.parent))
    module = runpy.run_path(str(path), run_name="benchmark")
    assert f"python {script}" in module["__doc__"]
    assert "benchmarks/results" in module["__doc__"]
    result = CliRunner().invoke(module["main"], ["--help"])
    assert result.exit_code == 0, result.output
    options = [parameter for parameter in module["main"].params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)


def test_every_result_of_the_papers_tables_is_of_a_row(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    tables = runpy.run_path(str(ROOT / "benchmarks" / "paper" / "rows.py"))["TABLES"]
    results = ROOT / "benchmarks" / "results" / "paper"
    for folder in results.iterdir():
        rows = {row.name: row for row in tables[folder.name]}
        for path in folder.iterdir():
            assert path.stem in rows, path
            assert " ".join(rows[path.stem].options) in json.loads(path.read_text())["command"], path


def test_the_demo_keeps_files_that_are_not_its_own(tmp_path, monkeypatch):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("words")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    demo = runpy.run_path(str(ROOT / "benchmarks" / "demo.py"), run_name="benchmark")["main"]
    result = CliRunner().invoke(demo, ["--out", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path} has files, but not those of an earlier demo" in result.output
    assert thesis.read_text() == "words"
