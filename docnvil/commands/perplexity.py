"""docnvil perplexity: how well a model explains documents it has not seen."""

from dataclasses import asdict
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json, note
from docnvil.commands.intervals import in_json, in_words, interval_option, intervals
from docnvil.commands.options import CORPUS, describe_unknown_tokens, load_for_model, source_options

if TYPE_CHECKING:
    from docnvil.analysis.perplexity import Perplexity

BOUNDS = {
    "elbo": "variational bound, {samples} samples",
    "importance": "importance-weighted bound, {samples} samples",
    "annealed": "annealed bound, {samples} samples, {temperatures} temperatures",
    "exact": "exact",
}


@click.command()
@click.argument("model", type=CORPUS)
@click.argument("source", metavar="CORPUS", type=CORPUS)
@click.option("--samples", type=click.IntRange(min=1), default=10, show_default=True, help="Samples a document.")
@click.option(
    "--bound",
    type=click.Choice(list(BOUNDS)),
    default="elbo",
    show_default=True,
    help="The variational bound of the papers; the tighter importance-weighted one; the still tighter and slower"
    " annealed one; or the likelihood itself, of models with at most 20 units.",
)
@click.option(
    "--temperatures",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Steps from the recognition network to the posterior, with --bound annealed.",
)
@interval_option
@click.option("--out", type=CORPUS, help="Also write a CSV file with each document's values here.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the samples.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
def perplexity(
    model: Path,
    source: Path,
    samples: int,
    bound: str,
    temperatures: int,
    interval: float | None,
    out: Path | None,
    force: bool,
    seed: int,
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Estimate MODEL's perplexity on CORPUS, read by the rules and vocabulary the model carries.

    \b
    docnvil perplexity model/ held-out/
    docnvil perplexity model/ test.npz --bound importance --samples 100 --json
    docnvil perplexity model/ held-out/ --interval 0.95 --out documents.csv

    Perplexity per document is exp of the mean over documents of nats a word, the figure of the papers; per word is exp
    of all nats over all words. Both are upper bounds: the model is at least this good. For a model of binary vectors
    the figure is the negative log-likelihood, in nats a vector.

    --interval says between which figures the perplexities would lie if other documents of the same kind were judged.
    The rows of --out come in the order of the documents, none is left out; an empty one has 1 in the column "empty".
    """
    from docnvil.analysis.null_models import null_perplexity
    from docnvil.analysis.perplexity import document_bounds
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.storage.model_folder import load_model
    from docnvil.storage.tables import write_document_values

    if out is not None:
        refuse_existing_file(out, force=force)
    fitted = load_model(model, device)
    matrix = load_for_model(source, options, fitted)
    by = {"bound": bound, "n_samples": samples, "temperatures": temperatures}
    documents = document_bounds(fitted.network, matrix.counts, **by, seed=seed)
    found = documents.summarize()
    spread = intervals(documents.log_likelihood, documents.lengths, interval, seed)
    if out is not None:
        names = ("log_likelihood", "reconstruction", "kl")
        nats = {name: getattr(documents, name) for name in names}
        write_document_values(out, matrix.ids, documents.lengths, nats)
        note(f"Wrote {out}: {matrix.n_documents:,} documents.")
    visible, statistics = fitted.network.generative.visible, fitted.statistics
    null = null_perplexity(visible, statistics.word_frequency, statistics.n_documents, matrix.counts)
    if not visible.reports_perplexity:
        nats = {"negative_log_likelihood": -found.log_likelihood / found.documents}
        nats["negative_log_likelihood_of_independent_bits"] = -null.log_likelihood / null.documents
        if as_json:
            echo_json({**nats, **asdict(found), **in_json(spread)})
            return
        ours, theirs = nats.values()
        between = ""
        if spread is not None:  # the perplexity of V bits is exp of nats a bit
            low, high = (matrix.vocabulary_size * log(each) for each in spread.perplexity_per_document)
            between = f"   ({spread.share:.4g} interval {low:.2f} to {high:.2f})"
        click.echo(
            f"negative log-likelihood  {ours:10.2f} nats a vector{between}   (independent bits alone: {theirs:.2f})\n"
            f"reconstruction           {-found.reconstruction / found.documents:10.2f}\n"
            f"KL                       {found.kl / found.documents:10.2f}\n"
            f"from {found.documents:,} vectors of {matrix.vocabulary_size:,} bits; {_told(found)}"
        )
        return
    if as_json:
        of_unigram = {
            f"unigram_{name}": getattr(null, name) for name in ("perplexity_per_document", "perplexity_per_word")
        }
        echo_json({**asdict(found), "unknown_tokens": matrix.n_unknown, **of_unigram, **in_json(spread)})
        return
    empty = f", and {found.empty_documents:,} empty ones left out" if found.empty_documents else ""
    unknown = f"\n{describe_unknown_tokens(matrix)}" if matrix.n_unknown else ""
    per_document, per_word = in_words(spread)
    click.echo(
        f"perplexity per document  {found.perplexity_per_document:10.2f}{per_document}"
        f"   (word frequencies alone: {null.perplexity_per_document:.2f})\n"
        f"perplexity per word      {found.perplexity_per_word:10.2f}{per_word}"
        f"   (word frequencies alone: {null.perplexity_per_word:.2f})\n"
        f"log-likelihood           {found.log_likelihood:,.1f} nats"
        f" (reconstruction {found.reconstruction:,.1f}, KL {found.kl:,.1f})\n"
        f"from {found.documents:,} documents with {found.tokens:,} words{empty}; {_told(found)}"
        f"{unknown}"
    )


def _told(found: "Perplexity") -> str:
    """Name the estimator in words."""
    return BOUNDS[found.bound].format(samples=found.samples, temperatures=found.temperatures)
