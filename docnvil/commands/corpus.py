"""docnvil corpus: convert documents to a prepared corpus, which the other commands read."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docnvil.commands.inputs import (
    contains_text,
    counting_of,
    describe_limits,
    describe_unknown_tokens,
    load_for_training,
    load_in_two,
    note_phrases,
    refuse_idle_options,
    source_of,
)
from docnvil.commands.numbers import Share
from docnvil.commands.options import JSON, OUT_FOLDER, POSITIVE, Texts, counting_options, force_option, seed_option
from docnvil.commands.outputs import claim_output
from docnvil.commands.printing import echo, echo_json, note, shows_progress
from docnvil.commands.suggestions import SuggestingGroup
from docnvil.errors import counted

if TYPE_CHECKING:
    from docnvil.corpus.build import CorpusSummary
    from docnvil.corpus.executor import Executor
    from docnvil.text.document_term_matrix import DocumentTermMatrix


@click.group(cls=SuggestingGroup)
def corpus() -> None:
    """Turn documents into a prepared corpus."""


@corpus.command(short_help="Count words and write a prepared corpus.")
@click.argument("sources", metavar="SOURCE...", type=Texts(), nargs=-1, required=True)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder of the new corpus.")
@click.option("--held-out", type=Share(), help="Number or share of documents to split off; OUT gets train/ and test/.")
@seed_option("Seed of the split.")
@click.option("--workers", type=POSITIVE, default=1, help="Number of processes that count texts.")
@click.option("--executor", metavar="dask://HOST:PORT", help="Count on the workers of a Dask scheduler instead.")
@force_option("an existing corpus")
@JSON
@counting_options
def build(
    sources: tuple[Path, ...], out: Path, held_out: float | None, workers: int, executor: str | None, **options: Any
) -> None:
    """Count the words of every SOURCE, and write counts, vocabulary, ids and token rules to a folder.

    \b
    docnvil corpus build texts/ --out corpus/
    docnvil corpus build posts-*.jsonl.gz --workers 8 --out corpus/
    docnvil corpus build s3://bucket/posts/ --out corpus/               any URL that fsspec can read
    docnvil corpus build posts.jsonl.gz --held-out 0.1 --out corpus/    writes corpus/train and corpus/test

    Memory use does not grow with the texts, and the corpus is the same for any number of workers. Text lines, JSON
    lines and folders are counted in chunks of 16 MiB, files in other formats as a whole. The workers of a Dask cluster
    must see the same disk under the same paths. To continue an interrupted build, run the same command again.

    With --held-out, the texts are counted in memory by one process, and the vocabulary is chosen from corpus/train.
    """
    from docnvil.corpus.writing import write_corpus
    from docnvil.errors import OutputExistsError
    from docnvil.runtime.folders import is_folder_of_kind, refuse_existing_folder
    from docnvil.runtime.publishing import complete_publication, writing_together

    force = options["force"]
    folders = [out] if held_out is None else [out / "train", out / "test"]
    if held_out is not None and is_folder_of_kind(out, "corpus"):
        raise OutputExistsError(f"{out} is a corpus; train/ and test/ cannot be written to it. Choose another --out.")
    if executor is not None and workers > 1:
        raise click.UsageError("--workers starts processes on this machine, --executor uses a cluster. Give only one.")
    claim_output(out, others=folders)
    complete_publication(*folders)
    for folder in folders:
        refuse_existing_folder(folder, kind="corpus", force=force)
    for source in sources:
        refuse_idle_options(source, options)
    if held_out is None and all(contains_text(source, options) for source in sources):
        with _make_executor(workers, executor) as runs_tasks:
            summaries = [_build(sources, out, runs_tasks, options)]
    elif len(sources) > 1 or workers > 1 or executor is not None:
        raise click.UsageError("Counts, and a corpus with --held-out, are made from one SOURCE in one process.")
    else:
        if held_out is None:
            matrices = (load_for_training(sources[0], options),)
        else:
            matrices = load_in_two(sources[0], options, held_out)
        with writing_together(*folders) as drafts:  # a new train/ beside an old test/ would mix two splits
            for draft, matrix in zip(drafts, matrices, strict=True):
                write_corpus(matrix, draft)
        summaries = [_summarize(matrix) for matrix in matrices]
    if options["as_json"]:
        echo_json({"corpora": [_to_json(*pair) for pair in zip(folders, summaries, strict=True)]})
        return
    for folder, summary in zip(folders, summaries, strict=True):
        echo(_describe(folder, summary))


def _describe(folder: Path, summary: "CorpusSummary") -> str:
    text = (
        f"Wrote {folder}: {counted(summary.n_documents, 'document')} ({summary.n_empty:,} empty),"
        f" {summary.vocabulary_size:,} different words, {summary.n_tokens:,} in all."
    )
    if summary.n_unknown:
        text += f" {describe_unknown_tokens(summary, 'the')}"
    return text + describe_limits(summary)


def _summarize(matrix: "DocumentTermMatrix") -> "CorpusSummary":
    from docnvil.corpus.build import CorpusSummary

    sizes = matrix.n_documents, int(matrix.empty.sum()), matrix.vocabulary_size, matrix.n_tokens
    return CorpusSummary(*sizes, n_unknown=matrix.n_unknown, n_beyond_limits=matrix.n_beyond_limits)


def _to_json(folder: Path, summary: "CorpusSummary") -> dict[str, Any]:
    return {
        "corpus": str(folder),
        "documents": summary.n_documents,
        "empty_documents": summary.n_empty,
        "words": summary.vocabulary_size,
        "tokens": summary.n_tokens,
        "unknown_tokens": summary.n_unknown,
        "tokens_beyond_limits": summary.n_beyond_limits,
    }


def _make_executor(workers: int, address: str | None) -> AbstractContextManager["Executor"]:
    from docnvil.corpus.dask_executor import connect_to_dask
    from docnvil.corpus.executor import SerialExecutor
    from docnvil.corpus.process_pool import ProcessPool

    if address is not None:
        return connect_to_dask(address)
    return nullcontext(SerialExecutor() if workers == 1 else ProcessPool(workers))


def _build(sources: tuple[Path, ...], out: Path, executor: "Executor", options: Mapping[str, Any]) -> "CorpusSummary":
    """Build the corpus with a progress bar, and print notes about it."""
    from tqdm import tqdm

    from docnvil.corpus.build import VocabularyLimits, build_corpus, is_outdated, scratch_folder
    from docnvil.corpus.loading import learn_phrases_of
    from docnvil.text.word_checks import load_vocabulary

    counting = counting_of(options, sources)
    rules, vocabulary_path = counting.pop("rules"), counting.pop("vocabulary_path")
    if counting.pop("learns_phrases"):
        rules = learn_phrases_of(sources, source_of(options), rules)
        note_phrases(rules)
    scratch = scratch_folder(out)
    if is_outdated(scratch):
        note(f"{scratch} has counts of another version of docnvil, so all texts are counted again.")
    with tqdm(unit=" steps", disable=not shows_progress(), dynamic_ncols=True) as bar:

        def show_progress(n_done: int, n_steps: int) -> None:
            bar.total = n_steps
            bar.update(n_done - bar.n)

        try:
            summary = build_corpus(
                [source.absolute() for source in sources],  # relative paths differ on other machines
                out.absolute(),
                source_of(options),
                rules,
                VocabularyLimits(**counting),
                vocabulary=None if vocabulary_path is None else load_vocabulary(vocabulary_path, rules),
                executor=executor,
                force=options["force"],
                on_progress=show_progress,
            )
        except BaseException:
            if scratch.exists():
                note(f"Finished counts are kept in {scratch}; the same command continues from there.")
            raise
    if summary.n_repeated_ids:
        note(
            f"{counted(summary.n_repeated_ids, 'document', 'have')} the id of an earlier document; rows keep their"
            " order."
        )
    return summary
