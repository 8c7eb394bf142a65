"""Pools of similar documents, the uniform prior, and the recipe for codes to search by."""

import numpy as np
import pytest
import torch
from interruption import InterruptAfter, Interrupted
from scipy.sparse import csr_array

import docnvil
from docnvil.analysis.retrieval import hamming, retrieve
from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.storage.checkpoints import CheckpointWriter, read_checkpoint
from docnvil.text.sparse import SelectedRows
from docnvil.training import pooling as module
from docnvil.training.kmeans_init import assign_documents, cluster_documents
from docnvil.training.pooling import Pools
from docnvil.training.settings import Settings, TrainingConfig

ROWS = torch.arange(120)


@pytest.fixture(scope="module")
def pools(block_counts) -> Pools:
    return Pools.of(csr_array(block_counts), seed=0)


def subjects(counts: np.ndarray) -> np.ndarray:
    """Return which of the three blocks of five words has most of each document's words."""
    return counts.reshape(len(counts), 3, 5).sum(2).argmax(1)


def test_documents_of_the_sample_have_the_cluster_that_k_means_gave_them(block_counts):
    counts = csr_array(block_counts)
    clusters = cluster_documents(counts, 5, np.random.default_rng(0))
    assert assign_documents(counts, clusters).tolist() == clusters.members.argmax(axis=0).tolist()


def test_documents_beyond_the_sample_get_the_nearest_cluster(block_counts, monkeypatch):
    monkeypatch.setattr("docnvil.training.kmeans_init.MAX_DOCUMENTS", 60)
    clusters = cluster_documents(csr_array(block_counts), 3, np.random.default_rng(3))
    assigned = assign_documents(csr_array(block_counts), clusters)
    for cluster in range(3):  # an empty cluster, or documents of one subject, or of several that share the cluster
        own = set(subjects(block_counts[assigned == cluster]).tolist())
        sampled = set(subjects(block_counts[clusters.rows[assigned[clusters.rows] == cluster]]).tolist())
        assert own == sampled


def test_a_document_is_pooled_with_documents_of_its_cluster(pools):
    uniforms = np.random.default_rng(0).random((200, 120, 2))
    for each in uniforms:
        drawn = pools.draw(np.arange(120), each)
        clustering = (each[:, 0] * module.CLUSTERINGS).astype(int)
        assert (pools.cluster[clustering, drawn] == pools.cluster[clustering, np.arange(120)]).all()


def test_every_member_of_the_cluster_is_drawn(pools):
    uniforms = np.random.default_rng(0).random((2000, 1, 2))
    drawn = {int(pools.draw(np.array([7]), each)[0]) for each in uniforms}
    assert drawn == set(np.flatnonzero((pools.cluster == pools.cluster[:, [7]]).any(0)).tolist())


def test_pooled_counts_are_sums_over_documents(pools, block_counts):
    alone = pools.pooled_counts(ROWS, 0, seed=1)
    assert np.array_equal(alone.toarray(), block_counts)
    pooled = pools.pooled_counts(ROWS, 3, seed=1).toarray()
    assert (pooled >= block_counts).all()
    lengths = block_counts.sum(1)
    assert (pooled.sum(1) >= lengths + 3 * lengths.min()).all()
    assert (subjects(pooled) == subjects(block_counts)).mean() > 0.9


def test_pooled_counts_do_not_depend_on_the_batch_or_the_container(pools, block_counts):
    whole = pools.pooled_counts(ROWS, 2, seed=5).toarray()
    assert np.array_equal(pools.pooled_counts(ROWS[40:50], 2, seed=5).toarray(), whole[40:50])
    assert not np.array_equal(pools.pooled_counts(ROWS, 2, seed=6).toarray(), whole)
    selected = Pools.of(SelectedRows(csr_array(block_counts), np.arange(120)), seed=0)
    assert np.array_equal(selected.pooled_counts(ROWS, 2, seed=5).toarray(), whole)


def test_tiny_corpora_have_pools(block_counts):
    counts = csr_array(np.vstack([block_counts[:2], 0 * block_counts[:1]]))
    assert Pools.of(counts, 0).pooled_counts(torch.arange(3), 2, seed=0).shape == (3, 15)


def test_a_uniform_prior_stays_uniform(block_counts):
    network = build_model(ModelConfig(5, (3,), prior="uniform", start_logit=-2.0), torch.Generator().manual_seed(0))
    samples = torch.tensor([[[0.0, 1, 1]]])
    assert network.generative.prior().log_prob(samples).item() == pytest.approx(3 * np.log(0.5))
    model = docnvil.fit(block_counts, Settings(units=(3,), prior="uniform", epochs=2, weight_decay=0.1))
    assert not model.network.generative.prior.bias.any()
    assert model.network.recognition.first.linear.bias.any()


@pytest.fixture(scope="module")
def fitted(block_counts) -> docnvil.FittedModel:
    return docnvil.fit(block_counts, Settings("hash", units=(8,), epochs=20, batch_size=20, recognition_hidden=(20,)))


def test_codes_of_the_recipe_find_documents_of_the_same_subject(fitted, block_counts, recwarn):
    codes, labels = fitted.transform(block_counts), subjects(block_counts)
    result = retrieve(codes, labels, codes, labels, similarity=hamming, retrieved=[20])
    assert result.precision[0] > 0.95  # a third by chance
    on = (codes > 0.5).mean(0)
    assert ((on > 0.05) & (on < 0.95)).sum() >= 6  # most bits distinguish documents
    assert not [each for each in recwarn if "learned nothing" in str(each.message)]


def test_a_resumed_training_gives_the_same_bytes(fitted, block_counts, tmp_path):
    with pytest.raises(Interrupted):
        docnvil.fit(block_counts, fitted.settings, callbacks=(CheckpointWriter(tmp_path / "c"), InterruptAfter(2)))
    resumed = docnvil.fit(block_counts, fitted.settings, resume_from=read_checkpoint(tmp_path / "c"))
    assert resumed.history == fitted.history
    for name, value in fitted.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name


def test_a_saved_model_opens_with_the_same_codes(fitted, block_counts, tmp_path):
    docnvil.save(fitted, tmp_path / "model")
    loaded = docnvil.load(tmp_path / "model")
    assert np.array_equal(loaded.transform(block_counts), fitted.transform(block_counts))
    assert loaded.training.pooling == 4


@pytest.mark.parametrize("gradient", ["muprop", "rws", "wake-sleep"])
def test_gradients_that_need_the_document_itself_refuse_pooling(gradient):
    with pytest.raises(ConfigurationError, match="Set pooling to 0"):
        TrainingConfig(gradient=gradient, pooling=1)
    with pytest.raises(ConfigurationError, match="pooling"):
        Settings("hash", gradient=gradient)


@pytest.mark.parametrize("gradient", ["nvil", "rloo", "vimco", "disarm", "arms", "st-gumbel"])
def test_other_gradients_train_with_pooling(gradient, block_counts):
    settings = Settings(units=(3,), epochs=1, n_samples=2, gradient=gradient, pooling=2)
    assert np.isfinite(docnvil.fit(block_counts, settings).best.validation_bound)
