"""Effects of the metadata of documents on the units of a model: from counts and columns to `Effects`.

Axes: N documents, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from docnvil.analysis.covariates import Bins, categories, dates
from docnvil.analysis.effects import Effects, estimate_effects
from docnvil.analysis.posterior import unit_posteriors
from docnvil.errors import CorpusError
from docnvil.model.belief_network import BeliefNetwork
from docnvil.text.normalization import find_name
from docnvil.text.reading_report import list_items
from docnvil.text.sparse import CountRows

MAX_LISTED = 20


def document_effects(
    model: BeliefNetwork,
    counts: CountRows,
    metadata: Mapping[str, Sequence[str]],
    *,
    by: Sequence[str] = (),
    over: str | None = None,
    bins: Bins = "month",
    date_format: str | None = None,
    n_samples: int = 50,
    seed: int = 0,
    **options: Any,
) -> Effects:
    """Estimate how much more often units are on in documents with some metadata than in others.

    Arguments:
        model: the belief network.
        counts: `[N, V]` CSR.
        metadata: column name to N values, `""` for a missing one.
        by: columns of categories.
        over: a column of dates.
        bins: "day", "week", "month", "quarter" or "year".
        date_format: a format of `datetime.strptime`, for dates that are not of the form 2024-05-31.
        n_samples: samples per document for the posterior of the units.
        seed: determines the samples and the draws.
        options: arguments of `docnvil.analysis.effects.estimate_effects`.

    Raises:
        CorpusError: an unknown column, a value that is not a date, or too few documents or values.
        ConfigurationError: options that do not fit together.
    """
    by = [require_column(metadata, name) for name in by]
    over = None if over is None else require_column(metadata, over)
    variables = [categories(name, metadata[name]) for name in by]
    time = None if over is None else dates(over, metadata[over], bins, date_format)
    posteriors = unit_posteriors(model, counts, n_samples=n_samples, seed=seed)
    return estimate_effects(posteriors, variables, time, seed=seed, **options)


def require_column(metadata: Mapping[str, Sequence[str]], name: str) -> str:
    """Return the name of a column as the documents have it, see `find_name`.

    Raises:
        CorpusError: they do not have it.
    """
    if not metadata:
        raise CorpusError(
            f"The documents have no column {name!r}, nor any other. Give documents with metadata, such as JSON Lines,"
            " CSV or Parquet, or a folder with one subfolder per label."
        )
    if (found := find_name(name, metadata)) is None:
        columns = list_items(map(repr, metadata), MAX_LISTED)
        raise CorpusError(f"The documents have no column {name!r}. Their columns are {columns}.")
    return found
