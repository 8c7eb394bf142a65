"""docnvil recipes: list the recipes and the values that they set."""

import click

from docnvil.commands.console import echo_json
from docnvil.commands.setting_options import format_value
from docnvil.training.recipes import RECIPES, Recipe
from docnvil.training.settings import all_settings


@click.command()
@click.argument("name", required=False, type=click.Choice(list(RECIPES)))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def recipes(name: str | None, as_json: bool) -> None:
    """Print the values that each recipe sets, or all settings of the recipe NAME.

    \b
    docnvil recipes
    docnvil recipes paper
    """
    chosen = [name] if name else list(RECIPES)
    if as_json:
        echo_json(
            {each: {"summary": RECIPES[each].summary, "settings": recipe_values(RECIPES[each])} for each in chosen}
        )
        return
    for each in chosen:
        click.echo(f"{each}: {RECIPES[each].summary}")
    click.echo()
    click.echo(_table(chosen, all_rows=name is not None))


def recipe_values(recipe: Recipe) -> dict[str, object]:
    """Return the value of every setting under a recipe.

    Example:
        >>> recipe_values(RECIPES["paper"])["batch_size"]
        20
    """
    declared = {
        name: each.default for name, each in all_settings().items() if name not in ("vocabulary_size", "recipe")
    }
    epochs = {} if recipe.updates is None else {"epochs": f"for {recipe.updates} updates"}
    return {**declared, **recipe.model, **recipe.training, **epochs, "validation": recipe.validation}


def _table(names: list[str], *, all_rows: bool) -> str:
    """Lay out settings by recipe; without `all_rows`, those that no recipe sets are left out."""
    columns = {name: recipe_values(RECIPES[name]) for name in names}
    rows = [["setting", *names]]
    for setting in columns[names[0]]:
        cells = [format_value(values[setting]) for values in columns.values()]
        if all_rows or any(values[setting] != all_settings()[setting].default for values in columns.values()):
            rows.append([setting, *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
