"""Batches hold each document once, in any order and shard; keys depend on the contents alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from docnvil import batches as batches_module
from docnvil.batches import content_keys, copy_to_device, iterate_batches, random_order
from docnvil.text.sparse import SelectedRows

COUNTS = arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.integers(0, 3))

CPU = {"device": torch.device("cpu"), "dtype": torch.float32}


@given(counts=COUNTS, batch_size=st.integers(1, 10))
def test_batches_have_each_document_once_and_in_order(counts, batch_size):
    keys = np.arange(len(counts))
    batches = list(iterate_batches(csr_array(counts), batch_size, keys=keys, **CPU))
    dense = torch.cat([batch.counts.matmul(torch.eye(counts.shape[1])) for batch in batches])
    assert np.array_equal(dense.numpy(), counts)
    assert np.array_equal(torch.cat([batch.keys for batch in batches]).numpy(), keys)
    assert all(len(batch.counts) == batch_size for batch in batches[:-1])
    assert 0 < len(batches[-1].counts) <= batch_size


@given(counts=COUNTS, data=st.data())
def test_batches_follow_the_given_order(counts, data):
    order = data.draw(st.permutations(range(len(counts))))
    keys = np.arange(len(counts)) * 10
    batches = list(iterate_batches(csr_array(counts), 3, keys=keys, **CPU, order=order))
    assert torch.cat([batch.keys for batch in batches]).tolist() == [10 * row for row in order]
    assert torch.cat([batch.counts.lengths for batch in batches]).tolist() == counts[list(order)].sum(1).tolist()


@given(counts=COUNTS, batch_size=st.integers(1, 10))
def test_shards_of_a_batch_make_up_the_batch(counts, batch_size):
    options = {"keys": np.arange(len(counts)), **CPU}
    whole = list(iterate_batches(csr_array(counts), batch_size, **options))
    shards = [
        list(iterate_batches(csr_array(counts), batch_size, shard=slice(rank, None, 3), **options)) for rank in range(3)
    ]
    for batch, parts in zip(whole, zip(*shards, strict=True), strict=True):
        assert sorted(torch.cat([part.keys for part in parts]).tolist()) == batch.keys.tolist()
        lengths = dict(zip(batch.keys.tolist(), batch.counts.lengths.tolist(), strict=True))
        for part in parts:
            assert part.counts.lengths.tolist() == [lengths[key] for key in part.keys.tolist()]


@given(counts=COUNTS, data=st.data(), batch_size=st.integers(1, 4), shard=st.sampled_from([slice(None), slice(1, 2)]))
def test_counts_on_a_device_give_the_same_batches(counts, data, batch_size, shard):
    """The CPU takes the place of a GPU with enough free memory."""
    order = np.array(data.draw(st.permutations(range(len(counts)))))
    rows = SelectedRows(csr_array(counts), np.array(data.draw(st.permutations(range(len(counts))))))
    cpu = {"device": torch.device("cpu"), "dtype": torch.float64}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "free_bytes", lambda device: 1 << 20)
        device_counts = copy_to_device(rows, **cpu)
    options = {"keys": np.arange(len(counts)), "order": order, "shard": shard, **cpu}
    copied, selected = (
        list(iterate_batches(rows, batch_size, **options, device_counts=each)) for each in (None, device_counts)
    )
    assert len(copied) == len(selected)
    for left, right in zip(copied, selected, strict=True):
        assert torch.equal(left.keys, right.keys)
        for name in ("indices", "values", "offsets"):
            one, other = getattr(left.counts, name), getattr(right.counts, name)
            assert one.dtype == other.dtype
            assert torch.equal(one, other)


def test_counts_are_copied_if_they_take_half_of_the_free_memory(monkeypatch):
    counts = csr_array(np.eye(10, dtype=np.int32))
    n_bytes = 10 * (8 + 4) + 8 * 11  # an index and a value for each count, and the offsets of the rows
    for free, fits in ((0, False), (2 * n_bytes - 1, False), (2 * n_bytes, True)):
        monkeypatch.setattr(batches_module, "free_bytes", lambda device, free=free: free)
        assert (copy_to_device(counts, **CPU) is not None) == fits


@given(n_documents=st.integers(0, 300), window=st.integers(1, 300), chunk=st.integers(1, 40))
def test_a_random_order_has_every_row_once(n_documents, window, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "SHUFFLE_WINDOW", window)
        patch.setattr(batches_module, "SHUFFLE_CHUNK", chunk)
        order = random_order(n_documents, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(n_documents))


def test_a_window_of_a_large_corpus_is_read_from_few_places(monkeypatch):
    monkeypatch.setattr(batches_module, "SHUFFLE_WINDOW", 80)
    monkeypatch.setattr(batches_module, "SHUFFLE_CHUNK", 10)
    order = random_order(1000, np.random.default_rng(0))
    for start in range(0, 1000, 80):
        window = order[start : start + 80]
        assert len(set(window // 10)) == len(window) // 10
        assert not np.array_equal(window, np.sort(window))
    chunks = order[:80] // 10
    assert max(chunks) - min(chunks) > 40  # the chunks of a window are random too


@given(counts=COUNTS)
def test_documents_have_equal_keys_only_if_they_are_equal(counts):
    keys = content_keys(csr_array(counts))
    assert len(set(keys.tolist())) == len({tuple(row) for row in counts.tolist()})


def test_keys_do_not_depend_on_how_a_row_is_stored():
    plain = csr_array((np.array([2, 3]), np.array([0, 4]), np.array([0, 2])), shape=(1, 5))
    reordered = csr_array((np.array([3.0, 0.0, 2.0]), np.array([4, 1, 0]), np.array([0, 3])), shape=(1, 5))
    assert content_keys(plain) == content_keys(reordered)


def test_batches_have_the_requested_type():
    (batch,) = iterate_batches(
        csr_array(np.eye(2, dtype=np.int32)), 2, keys=np.arange(2), device=torch.device("cpu"), dtype=torch.float64
    )
    assert batch.counts.values.dtype == torch.float64
    assert batch.counts.indices.dtype == batch.counts.offsets.dtype == torch.int64
