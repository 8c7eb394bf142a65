"""docnvil embed: write the unit probabilities or binary codes of documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import excerpts_for_model, load_for_model, note_unknown_tokens
from docnvil.commands.options import (
    CSV_SAFE,
    DEVICE,
    MODEL,
    SOURCE,
    Output,
    force_option,
    model_source_options,
    with_options,
)
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import note, shows_progress
from docnvil.errors import counted
from docnvil.storage.suffixes import EMBEDDINGS, TABLES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docnvil.text.document_term_matrix import DocumentTermMatrix
    from docnvil.training.fitted_model import FittedModel


@click.command()
@with_options(MODEL, SOURCE)
@click.option("--out", type=Output(*EMBEDDINGS, ".xlsx"), required=True, help="Output file: .csv, .parquet or .npy.")
@click.option(
    "--kind",
    type=click.Choice(["probabilities", "codes"]),
    default="probabilities",
    help="Probability that each unit is on, or binary codes: 1 where it is above 1/2.",
)
@click.option("--table", is_flag=True, help="Write the top units and an excerpt instead; --out may be .xlsx.")
@with_options(CSV_SAFE, DEVICE, force_option(), model_source_options)
def embed(
    model: Path, source: Path, out: Path, kind: str, table: bool, device: str, force: bool, **options: Any
) -> None:
    """Write MODEL's embedding of each document of CORPUS: its id, its metadata, then one column per unit.

    A model with a mixture prior also gives each document a theme, in the column after the id.

    \b
    docnvil embed model/ corpus/ --out embeddings.csv
    docnvil embed model/ posts.jsonl --label-column group --kind codes --out codes.csv
    docnvil embed model/ posts.jsonl --table --out posts.xlsx
    docnvil embed model/ corpus/ --out embeddings.npy    ids go to embeddings.ids.txt, themes to embeddings.themes.npy

    The column of a unit is called unit12, or by the unit's name if no other column has it.

    There is one row per document, in the order of CORPUS. A document without known words gets the prior probabilities.

    With --table, the columns are id, title, metadata, numbers of words, the three most probable units with their
    names and probabilities, and an excerpt of the text or the most frequent words.
    """
    import numpy as np

    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.runtime.publishing import complete_publication
    from docnvil.storage.model_folder import load_model
    from docnvil.storage.tables import embedding_format, ids_path, themes_path, write_embeddings

    if table:
        _write_documents(model, source, out, {**options, "device": device, "force": force, "kind": kind})
        return
    if out.suffix.lower() == ".xlsx":
        raise click.UsageError(f"{out} is a workbook, which has too few columns for embeddings. Add --table.")
    files = (out, ids_path(out), themes_path(out)) if out.suffix.lower() == ".npy" else (out,)
    claim_output(out, others=files, suffixes=EMBEDDINGS)
    embedding_format(out)  # can it be written?
    complete_publication(*files)
    for file in files:
        refuse_existing_file(file, force=force)
    fitted = load_model(model, device)
    matrix = load_for_model(source, options, fitted, may_be_empty=True)
    n_units = sum(fitted.network.config.units)
    chunks, themes = _embeddings(fitted, matrix, kind)
    write_embeddings(out, matrix.ids, matrix.metadata, n_units, chunks, themes, fitted.unit_names)
    sizes = f"{counted(matrix.n_documents, 'document')}, {counted(n_units, 'unit')}"
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


def _embeddings(
    fitted: "FittedModel", matrix: "DocumentTermMatrix", kind: str
) -> tuple[Iterator["NDArray[Any]"], "NDArray[np.int64] | None"]:
    """Return the embeddings in chunks of documents, and the theme of each document if the model has themes."""
    import numpy as np

    from docnvil.analysis.unit_probabilities import binary_codes
    from docnvil.text.sparse import row_chunks

    chunks = (fitted.transform(chunk) for chunk in row_chunks(matrix.counts))
    if kind == "codes":
        chunks = (binary_codes(probabilities).astype(int) for probabilities in chunks)
    if not fitted.has_themes:
        return chunks, None
    no_rows = np.empty(0, dtype=np.int64)
    return chunks, np.concatenate([no_rows, *(fitted.themes(chunk) for chunk in row_chunks(matrix.counts))])


def _write_documents(model: Path, source: Path, out: Path, options: dict[str, Any]) -> None:
    """Write the table of documents."""
    from tqdm import tqdm

    from docnvil.analysis.document_table import table_columns, table_rows
    from docnvil.runtime.folders import refuse_existing_file
    from docnvil.storage.document_tables import table_format, write_table
    from docnvil.storage.model_folder import load_model

    if options["kind"] != "probabilities":
        raise click.UsageError("--table lists the most probable units, so --kind has no effect. Leave it out.")
    if out.suffix.lower() == ".npy":
        raise click.UsageError(f"{out} holds numbers only. Write the table as .csv, .parquet or .xlsx.")
    claim_output(out, suffixes=TABLES)
    table_format(out)
    refuse_existing_file(out, force=options["force"])
    fitted = load_model(model, options["device"])
    matrix = load_for_model(source, options, fitted, may_be_empty=True)
    labels = [fitted.unit_label(unit) for unit in range(fitted.network.config.units[0])]
    rows = table_rows(fitted.network, labels, matrix, excerpts_for_model(source, options, fitted, matrix))
    bar = tqdm(rows, total=matrix.n_documents, unit=" documents", disable=not shows_progress(), leave=False)
    write_table(out, table_columns(matrix), bar, matrix.n_documents)
    note(f"Wrote {out}: a table of {counted(matrix.n_documents, 'document')}.")
    note_unknown_tokens(matrix)
