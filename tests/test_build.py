"""A corpus built shard by shard has the same bytes as one that is counted at once, also if processes die."""

import gzip
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import run, start
from hypothesis import given, settings
from hypothesis import strategies as st
from text_data import anything, write_jsonl

from docnvil.corpus import build, shards
from docnvil.corpus.build import VocabularyLimits, build_corpus, scratch_folder
from docnvil.corpus.loading import load_document_term_matrix
from docnvil.corpus.process_pool import ProcessPool
from docnvil.corpus.shards import SourceShard, split_into_shards
from docnvil.corpus.writing import write_corpus
from docnvil.errors import CorpusError, VocabularyError, WorkerError
from docnvil.text import accumulator, word_frequencies
from docnvil.text.documents import Document, SourceOptions, read_documents
from docnvil.text.reading_report import ReadingReport
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary, build_vocabulary
from docnvil.text.word_frequencies import merge_word_frequencies

AUTO, ALL = SourceOptions(), VocabularyLimits(size=None, min_df=1, max_df=1.0)
BUILD = ("corpus", "build", "--vocabulary-size", 150)
ROOT = Path(__file__).parents[1]
WAITING = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'waiting'}"}  # a process waits to open some files


def same_bytes(left: Path, right: Path) -> bool:
    files = sorted(path.name for path in left.iterdir())
    assert files == sorted(path.name for path in right.iterdir())
    return all((left / name).read_bytes() == (right / name).read_bytes() for name in files)


