"""Effects: how much more often units are on in some documents than in others, by categories or over time.

Intervals include the uncertainty of which units are on in a document, see `docnvil.analysis.composition`.

Axes: N documents, K units, G levels of a variable, P columns of a regression.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm

from docnvil.analysis.composition import Draws, LatentUnits, compose_groups, compose_regression
from docnvil.analysis.covariates import Factor
from docnvil.analysis.posterior import UnitPosteriors
from docnvil.analysis.significance import Correction, adjust_p_values, score_test
from docnvil.errors import ConfigurationError, CorpusError, counted
from docnvil.runtime.randomness import stream
from docnvil.schema import check_whole
from docnvil.text.normalization import find_name

if TYPE_CHECKING:
    import pandas as pd

MIN_DOCUMENTS = 1.0  # a unit is compared if it is expected to be on in more documents than this, and off in as many
FEWEST_DOCUMENTS = 10
OTHERS = "other documents"
TREND = "linear trend"


@dataclass(frozen=True)
class Effects:
    """Prevalences of units by group, and differences between groups.

    Arguments:
        prevalence: one row per unit, column and value: the number of `documents` with the value, the unit's
            `prevalence` in them, and its interval from `low` to `high`.
        effects: one row per unit and difference: the `estimate` of the prevalence with `value` less that with
            `compared_with`, the `standard_error`, the interval from `low` to `high`, `p_value`, `p_adjusted` for all
            rows, and whether the row is `significant`. Over time it is the change from the first bin to the last by a
            linear trend. A regression on several columns gives differences with the other columns held constant. The
            p-value is of a score test of p(h | x), see `docnvil.analysis.significance.score_test`.
        n_documents: the documents that were compared.
        n_missing: documents left out because a value is missing.
        n_empty: documents left out because they have no words.
        skipped_units: units that are on, or off, in no more than one document; their effects are NaN.
        share: the coverage of the intervals; a row is significant if `p_adjusted` is below 1 - share.
        correction: how p-values are adjusted.
        adjusted: whether effects come from a regression on several variables.
        effective_samples: median number of effective samples per document.
    """

    prevalence: "pd.DataFrame"
    effects: "pd.DataFrame"
    n_documents: int
    n_missing: int
    n_empty: int
    skipped_units: tuple[int, ...]
    share: float
    correction: Correction
    adjusted: bool
    effective_samples: float


def estimate_effects(
    posteriors: UnitPosteriors,
    by: Sequence[Factor] = (),
    over: Factor | None = None,
    *,
    references: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    share: float = 0.95,
    correction: Correction = "holm",
    n_draws: int = 100,
    seed: int = 0,
) -> Effects:
    """Estimate the prevalence of each unit by group and over time, and the differences.

    Arguments:
        posteriors: p(h_k = 1 | x) of the units in each document.
        by: variables of categories. Levels of a single one are compared with all other documents. With several, or
            with `over`, effects are coefficients of a regression, compared with the most frequent level by default.
        over: a variable of dates; its effect is a linear trend.
        references: column name to the level that others are compared with.
        names: what outputs call the units, K; by default "unit 0", "unit 1" and so on.
        share: the coverage of the intervals, between 0 and 1.
        correction: "holm" (family-wise error rate), "benjamini-hochberg" (false discovery rate) or "none".
        n_draws: draws of the units, 2 or more.
        seed: determines the draws.

    Raises:
        ConfigurationError: no variable, one given twice, an unknown reference, or variables that determine each other.
        CorpusError: fewer than ten documents are left, or a variable has one value only.

    Example:
        >>> from docnvil.analysis.covariates import categories
        >>> probabilities = np.repeat([[0.9], [0.1]], 50, axis=0).astype(np.float32)  # one unit, 100 documents
        >>> posteriors = UnitPosteriors(probabilities, np.array([0.5]), np.full(100, 50.0), np.zeros(100, bool))
        >>> result = estimate_effects(posteriors, [categories("party", ["left"] * 50 + ["right"] * 50)])
        >>> result.effects["estimate"].between(0.7, 1.0).tolist()  # left less right
        [True]
    """
    factors = [*by, *([over] if over else [])]
    _check(factors, share, n_draws)
    rows, known = _rows_to_compare(factors, posteriors.empty)
    factors = [factor.select(rows) for factor in factors]
    by, over = factors[: len(by)], factors[-1] if over else None
    references = _checked_references(references or {}, by)
    units, tested = _tested_units(posteriors, rows)
    groups, values, *estimates = _compare(units, by, over, references, n_draws, seed)
    tables = _Tables(names or [f"unit {unit}" for unit in range(len(tested))], tested, share)
    return Effects(
        prevalence=tables.prevalence(factors, groups),
        effects=tables.effects(values, *estimates, correction),
        n_documents=int(rows.sum()),
        n_missing=int((~known).sum()),
        n_empty=int((known & posteriors.empty).sum()),
        skipped_units=tuple(np.flatnonzero(~tested).tolist()),
        share=share,
        correction=correction,
        adjusted=len(factors) > 1,
        effective_samples=float(np.median(posteriors.effective_samples[rows])),
    )


def _tested_units(posteriors: UnitPosteriors, rows: NDArray[np.bool_]) -> tuple[LatentUnits, NDArray[np.bool_]]:
    """Return the units that are on in some documents and off in others, and which of all units they are, `[K]`."""
    if not rows.all():  # the samples are large
        posteriors = posteriors.select(rows)
    probabilities = posteriors.probabilities
    expected = probabilities.sum(axis=0, dtype=np.float64)
    tested = (expected > MIN_DOCUMENTS) & (expected < len(probabilities) - MIN_DOCUMENTS)
    units = LatentUnits(probabilities[:, tested], posteriors.prior[tested], np.flatnonzero(tested), posteriors.samples)
    return units, tested


def _rows_to_compare(
    variables: Sequence[Factor], empty: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which documents are compared, and which have all values, `[N]`."""
    known = np.logical_and.reduce([variable.known for variable in variables])
    rows = known & ~empty
    if rows.sum() < FEWEST_DOCUMENTS:
        columns = " and ".join(repr(variable.name) for variable in variables)
        raise CorpusError(
            f"Only {int(rows.sum()):,} of {counted(len(rows), 'document', 'have')} words and a value in {columns}. At"
            f" least {FEWEST_DOCUMENTS} are needed."
        )
    return rows, known


