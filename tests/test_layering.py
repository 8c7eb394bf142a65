"""A module imports only lower layers or its own package."""

import ast
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
