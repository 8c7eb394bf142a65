"""A module imports strictly lower storeys or its own wing: the house stays a house."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "docnvil"

STOREYS = {
    "errors": 0,
    "distributed": 0.5,
    "folders": 0.5,
    "randomness": 0,
    "devices": 0.5,
    "machine": 0,
    "precision": 0.5,
    "profiling": 0.5,
    "text": 1,
    "model": 1,
    "nvil": 1,
    "recipes": 1,
    "batches": 2,
    "clusters": 2,
    "evaluation": 3,
    "codes": 3.5,
    "sampling": 3.5,
    "topics": 3.7,
    "gradients": 3.9,
    "training": 4,
    "tables": 4.5,
    "checkpoint": 5,
    "estimator": 6,
    "peers": 6.2,
    "comparison": 6.4,
    "report": 6.5,
    "commands": 7,
    "__main__": 8,
}
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
def test_imports_point_downward(path):
    own = name_of(path)
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        package, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if package != "docnvil" or other in ("", "__version__"):
            continue
        assert other == own or STOREYS[other] < STOREYS[own], f"{own} imports {name}, which does not lie below it"


@pytest.mark.parametrize("wing", ["text", "nvil"])
def test_wings_know_what_they_should_not_know(wing):
    strangers = {"text": {"torch", "docnvil.model", "docnvil.nvil"}, "nvil": {"docnvil.model", "docnvil.text"}}[wing]
    for path in (PACKAGE / wing).glob("*.py"):
        for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
            assert not any(name == stranger or name.startswith(stranger + ".") for stranger in strangers), (path, name)


def test_commands_import_nothing_heavy_until_they_run():
    for path in (PACKAGE / "commands").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_once = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        for name in imported(at_once):
            assert not any(name == heavy or name.startswith(heavy + ".") for heavy in HEAVY), (path, name)
