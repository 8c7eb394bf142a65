"""Command-line options generated from the declarations of settings."""

from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import click

from docnvil.commands.grouped import grouped_option
from docnvil.commands.numbers import Number, Share, Sizes, WholeNumber
from docnvil.schema import NamedWords, Setting, settings_of
from docnvil.training.recipes import DEFAULT, RECIPES
from docnvil.training.seed_words import read_seed_words
from docnvil.training.settings import Settings, all_settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one option for each setting that belongs to a group."""
    return setting_options_except()(command)


def setting_options_except(*names: str) -> Decorator:
    """Return a decorator that adds one option for each setting that belongs to a group, other than `names`."""
    declared = (each for each in all_settings().values() if each.group and each.name not in names)
    return with_options(*map(_option, declared))


def options_of(declaration: type) -> list[Decorator]:
    """Return one option for each setting that a dataclass declares, with its default."""
    return [_option(each, default=each.default) for each in settings_of(declaration).values()]


def with_options(*options: Decorator) -> Decorator:
    """Return a decorator that adds options to a command, shown in this order."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


def settings_of_options(options: Mapping[str, Any], *, bits: bool = False) -> Settings:
    """Return the settings among the options; for a source of bits, the recipe is "binary" unless chosen."""
    values = {name: options[name] for name, each in all_settings().items() if each.group}
    if values["seed_words"] is not None:
        values["seed_words"] = read_seed_words(values["seed_words"])
    return Settings(values.pop("recipe") or ("binary" if bits else "default"), **values)


def current_name(token: str) -> str:
    """Return the current name of an option or a choice that may have an older one, for click.

    Example:
        >>> current_name("no-centre"), current_name("centred"), current_name("units")
        ('no-center', 'centered', 'units')
    """
    renamed = {}
    for each in all_settings().values():
        for alias in each.aliases:
            renamed |= {alias: each.option, f"no-{alias}": f"no-{each.option}"}
        renamed |= each.value_aliases
    return renamed.get(token, token)


def effective_default(setting: Setting) -> str:
    """Return the value that a setting has unless chosen, as text.

    Example:
        >>> [effective_default(all_settings()[name]) for name in ("learning_rate", "sparsity", "patience", "center")]
        ['0.01', '0.2', 'none', 'on']
    """
    if setting.effective:
        return setting.effective
    value = {**DEFAULT.model, **DEFAULT.training}.get(setting.name, setting.default)
    return format_value(value)


def format_value(value: Any) -> str:
    """Return the value of a setting as it is written on the command line."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, tuple):
        return str(value)
    return ",".join(str(each[0]) if isinstance(each, tuple) else str(each) for each in value)  # names of seed words


def _option(setting: Setting, default: Any = None) -> Any:
    names = f"--{setting.option}/--no-{setting.option}" if setting.kind is bool else f"--{setting.option}"
    help_text = f"{setting.help}.  [default: {effective_default(setting)}]"
    metavar = setting.metavar or ("N|SHARE" if setting.is_share else {int: "N", float: "X"}.get(setting.kind))
    attributes = {"type": _type(setting), "metavar": metavar, "help": help_text, "group": setting.group}
    return grouped_option(names, setting.name, default=default, show_default=False, **attributes)


def _type(setting: Setting) -> Any:
    if setting.name == "recipe":
        return click.Choice(list(RECIPES))
    if setting.is_share:
        return Share()
    if setting.choices:
        return click.Choice(setting.choices)
    if setting.kind == NamedWords:
        return click.Path(path_type=Path, exists=True, dir_okay=False)
    if setting.kind is tuple:
        return Sizes()
    if setting.kind is int:
        return WholeNumber(min=None if setting.minimum is None else int(setting.minimum))
    if setting.kind is float:
        low = setting.minimum if setting.above is None else setting.above
        high = setting.maximum if setting.below is None else setting.below
        return Number(min=low, min_open=setting.above is not None, max=high, max_open=setting.below is not None)
    return None
