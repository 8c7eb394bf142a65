"""Logistic regressions that fit edited units to what the units before the edit do.

Axes: N documents or samples, P inputs, K units, M of them merged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

Features = csr_array | NDArray[np.float64]

# The Gaussian prior holds parameters that few documents constrain. Its precision, the iterations and the numbers of
# documents and samples were chosen on 20 Newsgroups: more of them change the bound by less than 0.05 nats.
ITERATIONS = 50
PRECISION = 10.0


@dataclass(frozen=True)
class FittedUnits:
    """Parameters of units of which each is a logistic regression on inputs and on the units before it.

    Arguments:
        weight: `[P, M]`, the weights of the merged units on the inputs.
        bias: `[K]`.
        lateral: `[K, K]`, the weights on earlier units, of which the part below the diagonal is used.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    lateral: NDArray[np.float64]


def fit_units(
    targets: NDArray[np.float64],
    offsets: NDArray[np.float64],
    initial: FittedUnits,
    *,
    features: Features | None = None,
    merged: tuple[int, ...] = (),
    autoregressive: bool = False,
    refitted: NDArray[np.bool_] | None = None,
) -> FittedUnits:
    """Return the most probable parameters of the units whose values, or probabilities of being on, are given.

    The logits of unit k are offset + bias + sum_(j<k) L_kj h_j, and F w for a merged unit. The problem is convex.

    Arguments:
        targets: `[N, K]`, values or probabilities of the units; also the values of earlier units.
        offsets: `[N, K]`, the part of the logits that stays as it is; without that of merged units.
        initial: where to start, and the center of a Gaussian prior.
        features: `[N, P]`, the inputs F of the merged units.
        merged: M unit numbers.
        autoregressive: whether units depend on the units before them.
        refitted: `[K]`, the units whose bias and lateral weights are fitted; by default the merged ones.

    Example:
        A unit that is on in a quarter of the samples, whose bias becomes log(1/3), almost:

        >>> start = FittedUnits(np.zeros((0, 0)), np.zeros(1), np.zeros((1, 1)))
        >>> on = np.repeat([[0.0], [0.0], [0.0], [1.0]], 1000, axis=0)
        >>> fit_units(on, np.zeros((4000, 1)), start, refitted=np.array([True])).bias.round(2)
        array([-1.08])
    """
    if refitted is None:
        refitted = np.isin(np.arange(targets.shape[1]), merged)
    problem = _Regressions(targets, offsets, features, merged, np.flatnonzero(refitted), autoregressive)
    start = problem.flattened(initial)
    options = {"maxiter": ITERATIONS}
    result = minimize(problem.loss, start, args=(start,), jac=True, method="L-BFGS-B", options=options)
    return problem.fitted(result.x, initial)


class _Regressions:
    """The regressions of some units as one problem over a vector of parameters; see `fit_units`."""

    def __init__(
        self,
        targets: NDArray[np.float64],
        offsets: NDArray[np.float64],
        features: Features | None,
        merged: tuple[int, ...],
        rows: NDArray[np.int64],
        autoregressive: bool,
    ) -> None:
        n_units = targets.shape[1]
        self._targets, self._chosen, self._offsets = targets, targets[:, rows], offsets[:, rows]
        self._features, self._rows = features, rows
        self._merged = [rows.tolist().index(unit) for unit in merged]
        self._mask = np.tril(np.ones((n_units, n_units)), -1)[rows] * autoregressive  # lateral weights that are fitted
        n_inputs = 0 if features is None else features.shape[1]
        self._shapes = ((n_inputs, len(merged)), (len(rows),), (len(rows), n_units))

    def flattened(self, units: FittedUnits) -> NDArray[np.float64]:
        """Return the parameters that are fitted as one vector."""
        rows = self._rows
        return np.concatenate([units.weight.ravel(), units.bias[rows], units.lateral[rows].ravel()])

    def fitted(self, values: NDArray[np.float64], initial: FittedUnits) -> FittedUnits:
        """Return the parameters of all units; those that are not fitted are the initial ones."""
        weight, biases, laterals = self._split(values)
        bias, lateral = initial.bias.copy(), initial.lateral.copy()
        bias[self._rows], lateral[self._rows] = biases, laterals * self._mask
        return FittedUnits(weight, bias, lateral)

    def loss(self, values: NDArray[np.float64], center: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return minus the log-probability of targets and parameters, up to a constant, and its gradient."""
        weight, bias, lateral = self._split(values)
        logits = self._offsets + bias + self._targets @ (lateral * self._mask).T
        if self._merged:
            logits[:, self._merged] += self._features @ weight
        residual = expit(logits) - self._chosen
        by_weight = self._features.T @ residual[:, self._merged] if self._merged else np.zeros(self._shapes[0])
        by_lateral = (residual.T @ self._targets) * self._mask
        gradient = np.concatenate([np.ravel(by_weight), residual.sum(0), by_lateral.ravel()])
        distance = values - center
        loss = float((np.logaddexp(0, logits) - self._chosen * logits).sum())
        return loss + 0.5 * PRECISION * float(distance @ distance), gradient + PRECISION * distance

    def _split(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])[:-1]
        return tuple(part.reshape(shape) for part, shape in zip(np.split(values, ends), self._shapes, strict=True))
