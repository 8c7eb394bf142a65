"""Names of units from a function of the user: a keyword extractor, or a request to a language model.

docnvil calls the function and does nothing else: it opens no connection, and imports the function only on request.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any

from docnvil.analysis.unit_names import check_name
from docnvil.errors import ConfigurationError, MissingDependencyError
from docnvil.training.fitted_model import FittedModel

Namer = Callable[[list[str], list[str]], str]

TOP_WORDS = 20  # that the function gets


def import_namer(name: str) -> Namer:
    """Import a function from top words and documents to a name.

    Arguments:
        name: the module and the function, such as "package.module:function".

    Raises:
        MissingDependencyError: the module cannot be imported.
        ConfigurationError: the module has no such function.
    """
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        raise ConfigurationError(f"The namer {name!r} is not of the form package.module:function. Write both parts.")
    try:
        function: Any = import_module(module_name)
    except ImportError as error:
        raise MissingDependencyError(
            f"The namer {name} cannot be imported ({error}). Install its package, or run in the folder of its file with"
            " PYTHONPATH=."
        ) from None
    for attribute in path.split("."):
        function = getattr(function, attribute, None)
    if not callable(function):
        raise ConfigurationError(f"The module {module_name} has no function {path!r}. Check the name of the namer.")
    return function


def name_units(
    model: FittedModel, namer: Namer, documents: Sequence[Sequence[str]], units: Iterable[int] | None = None
) -> dict[int, str]:
    """Return names for live units that have none, by number; a name that another unit has gets the unit's number.

    Arguments:
        model: the fitted model.
        namer: a function from the top words of a unit and from documents to a name.
        documents: for each unit of the first layer, texts of documents in which it is on.
        units: the units to name; by default all.

    Raises:
        ConfigurationError: the function fails, or returns something that cannot be a name.

    Example:
        >>> import numpy as np, docnvil
        >>> counts = np.kron(np.eye(2, dtype=int), np.full((30, 5), 3))
        >>> model = docnvil.fit(counts, docnvil.Settings(units=(2,), epochs=60, batch_size=10))
        >>> sorted(name_units(model, lambda words, documents: f"about {len(words)} words", [[], []]).values())
        ['about 5 words', 'about 5 words 1']
    """
    names: dict[int, str] = {}
    taken = {name.casefold() for name in model.unit_names if name}
    for topic in model.topics(TOP_WORDS):
        unit = topic.unit
        if topic.dead or topic.name or not topic.words or (units is not None and unit not in units):
            continue
        words = [model.vocabulary[word] for word in topic.words]
        try:
            name = namer(words, list(documents[unit]))
        except Exception as error:
            raise ConfigurationError(
                f"The namer failed for unit {unit} ({type(error).__name__}: {str(error)[:200]}). Correct it."
            ) from error
        name = check_name(" ".join(name.split()) if isinstance(name, str) else name, unit)
        if name.casefold() in taken:
            name = check_name(f"{name} {unit}", unit)
        taken.add(name.casefold())
        names[unit] = name
    return names
