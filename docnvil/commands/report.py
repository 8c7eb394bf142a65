"""docnvil report: an HTML page about a model and the documents of a corpus, and an overview as one picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import load_for_model, note_unknown_tokens, reread_options
from docnvil.commands.options import (
    CORPUS,
    HTML_FILE,
    JSON,
    MODEL,
    POSITIVE,
    SVG_FILE,
    force_option,
    model_source_options,
    seed_option,
    with_options,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo_json, note

if TYPE_CHECKING:
    from docnvil.report.corpus import CorpusReport
    from docnvil.training.fitted_model import FittedModel

ONLY_WITH_CORPUS = ("test", "by", "over", "documents", "layout", "seed")


@click.command()
@MODEL
@click.argument("source", metavar="[CORPUS]", required=False, type=CORPUS)
@click.option("--out", type=HTML_FILE, default=Path("report.html"), help="HTML page to write.")
@click.option("--overview", type=SVG_FILE, help="SVG file for a picture of the model.")
@click.option("--words", type=POSITIVE, default=12, help="Words per unit on the page.")
@click.option("--title", help="Title of the page and the picture.  [default: Topic model of N documents]")
@click.option("--by", metavar="COLUMN", show_default="a column of labels", help="Metadata column of labels.")
@click.option("--over", metavar="COLUMN", show_default="a column of dates", help="Metadata column of dates.")
@click.option("--test", type=CORPUS, show_default="CORPUS", help="Held-out documents for the perplexity.")
@click.option("--documents", type=POSITIVE, default=20_000, help="Documents on the map; more are sampled.")
@click.option(
    "--layout",
    type=click.Choice(["UMAP", "t-SNE"], case_sensitive=False),
    show_default="UMAP if installed",
    help="Method that places documents on the map.",
)
@with_options(seed_option("Seed of the sample, map and perplexity."), JSON, force_option("existing files"))
@model_source_options
def report(
    model: Path,
    source: Path | None,
    out: Path,
    overview: Path | None,
    words: int,
    title: str | None,
    as_json: bool,
    force: bool,
    **options: Any,
) -> None:
    """Write an HTML page about MODEL and the documents of CORPUS: a map, a search, and each unit with documents.

    \b
    docnvil report model/ posts.jsonl --out page.html
    docnvil report model/ posts.jsonl --by group --over date --test held-out/
    docnvil report model/ --overview overview.svg --title "Twenty newsgroups"

    The page is a single file that loads nothing from the network. It has the perplexity beside models without units,
    the words that each unit raises and lowers, its share by label and over time, related units, documents that
    represent it, training curves, and settings. Without CORPUS, it has what the model folder contains.

    Of texts, the page shows titles and excerpts; counts and prepared corpora are shown by their most frequent words.
    """
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.paths import resolve
    from docnvil.runtime.publishing import complete_publication, writing_together

    if overview is not None and resolve(overview) == resolve(out):
        raise click.UsageError("--out and --overview name the same file. Choose two different files.")
    if source is None:
        _refuse_corpus_options()
    claim_output(out, others=[overview] if overview else [])
    paths = (out, *([overview] if overview else []))
    complete_publication(*paths)
    for path in paths:
        refuse_existing_file(path, force=force, option="--out" if path == out else "--overview")

    from docnvil.report.page import render, render_overview
    from docnvil.storage.model_folder import load_model

    fitted = load_model(model, "cpu")
    corpus = None if source is None else _read_corpus(fitted, source, options)
    texts = {out: render(fitted, corpus, title=title, top_n=words)}
    if overview is not None:
        texts[overview] = render_overview(fitted, title=title)
    with writing_together(*texts) as drafts:
        for draft, text in zip(drafts, texts.values(), strict=True):
            draft.write_bytes(text.encode("utf-8"))
    for path, text in texts.items():
        note(f"Wrote {path}: {len(text.encode('utf-8')) / 1000:,.0f} kB.")
    if as_json:
        echo_json(_summary(corpus, out, len(texts[out].encode("utf-8"))))


def _refuse_corpus_options() -> None:
    context = click.get_current_context()
    for name in ONLY_WITH_CORPUS:
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} needs a CORPUS. Name it after the model.")


def _read_corpus(fitted: "FittedModel", source: Path, options: Mapping[str, Any]) -> "CorpusReport":
    """Read the corpus, and the held-out documents if there are any; show the steps on stderr."""
    from docnvil.report.corpus import describe_corpus
    from docnvil.report.documents import ReportSource
    from docnvil.text.excerpts import read_excerpts, read_texts

    matrix = load_for_model(source, options, fitted)
    note_unknown_tokens(matrix)
    reading = reread_options(source, options, fitted)
    test = None if options["test"] is None else load_for_model(options["test"], options, fitted)
    return describe_corpus(
        fitted,
        ReportSource(
            matrix,
            excerpts=lambda rows: read_excerpts(source, reading, matrix, rows),
            texts=lambda rows: read_texts(source, reading, matrix, rows),
        ),
        test=test,
        by=options["by"],
        over=options["over"],
        max_documents=options["documents"],
        method=options["layout"],
        seed=options["seed"],
        step=lambda name: note(f"{name[:1].upper()}{name[1:]} ..."),
    )


def _summary(corpus: "CorpusReport | None", out: Path, size: int) -> dict[str, Any]:
    """Return what is on the page as JSON values."""
    summary: dict[str, Any] = {"page": str(out), "bytes": size}
    if corpus is None:
        return summary
    return summary | {
        "documents": corpus.statistics.n_documents,
        "documents_shown": corpus.n_shown,
        "map": corpus.map_method,
        "by": corpus.labels and corpus.labels.column,
        "over": corpus.dates and corpus.dates.column,
        "perplexity": corpus.evaluation and corpus.evaluation.to_json(),
    }
