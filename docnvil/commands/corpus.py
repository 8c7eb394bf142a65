"""docnvil corpus: documents turned into a prepared corpus, once, for the other commands to take."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.console import echo_json, note, shows_progress
from docnvil.commands.options import (
    CORPUS,
    TEXTS,
    Share,
    counting_of,
    load_for_training,
    load_in_two,
    source_of,
    source_options,
    token_options,
)

if TYPE_CHECKING:
    from docnvil.corpus.process_pool import Run


@click.group()
def corpus() -> None:
    """Turn documents into a prepared corpus."""


@corpus.command()
@click.argument("sources", metavar="SOURCE...", type=TEXTS, nargs=-1, required=True)
@click.option("--out", type=CORPUS, required=True, help="Where the corpus folder goes.")
@click.option(
    "--held-out", type=Share(), help="Also split documents off, a share or a number; OUT gets train/ and test/."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the split.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that count texts; each takes 16 MiB of JSON lines, of lines or of a folder's files at a time, or a"
    " whole file of other rows, or gzipped.",
)
@click.option(
    "--executor",
    metavar="dask://HOST:PORT",
    help="Count on the workers of a Dask scheduler instead; they must see the same disk under the same paths.",
)
@click.option("--force", is_flag=True, help="Replace an existing corpus.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@source_options
@token_options
def build(
    sources: tuple[Path, ...],
    out: Path,
    held_out: int | float | None,
    seed: int,
    workers: int,
    executor: str | None,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Count the words of every SOURCE once and keep them: counts, vocabulary, ids and rules in a folder.

    \b
    docnvil corpus build texts/ --out corpus/
    docnvil corpus build posts-*.jsonl.gz --workers 8 --out corpus/
    docnvil corpus build s3://bucket/posts/ --out corpus/               addresses that fsspec knows
    docnvil corpus build posts.jsonl.gz --held-out 0.1 --out corpus/    writes corpus/train and corpus/test

    Memory does not grow with the texts, and the corpus is the same whatever the workers. A build that is interrupted
    leaves what it has counted beside OUT, and the same command goes on with it. With --held-out the texts are counted
    in memory, by one process; the words of held-out texts are not consulted when the vocabulary is chosen.
    """
    from docnvil.corpus.loading import write_corpus
    from docnvil.errors import OutputExistsError
    from docnvil.runtime.folders import is_folder_of_kind, refuse_existing_folder

    places = [out] if held_out is None else [out / "train", out / "test"]
    if held_out is not None and is_folder_of_kind(out, "corpus"):
        raise OutputExistsError(f"{out} is a corpus, and train/ and test/ are to be written. Choose another --out.")
    if executor is not None and workers > 1:
        raise click.UsageError("Give --workers, for processes of this machine, or --executor, for those of a cluster.")
    for place in places:
        refuse_existing_folder(place, kind="corpus", force=force)
    if held_out is None and _all_texts(sources, options):
        with _runner(workers, executor) as run:
            made = [_build(sources, out, run, options, force=force)]
    elif len(sources) > 1 or workers > 1 or executor is not None:
        raise click.UsageError("Counts, and a corpus with --held-out, are made of one SOURCE in one process.")
    else:
        (source,) = sources
        whole = held_out is None
        parts = (load_for_training(source, options),) if whole else load_in_two(source, options, held_out, seed)
        made = []
        for place, part in zip(places, parts, strict=True):
            write_corpus(part, place, force=force)
            made.append(_told(place, part.n_documents, int(part.empty.sum()), part.vocabulary_size, part.n_tokens))
    if as_json:
        echo_json({"corpora": made})
        return
    for each in made:
        click.echo(
            f"Wrote {each['corpus']}: {each['documents']:,} documents ({each['empty_documents']:,} empty),"
            f" {each['words']:,} different words, {each['tokens']:,} in all."
        )


def _all_texts(sources: tuple[Path, ...], options: dict[str, Any]) -> bool:
    from docnvil.text.documents import TEXT_FORMATS, detect_format

    return all(detect_format(source, source_of(options)) in TEXT_FORMATS for source in sources)


def _runner(workers: int, executor: str | None) -> AbstractContextManager["Run"]:
    """Return what does the counting, to be held while it is needed."""
    from docnvil.corpus.dask_executor import cluster
    from docnvil.corpus.process_pool import run_all

    return nullcontext(partial(run_all, workers=workers)) if executor is None else cluster(executor)


def _build(sources: tuple[Path, ...], out: Path, run: "Run", options: dict[str, Any], *, force: bool) -> dict[str, Any]:
    """Build the corpus in parts behind a progress bar, and say what is odd about it."""
    from tqdm import tqdm

    from docnvil.corpus.build import Limits, build_corpus, building_path
    from docnvil.text.vocabulary import Vocabulary

    counting = counting_of(options)
    rules, words = counting.pop("rules"), counting.pop("vocabulary_path")
    with tqdm(unit=" parts", disable=not shows_progress(), dynamic_ncols=True) as bar:

        def advance(done: int, steps: int) -> None:
            bar.total = steps
            bar.update(done - bar.n)

        try:
            built = build_corpus(
                [source.absolute() for source in sources],  # another machine's folder is another
                out.absolute(),
                source_of(options),
                rules,
                Limits(**counting),
                vocabulary=None if words is None else Vocabulary.load(words),
                run=run,
                force=force,
                on_step=advance,
            )
        except BaseException:
            if building_path(out).exists():
                note(f"What was counted is kept in {building_path(out)}; the same command goes on with it.")
            raise
    if built.repeated_ids:
        note(f"{built.repeated_ids:,} documents have an id that came before; documents are told by row.")
    return _told(out, built.documents, built.empty_documents, built.words, built.tokens)


def _told(place: Path, documents: int, empty: int, words: int, tokens: int) -> dict[str, Any]:
    return {"corpus": str(place), "documents": documents, "empty_documents": empty, "words": words, "tokens": tokens}
