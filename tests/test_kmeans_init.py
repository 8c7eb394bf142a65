"""Clusters of documents as starting points of units."""

import numpy as np
from scipy.sparse import csr_array, vstack

from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.training import kmeans_init as clusters
from docnvil.training.kmeans_init import cluster_documents


def profiles(counts, n_clusters: int, seed: int = 0) -> np.ndarray:
    return cluster_documents(csr_array(counts), n_clusters, np.random.default_rng(seed)).profiles


def test_each_block_of_documents_has_a_cluster(block_counts):
    result = [profiles(block_counts, 12, seed) for seed in range(5)]
    for subject in range(3):
        for each in result:
            own = each[:, 5 * subject : 5 * subject + 5].min(1)
            others = np.delete(each, range(5 * subject, 5 * subject + 5), axis=1).max(1)
            assert ((own > 0) & (others < 0)).any()


def test_profiles_are_log_ratios_to_the_corpus(block_counts):
    result = profiles(block_counts, 3)
    background = block_counts.sum(0) + 0.5
    assert np.allclose((np.exp(result) * background / background.sum()).sum(1), 1, atol=1e-5)


def test_clusters_without_documents_have_zeros(block_counts):
    result = profiles(block_counts[:4], 9)
    assert result.shape == (9, 15)
    assert np.isfinite(result).all()
    assert (~result.any(1)).any()


def test_empty_documents_are_ignored(block_counts):
    spaced = vstack([csr_array((5, 15), dtype=int), csr_array(block_counts)])
    assert np.array_equal(profiles(spaced, 3), profiles(block_counts, 3))
    assert not profiles(np.zeros((4, 15), dtype=int), 3).any()


def test_a_large_corpus_is_sampled(block_counts, monkeypatch):
    monkeypatch.setattr(clusters, "MAX_DOCUMENTS", 30)
    assert np.isfinite(profiles(block_counts, 3)).all()


def test_a_model_starts_at_the_profiles(block_counts):
    import torch

    result = torch.from_numpy(profiles(block_counts, 2))
    network = build_model(ModelConfig(15, (2,), weight_scale=0.0), torch.Generator(), profiles=result)
    weight = network.generative.visible.weight
    assert torch.allclose(weight, 0.5 * result.T.clamp(min=0))
    assert torch.allclose(network.recognition.first.linear.weight, 0.05 * result.T)
