"""A corpus built in parts is the corpus counted at once, whatever is cut where, whoever counts, and whoever dies."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from text_data import anything

from docnvil.commands import main
from docnvil.corpus import build, segments
from docnvil.corpus.build import Limits, build_corpus, building_path
from docnvil.corpus.loading import load_document_term_matrix, write_corpus
from docnvil.corpus.process_pool import run_all
from docnvil.errors import CorpusError, VocabularyError, WorkerError
from docnvil.text import accumulator as tally
from docnvil.text.documents import SourceOptions, read_documents
from docnvil.text.tokens import TokenRules
from docnvil.text.vocabulary import Vocabulary, build_vocabulary

AUTO, ALL = SourceOptions(), Limits(size=None, min_df=1, max_df=1.0)


def same_bytes(left: Path, right: Path) -> bool:
    files = sorted(path.name for path in left.iterdir())
    assert files == sorted(path.name for path in right.iterdir())
    return all((left / name).read_bytes() == (right / name).read_bytes() for name in files)


def write_rows(path: Path, rows: list[dict]) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def rows_of_chance(n: int, seed: int = 0) -> list[dict]:
    generator = np.random.default_rng(seed)
    words = [f"w{rank}" for rank in range(400)]
    weights = 1 / np.arange(1, 401)
    draws = generator.choice(words, (n, 40), p=weights / weights.sum())
    return [{"id": str(row // 2), "text": " ".join(draw), "group": "ab"[row % 2]} for row, draw in enumerate(draws)]


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Five files of posts; the last has a column more."""
    rows = rows_of_chance(250)
    paths = [write_rows(tmp_path / f"{part}.jsonl", rows[50 * part : 50 * part + 50]) for part in range(4)]
    return [*paths, write_rows(tmp_path / "4.jsonl.gz", [{**row, "note": "x\r"} for row in rows[200:]])]


@pytest.fixture
def whole(shards, tmp_path) -> Path:
    """What counting all of it at once comes to."""
    together = tmp_path / "together.jsonl"
    texts = [path.read_bytes() for path in shards[:4]] + [gzip.decompress(shards[4].read_bytes())]
    together.write_bytes(b"".join(texts))
    write_corpus(load_document_term_matrix(together, size=150), tmp_path / "whole")
    return tmp_path / "whole"


def outcome(work) -> str:
    """What a failure says, or nothing."""
    try:
        work()
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
    runs=st.integers(2, 3),
    size=st.sampled_from([1, 20, 1000]),
    together=st.sampled_from([1, 10, 1000]),
    limits=st.sampled_from([Limits(3, 1, 1.0), Limits(None, 2, 1.0), ALL]),
)
def test_cuts_leave_no_trace(tmp_path_factory, texts, tokens, remembered, runs, size, together, limits):
    folder = tmp_path_factory.mktemp("cuts")
    rules = TokenRules(token_pattern=r"[^ \n\r\ufeff]+", min_length=1)
    path = write_rows(folder / "rows.jsonl", [{"text": text, f"about{len(text) % 2}": text} for text in texts])
    limited = {"size": limits.size, "min_df": limits.min_df, "max_df": limits.max_df}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "TOKENS_PER_SEGMENT", tokens)
        patch.setattr(build, "TOKENS_REMEMBERED", remembered)
        patch.setattr(segments, "RUNS_AT_ONCE", runs)
        patch.setattr(segments, "BYTES_OF_A_RUN", size)
        patch.setattr(build, "BYTES_PER_SHARD", 100 * size)
        patch.setattr(tally, "CHARACTERS_AT_ONCE", together)
        expected = outcome(
            lambda: write_corpus(load_document_term_matrix(path, rules=rules, **limited), folder / "whole")
        )
        assert outcome(lambda: build_corpus([path], folder / "built", AUTO, rules, limits)) == expected
    if expected:
        return
    assert same_bytes(folder / "built", folder / "whole")
    assert not building_path(folder / "built").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_leave_no_trace(shards, whole, tmp_path, workers):
    told = []
    built = build_corpus(
        shards,
        tmp_path / "built",
        AUTO,
        TokenRules(),
        Limits(size=150),
        run=partial(run_all, workers=workers),
        on_step=lambda done, steps: told.append((done, steps)),
    )
    assert same_bytes(tmp_path / "built", whole)
    assert (built.documents, built.repeated_ids) == (250, 125)
    assert told == [(step, 11) for step in range(1, 12)]


