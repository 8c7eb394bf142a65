"""docnvil sample: a corpus drawn from a model."""

from pathlib import Path
from typing import Any

import click

from docnvil.commands.console import echo_json, shows_progress
from docnvil.commands.options import CORPUS, load_for_model, source_options


@click.command()
@click.argument("model", type=CORPUS)
@click.option("--documents", type=click.IntRange(min=1), required=True, help="How many documents to draw.")
@click.option(
    "--lengths-of", type=CORPUS, required=True, help="A corpus whose documents are as long as the drawn ones shall be."
)
@click.option("--out", type=CORPUS, required=True, help="Where the corpus folder goes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of lengths and documents.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Replace an existing corpus.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
def sample(
    model: Path,
    documents: int,
    lengths_of: Path,
    out: Path,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw documents from MODEL and write them as a prepared corpus, however many they are.

    \b
    docnvil sample model/ --documents 10000 --lengths-of corpus/ --out drawn/

    Units are drawn from the prior, then words given the units: the corpus is one whose true model is known, to try
    sizes and methods on. Lengths are drawn from those of the documents of --lengths-of that have words of the model.
    """
    from tqdm import tqdm

    from docnvil.analysis.sampling import sample_documents
    from docnvil.corpus.writing import writing_corpus
    from docnvil.runtime.folders import refuse_existing_folder
    from docnvil.runtime.randomness import stream
    from docnvil.storage.model_folder import load_model

    refuse_existing_folder(out, kind="corpus", force=force)
    fitted = load_model(model, device)
    real = load_for_model(lengths_of, options, fitted).lengths
    lengths = stream(seed, "document lengths").choice(real[real > 0], documents)
    with (
        writing_corpus(out, fitted.vocabulary, fitted.token_rules, force=force) as corpus,
        tqdm(total=documents, unit=" docs", unit_scale=True, disable=not shows_progress(), dynamic_ncols=True) as bar,
    ):
        for counts in sample_documents(fitted.network, lengths, seed=seed):
            first = corpus.n_documents + 1
            corpus.append(counts, [str(number) for number in range(first, first + counts.shape[0])])
            bar.update(counts.shape[0])
    made = {
        "corpus": str(out),
        "documents": corpus.n_documents,
        "words": len(fitted.vocabulary),
        "tokens": corpus.n_tokens,
        "seed": seed,
    }
    if as_json:
        echo_json(made)
        return
    click.echo(
        f"Wrote {out}: {made['documents']:,} documents drawn from {model}, {made['tokens']:,} words of"
        f" {made['words']:,} different ones (seed {seed})."
    )
