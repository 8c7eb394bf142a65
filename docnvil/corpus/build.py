"""Building a prepared corpus from texts of any size, in parallel and in bounded memory.

1. `count_shard`: each shard of the sources is counted over its own words, in chunks that fit in memory.
2. `choose_vocabulary`: the word frequencies of all chunks are added up, and the vocabulary is chosen.
3. `encode_shard`: the counts of each chunk are converted to the columns of the vocabulary.
4. `join_shards`: the encoded chunks are appended to the corpus, in the order of the sources.

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
from pathlib import Path

import numpy as np
from scipy.sparse import load_npz

import docnvil
from docnvil.corpus.counted_chunks import (
    encode_chunk,
    load_chunk_info,
    load_words,
    save_counted_chunk,
)
from docnvil.corpus.executor import Executor, SerialExecutor
from docnvil.corpus.loading import all_empty_error, no_documents_error
from docnvil.corpus.shards import SourceShard, split_into_shards
from docnvil.corpus.word_frequencies import merge_word_frequencies
from docnvil.corpus.writing import writing_corpus
from docnvil.errors import CheckpointError, WorkerError
from docnvil.runtime.folders import verify_folder, writing_folder
from docnvil.text.accumulator import CountAccumulator, document_chunks
from docnvil.text.documents import Document, SourceOptions
from docnvil.text.fast_tokens import FastTokenReader, make_token_reader
from docnvil.text.token_reader import TokenReader
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary, choose_words

SCRATCH_VERSION = 3  # of the folders of counted shards
TOKENS_PER_CHUNK = 1 << 22
MAX_REMEMBERED_TOKENS = 1 << 18  # distinct tokens that a reader keeps; they take about 80 MB
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class VocabularyLimits:
    """How the vocabulary is chosen; see `count_words`.

    Arguments:
        size: maximum number of words, the most frequent ones are kept; None keeps all.
        min_df: minimum number (int) or share (float) of documents that contain a word.
        max_df: maximum number (int) or share (float) of documents that contain a word.
    """

    size: int | None = 10_000
    min_df: int | float = 2
    max_df: int | float = 0.5


@dataclass(frozen=True)
class CorpusSummary:
    """Sizes of a corpus.

    Arguments:
        n_documents: number of documents.
        n_empty: number of documents without a counted word.
        vocabulary_size: number of words in the vocabulary.
        n_tokens: sum of all counts.
        n_repeated_ids: number of documents whose id an earlier document has.
    """

    n_documents: int
    n_empty: int
    vocabulary_size: int
    n_tokens: int
    n_repeated_ids: int = 0


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
    on_progress: Callable[[int, int], None] = lambda n_done, n_steps: None,
) -> CorpusSummary:
    r"""Build a prepared corpus from texts; an interrupted build of the same corpus is continued.

    Arguments:
        sources: files and folders of texts, in order.
        out: the folder to create; `scratch_folder(out)` holds the finished chunks meanwhile.
        options: how the sources are read.
        rules: how texts are split into words.
        limits: how the vocabulary is chosen.
        vocabulary: the words to count; None chooses them by `limits`.
        executor: runs the tasks of steps 1 and 3; None runs them in this process.
        force: whether to replace a corpus at `out`.
        on_progress: called with the number of finished steps and of all steps.

    Returns:
        The sizes of the corpus.

    Raises:
        CorpusError: a source cannot be read, or there are no documents, or all are empty.
        VocabularyError: no word is within the limits.
        OutputExistsError: there is something at `out` that must not be replaced.
        WorkerError: worker processes died repeatedly.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     notes = Path(folder, "notes.txt")
    ...     _ = notes.write_text("a mouse, a cat\na cat\nnothing\n")
    ...     limits = VocabularyLimits(max_df=1.0)
    ...     build_corpus([notes], Path(folder, "corpus"), SourceOptions(), TokenRules(), limits)
    CorpusSummary(n_documents=3, n_empty=1, vocabulary_size=1, n_tokens=2, n_repeated_ids=0)
    """
    executor = SerialExecutor() if executor is None else executor
    shards = [shard for source in sources for shard in split_into_shards(source, options)]
    scratch = scratch_folder(out)
    counted = [_counted_folder(scratch) / shard.key(rules) for shard in shards]
    n_steps = 2 * len(set(counted)) + 1
    try:
        # A dictionary, because a source that is given twice is counted once.
        tasks = {folder: (shard, rules, folder) for folder, shard in zip(counted, shards, strict=True)}
        executor.run_all(count_shard, list(tasks.values()), on_done=lambda n_done: on_progress(n_done, n_steps))
        _check_visible(counted)
        chunks = _chunks_in(counted)
        if not chunks:
            raise no_documents_error(sources[0])
        if vocabulary is None:
            vocabulary = choose_vocabulary(chunks, limits)
        names = tuple(dict.fromkeys(name for chunk in chunks for name in load_chunk_info(chunk)["metadata_names"]))
        key = hashlib.sha256(json.dumps([vocabulary.words, names]).encode()).hexdigest()[:16]
        encoded = [scratch / f"encoded-{key}" / folder.name for folder in counted]
        tasks = {target: (folder, vocabulary, names, target) for folder, target in zip(counted, encoded, strict=True)}
        executor.run_all(
            encode_shard, list(tasks.values()), on_done=lambda n_done: on_progress(len(tasks) + n_done, n_steps)
        )
        _check_visible(encoded)
        summary = join_shards(encoded, out, vocabulary, rules, names, source=sources[0], force=force)
        on_progress(n_steps, n_steps)
        for folder in (*scratch.glob("encoded-*"), *scratch.glob("counted*")):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        vars(_thread).clear()
        for folder in (_counted_folder(scratch), scratch):
            with suppress(OSError):  # a folder that is not empty is kept
                folder.rmdir()
    return summary


def scratch_folder(out: Path) -> Path:
    """Return the folder for the chunks of an unfinished corpus, which is beside the corpus."""
    out = out.resolve()
    return out.with_name(out.name + ".building")


def _counted_folder(scratch: Path) -> Path:
    return scratch / f"counted-{docnvil.__version__}-{SCRATCH_VERSION}"


def is_outdated(scratch: Path) -> bool:
    """Return whether a scratch folder has counts of another version of docnvil, which cannot be used."""
    return any(folder != _counted_folder(scratch) for folder in scratch.glob("counted*"))


def _check_visible(folders: Iterable[Path]) -> None:
    """Raise an error if this machine does not see a folder that a worker on another machine has written."""
    for folder in folders:
        if not folder.exists():
            raise WorkerError(
                f"A worker has written {folder}, but this machine does not see it. Choose a place for the corpus on a"
                " disk that all machines see under the same path."
            )


def _chunks_in(shard_folders: Iterable[Path]) -> list[Path]:
    return [chunk for folder in shard_folders for chunk in sorted(folder.iterdir()) if chunk.is_dir()]


def count_shard(shard: SourceShard, rules: TokenRules, target: Path) -> None:
    """Count the words of a shard, and write its counted chunks to the folder `target` unless they are there."""
    if _is_complete(target, "counted shard"):
        return
    with writing_folder(target, kind="counted shard") as draft:
        for number, accumulator in enumerate(_count_in_chunks(shard.read_documents(), rules)):
            save_counted_chunk(draft / f"{number:06d}", accumulator)


def _count_in_chunks(documents: Iterable[Document], rules: TokenRules) -> Iterator[CountAccumulator]:
    """Yield the counts of consecutive documents whenever they are as much as memory should hold, and in the end."""
    accumulator = CountAccumulator(_reader_for(rules))
    for chunk in document_chunks(documents):
        accumulator.add(chunk)
        size = accumulator.n_tokens + len(accumulator.ids)  # empty documents take memory, too
        if size >= TOKENS_PER_CHUNK or accumulator.reader.n_remembered > MAX_REMEMBERED_TOKENS:
            yield accumulator
            accumulator = CountAccumulator(_reader_for(rules))
    if accumulator.ids:
        yield accumulator


_thread = threading.local()


def _reader_for(rules: TokenRules) -> TokenReader | FastTokenReader:
    """Return this thread's reader: a new one, or the last one if it has the same rules and is not full.

    Most tokens of a shard also occur in the shard before. Readers that remember them count a third faster.
    """
    reader = getattr(_thread, "reader", None)
    if reader is None or reader.tokenizer.rules != rules or reader.n_remembered > MAX_REMEMBERED_TOKENS:
        reader = _thread.reader = make_token_reader(rules)
    return reader


def choose_vocabulary(chunks: Sequence[Path], limits: VocabularyLimits) -> Vocabulary:
    """Return the vocabulary for the counted chunks in some folders."""
    n_documents = sum(load_chunk_info(chunk)["n_documents"] for chunk in chunks)
    return choose_words(merge_word_frequencies(map(load_words, chunks)), n_documents, **asdict(limits))


def encode_shard(counted: Path, vocabulary: Vocabulary, metadata_names: Sequence[str], target: Path) -> None:
    """Encode the chunks of a counted shard, and write them to the folder `target` unless they are there."""
    if _is_complete(target, "encoded shard"):
        return
    with writing_folder(target, kind="encoded shard") as draft:
        for chunk in _chunks_in([counted]):
            encode_chunk(chunk, draft / chunk.name, vocabulary, metadata_names)


def join_shards(
    encoded: Iterable[Path],
    out: Path,
    vocabulary: Vocabulary,
    rules: TokenRules,
    metadata_names: Sequence[str],
    *,
    source: Path,
    force: bool,
) -> CorpusSummary:
    """Write the corpus, with one chunk in memory at a time.

    Arguments:
        encoded: folders that `encode_shard` wrote, in the order of the documents.
        out: the folder to create.
        vocabulary: the words of the corpus.
        rules: how the texts were split into words.
        metadata_names: the names of the corpus's metadata.
        source: the source that an error message names.
        force: whether to replace a corpus at `out`.
    """
    chunks = _chunks_in(encoded)
    n_tokens = sum(load_chunk_info(chunk)["n_tokens"] for chunk in chunks)
    dtype = np.int32 if n_tokens <= _INT32_MAX else np.int64
    with writing_corpus(out, vocabulary, rules, metadata_names=metadata_names, dtype=dtype, force=force) as writer:
        for chunk in chunks:
            writer.append_counts(load_npz(chunk / "counts.npz"))
            writer.append_table_rows((chunk / "documents.csv").read_bytes().decode())
        if writer.n_empty == writer.n_documents:
            raise all_empty_error(source, len(vocabulary))
    n_distinct_ids = len(np.unique(np.concatenate([np.load(chunk / "id_hashes.npy") for chunk in chunks])))
    n_documents = writer.n_documents
    return CorpusSummary(n_documents, writer.n_empty, len(vocabulary), n_tokens, n_documents - n_distinct_ids)


def _is_complete(folder: Path, kind: str) -> bool:
    """Return whether a folder is there and intact; a damaged one is deleted."""
    if not folder.exists():
        return False
    try:
        verify_folder(folder, kind=kind)
    except CheckpointError:
        shutil.rmtree(folder)
        return False
    return True
