"""A corpus larger than memory: what goes through all of it does so block by block, and comes to the same."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array, vstack

from docnvil.analysis import chunking, topics
from docnvil.batches import content_keys
from docnvil.corpus.loading import read_corpus, write_corpus
from docnvil.estimator import DocNVIL
from docnvil.storage.model_folder import fingerprint
from docnvil.text import sparse
from docnvil.text.counts import DocumentTermMatrix
from docnvil.text.sparse import SelectedRows, column_sums, document_frequencies, row_chunks, row_sums, take_columns
from docnvil.text.vocabulary import Vocabulary
from docnvil.training import kmeans_init as clusters

WORDS = 7


def some_counts(seed: int, n_documents: int) -> csr_array:
    dense = np.random.default_rng(seed).poisson(0.7, (n_documents, WORDS))
    dense[::4] = 0
    return csr_array(dense.astype(np.int32))


@given(seed=st.integers(0, 1000), n_documents=st.integers(0, 12), at_once=st.integers(1, 30))
def test_blocks_come_to_the_same(seed, n_documents, at_once):
    counts = some_counts(seed, n_documents)
    dense = counts.toarray()
    rows = np.random.default_rng(seed).permutation(n_documents)[: n_documents // 2]
    some = SelectedRows(counts, rows)
    keys, mark = content_keys(counts), fingerprint(Vocabulary("abcdefg"), counts[rows], counts)
    places = np.array([2, -1, 0, 6, 5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "CHUNK_ENTRIES", at_once)
        parts = list(row_chunks(counts))
        assert all(part.nnz <= at_once or part.shape[0] == 1 for part in parts)
        if n_documents:
            assert (vstack(parts).toarray() == dense).all()
        assert column_sums(counts).tolist() == dense.sum(0).tolist()
        assert row_sums(counts).tolist() == dense.sum(1).tolist()
        assert document_frequencies(counts).tolist() == (dense > 0).sum(0).tolist()
        assert (content_keys(counts) == keys).all()
        assert column_sums(some).tolist() == dense[rows].sum(0).tolist()
        assert (content_keys(some) == keys[rows]).all()
        assert fingerprint(Vocabulary("abcdefg"), some, counts) == mark
        assert take_columns(counts, places).toarray().tolist() == np.where(places < 0, 0, dense[:, places]).tolist()


def test_training_from_disk_never_holds_the_corpus(tmp_path, monkeypatch):
    counts = random_array((3000, 1000), density=0.2, format="csr", rng=np.random.default_rng(0))
    counts.data = np.ones(counts.nnz, dtype=np.int32)
    write_corpus(
        DocumentTermMatrix(counts, Vocabulary.numbered(1000), tuple(map(str, range(3000)))), tmp_path / "corpus"
    )
    for module, name, value in (
        (sparse, "CHUNK_ENTRIES", 10_000),
        (clusters, "MAX_DOCUMENTS", 100),
        (topics, "BATCH_SIZE", 50),
        (chunking, "MAX_LOGITS", 500_000),
    ):
        monkeypatch.setattr(module, name, value)
    matrix = read_corpus(tmp_path / "corpus")
    size = matrix.counts.data.nbytes + matrix.counts.indices.nbytes
    DocNVIL(2, epochs=1, random_state=0).fit(matrix.select(slice(50)))  # imports what is imported late
    tracemalloc.start()
    DocNVIL(2, epochs=1, random_state=0).fit(matrix).perplexity(matrix)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 2
