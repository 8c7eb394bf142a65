"""Settings, each declared once as a dataclass field: options, checks, tables and saved JSON are generated from it."""

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from docnvil.errors import ConfigurationError

Declared = TypeVar("Declared")
NamedWords = tuple[tuple[str, tuple[str, ...]], ...]  # pairs of a name and words, in order

MAX_NUMBER = 2**53  # whole numbers below are exact as floats, and no machine has as many units or documents
MAX_DECIMAL = 1e38  # single precision ends at 3e38
_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")
_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
GROUPS = ("Common", "Input", "Text", "Model", "Training", "Gradient estimator", "Machine")


@dataclass(frozen=True)
class Setting:
    """One setting, with everything that options, checks, tables and files need.

    Arguments:
        name: the name of the dataclass field.
        kind: the type of its values: int, float, bool, str, tuple (of int) or `NamedWords`.
        default: the field's default; a recipe may have another.
        help: a noun phrase for the help text.
        group: one of `GROUPS`; None for settings that only recipes change.
        choices: the values allowed; empty for any.
        minimum: the smallest value allowed, or None.
        above: an exclusive lower bound, or None.
        maximum: the largest value allowed, or None.
        below: an exclusive upper bound, or None.
        optional: whether None is allowed.
        option: the name of the command-line option, without dashes.
        parameter: the name of the `DocNVIL` parameter.
        metavar: what stands for a value in the help text, or None.
        effective: text to show as the default where it depends on other settings; None to show the value.
        aliases: older names of the setting, accepted in files and as options.
        value_aliases: older names of choices.
        only_with: other settings, and their values for which this one has an effect.
        is_share: whether an int is a number of documents and a float a share of them.
    """

    name: str
    kind: type
    default: Any
    help: str
    group: str | None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    optional: bool = False
    option: str = ""
    parameter: str = ""
    metavar: str | None = None
    effective: str | None = None
    aliases: tuple[str, ...] = ()
    value_aliases: Mapping[str, str] = field(default_factory=dict)
    only_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_share: bool = False

    def check(self, value: Any) -> Any:
        """Return the value in its own type.

        Raises:
            ConfigurationError: a value of another type, out of bounds, or not among the choices.
        """
        if value is None and self.optional:
            return None
        if self.choices:
            value = self.value_aliases.get(value, value) if isinstance(value, str) else value
            if value not in self.choices:
                raise ConfigurationError(f"{self._label} is {value!r}. Choose one of {', '.join(self.choices)}.")
            return value
        if self.kind == NamedWords:
            return self._named_words(value)
        if self.kind is tuple and isinstance(value, tuple | list):
            return tuple(self._number(each, int) for each in value)
        return self._number(value, self.kind) if self.kind in (int, float) else self._plain(value)

    def _named_words(self, value: Any) -> NamedWords:
        """Return a mapping of names to words, or pairs of them as saved in JSON, as pairs."""
        pairs = value.items() if isinstance(value, Mapping) else value
        if isinstance(pairs, tuple | list) or isinstance(value, Mapping):
            pairs = list(pairs)
            if all(isinstance(pair, tuple | list) and len(pair) == 2 and _are_words(*pair) for pair in pairs):
                return tuple((name, tuple(words)) for name, words in pairs)
        raise ConfigurationError(
            f"{self._label} is {value!r:.60}. Give a dictionary of names and lists of words, such as"
            " {'hockey': ['hockey', 'nhl']}."
        )

    @property
    def _label(self) -> str:
        return self.name if self.parameter in ("", self.name) else f"{self.name} ({self.parameter})"

    def _number(self, value: Any, kind: type) -> int | float:
        expected = Integral if kind is int else Real
        fits = isinstance(value, expected) and not isinstance(value, bool)
        fits = fits and abs(value) < (MAX_NUMBER if isinstance(value, Integral) else MAX_DECIMAL)
        if not (fits and self._is_within_bounds(value)):
            bounds = self._bounds(kind)
            if self.maximum is None and self.below is None:
                if isinstance(value, Integral) and value >= MAX_NUMBER:
                    bounds = "a number below 2^53"
                elif isinstance(value, Real) and math.isfinite(value) and value >= MAX_DECIMAL:
                    bounds = f"a number below {MAX_DECIMAL:g}"
            raise ConfigurationError(f"{self._label} is {value!r:.60}. Give {bounds}.")
        return kind(value)

    def _is_within_bounds(self, value: Any) -> bool:
        return not (
            (self.minimum is not None and value < self.minimum)
            or (self.above is not None and value <= self.above)
            or (self.maximum is not None and value > self.maximum)
            or (self.below is not None and value >= self.below)
        )

    def _bounds(self, kind: type) -> str:
        number = "a whole number" if kind is int else "a number"
        if self.above is not None:
            number += f" above {self.above:g}"
        if self.minimum is not None:
            number += f" of {self.minimum:g} or more"
        if self.maximum is not None:
            number += f", at most {self.maximum:g}"
        if self.below is not None:
            number += f", below {self.below:g}"
        return f"{number}, or None" if self.optional else number

    def _plain(self, value: Any) -> Any:
        if self.kind is bool and type(value).__name__ in ("bool", "bool_"):
            return bool(value)
        if self.kind is str and isinstance(value, str):
            return value
        raise ConfigurationError(f"{self._label} is {value!r}. Give a value of type {self.kind.__name__}.")


