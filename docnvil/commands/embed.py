"""docnvil embed: a latent code for every document."""

from pathlib import Path
from typing import Any

import click

from docnvil.commands.console import note
from docnvil.commands.options import CORPUS, describe_unknown_tokens, load_for_model, source_options


@click.command()
@click.argument("model", type=CORPUS)
@click.argument("source", metavar="CORPUS", type=CORPUS)
@click.option("--out", type=CORPUS, required=True, help="The file to write: .parquet, .npy, or else CSV.")
@click.option(
    "--kind",
    type=click.Choice(["probabilities", "codes"]),
    default="probabilities",
    show_default=True,
    help="Probability that each unit is on, or the more probable of 0 and 1.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@source_options
def embed(model: Path, source: Path, out: Path, kind: str, device: str, force: bool, **options: Any) -> None:
    """Write MODEL's code of every document of CORPUS: its id, its metadata, then a column a unit.

    \b
    docnvil embed model/ corpus/ --out embeddings.csv
    docnvil embed model/ posts.jsonl --label-column group --kind codes --out codes.csv
    docnvil embed model/ corpus/ --out embeddings.npy    ids go to embeddings.ids.txt

    Rows come in the order of the documents, none is left out: a document without known words gets the prior's
    probabilities.
    """
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.storage.model_folder import load_model
    from docnvil.storage.tables import embedding_format, ids_path, write_embeddings
    from docnvil.text.sparse import row_chunks

    form = embedding_format(out)
    for file in (out, ids_path(out)) if form == "npy" else (out,):
        refuse_existing_file(file, force=force)
    fitted = load_model(model, device)
    matrix = load_for_model(source, options, fitted, may_be_empty=True)
    n_units = sum(fitted.network.config.units)
    parts = (fitted.transform(some) for some in row_chunks(matrix.counts))
    if kind == "codes":
        parts = ((probabilities > 0.5).astype(int) for probabilities in parts)
    write_embeddings(out, matrix.ids, matrix.metadata, n_units, parts)
    empty = int(matrix.empty.sum())
    about = f"; {empty:,} without known words have the prior's" if empty else ""
    note(f"Wrote {out}: {matrix.n_documents:,} documents, {n_units} units{about}.")
    if repeated := matrix.repeated_ids:
        shown = ", ".join(repeated[:3]) + (", ..." if len(repeated) > 3 else "")
        stand = "id stands" if len(repeated) == 1 else "ids stand"
        note(f"{len(repeated):,} {stand} for several documents ({shown}), which are told by their rows.")
    if matrix.n_unknown:
        note(describe_unknown_tokens(matrix))
