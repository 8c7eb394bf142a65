"""docnvil outliers: find documents that do not fit the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import excerpts_for_model, load_for_model
from docnvil.commands.options import (
    CORPUS,
    CSV_FILE,
    CSV_SAFE,
    DEVICE,
    JSON,
    MODEL,
    POSITIVE,
    SOURCE,
    force_option,
    model_source_options,
    seed_option,
    with_options,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo, echo_json, note
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.analysis.outliers import OutlierScores
    from docnvil.text.document_term_matrix import DocumentTermMatrix

COLUMNS = ("id", "score", "foreign", "mixed", "gain", "expected_gain", "unknown", "words", "title", "excerpt")
KINDS = {"any": "score", "foreign": "foreign", "mixed": "mixed"}
EXCERPT_SHOWN = 110  # characters
SHOWN_UNSCORED = 20  # ids of documents without scores
MAX_SHARE_UNKNOWN = 0.5  # of the words of a document without a score that is not named


@click.command()
@with_options(MODEL, SOURCE)
@click.option("--reference", type=CORPUS, help="Corpus of normal documents.", show_default="CORPUS itself")
@click.option("--kind", type=click.Choice(list(KINDS)), default="any", help="Kind of outliers that come first.")
@click.option("--top", type=POSITIVE, default=10, help="Number of documents to print.")
@click.option("--out", type=CSV_FILE, help="CSV file for the scores of all documents.")
@with_options(CSV_SAFE, force_option(), seed_option("Seed of the calibration."), DEVICE, JSON, model_source_options)
def outliers(
    model: Path, source: Path, reference: Path | None, out: Path | None, as_json: bool, **options: Any
) -> None:
    """List the documents of CORPUS that do not fit MODEL, compared with documents of the same length.

    \b
    docnvil outliers model/ posts.jsonl
    docnvil outliers model/ new.jsonl --reference posts.jsonl --kind foreign --out scores.csv

    The gain is how many nats per word the model is better than the same layer without units; beside it is the gain of
    reference documents of the same length. "foreign", in standard deviations, is large for documents whose gain is too
    small, whose words are too unlikely or too likely for their length, or with many unknown words. "mixed" is the log
    odds that the document is a mixture of two, from a classifier of artificial mixtures. The score is the larger of the
    two, each as -log of the share of reference documents with a larger value.

    Most documents of the reference must be normal. Documents with fewer than ten known words have no scores.
    """
    from docnvil.errors import CheckpointError
    from docnvil.storage.model_folder import load_model

    if out is not None:
        from docnvil.runtime.folders import refuse_existing_file

        claim_output(out)
        refuse_existing_file(out, force=options["force"])
    fitted = load_model(model, options["device"])
    if fitted.null_model() is None:
        raise CheckpointError(f"{model} is of an earlier version and lacks the layer without units. Train it again.")
    matrix = load_for_model(source, options, fitted, may_be_empty=True)
    normal = matrix if reference is None else load_for_model(reference, options, fitted)
    scores = fitted.outliers(matrix, normal, seed=options["seed"])
    order = _order(scores, options["kind"])
    columns = _columns(scores, matrix)
    if out is not None:
        _write(out, columns, excerpts_for_model(source, options, fitted, matrix))
        note(f"Wrote {out}: the scores of {counted(matrix.n_documents, 'document')}.")
    top = order[: options["top"]]
    if as_json or out is None:
        by_row = dict(zip(sorted(top), excerpts_for_model(source, options, fitted, matrix, top), strict=True))
        rows = []
        for row in top:
            values = {name: values[row] for name, values in columns.items()}
            rows.append({**values, "title": by_row[row].title, "excerpt": by_row[row].text})
        _print(rows, as_json)
    _note_unscored(columns)


def _note_unscored(columns: Mapping[str, list[Any]]) -> None:
    """Tell how many documents have no scores; those with many unknown words, which may be outliers, by their ids."""
    from docnvil.errors import format_examples

    rows = [row for row, score in enumerate(columns["score"]) if score is None]
    if not rows:
        return
    shares = [(columns["unknown"][row] or 0, row) for row in rows]
    foreign = sorted(((share, row) for share, row in shares if share > MAX_SHARE_UNKNOWN), reverse=True)
    unscored = "1 document has" if len(rows) == 1 else f"{len(rows):,} documents have"
    note(f"{unscored} fewer than ten known words and no score.")
    if foreign:
        ids = format_examples([columns["id"][row] for _, row in foreign], SHOWN_UNSCORED)
        note(f"More than half of the words are unknown in {ids}: look at these as well.")


def _order(scores: "OutlierScores", kind: str) -> list[int]:
    """Return the rows with scores, the furthest from the reference first."""
    import numpy as np

    values, foreign = getattr(scores, KINDS[kind]), scores.foreign
    rows = np.flatnonzero(~np.isnan(values))
    return rows[np.lexsort((-foreign[rows], -values[rows]))].tolist()


def _columns(scores: "OutlierScores", matrix: "DocumentTermMatrix") -> dict[str, list[Any]]:
    """Return the columns of the table, None where a document has no value."""
    names = ("score", "foreign", "mixed", "gain", "expected_gain")
    columns: dict[str, list[Any]] = {"id": list(matrix.ids)}
    for name in names:
        columns[name] = [None if value != value else value for value in getattr(scores, name).tolist()]
    unknown = scores.unknown
    columns["unknown"] = [None] * matrix.n_documents if unknown is None else unknown.tolist()
    return {**columns, "words": matrix.lengths.tolist()}


def _write(out: Path, columns: Mapping[str, list[Any]], excerpts: Any) -> None:
    """Write the scores as CSV, one document at a time."""
    from docnvil.runtime.folders import replacing_file
    from docnvil.storage.csv_files import csv_writer

    with replacing_file(out) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow(COLUMNS)
        for *values, excerpt in zip(*columns.values(), excerpts, strict=True):
            formatted = [f"{value:.5g}" if isinstance(value, float) else value for value in values]
            writer.writerow([*formatted, excerpt.title, excerpt.text])


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        echo_json({"documents": rows})
        return
    echo("score  id  title")
    for row in rows:
        unknown = "" if row["unknown"] is None else f", {row['unknown']:.0%} unknown words"
        echo(
            f"{row['score']:5.2f}  {row['id']}  {row['title']}\n"
            f"       foreign {row['foreign']:+.1f}, mixed {row['mixed']:+.1f}, gain {row['gain']:.2f} nats per word"
            f" (expected {row['expected_gain']:.2f}), {row['words']:,} known words{unknown}\n"
            f"       {row['excerpt'][:EXCERPT_SHOWN]}"
        )