def random_rows(n: int, seed: int = 0) -> list[dict]:
    generator = np.random.default_rng(seed)
    words = [f"w{rank}" for rank in range(400)]
    weights = 1 / np.arange(1, 401)
    draws = generator.choice(words, (n, 40), p=weights / weights.sum())
    return [{"id": str(row // 2), "text": " ".join(draw), "group": "ab"[row % 2]} for row, draw in enumerate(draws)]


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """Five files of posts; the last one has one more column."""
    rows = random_rows(250)
    paths = [write_jsonl(tmp_path / f"{part}.jsonl", rows[50 * part : 50 * part + 50]) for part in range(4)]
    return [*paths, write_jsonl(tmp_path / "4.jsonl.gz", [{**row, "note": "x\r"} for row in rows[200:]])]


@pytest.fixture
def whole(sources, tmp_path) -> Path:
    """The corpus of all five files, counted at once."""
    together = tmp_path / "together.jsonl"
    texts = [path.read_bytes() for path in sources[:4]] + [gzip.decompress(sources[4].read_bytes())]
    together.write_bytes(b"".join(texts))
    write_corpus(load_document_term_matrix(together, size=150), tmp_path / "whole")
    return tmp_path / "whole"


def error_message(function) -> str:
    """Return the message of the error that a function raises, or nothing."""
    try:
        function()
    except VocabularyError as error:
        return str(error)
    return ""


@settings(max_examples=25)
@given(
    texts=st.lists(
        anything | st.sampled_from(["cat \ufeff owl", "the", "", "a\tb", "owl \\ cat"]), min_size=1, max_size=6
    ),
    tokens=st.integers(1, 5),
    remembered=st.sampled_from([0, 1, 3, 1000]),
    words=st.sampled_from([0, 2, 1000]),
    n_bytes=st.sampled_from([100, 2000, 100_000]),
    characters=st.sampled_from([1, 10, 1000]),
    limits=st.sampled_from([VocabularyLimits(3, 1, 1.0), VocabularyLimits(None, 2, 1.0), ALL]),
    ngrams=st.sampled_from([(1, 1), (1, 2), (2, 3)]),
)
def test_sizes_of_chunks_do_not_change_the_corpus(
    tmp_path_factory, texts, tokens, remembered, words, n_bytes, characters, limits, ngrams
):
    folder = tmp_path_factory.mktemp("sizes")
    rules = TokenRules(token_pattern=r"[^ \n\r\ufeff]+", min_length=1, ngrams=ngrams)
    path = write_jsonl(folder / "rows.jsonl", [{"text": text, f"about{len(text) % 2}": text} for text in texts])
    limited = {"size": limits.size, "min_df": limits.min_df, "max_df": limits.max_df}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "TOKENS_PER_CHUNK", tokens)
        patch.setattr(build, "MAX_REMEMBERED_TOKENS", remembered)
        patch.setattr(word_frequencies, "MAX_WORDS_IN_MEMORY", words)
        patch.setattr(shards, "BYTES_PER_SHARD", n_bytes)
        patch.setattr(accumulator, "CHUNK_CHARACTERS", characters)
        expected = error_message(
            lambda: write_corpus(load_document_term_matrix(path, rules=rules, **limited), folder / "whole")
        )
        assert error_message(lambda: build_corpus([path], folder / "built", AUTO, rules, limits)) == expected
    if expected:
        return
    assert same_bytes(folder / "built", folder / "whole")
    assert not scratch_folder(folder / "built").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_does_not_change_the_corpus(sources, whole, tmp_path, workers):
    progress = []
    summary = build_corpus(
        sources,
        tmp_path / "built",
        AUTO,
        TokenRules(),
        VocabularyLimits(size=150),
        executor=ProcessPool(workers) if workers > 1 else None,
        on_progress=lambda n_done, n_tasks: progress.append((n_done, n_tasks)),
    )
    assert same_bytes(tmp_path / "built", whole)
    assert (summary.n_documents, summary.n_repeated_ids) == (250, 125)
    assert progress == [(n_done, 11) for n_done in range(1, 12)]


def test_a_folder_is_split_between_files(text_folder, tmp_path, monkeypatch):
    write_corpus(load_document_term_matrix(text_folder), tmp_path / "whole")
    monkeypatch.setattr(shards, "BYTES_PER_SHARD", 1000)
    assert len(split_into_shards(text_folder, AUTO, ReadingReport())) > 5
    build_corpus([text_folder], tmp_path / "built", AUTO, TokenRules(), VocabularyLimits())
    assert same_bytes(tmp_path / "built", tmp_path / "whole")


@settings(max_examples=25)
@given(
    texts=st.lists(anything | st.sampled_from(["cat", "\ufeffowl", "été"]), min_size=2, max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\n \u3000\n", "\r"]),
    ids=st.booleans(),
    size=st.integers(1, 90),
    mark=st.sampled_from(["", "\ufeff"]),
)
@pytest.mark.parametrize("suffix", ["jsonl", "txt"])
def test_splitting_a_file_does_not_change_its_documents(tmp_path_factory, suffix, texts, end, ids, size, mark):
    folder = tmp_path_factory.mktemp("rows")
    rows = [{"text": text} | ({"id": f"x{number}"} if ids else {}) for number, text in enumerate(texts)]
    written = [json.dumps(row, ensure_ascii=False) if suffix == "jsonl" else row["text"] for row in rows]
    path = folder / f"rows.{suffix}"
    path.write_bytes((mark + end.join(written)).encode())
    whole = list(read_documents(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "BYTES_PER_SHARD", size)
        documents = [
            document
            for shard in split_into_shards(path, AUTO, ReadingReport())
            for document in shard.read_documents(ReadingReport())
        ]
    assert documents == whole


def test_a_split_file_gives_the_same_bytes_and_the_same_line_numbers(tmp_path, monkeypatch):
    rows = [{"text": row["text"]} for row in random_rows(60)]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    write_corpus(load_document_term_matrix(path, size=150), tmp_path / "whole")
    monkeypatch.setattr(shards, "BYTES_PER_SHARD", 2000)
    assert len(split_into_shards(path, AUTO, ReadingReport())) > 3
    limits = VocabularyLimits(size=150)
    build_corpus([path], tmp_path / "built", AUTO, TokenRules(), limits, executor=ProcessPool(2))
    assert same_bytes(tmp_path / "built", tmp_path / "whole")
    path.write_text(path.read_text() + "{\n")
    with pytest.raises(CorpusError, match="line 61 is not JSON"):
        build_corpus([path], tmp_path / "broken", AUTO, TokenRules(), VocabularyLimits())


@pytest.mark.parametrize(
    ("name", "encoding"), [("rows.csv", "utf-8"), ("rows.jsonl.gz", "utf-8"), ("rows.txt", "utf-16")]
)
def test_other_formats_are_not_split(tmp_path, monkeypatch, name, encoding):
    opener = gzip.open if name.endswith(".gz") else open
    with opener(tmp_path / name, "wt", encoding=encoding) as file:
        file.write('text\n"a\nb"\n' * 3)
    monkeypatch.setattr(shards, "BYTES_PER_SHARD", 4)
    assert len(split_into_shards(tmp_path / name, SourceOptions(encoding=encoding), ReadingReport())) == 1


@given(
    st.lists(st.dictionaries(st.text(alphabet="ab\\n\n\r\0\ud800é", max_size=4), st.integers(1, 9)), max_size=6),
    st.sampled_from([0, 1, 3, 100]),
)
def test_word_frequencies_are_added_up_in_memory_and_on_disk(chunks, words_in_memory):
    tables = [
        (list(chunk), np.array([[n, 1] for n in chunk.values()], dtype=np.int64).reshape(-1, 2)) for chunk in chunks
    ]
    occurrences, documents = Counter(), Counter()
    for chunk in chunks:
        occurrences.update(chunk)
        documents.update(chunk.keys())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_frequencies, "MAX_WORDS_IN_MEMORY", words_in_memory)
        merged = sorted(merge_word_frequencies(tables))
    assert merged == [(word, occurrences[word], documents[word]) for word in sorted(occurrences)]


def test_metadata_may_be_long_and_missing_in_some_shards(tmp_path):
    """A column that not all shards have, and a value that is longer than Python's limit for CSV fields."""
    rows = [
        {"id": "a", "text": "salt wind", "about": "x" * 200_000},
        {"id": "b", "text": "wind salt", "note": 'x "y",\r\nz', "about": ""},
    ]
    paths = [write_jsonl(tmp_path / f"{row['id']}.jsonl", [row]) for row in rows]
    write_corpus(load_document_term_matrix(write_jsonl(tmp_path / "all.jsonl", rows), max_df=1.0), tmp_path / "whole")
    build_corpus(paths, tmp_path / "built", AUTO, TokenRules(), VocabularyLimits(max_df=1.0))
    assert same_bytes(tmp_path / "built", tmp_path / "whole")


def test_a_vocabulary_may_be_given(sources, tmp_path):
    words = Vocabulary(["w3", "never", "w0"])
    write_corpus(load_document_term_matrix(sources[0], vocabulary=words), tmp_path / "whole")
    build_corpus(sources[:1], tmp_path / "built", AUTO, TokenRules(), VocabularyLimits(), vocabulary=words)
    assert same_bytes(tmp_path / "built", tmp_path / "whole")
    with pytest.raises(CorpusError, match="is known: the vocabulary has 1 word, such as"):
        build_corpus(
            sources[:1], tmp_path / "none", AUTO, TokenRules(), VocabularyLimits(), vocabulary=Vocabulary(["never"])
        )
    assert not (tmp_path / "none").exists()


def test_finished_shards_are_not_counted_again(sources, whole, tmp_path, monkeypatch):
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{")
    with pytest.raises(CorpusError, match=r"broken\.jsonl"):
        build_corpus([*sources[:4], broken], tmp_path / "built", AUTO, TokenRules(), VocabularyLimits(size=150))
    counted = sorted(scratch_folder(tmp_path / "built").glob("counted-*/*"))
    assert len(counted) == 4
    (counted[0] / "000000" / "counts.npz").write_bytes(b"damaged")

    read = []
    read_documents = SourceShard.read_documents

    def record(shard: SourceShard, report: ReadingReport) -> Iterator[Document]:
        read.append(shard.source)
        return read_documents(shard, report)

    monkeypatch.setattr(SourceShard, "read_documents", record)
    build_corpus(sources, tmp_path / "built", AUTO, TokenRules(), VocabularyLimits(size=150))
    assert len(read) == 2  # the damaged one and the new one
    assert same_bytes(tmp_path / "built", whole)
    assert not scratch_folder(tmp_path / "built").exists()


def test_a_build_that_another_version_began_is_counted_again(sources, whole, tmp_path):
    (scratch_folder(tmp_path / "built") / "counted" / "shard").mkdir(parents=True)
    run(*BUILD, *sources, "--out", tmp_path / "built", stderr="another version of docnvil")
    assert same_bytes(tmp_path / "built", whole)
    assert not scratch_folder(tmp_path / "built").exists()


def worker_ids(process: subprocess.Popen) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    ids = []
    for child in children.read_text().split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_text()
        except OSError:
            continue
        if "spawn_main" in command:
            ids.append(int(child))
    return ids


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in Linux's /proc")
def test_a_killed_worker_does_not_change_the_corpus(sources, whole, tmp_path):
    process = start(*BUILD, *sources, "--workers", 2, "--out", tmp_path / "built", variables=WAITING)
    while not (workers := worker_ids(process)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    os.kill(workers[0], signal.SIGKILL)
    _, output = process.communicate()
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert same_bytes(tmp_path / "built", whole)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_is_continued(sources, whole, tmp_path, signal_number):
    waiting = write_jsonl(tmp_path / "waiting.jsonl", random_rows(1))
    Path(f"{waiting}.wait").touch()  # the build waits before it opens this file
    process = start(*BUILD, *sources, waiting, "--out", tmp_path / "built", variables=WAITING)
    scratch = scratch_folder(tmp_path / "built")
    while len(list(scratch.glob("counted-*/[!.]*"))) < 5:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.send_signal(signal_number)
    _, output = process.communicate()
    assert process.returncode == (130 if signal_number == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in output
    assert not (tmp_path / "built").exists()
    assert len(list(scratch.glob("counted-*/*/manifest.json"))) == 5
    run(*BUILD, *sources, "--out", tmp_path / "built")
    assert same_bytes(tmp_path / "built", whole)
    assert not scratch.exists()


@pytest.fixture
def store(sources) -> Iterator[str]:
    """The URL of a store with the five files and a folder of texts."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    memory = fsspec.filesystem("memory")
    for path in sources:
        memory.pipe(f"/posts/{path.name}", path.read_bytes())
    memory.pipe("/posts/counts.npz", b"anything")
    for name in ("sea/a.txt", "sea/b.txt", "kitchen/c.txt", ".hidden"):
        memory.pipe(f"/notes/{name}", b"salt and wind, wind and salt")
    yield "memory:/"
    memory.rm("/posts", recursive=True)
    memory.rm("/notes", recursive=True)


def test_texts_are_read_from_a_store(store, sources, whole, tmp_path):
    run(*BUILD, *(f"{store}/posts/{path.name}" for path in sources), "--out", tmp_path / "built")
    assert same_bytes(tmp_path / "built", whole)


def test_a_folder_is_read_from_a_store(store, tmp_path):
    run("corpus", "build", f"{store}/notes", "--max-df", 1.0, "--out", tmp_path / "built")
    matrix = load_document_term_matrix(tmp_path / "built")
    assert matrix.ids == ("kitchen/c.txt", "sea/a.txt", "sea/b.txt")
    assert matrix.metadata == {"label": ("kitchen", "sea", "sea")}


def test_workers_read_urls(sources, whole, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    run(*BUILD, *(path.as_uri() for path in sources), "--workers", 2, "--out", tmp_path / "built")
    assert same_bytes(tmp_path / "built", whole)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nowhere://bucket/posts.jsonl", "not a readable URL"),
        ("memory://posts/none.jsonl", "There is nothing at memory://posts/none.jsonl"),
        ("memory://posts/counts.npz", "Download it first"),
    ],
)
def test_urls_that_cannot_be_read_are_refused(store, tmp_path, url, sentence):
    run("corpus", "build", url, "--out", tmp_path / "built", status=1, stderr=sentence)
    assert not (tmp_path / "built").exists()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number: int) -> None:
    raise CorpusError(f"number {number}")


def test_workers_that_die_repeatedly_are_an_error():
    with pytest.raises(WorkerError, match="2 of 2 tasks"):
        list(ProcessPool(2).run_all(die, [(), ()]))


def test_an_error_in_a_worker_is_raised():
    with pytest.raises(CorpusError, match="number 1"):
        list(ProcessPool(2).run_all(fail, [(1,)]))


def test_counts_are_read_in_one_process(sources, whole, tmp_path):
    for arguments in ([whole, whole], [whole, "--workers", 2], [*sources, "--held-out", 5]):
        run("corpus", "build", *arguments, "--out", tmp_path / "out", status=2, stderr="one SOURCE")


@given(st.dictionaries(st.text(max_size=3).filter(bool), st.integers(1, 4), min_size=1), st.integers(1, 5))
def test_the_most_frequent_words_are_kept_and_ties_are_alphabetical(frequencies, size):
    words = [word for word in frequencies if not set(word) & set("\n\r\ufeff") and word.isprintable()]
    if words:
        frequencies = {word: frequencies[word] for word in words}
        expected = sorted(words, key=lambda word: (-frequencies[word], word))[:size]
        assert build_vocabulary(frequencies, frequencies, 9, size=size).words == tuple(expected)
