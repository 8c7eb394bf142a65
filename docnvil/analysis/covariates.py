"""Metadata of documents as variables of a regression: columns of categories, and dates in bins.

Axes: N documents, G levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, get_args

import numpy as np
import regex
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError, CorpusError, format_examples

Bins = Literal["day", "week", "month", "quarter", "year"]
MAX_LEVELS = 100
MAX_BINS = 500
MISSING = -1  # the code of a document without a value
DAYS_PER_YEAR = 365.25
_YEAR = regex.compile(r"(\d{4})(?:-(\d{2}))?")


@dataclass(frozen=True)
class Factor:
    """A variable with a few levels.

    Arguments:
        name: the name of the column.
        levels: the names of its levels, G; those of dates are in the order of time.
        codes: `[N]`, the level of each document, and -1 for one without a value.
        years: `[N]`, the time of each document in years since 1970, if the levels are bins of dates.
    """

    name: str
    levels: tuple[str, ...]
    codes: NDArray[np.int64]
    years: NDArray[np.float64] | None = None

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each document has a value, `[N]`."""
        return self.codes != MISSING

    def select(self, rows: NDArray[np.bool_]) -> "Factor":
        """Return the variable of some documents, with only the levels that they have.

        Raises:
            CorpusError: they have fewer than two.
        """
        used, codes = np.unique(self.codes[rows], return_inverse=True)
        levels = tuple(self.levels[code] for code in used if code != MISSING)
        if len(levels) < 2:
            has = f"the same value, {levels[0]!r}," if levels else "no value"
            raise CorpusError(
                f"All {int(rows.sum()):,} documents to compare have {has} in column {self.name!r}. Choose a column with"
                " two or more different values."
            )
        years = None if self.years is None else self.years[rows]
        return Factor(self.name, levels, codes.astype(np.int64) - int(used[0] == MISSING), years)


def categories(name: str, values: Sequence[str]) -> Factor:
    """Return a column of categories as a variable; an empty text is a missing value.

    Arguments:
        name: the name of the column.
        values: the value of each document, N.

    Raises:
        CorpusError: the column has more than 100 different values.

    Example:
        >>> factor = categories("party", ["left", "", "right", "left"])
        >>> factor.levels, factor.codes.tolist()
        (('left', 'right'), [0, -1, 1, 0])
    """
    texts = [str(value) for value in values]
    levels = tuple(sorted({text for text in texts if text}))
    if len(levels) > MAX_LEVELS:
        raise CorpusError(
            f"Column {name!r} has {len(levels):,} different values ({format_examples(levels, 3)}), and at most"
            f" {MAX_LEVELS} can be compared. Choose another column, or use --over for dates."
        )
    codes = {level: code for code, level in enumerate(levels)} | {"": MISSING}
    return Factor(name, levels, np.array([codes[text] for text in texts], dtype=np.int64))


def dates(name: str, values: Sequence[str], bins: Bins = "month", date_format: str | None = None) -> Factor:
    """Return a column of dates as a variable whose levels are bins of time; an empty text is a missing value.

    Without a format, dates are those of ISO 8601 ("2024-05-31", "2024-05", "2024", with or without a time) and of
    e-mail. A date such as 05/06/2024 is ambiguous and needs a format.

    Arguments:
        name: the name of the column.
        values: the date of each document, N.
        bins: the size of the bins.
        date_format: a format of `datetime.strptime`, such as "%d/%m/%Y".

    Raises:
        CorpusError: a text is not a date, or there are more than 500 bins.
        ConfigurationError: unknown bins.

    Example:
        >>> factor = dates("date", ["2024-05-31", "2024-06-01T12:00", "", "2024-05"])
        >>> factor.levels, factor.codes.tolist()
        (('2024-05', '2024-06'), [0, 1, -1, 0])
    """
    if bins not in get_args(Bins):
        raise ConfigurationError(f"bins is {bins!r}. Choose one of {', '.join(map(repr, get_args(Bins)))}.")
    days = [_read_date(str(value), date_format) if str(value) else None for value in values]
    if wrong := [str(value) for value, day in zip(values, days, strict=True) if str(value) and day is None]:
        expected = f"the format {date_format!r}" if date_format else "the form 2024-05-31, 2024-05 or 2024"
        remedy = "Correct them, or leave them empty" if date_format else "Give their format with --date-format"
        raise CorpusError(
            f"{len(wrong):,} of {len(days):,} values in column {name!r} are not dates of {expected}:"
            f" {format_examples(wrong, 3)}. {remedy}."
        )
    labels = [_bin_of(day, bins) if day else "" for day in days]
    levels = tuple(sorted(set(filter(None, labels))))
    if len(levels) > MAX_BINS:
        raise CorpusError(
            f"The dates in column {name!r} span {len(levels):,} bins of a {bins}. Choose larger --bins, so that there"
            f" are at most {MAX_BINS}."
        )
    codes = {level: code for code, level in enumerate(levels)} | {"": MISSING}
    years = [np.nan if day is None else (day - date(1970, 1, 1)).days / DAYS_PER_YEAR for day in days]
    return Factor(name, levels, np.array([codes[label] for label in labels], dtype=np.int64), np.array(years))


def _read_date(text: str, date_format: str | None) -> date | None:
    """Return the day that a text names, or None if it names none."""
    text = text.strip()
    try:
        if date_format is not None:
            return datetime.strptime(text, date_format).date()
        if match := _YEAR.fullmatch(text):
            return date(int(match[1]), int(match[2] or 1), 1)
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    try:
        return None if date_format is not None else parsedate_to_datetime(text).date()
    except (ValueError, TypeError, IndexError):
        return None


def _bin_of(day: date, bins: Bins) -> str:
    """Return the name of the bin of a day; the order of the names is that of time."""
    if bins == "week":
        year, week, _ = day.isocalendar()
        return f"{year:04d}-W{week:02d}"
    year = f"{day.year:04d}"
    names = {
        "day": day.isoformat(),
        "month": f"{year}-{day.month:02d}",
        "quarter": f"{year}-Q{(day.month + 2) // 3}",
        "year": year,
    }
    return names[bins]
