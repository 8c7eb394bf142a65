"""docnvil recipes: list the recipes and the values that they set."""

from collections.abc import Mapping

import click

from docnvil.commands.options import JSON
from docnvil.commands.printing import echo, echo_json
from docnvil.commands.setting_options import format_value
from docnvil.training.recipes import RECIPES, Recipe
from docnvil.training.settings import all_settings

NOT_SET_BY_RECIPES = ("vocabulary_size", "recipe")


@click.command()
@click.argument("name", required=False, type=click.Choice(list(RECIPES)))
@JSON
def recipes(name: str | None, as_json: bool) -> None:
    """Print the settings that differ between recipes, or all settings of one recipe.

    \b
    docnvil recipes
    docnvil recipes paper
    """
    chosen = {each: recipe_values(RECIPES[each]) for each in ([name] if name else RECIPES)}
    if as_json:
        echo_json({each: {"summary": RECIPES[each].summary, "settings": chosen[each]} for each in chosen})
        return
    for each in chosen:
        echo(f"{each}: {RECIPES[each].summary}")
    echo()
    echo(_table(chosen, all_rows=name is not None))


def recipe_values(recipe: Recipe) -> dict[str, object]:
    """Return the value of every setting under a recipe.

    Example:
        >>> recipe_values(RECIPES["paper"])["batch_size"]
        20
    """
    declared = {name: each.default for name, each in all_settings().items() if name not in NOT_SET_BY_RECIPES}
    epochs = {} if recipe.updates is None else {"epochs": f"for {recipe.updates} updates"}
    return {**declared, **recipe.model, **recipe.training, **epochs, "validation": recipe.validation}


def _table(columns: Mapping[str, Mapping[str, object]], *, all_rows: bool) -> str:
    """Lay out settings by recipe; without `all_rows`, those that no recipe sets are left out."""
    rows = [["setting", *columns]]
    for setting in next(iter(columns.values())):
        values = [recipe[setting] for recipe in columns.values()]
        if all_rows or any(value != all_settings()[setting].default for value in values):
            rows.append([setting, *map(format_value, values)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
