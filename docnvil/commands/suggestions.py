"""Suggestions for misspelled commands and options."""

import difflib
from collections.abc import Iterable
from typing import Any

import click

_CUTOFF = 0.6  # of the similarity, see `difflib.SequenceMatcher.ratio`
_NEAR_BEST = 0.1  # a second suggestion is at most this much less similar than the first


class SuggestingGroup(click.Group):
    """A group that suggests a command for a misspelled one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-"):
                raise
            suggestion = suggest(args[0], self.list_commands(ctx))
            raise click.UsageError(f"No such command {args[0]!r}.{suggestion}", ctx) from None


def suggest(name: str, names: Iterable[str]) -> str:
    """Return a sentence with the names that are most similar to a wrong one, best first, or "".

    Example:
        >>> suggest("--unit", ["--out", "--units", "--update"]), suggest("colum", ["columns", "column"])
        (' Did you mean --units?', ' Did you mean column or columns?')
        >>> suggest("--nope", ["--no-phrases", "--force"])
        ''
    """
    wanted = name.lstrip("-").lower()
    matcher = difflib.SequenceMatcher(b=wanted)

    def similarity(other: str) -> float:
        matcher.set_seq1(other.lstrip("-").lower())
        return matcher.ratio()

    ranked = sorted(((similarity(each), each) for each in dict.fromkeys(names)), key=lambda pair: -pair[0])
    near = [each for ratio, each in ranked[:2] if ratio >= max(_CUTOFF, ranked[0][0] - _NEAR_BEST)]
    return f" Did you mean {' or '.join(near)}?" if near else ""


def with_suggestion(error: click.UsageError) -> click.UsageError:
    """Return an error about a wrong option with better suggestions than those of click; other errors as they are."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    options: list[Any] = [each for each in error.ctx.command.get_params(error.ctx) if isinstance(each, click.Option)]
    names = [name for each in options if not each.hidden for name in (*each.opts, *each.secondary_opts)]
    return click.UsageError(f"No such option {error.option_name}.{suggest(error.option_name, names)}", error.ctx)
