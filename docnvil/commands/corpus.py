"""docnvil corpus: documents turned into a prepared corpus, once, for the other commands to take."""

from pathlib import Path
from typing import Any

import click

from docnvil.commands.console import echo_json
from docnvil.commands.options import CORPUS, Share, load_for_training, load_in_two, source_options, token_options


@click.group()
def corpus() -> None:
    """Turn documents into a prepared corpus."""


@corpus.command()
@click.argument("source", type=CORPUS)
@click.option("--out", type=CORPUS, required=True, help="Where the corpus folder goes.")
@click.option(
    "--held-out", type=Share(), help="Also split documents off, a share or a number; OUT gets train/ and test/."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the split.")
@click.option("--force", is_flag=True, help="Replace an existing corpus.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
@token_options
def build(
    source: Path, out: Path, held_out: int | float | None, seed: int, force: bool, as_json: bool, **options: Any
) -> None:
    """Count SOURCE's words once and keep them: counts, vocabulary, ids and rules in a folder.

    \b
    docnvil corpus build texts/ --out corpus/
    docnvil corpus build posts.jsonl.gz --held-out 0.1 --out corpus/    writes corpus/train and corpus/test

    The words of held-out texts are not consulted when the vocabulary is chosen.
    """
    from docnvil.errors import OutputExistsError
    from docnvil.folders import is_folder_of_kind, refuse_existing_folder
    from docnvil.text.corpus import write_corpus

    places = [out] if held_out is None else [out / "train", out / "test"]
    if held_out is not None and is_folder_of_kind(out, "corpus"):
        raise OutputExistsError(f"{out} is a corpus, and train/ and test/ are to be written. Choose another --out.")
    for place in places:
        refuse_existing_folder(place, kind="corpus", force=force)
    parts = (load_for_training(source, options),) if held_out is None else load_in_two(source, options, held_out, seed)
    made = []
    for place, part in zip(places, parts, strict=True):
        write_corpus(part, place, force=force)
        made.append(
            {
                "corpus": str(place),
                "documents": part.n_documents,
                "empty_documents": int(part.empty.sum()),
                "words": part.n_words,
                "tokens": part.n_tokens,
            }
        )
    if as_json:
        echo_json({"corpora": made})
        return
    for each in made:
        click.echo(
            f"Wrote {each['corpus']}: {each['documents']:,} documents ({each['empty_documents']:,} empty),"
            f" {each['words']:,} different words, {each['tokens']:,} in all."
        )
