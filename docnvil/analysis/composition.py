"""Method of composition: regressions on units that are not observed, with the uncertainty of their codes.

Each draw samples whether the units are on in each document, h ~ p(h | x, z), and then the coefficients of a regression
of h on the document's variables z. The draws are pooled by Rubin's rules.

p(h | x, z) is not p(h | x): the variables change how probable units are before the document is read, and units drawn
without them make every difference too small. Documents with variables z are taken to have the prior

    p(h | z) proportional to p(h) exp(sum_k delta_k(z) h_k)

where delta(z) makes p(h_k = 1 | z) equal to what the regression gives. Given the document, p(h | x, z) is proportional
to p(h | x) exp(sum_k delta_k(z) h_k): weighted samples of p(h | x) get other weights.

The coefficients are drawn again after each draw of h (data augmentation), so that their uncertainty is included, too.

Source: Tanner & Wong (1987), *The calculation of posterior distributions by data augmentation*; Roberts et al. (2014),
*Structural topic models for open-ended survey responses* (the method of composition for topic models).

Axes: R draws, N documents, K units, G groups, P columns of a regression.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from docnvil.analysis.posterior import PosteriorSamples

BURN_IN = 10  # draws before the first that counts; the chain starts at the groups' mean probabilities
MAX_VALUES = 2_000_000  # probabilities, and weights of prior samples, that exist at once
CELLS_PER_COLUMN = 20  # values of a continuous regressor that are told apart by the prior
MIN_PRIOR_SAMPLES = 1000
FIRST_STEPS, STEPS, DAMPING = 30, 3, 0.5  # of the search for a tilt
MAX_TILT = 12.0
MIN_SHARE = 1e-5
MAX_CORRELATION, MIN_DRAWS = 0.95, 2.0  # of consecutive draws, and independent ones

# From a chunk of rows, the group of each `[n]` and a generator to units `[n, K]`.
Sampler = Callable[[slice, NDArray[np.int64], np.random.Generator], NDArray[np.float32]]


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
        The draws follow each other in a chain, so that R counts as R / tau independent ones; tau is the integrated
        autocorrelation time, and the sample variance of the draws is (1 - tau / R) B.

        Source: Rubin (1987), *Multiple imputation for nonresponse in surveys*, section 3.1; Geyer (1992), *Practical
        Markov chain Monte Carlo*, for tau.

        Arguments:
            contrasts: `[C, T]`, the weights of the T quantities in each combination.
        """
        combined = np.einsum("ct,rtk->rck", contrasts, self.means)
        if self.covariance.ndim == 2:
            within = contrasts**2 @ self.covariance.T
        else:
            within = np.einsum("ct,ktu,cu->ck", contrasts, self.covariance, contrasts, optimize=True)
        between = combined.var(axis=0)
        share = 1 / _independent_draws(combined)
        return combined.mean(axis=0), np.sqrt(within + (1 + share) / (1 - share) * between)


def compose_groups(
    units: "LatentUnits", codes: NDArray[np.int64], n_draws: int, generator: np.random.Generator
) -> Draws:
    """Draw the prevalence of each unit in each group of documents; the T quantities are the G groups.

    Given h, the prevalence has the distribution Beta(s + 1/2, n - s + 1/2) (Jeffreys prior), with s of the group's n
    documents on.

    Arguments:
        units: the units, which are not observed.
        codes: `[N]`, the group of each document, from 0; every group has documents.
        n_draws: R.
        generator: for the draws.
    """
    n_groups = int(codes.max()) + 1
    members = csr_array((np.ones(len(codes), np.float32), (codes, np.arange(len(codes)))), (n_groups, len(codes)))
    sizes = np.bincount(codes)[:, None]  # [G, 1]
    n_units = units.probabilities.shape[1]
    means, variances = np.zeros((n_draws, n_groups, n_units)), np.zeros((n_units, n_groups))
    tilt = units.tilt((members @ units.probabilities + 0.5) / (sizes + 1))
    for draw in range(-BURN_IN, n_draws):
        on = np.zeros((n_groups, n_units))
        for rows, sample in units.sample(tilt, codes, generator):
            on += members[:, rows] @ sample
        first, second = on + 0.5, sizes - on + 0.5
        tilt = units.tilt(generator.beta(first, second), tilt)
        if draw >= 0:
            means[draw] = first / (sizes + 1)
            variances += (first * second / (sizes + 1) ** 2 / (sizes + 2)).T / n_draws
    return Draws(means, variances)


