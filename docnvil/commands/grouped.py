"""Options in groups: `--help` shows the groups that most users need, `--help-all` all of them."""

from functools import partial
from typing import Any

import click

from docnvil.schema import GROUPS

SHOWN_BY_HELP = ("Common", "Input", "Text")


class GroupedOption(click.Option):
    """An option that belongs to a group of the help text."""

    def __init__(self, *declarations: Any, group: str = "Common", **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.group = group


grouped_option = partial(click.option, cls=GroupedOption)


class GroupedCommand(click.Command):
    """A command whose help lists its options by group."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        flags = {"is_flag": True, "is_eager": True, "expose_value": False}
        self.params.append(GroupedOption(["--help-all"], **flags, callback=_print_all, help="Show all options."))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group; without --help-all, only name the groups that few users need."""
        show_all = ctx.meta.get("docnvil.help_all", False)
        hidden = []
        for group in GROUPS:
            options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
            options = [each for each in options if getattr(each, "group", "Common") == group]
            records = [record for each in options if (record := each.get_help_record(ctx)) is not None]
            if show_all or group in SHOWN_BY_HELP:
                with formatter.section(f"{group} options"):
                    formatter.write_dl(records)
            elif records:
                hidden.append(f"{group} ({len(records)})")
        if hidden:
            with formatter.section("More options, shown by --help-all"):
                formatter.write_text(", ".join(hidden))


def _print_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta["docnvil.help_all"] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()