def _check(variables: Sequence[Factor], share: float, n_draws: int) -> None:
    if not variables:
        raise ConfigurationError("There is nothing to compare. Name a column with --by, or dates with --over.")
    names = [variable.name for variable in variables]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"Column {name!r} is given twice. Give it once.")
    if not 0 < share < 1:
        raise ConfigurationError(f"share is {share}. Give a value between 0 and 1, for instance 0.95.")
    check_whole("n_draws", n_draws, 2)


def _checked_references(references: Mapping[str, str], by: Sequence[Factor]) -> dict[str, str]:
    """Return the references with columns and levels as the variables have them, see `find_name`."""
    levels, checked = {factor.name: factor.levels for factor in by}, {}
    for name, level in references.items():
        if (column := find_name(name, levels)) is None:
            raise ConfigurationError(f"--reference names column {name!r}, which is not given with --by. Add it there.")
        if (known := find_name(level, levels[column])) is None:
            values = ", ".join(map(repr, levels[column][:10])) + (", ..." if len(levels[column]) > 10 else "")
            raise ConfigurationError(f"No document has {level!r} in column {name!r}. Its values are {values}.")
        checked[column] = known
    return checked


def _group_contrasts(factor: Factor, reference: str | None) -> tuple[list[tuple[str, str, str]], NDArray[np.float64]]:
    """Return the column, value and comparison of each difference, and the weights of the groups in it, `[C, G]`.

    Without a reference, a group is compared with all other documents. Of two groups, the first is compared with the
    second.
    """
    levels, sizes = factor.levels, np.bincount(factor.codes)
    if reference is None and len(levels) == 2:
        reference = levels[1]
    values, contrasts = [], []
    for code, level in enumerate(levels):
        if level == reference:
            continue
        others = np.where(np.arange(len(levels)) == code, 0, sizes)
        if reference is not None:
            others = np.arange(len(levels)) == levels.index(reference)
        contrasts.append((np.arange(len(levels)) == code) - others / others.sum())
        values.append((factor.name, level, reference or OTHERS))
    return values, np.array(contrasts, dtype=np.float64)


