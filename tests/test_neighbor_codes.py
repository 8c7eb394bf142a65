"""Codes of similar documents, the uniform prior, and the recipe for codes to search by."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from interruption import check_resumed_training
from scipy.sparse import csr_array

import docnvil
from docnvil.analysis.retrieval import hamming, retrieve
from docnvil.errors import ConfigurationError
from docnvil.model.belief_network import build_model
from docnvil.model.settings import ModelConfig
from docnvil.schema import from_saved
from docnvil.storage.checkpoints import read_checkpoint
from docnvil.text.sparse import SelectedRows
from docnvil.training import fit
from docnvil.training import neighbor_codes as module
from docnvil.training.neighbor_codes import neighbor_codes
from docnvil.training.settings import Settings, TrainingConfig


def subjects(counts: np.ndarray) -> np.ndarray:
    """Return which of the three blocks of five words has most of each document's words."""
    return counts.reshape(len(counts), 3, 5).sum(2).argmax(1)


def codes_of(counts: np.ndarray, n_bits: int, seed: int = 0) -> np.ndarray:
    """Return codes from latent semantic analysis alone."""
    matrix = csr_array(counts)
    return neighbor_codes(matrix, n_bits, lambda rows: np.ones((rows.shape[0], 1)), np.random.default_rng(seed))


def precision(codes: np.ndarray, labels: np.ndarray) -> float:
    return retrieve(codes * 1.0, labels, codes * 1.0, labels, similarity=hamming, retrieved=[20]).precision[0]


def test_documents_of_one_subject_get_similar_codes(block_counts, monkeypatch):
    monkeypatch.setattr(module, "NEIGHBORS", 20)
    codes, labels = codes_of(block_counts, 4), subjects(block_counts)
    assert codes.shape == (120, 4)
    assert codes.dtype == bool
    assert precision(codes, labels) > 0.9  # a third by chance


def test_more_bits_than_features_are_allowed(block_counts, monkeypatch):
    monkeypatch.setattr(module, "NEIGHBORS", 20)
    codes = codes_of(block_counts, 40)
    assert codes.shape == (120, 40)
    assert precision(codes, subjects(block_counts)) > 0.9


def test_neighbors_are_found_among_a_sample_of_a_large_corpus(block_counts, monkeypatch):
    monkeypatch.setattr(module, "NEIGHBORS", 20)
    monkeypatch.setattr(module, "REFERENCE_DOCUMENTS", 60)
    assert precision(codes_of(block_counts, 4), subjects(block_counts)) > 0.9


def test_codes_do_not_depend_on_the_container(block_counts):
    expected = codes_of(block_counts, 6)
    selected = SelectedRows(csr_array(block_counts), np.arange(120))
    actual = neighbor_codes(selected, 6, lambda rows: np.ones((rows.shape[0], 1)), np.random.default_rng(0))
    assert np.array_equal(actual, expected)


def test_the_mean_of_neighbors_is_that_of_the_nearest_rows(monkeypatch):
    monkeypatch.setattr(module, "NEIGHBORS", 2)
    reference = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]])
    means = module._mean_of_neighbors(np.array([[1.0, 0.0]]), reference)
    assert means == pytest.approx((np.array([[1.0, 0.0]]) + 0.64 * np.array([[0.8, 0.6]])) / 1.64)
    rows = np.random.default_rng(0).normal(size=(9, 2))
    whole = module._mean_of_neighbors(rows, reference)
    monkeypatch.setattr(module, "SIMILARITIES", 8)
    assert module._mean_of_neighbors(rows, reference) == pytest.approx(whole)


def test_tiny_corpora_and_documents_without_words_have_codes(block_counts):
    assert codes_of(np.vstack([block_counts[:2], 0 * block_counts[:1]]), 3).shape == (3, 3)


def test_a_uniform_prior_stays_uniform(block_counts):
    network = build_model(ModelConfig(5, (3,), prior="uniform", start_logit=-2.0), torch.Generator().manual_seed(0))
    samples = torch.tensor([[[0.0, 1, 1]]])
    assert network.generative.prior().log_prob(samples).item() == pytest.approx(3 * np.log(0.5))
    model = docnvil.fit(block_counts, Settings(units=(3,), prior="uniform", epochs=2, weight_decay=0.1))
    assert not model.network.generative.prior.bias.any()
    assert model.network.recognition.first.linear.bias.any()


@pytest.fixture(scope="module")
def fitted(block_counts) -> docnvil.FittedModel:
    return docnvil.fit(block_counts, Settings("hash", units=(8,), epochs=20, batch_size=20))


def test_codes_of_the_recipe_find_documents_of_the_same_subject(fitted, block_counts, recwarn):
    codes, labels = fitted.transform(block_counts), subjects(block_counts)
    result = retrieve(codes, labels, codes, labels, similarity=hamming, retrieved=[20])
    assert result.precision[0] > 0.95  # a third by chance
    on = (codes > 0.5).mean(0)
    assert ((on > 0.05) & (on < 0.95)).sum() >= 6  # most bits distinguish documents
    assert not [each for each in recwarn if "learned nothing" in str(each.message)]


def test_a_resumed_training_gives_the_same_bytes_with_the_codes_of_the_checkpoint(
    fitted, block_counts, tmp_path, monkeypatch
):
    """On a GPU, a model that is trained again has other units, and gives other codes."""
    make, made = fit._neighbor_codes, []

    def make_once(*arguments):
        made.append(make(*arguments))
        assert len(made) == 1
        return made[0]

    monkeypatch.setattr(fit, "_neighbor_codes", make_once)
    check_resumed_training(fitted, block_counts, tmp_path / "c")
    assert torch.equal(read_checkpoint(tmp_path / "c").tensors["codes.bits"], made[0])


def test_the_model_that_describes_documents_is_trained_on_the_same_gpu(monkeypatch):
    def start(data, settings):
        raise KeyError(settings.device)

    monkeypatch.setattr(fit, "start_training", start)
    model = SimpleNamespace(config=SimpleNamespace(units=(4,)), device=torch.device("cuda:1"))
    training = SimpleNamespace(model=model, config=SimpleNamespace(seed=0))
    with pytest.raises(KeyError, match="cuda:1"):
        fit._neighbor_codes(None, training, ())


def test_a_saved_model_opens_with_the_same_codes(fitted, block_counts, tmp_path):
    docnvil.save(fitted, tmp_path / "model")
    loaded = docnvil.load(tmp_path / "model")
    assert np.array_equal(loaded.transform(block_counts), fitted.transform(block_counts))
    assert loaded.training.neighbor_codes == 10


def test_codes_need_one_layer_of_units(block_counts):
    with pytest.raises(ConfigurationError, match="Give one number of units"):
        docnvil.fit(block_counts, Settings("hash", units=(4, 2), epochs=1))


@pytest.mark.parametrize("gradient", ["nvil", "vimco", "arms", "rws", "wake-sleep", "muprop", "st-gumbel"])
def test_all_gradients_learn_the_codes(gradient, block_counts):
    settings = Settings("hash", units=(6,), epochs=15, batch_size=20, n_samples=2, gradient=gradient)
    codes = docnvil.fit(block_counts, settings).transform(block_counts) > 0.5
    assert precision(codes, subjects(block_counts)) > 0.9


def test_a_model_that_was_saved_with_a_setting_of_an_earlier_version_opens():
    assert from_saved(TrainingConfig, {"pooling": 4, "epochs": 3}).epochs == 3
    with pytest.raises(TypeError):
        from_saved(TrainingConfig, {"polling": 4})
