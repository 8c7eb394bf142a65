"""Memory-mapped files that become shorter end in a message, not in wrong numbers or SIGBUS."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import start
from scipy.sparse import csr_array

from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus
from docnvil.runtime.mapped import MappedFileError, check_mappings
from docnvil.storage.checkpoints import checkpoint_path
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.sparse import row_chunks
from docnvil.text.vocabulary import Vocabulary

N_DOCUMENTS = 4000


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    counts = csr_array(np.random.default_rng(0).poisson(1.0, (N_DOCUMENTS, 20)))
    ids = tuple(map(str, range(N_DOCUMENTS)))
    write_corpus(DocumentTermMatrix(counts, Vocabulary.numbered(20), ids), tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.mark.parametrize("name", ["counts.npy", "indices.npy", "documents.csv"])
def test_a_file_that_lost_a_few_bytes_is_named(corpus, name):
    matrix = read_corpus(corpus)
    os.truncate(corpus / name, (corpus / name).stat().st_size - 4)  # the rest of the page is read as zeros
    with pytest.raises(MappedFileError, match=rf"{name} became shorter"):
        list(row_chunks(matrix.counts) if name != "documents.csv" else matrix.ids)
    del matrix
    check_mappings()


def test_a_replaced_corpus_keeps_its_mapping(corpus):
    matrix = read_corpus(corpus)
    total = int(matrix.counts.sum())
    write_corpus(DocumentTermMatrix([[1]], Vocabulary(["a"]), ("1",)), corpus, force=True)
    assert sum(int(chunk.sum()) for chunk in row_chunks(matrix.counts)) == total


PROGRAM = """
import os, sys
from pathlib import Path
from docnvil.runtime.mapped import MappedFileError, survive_truncation
from docnvil.corpus.reading import read_corpus
survive_truncation()
matrix = read_corpus(Path(sys.argv[1]))
os.truncate(Path(sys.argv[1], "counts.npy"), 200)
try:
    print(matrix.counts.data.sum())
    print("no error")
except MappedFileError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the handler is for Linux")
def test_a_missing_page_raises_an_error_before_its_zeros_are_used(corpus):
    command = [sys.executable, "-c", PROGRAM, str(corpus)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert f"{corpus / 'counts.npy'} became shorter while it was read" in result.stdout
    assert "no error" not in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the handler is for Linux")
def test_training_on_a_truncated_corpus_ends_with_a_message(corpus, tmp_path):
    out = tmp_path / "m"
    training = start("fit", corpus, "--out", out, "--units", 2, "--epochs", 100_000, "--batch-size", 100)
    deadline = time.monotonic() + 120
    while not checkpoint_path(out).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.truncate(corpus / "indices.npy", 300)
    _, errors = training.communicate(timeout=120)
    assert training.returncode == 1
    assert "indices.npy became shorter" in errors
    assert "Traceback" not in errors
    assert not out.exists()
    assert checkpoint_path(out).exists()
