"""A module imports only lower layers or its own package."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "docnvil"

LAYERS = (  # from the bottom up; a module imports lower layers and its own package
    ("errors",),
    ("schema",),
    ("runtime",),
    ("text", "model", "nvil"),
    ("corpus", "batches"),
    ("analysis",),
    ("training",),
    ("storage",),
    ("search",),
    ("estimator",),
    ("comparison",),
    ("report",),
    ("commands",),
    ("__main__",),
)
LAYER_OF = {name: number for number, layer in enumerate(LAYERS) for name in layer}
HEAVY = {"torch", "pandas", "sklearn", "nltk", "scipy", "numpy", "docnvil.estimator"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_import_lower_layers_only(path):
    own = name_of(path)
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        package, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if package != "docnvil" or other in ("", "__version__"):
            continue
        assert other == own or LAYER_OF[other] < LAYER_OF[own], f"{own} imports {name}, which is not a lower layer"


@pytest.mark.parametrize("package", ["text", "nvil"])
def test_core_packages_do_not_import_each_other(package):
    forbidden = {"text": {"torch", "docnvil.model", "docnvil.nvil"}, "nvil": {"docnvil.model", "docnvil.text"}}[package]
    for path in (PACKAGE / package).glob("*.py"):
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            assert not any(name == other or name.startswith(other + ".") for other in forbidden), (path, name)


def test_commands_import_heavy_modules_only_when_they_run():
    for path in (PACKAGE / "commands").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top_level = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        for name in imported(top_level):
            assert not any(name == heavy or name.startswith(heavy + ".") for heavy in HEAVY), (path, name)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        # scikit-learn needs an `__init__` with one argument and one assignment per parameter.
        only_assigns = isinstance(node, ast.FunctionDef) and all(isinstance(each, ast.Assign) for each in node.body)
        if isinstance(node, ast.FunctionDef) and not only_assigns:
            assert node.end_lineno - node.lineno < 60, node.name


def test_no_two_classes_share_a_name():
    names = [
        node.name
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert len(names) == len(set(names))


def test_importing_the_package_loads_no_large_library_and_changes_no_setting():
    code = (
        "import csv, os, sys, docnvil.commands;"
        "assert not {'torch', 'pandas', 'sklearn', 'numpy'} & set(sys.modules);"
        "import sklearn;"  # which sets environment variables itself
        "before = dict(os.environ), csv.field_size_limit();"
        "import docnvil.estimator, docnvil.corpus.build, docnvil.report.page;"
        "assert (dict(os.environ), csv.field_size_limit()) == before"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
