"""The wheel and the sdist contain the right files, and the installed wheel works without the checkout."""

import ast
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import docnvil

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_type_checkers_see_all_public_names():
    """`docnvil` imports names on first use; type checkers read the imports that are never executed."""
    tree = ast.parse((ROOT / "docnvil" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = [alias.asname or alias.name for each in block.body for alias in each.names]
    assert sorted(names) == docnvil.__all__


def test_the_wheel_contains_only_the_package(distributions):
    (wheel,) = distributions.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"docnvil", wheel.name.split("-py3")[0] + ".dist-info"}
    assert "docnvil/py.typed" in names
    templates = {path.name for path in (ROOT / "docnvil" / "report" / "templates").iterdir()}
    assert {"report.html.j2", "report.css", "units.js", "explorer.js"} <= templates
    assert {f"docnvil/report/templates/{name}" for name in templates} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_contains_what_a_packager_needs(distributions):
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"cli.py", "Makefile", "constraints.txt", "LICENSE", "README.md", "corpora/README.md", "tests/conftest.py"}
    assert wanted <= names


def test_the_wheel_works_without_the_checkout(distributions, text_folder, tmp_path):
    (wheel,) = distributions.glob("*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run([str(word) for word in install], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout

    assert run("-c", "import docnvil; print(docnvil.__file__)").startswith(str(site))
    assert "fit" in run("-m", "docnvil", "--help")
    run("-m", "docnvil", "fit", str(text_folder), "--units", "3", "--epochs", "2", "--out", "model")
    assert (tmp_path / "model" / "manifest.json").is_file()
    run("-m", "docnvil", "report", "model")
    assert (tmp_path / "report.html").is_file()
