"""What the README says is so: its commands run, its Python runs, its figures are those of the benchmarks."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from docnvil.commands import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def folders(text_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with `corpus/` and `held-out/`, as the README supposes."""
    text_folder.rename(tmp_path / "corpus")
    (tmp_path / "held-out" / "sailing").mkdir(parents=True)
    (tmp_path / "held-out" / "sailing" / "new.txt").write_text("wind and sail and storm and anchor\n" * 20)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_commands_run(folders):
    section = README.split("## Your own documents")[1].split("## ")[0]
    commands = re.findall(r"^\$ docnvil (.*?) +#", section, re.MULTILINE)
    assert {command.split()[0] for command in commands} == set(COMMANDS) - {"corpus", "draw"}
    for command in commands:
        quick = ["--epochs", "2"] if command.startswith("fit") else []
        result = CliRunner().invoke(main, [*shlex.split(command), *quick])
        assert result.exit_code == 0, (command, result.output)
    assert (folders / "embeddings.csv").read_text().startswith("id,label,unit0,")


def test_its_commands_for_images_run(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 2, (60, 16))
    np.savez(tmp_path / "mnist.npz", train=np.packbits(images, axis=1), test=np.packbits(images[:9], axis=1))
    monkeypatch.chdir(tmp_path)
    section = README.split("## Images")[1].split("## ")[0]
    commands = re.findall(r"^\$ docnvil (.*?) +#", section, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["fit", "perplexity", "draw"]
    for command in commands:
        quick = ["--epochs", "2"] if command.startswith("fit") else []
        result = CliRunner().invoke(main, [*shlex.split(command), *quick])
        assert result.exit_code == 0, (command, result.output)


def test_its_python_runs(folders, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code.replace("random_state=0", "random_state=0, epochs=2"), {})
    assert "per word (elbo)" in capsys.readouterr().out


def test_its_figures_are_those_of_the_benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import tables

    for page in tables.PAGES:
        text = page.read_text(encoding="utf-8")
        assert tables.rendered(text) == text, page
    for name, draw in tables.FIGURES.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == draw(), name
    sys.modules.pop("tables")


def test_the_commands_of_the_page_on_evaluation_run(folders):
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    quick = ["fit", "corpus", "--out", "model", "--units", "6", "--epochs", "2"]
    assert CliRunner().invoke(main, quick).exit_code == 0
    commands = re.findall(r"^\$ docnvil (.*?)(?: +#.*)?$", page, re.MULTILINE)
    assert len(commands) > 8
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, (command, result.output)
    for script in re.findall(r"benchmarks/[\w/]+\.py", page):
        assert (ROOT / script).exists(), script


def test_its_tree_and_links_exist():
    tree = README.split("## The tree")[1].split("```")[1]
    for name in re.findall(r"([\w/]+(?:\.py|/))", tree):
        assert any((ROOT / folder / name).exists() for folder in (".", "docnvil", "tests")), name
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_its_make_targets_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)`", README)) | {"demo", "test"} <= targets
