"""Types of options for numbers, written with the digits 0 to 9 only: `int` and `float` also take 1_000 and nan."""

from contextlib import suppress
from typing import Any

import click

from docnvil.schema import parse_decimal, parse_whole

MAX_UNITS = 10**7  # of a layer
TECHNICAL_MAXIMUM = 2**31 - 1  # a maximum from here on is one of the machine, which help does not show


class WholeNumber(click.IntRange):
    """A whole number within bounds."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = _parsed(self, parse_whole, value, param, ctx)
        if self._has_technical_maximum and isinstance(number, int) and number > self.max:
            self.fail(f"{number!s:.60} is too large. The largest number is {self.max:,}.", param, ctx)
        return super().convert(number, param, ctx)

    @property
    def _has_technical_maximum(self) -> bool:
        return self.max is not None and self.max >= TECHNICAL_MAXIMUM

    def _describe_range(self) -> str:
        """Describe the range for help and messages, as `click` asks for it."""
        return f"x>={self.min}" if self._has_technical_maximum else super()._describe_range()


class Number(click.FloatRange):
    """A finite number within bounds."""

    name = "x"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        return super().convert(_parsed(self, parse_decimal, value, param, ctx), param, ctx)


def _parsed(
    kind: click.ParamType, parse: Any, value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> Any:
    try:
        return parse(value) if isinstance(value, str) else value
    except ValueError as error:
        kind.fail(f"{error}, such as {'100' if parse is parse_whole else '0.01'}.", param, ctx)


class Share(click.ParamType):
    """A number of documents (2) or a share of them (0.01)."""

    name = "number|share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """Read "2" as an int and "0.01" or "1.0" as a float."""
        if isinstance(value, int | float):
            return value
        for parse in (parse_whole, parse_decimal):
            with suppress(ValueError):
                return parse(value)
        self.fail(f"{value!r:.60} is neither a whole number nor a share like 0.1.", param, ctx)


class Sizes(click.ParamType):
    """Whole numbers of 1 or more, separated by commas."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers as a tuple."""
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(parse_whole(each.strip()) for each in value.split(","))
        except ValueError:
            self.fail(f"{value!r:.60} is not a number of units, nor several separated by commas.", param, ctx)
        if min(sizes) < 1:
            self.fail("a layer needs at least one unit.", param, ctx)
        if max(sizes) > MAX_UNITS:
            self.fail(f"{value!r:.60} is too many. A layer has at most {MAX_UNITS:,} units.", param, ctx)
        return sizes
