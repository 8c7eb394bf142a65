"""Find the public functions, classes and methods of installed packages, each once, under its shortest public name.

The following is public:

* a module that is not below `SKIPPED_MODULES`, if no part of its name begins with an underscore or is in
  `SKIPPED_PARTS`;
* in a module with `__all__`, the names listed there; in a package without `__all__`, every name without a leading
  underscore; in any other module, only what the module itself defines, not what it imports;
* in a class, the methods and properties that its own body defines.

Objects are compared by identity and sorted by name, so the result does not depend on hash order or memory addresses.
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

# Test suites, and modules that open windows, start demos or download files when imported.
SKIPPED_PARTS = frozenset({"app", "book", "conftest", "demo", "draw", "setup", "test", "testing", "tests"})

SKIPPED_MODULES = (
    # Aliases for old names, build tools and vendored code.
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
    # Private despite its name; its public objects are found in `pandas` itself.
    "pandas.core",
    # Compilers, exporters and launchers: many internal passes with short docstrings.
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
    # They need packages or data that docnvil does not install, so the result would depend on the machine.
    "nltk.tokenize.nist",
    "nltk.twitter",
    "torch.utils.data.datapipes",
    "torch.utils.tensorboard",
)

# Classes that are attributes of another class and are documented under that name.
ACCESSORS = ("pandas.Series.cat", "pandas.Series.dt", "pandas.Series.plot", "pandas.Series.str")

# Types of functions, by name, because every Cython extension module has its own function type.
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
# SciPy documents the instances of these classes as functions, for example scipy.stats.norm.
_DISTRIBUTION_KINDS = frozenset({"multi_rv_generic", "rv_generic"})


@dataclass(frozen=True)
class PublicObject:
    """A public name and the docstring of its object."""

    package: str
    name: str
    module: str  # the package or its first subpackage, such as "scipy.stats"
    docstring: str


def walk_package(package: str) -> tuple[list[PublicObject], list[str]]:
    """Return the documented public objects of an installed package, and the modules that could not be imported.

    The objects are sorted by `sort_objects`.
    """
    failed: list[str] = []
    best: dict[int, PublicObject] = {}
    keep_alive = []  # the id of a deleted object could be reused
    for module in _public_modules(package, failed):
        subpackage = ".".join(module.__name__.split(".")[:2])
        for name, value in _public_values(module, package):
            docstring = getattr(value, "__doc__", None)
            if not isinstance(docstring, str):
                continue
            public = PublicObject(package, name, subpackage, docstring)
            best[id(value)] = min(public, best.get(id(value), public), key=_sort_key)
            keep_alive.append(value)
    return sort_objects(best.values()), failed


def sort_objects(objects: Iterable[PublicObject]) -> list[PublicObject]:
    """Sort objects by the length of their names, and names of equal length alphabetically."""
    return sorted(objects, key=_sort_key)


def _sort_key(public: PublicObject) -> tuple[int, str]:
    return len(public.name), public.name


def _public_modules(name: str, failed: list[str]) -> Iterator[types.ModuleType]:
    """Import `name` and yield it and every public module below it, depth first and in alphabetical order."""
    try:
        module = _import_quietly(name)
    except (Exception, SystemExit):  # an optional module can fail in any way; the others can still be read
        failed.append(name)
        return
    yield module
    children = sorted(info.name for info in pkgutil.iter_modules(getattr(module, "__path__", [])))
    for child in children:
        if _is_public_module(f"{name}.{child}"):
            yield from _public_modules(f"{name}.{child}", failed)


def _import_quietly(name: str) -> types.ModuleType:
    """Import a module and suppress what it prints and its warnings, which are about missing optional packages."""
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
    """Yield the full name and the object of each public function, class and class member of a module."""
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
    # Look only at the type: NLTK's lazy corpus loaders search for their corpus when any of their attributes is read.
    if type(value).__name__ in _FUNCTION_KINDS:
        return True
    return any(kind.__name__ in _DISTRIBUTION_KINDS for kind in type(value).__mro__)


def _belongs_to(value: Any, full_name: str, package: str) -> bool:
    """Return whether `package` defines `value`; True for compiled functions without a module name."""
    if isinstance(value, np.ufunc) and package != "numpy":
        return getattr(np, full_name.rpartition(".")[2], None) is not value
    module = _defining_module(value)
    return module is None or module.split(".")[0] in (package, f"_{package}")


def _defining_module(value: Any) -> str | None:
    """Return the module name of a function or class: None if it has none, "" for other objects."""
    if not (inspect.isclass(value) or _is_function(value)):
        return ""
    module = getattr(value, "__module__", None)
    return module if isinstance(module, str) else None
