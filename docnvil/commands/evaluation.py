"""Steps, intervals and files of values that the commands perplexity and completion share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import note
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.analysis.bootstrap import Intervals
    from docnvil.analysis.completion import Completion, CompletionScores
    from docnvil.analysis.gain import UnitsGain
    from docnvil.analysis.perplexity import DocumentBounds, Perplexity
    from docnvil.model.null_models import NullModel
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel

    DocumentScores = DocumentBounds | CompletionScores
    Perplexities = Perplexity | Completion


def load_model_to_evaluate(model: Path, source: Path, options: Mapping[str, Any]) -> "FittedModel":
    """Load a model, after a check that the file of values can be written."""
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.storage.model_folder import load_model

    if options["out"] is not None:
        claim_output(options["out"])
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
        note(f"Wrote {out}: {counted(matrix.n_documents, 'document')}.")
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


def null_model_of(fitted: "FittedModel") -> "NullModel | None":
    """Return the model's output layer without units; print a note if the folder does not contain it."""
    null_model = fitted.null_model()
    if null_model is None:
        note(
            "The model was written by a version of docnvil that did not fit its output layer without units, so that"
            " comparison is missing. Train the model again to see it."
        )
    return null_model


def format_null_models(unigram: "Perplexities", no_units: "Perplexities | None", name: str) -> str:
    """Return one perplexity of the unigram model and of the layer without units, in parentheses.

    The softmax layer without units is the unigram model itself, so it is not repeated.
    """
    text = f"unigram model: {getattr(unigram, name):.2f}"
    if no_units is not None and getattr(no_units, name) != getattr(unigram, name):
        text += f"; same layer, no units: {getattr(no_units, name):.2f}"
    return f"({text})"


def no_units_json(no_units: "Perplexities | None", gain: "UnitsGain | None") -> dict[str, float | str | None]:
    """Return the perplexities of the layer without units, and the verdict, as JSON entries; None where unknown."""
    names = ("perplexity_per_document", "perplexity_per_word")
    return {f"no_units_{name}": getattr(no_units, name, None) for name in names} | gain_json(gain)


def gain_json(gain: "UnitsGain | None") -> dict[str, str | None]:
    """Return whether the model is better than its layer without units as an entry of a JSON object."""
    return {"no_units_verdict": None if gain is None else gain.verdict}


def nothing_learned(result: "Perplexities", no_units: "Perplexities | None", gain: "UnitsGain | None") -> str:
    """Return a line to append if the model is not better than its layer without units, per document and per word."""
    if no_units is None or gain is None:
        return ""
    text = gain.describe(result.perplexity_per_document, no_units.perplexity_per_document)
    return "" if text is None else f"\n{text}"
