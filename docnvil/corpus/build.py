"""Building a prepared corpus of any size, in parts, by any number of processes, to the same bytes.

count_shard     texts -> counts over words of their own, in segments that memory holds
merge           the words of all segments -> the vocabulary
encode_shard    counts over words of their own -> counts over the vocabulary
join            encoded segments, in order -> the corpus

Nothing of a text is kept but its counts, so every text is read once. A shard's folder is whole or not there, and a step
that finds its folder there and sound does nothing: whatever stops a build, the same call goes on with it. What is built
is what `count_words` would have counted; shards, segments and processes leave no trace in it.

Memory: a segment ends with the document that fills it, by tokens or by distinct ones, and the words of all segments are
merged from sorted files. Beside its segment a process keeps the vocabulary, and what it has learnt of at most
`TOKENS_REMEMBERED` tokens.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import docnvil
from docnvil.corpus.loading import all_empty, no_documents
from docnvil.corpus.process_pool import Run, run_all
from docnvil.corpus.segments import (
    FORMAT_VERSION,
    Segment,
    documents_of,
    encode,
    load_counts,
    marks_of,
    merged_words,
    metadata_of,
    n_documents_of,
    n_tokens_of,
    save_counts,
)
from docnvil.corpus.writing import writing_corpus
from docnvil.errors import CheckpointError, WorkerError
from docnvil.runtime.folders import verify_folder, writing_folder
from docnvil.text.accumulator import CountAccumulator, Metadata, TokenIndex, lots
from docnvil.text.documents import (
    Document,
    SourceOptions,
    detect_format,
    list_files,
    read_chunk,
    read_documents,
    read_files,
    split_source,
)
from docnvil.text.fast_tokens import reader_of
from docnvil.text.files import FileChunk, is_remote
from docnvil.text.tokens import Tokenizer, TokenRules
from docnvil.text.vocabulary import Vocabulary, choose_words

HERE: Run = partial(run_all, workers=1)
BYTES_PER_SHARD = 16 << 20
TOKENS_PER_SEGMENT = 1 << 22
TOKENS_REMEMBERED = 1 << 18  # distinct ones, with what they stand for: about 80 MB
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Shard:
    """A part of the sources that one process counts: a file of rows or a part of it, or some files of a folder.

    Arguments:
        source: the file or folder. options: how it is read.
        names: the files of the folder, in order; None for a file of rows.
        part: the lines of the file; None for all of it.
    """

    source: Path
    options: SourceOptions
    names: tuple[str, ...] | None = None
    part: FileChunk | None = None

    def documents(self) -> Iterator[Document]:
        """Read the documents, in order."""
        if self.part is not None:
            return read_chunk(self.source, self.part, self.options)
        if self.names is None:
            return read_documents(self.source, self.options)
        return read_files(self.source, self.names, self.options)

    def key(self, rules: TokenRules) -> str:
        """Return a name made of all that the shard's counts depend on: files, sizes and times, options and rules."""
        files = [self.source] if self.names is None else [self.source / name for name in self.names]
        states = [_state(file) for file in files]
        part = None if self.part is None else asdict(self.part)
        made_by = [docnvil.__version__, FORMAT_VERSION]
        about = [*made_by, str(self.source), states, part, asdict(self.options), rules.to_json()]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def _state(file: Path) -> tuple[str, int, str]:
    """Return a file's path, size and time of change; what a store says of it where it is one's."""
    if is_remote(file):
        found = file.fs.info(file.path)
        return str(file), found["size"], repr(sorted(found.items()))
    found = file.stat()
    return str(file.resolve()), found.st_size, str(found.st_mtime_ns)


@dataclass(frozen=True)
class Limits:
    """How the vocabulary is chosen; see `count_words`."""

    size: int | None = 10_000
    min_df: int | float = 2
    max_df: int | float = 0.5


@dataclass(frozen=True)
class Built:
    """What a build came to: documents, empty ones among them, words, tokens, and documents whose id came before."""

    documents: int
    empty_documents: int
    words: int
    tokens: int
    repeated_ids: int


