"""docnvil sample: sample a corpus from a model."""

from pathlib import Path
from typing import Any

import click

from docnvil.commands.inputs import load_for_model
from docnvil.commands.options import (
    CORPUS,
    DEVICE,
    JSON,
    MODEL,
    OUT_FOLDER,
    POSITIVE,
    force_option,
    model_source_options,
    seed_option,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo_result, shows_progress
from docnvil.errors import counted


@click.command()
@MODEL
@click.option("--documents", type=POSITIVE, required=True, help="Number of documents to sample.")
@click.option("--lengths-of", type=CORPUS, required=True, help="Corpus from which document lengths are drawn.")
@click.option("--out", type=OUT_FOLDER, required=True, help="Corpus folder to write.")
@seed_option("Seed of lengths and documents.")
@DEVICE
@force_option("an existing corpus")
@JSON
@model_source_options
def sample(model: Path, documents: int, lengths_of: Path, out: Path, seed: int, force: bool, **options: Any) -> None:
    """Sample documents from MODEL, and write them as a prepared corpus of any size.

    \b
    docnvil sample model/ --documents 10000 --lengths-of corpus/ --out sampled/

    Units are sampled from the prior, then words given the units, so that the true model of the corpus is known. The
    lengths are drawn from those of the documents of --lengths-of that have words of the model's vocabulary.
    """
    from tqdm import tqdm

    from docnvil.analysis.sampling import sample_documents
    from docnvil.corpus.writing import writing_corpus
    from docnvil.runtime.folders import refuse_existing_folder
    from docnvil.runtime.randomness import stream
    from docnvil.storage.model_folder import load_model

    claim_output(out)
    refuse_existing_folder(out, kind="corpus", force=force)
    fitted = load_model(model, options["device"])
    available = load_for_model(lengths_of, options, fitted).lengths
    lengths = stream(seed, "document lengths").choice(available[available > 0], documents)
    with (
        writing_corpus(out, fitted.vocabulary, fitted.token_rules, force=force) as corpus,
        tqdm(total=documents, unit=" docs", unit_scale=True, disable=not shows_progress(), dynamic_ncols=True) as bar,
    ):
        for counts in sample_documents(fitted.network, lengths, seed=seed):
            first = corpus.n_documents + 1
            corpus.append(counts, [str(number) for number in range(first, first + counts.shape[0])])
            bar.update(counts.shape[0])
    sizes = {"documents": corpus.n_documents, "words": len(fitted.vocabulary), "tokens": corpus.n_tokens}
    text = (
        f"Wrote {out}: {counted(corpus.n_documents, 'document')} sampled from {model},"
        f" {counted(corpus.n_tokens, 'token')}, {counted(sizes['words'], 'word')} (seed {seed})."
    )
    echo_result({"corpus": str(out), **sizes, "seed": seed}, text, as_json=options["as_json"])
