"""docnvil embed: write the unit probabilities or binary codes of documents."""

from pathlib import Path
from typing import Any

import click

from docnvil.commands.console import note
from docnvil.commands.inputs import load_for_model, note_unknown_tokens
from docnvil.commands.options import CORPUS, DEVICE, MODEL, SOURCE, force_option, model_source_options, with_options
from docnvil.commands.outputs import claim_output


@click.command()
@with_options(MODEL, SOURCE)
@click.option("--out", type=CORPUS, required=True, help="Output file: .parquet, .npy, or CSV for other names.")
@click.option(
    "--kind",
    type=click.Choice(["probabilities", "codes"]),
    default="probabilities",
    help="Probability that each unit is on, or binary codes: 1 where it is above 1/2.",
)
@with_options(DEVICE, force_option(), model_source_options)
def embed(model: Path, source: Path, out: Path, kind: str, device: str, force: bool, **options: Any) -> None:
    """Write MODEL's embedding of each document of CORPUS: its id, its metadata, then one column per unit.

    A model with a mixture prior also gives each document a theme, in the column after the id.

    \b
    docnvil embed model/ corpus/ --out embeddings.csv
    docnvil embed model/ posts.jsonl --label-column group --kind codes --out codes.csv
    docnvil embed model/ corpus/ --out embeddings.npy    ids go to embeddings.ids.txt, themes to embeddings.themes.npy

    The column of a unit is called unit12, or by the unit's name if no other column has it.

    There is one row per document, in the order of CORPUS. A document without known words gets the prior probabilities.
    """
    import numpy as np

    from docnvil.analysis.unit_probabilities import binary_codes
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.publishing import complete_publication
    from docnvil.storage.model_folder import load_model
    from docnvil.storage.tables import embedding_format, ids_path, themes_path, write_embeddings
    from docnvil.text.sparse import row_chunks

    files = (out, ids_path(out), themes_path(out)) if embedding_format(out) == "npy" else (out,)
    claim_output(out, [model, source], drafts_of=files)
    complete_publication(out)
    for file in files:
        refuse_existing_file(file, force=force)
    fitted = load_model(model, device)
    matrix = load_for_model(source, options, fitted, may_be_empty=True)
    n_units = sum(fitted.network.config.units)
    chunks = (fitted.transform(chunk) for chunk in row_chunks(matrix.counts))
    if kind == "codes":
        chunks = (binary_codes(probabilities).astype(int) for probabilities in chunks)
    themes = None
    if fitted.has_themes:
        no_rows = np.empty(0, dtype=np.int64)
        themes = np.concatenate([no_rows, *(fitted.themes(chunk) for chunk in row_chunks(matrix.counts))])
    write_embeddings(out, matrix.ids, matrix.metadata, n_units, chunks, themes, fitted.unit_names)
    sizes = f"{matrix.n_documents:,} documents, {n_units} units"
    if themes is not None:
        sizes += f", {len(np.unique(themes[themes >= 0])):,} of {fitted.network.config.themes:,} themes"
    empty = int(matrix.empty.sum())
    without_words = f"; {empty:,} without known words have the prior probabilities" if empty else ""
    note(f"Wrote {out}: {sizes}{without_words}.")
    if repeated := matrix.repeated_ids:
        first = ", ".join(repeated[:3]) + (", ..." if len(repeated) > 3 else "")
        ids = "1 id occurs" if len(repeated) == 1 else f"{len(repeated):,} ids occur"
        note(f"{ids} more than once ({first}); rows keep the order of the documents.")
    note_unknown_tokens(matrix)
