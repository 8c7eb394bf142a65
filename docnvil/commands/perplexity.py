"""docnvil perplexity: evaluate held-out perplexity."""

from dataclasses import asdict
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.evaluation import (
    finish,
    format_interval,
    format_null_models,
    gain_json,
    intervals_json,
    load_model_to_evaluate,
    no_units_json,
    nothing_learned,
    null_model_of,
)
from docnvil.commands.inputs import describe_unknown_tokens, load_for_model
from docnvil.commands.options import MODEL, POSITIVE, SOURCE, evaluation_options, with_options
from docnvil.commands.printing import echo_result
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.analysis.bootstrap import Intervals
    from docnvil.analysis.gain import UnitsGain
    from docnvil.analysis.perplexity import Perplexity
    from docnvil.text.document_term_matrix import DocumentTermMatrix

BOUNDS = {
    "elbo": "variational bound, {samples}",
    "importance": "importance-weighted bound, {samples}",
    "annealed": "annealed bound, {samples}, {temperatures} temperatures",
    "exact": "exact",
}


@click.command()
@with_options(MODEL, SOURCE)
@click.option("--bound", type=click.Choice(list(BOUNDS)), default="elbo", help="Bound on the log-likelihood.")
@click.option("--temperatures", type=POSITIVE, default=10, help="Steps of the annealed bound.")
@evaluation_options(samples=10)
def perplexity(model: Path, source: Path, bound: str, temperatures: int, samples: int, **options: Any) -> None:
    """Estimate the perplexity of MODEL on the documents of CORPUS.

    \b
    docnvil perplexity model/ held-out/
    docnvil perplexity model/ test.npz --bound importance --samples 100 --json
    docnvil perplexity model/ held-out/ --interval 0.95 --out documents.csv

    Perplexity per document is exp of the mean over documents of nats per word, as in the papers; perplexity per word is
    exp of all nats divided by all words. For models of binary vectors the result is the negative log-likelihood, in
    nats per vector. Beside them are the unigram model, and the model's own output layer without units: what the model
    gains on that is the work of its units.

    --bound selects the bound on the log-likelihood: elbo, the variational bound of the papers; importance, which is
    tighter; annealed, which is still tighter but slower; or exact, for models of at most 20 units. With all but exact,
    the true perplexity is at most the printed one, apart from sampling noise.

    --out writes one row per document, in the order of CORPUS; an empty document has 1 in the column "empty".
    """
    from docnvil.analysis.gain import units_gain
    from docnvil.analysis.null_models import null_model_bounds
    from docnvil.analysis.perplexity import document_bounds

    fitted = load_model_to_evaluate(model, source, options)
    matrix = load_for_model(source, options, fitted)
    estimator = {"bound": bound, "n_samples": samples, "temperatures": temperatures}
    bounds = document_bounds(fitted.network, matrix.counts, **estimator, seed=options["seed"])
    result = bounds.summarize()
    intervals = finish(bounds, matrix, ("log_likelihood", "reconstruction", "kl"), options)
    visible, statistics = fitted.network.generative.visible, fitted.statistics
    unigram = visible.null_model(statistics.word_frequency, statistics.n_documents)
    null = null_model_bounds(visible, unigram, matrix.counts)
    if not visible.reports_perplexity:  # independent bits are also the layer without units
        values, text = _vector_report(result, null.summarize(), units_gain(bounds, null), matrix, intervals)
    else:
        null_model = null_model_of(fitted)
        without = None if null_model is None else null_model_bounds(visible, null_model, matrix.counts)
        gain = None if without is None else units_gain(bounds, without)
        no_units = None if without is None else without.summarize()
        values, text = _document_report(result, null.summarize(), no_units, gain, matrix, intervals)
    echo_result({**values, **intervals_json(intervals)}, text, as_json=options["as_json"])


def _document_report(
    result: "Perplexity",
    null: "Perplexity",
    no_units: "Perplexity | None",
    gain: "UnitsGain | None",
    matrix: "DocumentTermMatrix",
    intervals: "Intervals | None",
) -> tuple[dict[str, Any], str]:
    """Return the perplexities of documents as JSON values and as text."""
    names = ("perplexity_per_document", "perplexity_per_word")
    unigram = {f"unigram_{name}": getattr(null, name) for name in names}
    per_document, per_word = (format_interval(intervals, name) for name in names)
    empty = f" ({result.empty_documents:,} empty left out)" if result.empty_documents else ""
    text = (
        f"perplexity per document  {result.perplexity_per_document:10.2f}{per_document}"
        f"   {format_null_models(null, no_units, names[0])}\n"
        f"perplexity per word      {result.perplexity_per_word:10.2f}{per_word}"
        f"   {format_null_models(null, no_units, names[1])}\n"
        f"log-likelihood           {result.log_likelihood:,.1f} nats"
        f" (reconstruction {result.reconstruction:,.1f}, KL {result.kl:,.1f})\n"
        f"from {counted(result.documents, 'document')} with {result.tokens:,} tokens{empty}; {_format_bound(result)}"
    )
    if matrix.n_unknown:
        text += f"\n{describe_unknown_tokens(matrix)}"
    text += nothing_learned(result, no_units, gain)
    return {**asdict(result), "unknown_tokens": matrix.n_unknown, **unigram, **no_units_json(no_units, gain)}, text


def _vector_report(
    result: "Perplexity",
    null: "Perplexity",
    gain: "UnitsGain",
    matrix: "DocumentTermMatrix",
    intervals: "Intervals | None",
) -> tuple[dict[str, Any], str]:
    """Return the negative log-likelihood of binary vectors as JSON values and as text."""
    nats, null_nats = (-each.log_likelihood / each.documents for each in (result, null))
    n_bits = matrix.vocabulary_size
    interval = format_interval(intervals, "perplexity_per_document", lambda perplexity: n_bits * log(perplexity))
    text = (
        f"negative log-likelihood  {nats:10.2f} nats per vector{interval}   (independent bits: {null_nats:.2f})\n"
        f"reconstruction           {-result.reconstruction / result.documents:10.2f}\n"
        f"KL                       {result.kl / result.documents:10.2f}\n"
        f"from {counted(result.documents, 'vector')} of {counted(n_bits, 'bit')}; {_format_bound(result)}"
    )
    if warning := gain.describe(nats, null_nats):
        text += f"\n{warning}"
    values = {"negative_log_likelihood": nats, "negative_log_likelihood_of_independent_bits": null_nats}
    return {**values, **gain_json(gain), **asdict(result)}, text


def _format_bound(result: "Perplexity") -> str:
    return BOUNDS[result.bound].format(samples=counted(result.samples, "sample"), temperatures=result.temperatures)
