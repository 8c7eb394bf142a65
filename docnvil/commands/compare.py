"""docnvil compare: scores of docnvil and of topic models of other packages, on the same counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import describe_corpus, load_for_training, load_with_rules, note_unknown_tokens
from docnvil.commands.options import (
    CORPUS,
    CSV_FILE,
    JSON,
    POSITIVE,
    PROPORTION,
    THREADS,
    counting_options,
    force_option,
    seed_option,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo, echo_json, note
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.comparison.runner import ComparisonResult
    from docnvil.text.document_term_matrix import DocumentTermMatrix

# Two heading lines, the field of `ComparisonResult`, and its format.
COLUMNS: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("completion", "per word", "completion_per_word", "{:.1f}".format),
    ("completion", "per document", "completion_per_document", "{:.1f}".format),
    ("", "NPMI", "npmi", "{:.3f}".format),
    ("", "diversity", "diversity", "{:.3f}".format),
    ("", "topics", "topics", str),
    ("training", "seconds", "training_seconds", "{:.1f}".format),
    ("documents", "per second", "documents_per_second", "{:,.0f}".format),
    ("peak", "MiB", "peak_mebibytes", "{:,.0f}".format),
)


@click.command()
@click.argument("train", type=CORPUS)
@click.argument("test", type=CORPUS)
@click.option(
    "--models",
    default="docnvil,sklearn-lda,gensim-lda,tomotopy-lda",
    help="Comma-separated: docnvil, docnvil-best, docnvil-themes, docnvil-large-batch, docnvil-hash, docnvil-paper,"
    " sklearn-lda, sklearn-nmf, gensim-lda, tomotopy-lda, or paths of model folders.",
)
@click.option("--components", type=POSITIVE, default=50, help="Units or topics of each trained model.")
@click.option("--predict", type=CORPUS, help="Held-out words of the same documents; TEST has the observed words.")
@click.option(
    "--share",
    type=PROPORTION,
    default=0.2,
    help="Share of each test document's words to hold out, without --predict.",
)
@seed_option("Seed of the split and of every model.")
@click.option("--threads", type=THREADS, default=1, help="CPU threads of every model.")
@click.option("--out", type=CSV_FILE, help="Also write the table to this CSV file.")
@force_option()
@JSON
@counting_options
def compare(
    train: Path, test: Path, models: str, components: int, threads: int, out: Path | None, **options: Any
) -> None:
    """Compare docnvil with LDA, NMF and other models: train each on TRAIN or load it, and score it on TEST.

    \b
    docnvil compare corpus/train corpus/test
    docnvil compare train.npz observed.npz --predict hidden.npz --models model/,docnvil-best,tomotopy-lda --json

    Each model runs in its own process on the CPU. The row of one that fails or is not installed shows the error; after
    a failure the exit status is 1. The first two rows are models without units: word frequencies, and a
    Dirichlet-multinomial layer, in which a word that occurred once is likely to occur again. Models of other packages
    have a second row, with a cache of the document's words that does the same for them.

    \b
    completion            perplexity of held-out words given the others of their document, lower is better; per word:
                          over all held-out words; per document: averaged over documents
    NPMI, diversity       coherence of the top ten words of each topic in all documents, and share of distinct
                          words among them; higher is better; --json adds the share of words in one topic only
    topics                topics that have top words; dead units of docnvil have none
    training seconds      from counts to the fitted model
    documents per second  from counts to unit probabilities or topic proportions
    peak MiB              memory of the process; the row of word frequencies shows the minimum for any model
    """
    from docnvil.comparison.runner import check_model_names, compare_models
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.machine import machine
    from docnvil.storage.tables import write_records

    names = [name.strip() for name in models.split(",") if name.strip()]
    check_model_names(names)
    if out is not None:
        claim_output(out)
        refuse_existing_file(out, force=options["force"])
    matrix = load_for_training(train, options)
    observed, hidden = _load_test(test, options, matrix)
    settings = {"n_components": components, "seed": options["seed"], "threads": threads}
    rows = []
    for row in compare_models(names, matrix, observed, hidden, **settings, on_start=lambda name: note(f"{name} ...")):
        rows.append(row)
        if row.error:
            note(f"{row.model}: {row.error}")
    if out is not None:
        write_records(out, [asdict(row) for row in rows])
        note(f"Wrote {out}: {counted(len(rows), 'row')}.")
    summary = {
        "train_documents": matrix.n_documents,
        "test_documents": observed.shape[0],
        "words": matrix.vocabulary_size,
        "hidden_tokens": int(hidden.sum()),
        "components": components,
        "seed": options["seed"],
        "threads": threads,
    }
    if options["as_json"]:
        echo_json({**summary, "machine": machine(), "models": [asdict(row) for row in rows]})
    else:
        hidden_from = str(options["predict"] or f"{options['share']:.0%} of each test document")
        _print_table(rows, summary, hidden_from)
    _require_all(rows)


def _require_all(rows: Sequence["ComparisonResult"]) -> None:
    """Raise `WorkerError` if a model failed, after the results of the others; not for a package that is missing."""
    from docnvil.comparison.peers import PEERS
    from docnvil.errors import WorkerError

    failed = [row.model for row in rows if row.error and (row.model not in PEERS or PEERS[row.model].is_installed)]
    if failed:
        raise WorkerError(f"{', '.join(failed)} could not be evaluated; see the reason in the table.")


def _load_test(test: Path, options: Mapping[str, Any], train: "DocumentTermMatrix") -> tuple[Any, Any]:
    """Return the observed and the held-out words of the test documents, `[N, V]` each."""
    from docnvil.analysis.completion import split_words
    from docnvil.runtime.randomness import stream

    matrix = load_with_rules(test, options, train.rules, train.vocabulary, train.reading)
    note(describe_corpus(matrix))
    note_unknown_tokens(matrix)
    if options["predict"] is None:
        return split_words(matrix.counts, options["share"], stream(options["seed"], "hidden words"))
    predict = load_with_rules(options["predict"], options, train.rules, train.vocabulary, train.reading)
    return matrix.counts, predict.counts


def _print_table(rows: Sequence["ComparisonResult"], summary: dict[str, int], hidden: str) -> None:
    """Print the table, and below it the data and settings that it is for."""
    echo(
        f"{_table(rows)}\n\n"
        f"{counted(summary['train_documents'], 'training document')},"
        f" {counted(summary['test_documents'], 'test document')}; {counted(summary['hidden_tokens'], 'held-out word')}"
        f" ({hidden}); vocabulary of {counted(summary['words'], 'word')}; {summary['components']} units or topics; seed"
        f" {summary['seed']}; {counted(summary['threads'], 'thread')}"
    )
    for row in rows:
        if row.settings:
            echo(f"{row.model}: {row.settings}")
    for row in rows:
        if row.no_units_verdict == "nothing learned":
            echo(f"{row.model} has learned nothing: it predicts no better than the model without units.")
        elif row.no_units_verdict == "not better":
            echo(
                f"{row.model} predicts no better than the model without units, but the test documents are too little"
                " evidence that it has learned nothing."
            )


def _table(rows: Sequence["ComparisonResult"]) -> str:
    """Return the table as text; a row with an error shows it instead of scores."""
    headings = [("", *(first for first, *_ in COLUMNS)), ("model", *(second for _, second, *_ in COLUMNS))]
    cells = [(row.model, *(_cell(row, name, form) for *_, name, form in COLUMNS)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*headings, *cells, strict=True)]
    lines = [_line(heading, widths) for heading in headings]
    for row, values in zip(rows, cells, strict=True):
        lines.append(f"{row.model:<{widths[0]}}  {row.error}" if row.error else _line(values, widths))
    return "\n".join(lines)


def _cell(row: "ComparisonResult", name: str, form: Callable[[Any], str]) -> str:
    value = getattr(row, name)
    return "-" if value is None else form(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([cells[0].ljust(widths[0]), *numbers]).rstrip()