def compose_regression(
    units: "LatentUnits", design: NDArray[np.float64], n_draws: int, generator: np.random.Generator
) -> Draws:
    """Draw the coefficients of a linear regression of each unit on the columns of a design; the T quantities.

    The regression is by least squares; its sampling covariance allows for the variance m (1 - m) of a binary unit. With
    l the leverage of a document, m counts as (m + l/2) / (1 + l), which is the mean of `compose_groups` for dummies.

    Arguments:
        units: the units, which are not observed.
        design: `[N, P]`, the regressors from 0 to 1, with a column of ones; of full rank.
        n_draws: R.
        generator: for the draws.
    """
    inverse = np.linalg.inv(design.T @ design)
    projection = inverse @ design.T  # [P, N]
    # Documents with nearly the same regressors have the same prior.
    _, first, cells = np.unique(np.round(design * CELLS_PER_COLUMN), axis=0, return_index=True, return_inverse=True)
    leverage = np.einsum("cp,pq,cq->c", design[first], inverse, design[first])[:, None]  # [C, 1]
    sizes = np.bincount(cells.ravel())

    def fitted(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        share = (design[first] @ coefficients + leverage / 2) / (1 + leverage)
        return np.clip(share, leverage / 4, 1 - leverage / 4)

    n_columns, n_units = design.shape[1], units.probabilities.shape[1]
    means, covariance = np.zeros((n_draws, n_columns, n_units)), np.zeros((n_units, n_columns, n_columns))
    directions = inverse @ design[first].T  # [P, C]
    tilt = units.tilt(fitted(projection @ units.probabilities))
    for draw in range(-BURN_IN, n_draws):
        estimate = np.zeros((n_columns, n_units))
        for rows, sample in units.sample(tilt, cells.ravel(), generator):
            estimate += projection[:, rows] @ sample
        expected = fitted(estimate)
        spread = expected * (1 - expected) * sizes[:, None]  # [C, K]
        sampling = np.array([(directions * column) @ directions.T for column in spread.T])
        sampling = sampling.reshape(n_units, n_columns, n_columns)  # also of no unit
        noise = generator.standard_normal((n_units, n_columns))
        drawn = estimate + np.einsum("kpq,kq->pk", np.linalg.cholesky(sampling), noise)
        tilt = units.tilt(fitted(drawn), tilt)
        if draw >= 0:
            means[draw] = estimate
            covariance += sampling / n_draws
    return Draws(means, covariance)


@dataclass(frozen=True)
class LatentUnits:
    """Units that are not observed, and how to draw them for documents whose prior is tilted.

    Arguments:
        probabilities: `[N, K]`, p(h_k = 1 | x).
        prior: `[K]`, p(h_k = 1), between 0 and 1.
        chosen: `[K]`, the numbers of these units in `samples`, which may have more.
        samples: of all units together; None if they are independent.
    """

    probabilities: NDArray[np.float32]
    prior: NDArray[np.float64]
    chosen: NDArray[np.int64]
    samples: PosteriorSamples | None

    def tilt(self, shares: NDArray[np.float64], start: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return delta, `[C, K]`, with which the tilted prior has the probabilities `shares`, `[C, K]`.

        For dependent units it is found by damped fixed-point steps; `start`, the delta of the last draw, is close.
        """
        target = _logit(shares)
        independent = np.clip(target - _logit(self.prior), -MAX_TILT, MAX_TILT)
        if self.samples is None or self.samples.prior is None:
            return independent
        n_samples = max(MIN_PRIOR_SAMPLES, MAX_VALUES // len(shares))
        samples = self.samples.prior[:n_samples, self.chosen]  # [M, K]
        delta = independent if start is None else start
        for _ in range(FIRST_STEPS if start is None else STEPS):
            scores = samples @ delta.T.astype(np.float32)  # [M, C]
            weights = np.exp(scores - scores.max(axis=0))
            means = (weights.T @ samples) / weights.sum(axis=0)[:, None]
            delta = np.clip(delta + DAMPING * (target - _logit(means)), -MAX_TILT, MAX_TILT)
        return delta

    def sample(
        self, tilt: NDArray[np.float64], codes: NDArray[np.int64], generator: np.random.Generator
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield chunks of rows and their units, `[n, K]`; the prior of a document is tilted by `tilt[codes]`."""
        draw = self._independent_sampler(tilt) if self.samples is None else self._joint_sampler(tilt, self.samples)
        chunk_size = max(1, MAX_VALUES // max(1, self._values_per_document()))
        for start in range(0, len(codes), chunk_size):
            rows = slice(start, start + chunk_size)
            yield rows, draw(rows, codes[rows], generator)

    def _values_per_document(self) -> int:
        return self.probabilities.shape[1] if self.samples is None else self.samples.log_weights.shape[1]

    def _independent_sampler(self, tilt: NDArray[np.float64]) -> Sampler:
        odds = np.exp(tilt).astype(np.float32)

        def draw(rows: slice, codes: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float32]:
            probabilities = self.probabilities[rows]
            on = probabilities * odds[codes]
            uniform = generator.random(probabilities.shape, dtype=np.float32)
            # Compares u with on / (on + off), without a division.
            return (uniform * (on + (1 - probabilities)) < on).astype(np.float32)

        return draw

    def _joint_sampler(self, tilt: NDArray[np.float64], samples: PosteriorSamples) -> Sampler:
        n_bytes = samples.codes.shape[2]
        tilts = np.zeros((len(tilt), 8 * n_bytes))  # of all units, also of those that are not compared
        tilts[:, self.chosen] = tilt
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)  # [256, 8]
        # What each byte of a code adds to the log-weight of a sample.
        scores = (tilts.reshape(len(tilt), n_bytes, 8) @ bits.T).astype(np.float32)  # [C, bytes, 256]

        def draw(rows: slice, codes: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float32]:
            packed = samples.codes[rows]  # [n, S, bytes]
            weights = samples.log_weights[rows].copy()
            for byte in range(n_bytes):
                weights += scores[codes[:, None], byte, packed[:, :, byte]]
            np.exp(weights - weights.max(axis=1, keepdims=True), out=weights)
            cumulative = weights.cumsum(axis=1, dtype=np.float64)
            threshold = generator.random((len(packed), 1)) * cumulative[:, -1:]
            picked = (cumulative <= threshold).sum(axis=1).clip(max=weights.shape[1] - 1)
            units = np.unpackbits(packed[np.arange(len(packed)), picked], axis=1)
            return units[:, self.chosen].astype(np.float32)

        return draw


def _independent_draws(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many independent draws are as good as the R of each chain, `[R, ...]`, as if it were of order 1."""
    centered = chains - chains.mean(axis=0)
    squares = np.maximum((centered**2).sum(axis=0), np.finfo(float).tiny)
    correlation = np.clip((centered[1:] * centered[:-1]).sum(axis=0) / squares, 0, MAX_CORRELATION)
    return np.maximum(MIN_DRAWS, len(chains) * (1 - correlation) / (1 + correlation))


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    probability = np.clip(probability, MIN_SHARE, 1 - MIN_SHARE)
    return np.log(probability) - np.log1p(-probability)