def _compare(
    units: LatentUnits,
    by: Sequence[Factor],
    over: Factor | None,
    references: Mapping[str, str],
    n_draws: int,
    seed: int,
) -> tuple[list[Draws], list[tuple[str, str, str]], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the prevalences by each variable; each difference's names; estimates, standard errors and p-values."""
    factors = [*by, *([over] if over else [])]
    groups = [
        compose_groups(units, factor.codes, n_draws, stream(seed, "effects", number))
        for number, factor in enumerate(factors)
    ]
    if len(factors) == 1 and over is None:
        values, contrasts = _group_contrasts(by[0], references.get(by[0].name))
        return groups, values, *groups[0].combine(contrasts), _test_groups(units.probabilities, by[0].codes, contrasts)
    values, design = _design(by, over, references)
    draws = compose_regression(units, design, n_draws, stream(seed, "effects of several columns"))
    p_values = score_test(units.probabilities, design, range(1, design.shape[1]))
    return groups, values, *draws.combine(np.eye(design.shape[1])[1:]), p_values


def _test_groups(
    probabilities: NDArray[np.float32], codes: NDArray[np.int64], contrasts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the p-value of each difference, `[C, K]`; documents of groups that have no weight are left out."""
    p_values = []
    for contrast in contrasts:
        weights = contrast[codes]
        compared = weights != 0
        design = np.column_stack([np.ones(compared.sum()), weights[compared] > 0])
        part = probabilities if compared.all() else probabilities[compared]
        p_values.append(score_test(part, design, [1]))
    return np.concatenate(p_values)


def _design(
    by: Sequence[Factor], over: Factor | None, references: Mapping[str, str]
) -> tuple[list[tuple[str, str, str]], NDArray[np.float64]]:
    """Return the column, value and comparison of each regressor after the constant, and the design, `[N, P]`."""
    values, columns = [], [np.ones(len((over or by[0]).codes))]
    for factor in by:
        most_frequent = factor.levels[int(np.bincount(factor.codes).argmax())]
        reference = references.get(factor.name, most_frequent)
        for code, level in enumerate(factor.levels):
            if level != reference:
                values.append((factor.name, level, reference))
                columns.append(factor.codes == code)
    if over is not None:
        first, last = over.years.min(), over.years.max()
        values.append((over.name, f"{over.levels[0]} to {over.levels[-1]}", TREND))
        columns.append((over.years - first) / (last - first))
    design = np.stack(columns, axis=1).astype(np.float64)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        names = " and ".join(repr(factor.name) for factor in [*by, *([over] if over else [])])
        raise ConfigurationError(
            f"The effects of {names} cannot be told apart, because one of them follows from the others. Leave it out."
        )
    return values, design


@dataclass(frozen=True)
class _Tables:
    """Makes the data frames: `names` of all units, which of them are `tested`, and the coverage of intervals."""

    names: Sequence[str]
    tested: NDArray[np.bool_]
    share: float

    def prevalence(self, factors: Sequence[Factor], draws: Sequence[Draws]) -> "pd.DataFrame":
        """Return the prevalence of each unit and level, with the interval of a beta distribution of these moments."""
        import pandas as pd

        frames, tails = [], ((1 - self.share) / 2, (1 + self.share) / 2)
        for factor, groups in zip(factors, draws, strict=True):
            mean, error = groups.combine(np.eye(len(factor.levels)))
            concentration = np.maximum(mean * (1 - mean) / error**2 - 1, 1e-6)
            low, high = (beta.ppf(tail, mean * concentration, (1 - mean) * concentration) for tail in tails)
            sizes = np.bincount(factor.codes).tolist()
            values = [(factor.name, level, size) for level, size in zip(factor.levels, sizes, strict=True)]
            numbers = {"prevalence": mean, "low": low, "high": high}
            frames.append(self._frame(("column", "value", "documents"), values, numbers))
        return pd.concat(frames, ignore_index=True)

    def effects(
        self,
        values: Sequence[tuple[str, str, str]],
        estimate: NDArray[np.float64],
        error: NDArray[np.float64],
        p_values: NDArray[np.float64],
        correction: Correction,
    ) -> "pd.DataFrame":
        """Return the estimate of each unit and difference, with a normal interval and corrected p-values."""
        margin = norm.ppf((1 + self.share) / 2) * error
        numbers = {
            "estimate": estimate,
            "standard_error": error,
            "low": np.maximum(estimate - margin, -1),
            "high": np.minimum(estimate + margin, 1),
            "p_value": p_values,
        }
        frame = self._frame(("column", "value", "compared_with"), values, numbers)
        frame["p_adjusted"] = adjust_p_values(frame["p_value"].to_numpy(), correction)
        frame["significant"] = frame["p_adjusted"] < 1 - self.share
        return frame

    def _frame(
        self, columns: Sequence[str], values: Sequence[tuple[Any, ...]], numbers: Mapping[str, NDArray[np.float64]]
    ) -> "pd.DataFrame":
        """Return one row per unit and value from arrays `[C, K']` of the tested units; NaN for the other units."""
        import pandas as pd

        n_units, n_values = len(self.tested), len(values)
        frame = pd.DataFrame(
            {
                "unit": np.repeat(np.arange(n_units), n_values),
                "name": np.repeat(np.array(self.names, dtype=object), n_values),
                **{
                    column: list(each) * n_units
                    for column, each in zip(columns, zip(*values, strict=True), strict=True)
                },
            }
        )
        for name, array in numbers.items():
            full = np.full((n_units, n_values), np.nan)
            full[self.tested] = array.T
            frame[name] = full.ravel()
        return frame
