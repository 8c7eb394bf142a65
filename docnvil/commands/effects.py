"""docnvil effects: compare the prevalence of units between groups of documents, or over time."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from docnvil.analysis.covariates import Bins
from docnvil.analysis.significance import Correction
from docnvil.commands.inputs import load_for_model, note_unknown_tokens
from docnvil.commands.numbers import WholeNumber
from docnvil.commands.options import (
    CSV_FILE,
    CSV_SAFE,
    DEVICE,
    JSON,
    MODEL,
    POSITIVE,
    PROPORTION,
    SOURCE,
    SVG_FILE,
    force_option,
    model_source_options,
    seed_option,
    with_options,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo_result, note
from docnvil.errors import counted
from docnvil.runtime.paths import resolve

if TYPE_CHECKING:
    import pandas as pd

    from docnvil.analysis.effects import Effects
    from docnvil.training.fitted_model import FittedModel


@click.command()
@with_options(MODEL, SOURCE)
@click.option("--by", multiple=True, metavar="COLUMN", help="Column with categories; may be repeated.")
@click.option("--over", metavar="COLUMN", help="Column with dates.")
@click.option("--bins", type=click.Choice(get_args(Bins)), default="month", help="Size of the bins of dates.")
@click.option("--date-format", metavar="FORMAT", help="Format of the dates, such as %d/%m/%Y.")
@click.option(
    "--reference", "references", multiple=True, metavar="COLUMN=VALUE", help="Value that others are compared with."
)
@click.option(
    "--correction", type=click.Choice(get_args(Correction)), default="holm", help="Correction for multiple comparisons."
)
@click.option("--interval", type=PROPORTION, default=0.95, help="Coverage of the intervals.")
@click.option("--samples", type=POSITIVE, default=50, help="Samples per document.")
@click.option("--draws", type=WholeNumber(min=2), default=100, help="Draws of the units.")
@click.option("--top", type=POSITIVE, default=20, help="Number of differences to print.")
@click.option("--out", type=CSV_FILE, help="CSV file for all differences; prevalences go to NAME.prevalence.csv.")
@click.option("--plot", type=SVG_FILE, help="SVG file for the differences and the prevalence over time.")
@with_options(CSV_SAFE, force_option(), seed_option("Seed of the random draws."), DEVICE, JSON, model_source_options)
def effects(model: Path, source: Path, out: Path | None, plot: Path | None, **options: Any) -> None:
    """Compare how often the units of MODEL are on in groups of documents of CORPUS, or over time.

    \b
    docnvil effects model/ posts.jsonl --by group
    docnvil effects model/ speeches.csv --by party --by chamber --over date --bins year
    docnvil effects model/ speeches.csv --by party --out effects.csv --plot effects.svg

    With one column, each group is compared with all other documents, or with --reference. With several columns or
    dates, a linear regression on all of them gives each difference with the others held constant; dates enter it as a
    linear trend from the first to the last.

    The intervals include the uncertainty of which units are on in a document. A difference is significant if its
    p-value, corrected for the number of differences, is below 1 - INTERVAL. Holm's correction limits the probability of
    any false one, Benjamini and Hochberg's the expected share of false ones.
    """
    from docnvil.errors import ConfigurationError
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.publishing import complete_publication
    from docnvil.storage.model_folder import load_model

    if not options["by"] and options["over"] is None:
        raise click.UsageError("There is nothing to compare. Name a column with --by, or dates with --over.")
    references = _read_references(options["references"], options["by"])
    files = [*((out, prevalence_path(out)) if out else ()), *((plot,) if plot else ())]
    if len(set(map(resolve, files))) < len(files):
        raise click.UsageError("--out and --plot name the same file. Choose two different files.")
    if files:
        claim_output(files[0], others=files[1:])
        complete_publication(*files)
    for file in files:
        refuse_existing_file(file, force=options["force"], option="--plot" if file == plot else "--out")
    fitted = load_model(model, options["device"])
    matrix = load_for_model(source, options, fitted)
    note_unknown_tokens(matrix)
    id_column = matrix.reading.get("id_column", "id")
    if id_column in options["by"] and id_column not in matrix.metadata:
        raise ConfigurationError(
            f"Column {id_column!r} has the ids of the documents, which differ from document to document. Name a column"
            " with groups."
        )
    result = fitted.effects(
        matrix,
        options["by"],
        options["over"],
        bins=options["bins"],
        date_format=options["date_format"],
        references=references,
        share=options["interval"],
        correction=options["correction"],
        n_samples=options["samples"],
        n_draws=options["draws"],
        seed=options["seed"],
    )
    if files:
        _write(result, out, plot, options["over"], fitted)
    text = _report(_with_words(result, fitted), options["top"])
    if options["over"] is not None and not files:
        text += f"\nThe prevalence in each {options['bins']} is in the files of --out and --plot, and in --json."
    echo_result(_values(result), text, as_json=options["as_json"])


def prevalence_path(path: Path) -> Path:
    """Return the path of the prevalences beside the file of differences."""
    return path.with_name(f"{path.stem}.prevalence.csv")


def _read_references(texts: tuple[str, ...], by: tuple[str, ...]) -> dict[str, str]:
    """Return the value of each column; with one column, its name may be left out."""
    references = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not equals and len(by) == 1:
            column, value = by[0], text
        if not (column and value):
            example = f"{by[0] if by else 'party'}={text.strip('=') or 'left'}"
            raise click.UsageError(
                f"--reference {text} does not name both a column and a value. Write it like --reference {example}."
            )
        if column in references:
            raise click.UsageError(f"--reference names column {column!r} twice. Give one value.")
        references[column] = value
    return references


def _with_words(result: "Effects", fitted: "FittedModel") -> "Effects":
    """Return the effects with the first words of each unit that has no name, for people to read."""
    described = [
        fitted.unit_label(unit) if fitted.unit_names[unit] or not words else f"unit {unit} ({', '.join(words)})"
        for unit, words in enumerate(fitted.top_words(3))
    ]
    frames = {name: getattr(result, name) for name in ("effects", "prevalence")}
    named = {name: frame.assign(name=[described[unit] for unit in frame["unit"]]) for name, frame in frames.items()}
    return replace(result, **named)


def _write(result: "Effects", out: Path | None, plot: Path | None, over: str | None, fitted: "FittedModel") -> None:
    from docnvil.report.effect_plots import effects_figure
    from docnvil.runtime.publishing import writing_together
    from docnvil.storage.csv_files import LINE_END, guarded_frame

    texts = {}
    if out is not None:
        for path, frame in ((out, result.effects), (prevalence_path(out), result.prevalence)):
            texts[path] = guarded_frame(frame).to_csv(index=False, float_format="%.6g", lineterminator=LINE_END)
    if plot is not None:
        texts[plot] = effects_figure(_with_words(result, fitted), over)
    with writing_together(*texts) as drafts:
        for draft, text in zip(drafts, texts.values(), strict=True):
            draft.write_bytes(text.encode("utf-8"))
    for path in texts:
        note(f"Wrote {path}.")


def _values(result: "Effects") -> dict[str, Any]:
    frames = {name: _records(getattr(result, name)) for name in ("effects", "prevalence")}
    settings = {name: value for name, value in vars(result).items() if name not in frames}
    return {**settings, "skipped_units": list(result.skipped_units), **frames}


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    return [
        {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _report(result: "Effects", top: int) -> str:
    """Return the most certain differences as a table."""
    from docnvil.report.effect_plots import describe_row, strongest

    rows = strongest(result.effects, top)
    labels = [
        describe_row(*each) for each in rows[["name", "column", "value", "compared_with"]].itertuples(index=False)
    ]
    width = max([len(label) for label in labels], default=10)
    lines = [f"{'':<{width}}  difference  {result.share:.4g} interval    p, corrected"]
    for label, row in zip(labels, rows.itertuples(index=False), strict=True):
        interval = f"{row.low:+.3f} to {row.high:+.3f}"
        p_value = "< 0.0001" if row.p_adjusted < 1e-4 else f"{row.p_adjusted:.4f}"
        star = " *" if row.significant else ""
        lines.append(f"{label:<{width}}  {row.estimate:+10.3f}  {interval:>16}    {p_value:>8}{star}")
    n_significant, n_rows = int(result.effects["significant"].sum()), len(result.effects)
    others = ", with the other columns held constant" if result.adjusted else ""
    if (n_shown := len(rows)) < n_rows - result.effects["estimate"].isna().sum():
        lines.append(f"... the largest {n_shown:,} of {n_rows:,}; raise --top, or write all with --out.")
    lines.append(
        f"\n{n_significant:,} of {n_rows:,} differences are significant (*; correction: {result.correction}){others}."
    )
    left_out = [
        f"{result.n_missing:,} without a value" * bool(result.n_missing),
        f"{result.n_empty:,} without words" * bool(result.n_empty),
    ]
    left_out = " and ".join(filter(None, left_out))
    lines.append(f"From {counted(result.n_documents, 'document')}" + (f"; {left_out} left out." if left_out else "."))
    if result.skipped_units:
        units = ", ".join(map(str, result.skipped_units[:10])) + (", ..." if len(result.skipped_units) > 10 else "")
        lines.append(f"Not compared, because they are on or off in practically all documents: units {units}.")
    return "\n".join(lines)
