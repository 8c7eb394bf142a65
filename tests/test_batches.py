import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from docnvil import batches as batches_module
from docnvil.batches import content_keys, device_counts, iterate_batches, shuffled
from docnvil.text.sparse import SelectedRows

COUNTS = arrays(np.int64, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.integers(0, 3))

CPU = {"device": torch.device("cpu"), "dtype": torch.float32}


@given(counts=COUNTS, batch_size=st.integers(1, 10))
def test_batches_hold_every_document_once_and_in_order(counts, batch_size):
    keys = np.arange(len(counts))
    batches = list(iterate_batches(csr_array(counts), batch_size, keys=keys, **CPU))
    dense = torch.cat([batch.counts.matmul(torch.eye(counts.shape[1])) for batch in batches])
    assert np.array_equal(dense.numpy(), counts)
    assert np.array_equal(torch.cat([batch.keys for batch in batches]).numpy(), keys)
    assert all(len(batch.counts) <= batch_size for batch in batches)


@given(counts=COUNTS, data=st.data())
def test_an_order_is_kept(counts, data):
    order = data.draw(st.permutations(range(len(counts))))
    keys = np.arange(len(counts)) * 10
    batches = list(iterate_batches(csr_array(counts), 3, keys=keys, **CPU, order=order))
    assert torch.cat([batch.keys for batch in batches]).tolist() == [10 * row for row in order]
    assert torch.cat([batch.counts.lengths for batch in batches]).tolist() == counts[list(order)].sum(1).tolist()


@given(counts=COUNTS, data=st.data(), batch_size=st.integers(1, 4), share=st.sampled_from([slice(None), slice(1, 2)]))
def test_counts_held_on_a_device_give_the_same_batches(counts, data, batch_size, share):
    """As on a GPU that has the memory; here the processor plays it."""
    order = np.array(data.draw(st.permutations(range(len(counts)))))
    chosen = SelectedRows(csr_array(counts), np.array(data.draw(st.permutations(range(len(counts))))))
    cpu = {"device": torch.device("cpu"), "dtype": torch.float64}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "free_bytes", lambda device: 1 << 20)
        held = device_counts(chosen, **cpu)
    asked = {"keys": np.arange(len(counts)), "order": order, "share": share, **cpu}
    streamed, selected = (list(iterate_batches(chosen, batch_size, **asked, held=each)) for each in (None, held))
    assert len(streamed) == len(selected)
    for left, right in zip(streamed, selected, strict=True):
        assert torch.equal(left.keys, right.keys)
        for name in ("indices", "values", "offsets"):
            one, other = getattr(left.counts, name), getattr(right.counts, name)
            assert one.dtype == other.dtype
            assert torch.equal(one, other)


def test_counts_that_do_not_fit_are_streamed(monkeypatch):
    counts = csr_array(np.eye(10, dtype=np.int32))
    needed = 10 * (8 + 4) + 8 * 11  # an index and a value for each count, and where each row starts
    for free, fits in ((0, False), (2 * needed - 1, False), (2 * needed, True)):
        monkeypatch.setattr(batches_module, "free_bytes", lambda device, free=free: free)
        assert (device_counts(counts, **CPU) is not None) == fits


@given(n_documents=st.integers(0, 300), together=st.integers(1, 300), consecutive=st.integers(1, 40))
def test_every_row_is_shuffled_in_once(n_documents, together, consecutive):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "SHUFFLED_TOGETHER", together)
        patch.setattr(batches_module, "CONSECUTIVE", consecutive)
        order = shuffled(n_documents, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(n_documents))


def test_a_large_corpus_is_read_from_few_places_at_a_time(monkeypatch):
    monkeypatch.setattr(batches_module, "SHUFFLED_TOGETHER", 80)
    monkeypatch.setattr(batches_module, "CONSECUTIVE", 10)
    order = shuffled(1000, np.random.default_rng(0))
    for start in range(0, 1000, 80):
        window = order[start : start + 80]
        assert len(set(window // 10)) == len(window) // 10
        assert not np.array_equal(window, np.sort(window))
    stretches = order[:80] // 10
    assert max(stretches) - min(stretches) > 40  # which stretches come together is random too


@given(counts=COUNTS)
def test_equal_documents_have_equal_keys_and_others_do_not(counts):
    keys = content_keys(csr_array(counts))
    assert len(set(keys.tolist())) == len({tuple(row) for row in counts.tolist()})


def test_keys_do_not_depend_on_how_a_row_is_stored():
    plain = csr_array((np.array([2, 3]), np.array([0, 4]), np.array([0, 2])), shape=(1, 5))
    turned = csr_array((np.array([3.0, 0.0, 2.0]), np.array([4, 1, 0]), np.array([0, 3])), shape=(1, 5))
    assert content_keys(plain) == content_keys(turned)


def test_batches_have_the_requested_type():
    (batch,) = iterate_batches(
        csr_array(np.eye(2, dtype=np.int32)), 2, keys=np.arange(2), device=torch.device("cpu"), dtype=torch.float64
    )
    assert batch.counts.values.dtype == torch.float64
    assert batch.counts.indices.dtype == batch.counts.offsets.dtype == torch.int64
