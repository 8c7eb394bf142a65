"""Docstrings of public names: parsed as Google style, they document each parameter once and no other."""

import inspect
from pathlib import Path

import griffe
import pytest

import docnvil

PACKAGE = Path(docnvil.__file__).parent
HEADING = "Arguments"  # the heading of this project; griffe calls the section "parameters"


def documented(module: griffe.Module) -> list[griffe.Object]:
    """Return the module's functions, classes and methods with a docstring, other than private ones."""
    found, queue = [], [module]
    while queue:
        for member in queue.pop().members.values():
            if member.is_alias or member.name.startswith("_"):
                continue
            if member.is_class or member.is_function:
                if member.has_docstring:
                    found.append(member)
                if member.is_class:
                    queue.append(member)
    return found


def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(".".join(path.parts) for path in paths if not path.name.startswith("__"))


@pytest.fixture(scope="module")
def package() -> griffe.Module:
    return griffe.load("docnvil", search_paths=[PACKAGE.parent], docstring_parser="google")


def parameters_in(docstring: griffe.Docstring) -> list[str] | None:
    """Return the parameters that the docstring documents, None without such a section."""
    for section in docstring.parse("google", warnings=False):
        if section.kind is griffe.DocstringSectionKind.parameters:
            return [parameter.name for parameter in section.value]
    return None


@pytest.mark.parametrize("name", modules())
def test_documented_parameters_are_those_of_the_signature(package, name):
    for member in documented(package[name.removeprefix("docnvil.")]):
        names = parameters_in(member.docstring)
        if names is None:
            assert f"{HEADING}:\n" not in member.docstring.value, f"{member.path}: the section is not parsed"
            continue
        actual = [each.name.lstrip("*") for each in member.parameters if each.name not in ("self", "cls", "ctx")]
        if member.is_class and not actual:  # a named tuple
            actual = [each.name for each in member.members.values() if each.is_attribute]
        assert names == actual, member.path


def test_public_names_document_all_of_their_parameters(package):
    """Every name of `docnvil` with two parameters or more has a section on them."""
    for name in docnvil.__all__:
        value = getattr(docnvil, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            continue
        member = package[f"{value.__module__}.{value.__qualname__}".removeprefix("docnvil.")]
        members = [member, *(each for each in member.members.values() if member.is_class and each.is_function)]
        for each in members:
            if each.name.startswith("_"):
                continue
            actual = [one.name for one in each.parameters if one.name not in ("self", "cls", "y")]
            if len(actual) > 1:
                assert each.has_docstring, each.path
                assert parameters_in(each.docstring), f"{each.path} documents none of {actual}"
