"""docnvil completion: evaluate document completion."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.evaluation import (
    finish,
    format_interval,
    format_null_models,
    intervals_json,
    load_model_to_evaluate,
    no_units_json,
    nothing_learned,
    null_model_of,
)
from docnvil.commands.inputs import describe_unknown_tokens, load_for_model
from docnvil.commands.numbers import WholeNumber
from docnvil.commands.options import CORPUS, MODEL, PROPORTION, SOURCE, evaluation_options, with_options
from docnvil.commands.printing import echo_result
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.text.document_term_matrix import DocumentTermMatrix


@click.command()
@with_options(MODEL, SOURCE)
@click.option("--predict", type=CORPUS, help="Held-out words of the same documents; CORPUS has the observed words.")
@click.option(
    "--share", type=PROPORTION, default=0.2, help="Share of each document's words to hold out, without --predict."
)
@click.option(
    "--sweeps", type=WholeNumber(min=0), default=2, help="Gibbs sweeps that move the samples to the posterior."
)
@evaluation_options(samples=100)
def completion(
    model: Path, source: Path, predict: Path | None, share: float, sweeps: int, samples: int, **options: Any
) -> None:
    """Predict held-out words of each document of CORPUS with MODEL.

    \b
    docnvil completion model/ held-out/
    docnvil completion model/ observed.npz --predict hidden.npz --json

    MODEL sees the other words of a document. Each held-out word costs -log p(word | observed words) nats. The result
    is not a bound, so it compares models of any kind. Beside it are the unigram model, and the model's own output layer
    without units: what the model gains on that is the work of its units.

    --out writes one row per document, in the order of CORPUS; a document without held-out words has 1 in the column
    "empty".
    """
    from docnvil.analysis.completion import evaluate_completion, evaluate_predictor, split_words
    from docnvil.analysis.gain import units_gain
    from docnvil.runtime.randomness import stream

    fitted = load_model_to_evaluate(model, source, options)
    seed = options["seed"]
    matrices = [load_for_model(path, options, fitted) for path in (source, predict) if path is not None]
    if predict is None:
        observed, held_out = split_words(matrices[0].counts, share, stream(seed, "hidden words"))
    else:
        check_same_documents(*matrices)
        observed, held_out = (matrix.counts for matrix in matrices)
    scores = evaluate_completion(fitted.network, observed, held_out, n_samples=samples, sweeps=sweeps, seed=seed)
    result = scores.summarize()
    null_model, statistics = null_model_of(fitted), fitted.statistics
    unigram = fitted.network.generative.visible.null_model(statistics.word_frequency, statistics.n_documents)
    null_scores, without = (
        None if each is None else evaluate_predictor(each.predict, observed, held_out) for each in (unigram, null_model)
    )
    null, no_units = (None if each is None else each.summarize() for each in (null_scores, without))
    gain = None if without is None else units_gain(scores, without)
    intervals = finish(scores, matrices[0], ("log_likelihood",), options)
    unknown = sum(matrix.n_unknown for matrix in matrices)
    names = ("perplexity_per_document", "perplexity_per_word")
    unigram_values = {f"unigram_{name}": getattr(null, name) for name in names}
    values = {**asdict(result), "samples": samples, "sweeps": sweeps, "unknown_tokens": unknown, **unigram_values}
    values |= {**no_units_json(no_units, gain), **intervals_json(intervals)}
    per_document, per_word = (format_interval(intervals, name) for name in names)
    skipped = f" ({result.skipped:,} without any left out)" if result.skipped else ""
    text = (
        f"completion perplexity per word      {result.perplexity_per_word:10.2f}{per_word}"
        f"   {format_null_models(null, no_units, names[1])}\n"
        f"completion perplexity per document  {result.perplexity_per_document:10.2f}{per_document}"
        f"   {format_null_models(null, no_units, names[0])}\n"
        f"from {result.tokens:,} held-out tokens of {counted(result.documents, 'document')}{skipped}; {samples} samples"
        + "".join(f"\n{describe_unknown_tokens(matrix)}" for matrix in matrices if matrix.n_unknown)
        + nothing_learned(result, no_units, gain)
    )
    echo_result(values, text, as_json=options["as_json"])


def check_same_documents(observed: "DocumentTermMatrix", held_out: "DocumentTermMatrix") -> None:
    """Raise an error if the rows of the two parts have different ids."""
    from docnvil.errors import CorpusError

    for row, (first, second) in enumerate(zip(observed.ids, held_out.ids, strict=False), start=1):
        if first != second:
            raise CorpusError(
                f"Row {row} is document {first!r} in the observed part and {second!r} in the part to predict."
                " Give two parts of the same documents, row by row."
            )
