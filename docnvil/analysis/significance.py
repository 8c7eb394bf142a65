"""Tests of differences between documents, and corrections for multiple comparisons.

Axes: N documents, K units, P columns of a regression, of which C are tested.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from docnvil.errors import ConfigurationError

Correction = Literal["holm", "benjamini-hochberg", "none"]
CHUNK = 20_000  # documents whose residuals exist at once


def score_test(
    values: NDArray[np.floating], design: NDArray[np.float64], columns: Sequence[int]
) -> NDArray[np.float64]:
    """Return the p-values of columns in linear regressions of K values on the columns of a design, `[C, K]`.

    With the column's residuals z and the values' residuals r from regressions on the other columns alone,

        t = sum_i z_i r_i / s,    s^2 = max(sum_i z_i^2 sum_i r_i^2 / (N - P), N / (N - P) sum_i z_i^2 r_i^2)

    has about a t distribution with N - P degrees of freedom if the column does not matter. The variance is that of the
    residuals without the column, so the test holds for groups of few documents; the second term allows for documents of
    unequal variance. A value may be a probability: the test needs no model of how uncertain it is.

    r is the residual of the regression on all columns plus z times the column's coefficient, so one regression serves
    all columns.

    Source: Angrist & Pischke (2009), *Mostly harmless econometrics*, section 8.1, for the larger of the two variances;
    Frisch & Waugh (1933), *Partial time regressions as compared with individual trends*, for the residuals.

    Arguments:
        values: `[N, K]`.
        design: `[N, P]`, of full rank, with a column of ones.
        columns: the columns that are tested, from 0; each without the others.

    Example:
        >>> design = np.column_stack([np.ones(200), np.arange(200) < 100])
        >>> values = np.column_stack([np.arange(200) < 90, np.arange(200) % 2])
        >>> score_test(values.astype(float), design, [1]).round(3).tolist()
        [[0.0, 1.0]]
    """
    columns = list(columns)
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ (design.T @ values)  # [P, K]
    directions = inverse[:, columns] / inverse[columns, columns]  # [P, C]; z = design @ directions
    squares = np.zeros(values.shape[1])
    weighted = np.zeros((len(columns), values.shape[1]))
    for start in range(0, len(values), CHUNK):
        rows = slice(start, start + CHUNK)
        residuals = values[rows] - design[rows] @ coefficients
        squares += (residuals**2).sum(axis=0)
        for number, column in enumerate(columns):
            z = design[rows] @ directions[:, number]
            weighted[number] += z**2 @ (residuals + z[:, None] * coefficients[column]) ** 2
    z_squares = 1 / inverse[columns, columns][:, None]  # [C, 1], sums of z^2
    score = z_squares * coefficients[columns]
    without = squares + score * coefficients[columns]  # [C, K], sums of r^2
    freedom = max(1, len(design) - design.shape[1])
    variance = np.maximum(z_squares * without, len(design) * weighted) / freedom
    return 2 * t.sf(np.abs(score) / np.sqrt(np.maximum(variance, np.finfo(float).tiny)), freedom)


def adjust_p_values(p_values: NDArray[np.float64], correction: Correction = "holm") -> NDArray[np.float64]:
    """Return p-values adjusted for their number; NaN stays NaN and is not counted.

    "holm" controls the probability of any false discovery (family-wise error rate), "benjamini-hochberg" the expected
    share of false ones among the discoveries (false discovery rate, for independent or positively dependent tests).

    Source: Holm (1979), *A simple sequentially rejective multiple test procedure*; Benjamini & Hochberg (1995),
    *Controlling the false discovery rate*.

    Raises:
        ConfigurationError: an unknown correction.

    Example:
        >>> adjust_p_values(np.array([0.01, 0.04, 0.03, 0.005]), "holm").round(3).tolist()
        [0.03, 0.06, 0.06, 0.02]
        >>> adjust_p_values(np.array([0.01, 0.04, 0.03, 0.005]), "benjamini-hochberg").round(3).tolist()
        [0.02, 0.04, 0.04, 0.02]
    """
    if correction not in get_args(Correction):
        raise ConfigurationError(
            f"correction is {correction!r}. Choose one of {', '.join(map(repr, get_args(Correction)))}."
        )
    adjusted = np.array(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(adjusted))
    order = tested[np.argsort(adjusted[tested], kind="stable")]  # smallest first
    ranks = np.arange(1, len(order) + 1)
    if correction == "holm":
        adjusted[order] = np.maximum.accumulate(adjusted[order] * (len(order) + 1 - ranks))
    elif correction == "benjamini-hochberg":
        adjusted[order] = np.minimum.accumulate((adjusted[order] * len(order) / ranks)[::-1])[::-1]
    return np.minimum(adjusted, 1.0)
