"""Visible layers: the facts and computations that depend on the kind of data."""

import typing

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from docnvil.batches import sparse_counts
from docnvil.errors import CorpusError
from docnvil.model.generative import GenerativeModel
from docnvil.model.visible import VISIBLE_LAYERS, Observation, VisibleLayer

each_layer = pytest.mark.parametrize("layer", VISIBLE_LAYERS.values(), ids=VISIBLE_LAYERS)


def test_every_value_of_the_setting_has_a_layer():
    assert tuple(VISIBLE_LAYERS) == typing.get_args(Observation)


@each_layer
def test_every_layer_answers_every_question(layer):
    for name in (name for name in typing.get_type_hints(VisibleLayer) if name in VisibleLayer.__annotations__):
        assert getattr(layer, name) is not None
    assert GenerativeModel(7, (2,), observation=layer.observation).visible.name == layer.name


@each_layer
def test_null_model_is_the_network_without_units(layer):
    """With weights of zero, the initial bias gives the null model's probabilities, up to their pseudo-counts."""
    counts = csr_array(np.random.default_rng(0).integers(0, 2, (400, 5)))
    sums = np.asarray(counts.sum(axis=0), dtype=np.float64)
    visible = layer(2, 5)
    with torch.no_grad():
        visible.bias.copy_(layer.initial_bias(torch.from_numpy(sums), counts.shape[0]))
    rows = csr_array(np.eye(5, dtype=np.int64))
    tensors = sparse_counts(rows, torch.device("cpu"), torch.float32)
    log_prob = visible(torch.zeros(1, 5, 2)).log_prob(tensors).detach()[0]
    assert np.allclose(layer.null_model(sums, counts.shape[0]).log_prob(rows), log_prob, atol=1e-3)


@each_layer
def test_null_model_is_a_distribution(layer):
    every = np.array(np.meshgrid(*[[0, 1]] * 3)).reshape(3, -1).T
    rows = every if layer.empty_is_data else np.eye(3, dtype=np.int64)  # all vectors, or all documents of one word
    null_model = layer.null_model(np.array([3.0, 0.0, 10.0]), 10)
    assert np.exp(null_model.log_prob(csr_array(rows))).sum() == pytest.approx(1)


def test_lengths_are_tokens_or_all_bits():
    tokens = np.array([3, 0])
    lengths = {name: layer.document_lengths(tokens, 7).tolist() for name, layer in VISIBLE_LAYERS.items()}
    assert lengths["softmax"] == lengths["dirichlet-multinomial"] == [3, 0]
    assert lengths["bernoulli"] == lengths["autoregressive-bernoulli"] == [7, 7]


@each_layer
def test_only_bits_refuse_counts_above_one(layer):
    layer.check_counts(csr_array(np.eye(2)))
    twos = csr_array(np.array([[0, 1], [2, 0]]))
    if layer.document_noun == "document":
        layer.check_counts(twos)
    else:
        with pytest.raises(CorpusError, match="zeros and ones, but there is a count of 2"):
            layer.check_counts(twos)
