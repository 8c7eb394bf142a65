"""Corrections of p-values for multiple comparisons."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from docnvil.errors import ConfigurationError

Correction = Literal["holm", "benjamini-hochberg", "none"]


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
