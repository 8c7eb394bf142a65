"""Names of units: what a name may be, and what a unit without one is called."""

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from docnvil.errors import ConfigurationError, counted

MAX_LENGTH = 60  # characters, so that a name fits into a line, a column heading and a label of a figure

UnitNames = tuple[str | None, ...]  # one per unit of the first layer; None for a unit without a name

_NUMBERED = re.compile(r"unit[ _]?\d+")  # how outputs call a unit without a name
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of a character, line and paragraph separators
_BIDIRECTIONAL = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # these change the order of the text after them


def check_unit(unit: object, n_units: int) -> None:
    """Raise `ConfigurationError` if there is no unit of this number in the first layer."""
    if not isinstance(unit, int | np.integer) or isinstance(unit, bool) or not 0 <= unit < n_units:
        raise ConfigurationError(f"Unit {unit} does not exist. The first layer has the units 0 to {n_units - 1}.")


def label_of(unit: int, names: Sequence[str | None]) -> str:
    """Return the name of a unit, else "unit 12".

    Example:
        >>> label_of(0, ["space flight", None]), label_of(1, ["space flight", None])
        ('space flight', 'unit 1')
    """
    check_unit(unit, len(names))
    return names[unit] or f"unit {unit}"


def check_names(names: Sequence[str | None], n_units: int) -> UnitNames:
    """Return the names of all units, normalized to Unicode NFC; no names at all stand for units without names.

    Arguments:
        names: one per unit of the first layer, None for a unit without a name; or empty.
        n_units: K, the number of units of the first layer.

    Raises:
        ConfigurationError: a wrong number of names, a name that is not allowed, or two equal names.

    Example:
        >>> check_names(["space flight", None], 2), check_names([], 2)
        (('space flight', None), (None, None))
    """
    if not isinstance(names, tuple | list):
        raise ConfigurationError(f"The names of units are {names!r:.60}. Give a list with one name, or None, per unit.")
    if not names:
        return (None,) * n_units
    if len(names) != n_units:
        raise ConfigurationError(
            f"There are {counted(len(names), 'name')} for {counted(n_units, 'unit')}. Give one, or None, per unit."
        )
    checked = tuple(None if name is None else check_name(name, unit) for unit, name in enumerate(names))
    first: dict[str, int] = {}
    for unit, name in enumerate(checked):
        if name is not None and (other := first.setdefault(name.casefold(), unit)) != unit:
            raise ConfigurationError(f"Units {other} and {unit} are both named {name!r}. Give each unit its own name.")
    return checked


def check_name(name: object, unit: int) -> str:
    """Return a name normalized to Unicode NFC.

    Raises:
        ConfigurationError: the name is empty, too long, has characters that cannot be seen, or is the label of a unit
            without a name, such as "unit 3".
    """
    if not isinstance(name, str):
        raise ConfigurationError(f"The name of unit {unit} is {name!r:.60}. Give a text, or None for no name.")
    name = unicodedata.normalize("NFC", name)
    problem = None
    if not name.strip():
        problem = "is empty"
    elif len(name) > MAX_LENGTH:
        problem = f"has {counted(len(name), 'character')}"
    elif any(unicodedata.category(each) in _INVISIBLE for each in name) or _BIDIRECTIONAL.search(name):
        problem = "has a line break or another control character"
    elif name != name.strip():
        problem = "starts or ends with a space"
    elif _NUMBERED.fullmatch(name.casefold()):
        problem = "is the label of a unit without a name"
    if problem:
        raise ConfigurationError(
            f"The name {name[:MAX_LENGTH]!r} of unit {unit} {problem}. Give a text of 1 to {MAX_LENGTH} visible"
            " characters."
        )
    return name
