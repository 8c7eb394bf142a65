"""Method of composition: regressions on units that are not observed, with the uncertainty of their codes.

Each draw samples whether the units are on in each document, h ~ p(h | x, z), and then the coefficients of a regression
of h on the document's variables z. The draws are pooled by Rubin's rules.

p(h_k | x, z) is not p(h_k | x): the variables change how probable a unit is before the document is read, and units
drawn without them make every difference too small. With m_k(z) the probability that the regression gives to the unit,

    odds p(h_k = 1 | x, z) = odds p(h_k = 1 | x) * odds m_k(z) / odds p(h_k = 1)

The coefficients are drawn again after each draw of h (data augmentation), so that their uncertainty is included, too.

Source: Tanner & Wong (1987), *The calculation of posterior distributions by data augmentation*; Roberts et al. (2014),
*Structural topic models for open-ended survey responses* (the method of composition for topic models).

Axes: R draws, N documents, K units, G groups, P columns of a regression.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

BURN_IN = 10  # draws before the first that counts; the chain starts at the groups' mean probabilities
MAX_VALUES = 2_000_000  # of the N K probabilities, how many are drawn at once
DRAWS_PER_COVARIANCE = 5  # the covariance of regression coefficients changes little from one draw to the next


@dataclass(frozen=True)
class Draws:
    """Estimates of T quantities from each of R draws of the units.

    Arguments:
        means: `[R, T, K]`, the estimate from each draw.
        covariance: the sampling covariance of the estimates, averaged over draws, `[K, T, T]`; or `[K, T]`, their
            variances, if the estimates are independent.
    """

    means: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def combine(self, contrasts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the pooled estimates and standard errors of linear combinations, `[C, K]` each.

        The variance is W + (1 + 1/R) B: W the mean sampling variance, B the variance of the estimates between draws.

        Source: Rubin (1987), *Multiple imputation for nonresponse in surveys*, section 3.1.

        Arguments:
            contrasts: `[C, T]`, the weights of the T quantities in each combination.
        """
        combined = np.einsum("ct,rtk->rck", contrasts, self.means)
        if self.covariance.ndim == 2:
            within = contrasts**2 @ self.covariance.T
        else:
            within = np.einsum("ct,ktu,cu->ck", contrasts, self.covariance, contrasts, optimize=True)
        between = combined.var(axis=0, ddof=1)
        return combined.mean(axis=0), np.sqrt(within + (1 + 1 / len(combined)) * between)


def compose_groups(
    probabilities: NDArray[np.float32],
    prior: NDArray[np.float64],
    codes: NDArray[np.int64],
    n_draws: int,
    generator: np.random.Generator,
) -> Draws:
    """Draw the prevalence of each unit in each group of documents; the T quantities are the G groups.

    Given h, the prevalence has the distribution Beta(s + 1/2, n - s + 1/2) (Jeffreys prior), with s of the group's n
    documents on.

    Arguments:
        probabilities: `[N, K]`, p(h_k = 1 | x).
        prior: `[K]`, p(h_k = 1), between 0 and 1.
        codes: `[N]`, the group of each document, from 0; every group has documents.
        n_draws: R.
        generator: for the draws.
    """
    n_groups = int(codes.max()) + 1
    members = csr_array((np.ones(len(codes), np.float32), (codes, np.arange(len(codes)))), (n_groups, len(codes)))
    sizes = np.bincount(codes)[:, None]  # [G, 1]
    n_units = probabilities.shape[1]
    means, variances = np.zeros((n_draws, n_groups, n_units)), np.zeros((n_units, n_groups))
    for units in _unit_blocks(*probabilities.shape):
        block, odds = probabilities[:, units], prior[units] / (1 - prior[units])
        share = np.clip((members @ block + 0.5) / (sizes + 1), 1e-9, 1 - 1e-9)
        for draw in range(-BURN_IN, n_draws):
            on = _draw_units(block, (share / (1 - share) / odds)[codes], generator)
            first = members @ on + 0.5
            second = sizes + 1 - first
            share = np.clip(generator.beta(first, second), 1e-9, 1 - 1e-9)
            if draw >= 0:
                means[draw][:, units] = first / (sizes + 1)
                variances[units] += (first * second / (sizes + 1) ** 2 / (sizes + 2)).T / n_draws
    return Draws(means, variances)


def compose_regression(
    probabilities: NDArray[np.float32],
    prior: NDArray[np.float64],
    design: NDArray[np.float64],
    n_draws: int,
    generator: np.random.Generator,
) -> Draws:
    """Draw the coefficients of a linear regression of each unit on the columns of a design; the T quantities.

    The regression is by least squares; its sampling covariance allows for the variance m (1 - m) of a binary unit. With
    l the leverage of a document, m counts as (m + l/2) / (1 + l), which is the mean of `compose_groups` for dummies.

    Arguments:
        probabilities: `[N, K]`, p(h_k = 1 | x).
        prior: `[K]`, p(h_k = 1), between 0 and 1.
        design: `[N, P]`, the regressors with a column of ones; of full rank.
        n_draws: R.
        generator: for the draws.
    """
    inverse = np.linalg.inv(design.T @ design)
    projection = inverse @ design.T  # [P, N]
    leverage = np.einsum("np,pq,nq->n", design, inverse, design)[:, None]  # [N, 1]

    def fitted(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        share = (design @ coefficients + leverage / 2) / (1 + leverage)
        return np.clip(share, leverage / 4, 1 - leverage / 4)

    n_columns, n_units = design.shape[1], probabilities.shape[1]
    means, covariance = np.zeros((n_draws, n_columns, n_units)), np.zeros((n_units, n_columns, n_columns))
    n_covariances = len(range(0, n_draws, DRAWS_PER_COVARIANCE))
    for units in _unit_blocks(*probabilities.shape):
        block, odds = probabilities[:, units], prior[units] / (1 - prior[units])
        share = fitted(projection @ block)
        for draw in range(-BURN_IN, n_draws):
            on = _draw_units(block, share / (1 - share) / odds, generator)
            estimate = projection @ on  # [P, k]
            if draw % DRAWS_PER_COVARIANCE == 0 or draw == -BURN_IN:
                expected = fitted(estimate)
                spread = expected * (1 - expected)
                sampling = np.stack([(projection * column) @ projection.T for column in spread.T])  # [k, P, P]
                root = np.linalg.cholesky(sampling)
                if draw >= 0:
                    covariance[units] += sampling / n_covariances
            noise = generator.standard_normal((estimate.shape[1], n_columns))
            share = fitted(estimate + np.einsum("kpq,kq->pk", root, noise))
            if draw >= 0:
                means[draw][:, units] = estimate
    return Draws(means, covariance)


def _unit_blocks(n_documents: int, n_units: int) -> Iterator[slice]:
    """Cut the units into blocks of at most `MAX_VALUES` probabilities."""
    size = max(1, MAX_VALUES // max(1, n_documents))
    for start in range(0, n_units, size):
        yield slice(start, min(start + size, n_units))


def _draw_units(
    probabilities: NDArray[np.float32], odds_ratio: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Draw units, `[N, k]`, whose odds are those of `probabilities` times `odds_ratio`."""
    on = probabilities * odds_ratio
    # Compares odds, u / (1 - u) < on / off, without a division.
    uniform = generator.random(probabilities.shape, dtype=np.float32)
    return (uniform * (on + (1 - probabilities)) < on).astype(np.float32)
