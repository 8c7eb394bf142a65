"""Options, intervals and files of values that the commands perplexity and completion share."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import note
from docnvil.commands.options import CORPUS, Command, add_options, source_options

if TYPE_CHECKING:
    from docnvil.analysis.bootstrap import Intervals
    from docnvil.analysis.completion import CompletionScores
    from docnvil.analysis.perplexity import DocumentBounds
    from docnvil.text.counts import DocumentTermMatrix

PROPORTION = click.FloatRange(0, 1, min_open=True, max_open=True)


def evaluation_options(*, samples: int) -> Callable[[Command], Command]:
    """Return a decorator that adds the shared options; `samples` is the default number of samples per document."""
    at_least_one, at_least_zero = click.IntRange(min=1), click.IntRange(min=0)
    options = (
        click.option("--samples", type=at_least_one, default=samples, help="Samples per document."),
        click.option("--interval", type=PROPORTION, show_default="none", help="Coverage of bootstrap intervals."),
        click.option("--out", type=CORPUS, help="CSV file for the values of each document."),
        click.option("--force", is_flag=True, help="Replace an existing file."),
        click.option("--seed", type=at_least_zero, default=0, help="Seed of the random draws."),
        click.option("--device", default="auto", help="auto, cpu or cuda."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    )
    return lambda command: add_options(source_options(command), *options)


def check_output(out: Path | None, *, force: bool) -> None:
    """Raise an error if the file of values exists and may not be replaced."""
    from docnvil.runtime.folders import refuse_existing_file

    if out is not None:
        refuse_existing_file(out, force=force)


def finish(
    scores: "DocumentBounds | CompletionScores",
    matrix: "DocumentTermMatrix",
    names: Sequence[str],
    share: float | None,
    seed: int,
    out: Path | None,
) -> "Intervals | None":
    """Write the fields `names` of the scores of documents, if a file is given, and return intervals, if a share is."""
    from docnvil.analysis.bootstrap import bootstrap_intervals
    from docnvil.storage.tables import write_document_values

    if out is not None:
        write_document_values(out, matrix.ids, scores.lengths, {name: getattr(scores, name) for name in names})
        note(f"Wrote {out}: {matrix.n_documents:,} documents.")
    return None if share is None else bootstrap_intervals(scores.log_likelihood, scores.lengths, share, seed=seed)


def intervals_json(intervals: "Intervals | None") -> dict[str, Any]:
    """Return the intervals as an entry of a JSON object."""
    return {} if intervals is None else {"interval": asdict(intervals)}


def format_interval(intervals: "Intervals | None", name: str, convert: Callable[[float], float] = float) -> str:
    """Return the interval of one perplexity as text to append; its bounds can be converted to another unit."""
    if intervals is None:
        return ""
    low, high = map(convert, getattr(intervals, name))
    return f"   ({intervals.share:.4g} interval {low:.2f} to {high:.2f})"
