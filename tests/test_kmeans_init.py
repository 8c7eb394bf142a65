import numpy as np
from scipy.sparse import csr_array, vstack

from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.training import kmeans_init as clusters
from docnvil.training.kmeans_init import cluster_profiles


def profiles(counts, n_clusters: int, seed: int = 0) -> np.ndarray:
    return cluster_profiles(csr_array(counts), n_clusters, np.random.default_rng(seed))


def test_blocks_are_found(block_counts):
    found = [profiles(block_counts, 12, seed) for seed in range(5)]
    for subject in range(3):
        for each in found:
            own = each[:, 5 * subject : 5 * subject + 5].min(1)
            others = np.delete(each, range(5 * subject, 5 * subject + 5), axis=1).max(1)
            assert ((own > 0) & (others < 0)).any()


def test_profiles_are_log_ratios_to_the_corpus(block_counts):
    found = profiles(block_counts, 3)
    background = block_counts.sum(0) + 0.5
    assert np.allclose((np.exp(found) * background / background.sum()).sum(1), 1, atol=1e-5)


def test_more_clusters_than_documents_leave_some_at_nothing(block_counts):
    found = profiles(block_counts[:4], 9)
    assert found.shape == (9, 15)
    assert np.isfinite(found).all()
    assert (~found.any(1)).any()


def test_empty_documents_and_none_at_all(block_counts):
    spaced = vstack([csr_array((5, 15), dtype=int), csr_array(block_counts)])
    assert np.array_equal(profiles(spaced, 3), profiles(block_counts, 3))
    assert not profiles(np.zeros((4, 15), dtype=int), 3).any()


def test_a_large_corpus_is_sampled(block_counts, monkeypatch):
    monkeypatch.setattr(clusters, "MAX_DOCUMENTS", 30)
    assert np.isfinite(profiles(block_counts, 3)).all()


def test_a_model_starts_at_the_profiles(block_counts):
    import torch

    found = torch.from_numpy(profiles(block_counts, 2))
    network = build_model(ModelConfig(15, (2,), weight_scale=0.0), torch.Generator(), profiles=found)
    weight = network.generative.visible.weight
    assert torch.allclose(weight, 0.5 * found.T.clamp(min=0))
    assert torch.allclose(network.recognition.first.linear.weight, 0.05 * found.T)
