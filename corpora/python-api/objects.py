"""Find the public functions, classes and methods of installed packages, each once, under its shortest public name.

What counts as public:

* a module none of whose name's parts begins with an underscore or stands in `SKIPPED_PARTS`, and that does not lie
  below one of `SKIPPED_MODULES`;
* in a module with `__all__`, the names listed there; in a package without one, every name without a leading
  underscore; in a plain module without one, only what is defined in it, because the rest are its imports;
* of a class, the methods and properties that its own body defines.

Objects are told apart by identity but ordered by name, so neither hash order nor memory addresses can show.
"""

import contextlib
import importlib
import inspect
import io
import pkgutil
import types
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

# Test suites, and modules that open windows, start demonstrations or download when imported.
SKIPPED_PARTS = frozenset({"app", "book", "conftest", "demo", "draw", "setup", "test", "testing", "tests"})

SKIPPED_MODULES = (
    # Shims under old names, build tools and vendored code.
    "numpy.core",
    "numpy.distutils",
    "numpy.f2py",
    "numpy.typing",
    "pandas.compat",
    "scipy.misc",
    "sklearn.externals",
    "torch.contrib",
    "torch.nn.intrinsic",
    "torch.nn.qat",
    "torch.nn.quantizable",
    "torch.nn.quantized",
    "torch.quantization",
    # Private in all but name: what is public of it is reached through `pandas` itself.
    "pandas.core",
    # Machinery of compilers, exporters and launchers: large families of internal passes with terse docstrings.
    "torch.ao",
    "torch.backends",
    "torch.distributed",
    "torch.export",
    "torch.fx",
    "torch.nativert",
    "torch.numa",
    "torch.onnx",
    "torch.package",
    "torch.utils.benchmark",
    "torch.utils.hipify",
    # Need packages or data that docnvil does not install, so that what is found would depend on the machine.
    "nltk.tokenize.nist",
    "nltk.twitter",
    "torch.utils.data.datapipes",
    "torch.utils.tensorboard",
)

# Classes that are reached through an attribute of another class and are documented under that name.
ACCESSORS = ("pandas.Series.cat", "pandas.Series.dt", "pandas.Series.plot", "pandas.Series.str")

# Kinds of functions by the names of their types, because every extension module of Cython brings its own function type.
_FUNCTION_KINDS = frozenset(
    {
        "_ArrayFunctionDispatcher",  # most of NumPy's functions
        "_Function",  # scipy.fft, dispatched by uarray
        "_lru_cache_wrapper",
        "builtin_function_or_method",  # also bound methods of built-in types
        "cython_function_or_method",
        "function",
        "fused_cython_function",
        "method",
        "method_descriptor",
        "MultiUFunc",
        "ufunc",
    }
)
_MEMBER_KINDS = _FUNCTION_KINDS | {"classmethod", "getset_descriptor", "property", "staticmethod"}
# SciPy documents the instances of these classes like functions: scipy.stats.norm and its kind.
_DISTRIBUTION_KINDS = frozenset({"multi_rv_generic", "rv_generic"})


@dataclass(frozen=True)
class PublicObject:
    """A public name and the docstring that its object carries itself."""

    package: str
    name: str
    module: str  # the package or its first subpackage, such as "scipy.stats"
    docstring: str


def walk_package(package: str) -> tuple[list[PublicObject], list[str]]:
    """Return the documented public objects of an installed package, and the modules that could not be imported.

    The objects come as `in_order` sorts them.
    """
    failed: list[str] = []
    best: dict[int, PublicObject] = {}
    keep_alive = []  # an id tells objects apart only as long as they live
    for module in _public_modules(package, failed):
        subpackage = ".".join(module.__name__.split(".")[:2])
        for name, value in _public_values(module, package):
            docstring = getattr(value, "__doc__", None)
            if not isinstance(docstring, str):
                continue
            found = PublicObject(package, name, subpackage, docstring)
            best[id(value)] = min(found, best.get(id(value), found), key=_rank)
            keep_alive.append(value)
    return in_order(best.values()), failed


def in_order(objects: Iterable[PublicObject]) -> list[PublicObject]:
    """Sort objects by the length of their names, equal lengths alphabetically."""
    return sorted(objects, key=_rank)


def _rank(found: PublicObject) -> tuple[int, str]:
    return len(found.name), found.name


def _public_modules(name: str, failed: list[str]) -> Iterator[types.ModuleType]:
    """Import `name` and yield it and every public module below it, depth first and in alphabetical order."""
    try:
        module = _import_quietly(name)
    except (Exception, SystemExit):  # whatever an optional module fails with, the rest can be read without it
        failed.append(name)
        return
    yield module
    children = sorted(info.name for info in pkgutil.iter_modules(getattr(module, "__path__", [])))
    for child in children:
        if _is_public_module(f"{name}.{child}"):
            yield from _public_modules(f"{name}.{child}", failed)


def _import_quietly(name: str) -> types.ModuleType:
    """Import a module; what it prints or warns about optional packages concerns nobody here."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def _is_public_module(name: str) -> bool:
    last = name.rpartition(".")[2]
    below_skipped = any(name == skipped or name.startswith(f"{skipped}.") for skipped in SKIPPED_MODULES)
    return not (last.startswith("_") or last in SKIPPED_PARTS or below_skipped)


def _public_values(module: types.ModuleType, package: str) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and classes of a module, and the members of the classes, with their full names."""
    for name in _public_names(module):
        value = vars(module).get(name)
        full_name = f"{module.__name__}.{name}"
        if inspect.isclass(value) and _belongs_to(value, full_name, package):
            yield from _class_and_members(full_name, value)
        elif _is_function(value) and _belongs_to(value, full_name, package):
            yield full_name, value


def _public_names(module: types.ModuleType) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(set(listed))
    names = [name for name in vars(module) if not name.startswith("_")]
    if not hasattr(module, "__path__"):
        names = [name for name in names if _defining_module(vars(module)[name]) in (module.__name__, None)]
    return sorted(names)


def _class_and_members(full_name: str, cls: type) -> Iterator[tuple[str, Any]]:
    yield full_name, cls
    for name, member in sorted(vars(cls).items()):
        member_name = f"{full_name}.{name}"
        if name.startswith("_"):
            continue
        if member_name in ACCESSORS:
            yield from _class_and_members(member_name, getattr(cls, name))
        elif type(member).__name__ in _MEMBER_KINDS:
            yield member_name, getattr(member, "__func__", member)


def _is_function(value: Any) -> bool:
    # Only the type is asked: the lazy corpus loaders of NLTK look for their corpus when asked for anything themselves.
    if type(value).__name__ in _FUNCTION_KINDS:
        return True
    return any(kind.__name__ in _DISTRIBUTION_KINDS for kind in type(value).__mro__)


def _belongs_to(value: Any, full_name: str, package: str) -> bool:
    """Tell whether `value` was made by `package`; compiled functions that name no module belong where they stand."""
    if isinstance(value, np.ufunc) and package != "numpy":
        return getattr(np, full_name.rpartition(".")[2], None) is not value
    home = _defining_module(value)
    return home is None or home.split(".")[0] in (package, f"_{package}")


def _defining_module(value: Any) -> str | None:
    """Return the module that a function or class names as its own; None for compiled ones that name none."""
    if not (inspect.isclass(value) or _is_function(value)):
        return ""
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else None
