"""Building a prepared corpus from texts of any size, in parallel and in bounded memory.

1. `count_shard`: each shard of the sources is counted over its own words, in chunks that fit in memory.
2. `choose_vocabulary`: the word frequencies of all chunks are added up, and the vocabulary is chosen.
3. `encode_shard`: the counts of each chunk are converted to the columns of the vocabulary.
4. `_join`: the encoded chunks are appended to the corpus, in the order of the sources.

The result has the same bytes as `count_words` followed by `write_corpus`, however the sources are split. Each text is
read once. Steps 1 and 3 write one folder per shard to a scratch folder; a folder that is complete is not made again, so
an interrupted build continues where it stopped.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import load_npz

import docnvil
from docnvil.corpus.counted_chunks import (
    encode_chunk,
    load_chunk_info,
    load_sequences,
    load_words,
    save_counted_chunk,
    save_sequences,
)
from docnvil.corpus.executor import Executor, SerialExecutor, Task
from docnvil.corpus.loading import no_documents_error, recorded_options
from docnvil.corpus.shards import SourceShard, split_into_shards
from docnvil.corpus.writing import writing_corpus
from docnvil.errors import CheckpointError, CorpusError, WorkerError, naming_step
from docnvil.runtime.disk import delete
from docnvil.runtime.folders import verify_folder, writing_folder
from docnvil.runtime.paths import resolve_output
from docnvil.text.accumulator import CountAccumulator, SequenceAccumulator, document_chunks
from docnvil.text.documents import Document, SourceOptions, read_documents
from docnvil.text.fast_tokens import make_token_reader
from docnvil.text.ngram_counting import choose_ngrams
from docnvil.text.reading_report import ReadingReport
from docnvil.text.settings import VocabularyLimits
from docnvil.text.token_reader import TokenReader
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary, choose_words
from docnvil.text.word_checks import (
    WordLengths,
    describe_no_known_words,
    warn_of_limits,
    warn_of_words,
    words_of_first,
)
from docnvil.text.word_frequencies import MAX_WORDS_IN_MEMORY, drop_rare_words, merge_word_frequencies

SCRATCH_VERSION = 9  # of the folders of counted shards
TOKENS_PER_CHUNK = 1 << 22
MAX_REMEMBERED_TOKENS = 1 << 18  # distinct tokens that a reader keeps; they take about 80 MB
_INT32_MAX = 2**31 - 1
_FEWER_WORKERS = "Use fewer --workers."
_REPORT = "report.json"  # in the folder of a counted shard: what was left out or replaced

OnProgress = Callable[[int, int], None]  # takes the number of finished tasks and of all tasks


@dataclass(frozen=True)
class CorpusSummary:
    """Sizes of a corpus.

    `n_repeated_ids` is the number of documents whose id an earlier document has. The tokens that are not in the
    vocabulary are `n_beyond_limits` if it was chosen from these documents, and otherwise `n_unknown`.
    """

    n_documents: int
    n_empty: int
    vocabulary_size: int
    n_tokens: int
    n_repeated_ids: int = 0
    n_unknown: int = 0
    n_beyond_limits: int = 0


def build_corpus(
    sources: Sequence[Path],
    out: Path,
    options: SourceOptions,
    rules: TokenRules,
    limits: VocabularyLimits,
    *,
    vocabulary: Vocabulary | None = None,
    executor: Executor | None = None,
    force: bool = False,
    on_progress: OnProgress = lambda n_done, n_tasks: None,
) -> CorpusSummary:
    r"""Build a prepared corpus from texts; an interrupted build of the same corpus is continued.

    Until the folder `out` is complete, `scratch_folder(out)` holds what is finished. Without a `vocabulary`, words are
    chosen by the limits. The executor runs steps 1 and 3; the default runs them in this process.

    Raises:
        CorpusError: a source cannot be read, or there are no documents, or all are empty.
        VocabularyError: no word is within the limits.
        OutputExistsError: there is something at `out` that must not be replaced.
        WorkerError: worker processes died repeatedly.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     notes, limits = Path(folder, "notes.txt"), VocabularyLimits(max_df=1.0)
    ...     _ = notes.write_text("a mouse, a cat\na cat\nnothing\n")
    ...     summary = build_corpus([notes], Path(folder, "corpus"), SourceOptions(), TokenRules(), limits)
    >>> summary.n_documents, summary.n_empty, summary.vocabulary_size, summary.n_tokens, summary.n_beyond_limits
    (3, 1, 1, 2, 1)
    """
    scratch = scratch_folder(out)
    run = partial(_run, executor or SerialExecutor(), on_progress)
    try:
        counted = _count(sources, options, rules, scratch, run)
        is_chosen = vocabulary is None
        vocabulary = choose_vocabulary(counted, limits, rules) if vocabulary is None else vocabulary
        encoded, names = _encode(counted, vocabulary, rules, scratch, run)
        recorded = {"metadata_names": names, "reading": recorded_options(sources[0], options)}
        recorded["has_unknown"] = not is_chosen
        describe_empty = partial(_describe_empty, sources, options, rules, vocabulary)
        summary = _join(encoded, out, vocabulary, rules, describe_empty, force=force, **recorded)
        if is_chosen:
            n_without_words = sum(load_chunk_info(chunk)["n_empty"] for chunk in _chunks_in(counted))
            with_words = summary.n_documents - n_without_words
            warn_of_limits(with_words, summary.n_empty - n_without_words, **asdict(limits))
        n_tasks = 2 * len(set(counted)) + 1
        on_progress(n_tasks, n_tasks)
        for folder in (*scratch.glob("encoded-*"), *scratch.glob("counted*")):
            delete(folder)
    finally:
        vars(_thread).clear()
        for folder in (_counted_folder(scratch), scratch):
            with suppress(OSError):  # a folder that is not empty is kept
                folder.rmdir()
    return summary


def _run(
    executor: Executor, on_progress: OnProgress, function: Callable[..., None], tasks: dict[Path, Task], n_before: int
) -> None:
    """Run tasks of which each writes the folder that is its key."""
    for n_done in executor.run_all(function, list(tasks.values())):
        on_progress(n_before + n_done, 2 * len(tasks) + 1)
    for folder in tasks:
        if not folder.exists():
            raise WorkerError(
                f"A worker has written {folder}, but this machine does not see it. Choose a place for the corpus on a"
                " disk that all machines see under the same path."
            )


def _count(
    sources: Sequence[Path], options: SourceOptions, rules: TokenRules, scratch: Path, run: Callable[..., None]
) -> list[Path]:
    """Count the shards of all sources; return their folders in order, twice the same if a source is given twice."""
    report = ReadingReport()
    shards = [shard for source in sources for shard in split_into_shards(source, options, report)]
    counted = [_counted_folder(scratch) / shard.key(rules) for shard in shards]
    run(count_shard, {folder: (shard, rules, folder) for folder, shard in zip(counted, shards, strict=True)}, 0)
    for folder in dict.fromkeys(counted):
        report.merge(ReadingReport.from_json(json.loads((folder / _REPORT).read_text(encoding="utf-8"))))
    report.warn()
    if not _chunks_in(counted):
        raise no_documents_error(sources[0])
    return counted


def _encode(
    counted: Sequence[Path], vocabulary: Vocabulary, rules: TokenRules, scratch: Path, run: Callable[..., None]
) -> tuple[list[Path], tuple[str, ...]]:
    """Encode counted shards; return their new folders, and the names of the metadata of the corpus."""
    infos = map(load_chunk_info, _chunks_in(counted))
    names = tuple(dict.fromkeys(name for info in infos for name in info["metadata_names"]))
    key = hashlib.sha256(json.dumps([vocabulary.words, names]).encode()).hexdigest()[:16]
    encoded = [scratch / f"encoded-{key}" / folder.name for folder in counted]
    tasks = {
        target: (folder, vocabulary, names, rules.ngrams, target)
        for folder, target in zip(counted, encoded, strict=True)
    }
    run(encode_shard, tasks, len(tasks))
    return encoded, names


def scratch_folder(out: Path) -> Path:
    """Return the folder for the chunks of an unfinished corpus, which is beside the corpus."""
    out = resolve_output(out)
    return out.with_name(out.name + ".building")


def _counted_folder(scratch: Path) -> Path:
    return scratch / f"counted-{docnvil.__version__}-{SCRATCH_VERSION}"


def is_outdated(scratch: Path) -> bool:
    """Return whether a scratch folder has counts of another version of docnvil, which cannot be used."""
    return any(folder != _counted_folder(scratch) for folder in scratch.glob("counted*"))


def _chunks_in(shard_folders: Iterable[Path]) -> list[Path]:
    return [chunk for folder in shard_folders for chunk in sorted(folder.iterdir()) if chunk.is_dir()]


def count_shard(shard: SourceShard, rules: TokenRules, target: Path) -> None:
    """Count the words of a shard, and write its counted chunks to the folder `target` unless they are there."""
    if _is_complete(target, "counted shard"):
        return
    step = naming_step(f"counting the words of {shard.source}", _FEWER_WORKERS)
    with step, writing_folder(target, kind="counted shard") as draft:
        report = ReadingReport()
        for number, accumulator in enumerate(_count_in_chunks(shard.read_documents(report), rules)):
            save = save_sequences if isinstance(accumulator, SequenceAccumulator) else save_counted_chunk
            save(draft / f"{number:06d}", accumulator)
        (draft / _REPORT).write_text(json.dumps(report.to_json()), encoding="utf-8")


def _count_in_chunks(documents: Iterable[Document], rules: TokenRules) -> Iterator[CountAccumulator]:
    """Yield the counts of consecutive documents whenever they are as much as memory should hold, and in the end."""
    kind = CountAccumulator if rules.ngrams == (1, 1) else SequenceAccumulator
    accumulator = kind(_reader_for(rules))
    for chunk in document_chunks(documents):
        accumulator.add(chunk)
        size = accumulator.n_tokens + len(accumulator.ids)  # empty documents take memory, too
        if size >= TOKENS_PER_CHUNK or accumulator.reader.n_remembered > MAX_REMEMBERED_TOKENS:
            yield accumulator
            accumulator = kind(_reader_for(rules))
    if accumulator.ids:
        yield accumulator


_thread = threading.local()  # `reader`: the last reader of each thread, so that threads do not share one


def _reader_for(rules: TokenRules) -> TokenReader:
    """Return a new reader, or this thread's last one if it has the same rules and does not remember too many tokens.

    Most tokens of a shard also occur in the shard before, so counting takes a third less time with the last reader.
    """
    reader = getattr(_thread, "reader", None)
    if reader is None or reader.tokenizer.rules != rules or reader.n_remembered > MAX_REMEMBERED_TOKENS:
        reader = _thread.reader = make_token_reader(rules)
    return reader


def choose_vocabulary(counted: Iterable[Path], limits: VocabularyLimits, rules: TokenRules) -> Vocabulary:
    """Return the vocabulary of counted shards, and warn if their words look wrong."""
    chunks = _chunks_in(counted)
    n_documents = sum(load_chunk_info(chunk)["n_documents"] for chunk in chunks)
    lengths = WordLengths()
    if rules.ngrams == (1, 1):
        words = lengths.watch(_merge_frequent_words(chunks, limits, n_documents))
        vocabulary = choose_words(words, n_documents, **asdict(limits))
    else:
        n_ngrams = sum(load_chunk_info(chunk)["n_tokens"] for chunk in chunks)
        load = partial(map, partial(load_sequences, ngrams=rules.ngrams), chunks)
        vocabulary = choose_ngrams(load, limits, n_documents, n_ngrams)
        for sequences in load():
            sequences.add_lengths(lengths)
    warn_of_words(lengths, rules)
    return vocabulary


def _merge_frequent_words(
    chunks: Sequence[Path], limits: VocabularyLimits, n_documents: int
) -> Iterator[tuple[str, int, int]]:
    """Yield words with their frequencies: all, or those in enough documents if there are many."""
    min_documents = limits.min_df * n_documents if isinstance(limits.min_df, float) else limits.min_df
    load_tables = partial(map, load_words, chunks)
    n_words = sum(load_chunk_info(chunk)["n_words"] for chunk in chunks)
    is_empty = True
    if n_words > MAX_WORDS_IN_MEMORY and min_documents > 1:
        for item in merge_word_frequencies(drop_rare_words(load_tables, min_documents)):
            if item[2] >= min_documents:
                yield item
                is_empty = False
    if is_empty:  # also if all words are rare, so that the error can say so
        yield from merge_word_frequencies(load_tables())


def encode_shard(
    counted: Path, vocabulary: Vocabulary, metadata_names: Sequence[str], ngrams: tuple[int, int], target: Path
) -> None:
    """Encode the chunks of a counted shard, and write them to the folder `target` unless they are there."""
    if _is_complete(target, "encoded shard"):
        return
    step = naming_step(f"converting the counts in {counted}", _FEWER_WORKERS)
    with step, writing_folder(target, kind="encoded shard") as draft:
        for chunk in _chunks_in([counted]):
            encode_chunk(chunk, draft / chunk.name, vocabulary, metadata_names, ngrams)


def _join(
    encoded: Iterable[Path],
    out: Path,
    vocabulary: Vocabulary,
    rules: TokenRules,
    describe_empty: Callable[[int], str],
    **options: Any,
) -> CorpusSummary:
    """Write the corpus from encoded shards, with one chunk in memory at a time.

    Arguments:
        encoded: the folders of the shards.
        out: the folder of the corpus.
        vocabulary: its words.
        rules: how the texts were split.
        describe_empty: returns what is wrong if no document has any of the words, from the number of other words.
        options: for `writing_corpus`.
    """
    chunks = _chunks_in(encoded)
    n_tokens = sum(load_chunk_info(chunk)["n_tokens"] for chunk in chunks)
    dtype = np.int32 if n_tokens <= _INT32_MAX else np.int64
    with naming_step(f"writing {out}"), writing_corpus(out, vocabulary, rules, dtype=dtype, **options) as writer:
        n_others = 0
        for chunk in chunks:
            unknown = np.load(chunk / "unknown.npy")
            n_others += int(unknown.sum())
            writer.append_counts(load_npz(chunk / "counts.npz"))
            writer.append_unknown(unknown)
            writer.append_table_rows((chunk / "documents.csv").read_bytes().decode())
        if writer.n_empty == writer.n_documents:
            raise CorpusError(describe_empty(writer.n_unknown))
    n_distinct_ids = len(np.unique(np.concatenate([np.load(chunk / "id_hashes.npy") for chunk in chunks])))
    sizes = writer.n_documents, writer.n_empty, len(vocabulary), n_tokens
    n_repeated = writer.n_documents - n_distinct_ids
    return CorpusSummary(*sizes, n_repeated, writer.n_unknown, n_others - writer.n_unknown)


def _describe_empty(
    sources: Sequence[Path], options: SourceOptions, rules: TokenRules, vocabulary: Vocabulary, n_unknown: int
) -> str:
    """Return the message for sources without any word of a vocabulary; their first documents are read again."""
    documents = chain.from_iterable(read_documents(source, options, ReadingReport()) for source in sources)
    name = str(sources[0]) if len(sources) == 1 else "the documents"
    return describe_no_known_words(name, vocabulary, n_unknown, words_of_first(documents, rules))


def _is_complete(folder: Path, kind: str) -> bool:
    """Return whether a folder is there and intact; a damaged one is deleted."""
    try:
        verify_folder(folder, kind=kind)
        return True
    except CheckpointError:
        if folder.exists():
            shutil.rmtree(folder)
        return False