def build_corpus(
    sources: Sequence[Path],
    out: Path,
    options: SourceOptions,
    rules: TokenRules,
    limits: Limits,
    *,
    vocabulary: Vocabulary | None = None,
    run: Run = HERE,
    force: bool = False,
    on_step: Callable[[int, int], None] = lambda done, steps: None,
) -> Built:
    r"""Build a prepared corpus of texts; what a stopped build of the same corpus has done is not done again.

    Arguments:
        sources: files and folders of texts, one after the other. options: how they are read.
        out: the folder to make; the parts lie in `building_path(out)` meanwhile.
        rules: how texts become words. limits: how the vocabulary is chosen. vocabulary: the words to count instead.
        run: does the counting, in this process, in several, or on a cluster that shares the disk.
        force: replace a corpus that stands at `out`.
        on_step: called with the steps done, and how many there are.

    Raises:
        CorpusError: a source cannot be read, or there are no documents, or all are empty.
        VocabularyError: the limits leave no word.
        OutputExistsError: something stands at `out` that may not be replaced.
        WorkerError: processes died again and again.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     notes = Path(folder, "notes.txt")
    ...     _ = notes.write_text("a mouse, a cat\na cat\nnothing\n")
    ...     out = Path(folder, "corpus")
    ...     build_corpus([notes], out, SourceOptions(), TokenRules(), Limits(max_df=1.0))
    Built(documents=3, empty_documents=1, words=1, tokens=2, repeated_ids=0)
    """
    shards = [shard for source in sources for shard in shards_of(source, options)]
    parts = building_path(out)
    counted = [parts / "counted" / shard.key(rules) for shard in shards]
    steps = 2 * len(set(counted)) + 1
    try:
        # The same file given twice is counted once.
        tasks = {folder: (shard, rules, folder) for folder, shard in zip(counted, shards, strict=True)}
        run(count_shard, list(tasks.values()), on_done=lambda done: on_step(done, steps))
        _require_here(counted)
        if not any(map(_segments_in, counted)):
            raise no_documents(sources[0])
        if vocabulary is None:
            vocabulary = merge(counted, limits, parts / "merged")
        key = hashlib.sha256("\n".join(vocabulary).encode()).hexdigest()
        encoded = [parts / f"encoded-{key[:16]}" / folder.name for folder in counted]
        tasks = {target: (source, vocabulary, target) for source, target in zip(counted, encoded, strict=True)}
        run(encode_shard, list(tasks.values()), on_done=lambda done: on_step(len(tasks) + done, steps))
        _require_here(encoded)
        built = join(counted, encoded, out, vocabulary, rules, source=sources[0], force=force)
        on_step(steps, steps)
        for folder in (*parts.glob("encoded-*"), parts / "merged", parts / "counted"):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        _KNOWN.clear()
        for folder in (parts / "counted", parts):
            with suppress(OSError):  # what holds finished parts stays
                folder.rmdir()
    return built


def _require_here(folders: Iterable[Path]) -> None:
    """Refuse to go on if what was made elsewhere is not to be seen here."""
    for folder in folders:
        if not folder.exists():
            raise WorkerError(
                f"A worker has done its part, and {folder} is not there. All workers must see the disk that the corpus"
                " is written to, under the same path."
            )


def building_path(out: Path) -> Path:
    """Return where the parts of an unfinished corpus lie: a folder beside it."""
    out = out.resolve()
    return out.with_name(out.name + ".building")


def shards_of(source: Path, options: SourceOptions) -> list[Shard]:
    """Cut a source into shards of 16 MiB: JSON lines and lines at ends of lines, a folder between files.

    A file that is gzipped, CSV, TSV or Parquet is one shard.
    """
    if detect_format(source, options) != "folder":
        cut = split_source(source, options, BYTES_PER_SHARD)
        if cut is None:
            return [Shard(source, options)]
        parts, options = cut
        return [Shard(source, options, part=part) for part in parts]
    read_documents(source, options)  # refuses options that folders do not know
    shards: list[list[str]] = [[]]
    size = 0
    for name in list_files(source):
        size += (source / name).stat().st_size
        if shards[-1] and size > BYTES_PER_SHARD:
            shards.append([])
            size = (source / name).stat().st_size
        shards[-1].append(name)
    return [Shard(source, options, tuple(names)) for names in shards]


def count_shard(shard: Shard, rules: TokenRules, target: Path) -> None:
    """Count a shard's words into `target`, a folder of segments."""
    if _is_done(target, "counted shard"):
        return
    with writing_folder(target, kind="counted shard") as draft:
        for number, segment in enumerate(_segments(shard.documents(), rules)):
            segment.save(draft / f"{number:06d}")


def merge(counted: Iterable[Path], limits: Limits, scratch: Path) -> Vocabulary:
    """Choose the vocabulary from the words of all segments, in memory that grows with `limits.size` alone.

    Arguments:
        counted: folders that `count_shard` wrote. limits: how to choose. scratch: a folder for files in between.
    """
    segments = [segment for folder in counted for segment in _segments_in(folder)]
    n_documents = sum(map(n_documents_of, segments))
    return choose_words(merged_words(segments, scratch), n_documents, **asdict(limits))


