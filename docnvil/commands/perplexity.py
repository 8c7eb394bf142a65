"""docnvil perplexity: how well a model explains documents it has not seen."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from docnvil.commands.console import echo_json
from docnvil.commands.options import CORPUS, load_for_model, source_options, unknown_words


@click.command()
@click.argument("model", type=CORPUS)
@click.argument("source", metavar="CORPUS", type=CORPUS)
@click.option("--samples", type=click.IntRange(min=1), default=10, show_default=True, help="Samples a document.")
@click.option(
    "--bound",
    type=click.Choice(["elbo", "importance"]),
    default="elbo",
    show_default=True,
    help="The variational bound of the papers, or the tighter importance-weighted one.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the samples.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
def perplexity(
    model: Path, source: Path, samples: int, bound: str, seed: int, device: str, as_json: bool, **options: Any
) -> None:
    """Estimate MODEL's perplexity on CORPUS, read by the rules and vocabulary the model carries.

    \b
    docnvil perplexity model/ held-out/
    docnvil perplexity model/ test.npz --bound importance --samples 100 --json

    Perplexity per document is exp of the mean over documents of nats a word, the figure of the papers; per word is exp
    of all nats over all words. Both are upper bounds: the model is at least this good. For a model of binary vectors
    the figure is the negative log-likelihood, in nats a vector.
    """
    from docnvil.estimator import DocNVIL
    from docnvil.evaluation.perplexity import independent_bits, unigram_perplexity

    estimator = DocNVIL.load(model, device)
    matrix = load_for_model(source, options, estimator)
    found = estimator.perplexity(matrix, bound=bound, n_samples=samples, seed=seed)
    name = {"elbo": "variational bound", "importance": "importance-weighted bound"}[found.bound]
    if estimator.model_.config.is_binary:
        known = estimator.statistics_
        alone = independent_bits(known.word_frequency, known.n_documents, matrix.counts)
        nats = {"negative_log_likelihood": -found.log_likelihood / found.documents}
        nats["negative_log_likelihood_of_independent_bits"] = -alone.log_likelihood / alone.documents
        if as_json:
            echo_json({**nats, **asdict(found)})
            return
        ours, theirs = nats.values()
        click.echo(
            f"negative log-likelihood  {ours:10.2f} nats a vector   (independent bits alone: {theirs:.2f})\n"
            f"reconstruction           {-found.reconstruction / found.documents:10.2f}\n"
            f"KL                       {found.kl / found.documents:10.2f}\n"
            f"from {found.documents:,} vectors of {matrix.n_words:,} bits; {name}, {found.samples} samples"
        )
        return
    unigram = unigram_perplexity(estimator.statistics_.word_frequency, matrix.counts)
    if as_json:
        of_unigram = {
            f"unigram_{name}": getattr(unigram, name) for name in ("perplexity_per_document", "perplexity_per_word")
        }
        echo_json({**asdict(found), "unknown_tokens": matrix.n_unknown, **of_unigram})
        return
    empty = f", and {found.empty_documents:,} empty ones left out" if found.empty_documents else ""
    unknown = f"\n{unknown_words(matrix)}" if matrix.n_unknown else ""
    click.echo(
        f"perplexity per document  {found.perplexity_per_document:10.2f}"
        f"   (word frequencies alone: {unigram.perplexity_per_document:.2f})\n"
        f"perplexity per word      {found.perplexity_per_word:10.2f}"
        f"   (word frequencies alone: {unigram.perplexity_per_word:.2f})\n"
        f"log-likelihood           {found.log_likelihood:,.1f} nats"
        f" (reconstruction {found.reconstruction:,.1f}, KL {found.kl:,.1f})\n"
        f"from {found.documents:,} documents with {found.tokens:,} words{empty}; {name}, {found.samples} samples"
        f"{unknown}"
    )
