"""Metadata columns that a report groups documents by: one of labels and one of dates.

Axes: N documents, G groups.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError, format_examples
from docnvil.text.normalization import find_name

if TYPE_CHECKING:
    import pandas

LABEL_NAMES = ("label", "labels", "category", "group", "newsgroup", "class", "topic", "section", "source", "author")
DATE_NAMES = ("date", "datetime", "time", "timestamp", "published", "created", "created_at", "year", "month", "day")
MAX_GROUPS = 20  # the rest is shown as one group
MAX_LABELS = 100  # a column with more values is not offered as labels unless it is chosen
MAX_PERIODS = 60
MIN_PARSED = 0.9  # share of the values that must be dates
OTHER = "(other)"
NO_GROUP = -1
PERIODS = {"D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}  # as pandas calls them


@dataclass(frozen=True, eq=False)
class Groups:
    """Documents in groups: by label, or by period of time.

    Arguments:
        column: the name of the metadata column.
        names: the names of the groups, G: labels by frequency, periods by time.
        codes: the group of each document, `[N]`; -1 for none.
        size: how many values the column has, or how long a period is ("month").
        values: for dates, the days since 1970 of each document, `[N]`, NaN for none; None for labels.
    """

    column: str
    names: tuple[str, ...]
    codes: NDArray[np.int64]
    size: int | str
    values: NDArray[np.float64] | None = None

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of documents of each group, `[G]`."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    @property
    def n_missing(self) -> int:
        """The number of documents without a group."""
        return int((self.codes < 0).sum())


def choose_labels(
    metadata: Mapping[str, Sequence[str]], column: str | None = None, besides: str | None = None
) -> Groups | None:
    """Return the documents grouped by a column of labels, or None if no column looks like labels.

    Arguments:
        metadata: the columns, N values each.
        column: the column; None looks for one with 2 to 100 values that most documents share.
        besides: the column of dates, which is not a candidate.

    Raises:
        ConfigurationError: there is no such column, or it has no value.

    Example:
        >>> groups = choose_labels({"title": ["a", "b", "c", "d"], "label": ["x", "y", "x", "x"]})
        >>> groups.names, groups.codes.tolist()
        (('x', 'y'), [0, 1, 0, 0])
    """
    if column is not None:
        values = _column(metadata, column, "--by")
        if not any(values):
            raise ConfigurationError(f"The column {column!r} has no value. Choose another one with --by.")
        return _group_labels(column, values)
    candidates = []
    for place, (name, values) in enumerate(metadata.items()):
        if name == besides or _plain(name) in DATE_NAMES:
            continue
        n_values = len(set(values) - {""})
        if 2 <= n_values <= min(MAX_LABELS, len(values) // 2):
            preferred = LABEL_NAMES.index(_plain(name)) if _plain(name) in LABEL_NAMES else len(LABEL_NAMES)
            candidates.append((preferred, place, name))
    return _group_labels(min(candidates)[2], metadata[min(candidates)[2]]) if candidates else None


def choose_dates(metadata: Mapping[str, Sequence[str]], column: str | None = None) -> Groups | None:
    """Return the documents grouped by periods of a column of dates, or None if no column has dates.

    Dates are those of ISO 8601, years, or another form that pandas reads. The period is the shortest of day, week,
    month, quarter and year with at most 60 periods of which at least half have documents; a year if there is none.

    Arguments:
        metadata: the columns, N values each.
        column: the column; None looks for one with the name of dates, such as "date" or "published_at".

    Raises:
        ConfigurationError: there is no such column, or a tenth of its values are not dates.

    Example:
        >>> choose_dates({"date": ["2020-01-05", "2020-01-07", ""]}).names
        ('2020-01-05', '2020-01-06', '2020-01-07')
    """
    if column is not None:
        values = _column(metadata, column, "--over")
        dates = parse_dates(values)
        n_values = sum(map(bool, values))
        wrong = [value for value, missing in zip(values, dates.isna(), strict=True) if value and missing]
        if not n_values or len(wrong) > (1 - MIN_PARSED) * n_values:
            examples = f", for example {format_examples(wrong, 3)}" if wrong else ""
            raise ConfigurationError(
                f"The column {column!r} has no dates in {len(wrong):,} of {n_values:,} values{examples}. Choose a"
                " column of dates such as 2024-03-31 with --over."
            )
        return _group_dates(column, dates)
    for name, values in metadata.items():
        if any(part in DATE_NAMES for part in re.split(r"[^a-z]+", _plain(name))):
            dates = parse_dates(values)
            n_values = sum(map(bool, values))
            if n_values and dates.notna().sum() >= MIN_PARSED * n_values and dates.nunique() > 1:
                return _group_dates(name, dates)
    return None


def parse_dates(values: Sequence[str]) -> "pandas.Series":
    """Return dates in UTC, without a time zone; NaT for an empty value and for one that is not a date.

    Example:
        >>> parse_dates(["1993-04-29", "2001", "", "yesterday?"]).dt.year.tolist()
        [1993.0, 2001.0, nan, nan]
    """
    import warnings

    import pandas as pd

    texts = pd.Series(list(values), dtype="str").str.strip()
    is_year = texts.str.fullmatch(r"[12]\d{3}(\.0)?")
    texts = texts.where(~is_year, texts.str.slice(0, 4) + "-01-01")
    texts = texts.where(~texts.str.fullmatch(r"[+-]?[\d.]*"), None)  # other numbers are no dates
    with warnings.catch_warnings(action="ignore"):
        dates = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
        rest = dates.isna() & texts.notna()
        if rest.any():
            dates = dates.where(~rest, pd.to_datetime(texts.where(rest), errors="coerce", utc=True, format="mixed"))
    return dates.dt.tz_localize(None)


def _column(metadata: Mapping[str, Sequence[str]], column: str, option: str) -> Sequence[str]:
    if (found := find_name(column, metadata)) is not None:
        return metadata[found]
    if not metadata:
        raise ConfigurationError(
            f"The corpus has no metadata columns, so there is no column {column!r}. Leave out {option}."
        )
    raise ConfigurationError(
        f"The corpus has no column {column!r}. Its columns are {format_examples(list(metadata))};"
        f" choose one with {option}."
    )


def _group_labels(column: str, values: Sequence[str]) -> Groups:
    """Return the most frequent labels as groups; documents of others are in the group "(other)"."""
    names, inverse, counts = np.unique(
        np.asarray(values, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    ranked = [place for place in np.lexsort((names, -counts)).tolist() if names[place]]
    shown = ranked if len(ranked) <= MAX_GROUPS else ranked[: MAX_GROUPS - 1]
    codes_of = np.full(len(names), NO_GROUP)
    codes_of[ranked] = len(shown)  # the others
    codes_of[shown] = np.arange(len(shown))
    labels = tuple(str(names[place]) for place in shown) + ((OTHER,) if len(shown) < len(ranked) else ())
    return Groups(column, labels, codes_of[inverse], len(ranked))


def _group_dates(column: str, dates: "pandas.Series") -> Groups:
    import pandas as pd

    for letter in PERIODS:
        periods = dates.dt.to_period(letter)
        index = pd.period_range(periods.min(), periods.max(), freq=letter)
        if len(index) <= MAX_PERIODS and 2 * periods.nunique() >= len(index):
            break
    codes = index.get_indexer(pd.PeriodIndex(periods))
    days = ((dates - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy(np.float64)
    noun = PERIODS[letter]
    return Groups(column, tuple(_period_name(each, noun) for each in index), codes.astype(np.int64), noun, days)


def _period_name(period: "pandas.Period", noun: str) -> str:
    """Return a name such as 2024-03-31 for a day or the first day of a week, 2024-03, 2024 Q1 or 2024."""
    if noun == "quarter":
        return f"{period.year} Q{period.quarter}"
    return period.start_time.strftime({"month": "%Y-%m", "year": "%Y"}.get(noun, "%Y-%m-%d"))


def _plain(name: str) -> str:
    return name.strip().lower()