def encode_shard(counted: Path, vocabulary: Vocabulary, target: Path) -> None:
    """Bring the counts of a shard, as `count_shard` wrote it, to the vocabulary; `target` has the same segments."""
    if _is_done(target, "encoded shard"):
        return
    with writing_folder(target, kind="encoded shard") as draft:
        for segment in _segments_in(counted):
            (draft / segment.name).mkdir()
            save_counts(draft / segment.name, encode(segment, vocabulary))


def join(
    counted: Iterable[Path],
    encoded: Iterable[Path],
    out: Path,
    vocabulary: Vocabulary,
    rules: TokenRules,
    *,
    source: Path,
    force: bool,
) -> Built:
    """Write the corpus that shards make, one segment in memory at a time.

    Arguments:
        counted: folders that `count_shard` wrote, in order. encoded: what `encode_shard` made of them.
        out: the corpus folder to make; force: replace an old one.
        vocabulary: the words. rules: how texts became words. source: what to name in an error.
    """
    tables = [segment for folder in counted for segment in _segments_in(folder)]
    columns = tuple(dict.fromkeys(name for table in tables for name in metadata_of(table)))
    counts = [segment for folder in encoded for segment in _segments_in(folder)]
    kind = np.int32 if sum(map(n_tokens_of, counts)) <= _INT32_MAX else np.int64
    with writing_corpus(out, vocabulary, rules, columns=columns, dtype=kind, force=force) as corpus:
        for table, segment in zip(tables, counts, strict=True):
            corpus.append_counts(*load_counts(segment))
            corpus.append_rows(documents_of(table, columns))
        if corpus.n_empty == corpus.n_documents:
            raise all_empty(source, len(vocabulary))
    repeated = corpus.n_documents - len(np.unique(np.concatenate([marks_of(table) for table in tables])))
    return Built(corpus.n_documents, corpus.n_empty, len(vocabulary), corpus.n_tokens, repeated)


def _segments(documents: Iterable[Document], rules: TokenRules) -> Iterator[Segment]:
    """Count documents, and yield what has been counted whenever that fills a segment."""
    known = _KNOWN.pop(rules, None) or _Known(Tokenizer(rules))
    segment = _Counting(known)
    for lot in lots(documents):
        segment.add(lot)
        if known.enough or segment.tokens >= TOKENS_PER_SEGMENT:
            yield segment.finished()
            known = _Known(known.tokenizer) if known.enough else known
            segment = _Counting(known)
    if segment.ids:
        yield segment.finished()
    _KNOWN.clear()  # whoever changes rules has done with the old ones
    if not known.enough:
        _KNOWN[rules] = known


class _Known:
    """The tokens that have been met, with what they stand for, and the words among them in order."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.columns = TokenIndex(tokenizer, None)
        self.read = reader_of(tokenizer, self.columns)
        self._order = np.zeros(0, dtype=np.int32)

    @property
    def enough(self) -> bool:
        """Whether so many distinct tokens are kept that it is time to forget them."""
        return self.read.remembered > TOKENS_REMEMBERED

    def in_order(self) -> tuple[list[str], NDArray[np.int32]]:
        """Return every word, by column, and the columns in the order of these words."""
        words = list(self.columns.words)
        if len(self._order) < len(words):
            columns = [*self._order.tolist(), *range(len(self._order), len(words))]
            columns.sort(key=words.__getitem__)  # what was in order before takes hardly any time
            self._order = np.array(columns, dtype=np.int32)
        return words, self._order


# What a process has learnt by its last shard, for its next one; taken out while it is used, so that threads never share
# it.
_KNOWN: dict[TokenRules, _Known] = {}


class _Counting:
    """Documents that are being counted together, over the words that are known."""

    def __init__(self, known: _Known) -> None:
        self._known = known
        self.tokens = 0
        self.ids: list[str] = []
        self._metadata = Metadata()
        self._tally = CountAccumulator()

    def add(self, lot: Sequence[Document]) -> None:
        rows, columns = self._known.read([document.text for document in lot])
        self._tally.add(rows, columns, len(lot))
        self.tokens += len(columns) + len(lot)  # a document of no words also takes its place
        self._metadata.add(len(self.ids), lot)
        self.ids.extend(document.id for document in lot)

    def finished(self) -> Segment:
        words, order = self._known.in_order()
        frequencies = np.stack(self._tally.frequencies(len(words)), axis=1)
        places = order[frequencies[order, 0] > 0]
        occurring = [words[column] for column in places.tolist()]
        metadata = self._metadata.padded(len(self.ids))
        return Segment(self._tally.counted(), occurring, places, frequencies[places], self.ids, metadata)


def _segments_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _is_done(folder: Path, kind: str) -> bool:
    """Tell whether a part is there and sound; one that was altered is cleared away, to be made again."""
    if not folder.exists():
        return False
    try:
        verify_folder(folder, kind=kind)
    except CheckpointError:
        shutil.rmtree(folder)
        return False
    return True