def _are_words(name: Any, words: Any) -> bool:
    return isinstance(name, str) and isinstance(words, tuple | list) and all(isinstance(word, str) for word in words)


def check_whole(name: str, value: Any, minimum: int = 0) -> int:
    """Return the value of an argument that is a whole number.

    Arguments:
        name: the name of the argument.
        value: its value.
        minimum: the smallest value allowed.

    Raises:
        ConfigurationError: a value of another type, or below the minimum.

    Example:
        >>> check_whole("top_n", 10)
        10
        >>> check_whole("top_n", -1)
        Traceback (most recent call last):
        ...
        docnvil.errors.ConfigurationError: top_n is -1. Give a whole number of 0 or more.
    """
    return int(Setting(name, int, None, "", None, minimum=minimum).check(value))


def setting(default: Any, group: str | None, help: str, **facts: Any) -> Any:
    """Declare a setting as a dataclass field, see `Setting`; `MISSING` is the default of a required setting."""
    default = {} if default is MISSING else {"default": default}
    return field(**default, metadata={"setting": {"help": help, "group": group, **facts}})


@cache
def settings_of(declaration: type) -> dict[str, Setting]:
    """Return the settings that a dataclass declares, by name.

    Example:
        >>> @dataclass(frozen=True)
        ... class Oven:
        ...     degrees: int = setting(180, "Common", "Temperature", minimum=50)
        >>> settings_of(Oven)["degrees"].kind, settings_of(Oven)["degrees"].minimum
        (<class 'int'>, 50)
    """
    hints = get_type_hints(declaration)
    return {each.name: _setting(each, hints[each.name]) for each in fields(declaration) if "setting" in each.metadata}


def _setting(declared: Any, hint: Any) -> Setting:
    optional = get_origin(hint) is UnionType and NoneType in get_args(hint)
    if optional:
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kind = str if choices else hint if hint == NamedWords else get_origin(hint) or hint
    facts = {"option": declared.name.replace("_", "-"), "parameter": declared.name, **declared.metadata["setting"]}
    default = None if declared.default is MISSING else declared.default
    return Setting(declared.name, kind, default, choices=choices, optional=optional, **facts)


def check_settings(declared: Any) -> None:
    """Check every setting of a frozen dataclass instance, and give each value its own type.

    Raises:
        ConfigurationError: a value is not allowed.
    """
    for name, each in settings_of(type(declared)).items():
        object.__setattr__(declared, name, each.check(getattr(declared, name)))


def from_saved(declaration: type[Declared], values: Mapping[str, Any]) -> Declared:
    """Build a settings dataclass from saved JSON, which may use older names of settings and contain removed ones.

    Raises:
        ConfigurationError: a value is not allowed.
        TypeError: a setting that this version does not have.
    """
    names = {alias: name for name, each in settings_of(declaration).items() for alias in each.aliases}
    removed = getattr(declaration, "REMOVED", ())
    return declaration(**{names.get(name, name): value for name, value in values.items() if name not in removed})


def parse_whole(text: str) -> int:
    """Return a whole number; raise `ValueError` if a text is anything else.

    Example:
        >>> parse_whole("1000")
        1000
        >>> parse_whole("1_000")
        Traceback (most recent call last):
        ...
        ValueError: '1_000' is not a whole number
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r:.60} is not a whole number")
    return int(text)


def parse_decimal(text: str) -> float:
    """Return a finite number; raise `ValueError` if a text is anything else."""
    if not _DECIMAL.fullmatch(text) or not math.isfinite(number := float(text)):
        raise ValueError(f"{text!r:.60} is not a number")
    return number
