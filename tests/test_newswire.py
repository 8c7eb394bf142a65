"""The rows of RCV1, end to end on generated stories in the form of LYRL2004's token files."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parents[1] / "corpora" / "rcv1"))

from lyrl import count_tokens, read_tokens
from paper.rows import RCV1
from scale.stories import STEMS, stem, write_stories

ROOT = Path(__file__).parents[1]
EPOCHS = 2


def run_stories(out: Path, rows: str, n_documents: int = 120) -> dict[str, Any]:
    command = [sys.executable, ROOT / "benchmarks" / "scale" / "stories.py", "--documents", n_documents, "--words", 300]
    options = ["--held-out", 20, "--epochs", EPOCHS, "--rows", rows, "--out", out]
    result = subprocess.run([*map(str, [*command, *options])], capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr
    return json.loads(out.read_text())


def check(results: dict[str, Any], name: str) -> None:
    row = results["rows"][name]
    assert row["epochs"] == EPOCHS
    assert row["updates"] >= 1
    for bound in ("test", "test_importance_weighted"):
        assert 1 < row[bound] < 600  # equal probabilities have 300
    assert not (ROOT / "benchmarks" / "results" / "paper" / "rcv1" / f"{name}.json").exists()


def test_a_row_is_trained_and_evaluated_on_token_files(tmp_path: Path) -> None:
    results = run_stories(tmp_path / "stories.json", "sbn-50")
    assert results["corpus"]["documents"] == 120
    assert results["corpus"]["words"] == 300
    check(results, "sbn-50")


@pytest.mark.slow
def test_all_rows_are_trained_and_evaluated_on_token_files(tmp_path: Path) -> None:
    names = [row.name for row in RCV1]
    assert names == ["sbn-50", "fdarn-50", "fdarn-200"]
    results = run_stories(tmp_path / "stories.json", ",".join(names), 400)
    for name in names:
        check(results, name)


def test_stories_have_the_size_of_newswire_stories(tmp_path: Path) -> None:
    paths = write_stories(tmp_path, 400, seed=1)
    counts, ids, stems = count_tokens(paths)
    assert counts.shape == (400, len(stems))
    assert ids[0] == "2286"
    assert 65 < counts.nnz / 400 < 85  # distinct stems per document
    assert counts.max() > 3  # stems recur
    assert len({stem(number) for number in range(STEMS)}) == STEMS
    with gzip.open(paths[0], "rt", encoding="ascii") as file:
        assert [file.readline(), file.readline()] == [".I 2286\n", ".W\n"]
    again = write_stories(tmp_path, 400, seed=1)
    assert (count_tokens(again)[0] != counts).nnz == 0


# The beginning of the file of training documents, as descriptions of the format print it.
DOCUMENTED = """.I 2286
.W
recov recov recov recov excit excit bring mexic
econom econom back back back track

.I 2287
.W
uruguay uruguay compan compan compan

"""


def test_the_documented_sample_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lyrl2004_tokens_train.dat"
    path.write_text(DOCUMENTED, encoding="ascii")
    documents = list(read_tokens(path))
    assert [identifier for identifier, _ in documents] == ["2286", "2287"]
    counts, _, stems = count_tokens([path])
    assert dict(zip(stems, counts[[0]].toarray()[0].tolist(), strict=True)) == {
        "recov": 4, "excit": 2, "bring": 1, "mexic": 1, "econom": 2, "back": 3, "track": 1, "uruguay": 0, "compan": 0,
    }  # fmt: skip
    assert np.diff(counts.indptr).tolist() == [7, 2]
