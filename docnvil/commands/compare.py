"""docnvil compare: docnvil and other people's models on the same counts, in one table."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json, note
from docnvil.commands.options import (
    CORPUS,
    about,
    load_beside,
    load_for_training,
    source_options,
    token_options,
    unknown_words,
)

if TYPE_CHECKING:
    from docnvil.comparison.runner import ComparisonResult

    pass

# A figure's two lines of heading, its field in `ComparisonResult`, and how it is written.
COLUMNS: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("completion", "per word", "completion_per_word", "{:.1f}".format),
    ("completion", "per document", "completion_per_document", "{:.1f}".format),
    ("", "NPMI", "npmi", "{:.3f}".format),
    ("", "diversity", "diversity", "{:.3f}".format),
    ("", "topics", "topics", str),
    ("training", "seconds", "training_seconds", "{:.1f}".format),
    ("documents", "a second", "documents_per_second", "{:,.0f}".format),
    ("peak", "MiB", "peak_mebibytes", "{:,.0f}".format),
)


@click.command()
@click.argument("train", type=CORPUS)
@click.argument("test", type=CORPUS)
@click.option(
    "--models",
    default="docnvil,sklearn-lda,gensim-lda,tomotopy-lda",
    show_default=True,
    help="With commas: docnvil, docnvil-best, docnvil-paper, sklearn-lda, sklearn-nmf, gensim-lda, tomotopy-lda, or the"
    " path of a model folder.",
)
@click.option(
    "--components",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Units or topics of each model that is trained.",
)
@click.option(
    "--predict",
    type=CORPUS,
    help="The words to predict of the test documents, row by row; TEST then holds the words to observe.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Without --predict: the share of each test document's words to hide and predict.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split and every model.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Processor threads of every model."
)
@click.option("--out", type=CORPUS, help="Also write the table as CSV.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
@token_options
def compare(
    train: Path,
    test: Path,
    models: str,
    components: int,
    predict: Path | None,
    share: float,
    seed: int,
    threads: int,
    out: Path | None,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train each model on TRAIN, or load it, and judge all by TEST: the same words, the same code, one table.

    \b
    docnvil compare corpus/train corpus/test
    docnvil compare train.npz observed.npz --predict hidden.npz --models model/,docnvil-best,tomotopy-lda --json

    Each model has a process of its own, on the CPU. The row of a peer that is not installed, or fails, says so.

    \b
    completion            perplexity of the hidden words given the others of their document: lower is better; per
                          word over all hidden words, per document averaged over documents
    NPMI, diversity       how ten words a topic hang together in all documents, and the share of distinct ones
                          among them: higher is better
    topics                how many have words; dead units of docnvil have none
    training seconds      from counts to the fitted model
    documents a second    from counts to codes
    peak MiB              memory of the whole process; the row of word frequencies needs what all need
    """
    from docnvil.comparison.runner import check_names
    from docnvil.comparison.runner import compare as run
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.machine import machine
    from docnvil.storage.tables import write_records

    names = [name.strip() for name in models.split(",") if name.strip()]
    check_names(names)
    if out is not None:
        refuse_existing_file(out, force=force)
    learned = load_for_training(train, options)
    observed, hidden = _parts(test, predict, share, seed, options, learned)
    rows = []
    going = run(
        names, learned, observed, hidden, n_components=components, seed=seed, threads=threads, on_start=_announce
    )
    for row in going:
        rows.append(row)
        if row.error:
            note(f"{row.model}: {row.error}")
    if out is not None:
        write_records(out, [asdict(row) for row in rows])
        note(f"Wrote {out}: {len(rows)} rows.")
    summary = {
        "train_documents": learned.n_documents,
        "test_documents": observed.shape[0],
        "words": learned.vocabulary_size,
        "hidden_tokens": int(hidden.sum()),
        "components": components,
        "seed": seed,
        "threads": threads,
    }
    if as_json:
        echo_json({**summary, "machine": machine(), "models": [asdict(row) for row in rows]})
        return
    hiding = f"{share:.0%} of each test document" if predict is None else str(predict)
    click.echo(
        f"{_table(rows)}\n\n"
        f"{summary['train_documents']:,} documents to learn from, {summary['test_documents']:,} to judge by;"
        f" {summary['hidden_tokens']:,} hidden words ({hiding}) of {summary['words']:,} different ones;"
        f" {components} units or topics, seed {seed}, {threads} thread{'s' * (threads > 1)}"
    )
    for row in rows:
        if row.settings:
            click.echo(f"{row.model}: {row.settings}")


def _announce(model: str) -> None:
    note(f"{model} ...")


def _parts(
    test: Path, predict: Path | None, share: float, seed: int, options: dict[str, Any], learned: Any
) -> tuple[Any, Any]:
    """Return the words to observe and the words to predict of the test documents, `[N, V]` each."""
    from docnvil.analysis.completion import split_words
    from docnvil.runtime.randomness import stream

    matrix = load_beside(test, options, learned)
    note(about(matrix))
    if matrix.n_unknown:
        note(unknown_words(matrix))
    if predict is None:
        return split_words(matrix.counts, share, stream(seed, "hidden words"))
    return matrix.counts, load_beside(predict, options, learned).counts


def _table(rows: Sequence["ComparisonResult"]) -> str:
    """Lay the rows out under their headings; a model without figures has its reason instead."""
    heads = [("", *(above for above, *_ in COLUMNS)), ("model", *(below for _, below, *_ in COLUMNS))]
    cells = [(row.model, *(_cell(row, name, form) for *_, name, form in COLUMNS)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*heads, *cells, strict=True)]
    lines = [_line(head, widths) for head in heads]
    for row, figures in zip(rows, cells, strict=True):
        lines.append(f"{row.model:<{widths[0]}}  {row.error}" if row.error else _line(figures, widths))
    return "\n".join(lines)


def _cell(row: "ComparisonResult", name: str, form: Callable[[Any], str]) -> str:
    value = getattr(row, name)
    return "-" if value is None else form(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join([cells[0].ljust(len(name)), *figures]).rstrip()
