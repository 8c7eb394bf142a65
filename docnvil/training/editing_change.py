"""The change in held-out nats per document that an edit of a model makes, with paired intervals.

Axes: N documents, R resamples. Unit: nats.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docnvil.analysis.bootstrap import RESAMPLES, resampled_rows
from docnvil.analysis.perplexity import document_bounds
from docnvil.errors import CorpusError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.runtime.randomness import stream
from docnvil.text.sparse import CountRows
from docnvil.training.fitted_model import FittedModel

SHARE = 0.95
BOUND_NAMES = ("elbo", "importance")


@dataclass(frozen=True)
class MeanChange:
    """The mean of log p(x) after minus before, in nats per document, and its interval; below 0 the edit loses nats."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class NatsChange:
    """What an edit changes on held-out documents.

    Arguments:
        elbo: the change of the variational bound.
        importance: the change of the importance-weighted bound, which depends less on q.
        documents: N, the documents with words.
        samples: S, samples per document of both bounds.
        share: the coverage of the intervals.
    """

    elbo: MeanChange
    importance: MeanChange
    documents: int
    samples: int
    share: float = SHARE


def held_out_nats(
    network: BeliefNetwork, counts: CountRows, *, n_samples: int = 10, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Return both bounds on log p(x) of each document with words, `[N]` each, from the same samples.

    Raises:
        CorpusError: no document has a word.
    """
    bounds = document_bounds(network, counts, bound="importance", n_samples=n_samples, seed=seed)
    filled = bounds.lengths > 0
    if not filled.any():
        raise CorpusError("No document has a word of the model's vocabulary, so edits cannot be evaluated on them.")
    elbo = bounds.reconstruction - bounds.kl
    return {"elbo": elbo[filled], "importance": bounds.log_likelihood[filled]}


def nats_change(
    before: Mapping[str, NDArray[np.float64]],
    after: Mapping[str, NDArray[np.float64]],
    *,
    n_samples: int,
    seed: int = 0,
) -> NatsChange:
    """Return the mean changes from `held_out_nats` before and after an edit, with 95 % bootstrap intervals.

    The documents are resampled in pairs, so their different lengths do not widen the intervals.

    Example:
        >>> before = {"elbo": np.array([-9.0, -20.0]), "importance": np.array([-8.0, -19.0])}
        >>> after = {name: values - 0.5 for name, values in before.items()}
        >>> nats_change(before, after, n_samples=10).elbo
        MeanChange(mean=-0.5, low=-0.5, high=-0.5)
    """
    differences = np.stack([after[name] - before[name] for name in BOUND_NAMES])  # [2, N]
    n_documents, generator = differences.shape[1], stream(seed, "bootstrap of an edit")
    resamples = resampled_rows(n_documents, RESAMPLES, generator)
    means = [np.stack([each[rows].mean(1) for each in differences]) for rows in resamples]  # of [2, r]
    quantiles = np.quantile(np.concatenate(means, axis=1), [(1 - SHARE) / 2, (1 + SHARE) / 2], axis=1).T
    changes = [
        MeanChange(float(each.mean()), *map(float, bounds)) for each, bounds in zip(differences, quantiles, strict=True)
    ]
    return NatsChange(*changes, documents=n_documents, samples=n_samples)


def with_change(model: FittedModel, change: NatsChange) -> FittedModel:
    """Return an edited model whose last edit records what it changed on held-out documents."""
    *earlier, last = model.edits
    record: dict[str, Any] = {**last, "change": asdict(change)}
    return replace(model, edits=(*earlier, record))
