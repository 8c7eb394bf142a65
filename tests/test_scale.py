"""A corpus larger than memory: functions that read all of it do so in chunks, with the same results."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array, vstack

from docnvil.analysis import chunking, topics
from docnvil.batches import content_keys
from docnvil.corpus.reading import read_corpus
from docnvil.corpus.writing import write_corpus
from docnvil.estimator import DocNVIL
from docnvil.text import sparse
from docnvil.text.document_term_matrix import DocumentTermMatrix
from docnvil.text.sparse import SelectedRows, column_sums, document_frequencies, row_chunks, row_sums, take_columns
from docnvil.text.vocabulary import Vocabulary
from docnvil.training import kmeans_init
from docnvil.training.data import TrainingData

WORDS = 7


def random_counts(seed: int, n_documents: int) -> csr_array:
    dense = np.random.default_rng(seed).poisson(0.7, (n_documents, WORDS))
    dense[::4] = 0
    return csr_array(dense.astype(np.int32))


@given(seed=st.integers(0, 1000), n_documents=st.integers(0, 12), chunk_entries=st.integers(1, 30))
def test_chunks_give_the_same_results(seed, n_documents, chunk_entries):
    counts = random_counts(seed, n_documents)
    dense = counts.toarray()
    rows = np.random.default_rng(seed).permutation(n_documents)[: n_documents // 2]
    selected = SelectedRows(counts, rows)
    keys, digest = content_keys(counts), TrainingData(counts[rows], counts, Vocabulary(list("abcdefg"))).fingerprint
    columns = np.array([2, -1, 0, 6, 5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "CHUNK_ENTRIES", chunk_entries)
        chunks = list(row_chunks(counts))
        assert all(chunk.nnz <= chunk_entries or chunk.shape[0] == 1 for chunk in chunks)
        if n_documents:
            assert (vstack(chunks).toarray() == dense).all()
        assert column_sums(counts).tolist() == dense.sum(0).tolist()
        assert row_sums(counts).tolist() == dense.sum(1).tolist()
        assert document_frequencies(counts).tolist() == (dense > 0).sum(0).tolist()
        assert (content_keys(counts) == keys).all()
        assert column_sums(selected).tolist() == dense[rows].sum(0).tolist()
        assert (content_keys(selected) == keys[rows]).all()
        assert TrainingData(selected, counts, Vocabulary(list("abcdefg"))).fingerprint == digest
        assert take_columns(counts, columns).toarray().tolist() == np.where(columns < 0, 0, dense[:, columns]).tolist()


def test_training_from_disk_does_not_load_the_corpus(tmp_path, monkeypatch):
    counts = random_array((3000, 1000), density=0.2, format="csr", rng=np.random.default_rng(0))
    counts.data = np.ones(counts.nnz, dtype=np.int32)
    write_corpus(
        DocumentTermMatrix(counts, Vocabulary.numbered(1000), tuple(map(str, range(3000)))), tmp_path / "corpus"
    )
    for module, name, value in (
        (sparse, "CHUNK_ENTRIES", 10_000),
        (kmeans_init, "MAX_DOCUMENTS", 100),
        (topics, "BATCH_SIZE", 50),
        (chunking, "MAX_LOGITS", 500_000),
    ):
        monkeypatch.setattr(module, name, value)
    matrix = read_corpus(tmp_path / "corpus")
    size = matrix.counts.data.nbytes + matrix.counts.indices.nbytes
    DocNVIL(2, epochs=1, random_state=0).fit(matrix.select(slice(50)))  # so that late imports are not measured
    tracemalloc.start()
    DocNVIL(2, epochs=1, random_state=0).fit(matrix).perplexity(matrix)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 2
