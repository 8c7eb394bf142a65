"""Steps, intervals and files of values that the commands perplexity and completion share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docnvil.commands.console import note

if TYPE_CHECKING:
    from docnvil.analysis.bootstrap import Intervals
    from docnvil.analysis.completion import CompletionScores
    from docnvil.analysis.perplexity import DocumentBounds
    from docnvil.text.counts import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel

    DocumentScores = DocumentBounds | CompletionScores


def load_model_to_evaluate(model: Path, options: Mapping[str, Any]) -> "FittedModel":
    """Load a model, after a check that the file of values can be written."""
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.storage.model_folder import load_model

    if options["out"] is not None:
        refuse_existing_file(options["out"], force=options["force"])
    return load_model(model, options["device"])


def finish(
    scores: "DocumentScores", matrix: "DocumentTermMatrix", names: Sequence[str], options: Mapping[str, Any]
) -> "Intervals | None":
    """Write the fields `names` of the scores of documents with --out, and return intervals with --interval."""
    from docnvil.analysis.bootstrap import bootstrap_intervals
    from docnvil.storage.tables import write_document_values

    out, share = options["out"], options["interval"]
    if out is not None:
        write_document_values(out, matrix.ids, scores.lengths, {name: getattr(scores, name) for name in names})
        note(f"Wrote {out}: {matrix.n_documents:,} documents.")
    if share is None:
        return None
    return bootstrap_intervals(scores.log_likelihood, scores.lengths, share, seed=options["seed"])


def intervals_json(intervals: "Intervals | None") -> dict[str, Any]:
    """Return the intervals as an entry of a JSON object."""
    return {} if intervals is None else {"interval": asdict(intervals)}


def format_interval(intervals: "Intervals | None", name: str, convert: Callable[[float], float] = float) -> str:
    """Return the interval of one perplexity as text to append; its bounds can be converted to another unit."""
    if intervals is None:
        return ""
    low, high = map(convert, getattr(intervals, name))
    return f"   ({intervals.share:.4g} interval {low:.2f} to {high:.2f})"
