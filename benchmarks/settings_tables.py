"""Tables of docs/settings.md, from the declarations of the settings and the recipes."""

from docnvil.commands.recipes import recipe_values
from docnvil.commands.setting_options import effective_default, format_value
from docnvil.schema import GROUPS, NamedWords, Setting, settings_of
from docnvil.text.settings import SourceOptions, TokenOptions, VocabularyLimits
from docnvil.training.recipes import RECIPES
from docnvil.training.settings import all_settings

NOT_CHOSEN = "vocabulary_size"  # follows from the corpus


def settings() -> str:
    """Return one table of settings per group of options, and one of the settings without an option."""
    text = (each for group in (SourceOptions, TokenOptions, VocabularyLimits) for each in settings_of(group).values())
    declared = [*(each for each in all_settings().values() if each.name != NOT_CHOSEN), *text]
    sections = []
    for group in GROUPS:
        if rows := [each for each in declared if each.group == group]:
            sections += [f"### {group}", "", *_table(rows, has_option=True), ""]
    rows = [each for each in declared if each.group is None]
    return "\n".join([*sections, "### Without an option", "", *_table(rows, has_option=False)])


def recipes() -> str:
    """Return the settings that at least one recipe changes, one column per recipe."""
    columns = {name: recipe_values(recipe) for name, recipe in RECIPES.items()}
    lines = [f"| setting | {' | '.join(f'`{name}`' for name in columns)} |", "|---|" + "---|" * len(columns)]
    for name in columns["default"]:
        cells = [format_value(values[name]) for values in columns.values()]
        if len(set(cells)) > 1:
            lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"* `{name}`: {recipe.summary}." for name, recipe in RECIPES.items())])


TABLES = {"settings": settings, "recipes": recipes}


def _table(rows: list[Setting], *, has_option: bool) -> list[str]:
    columns = [*(["option"] if has_option else []), "in Python", "values", "default", "meaning"]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for each in rows:
        option = f"`--{each.option}`" + (f", `--no-{each.option}`" if each.kind is bool else "")
        name = f"`{each.parameter}`" + (f" (`Settings`: `{each.name}`)" if each.name != each.parameter else "")
        cells = [name, _values(each), effective_default(each), _meaning(each)]
        lines.append(f"| {' | '.join([option, *cells] if has_option else cells)} |")
    return lines


def _values(setting: Setting) -> str:
    """Return the allowed values in words."""
    if setting.name == "recipe":
        return ", ".join(f"`{name}`" for name in RECIPES)
    if setting.choices:
        return ", ".join(f"`{choice}`" for choice in setting.choices)
    if setting.kind is bool:
        return "on, off"
    if setting.kind == NamedWords:
        return "names with lists of words"
    if setting.kind is tuple:
        return "integers, separated by commas"
    if setting.kind is str:
        return "text"
    if setting.is_share:
        return "number or share of documents"
    bounds = {"≥": setting.minimum, ">": setting.above, "≤": setting.maximum, "<": setting.below}
    conditions = ", ".join(f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None)
    return f"{'integer' if setting.kind is int else 'number'} {conditions}".rstrip()


def _meaning(setting: Setting) -> str:
    """Return the help text, and the values of other settings that the setting needs."""
    declared = all_settings() | settings_of(SourceOptions)
    needs = [
        f"only with `--{declared[name].option}` {', '.join(f'`{value}`' for value in values)}"
        for name, values in setting.only_with.items()
    ]
    return "; ".join([setting.help, *needs])