def test_a_folder_is_cut_into_runs_of_files(text_folder, tmp_path, monkeypatch):
    write_corpus(load_document_term_matrix(text_folder), tmp_path / "whole")
    monkeypatch.setattr(build, "BYTES_PER_SHARD", 1000)
    assert len(build.shards_of(text_folder, AUTO)) > 5
    build_corpus([text_folder], tmp_path / "built", AUTO, TokenRules(), Limits())
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
def test_files_of_rows_are_cut_without_trace(tmp_path_factory, suffix, texts, end, ids, size, mark):
    folder = tmp_path_factory.mktemp("rows")
    rows = [{"text": text} | ({"id": f"x{number}"} if ids else {}) for number, text in enumerate(texts)]
    written = [json.dumps(row, ensure_ascii=False) if suffix == "jsonl" else row["text"] for row in rows]
    path = folder / f"rows.{suffix}"
    path.write_bytes((mark + end.join(written)).encode())
    whole = list(read_documents(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "BYTES_PER_SHARD", size)
        parts = [document for shard in build.shards_of(path, AUTO) for document in shard.documents()]
    assert parts == whole


def test_a_cut_file_gives_the_same_bytes_and_names_lines_as_before(tmp_path, monkeypatch):
    rows = [{"text": row["text"]} for row in rows_of_chance(60)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    write_corpus(load_document_term_matrix(path, size=150), tmp_path / "whole")
    monkeypatch.setattr(build, "BYTES_PER_SHARD", 2000)
    assert len(build.shards_of(path, AUTO)) > 3
    build_corpus([path], tmp_path / "built", AUTO, TokenRules(), Limits(size=150), run=partial(run_all, workers=2))
    assert same_bytes(tmp_path / "built", tmp_path / "whole")
    path.write_text(path.read_text() + "{\n")
    with pytest.raises(CorpusError, match="line 61 is not JSON"):
        build_corpus([path], tmp_path / "broken", AUTO, TokenRules(), Limits())


@pytest.mark.parametrize(
    ("name", "encoding"), [("rows.csv", "utf-8"), ("rows.jsonl.gz", "utf-8"), ("rows.txt", "utf-16")]
)
def test_what_cannot_be_cut_stays_whole(tmp_path, monkeypatch, name, encoding):
    opener = gzip.open if name.endswith(".gz") else open
    with opener(tmp_path / name, "wt", encoding=encoding) as file:
        file.write('text\n"a\nb"\n' * 3)
    monkeypatch.setattr(build, "BYTES_PER_SHARD", 4)
    assert len(build.shards_of(tmp_path / name, SourceOptions(encoding=encoding))) == 1


@given(
    st.lists(
        st.dictionaries(st.text(alphabet="ab\\n\n\r\ud800é", min_size=1, max_size=4), st.integers(1, 9)), max_size=4
    )
)
def test_words_of_segments_are_merged_whatever_they_hold(tmp_path_factory, counted):
    folder = tmp_path_factory.mktemp("segments")
    nothing = np.zeros(0, dtype=np.int64)
    for number, words in enumerate(counted):
        in_order = sorted(words)
        frequencies = np.array([[words[word], 1] for word in in_order], dtype=np.int64).reshape(-1, 2)
        places = np.arange(len(words))
        segment = segments.Segment((nothing, nothing, nothing), in_order, places, frequencies, (), {})
        segment.save(folder / str(number))
    total = Counter()
    for words in counted:
        total.update(words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "RUNS_AT_ONCE", 2)
        patch.setattr(segments, "BYTES_OF_A_RUN", 5)
        merged = list(segments.merged_words([folder / str(each) for each in range(len(counted))], folder / "scratch"))
    assert merged == [(word, total[word], sum(word in words for words in counted)) for word in sorted(total)]


def test_metadata_of_any_length_finds_its_column(tmp_path):
    """A column that not all shards have, and a value that no CSV reader takes unless told."""
    rows = [
        {"id": "a", "text": "salt wind", "about": "x" * 200_000},
        {"id": "b", "text": "wind salt", "note": 'x "y",\r\nz', "about": ""},
    ]
    paths = [write_rows(tmp_path / f"{row['id']}.jsonl", [row]) for row in rows]
    write_corpus(load_document_term_matrix(write_rows(tmp_path / "all.jsonl", rows), max_df=1.0), tmp_path / "whole")
    limit = csv.field_size_limit()
    build_corpus(paths, tmp_path / "built", AUTO, TokenRules(), Limits(max_df=1.0))
    assert same_bytes(tmp_path / "built", tmp_path / "whole")
    assert csv.field_size_limit() == limit


def test_words_may_be_given(shards, tmp_path):
    words = Vocabulary(["w3", "never", "w0"])
    write_corpus(load_document_term_matrix(shards[0], vocabulary=words), tmp_path / "whole")
    build_corpus(shards[:1], tmp_path / "built", AUTO, TokenRules(), Limits(), vocabulary=words)
    assert same_bytes(tmp_path / "built", tmp_path / "whole")
    with pytest.raises(CorpusError, match="empty after tokenization"):
        build_corpus(shards[:1], tmp_path / "none", AUTO, TokenRules(), Limits(), vocabulary=Vocabulary(["never"]))
    assert not (tmp_path / "none").exists()


def test_what_is_counted_is_not_counted_again(shards, whole, tmp_path, monkeypatch):
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{")
    with pytest.raises(CorpusError, match=r"broken\.jsonl"):
        build_corpus([*shards[:4], broken], tmp_path / "built", AUTO, TokenRules(), Limits(size=150))
    counted = sorted((building_path(tmp_path / "built") / "counted").iterdir())
    assert len(counted) == 4
    (counted[0] / "000000" / "values.npy").write_bytes(b"altered")

    read = []
    documents = build.Shard.documents
    monkeypatch.setattr(build.Shard, "documents", lambda shard: (read.append(shard.source), documents(shard))[1])
    build_corpus(shards, tmp_path / "built", AUTO, TokenRules(), Limits(size=150))
    assert len(read) == 2  # the altered one, and the one that is new
    assert same_bytes(tmp_path / "built", whole)
    assert not building_path(tmp_path / "built").exists()


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "docnvil", "corpus", "build", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def workers_of(process: subprocess.Popen) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    found = []
    for child in children.read_text().split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_text()
        except OSError:
            continue
        if "spawn_main" in command:
            found.append(int(child))
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers in Linux's /proc")
def test_a_worker_that_is_killed_leaves_no_trace(shards, whole, tmp_path):
    going = start(*shards, "--vocabulary-size", 150, "--workers", 2, "--out", tmp_path / "built")
    while not (found := workers_of(going)):
        assert going.poll() is None, going.stderr.read()
        time.sleep(0.005)
    os.kill(found[0], signal.SIGKILL)
    _, told = going.communicate()
    assert going.returncode == 0, told
    assert "Traceback" not in told
    assert same_bytes(tmp_path / "built", whole)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_goes_on(shards, whole, tmp_path, sign):
    waiting = tmp_path / "waiting.jsonl"
    os.mkfifo(waiting)  # the build gets as far as this, and waits for somebody to write
    command = (*shards, waiting, "--vocabulary-size", 150, "--out", tmp_path / "built")
    going = start(*command)
    counted = building_path(tmp_path / "built") / "counted"
    while not counted.exists() or sum(not path.name.startswith(".") for path in counted.iterdir()) < 5:
        assert going.poll() is None, going.stderr.read()
        time.sleep(0.005)
    going.send_signal(sign)
    _, told = going.communicate()
    assert going.returncode == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in told
    assert not (tmp_path / "built").exists()
    times = {path: path.stat().st_mtime_ns for path in counted.glob("*/manifest.json")}
    arguments = ["corpus", "build", *map(str, shards), "--vocabulary-size", "150", "--out", str(tmp_path / "built")]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert len(times) == 5
    assert same_bytes(tmp_path / "built", whole)
    assert not building_path(tmp_path / "built").exists()


@pytest.fixture
def store(shards) -> Iterator[str]:
    """The address of a store that holds the shards, and a folder of texts."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    memory = fsspec.filesystem("memory")
    for path in shards:
        memory.pipe(f"/posts/{path.name}", path.read_bytes())
    memory.pipe("/posts/counts.npz", b"anything")
    for name in ("sea/a.txt", "sea/b.txt", "kitchen/c.txt", ".hidden"):
        memory.pipe(f"/notes/{name}", b"salt and wind, wind and salt")
    yield "memory:/"
    memory.rm("/posts", recursive=True)
    memory.rm("/notes", recursive=True)


def test_texts_are_read_from_a_store(store, shards, whole, tmp_path):
    addresses = [f"{store}/posts/{path.name}" for path in shards]
    arguments = ["corpus", "build", *addresses, "--vocabulary-size", "150", "--out", str(tmp_path / "built")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    assert same_bytes(tmp_path / "built", whole)


def test_a_folder_of_a_store_is_read_as_one_on_the_disk(store, tmp_path):
    arguments = ["corpus", "build", f"{store}/notes", "--max-df", "1.0", "--out", str(tmp_path / "built")]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    matrix = load_document_term_matrix(tmp_path / "built")
    assert matrix.ids == ("kitchen/c.txt", "sea/a.txt", "sea/b.txt")
    assert matrix.metadata == {"label": ("kitchen", "sea", "sea")}


def test_workers_read_addresses_too(shards, whole, tmp_path):
    pytest.importorskip("upath", reason="universal-pathlib is not installed")
    addresses = [path.as_uri() for path in shards]
    arguments = ["corpus", "build", *addresses, "--vocabulary-size", "150", "--workers", "2"]
    assert CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "built")]).exit_code == 0
    assert same_bytes(tmp_path / "built", whole)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nowhere://bucket/posts.jsonl", "not a readable URL"),
        ("memory://posts/none.jsonl", "There is nothing at memory://posts/none.jsonl"),
        ("memory://posts/counts.npz", "Download it first"),
    ],
)
def test_addresses_that_cannot_be_read_are_refused(store, tmp_path, address, sentence):
    result = CliRunner().invoke(main, ["corpus", "build", address, "--out", str(tmp_path / "built")])
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert not (tmp_path / "built").exists()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number: int) -> None:
    raise CorpusError(f"number {number}")


def test_workers_that_die_again_and_again_are_given_up():
    with pytest.raises(WorkerError, match="2 of 2 parts"):
        run_all(die, [(), ()], 2)


def test_what_goes_wrong_in_a_worker_is_told():
    with pytest.raises(CorpusError, match="number 1"):
        run_all(refuse, [(1,)], 2)


def test_counts_have_nothing_to_share(shards, whole, tmp_path):
    for sources in ([whole, whole], [whole, "--workers", 2], [*shards, "--held-out", 5]):
        result = CliRunner().invoke(main, ["corpus", "build", *map(str, sources), "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert "one SOURCE" in result.stderr


@given(st.dictionaries(st.text(max_size=3).filter(bool), st.integers(1, 4), min_size=1), st.integers(1, 5))
def test_the_most_frequent_words_are_kept_in_order(frequencies, size):
    words = [word for word in frequencies if not set(word) & set("\n\r\ufeff") and word.isprintable()]
    if words:
        frequencies = {word: frequencies[word] for word in words}
        expected = sorted(words, key=lambda word: (-frequencies[word], word))[:size]
        assert build_vocabulary(frequencies, frequencies, 9, size=size).words == tuple(expected)
