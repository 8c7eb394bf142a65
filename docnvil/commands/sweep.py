"""docnvil sweep: train with several numbers of units and compare them on held-out documents."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.grouped import GroupedCommand, grouped_option
from docnvil.commands.inputs import contains_bits, describe_corpus, load_for_training, load_in_two, load_with_rules
from docnvil.commands.numbers import WholeNumber
from docnvil.commands.options import (
    CORPUS,
    JSON,
    OUT_FOLDER,
    POSITIVE,
    SOURCE,
    SVG_FILE,
    counting_options,
    force_option,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo_result, note, shows_progress
from docnvil.commands.setting_options import (
    Share,
    Sizes,
    current_name,
    setting_options_except,
    settings_of_options,
    with_options,
)
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.comparison.sweep import Sweep, SweepRow, Trial
    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.settings import Settings

# Two heading lines, the field of `SweepRow`, and its format.
COLUMNS: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("perplexity", "per word", "perplexity_per_word", "{:,.1f}".format),
    ("perplexity", "per document", "perplexity_per_document", "{:,.1f}".format),
    ("completion", "per word", "completion_per_word", "{:,.1f}".format),
    ("", "NPMI", "npmi", "{:.3f}".format),
    ("", "diversity", "diversity", "{:.3f}".format),
    ("live", "units", "live_units", "{:.4g}".format),
    ("training", "seconds", "seconds", "{:,.0f}".format),
)


@click.command(cls=GroupedCommand, context_settings={"token_normalize_func": current_name})
@SOURCE
@click.option("--units", type=Sizes(), default="10,20,50,100", help="Numbers of units to compare, one layer each.")
@click.option("--seeds", type=POSITIVE, default=3, help="Trainings with each number of units.")
@click.option("--seed", type=WholeNumber(min=0), default=0, help="First seed; also that of the split.")
@click.option("--test", type=CORPUS, help="Held-out documents.  [default: a part of CORPUS]")
@click.option("--held-out", type=Share(), default=0.1, help="Number or share of documents to hold out, without --test.")
@click.option("--bound-samples", type=POSITIVE, default=100, help="Samples per held-out document.")
@click.option("--jobs", type=POSITIVE, default=1, help="Trainings at the same time.")
@grouped_option("--threads", group="Machine", type=POSITIVE, default=1, help="CPU threads of each training.")
@click.option("--out", type=OUT_FOLDER, default=Path("sweep"), help="Folder for the results, one file per training.")
@click.option("--plot", type=SVG_FILE, help="SVG file for the perplexity by number of units.")
@with_options(force_option("results of other documents or settings"), JSON)
@setting_options_except("units", "seed")
@counting_options
def sweep(source: Path, units: tuple[int, ...], out: Path, plot: Path | None, **options: Any) -> None:
    """Train models with several numbers of units on CORPUS, and suggest one by held-out perplexity.

    \b
    docnvil sweep corpus/ --units 10,20,50,100 --seeds 3
    docnvil sweep posts.jsonl --units 20,50,100,200 --jobs 4 --plot units.svg
    docnvil sweep train.npz --test test.npz --units 10,30,100 --epochs 10

    A tenth of the documents, drawn at random, is held out: no training sees it, nor does the choice of the vocabulary.
    Perplexity is the importance-weighted bound on these documents. The suggestion is the smallest number of units that
    is not worse than the best one: the 0.95 interval of the difference in perplexity, paired by document, reaches 0.
    If none is better than the same layer without units, none is suggested.

    Each training writes a file to OUT. After an interruption, the same command continues with the trainings that are
    missing; more --units or --seeds add to those that are there.
    """
    from tqdm import tqdm

    from docnvil.comparison.sweep import run_trials, summarize_trials
    from docnvil.runtime.folders import refuse_existing_file

    settings = _all_settings(source, units, options)
    claim_output(out, others=[plot] if plot else [])
    if out.exists() and not out.is_dir():
        raise click.UsageError(f"--out {out} is a file. Give the path of a folder.")
    if plot is not None:
        refuse_existing_file(plot, force=options["force"], option="--plot")
    train, test, split = _load(source, options)
    note(f"Held out: {split}.")
    with tqdm(total=len(settings), unit=" trainings", disable=not shows_progress(), dynamic_ncols=True) as bar:

        def report(trial: "Trial", is_new: bool) -> None:
            bar.update(1)
            if not bar.disable:
                return
            done = f"trained in {trial.seconds:.0f} s" if is_new else "found in the results"
            note(f"{counted(trial.units, 'unit')}, seed {trial.seed}: {done}")

        trials = run_trials(
            train,
            test,
            settings,
            out,
            n_samples=options["bound_samples"],
            jobs=options["jobs"],
            threads=options["threads"],
            force=options["force"],
            on_finish=report,
        )
    result = summarize_trials(trials, seed=options["seed"])
    if plot is not None:
        _write_plot(plot, result, trials)
    echo_result(_values(result, trials, split), _report(result, split, options["seeds"]), as_json=options["as_json"])


def _all_settings(source: Path, units: Sequence[int], options: dict[str, Any]) -> list["Settings"]:
    """Return the settings of every training; mistakes are reported before the corpus is read."""
    if contains_bits(source, options):
        raise click.UsageError(f"{source} has binary vectors, and docnvil sweep compares models of words.")
    if len(set(units)) < len(units):
        raise click.UsageError("--units has a number twice. Give each once.")
    seeds = range(options["seed"], options["seed"] + options["seeds"])
    others = {"n_samples": None, "validation_samples": None}
    return [
        settings_of_options({**options, **others, "units": (number,), "seed": seed})
        for number in units
        for seed in seeds
    ]


def _load(source: Path, options: dict[str, Any]) -> tuple["DocumentTermMatrix", "DocumentTermMatrix", str]:
    """Return the training and the held-out documents, and a description of these."""
    if options["test"] is None:
        train, test = load_in_two(source, options, options["held_out"])
        for matrix in (train, test):
            note(describe_corpus(matrix))
        return train, test, f"{counted(test.n_documents, 'document')} drawn at random (seed {options['seed']})"
    train = load_for_training(source, options)
    test = load_with_rules(options["test"], options, train.rules, train.vocabulary, train.reading)
    note(describe_corpus(test))
    return train, test, f"{counted(test.n_documents, 'document')} of {options['test']}"


def _write_plot(plot: Path, result: "Sweep", trials: Sequence["Trial"]) -> None:
    from docnvil.report.sweep_plot import sweep_figure
    from docnvil.runtime.folders import replace_file

    by_seed = {row.units: [_perplexity(each) for each in trials if each.units == row.units] for row in result.rows}
    replace_file(plot, sweep_figure(result, by_seed).encode("utf-8"))
    note(f"Wrote {plot}.")


def _perplexity(trial: "Trial") -> float:
    from math import exp, fsum

    return exp(-fsum(trial.log_likelihood) / fsum(trial.lengths))


def _values(result: "Sweep", trials: Sequence["Trial"], split: str) -> dict[str, Any]:
    from docnvil.comparison.sweep import TUPLES

    each = [
        {**{name: value for name, value in asdict(trial).items() if name not in TUPLES}, "perplexity_per_word": figure}
        for trial, figure in zip(trials, map(_perplexity, trials), strict=True)
    ]
    rows = [{**asdict(row), "as_good_as_best": row.as_good_as_best} for row in result.rows]
    values = {**asdict(result), "rows": rows, "held_out": split}
    return {
        **values,
        "trials": [{**one, "perplexity_per_word": _perplexity(t)} for one, t in zip(each, trials, strict=True)],
    }


def _report(result: "Sweep", split: str, seeds: int) -> str:
    """Return the table and the suggestion as text."""
    without = result.no_units_per_word
    described = "" if without is None else f"Same layer, no units: {without:,.1f} per word. "
    plural = "s" if seeds > 1 else ""
    means = f"Means over {seeds} seed{plural}; held out: {split}."
    return f"{_table(result)}\n\n{described}{means}\n{_suggestion(result)}"


def _suggestion(result: "Sweep") -> str:
    if result.suggested is None:
        return "No number of units is suggested, because none is better than no units."
    units = counted(result.suggested, "unit")
    text = f"Suggested: {units}, the smallest number that is not worse than the best ({result.best})."
    if result.largest > result.suggested:
        text += f" Up to {counted(result.largest, 'unit', 'are')} as good."
    if result.suggested == result.rows[-1].units and len(result.rows) > 1:
        text += " It is the largest number compared, so more may be better: add larger --units."
    return text


def _table(result: "Sweep") -> str:
    headings = [
        ("", *(first for first, *_ in COLUMNS), "worse than the best"),
        ("units", *(second for _, second, *_ in COLUMNS), "(0.95 interval)"),
    ]
    cells = [
        (str(row.units), *(_cell(row, name, form) for *_, name, form in COLUMNS), _difference(row, result.best))
        for row in result.rows
    ]
    widths = [max(map(len, column)) for column in zip(*headings, *cells, strict=True)]
    lines = (zip(line, widths, strict=True) for line in (*headings, *cells))
    return "\n".join("  ".join(cell.rjust(width) for cell, width in line) for line in lines)


def _cell(row: "SweepRow", name: str, form: Callable[[Any], str]) -> str:
    value = getattr(row, name)
    return "-" if value is None else form(value)


def _difference(row: "SweepRow", best: int) -> str:
    if row.units == best:
        return "best"
    return f"{row.worse_by:+.1%} ({row.low:+.1%} to {row.high:+.1%})"
