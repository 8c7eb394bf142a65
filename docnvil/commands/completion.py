"""docnvil completion: how well a model predicts the rest of a document from a part of it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json, note
from docnvil.commands.intervals import in_json, in_words, interval_option, intervals
from docnvil.commands.options import CORPUS, describe_unknown_tokens, load_for_model, source_options

if TYPE_CHECKING:
    from docnvil.text.counts import DocumentTermMatrix


@click.command()
@click.argument("model", type=CORPUS)
@click.argument("source", metavar="CORPUS", type=CORPUS)
@click.option(
    "--predict",
    type=CORPUS,
    help="The words to predict of the same documents, row by row; CORPUS then holds the words to observe.",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Without --predict: the share of each document's words to hide and predict.",
)
@click.option("--samples", type=click.IntRange(min=1), default=100, show_default=True, help="Samples a document.")
@interval_option
@click.option("--out", type=CORPUS, help="Also write a CSV file with each document's values here.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split and the samples.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
def completion(
    model: Path,
    source: Path,
    predict: Path | None,
    share: float,
    samples: int,
    interval: float | None,
    out: Path | None,
    force: bool,
    seed: int,
    device: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Observe a part of each document of CORPUS, predict its other words, and say how well MODEL did.

    \b
    docnvil completion model/ held-out/
    docnvil completion model/ observed.npz --predict hidden.npz --json

    This figure holds no bound, so it compares models of any kind: each word that was hidden costs -log p(word | what
    was observed) nats.

    --interval says between which figures the perplexities would lie if other documents of the same kind were judged.
    The rows of --out come in the order of the documents, none is left out; one without words to predict has 1 in the
    column "empty".
    """
    from docnvil.analysis.completion import evaluate_completion, split_words
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.randomness import stream
    from docnvil.storage.model_folder import load_model
    from docnvil.storage.tables import write_document_values

    if out is not None:
        refuse_existing_file(out, force=force)
    fitted = load_model(model, device)
    matrix = load_for_model(source, options, fitted)
    parts = [matrix]
    if predict is None:
        observed, hidden = split_words(matrix.counts, share, stream(seed, "hidden words"))
    else:
        parts.append(load_for_model(predict, options, fitted))
        refuse_other_documents(*parts)
        observed, hidden = (part.counts for part in parts)
    documents = evaluate_completion(fitted.network, observed, hidden, n_samples=samples, seed=seed)
    found = documents.summarize()
    spread = intervals(documents.log_likelihood, documents.lengths, interval, seed)
    if out is not None:
        write_document_values(out, matrix.ids, documents.lengths, {"log_likelihood": documents.log_likelihood})
        note(f"Wrote {out}: {matrix.n_documents:,} documents.")
    if as_json:
        unknown = sum(part.n_unknown for part in parts)
        echo_json({**asdict(found), "samples": samples, "unknown_tokens": unknown, **in_json(spread)})
        return
    per_document, per_word = in_words(spread)
    skipped = f", {found.skipped:,} documents with none skipped" if found.skipped else ""
    click.echo(
        f"completion perplexity per word      {found.perplexity_per_word:10.2f}{per_word}\n"
        f"completion perplexity per document  {found.perplexity_per_document:10.2f}{per_document}\n"
        f"from {found.tokens:,} hidden words of {found.documents:,} documents{skipped}; {samples} samples"
        + "".join(f"\n{describe_unknown_tokens(part)}" for part in parts if part.n_unknown)
    )


def refuse_other_documents(observed: "DocumentTermMatrix", hidden: "DocumentTermMatrix") -> None:
    """Refuse two parts whose rows are not of the same documents, as far as ids tell."""
    from docnvil.errors import CorpusError

    for row, (one, other) in enumerate(zip(observed.ids, hidden.ids, strict=False), start=1):
        if one != other:
            raise CorpusError(
                f"Row {row} is {one!r} among the words to observe and {other!r} among those to predict. Give two parts"
                " of the same documents, row by row."
            )
