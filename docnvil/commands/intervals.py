"""The option --interval: how far a perplexity would move with other documents, in words and in JSON."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docnvil.analysis.bootstrap import Intervals

interval_option = click.option(
    "--interval",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Also give bootstrap intervals that hold this share, for instance 0.95.",
)


def intervals(
    log_likelihood: "NDArray[np.float64]", lengths: "NDArray[np.float64]", share: float | None, seed: int
) -> "Intervals | None":
    """Return the intervals asked for, None if none were."""
    if share is None:
        return None
    from docnvil.analysis.bootstrap import bootstrap_intervals

    return bootstrap_intervals(log_likelihood, lengths, share, seed=seed)


def in_json(spread: "Intervals | None") -> dict[str, Any]:
    """Return what a command's JSON says of the intervals."""
    from dataclasses import asdict

    return {} if spread is None else {"interval": asdict(spread)}


def in_words(spread: "Intervals | None") -> tuple[str, str]:
    """Return what stands behind the perplexity per document, and behind the one per word."""
    if spread is None:
        return "", ""
    pairs = (spread.perplexity_per_document, spread.perplexity_per_word)
    return tuple(f"   ({spread.share:.4g} interval {low:.2f} to {high:.2f})" for low, high in pairs)
